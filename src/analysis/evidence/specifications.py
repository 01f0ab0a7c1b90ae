"""Would other, equally defensible choices have said the same? Every combination refitted, and all of them tested at once.

Many choices that agree prove nothing by themselves, as they share their data. So the whole curve is set against what it
looks like where nothing is there: every rep's activities are rotated in time, all together, and the same choices are
made again. A choice picked after looking is resampled with the picking: `p_largest` compares the clearest choice with
the clearest choice of every rotated copy. Source: Simonsohn, Simmons & Nelson (2020), with circular shifts as the
resampling under the null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from analysis.errors import AnalysisError
from analysis.evidence.estimate import check_vcov
from analysis.evidence.onestep import null_model
from analysis.evidence.sample import Array, Sample, in_scope
from analysis.models.design import Cells, lag_basis, lag_terms, make_cells
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.models.shift import shift_activities
from analysis.panel import Panel

Model = Literal["multiplicative", "additive"]
EFFECTS = ("team_week", "week")
COLUMNS = ["activity", "outcome", "model", "effects", "window", "terms", "estimate", "low", "high", "headline"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One equivalent way: outcome, model (multiplicative, additive), effects (team_week, week), window in periods, smooth terms."""

    outcome: str
    model: Model
    effects: str
    window: int
    terms: int


@dataclass(frozen=True, slots=True)
class CurveTest:
    """All choices of one activity against rotated copies.

    choices: how many. same_sign: share of them with the sign of the middle one. median: the middle one, as a share of the
    usual outcome per one extra. p_median, p_same_sign, p_largest: share of copies in which the middle, the agreement and
    the clearest choice are at least as large, (1 + k) / (copies + 1); NaN where nothing could be tested.
    """

    choices: int
    copies: int
    same_sign: float
    median: float
    p_median: float
    p_same_sign: float
    p_largest: float


def choices_of(sample: Sample, outcomes: tuple[str, ...]) -> list[Choice]:
    """Outcome and model (the plan's and revenue multiplicative, revenue additive), week effects by team or for all, window
    (half, as planned, one and a half times) and smooth terms (one, three), in a fixed order."""
    longest = sample.plan.max_lag
    windows = sorted({max(1, longest // 2), longest, min(longest + longest // 2, max(1, sample.n_periods // 4))})
    models: list[tuple[str, Model]] = [(sample.plan.outcome, "multiplicative")]
    if "revenue" in outcomes:
        models += [("revenue", "multiplicative")] if sample.plan.outcome != "revenue" else []
        models += [("revenue", "additive")]
    terms = sorted({1, sample.plan.terms})
    found = (
        Choice(outcome, model, effects, window, min(count, window))
        for (outcome, model), effects, window, count in product(models, EFFECTS, windows, terms)
    )
    return list(dict.fromkeys(found))


def headline_choice(sample: Sample) -> Choice:
    """The study's own."""
    plan = sample.plan
    return Choice(plan.outcome, "multiplicative", "team_week", plan.max_lag, min(plan.terms, plan.max_lag))


def cells_for(panel: Panel, sample: Sample, effects: str) -> Cells:
    """The sample's cells with these effects; a rep cut by a logging break stays cut."""
    if effects == "team_week":
        return sample.cells
    rows = panel.frame[in_scope(panel, sample.team_id)]
    plain = make_cells(rows, effects="week", cluster="rep", period="week" if panel.period == "week" else "month")
    return replace(plain, unit=sample.cells.unit)


def specification_curve(panel: Panel, sample: Sample, activity: str) -> pd.DataFrame:
    """The link of one activity under every choice, smallest first. Columns: COLUMNS; estimate, low, high as a share of the
    usual outcome per one extra activity a period. A choice that cannot be estimated is left out."""
    rows = [_refit(panel, sample, activity, choice) for choice in choices_of(sample, panel.outcomes)]
    frame = pd.DataFrame([row for row in rows if row is not None], columns=COLUMNS)
    return frame.sort_values("estimate", kind="stable", ignore_index=True)


def _refit(panel: Panel, sample: Sample, activity: str, choice: Choice) -> tuple[object, ...] | None:
    basis, k = lag_basis(choice.window, terms=choice.terms), sample.activities.index(activity)
    columns = np.hstack([lag_terms(sample.cells, sample.counts, basis, range(1, choice.window + 1)), sample.controls])
    weights = np.zeros(columns.shape[1])
    weights[k * basis.shape[1] : (k + 1) * basis.shape[1]] = basis.sum(axis=0)
    y = sample.outcomes[choice.outcome]
    keep = sample.keep & np.isfinite(y) & np.isfinite(columns).all(axis=1)
    y = y[keep] if choice.model == "additive" else np.maximum(y[keep], 0.0)
    cells = cells_for(panel, sample, choice.effects).take(keep)
    try:
        fit = (fit_ols if choice.model == "additive" else fit_ppml)(y, columns[keep], cells)
    except AnalysisError:
        return None
    found = contrast(fit, weights, check_vcov(fit))
    values = np.array([found.estimate, found.conf_low, found.conf_high])
    shares = values / y.mean() if choice.model == "additive" else np.expm1(values)
    named = (choice.outcome, choice.model, choice.effects.replace("_", " by "), choice.window, choice.terms)
    return (activity, *named, *shares, choice == headline_choice(sample))


def curve_test(panel: Panel, sample: Sample, activity: str, *, copies: int = 199, seed: int = 0) -> CurveTest:
    """Test the whole curve of one activity at once against `copies` rotated copies.

    Each copy is estimated by one Newton step from the model without any activity (least squares: exactly), with the
    metric of the data as they are, since refitting a Poisson regression for every choice and copy would take hours; the
    data themselves are measured the same way. All choices use the rows that the longest window leaves.
    """
    choices = choices_of(sample, panel.outcomes)
    try:
        estimate = _one_step(panel, sample, activity, choices)
        observed = estimate(sample.counts)
        rng = np.random.default_rng([seed, sample.activities.index(activity)])
        drawn = np.array([estimate(shift_activities(sample.counts, sample.cells, rng)) for _ in range(copies)])
    except AnalysisError:
        return CurveTest(len(choices), 0, np.nan, np.nan, np.nan, np.nan, np.nan)
    spread = np.vstack([observed, drawn]).std(axis=0)
    pairs = [(_agreement(one), abs(np.median(one)), np.abs(one / spread).max()) for one in (observed, *drawn)]
    agreement, middle, largest = (np.array(column) for column in zip(*pairs, strict=True))
    # Nearly equal agreement is equal: shares of the same number of choices.
    p_same, p_middle, p_largest = (
        float((1 + (column[1:] >= column[0] - 1e-12).sum()) / (copies + 1)) for column in (agreement, middle, largest)
    )
    return CurveTest(len(choices), copies, float(agreement[0]), float(np.median(observed)), p_middle, p_same, p_largest)


def _agreement(estimates: Array) -> float:
    return float((np.sign(estimates) == np.sign(np.median(estimates))).mean())


def _one_step(panel: Panel, sample: Sample, activity: str, choices: list[Choice]) -> Callable[[Array], Array]:
    """A function from activities (n, k) to the link of one activity under every choice (S,), as shares of the outcome."""
    forms = list(dict.fromkeys((choice.window, choice.terms) for choice in choices))
    bases = {form: lag_basis(form[0], terms=form[1]) for form in forms}
    k, places = sample.activities.index(activity), _places(bases, len(sample.activities), sample.controls.shape[1])

    def columns(counts: Array) -> Array:
        parts = [lag_terms(sample.cells, counts, basis, range(1, form[0] + 1)) for form, basis in bases.items()]
        return np.hstack([*parts, sample.controls])

    usable = sample.keep & np.isfinite(columns(sample.counts)).all(axis=1)
    models = {
        group: null_model(sample.outcomes[group[0]], cells_for(panel, sample, group[2]), usable, group[1])
        for group in dict.fromkeys((c.outcome, c.model, c.effects) for c in choices)
    }

    def estimate(counts: Array) -> Array:
        terms = columns(counts)
        found = {group: model.net(terms)[1] for group, model in models.items()}
        out = []
        for choice in choices:
            within = found[choice.outcome, choice.model, choice.effects]
            form, at = (choice.window, choice.terms), places[choice.window, choice.terms]
            coef = np.linalg.lstsq(within.gram[np.ix_(at, at)], within.cross[at, 0], rcond=None)[0]
            width = bases[form].shape[1]
            out.append(bases[form].sum(axis=0) @ coef[k * width : (k + 1) * width])
        return np.array(out)

    return estimate


def _places(bases: dict[tuple[int, int], Array], n_activities: int, n_controls: int) -> dict[tuple[int, int], Array]:
    """Where each form of delays has its columns among all: its terms of every activity, then the controls."""
    ends = np.cumsum([0, *(n_activities * basis.shape[1] for basis in bases.values())])
    controls = np.arange(ends[-1], ends[-1] + n_controls)
    return {form: np.r_[np.arange(ends[i], ends[i + 1]), controls] for i, form in enumerate(bases)}
