"""Intervals that hold at small numbers: shares, rates, means, ratios of sums, and the trend of a short series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.models.tails import t_quantile

Floats = NDArray[np.float64]
Cells = NDArray[np.integer[Any]]
Part = dict[str, NDArray[Any]]  # of groups given as numbers: cell, value, conf_low, conf_high, n


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Score interval of a share (Wilson 1927); trials may be an effective, fractional number. NaN without trials."""
    wins, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    z = special.ndtri(0.5 + level / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = wins / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        low = np.where(wins <= 0, 0.0, np.clip(centre - half, 0.0, 1.0))
        high = np.where(wins >= n, 1.0, np.clip(centre + half, 0.0, 1.0))
    blank = ~(n > 0)
    return np.where(blank, np.nan, low), np.where(blank, np.nan, high)


def poisson(count: ArrayLike, exposure: ArrayLike = 1.0, level: float = 0.95) -> tuple[Floats, Floats]:
    """Exact interval of a rate from a count (Garwood 1936), per unit of exposure."""
    k, time = np.asarray(count, dtype=float), np.asarray(exposure, dtype=float)
    tail = (1 - level) / 2
    low = np.where(k > 0, special.gammaincinv(np.maximum(k, 1e-12), tail), 0.0)
    high = special.gammaincinv(k + 1, 1 - tail)
    return low / time, high / time


def named(names: pd.DataFrame, part: Part) -> pd.DataFrame:
    """The groups' keys, by number, with what was worked out for each; n as a whole number where every group has one."""
    out = names.join(pd.DataFrame(part).set_index("cell"))
    return out if out["n"].isna().any() else out.astype({"n": np.int64})


def mean_by(frame: pd.DataFrame, keys: list[str], value: str, level: float = 0.95) -> pd.DataFrame:
    """Mean of `value` per group with its t interval: columns value, conf_low, conf_high, n (NaN bounds when n < 2)."""
    cell, names = cells(frame, keys)
    return named(names, cell_means(cell, frame[value].to_numpy(dtype=float), level))


def cell_means(cell: Cells, value: Floats, level: float = 0.95) -> Part:
    """`mean_by` for groups given as numbers (negative = no group): cell, value, conf_low, conf_high, n."""
    found, n = _occurring(cell)
    here = (cell >= 0) & ~np.isnan(value)
    n = np.bincount(cell[here], minlength=len(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(cell[here], value[here], len(n)) / n
        square = np.bincount(cell[here], (value[here] - mean[cell[here]]) ** 2, len(n))
        half = _t(level, n - 1.0) * np.sqrt(square / (n - 1) / np.maximum(n, 1))
    out = {"cell": found, "value": mean[found], "conf_low": (mean - half)[found], "conf_high": (mean + half)[found]}
    return {**out, "n": n[found].astype(np.float64)}


def ratio_by(frame: pd.DataFrame, keys: list[str], top: str, bottom: str, level: float = 0.95) -> pd.DataFrame:
    """Ratio of sums per group, rows being independent units, with the linearised t interval (Cochran 1977, ch. 6)."""
    cell, names = cells(frame, keys)
    tops, bottoms = frame[top].to_numpy(dtype=float), frame[bottom].to_numpy(dtype=float)
    return named(names, cell_ratios(cell, tops, bottoms, level))


def cell_ratios(cell: Cells, top: Floats, bottom: Floats, level: float = 0.95) -> Part:
    """`ratio_by` for groups given as numbers (negative = no group): cell, value, conf_low, conf_high, n."""
    found, n = _occurring(cell)
    here = cell >= 0
    cell, top, bottom = cell[here], top[here], bottom[here]
    below = np.bincount(cell, bottom, len(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.bincount(cell, top, len(n)) / below
        square = np.bincount(cell, (top - ratio[cell] * bottom) ** 2, len(n))
        half = _t(level, n - 1.0) * np.sqrt(square * n / (n - 1)) / np.abs(below)
    out = {"cell": found, "value": ratio[found], "conf_low": (ratio - half)[found], "conf_high": (ratio + half)[found]}
    return {**out, "n": n[found].astype(np.float64)}


def median_by(frame: pd.DataFrame, keys: list[str], value: str, level: float = 0.95) -> pd.DataFrame:
    """Median per group with the distribution-free interval from order statistics (NaN where n is too small)."""
    frame = frame.dropna(subset=[value])
    cell, names = cells(frame, keys)
    return named(names, cell_medians(cell, frame[value].to_numpy(dtype=float), level))


def cell_medians(cell: Cells, value: Floats, level: float = 0.95) -> Part:
    """`median_by` for groups given as numbers (negative = no group): cell, value, conf_low, conf_high, n."""
    here = (cell >= 0) & ~np.isnan(value)
    found, n = _occurring(cell[here])
    n = n[found]
    values = value[here][np.lexsort((value[here], cell[here]))]
    start = (np.cumsum(n) - n).astype(int)
    rank = _binomial_quantile((1 - level) / 2, np.maximum(n, 1)) - 1
    ok, rank = rank >= 0, np.maximum(rank, 0)
    middle = (values[start + (n - 1) // 2] + values[start + n // 2]) / 2
    low, high = (np.where(ok, values[place], np.nan) for place in (start + rank, start + n - 1 - rank))
    return {"cell": found, "value": middle, "conf_low": low, "conf_high": high, "n": n.astype(np.float64)}


def _binomial_quantile(share: float, n: Cells) -> Cells:
    """The smallest number of heads in n throws of a fair coin whose chance of so many or fewer reaches `share`."""
    above = np.ceil(special.bdtrik(share, n, 0.5)).astype(np.int64)
    below = np.maximum(above - 1, 0)
    return np.where(special.bdtr(below, n, 0.5) >= share, below, above)


def cells(frame: pd.DataFrame, keys: list[str]) -> tuple[Cells, pd.DataFrame]:
    """Number of each row's group, in the order of the keys (-1 where a key is missing), and the keys by number."""
    if not keys:
        return np.zeros(len(frame), dtype=np.int64), pd.DataFrame(index=range(min(len(frame), 1)))
    groups = frame.groupby(keys, observed=True, sort=True)
    number = groups.ngroup().to_numpy(dtype=np.int64)
    return number, groups.size().index.to_frame(index=False)


def _occurring(cell: Cells) -> tuple[Cells, Cells]:
    """The numbers that occur, and how often each number up to the largest does."""
    n = np.bincount(cell[cell >= 0])
    return np.flatnonzero(n), n


def trend(series: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Slope per period of each row (rows x periods), with its interval.

    Least squares; the error is widened for first-order autocorrelation of the residuals, its bias corrected, and the
    t distribution has the effective number of periods less two degrees of freedom. NaN in a row gives NaN.
    """
    y = np.atleast_2d(np.asarray(series, dtype=float))
    periods = y.shape[1]
    if periods < 5:
        blank = np.full(len(y), np.nan)
        return blank, blank.copy(), blank.copy()
    x = np.arange(periods) - (periods - 1) / 2
    slope = y @ x / (x @ x)
    residual = y - y.mean(axis=1, keepdims=True) - np.outer(slope, x)
    total = np.maximum((residual**2).sum(axis=1), 1e-300)
    raw = (residual[:, 1:] * residual[:, :-1]).sum(axis=1) / total
    # Residuals of a fitted line look less correlated than the errors (about (1 + 4 rho) / n too little), and a dozen
    # periods cannot measure persistence: the estimate is averaged with a prior of 0.4 that weighs as ten periods.
    rho = np.clip((raw * periods + 1) / (periods - 4), -0.5, 0.95)
    rho = np.maximum((periods * rho + 10 * 0.4) / (periods + 10), 0.0)
    inflate = (1 + rho) / (1 - rho)
    freedom = np.maximum(periods / inflate - 2, 1.0)
    error = np.sqrt(total / (periods - 2) / (x @ x) * inflate)
    half = t_quantile(0.5 + level / 2, freedom) * error
    return slope, slope - half, slope + half


def _t(level: float, freedom: Any) -> Floats:
    """Two-sided t quantile; NaN where there is no degree of freedom."""
    df = np.asarray(freedom, dtype=float)
    return np.where(df > 0, t_quantile(0.5 + level / 2, np.maximum(df, 1)), np.nan)
