"""One draw of the grading on a simulated world whose truth is known: what `make calibrate` repeats."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: one draw a core, not one draw on all of them

import numpy as np

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
        "doubt": doubt(m, result.plan.limits) or "",
        "grade": grade(m, result.plan.limits)[0],
        "saturates": bool(shape and shape.saturates),
        "turn_covered": bool(
            shape
            and shape.saturates
            and shape.response.turning_low <= (planted["turning_point"] or np.nan) <= shape.response.turning_high
        ),
    }
