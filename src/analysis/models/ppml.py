"""Poisson pseudo-maximum likelihood with two sets of fixed effects.

Newton's method on the likelihood from which the unit effects have been concentrated out; the second set of effects
leaves each step through the same Schur complement as in least squares. The outcome need not be a count, only
non-negative with a mean that is exponential in the regressors (Gourieroux, Monfort & Trognon 1984). Units and effect
cells whose outcome is always zero carry no information and leave first (Correia, Guimaraes & Zylkin 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import DataError, ParameterError, Refused
from analysis.models.absorb import Absorber, Layout, absorber, layout, level_sums, run_totals
from analysis.models.columns import Columns, as_columns
from analysis.models.design import Cells, Codes, Flags, Floats
from analysis.models.fit import Dropped, Fit, System, check_rows, keep_rows, name_tuple
from analysis.models.within import Within, column_sums, net_sums, product, solve_normal, take_out

MOST_STEPS = 60
CLOSE_ENOUGH = 1e-13
NEAR = 1e-2
LOST_IN_ROUNDING = 1e-20
SEPARATED = 1e-9
HALVINGS = 12
LARGEST_EXPONENT = 600.0


@dataclass(frozen=True, slots=True)
class State:
    """Where Newton stands: coef (p,), linear (n,) the log mean before unit effects, mean (n,) with unit effects
    concentrated out, loss (n times the negative log likelihood up to a constant)."""

    coef: Floats
    linear: Floats
    mean: Floats
    loss: float


@dataclass(frozen=True, slots=True)
class Metric:
    """The effects and net regressors in the metric of one set of means."""

    work: Absorber
    within: Within


def fit_ppml(
    y: Floats,
    x: Floats | Columns,
    cells: Cells,
    offset: Floats | None = None,
    start: Floats | None = None,
    names: Sequence[str] | None = None,
) -> Fit:
    """Poisson regression of y on x with unit effects and `cells.effect`.

    y: (n,) non-negative; x: (n, p) or Columns; offset: (n,) added to the log mean; start: (p,) first guess. Rows with
    an unknown value, units and effect cells with only zeros are left out and counted in `Fit.dropped`, and so are rows
    whose mean the data push to zero (below a billionth of the average: regressors separate them); `Fit.used` says
    which rows remain. Raises DataError on a negative outcome, Refused when nothing is left, when a regressor has no
    variation beside the effects, or when Newton does not converge.
    """
    columns = as_columns(x)
    outcome = np.asarray(y, np.float64)
    if outcome.ndim != 1:
        raise ParameterError("fit_ppml takes one outcome (n,)")
    if (outcome < 0).any():
        raise DataError("a Poisson regression needs outcomes of zero or more; the data hold a negative one")
    known = check_rows(outcome, columns, cells, offset)
    used, dropped = without_zeros(outcome, cells, known)
    labels = name_tuple(names, columns.width)
    while True:
        kept, kept_cells = keep_rows(columns, cells, used)
        kept_offset = None if offset is None else offset[used]
        fit = fit_prepared(outcome[used], kept, layout(kept_cells), kept_offset, start, used, dropped, labels)
        separated = (fit.residual <= 0) & (fit.fitted < SEPARATED * fit.fitted.mean())
        if not separated.any():
            return fit
        used, start = used.copy(), None
        used[np.flatnonzero(used)[separated]] = False
        count = dropped.separated_rows + int(separated.sum())
        dropped = replace(dropped, separated_rows=count, share=float(1 - used.mean()))


def without_zeros(y: Floats, cells: Cells, known: Flags) -> tuple[Flags, Dropped]:
    """Rows in units and effect cells that have a positive outcome somewhere among the known rows."""
    positive = np.where(known, y, 0.0)
    used, zeros = known.copy(), []
    for codes in (cells.unit, cells.effect):
        empty = np.bincount(codes, positive) == 0
        # Levels without any known row are not zeros: nothing is known of them.
        zeros.append(int((empty & (np.bincount(codes, known) > 0)).sum()) if empty.any() else 0)
        if empty.any():
            used &= ~empty[codes]
    if not used.any():
        raise Refused("the outcome is zero in every row; a Poisson regression has nothing to explain")
    return used, Dropped(int((~known).sum()), zeros[0], zeros[1], 0, float(1 - used.mean()))


def fit_prepared(
    y: Floats,
    columns: Columns,
    plan: Layout,
    offset: Floats | None,
    start: Floats | None,
    used: Flags,
    dropped: Dropped,
    names: tuple[str, ...] | None = None,
) -> Fit:
    """Fit rows already chosen."""
    problem = pose(y, columns, plan)
    state, metric, steps = newton(problem, problem.begin(offset, start), names)
    return assemble(y, columns, plan, offset, state, metric, steps, used, dropped, names)


def assemble(
    y: Floats,
    columns: Columns,
    plan: Layout,
    offset: Floats | None,
    state: State,
    metric: Metric,
    steps: int,
    used: Flags,
    dropped: Dropped,
    names: tuple[str, ...] | None,
) -> Fit:
    """A fit from where Newton ended and the metric of all its regressors there."""
    residual = y - state.mean
    within = metric.within
    return Fit(
        family="ppml",
        coef=state.coef,
        scores=net_sums(plan, columns, within, plan.cells.cluster, residual),
        information=within.gram,
        bread=solve_normal(within, np.eye(columns.width), names),
        fitted=state.mean,
        residual=residual,
        used=used,
        dropped=dropped,
        objective=deviance(y, state.mean),
        null_objective=float("nan"),
        steps=steps,
        names=names,
        system=System(columns, y, offset, metric.work, within, state.mean),
    )


def fit_restricted(fit: Fit, restrictions: Floats) -> Fit:
    """The fit under restrictions @ coef = 0 (q, p), with scores and information of all p regressors at that estimate.

    Newton begins where the quadratic at the unrestricted estimate has its maximum under the restrictions, unless that is far.
    """
    from scipy.linalg import null_space

    system, plan = fit.system, fit.system.work.plan
    problem = pose(system.y, system.columns, plan)
    free, pull = null_space(restrictions), fit.bread @ restrictions.T
    move = -pull @ np.linalg.solve(restrictions @ pull, restrictions @ fit.coef)
    if float(move @ fit.information @ move) < NEAR * float(system.y.sum()):
        start = problem.at(fit.coef + move, np.log(fit.fitted) + problem.change(system.within, move))
    else:
        start = problem.begin(system.offset, free @ (free.T @ fit.coef))
    state, metric, steps = newton(problem, start, None, free)
    return assemble(
        system.y, system.columns, plan, system.offset, state, metric, steps, fit.used, fit.dropped, fit.names
    )


def newton(
    problem: Problem, state: State, names: tuple[str, ...] | None, free: Floats | None = None
) -> tuple[State, Metric, int]:
    """Maximise the concentrated likelihood; returns the state, its metric and the number of steps.

    free: (p, m) directions in which the coefficients may move, or None for all. Near the maximum every other step keeps the
    metric of the one before it, which is most of a step's work (Shamanskii 1967: convergence of order three for each
    metric). A step whose size, as a mean square change of the log mean, is negligible is the last one and leaves its metric
    as it is; one lost in rounding is not taken. Means are relative to the mean outcome in that comparison, so the outcome's
    unit does not matter.
    """
    y, plan, columns = problem.y, problem.plan, problem.columns
    metric, kept = problem.metric(state), False
    for step in range(1, MOST_STEPS + 1):
        residual = y - state.mean
        effect_sums = level_sums(plan.cells.effect, residual, plan.effects)
        within = metric.within
        cross = (
            column_sums(plan, columns, residual) - within.effect_part.T @ effect_sums if kept else within.cross[:, 0]
        )
        move = solve_normal(within, cross, names) if free is None else free @ solve_normal(*_along(within, cross, free))
        effects = metric.work.solve(None, effect_sums[:, None])[1][:, 0]
        decrement = float(move @ cross + effects @ effect_sums) / float(y.sum())
        if decrement > LOST_IN_ROUNDING:
            direction = problem.change(within, move) + effects[plan.cells.effect]
            state = problem.search(state, move, direction)
        if decrement <= CLOSE_ENOUGH and not kept:
            return state, metric, step
        kept = not kept and decrement < NEAR
        metric = metric if kept else problem.metric(state)
    raise Refused(
        f"the Poisson regression did not converge in {MOST_STEPS} steps: a combination of regressors probably "
        "separates zero from positive outcomes; use fewer regressors or lags"
    )


def _along(within: Within, cross: Floats, free: Floats) -> tuple[Within, Floats]:
    """The normal equations of moves along the directions free (p, m)."""
    return replace(within, gram=free.T @ within.gram @ free, spread=(free**2).T @ within.spread), free.T @ cross


@dataclass(frozen=True, slots=True)
class Problem:
    """What Newton holds fixed: y (n,), positive (rows with y > 0), totals (U,) of y by unit, the regressors."""

    y: Floats
    positive: Codes
    totals: Floats
    columns: Columns
    plan: Layout

    def begin(self, offset: Floats | None, start: Floats | None) -> State:
        """The state at a first guess, second effects from one sweep of proportional fitting."""
        coef = np.zeros(self.columns.width) if start is None else np.asarray(start, np.float64).copy()
        linear = product(self.plan, self.columns, coef) + (0.0 if offset is None else offset)
        observed = level_sums(self.plan.cells.effect, self.y, self.plan.effects)
        mean = unit_scaled(self.totals, linear, self.plan)
        expected = level_sums(self.plan.cells.effect, mean, self.plan.effects)
        return self.at(coef, linear + np.log(observed / expected)[self.plan.cells.effect])

    def at(self, coef: Floats, linear: Floats) -> State:
        """The state at a log mean, each unit's total fitted exactly."""
        mean = unit_scaled(self.totals, linear, self.plan)
        loss = -float(self.y.take(self.positive) @ np.log(mean.take(self.positive)))
        return State(coef, linear, mean, loss)

    def change(self, within: Within, move: Floats) -> Floats:
        """Change (n,) of the log mean, effects following, but for a level a unit, which is concentrated out."""
        return product(self.plan, self.columns, move) - (within.effect_part @ move)[self.plan.cells.effect]

    def metric(self, state: State) -> Metric:
        """The metric of the means at a state; its cross products are those with the residuals there."""
        work = absorber(self.plan, state.mean)
        return Metric(work, take_out(work, self.columns, (self.y - state.mean)[:, None], state.mean))

    def search(self, state: State, move: Floats, direction: Floats) -> State:
        """The full step, halved while it makes the fit worse."""
        length = 1.0
        for _ in range(HALVINGS):
            trial = self.at(state.coef + length * move, state.linear + length * direction)
            if trial.loss <= state.loss + 1e-9 * (abs(state.loss) + 1):
                break
            length /= 2
        return trial


def pose(y: Floats, columns: Columns, plan: Layout) -> Problem:
    """The problem of rows already chosen."""
    return Problem(y, np.flatnonzero(y), run_totals(y, plan), columns, plan)


def unit_scaled(totals: Floats, log_mean: Floats, plan: Layout) -> Floats:
    """exp(log_mean) scaled to the unit totals (U,), overflow-safe."""
    counts = np.diff(plan.starts)
    if max(log_mean.max(), -log_mean.min()) > LARGEST_EXPONENT:
        log_mean = log_mean - np.repeat(np.maximum.reduceat(log_mean, plan.starts[:-1]), counts)
    mean = np.exp(log_mean)
    scale = totals / np.add.reduceat(mean, plan.starts[:-1])
    mean *= np.repeat(scale, counts)
    # A mean of exactly zero would leave the row without weight and the effects without a solution.
    return np.maximum(mean, 1e-300, out=mean)


def deviance(y: Floats, mean: Floats) -> float:
    """Twice the likelihood lost against a perfect fit."""
    won = np.flatnonzero(y)  # 0 log 0 = 0
    taken = y.take(won)
    return float(2 * (taken @ np.log(taken / mean.take(won)) - y.sum() + mean.sum()))
