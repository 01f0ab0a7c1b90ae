"""Does the tenth call of a week still help? The shape of the answer to one activity, and where it peaks.

A straight line through a curve that rises and falls again finds nothing, so the shape is tested and not assumed: the
activity enters as a count and as its square, each spread over the lag window, and counts above a cap get a slope of
their own, so that a handful of extreme weeks cannot bend the curve. A straight effect is inside this family, which
keeps the test of curvature honest."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError, Refused
from analysis.models.design import Cells, lag_basis, lag_terms
from analysis.models.inference import contrast, crv3, hotelling
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_quantile

Floats = NDArray[np.float64]
Shape = Literal["none", "straight", "saturating", "accelerating"]

CAP_QUANTILE = 0.98
SMALLEST_RANGE = 3.0


@dataclass(frozen=True, slots=True)
class Response:
    """How the outcome answers a weekly count of one activity, kept up over the lag window.

    joint_p: null "no effect of any shape"; curvature_p: null "a straight line", both jackknife t or Hotelling F.
    shape: none (joint_p > .05), straight, saturating (bends down) or accelerating. turning_point, turning_low,
    turning_high: weekly count at which one more stops helping, with its 95 % Fieller interval (upper end inf when the
    data do not bound it); NaN unless saturating and at or below cap. cap: largest count the curve is drawn for.
    curve: one row per weekly count: effect, low, high (log points of the outcome for ppml, outcome units for ols,
    against a count of zero) and marginal, marginal_low, marginal_high (of one more). df: clusters - 1.
    """

    joint_p: float
    curvature_p: float
    shape: Shape
    turning_point: float
    turning_low: float
    turning_high: float
    cap: float
    curve: pd.DataFrame
    df: int


def diminishing_returns(
    y: ArrayLike,
    activity: ArrayLike,
    cells: Cells,
    max_lag: int,
    controls: ArrayLike | None = None,
    *,
    family: Literal["ppml", "ols"] = "ppml",
    cap_quantile: float = CAP_QUANTILE,
) -> Response:
    """Test one activity's response for curvature beside the other activities.

    y: (n,) outcome; activity: (n,) weekly counts, NaN where not known; cells: who and when; max_lag: weeks, fixed
    before looking; controls: (n, q) columns already lagged (the other activities' terms), NaN rows are dropped.
    cap_quantile: counts above this quantile of the known ones get their own slope. Raises InputError when the
    activity takes fewer than four values up to the cap, Refused where the panel fit refuses.
    Source: quadratic response with a free tail; interval for the peak by Fieller (1954).
    """
    counts = np.asarray(activity, dtype=float)
    known = counts[np.isfinite(counts)]
    cap = float(np.quantile(known, cap_quantile)) if known.size else 0.0
    if cap < SMALLEST_RANGE or np.unique(known[known <= cap]).size < 4:
        raise InputError("diminishing returns: the activity takes too few different weekly counts to show a shape")
    basis = lag_basis(max_lag)
    inner = np.minimum(counts, cap) / cap
    lags = range(1, max_lag + 1)
    shapes = [lag_terms(cells, inner, basis, lags), lag_terms(cells, inner**2, basis, lags)]
    if (known > cap).any():
        shapes.append(lag_terms(cells, np.maximum(counts - cap, 0.0), basis[:, :1], lags))
    others = np.empty((cells.n, 0)) if controls is None else np.asarray(controls, dtype=float).reshape(cells.n, -1)
    columns = np.column_stack([*shapes, others])
    fit = (fit_ppml if family == "ppml" else fit_ols)(np.asarray(y, dtype=float), columns, cells)
    sums = np.zeros((2, columns.shape[1]))
    for row in range(2):
        sums[row, row * basis.shape[1] : (row + 1) * basis.shape[1]] = basis.sum(axis=0)
    # Kept up every week of the window, so the sum over lags is the answer to the weekly count itself.
    scale = np.array([cap, cap**2])
    jackknife = crv3(fit)
    slopes, covariance = sums @ fit.coef / scale, sums @ jackknife @ sums.T / np.outer(scale, scale)
    bend, joint = contrast(fit, sums[1], jackknife), hotelling(fit, sums, jackknife)
    if not np.isfinite(covariance).all():
        raise Refused("diminishing returns: the errors of the curve cannot be estimated from these clusters")
    shape = _shape(joint.p_value, bend.p_value, slopes[1])
    peak = _fieller(slopes, covariance, bend.df, cap) if shape == "saturating" else (np.nan, np.nan, np.nan)
    curve = _curve(slopes, covariance, bend.df, cap)
    return Response(joint.p_value, bend.p_value, shape, *peak, cap=cap, curve=curve, df=bend.df)


def _shape(joint_p: float, curvature_p: float, bend: float) -> Shape:
    if joint_p > 0.05:
        return "none"
    if curvature_p > 0.05:
        return "straight"
    return "saturating" if bend < 0 else "accelerating"


def _fieller(slopes: Floats, covariance: Floats, df: int, cap: float) -> tuple[float, float, float]:
    """Peak -b1 / (2 b2) and the counts at which a zero slope is not rejected; NaN beyond the counts seen."""
    peak = float(-slopes[0] / (2 * slopes[1]))
    if not 0 < peak <= cap:
        return np.nan, np.nan, np.nan
    t2 = t_quantile(0.975, df) ** 2
    a = 4 * (slopes[1] ** 2 - t2 * covariance[1, 1])
    half_b = 2 * (slopes[0] * slopes[1] - t2 * covariance[0, 1])
    c = slopes[0] ** 2 - t2 * covariance[0, 0]
    root = np.sqrt(max(half_b**2 - a * c, 0.0))
    if a <= 0:
        return peak, 0.0, np.inf
    return peak, float(max((-half_b - root) / a, 0.0)), float((-half_b + root) / a)


def _curve(slopes: Floats, covariance: Floats, df: int, cap: float) -> pd.DataFrame:
    count = np.arange(0.0, np.floor(cap) + 1)
    level, step = np.column_stack([count, count**2]), np.column_stack([np.ones_like(count), 2 * count])
    table = {"count": count}
    for name, rows in (("effect", level), ("marginal", step)):
        value = rows @ slopes
        half = t_quantile(0.975, df) * np.sqrt(np.einsum("ij,jk,ik->i", rows, covariance, rows))
        low, high = ("low", "high") if name == "effect" else ("marginal_low", "marginal_high")
        table |= {name: value, low: value - half, high: value + half}
    return pd.DataFrame(table)
