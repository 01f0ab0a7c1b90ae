"""The ledger: studies as they were written, and whether what they claimed held on the weeks that came after.

A claim is a company row graded A or B. It is scored on rows whose outcome lies after the study's last week only, by the
same regression: nothing that the study saw is used again, except activities that lie in the delay window before.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError, DataError
from analysis.evidence.estimate import check_vcov, fit_headline
from analysis.evidence.findings import findings_csv, read_findings
from analysis.evidence.plan import Limits, Plan
from analysis.evidence.sample import make_sample
from analysis.evidence.study import Study
from analysis.models.inference import contrast
from analysis.models.tails import t_two_sided
from analysis.panel import Panel

SAY = words.Voice("evidence.ledger")
MIN_NEW_PERIODS = 13
COLUMNS = (
    "study",
    "as_of",
    "activity",
    "grade",
    "claimed",
    "low",
    "high",
    "since",
    "since_low",
    "since_high",
    "verdict",
)


def write_study(study: Study, out: Path) -> None:
    """findings.csv, findings.parquet and study.json, each written whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    _publish(out / "findings.parquet", study.findings.to_parquet(index=False))
    _publish(out / "findings.csv", findings_csv(study.findings))
    text = json.dumps(study.details, indent=1, ensure_ascii=False, allow_nan=False, default=float)
    _publish(out / "study.json", text.encode())


def _publish(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def read_study(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Findings and details of a written study. Raises DataError when the folder does not hold a whole one."""
    try:
        details = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / 'study.json'}: not readable as a study ({error}); write it again.") from error
    return read_findings(folder / "findings.parquet"), details


def read_ledger(folder: Path) -> dict[str, tuple[pd.DataFrame, dict[str, Any]]]:
    """Every study in a folder or right below it, oldest data first. Raises DataError when there is none."""
    homes = sorted({path.parent for path in [*folder.glob("study.json"), *folder.glob("*/study.json")]})
    if not homes:
        raise DataError(f"{folder}: no study.json here or one folder below; write studies with `workbench study`.")
    studies = {home.name: read_study(home) for home in homes}
    return dict(sorted(studies.items(), key=lambda item: (item[1][1]["last_week"], item[0])))


def rescore(panel: Panel, details: dict[str, Any], claims: pd.DataFrame) -> list[dict[str, Any]]:
    """The claims of one study beside the same links estimated on later rows only; log scale per one extra."""
    kept = {
        name: details["plan"][name] for name in ("outcome", "max_lag", "terms", "period", "effects", "draws", "seed")
    }
    plan = Plan(activities=tuple(details["plan"]["activities"]), markers=tuple(details["plan"]["markers"]), **kept)
    sample = make_sample(panel, replace(plan, limits=Limits(min_weeks=MIN_NEW_PERIODS, min_months=MIN_NEW_PERIODS)))
    later = sample.weeks > np.datetime64(details["last_week"])
    sample = replace(sample, keep=sample.keep & later)
    if np.unique(sample.weeks[sample.keep]).size < MIN_NEW_PERIODS:
        early = SAY.text(f"too_early_{panel.period}", {"needed": SAY.number(MIN_NEW_PERIODS)})
        return [{"verdict": early} for _ in range(len(claims))]
    try:
        fit = fit_headline(sample)
    except AnalysisError as error:
        return [{"verdict": SAY.text("not_scored", {"why": error})} for _ in range(len(claims))]
    vcov, out = check_vcov(fit), []
    for claim in claims.to_dict("records"):
        old = details["scopes"][""]["activities"][claim["activity"]]["link"]
        new = contrast(fit, sample.weights(sample.activities.index(claim["activity"])), vcov)
        out.append(
            {
                "since": new.estimate,
                "since_low": new.conf_low,
                "since_high": new.conf_high,
                "verdict": verdict(old, new),
            }
        )
    return out


def verdict(old: dict[str, float], new: Any) -> str:
    """held (same direction, and the two agree within their errors), weaker or stronger than claimed, or contradicted."""
    error = float(np.hypot(old["std_error"], new.std_error))
    apart = t_two_sided((old["estimate"] - new.estimate) / error, min(old["df"], new.df)) <= 0.05
    same = np.sign(old["estimate"]) == np.sign(new.estimate)
    if not apart:
        return "held" if same else "not confirmed"
    if not same:
        return "contradicted"
    return "weaker than claimed" if abs(new.estimate) < abs(old["estimate"]) else "stronger than claimed"


def score_table(panel: Panel, folder: Path) -> pd.DataFrame:
    """One row per earlier claim: what was claimed, what the weeks since say, and the verdict (COLUMNS)."""
    rows: list[dict[str, Any]] = []
    for name, (findings, details) in read_ledger(folder).items():
        claims = findings[(findings["scope"] == "company") & findings["grade"].isin(["A", "B"])]
        if claims.empty:
            continue
        if missing := set(details["plan"]["activities"]) - set(panel.activities):
            raise DataError(f"{folder / name}: studied {', '.join(sorted(missing))}, which this data does not have.")
        for claim, since in zip(claims.to_dict("records"), rescore(panel, details, claims), strict=True):
            link = details["scopes"][""]["activities"][claim["activity"]]["link"]
            claimed = {"claimed": link["estimate"], "low": link["conf_low"], "high": link["conf_high"]}
            known = {
                "study": name,
                "as_of": details["last_week"],
                "activity": claim["activity"],
                "grade": claim["grade"],
            }
            rows.append(known | claimed | since)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def score(panel: Panel, folder: Path) -> list[str]:
    """The ledger in words: one line a claim, then how many held."""
    table = score_table(panel, folder)
    if table.empty:
        return [SAY.text("none")]
    lines = []
    for row in table.to_dict("records"):
        since = "" if pd.isna(row["since"]) else SAY.text("since", {"change": change(row["since"])})
        values: dict[str, object] = {name: row[name] for name in ("as_of", "activity", "grade", "verdict")}
        values |= {"claimed": change(row["claimed"]), "since": since}
        lines.append(SAY.text(f"claim_{panel.period}", values))
    scored = table[table["since"].notna()]
    held = int(scored["verdict"].isin(["held", "stronger than claimed"]).sum())
    return [*lines, SAY.plural("held", len(scored), {"held": SAY.number(held), "all": SAY.number(len(scored))})]


def change(log_effect: float) -> str:
    """An effect on the log scale as a signed share: +1.6%."""
    share = float(np.expm1(log_effect))
    return f"{'+' if share >= 0 else '-'}{SAY.share(abs(share), decimals=1)}"
