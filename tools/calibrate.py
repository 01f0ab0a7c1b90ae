"""Measure the grading on simulated worlds whose truth is known, and write docs/calibration.md: `make calibrate`.

Every draw is a fresh company (or one team) that goes through the whole grading at company scope. Draws are seeded by their
number, so a rerun of the same code gives the same page; `--draws` trades time for precision. An interrupted run goes on
from the draws that the same code has already made (`--keep`).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one draw a core, not one draw on all of them

import numpy as np
import pandas as pd

import analysis
from analysis.crm.simulate import simulate_panel
from analysis.evidence.assess import assess, measured
from analysis.evidence.grades import doubt, grade
from analysis.evidence.plan import make_plan
from analysis.evidence.regimes import find_breaks, regime_units
from analysis.evidence.sample import make_sample, make_scope
from analysis.evidence.shapes import shapes
from analysis.panel import Panel

COMPANY = (24, 8, 104)
WORLDS = {
    "null": COMPANY,
    "demo": COMPANY,
    "small": COMPANY,
    "reverse": COMPANY,
    "territory": COMPANY,
    "logging_break": COMPANY,
    "turnover": COMPANY,
    "saturation": COMPANY,
    "heterogeneous": COMPANY,
    "thin": (12, 8, 104),
}
TEAMS = {f"{world}, one team of {reps}": (world, (1, reps, 104)) for world in ("null", "demo") for reps in (6, 10, 30)}
ROOMS = ("models", "evidence", "panel", "crm/simulate")
Job = tuple[str, str, int, tuple[int, int, int]]


def panel_of(world: str, seed: int, size: tuple[int, int, int]) -> tuple[Panel, dict[str, Any]]:
    """A simulated panel and its truth; the stage marker is known as the events would show it."""
    frame, truth = simulate_panel(world, seed, *size)
    kinds = tuple(truth["activities"])
    advanced = {kind: 1.0 for kind in kinds if truth["activities"][kind]["role"] == "stage_marker"}
    return Panel(frame, kinds, ("wins", "revenue"), currency="EUR", cycle_days_p75=56.0, advanced=advanced), truth


def one_draw(job: Job) -> list[dict[str, Any]]:
    """Every activity of one draw: what was planted, what was measured, which grade it got."""
    name, world, seed, size = job
    panel, truth = panel_of(world, seed, size)
    plan = make_plan(panel)
    units = regime_units(panel, find_breaks(panel, plan.activities))
    result = assess(make_scope(panel, plan, units=units))
    base = {"name": name, "world": world, "seed": seed, "refused": bool(result.refused)}
    if result.refused:
        return [
            base | {"activity": kind, "role": truth["activities"][kind]["role"], "grade": "X"}
            for kind in plan.activities
        ]
    curves = {}
    if world == "saturation":
        curves = {s.activity: s for s in shapes(make_sample(panel, plan, units=units))}
    return [base | row(result, k, truth, curves) for k in range(len(result.estimates))]


def row(result: Any, k: int, truth: dict[str, Any], curves: dict[str, Any]) -> dict[str, Any]:
    """One activity of one draw."""
    e, m = result.estimates[k], measured(result, k)
    planted = truth["activities"][e.activity]
    shape = curves.get(e.activity)
    return {
        "activity": e.activity,
        "role": planted["role"],
        "planted": planted["log_effect"],
        "planted_money": planted["effect_revenue"],
        "turning_point": planted["turning_point"],
        "estimate": e.link.estimate,
        "covered": e.link.conf_low <= planted["log_effect"] <= e.link.conf_high,
        "money_covered": e.money[1] <= planted["effect_revenue"] <= e.money[2],
        "lag_error": e.kernel.mean_lag - (planted["mean_lag_weeks"] or np.nan),
        "raw": m.q_value <= 0.05,
        "vetoed": m.q_value <= 0.05 and doubt(m, result.plan.limits) is not None,
        "grade": grade(m, result.plan.limits)[0],
        "saturates": bool(shape and shape.saturates),
        "turn_covered": bool(
            shape
            and shape.saturates
            and shape.response.turning_low <= (planted["turning_point"] or np.nan) <= shape.response.turning_high
        ),
    }


def share(hits: pd.Series) -> str:
    """A rate with its Monte Carlo standard error and count."""
    n = len(hits)
    if n == 0:
        return "-"
    p = float(hits.mean())
    return f"{p:.1%} ± {np.sqrt(max(p * (1 - p), 1 / n / 4) / n):.1%} ({int(hits.sum())}/{n})"


def claims(rows: pd.DataFrame, letters: str) -> pd.Series:
    """By draw: whether any activity that does not matter got one of these grades."""
    wrong = rows[~rows["role"].eq("matters")]
    return wrong.groupby("seed")["grade"].agg(lambda grades: grades.isin(list(letters)).any())


def world_line(name: str, rows: pd.DataFrame) -> str:
    """One line of the main table."""
    answered = rows[~rows["refused"]]
    matter = answered[answered["role"].eq("matters") & answered["turning_point"].isna()]
    claimed = matter["grade"].isin(["A", "B"])
    plain = answered[answered["role"].isin(["matters", "none", "correlates"]) & answered["turning_point"].isna()]
    lag = (matter["lag_error"].abs() <= 0.5)[claimed]
    cells = [
        name,
        str(rows["seed"].nunique()),
        share(claims(rows, "AB")),
        share(claims(rows, "A")),
        share(claimed),
        share(matter["raw"]),
        share(matter.loc[matter["raw"], "vetoed"]),
        share(plain["covered"]),
        share(plain["money_covered"]),
        share(lag),
    ]
    return "| " + " | ".join(cells) + " |"


def page(rows: pd.DataFrame, draws: int) -> str:
    """The whole of docs/calibration.md."""
    head = [
        "| world | draws | any false A or B | any false A | true effects graded A or B | true effects found before checks "
        "| of those lost to checks | 95 % interval covers | currency interval covers | mean delay within half a week |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    names = list(dict.fromkeys(rows["name"]))
    lines = [world_line(name, rows[rows["name"] == name]) for name in names]
    grades = rows.groupby(["name", "grade"]).size().unstack(fill_value=0).reindex(names)
    grade_head = "| world | " + " | ".join(grades.columns) + " |"
    grade_rows = [
        f"| {name} | " + " | ".join(str(v) for v in line) + " |"
        for name, line in zip(names, grades.to_numpy(), strict=True)
    ]
    by_size = rows[rows["role"].eq("matters") & rows["planted"].notna()].copy()
    by_size["size"] = np.where(by_size["planted"] < 0.02, "0.6 % of wins per extra one", "6-10 % of wins per extra one")
    power = [
        f"| {name} | {size} | {share(part['grade'].isin(['A', 'B']))} |"
        for (name, size), part in by_size[by_size["turning_point"].isna()].groupby(["name", "size"], sort=False)
    ]
    bent = rows[rows["turning_point"].notna()]
    return "\n".join(
        [
            "# Calibration",
            "",
            f"Generated by `make calibrate` ({draws} draws a world; a rate is followed by its Monte Carlo standard error and count).",
            "Unless a line says otherwise a draw is a company of 24 teams x 8 reps x 104 weeks, graded whole at company scope: logging breaks,",
            "joint regression, jackknife and bootstrap, vetoes, forecasts. The worlds are described in simulator.md.",
            "",
            *head,
            *lines,
            "",
            "Power by the size of the planted effect:",
            "",
            "| world | effect | graded A or B |",
            "|---|---|---|",
            *power,
            "",
            "A saturating effect (world saturation): the curve was found in "
            f"{share(bent['saturates'])}; the interval of the turning point held the true one in {share(bent.loc[bent['saturates'], 'turn_covered'])} of those.",
            "",
            "All grades given, every activity counted:",
            "",
            grade_head,
            "|" + "---|" * (len(grades.columns) + 1),
            *grade_rows,
            "",
        ]
    )


def code_fingerprint() -> str:
    """Of the sources a draw depends on: draws of other code are never mixed in."""
    package = Path(analysis.__file__).parent
    sources = [Path(__file__), *(p for room in ROOMS for p in sorted((package / room).rglob("*.py")))]
    return hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:16]


def draws(jobs: list[Job], processes: int, keep: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows of every draw, in the order of the jobs; new ones are written to `keep` as they come."""
    code, done = code_fingerprint(), {}
    if keep.exists():
        for line in keep.read_text(encoding="utf-8").splitlines():
            kept = json.loads(line)
            if kept["code"] == code:
                done[tuple(kept["draw"])] = kept["rows"]
    todo = [job for job in jobs if (job[0], job[2]) not in done]
    keep.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as pool, keep.open("a", encoding="utf-8") as out:
        running = {pool.submit(one_draw, job): (job[0], job[2]) for job in todo}
        for future in as_completed(running):
            draw = running[future]
            done[draw] = future.result()
            out.write(json.dumps({"code": code, "draw": draw, "rows": done[draw]}, default=float) + "\n")
            out.flush()
    yield from (done[job[0], job[2]] for job in jobs)


def main() -> None:
    """Run the draws and write the page."""
    root = Path(__file__).parents[1]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=100, help="draws a world")
    parser.add_argument("--only", nargs="*", help="these worlds only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=root / ".calibration" / "draws.jsonl")
    parser.add_argument("--out", type=Path, default=root / "docs" / "calibration.md")
    chosen = parser.parse_args()
    # By draw, not by world: an interrupted run has a little of everything.
    jobs = [(name, name, seed, size) for seed in range(chosen.draws) for name, size in WORLDS.items()]
    jobs += [(name, world, seed, size) for seed in range(chosen.draws) for name, (world, size) in TEAMS.items()]
    jobs = [job for job in jobs if not chosen.only or job[0] in chosen.only]
    rows = pd.DataFrame([line for lines in draws(jobs, chosen.jobs, chosen.keep) for line in lines])
    names = [name for name in (*WORLDS, *TEAMS) if name in set(rows["name"])]
    rows["name"] = pd.Categorical(rows["name"], names)
    rows = rows.sort_values("name", kind="stable").astype({"name": str})
    chosen.out.write_text(page(rows, chosen.draws), encoding="utf-8")
    print(f"{chosen.out} written from {len(jobs)} draws")


if __name__ == "__main__":
    main()
