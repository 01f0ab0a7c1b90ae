"""The findings table: one row per scope and activity, the study's result in the form that others read.

Its columns are a stable interface; `COLUMNS` states them in order with their meaning and unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.errors import DataError
from analysis.words import spreadsheet_text

COLUMNS: dict[str, str] = {
    "scope": "company or team",
    "team_id": "the team; blank for the company",
    "activity": "the kind of activity",
    "outcome": "the outcome that test and grade rest on",
    "n_reps": "reps behind the estimate",
    "n_weeks": "weeks (months in a monthly panel) behind the estimate",
    "n_wins": "won deals behind the estimate; blank where wins are not recorded",
    "effective_clusters": "how many equal reps would carry as much evidence",
    "lag_from": "first delay tested, in weeks (months)",
    "lag_to": "last delay tested, in weeks (months); fixed before looking",
    "effect": "expected change of revenue per one extra activity, summed over the delays; reporting currency",
    "conf_low": "lower end of the 95 % interval of effect",
    "conf_high": "upper end of the 95 % interval of effect",
    "effect_relative": "the same as a share of the baseline outcome, per one extra activity a week",
    "relative_low": "lower end of its 95 % interval",
    "relative_high": "upper end of its 95 % interval",
    "p_value": "small-sample probability of a link at least this strong by chance; the more cautious of two",
    "q_value": "the same, counting every activity tested in this scope (Benjamini-Hochberg)",
    "mean_lag_weeks": "average delay until it shows; blank below grade B",
    "placebo_p": "do later activities 'explain' earlier results",
    "reverse_p": "do past results move the activity",
    "oos_gain": "share by which forecasts of unseen weeks improve with the activity",
    "oos_p": "probability of such an improvement by chance (Clark-West)",
    "mde_relative": "smallest effect this data could have shown (80 % power), as effect_relative",
    "own_share": "team scope: how much of the estimate is the team's own data (1 = all)",
    "grade": "A predicts, B likely predicts, C direction unclear, D cannot tell, E no material effect, X refused",
    "reason": "why this grade, naming the weakest link",
    "sentence": "one plain sentence for a leader",
}

INTEGERS = ("n_reps", "n_weeks", "n_wins", "lag_from", "lag_to")
TEXTS = ("scope", "team_id", "activity", "outcome", "grade", "reason", "sentence")


def tabulate(rows: Sequence[Mapping[Any, Any]]) -> pd.DataFrame:
    """Rows as the findings table: these columns, this order, these types; numbers unrounded."""
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for name in COLUMNS:
        if name in INTEGERS:
            table[name] = table[name].astype("Int64")
        elif name in TEXTS:
            table[name] = table[name].astype("object").fillna("").astype("str")
        else:
            table[name] = table[name].astype("float64")
    return table


def findings_csv(findings: pd.DataFrame) -> bytes:
    """findings.csv: the table's own headings, unrounded numbers; text that a spreadsheet would run is quoted."""
    texts = {name: findings[name].map(spreadsheet_text) for name in findings.columns if findings[name].dtype == "str"}
    return findings.assign(**texts).to_csv(index=False, lineterminator="\n").encode()


def read_findings(path: Path) -> pd.DataFrame:
    """findings.parquet or findings.csv as written. Raises DataError when it is not a findings table."""
    texts = dict.fromkeys(TEXTS, "str")
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
    else:
        table = pd.read_csv(
            path, dtype=texts, keep_default_na=False, na_values={c: [""] for c in COLUMNS if c not in TEXTS}
        )
    if missing := sorted(set(COLUMNS) - set(table.columns)):
        raise DataError(
            f"{path}: not a findings table, {', '.join(missing)} missing; write it again with `workbench study`."
        )
    return tabulate(table.to_dict("records"))
