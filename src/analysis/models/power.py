"""What the data could have shown: the smallest effect detectable in four studies of five, before and after fitting,
and how many more weeks or units it would take. "Cannot tell" is only useful together with this number."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.errors import InputError
from analysis.models.tails import t_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LAGS_IN_DESIGN_EFFECT = 16
# What six activities with three smooth lag terms each lose against one clean regressor, and what the cluster jackknife
# adds where units are few: 1.05 (G / (G - 1))^1.5 met the fitted standard errors within 4 % at 6, 10 and 30 units,
# where a flat 1.15 was 18 % too hopeful at six.
DESIGN_LOSS = 1.05


@dataclass(frozen=True, slots=True)
class Planning:
    """What a panel can show before any effect is estimated.

    mde: smallest detectable change of the outcome per one extra activity, summed over the lag window; mde_relative:
    the same as a share of the mean outcome (NaN when that is zero). std_error: expected standard error behind it.
    design_effect: how much persistence inflates its square. df: units - 1. n_rows: unit-weeks used.
    """

    mde: float
    mde_relative: float
    std_error: float
    design_effect: float
    df: int
    n_rows: int


def mde_after(std_error: ArrayLike, df: ArrayLike, power: float = 0.8) -> Floats:
    """Minimum detectable effect of a fitted model: (t.975 + t.power) x standard error, in the estimate's unit.

    std_error, df: any shape, broadcast. Raises InputError unless df >= 1, std_error >= 0 and .5 <= power < 1.
    Source: Bloom (1995), with the t of the clusters used for the test itself.
    """
    se, degrees = np.asarray(std_error, dtype=float), np.asarray(df, dtype=float)
    if (degrees < 1).any() or (se < 0).any() or not 0.5 <= power < 1:
        raise InputError("minimum detectable effect: needs df >= 1, standard errors >= 0 and a power in .5 to 1")
    return np.asarray((t_quantile(0.975, degrees) + t_quantile(power, degrees)) * se)


def power_at(effect: ArrayLike, std_error: ArrayLike, df: ArrayLike) -> Floats:
    """Chance that a two-sided 5 % t test with this standard error finds this true effect (non-central t)."""
    degrees = np.asarray(df, dtype=float)
    shift = np.abs(np.asarray(effect, dtype=float) / np.asarray(std_error, dtype=float))
    critical = t_quantile(0.975, degrees)
    right = special.nctdtr(degrees, -shift, -critical)
    wrong = special.nctdtr(degrees, np.minimum(shift, 6), -critical)  # below 1e-11 at six; NaN further out
    return np.minimum(right + wrong, 1.0)


def mde_before(y: ArrayLike, x: ArrayLike, unit: ArrayLike, time: ArrayLike, lag_weeks: int) -> Planning:
    """Minimum detectable effect from the shape of the data alone, before any effect is looked at.

    y: (n,) outcome; x: (n,) activity count, NaN where not known; unit: (n,) labels; time: (n,) integer weeks, one row
    per unit and week. The regressor is the mean of the activity over the last lag_weeks weeks, so that its slope is
    the sum over lags. Expected standard error: (sd_y / sd_x) sqrt(DEFF / n) 1.05 (G / (G - 1))^1.5 on series free of
    unit and week means, DEFF = 1 + 2 sum over k <= 16 of (1 - k/17) r_x(k) r_y(k) (Bartlett's formula, tapered).
    Raises InputError when fewer than two units have lag_weeks + 2 known weeks or nothing varies.
    """
    outcome, past, code, week = _window_rows(y, x, unit, time, lag_weeks)
    free_y, free_x = _two_way_demean(np.column_stack([outcome, past]), code, week).T
    sd_y, sd_x = free_y.std(), free_x.std()
    if sd_x <= 1e-12 * max(1.0, np.abs(past).max()) or sd_y == 0:
        raise InputError("minimum detectable effect: the activity or the outcome does not vary inside units and weeks")
    k = np.arange(1, LAGS_IN_DESIGN_EFFECT + 1)
    r_x, r_y = (_autocorrelation(series, code, week) for series in (free_x, free_y))
    # Negative sums would promise more than independent rows can give.
    design_effect = max(1.0, 1 + 2 * float(np.sum((1 - k / (k.size + 1)) * r_x * r_y)))
    df = int(np.unique(code).size - 1)
    loss = DESIGN_LOSS * ((df + 1) / df) ** 1.5
    std_error = sd_y / sd_x * math.sqrt(design_effect / outcome.size) * loss
    mde, mean = float(mde_after(std_error, df)), float(outcome.mean())
    return Planning(
        mde=mde,
        mde_relative=mde / mean if mean > 0 else float("nan"),
        std_error=float(std_error),
        design_effect=design_effect,
        df=df,
        n_rows=int(outcome.size),
    )


def weeks_needed(target: float, std_error: float, df: int, n_weeks: int) -> float:
    """Weeks of data, in all, until an effect of this size would be found with 80 % power by the same units.

    target and std_error in the same unit. Standard errors fall with the square root of the weeks. Returns at least
    n_weeks (a whole number), inf for a target of zero.
    """
    if target == 0:
        return math.inf
    ratio = float(mde_after(std_error, df)) / abs(target)
    return float(max(n_weeks, math.ceil(n_weeks * ratio**2)))


def units_needed(target: float, std_error: float, n_units: int, largest: int = 100_000) -> float:
    """Units, in all, until an effect of this size would be found with 80 % power over the same weeks.

    Counts that more clusters also bring smaller critical values. Returns at least n_units, inf when `largest` units
    would not do.
    """
    units = np.unique(np.geomspace(n_units, max(largest, n_units), 4000).round())
    found = mde_after(std_error * np.sqrt(n_units / units), units - 1) <= abs(target)
    return float(units[np.argmax(found)]) if found.any() else math.inf


def _window_rows(
    y: ArrayLike, x: ArrayLike, unit: ArrayLike, time: ArrayLike, lag_weeks: int
) -> tuple[Floats, Floats, Ints, Ints]:
    if lag_weeks < 1:
        raise InputError(f"minimum detectable effect: a lag window of {lag_weeks} weeks holds nothing")
    outcome, activity = np.asarray(y, dtype=float), np.asarray(x, dtype=float)
    code, week = np.unique(np.asarray(unit), return_inverse=True)[1], np.asarray(time).astype(np.int64)
    order = np.lexsort((week, code))
    outcome, activity, code, week = outcome[order], activity[order], code[order], week[order]
    known = np.isfinite(activity)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, activity, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    row = np.arange(outcome.size)
    first = np.maximum(row - lag_weeks, 0)
    whole = (row >= lag_weeks) & (code[first] == code) & (week - week[first] == lag_weeks)
    whole &= (count[row] - count[first] == lag_weeks) & np.isfinite(outcome)
    if np.unique(code[whole]).size < 2:
        raise InputError(f"minimum detectable effect: fewer than two units have {lag_weeks + 1} known weeks in a row")
    past = (total[row] - total[first]) / lag_weeks
    return outcome[whole], past[whole], code[whole], week[whole]


def _two_way_demean(columns: Floats, code: Ints, week: Ints) -> Floats:
    """Unit and week means out of (n, k) columns, by alternating until nothing moves (exact at once when balanced)."""
    labels = [np.unique(label, return_inverse=True)[1] for label in (code, week)]
    counts = [np.bincount(label) for label in labels]
    out = columns - columns.mean(axis=0)
    limit = 1e-9 * np.maximum(out.std(axis=0), 1e-300)
    for _ in range(200):
        moved = np.zeros(out.shape[1])
        for label, count in zip(labels, counts, strict=True):
            means = np.column_stack([np.bincount(label, column) for column in out.T]) / count[:, None]
            out = out - means[label]
            moved = np.maximum(moved, np.abs(means).max(axis=0))
        if (moved <= limit).all():
            break
    return out


def _autocorrelation(series: Floats, code: Ints, week: Ints) -> Floats:
    """Pooled autocorrelation at lags 1..16 over pairs of the same unit exactly k weeks apart."""
    out = np.zeros(LAGS_IN_DESIGN_EFFECT)
    for k in range(1, LAGS_IN_DESIGN_EFFECT + 1):
        pair = (code[k:] == code[:-k]) & (week[k:] - week[:-k] == k)
        out[k - 1] = np.sum((series[k:] * series[:-k])[pair]) / np.sum(series**2)
    return out
