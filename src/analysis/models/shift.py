"""Circular shifts of activities within each rep: what chance alone finds in this very data.

Each rep's activities are moved together by a random number of periods, wrapping round. That keeps every rep's habits,
the autocorrelation and the correlation between activities, and breaks only the timing against the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import ParameterError
from analysis.models.absorb import absorber, layout
from analysis.models.columns import Dense
from analysis.models.design import Cells, Codes, Floats, lag_terms
from analysis.models.fit import NOTHING_DROPPED, Fit, check_rows, keep_rows
from analysis.models.linear import fit_projected
from analysis.models.ppml import fit_prepared, without_zeros
from analysis.models.within import net_vector, take_out


@dataclass(frozen=True, slots=True)
class ShiftTest:
    """t (m,): observed studentised contrasts; p_value (m,): share of shifts with |t| at least as large, (1+k)/(B+1);
    p_any (m,): the same against the largest |t| of all contrasts in a shift; drawn (B, m): |t| under shifts."""

    t: Floats
    p_value: Floats
    p_any: Floats
    drawn: Floats


def shift_activities(x: Floats, cells: Cells, rng: np.random.Generator) -> Floats:
    """x (n, activities) with each unit's known rows rotated by one random offset for all activities.

    Rows in which an activity is unknown (NaN) keep their place, so the same rows can be used afterwards.
    """
    series = np.asarray(x, np.float64).reshape(cells.n, -1)
    rows = np.flatnonzero(np.isfinite(series).all(axis=1))
    unit = cells.unit[rows]
    counts = np.bincount(unit, minlength=int(cells.unit.max()) + 1)
    starts = np.cumsum(counts) - counts
    offsets = rng.integers(0, np.maximum(counts, 1))
    place = np.arange(rows.size) - starts[unit]
    source = starts[unit] + (place + offsets[unit]) % np.maximum(counts, 1)[unit]
    out = series.copy()
    out[rows] = series[rows[source]]
    return out.reshape(np.shape(x))


def circular_shift(
    y: Floats,
    x: Floats,
    cells: Cells,
    basis: Floats,
    lags: Codes,
    contrasts: ArrayLike,
    family: Literal["ols", "ppml"] = "ols",
    shifts: int = 999,
    seed: int = 0,
) -> ShiftTest:
    """Randomisation test of contrasts (m, activities * terms) of the regression of y on all lag terms of x.

    The fixed effects, and for least squares the outcome's projection, are computed once; each shift rebuilds the lag
    terms and refits all activities together.
    """
    if family not in ("ols", "ppml"):
        raise ParameterError(f"family must be ols or ppml, not {family}")
    matrix = np.atleast_2d(np.asarray(contrasts, np.float64))
    refit = _refitter(np.asarray(y, np.float64), x, cells, basis, lags, family)
    observed = studentised(refit(np.asarray(x, np.float64)), matrix)
    rng = np.random.default_rng(seed)
    drawn = np.array([np.abs(studentised(refit(shift_activities(x, cells, rng)), matrix)) for _ in range(shifts)])
    own = (drawn >= np.abs(observed)).sum(axis=0)
    largest = (drawn.max(axis=1)[:, None] >= np.abs(observed)).sum(axis=0)
    return ShiftTest(observed, (1 + own) / (shifts + 1), (1 + largest) / (shifts + 1), drawn)


def studentised(fit: Fit, contrasts: Floats) -> Floats:
    """contrast / cluster-robust standard error (m,), without small-sample factors."""
    spread = fit.scores @ fit.bread @ contrasts.T
    return contrasts @ fit.coef / np.sqrt((spread**2).sum(axis=0))


def _refitter(
    y: Floats, x: Floats, cells: Cells, basis: Floats, lags: Codes, family: Literal["ols", "ppml"]
) -> Callable[[Floats], Fit]:
    """A function from activities (n, k) to a Fit, sharing everything that shifts leave alone."""
    first = Dense(lag_terms(cells, x, basis, lags))
    used = check_rows(y, first, cells)
    used, dropped = without_zeros(y, cells, used) if family == "ppml" else (used, NOTHING_DROPPED)
    plan = layout(keep_rows(first, cells, used)[1])
    outcome = y[used]

    def columns(z: Floats) -> Dense:
        return Dense(lag_terms(cells, z, basis, lags)[used])

    if family == "ppml":
        return lambda z: fit_prepared(outcome, columns(z), plan, None, None, used, dropped)
    work = absorber(plan)
    net = net_vector(work, outcome[:, None])

    def refit(z: Floats) -> Fit:
        terms = columns(z)
        return fit_projected(outcome[:, None], net, terms, work, take_out(work, terms, net), used)[0]

    return refit
