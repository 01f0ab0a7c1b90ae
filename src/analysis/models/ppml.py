"""Poisson pseudo-maximum likelihood with two sets of fixed effects.

Newton's method on the likelihood from which the unit effects have been concentrated out; the second set of effects
leaves each step through the same Schur complement as in least squares. The outcome need not be a count, only
non-negative with a mean that is exponential in the regressors (Gourieroux, Monfort & Trognon 1984). Units and effect
cells whose outcome is always zero carry no information and leave first (Correia, Guimaraes & Zylkin 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import xlogy

from analysis.errors import DataError, ParameterError, Refused
from analysis.models.absorb import Layout, absorber, layout, level_sums
from analysis.models.columns import Columns, Combined, as_columns
from analysis.models.design import Cells, Flags, Floats
from analysis.models.fit import Dropped, Fit, System, check_rows, keep_rows, name_tuple
from analysis.models.within import net_sums, product, solve_normal, take_out

MOST_STEPS = 60
CLOSE_ENOUGH = 1e-12
SWEEPS = 4
HALVINGS = 12


@dataclass(frozen=True, slots=True)
class State:
    """Where Newton stands: coef (p,), second effects (E,), mean (n,) with unit effects concentrated out, deviance."""

    coef: Floats
    effects: Floats
    mean: Floats
    deviance: float


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
    an unknown value, units and effect cells with only zeros are left out and counted in `Fit.dropped`; `Fit.used` says
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
    columns, cells = keep_rows(columns, cells, used)
    outcome = outcome if used.all() else outcome[used]
    offset = offset if offset is None or used.all() else offset[used]
    return fit_prepared(outcome, columns, layout(cells), offset, start, used, dropped, labels)


def without_zeros(y: Floats, cells: Cells, known: Flags) -> tuple[Flags, Dropped]:
    """Rows in units and effect cells that have a positive outcome somewhere among the known rows."""
    positive = np.where(known, y, 0.0)
    unit_rows, unit_total = np.bincount(cells.unit, known), np.bincount(cells.unit, positive)
    effect_rows, effect_total = np.bincount(cells.effect, known), np.bincount(cells.effect, positive)
    used = known & (unit_total[cells.unit] > 0) & (effect_total[cells.effect] > 0)
    if not used.any():
        raise Refused("the outcome is zero in every row; a Poisson regression has nothing to explain")
    zero_units = int(((unit_rows > 0) & (unit_total == 0)).sum())
    zero_effects = int(((effect_rows > 0) & (effect_total == 0)).sum())
    return used, Dropped(int((~known).sum()), zero_units, zero_effects, 0, float(1 - used.mean()))


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
    """Fit rows already chosen; the outcome is scaled to a mean of one while Newton runs, so that units do not matter."""
    size = float(y.mean())
    state, steps = newton(y / size, columns, plan, offset, start, names)
    mean = state.mean * size
    return at_estimate(y, columns, plan, offset, state.coef, mean, steps, used, dropped, names)


def at_estimate(
    y: Floats,
    columns: Columns,
    plan: Layout,
    offset: Floats | None,
    coef: Floats,
    mean: Floats,
    steps: int,
    used: Flags,
    dropped: Dropped,
    names: tuple[str, ...] | None,
) -> Fit:
    """Scores and information of all regressors at a given estimate, restricted or not."""
    work = absorber(plan, mean)
    residual = y - mean
    within = take_out(work, columns, residual[:, None], mean)
    scores = net_sums(plan, columns, within, plan.cells.cluster, residual)
    return Fit(
        family="ppml",
        coef=coef,
        scores=scores,
        information=within.gram,
        bread=solve_normal(within, np.eye(columns.width), names),
        fitted=mean,
        residual=residual,
        used=used,
        dropped=dropped,
        objective=deviance(y, mean),
        null_objective=float("nan"),
        steps=steps,
        names=names,
        system=System(columns, y, offset, work, within, mean),
    )


def fit_restricted(fit: Fit, restrictions: Floats) -> Fit:
    """The fit under restrictions @ coef = 0 (q, p), with scores and information of all p regressors at that estimate.

    Newton starts from the unrestricted estimate, so it takes a few steps only.
    """
    from scipy.linalg import null_space

    free = null_space(restrictions)
    system, plan = fit.system, fit.system.work.plan
    size = float(system.y.mean())
    columns = Combined(system.columns, free)
    state, steps = newton(system.y / size, columns, plan, system.offset, free.T @ fit.coef, None)
    coef, mean = free @ state.coef, state.mean * size
    used, dropped, names = fit.used, fit.dropped, fit.names
    return at_estimate(system.y, system.columns, plan, system.offset, coef, mean, steps, used, dropped, names)


def newton(
    y: Floats,
    columns: Columns,
    plan: Layout,
    offset: Floats | None,
    start: Floats | None,
    names: tuple[str, ...] | None,
) -> tuple[State, int]:
    """Maximise the concentrated likelihood; stops when the last step moves less than a millionth of a standard error."""
    totals = np.add.reduceat(y, plan.starts[:-1])
    coef = np.zeros(columns.width) if start is None else np.asarray(start, np.float64).copy()
    linear = index(columns, plan, coef, offset)
    effects = first_effects(y, totals, linear, plan)
    state = evaluate(y, totals, linear, coef, effects, plan)
    for step in range(1, MOST_STEPS + 1):
        residual = y - state.mean
        work = absorber(plan, state.mean)
        within = take_out(work, columns, residual[:, None], state.mean)
        move = solve_normal(within, within.cross[:, 0], names)
        effect_sums = level_sums(plan.cells.effect, residual, plan.effects)
        free = work.solve(None, effect_sums[:, None])[1][:, 0]
        effect_move = free - within.effect_part @ move
        decrement = float(move @ within.cross[:, 0] + free @ effect_sums)
        state = line_search(y, totals, columns, plan, offset, state, move, effect_move)
        if decrement < CLOSE_ENOUGH:
            return state, step
    raise Refused(
        f"the Poisson regression did not converge in {MOST_STEPS} steps: a combination of regressors probably "
        "separates zero from positive outcomes; use fewer regressors or lags"
    )


def line_search(
    y: Floats,
    totals: Floats,
    columns: Columns,
    plan: Layout,
    offset: Floats | None,
    state: State,
    move: Floats,
    effect_move: Floats,
) -> State:
    """The full step, halved while it makes the fit worse."""
    base, direction = index(columns, plan, state.coef, offset), index(columns, plan, move, None)
    length = 1.0
    for _ in range(HALVINGS):
        trial = evaluate(
            y, totals, base + length * direction, state.coef + length * move, state.effects + length * effect_move, plan
        )
        if trial.deviance <= state.deviance + 1e-9 * (abs(state.deviance) + 1):
            return trial
        length /= 2
    return trial


def evaluate(y: Floats, totals: Floats, linear: Floats, coef: Floats, effects: Floats, plan: Layout) -> State:
    """Means with each unit's total fitted exactly, whatever the rest."""
    mean = unit_scaled(totals, linear + effects[plan.cells.effect], plan)
    return State(coef, effects, mean, deviance(y, mean))


def unit_scaled(totals: Floats, log_mean: Floats, plan: Layout) -> Floats:
    """exp(log_mean) scaled to the unit totals (U,), overflow-safe."""
    counts = np.diff(plan.starts)
    top = np.maximum.reduceat(log_mean, plan.starts[:-1])
    mean = np.exp(log_mean - np.repeat(top, counts))
    scale = totals / np.add.reduceat(mean, plan.starts[:-1])
    # A mean of exactly zero would leave the row without weight and the effects without a solution.
    return np.maximum(mean * np.repeat(scale, counts), 1e-300)


def first_effects(y: Floats, totals: Floats, linear: Floats, plan: Layout) -> Floats:
    """Second effects (E,) from a few sweeps of proportional fitting: cheap, and close when regressors matter little."""
    observed = level_sums(plan.cells.effect, y, plan.effects)
    effects = np.zeros(plan.effects)
    for _ in range(SWEEPS):
        mean = unit_scaled(totals, linear + effects[plan.cells.effect], plan)
        effects += np.log(observed / level_sums(plan.cells.effect, mean, plan.effects))
    return effects


def index(columns: Columns, plan: Layout, coef: Floats, offset: Floats | None) -> Floats:
    """x @ coef (+ offset), (n,)."""
    linear = product(plan, columns, coef)
    return linear if offset is None else linear + offset


def deviance(y: Floats, mean: Floats) -> float:
    """Twice the likelihood lost against a perfect fit."""
    return float(2 * (xlogy(y, y) - xlogy(y, mean) - y + mean).sum())
