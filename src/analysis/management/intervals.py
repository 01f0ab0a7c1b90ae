"""Intervals that hold at small numbers: shares, rates, means, ratios of sums, and the trend of a short series."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Floats = NDArray[np.float64]


def wilson(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Score interval of a share (Wilson 1927); trials may be an effective, fractional number. NaN without trials."""
    wins, n = np.asarray(successes, dtype=float), np.asarray(trials, dtype=float)
    z = stats.norm.ppf(0.5 + level / 2)
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
    low = np.where(k > 0, stats.chi2.ppf(tail, 2 * np.maximum(k, 1e-12)) / 2, 0.0)
    high = stats.chi2.ppf(1 - tail, 2 * k + 2) / 2
    return low / time, high / time


def mean_by(frame: pd.DataFrame, keys: list[str], value: str, level: float = 0.95) -> pd.DataFrame:
    """Mean of `value` per group with its t interval: columns value, conf_low, conf_high, n (NaN bounds when n < 2)."""
    found = frame.groupby(keys, observed=True)[value].agg(["mean", "std", "count"])
    n = found["count"].to_numpy(dtype=float)
    half = _t(level, n - 1) * found["std"].to_numpy() / np.sqrt(np.maximum(n, 1))
    mean = found["mean"].to_numpy()
    out = {"value": mean, "conf_low": mean - half, "conf_high": mean + half, "n": found["count"].to_numpy()}
    return pd.DataFrame(out, index=found.index).reset_index()


def ratio_by(frame: pd.DataFrame, keys: list[str], top: str, bottom: str, level: float = 0.95) -> pd.DataFrame:
    """Ratio of sums per group, rows being independent units, with the linearised t interval (Cochran 1977, ch. 6)."""
    sums = frame.groupby(keys, observed=True)[[top, bottom]].agg("sum")
    n = frame.groupby(keys, observed=True).size().to_numpy(dtype=float)
    ratio = sums[top] / sums[bottom]
    rows = frame[keys].merge(ratio.rename("ratio").reset_index(), on=keys, how="left")["ratio"].to_numpy()
    residual = frame[top].to_numpy(dtype=float) - rows * frame[bottom].to_numpy(dtype=float)
    square = frame[keys].assign(square=residual**2).groupby(keys, observed=True)["square"].sum().to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(square * n / (n - 1)) / np.abs(sums[bottom].to_numpy())
    half = _t(level, n - 1) * error
    value = ratio.to_numpy()
    out = {"value": value, "conf_low": value - half, "conf_high": value + half, "n": n.astype(int)}
    return pd.DataFrame(out, index=sums.index).reset_index()


def median_by(frame: pd.DataFrame, keys: list[str], value: str, level: float = 0.95) -> pd.DataFrame:
    """Median per group with the distribution-free interval from order statistics (NaN where n is too small)."""
    ordered = frame.dropna(subset=[value]).sort_values([*keys, value])
    groups = ordered.groupby(keys, observed=True)[value]
    n = groups.size().to_numpy()
    rank = stats.binom.ppf((1 - level) / 2, np.maximum(n, 1), 0.5).astype(int) - 1
    starts = np.concatenate([[0], np.cumsum(n)[:-1]]).astype(int)
    values = ordered[value].to_numpy(dtype=float)
    ok = rank >= 0
    low = np.where(ok, values[starts + np.maximum(rank, 0)], np.nan)
    high = np.where(ok, values[starts + n - 1 - np.maximum(rank, 0)], np.nan)
    out = {"value": groups.median().to_numpy(), "conf_low": low, "conf_high": high, "n": n}
    return pd.DataFrame(out, index=groups.size().index).reset_index()


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
    half = stats.t.ppf(0.5 + level / 2, freedom) * error
    return slope, slope - half, slope + half


def _t(level: float, freedom: Any) -> Floats:
    """Two-sided t quantile; NaN where there is no degree of freedom."""
    df = np.asarray(freedom, dtype=float)
    return np.where(df > 0, stats.t.ppf(0.5 + level / 2, np.maximum(df, 1)), np.nan)
