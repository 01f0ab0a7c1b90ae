"""Two series side by side: does one move before the other?

A lag scan is a picture of many series at once; it is no test, since it finds "something" in pure noise in a third of
all tries. The honest version whitens both series first and draws a band for every lag shown (prewhitened
cross-correlation), or asks one question with one F test (Granger). Series of team totals waste the panel: these are
checks beside the panel regressions, not their replacement. Models with carry-over stand in `dynamics`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class CrossCorrelation:
    """Correlation of the whitened x, lag_weeks earlier, with y passed through the same filter.

    lags: (m,) periods, positive = x first. values: (m,) in -1..1. band: half-width that all m values stay inside in
    95 % of samples without any link (Bonferroni). significant: (m,) outside it. peak_lag: lag of the largest absolute
    value outside the band, None if there is none. n: pairs used at lag 0. filter: the whitening model of x (`mean`,
    `ar`, `ma` in the sign of Box & Jenkins, `sigma2`, `difference`).
    """

    lags: Ints
    values: Floats
    band: float
    significant: NDArray[np.bool_]
    peak_lag: int | None
    n: int
    filter: dict[str, Any]


@dataclass(frozen=True, slots=True)
class GrangerTest:
    """F test that `lags` past values of the cause add nothing to the effect's own past; df_num, df_den."""

    f: float
    p_value: float
    df_num: int
    df_den: int
    lags: int


def lag_scan(x: ArrayLike, y: ArrayLike, max_lag: int, min_lag: int = 0) -> Floats:
    """Correlation of every activity, k periods earlier, with the outcome, for many series at once.

    x: (series, activities, n) or (activities, n) or (n,); y: (series, n) or (n,) to match; NaN = not known, such pairs
    are left out. Lags run from min_lag (negative = activity later) to max_lag. Returns (series, activities, lags) with
    the same leading axes as x: Pearson over the overlapping known pairs, NaN where one side is constant or fewer than
    two pairs exist. Raises InputError when shapes or lags do not fit.
    """
    activity, outcome = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    lead = activity.shape[:-1]
    activity = activity.reshape((-1, *activity.shape[-2:]) if activity.ndim > 1 else (1, 1, -1))
    outcome = outcome.reshape(-1, outcome.shape[-1])
    n = outcome.shape[-1]
    if activity.shape[0] != outcome.shape[0] or activity.shape[-1] != n:
        raise InputError(f"lag scan: {activity.shape[0]} activity series of {activity.shape[-1]} periods do not match")
    if not -n < min_lag <= max_lag < n:
        raise InputError(f"lag scan: lags {min_lag} to {max_lag} do not fit into {n} periods")
    out = np.empty((*activity.shape[:2], max_lag - min_lag + 1))
    for begin in range(0, activity.shape[0], SERIES_AT_ONCE):
        part = slice(begin, begin + SERIES_AT_ONCE)
        out[part] = _scan(activity[part], outcome[part], min_lag, max_lag)
    return out.reshape(*lead, -1)


def prewhitened_ccf(
    x: ArrayLike,
    y: ArrayLike,
    max_lag: int,
    min_lag: int = 0,
    *,
    order: tuple[int, int, int] | None = None,
    difference: int = 0,
) -> CrossCorrelation:
    """Cross-correlation after both series pass the filter that makes x white noise.

    x, y: (n,) without gaps; order: (p, d, q) of an ARIMA for x, fitted by statsmodels, or None for an autoregression
    whose order the BIC chooses among 0..min(10, n/8), after `difference` differences of both. Raises InputError for
    unknown values, series shorter than max_lag + 20, or a constant x.
    Source: Box & Jenkins (1976), chapter 11; the whitened x is what makes 1/sqrt(n) an honest standard error.
    """
    cause, effect = _complete(x, y, max(max_lag, -min_lag) + 20)
    degree = order[1] if order else difference
    cause, effect = np.diff(cause, degree), np.diff(effect, degree)
    if np.ptp(cause) == 0:
        raise InputError("prewhitening: x does not vary")
    if order:
        white, passed, model = _arma_filter(cause, effect, order[0], order[2])
    else:
        white, passed, model = _ar_filter(cause, effect, min(10, cause.size // 8))
    values = _ccf(white, passed, min_lag, max_lag)
    lags = np.arange(min_lag, max_lag + 1)
    band = float(special.ndtri(1 - 0.025 / lags.size) / np.sqrt(white.size))
    outside = np.abs(values) > band
    peak = int(lags[np.argmax(np.abs(values))]) if outside.any() else None
    return CrossCorrelation(lags, values, band, outside, peak, int(white.size), model | {"difference": degree})


def granger(cause: ArrayLike, effect: ArrayLike, lags: int) -> GrangerTest:
    """Do past values of the cause help beyond the effect's own past? F test (statsmodels).

    cause, effect: (n,) stationary series without gaps. Raises InputError for unknown values or fewer than
    3 * lags + 5 periods. Source: Granger (1969).
    """
    from statsmodels.tsa.stattools import grangercausalitytests

    first, second = _complete(cause, effect, 3 * lags + 5)
    result = grangercausalitytests(np.column_stack([second, first]), maxlag=[lags])[lags][0]["ssr_ftest"]
    return GrangerTest(float(result[0]), float(result[1]), int(result[3]), int(result[2]), lags)


def granger_both_ways(x: ArrayLike, y: ArrayLike, lags: int, names: tuple[str, str] = ("x", "y")) -> pd.DataFrame:
    """Granger tests x -> y and y -> x, one row each: cause, effect, f, p_value, df_num, df_den."""
    first, second = names
    rows = []
    for cause, effect, data in ((first, second, (x, y)), (second, first, (y, x))):
        test = granger(*data, lags)
        rows.append((cause, effect, test.f, test.p_value, test.df_num, test.df_den))
    return pd.DataFrame(rows, columns=["cause", "effect", "f", "p_value", "df_num", "df_den"])


def _scan(x: Floats, y: Floats, min_lag: int, max_lag: int) -> Floats:
    known_x, known_y = np.isfinite(x), np.isfinite(y)
    if known_x.all() and known_y.all():
        return _scan_complete(x, y, min_lag, max_lag)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = _centred(x, known_x), _centred(y, known_y)
    seen_y, seen_x = _shifted(known_y.astype(float), min_lag, max_lag), known_x.astype(float)
    late_y, late_yy = _shifted(y, min_lag, max_lag), _shifted(y**2, min_lag, max_lag)
    pairs = np.rint(seen_x @ seen_y)
    return _pearson(x @ late_y, x @ seen_y, x**2 @ seen_y, seen_x @ late_y, seen_x @ late_yy, pairs, x, y)


def _scan_complete(x: Floats, y: Floats, min_lag: int, max_lag: int) -> Floats:
    """Without gaps the sums over an overlap are differences of cumulative sums; only x'y needs products."""
    n, lags = y.shape[-1], np.arange(min_lag, max_lag + 1)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    x_end, y_begin = np.minimum(n, n - lags), np.maximum(0, lags)
    x_begin, y_end = np.maximum(0, -lags), np.minimum(n, n + lags)
    sums = []
    for values, begin, end in (
        (x, x_begin, x_end),
        (x**2, x_begin, x_end),
        (y, y_begin, y_end),
        (y**2, y_begin, y_end),
    ):
        running = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
        sums.append(running[..., end] - running[..., begin])
    pairs = (n - np.abs(lags)).astype(float)
    product = x @ _shifted(y, min_lag, max_lag)
    return _pearson(product, sums[0], sums[1], sums[2][:, None, :], sums[3][:, None, :], pairs, x, y)


def _centred(values: Floats, known: NDArray[np.bool_]) -> Floats:
    filled = np.where(known, values, 0.0)
    mean = filled.sum(-1, keepdims=True) / known.sum(-1, keepdims=True)
    return np.where(known, filled - mean, 0.0)


def _shifted(y: Floats, min_lag: int, max_lag: int) -> Floats:
    """(series, n, lags): y at t + lag in row t, zero outside; contiguous, so that the product runs in BLAS."""
    before, after = max(0, -min_lag), max(0, max_lag)
    n = y.shape[-1]
    padded = np.pad(y, ((0, 0), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, max_lag - min_lag + 1, axis=-1)
    return np.ascontiguousarray(windows[:, before + min_lag : before + min_lag + n])


def _pearson(
    xy: Floats, sx: Floats, sxx: Floats, sy: Floats, syy: Floats, pairs: Floats, x: Floats, y: Floats
) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        var_x, var_y = sxx - sx**2 / pairs, syy - sy**2 / pairs
        value = (xy - sx * sy / pairs) / np.sqrt(var_x * var_y)
    # A side that is constant over the overlap leaves rounding error where its variance should be zero.
    size_x, size_y = (x**2).sum(-1)[..., None], (y**2).sum(-1)[:, None, None]
    flat = (var_x <= 1e-13 * size_x) | (var_y <= 1e-13 * size_y) | (pairs < 2)
    return np.where(flat, np.nan, np.clip(value, -1.0, 1.0))


def _complete(x: ArrayLike, y: ArrayLike, at_least: int) -> tuple[Floats, Floats]:
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError("series: two lists of the same length are needed")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise InputError("series: some periods are not known; cut to a stretch without gaps")
    if first.size < at_least:
        raise InputError(f"series: {first.size} periods are too few for these lags; at least {at_least} are needed")
    return first, second


def _ar_filter(x: Floats, y: Floats, max_order: int) -> tuple[Floats, Floats, dict[str, Any]]:
    """Least-squares autoregression of x, order by BIC over one common sample; both series filtered with it."""
    mean = x.mean()
    z = x - mean
    target = z[max_order:]
    past = np.column_stack([z[max_order - k : z.size - k] for k in range(1, max_order + 1)] or [np.zeros(target.size)])
    best, chosen = np.inf, np.zeros(0)
    for order in range(max_order + 1):
        phi = np.linalg.lstsq(past[:, :order], target, rcond=None)[0]
        spread = np.mean((target - past[:, :order] @ phi) ** 2)
        score = target.size * np.log(max(spread, 1e-300)) + order * np.log(target.size)
        if score < best - 1e-9:
            best, chosen = score, phi
    weights = np.concatenate([[1.0], -chosen])
    white, passed = (np.convolve(series, weights, "valid") for series in (z, y - y.mean()))
    model = {"mean": float(mean), "ar": chosen, "ma": np.zeros(0), "sigma2": float(white.var())}
    return white, passed, model


def _arma_filter(x: Floats, y: Floats, p: int, q: int) -> tuple[Floats, Floats, dict[str, Any]]:
    """ARMA of x by exact maximum likelihood (statsmodels); the innovations filter runs over both series."""
    from scipy.signal import lfilter
    from statsmodels.tsa.arima.model import ARIMA

    mean = float(x.mean())
    if p == q == 0:
        return x - mean, y - y.mean(), {"mean": mean, "ar": np.zeros(0), "ma": np.zeros(0), "sigma2": float(x.var())}
    fit = ARIMA(x - mean, order=(p, 0, q), trend="n").fit()
    if not fit.mle_retvals.get("converged", True):
        raise InputError(f"prewhitening: no ARMA({p}, {q}) fits x; leave `order` out to use an autoregression")
    ar, ma = np.asarray(fit.arparams), np.asarray(fit.maparams)
    weights = np.concatenate([[1.0], -ar]), np.concatenate([[1.0], ma])
    white, passed = (lfilter(*weights, series)[p:] for series in (x - mean, y - y.mean()))
    model = {"mean": mean, "ar": ar, "ma": -ma, "sigma2": float(fit.params[-1])}
    return white, passed, model


def _ccf(x: Floats, y: Floats, min_lag: int, max_lag: int) -> Floats:
    """Textbook cross-correlation: overall means and variances, sums over the overlap divided by n."""
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()
    n = x.size
    values = [x[: n - k] @ y[k:] if k >= 0 else x[-k:] @ y[: n + k] for k in range(min_lag, max_lag + 1)]
    return np.array(values) / n
