"""One scope's rows as arrays: what every fit and every check of a study works on.

Rows are sorted by rep and week. A rep whose logging changed regime is cut in two units there (analysis.evidence.regimes),
so that no delay reaches across the change and its level is free on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.plan import EVENTS_PER_PARAMETER, Plan, lag_terms_for
from analysis.models.design import Cells, lag_basis, lag_terms, make_cells, valid_rows
from analysis.models.forecast import season_terms
from analysis.panel import Panel

Array = np.ndarray
SAY = words.Voice("evidence.refused")
PIPELINE = ("pipeline_open", "pipeline_factored")


@dataclass(frozen=True, slots=True)
class Sample:
    """Arrays of one scope, n rows, k activities, L lags, q smooth terms an activity.

    counts: (n, k) activities of the row's own week. terms: (n, k*q) smooth sums over lags 1..L, activity by activity.
    basis: (L, q). controls: (n, c), at present the share of the week worked. pipeline: (n, 0 to 2)
    log of the open and the probability-weighted pipeline when the period began, where recorded. outcomes: name -> (n,).
    keep: rows whose lags and outcome are all known. rep_codes, team_codes, weeks: (n,). n_weeks:
    periods with usable rows; n_periods: periods with any row. quota_ends: see Panel. refused: why no answer can be given for this scope, or "".
    """

    scope: str
    team_id: str
    plan: Plan
    activities: tuple[str, ...]
    cells: Cells
    counts: Array
    terms: Array
    basis: Array
    controls: Array
    pipeline: Array
    outcomes: dict[str, Array]
    keep: Array
    rep_codes: Array
    team_codes: Array
    weeks: Array
    n_weeks: int
    n_periods: int
    quota_ends: tuple[date, ...] = ()
    refused: str = ""

    @property
    def n_reps(self) -> int:
        """Reps with at least one usable row."""
        return int(np.unique(self.rep_codes[self.keep]).size)

    @property
    def design(self) -> Array:
        """(kept rows, k*q + c): the tested terms, then the controls."""
        return np.hstack([self.terms, self.controls])[self.keep]

    @property
    def y(self) -> Array:
        """The headline outcome in the kept rows."""
        return self.outcomes[self.plan.outcome][self.keep]

    @property
    def season(self) -> Array:
        """(n, 5) calendar columns, the last of them 1 at the end of quota periods; see season_terms."""
        return season_terms(self.weeks, self.quota_ends)

    def weights(self, k: int) -> Array:
        """The combination of coefficients that is activity k's effect summed over the window."""
        return self.kernel_map(k).sum(axis=0)

    def kernel_map(self, k: int) -> Array:
        """(L, p): coefficients to the effect at each delay of activity k."""
        n_terms = self.basis.shape[1]
        full = np.zeros((self.basis.shape[0], self.terms.shape[1] + self.controls.shape[1]))
        full[:, k * n_terms : (k + 1) * n_terms] = self.basis
        return full

    def volume(self, k: int) -> float:
        """Mean count of activity k a period."""
        return float(np.nanmean(self.counts[self.keep, k]))


def in_scope(panel: Panel, team_id: str) -> Array:
    """(n,) whether each row of the panel belongs to a team; all of them for the company ("")."""
    return (panel.frame["team_id"] == team_id).to_numpy() if team_id else np.ones(len(panel.frame), bool)


def controls_of(frame: pd.DataFrame) -> Array:
    """(n, c): the share of the week worked, where it is known and varies."""
    if "worked_share" not in frame or frame["worked_share"].isna().any() or frame["worked_share"].nunique() < 2:
        return np.empty((len(frame), 0))
    return frame[["worked_share"]].to_numpy(float)


def pipeline_of(frame: pd.DataFrame) -> Array:
    """(n, 0 to 2): log(1 + pipeline / its mean) at the start of the period, for each column recorded in every row."""
    columns = []
    for name in PIPELINE:
        values = frame[name].to_numpy(float) if name in frame else np.full(len(frame), np.nan)
        if np.isfinite(values).all() and values.mean() > 0:
            columns.append(np.log1p(np.maximum(values, 0.0) / values.mean()))
    return np.column_stack(columns) if columns else np.empty((len(frame), 0))


def scope_refusal(sample: Sample) -> str:
    """Why this scope cannot be answered at all, with what it would take; "" when it can."""
    limits, period = sample.plan.limits, sample.plan.period
    weeks_needed = max(limits.min_weeks if period == "week" else limits.min_months, 3 * sample.plan.max_lag)
    if sample.n_reps < limits.min_reps:
        have = {"reps": SAY.count(sample.n_reps, "rep"), "needed": SAY.number(limits.min_reps)}
        return SAY.text(f"reps_{period}", have)
    if sample.n_periods < weeks_needed:
        have = {"periods": SAY.count(sample.n_periods, period), "needed": SAY.number(weeks_needed)}
        return SAY.text("periods", have)
    if sample.plan.outcome == "wins" and (wins := sample.y.sum()) < limits.min_wins:
        return SAY.text("wins", {"wins": SAY.count(wins, "win"), "needed": SAY.number(limits.min_wins)})
    if sample.plan.outcome == "wins" and wins < EVENTS_PER_PARAMETER * len(sample.activities):
        have = {"wins": SAY.count(wins, "win"), "activities": SAY.count(len(sample.activities), "activity")}
        return SAY.text("wins_each", have | {"needed": SAY.number(EVENTS_PER_PARAMETER)})
    if not np.nanstd(sample.y) > 0:
        return SAY.text("constant", {"outcome": sample.plan.outcome})
    return ""


def make_sample(
    panel: Panel,
    plan: Plan,
    *,
    team_id: str | None = None,
    units: Array | None = None,
    activities: tuple[str, ...] | None = None,
) -> Sample:
    """Arrays of the company, or of one team.

    units: (n,) codes that cut a rep into stretches; default one a rep. activities: what enters the regression; default
    the plan's discretionary ones.
    """
    chosen = plan.discretionary if activities is None else activities
    rows = in_scope(panel, team_id or "")
    frame = panel.frame[rows]
    cells = make_cells(frame, effects="team_week", cluster="rep", period="week" if panel.period == "week" else "month")
    if units is not None:
        cells = replace(cells, unit=units[rows])
    outcomes = {name: frame[name].to_numpy(float) for name in panel.outcomes}
    wins = float(np.nansum(outcomes["wins"])) if plan.outcome == "wins" else None
    plan = replace(plan, terms=lag_terms_for(wins, len(chosen)))
    basis = lag_basis(plan.max_lag, terms=min(plan.terms, plan.max_lag))
    counts = frame[list(chosen)].to_numpy(float)
    terms = lag_terms(cells, counts, basis, plan.lags)
    keep = np.isfinite(outcomes[plan.outcome]) & valid_rows(cells, plan.max_lag) & np.isfinite(terms).all(axis=1)
    sample = Sample(
        scope="company" if team_id is None else "team",
        team_id="" if team_id is None else str(team_id),
        plan=plan,
        activities=chosen,
        cells=cells,
        counts=counts,
        terms=terms,
        basis=basis,
        controls=controls_of(frame),
        pipeline=pipeline_of(frame),
        outcomes=outcomes,
        keep=keep,
        rep_codes=pd.factorize(frame["rep_id"])[0],
        team_codes=pd.factorize(frame["team_id"])[0],
        weeks=frame["week"].to_numpy(),
        n_weeks=int(frame.loc[keep, "week"].nunique()),
        n_periods=int(frame["week"].nunique()),
        quota_ends=panel.quota_ends,
    )
    return replace(sample, refused=scope_refusal(sample))


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope's main sample, and one sample for each stage marker with the marker added last."""

    main: Sample
    markers: tuple[Sample, ...]


def make_scope(panel: Panel, plan: Plan, *, team_id: str | None = None, units: Array | None = None) -> Scope:
    """The samples of the company, or of one team."""
    main = make_sample(panel, plan, team_id=team_id, units=units)
    beside = ((*plan.discretionary, name) for name in plan.markers)
    return Scope(
        main, tuple(make_sample(panel, plan, team_id=team_id, units=units, activities=names) for names in beside)
    )
