"""Carry-over with a named form: geometric decay or a delayed Weibull peak, straight or saturating.

The polynomial lag lets the data draw the kernel; marketing-mix models assume its form instead and gain precision where
the form is right. Both are fitted here on the same rows and judged on weeks that neither has seen. The form's
parameters are searched on a grid by the score test of the model without the activity (one pass for all grid points),
and the best point is then fitted in full."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.errors import InputError
from analysis.models.design import Cells, lag_basis, lag_terms
from analysis.models.fit import Fit
from analysis.models.forecast import rolling_origin
from analysis.models.inference import contrast, crv1
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.models.within import net_vector

Floats = NDArray[np.float64]
Carry = Literal["geometric", "weibull"]
Saturation = Literal["line", "log", "hill", "peak"]
Family = Literal["ppml", "ols"]

DECAYS = (0.0, 0.15, 0.3, 0.45, 0.6, 0.7, 0.8, 0.9, 0.96)
WEIBULL_SHAPES = (1.5, 2.0, 3.0, 5.0)
CARRIES: tuple[Carry, ...] = ("geometric", "weibull")
SATURATIONS: tuple[Saturation, ...] = ("line", "log", "hill", "peak")


@dataclass(frozen=True, slots=True)
class CarryOver:
    """One activity's carry-over of a named form.

    weights: (L,) share of the effect at lags 1..L, sums to 1. decay (geometric) or shape, peak_lag (weibull, weeks);
    bend: half-way count (hill) or count of the peak (peak), NaN otherwise. mean_lag_weeks with mean_lag_low,
    mean_lag_high: 95 % profile interval over the grid, widened for clustering. coefficient, conf_low, conf_high: change
    of the log mean (ppml) or the outcome (ols) per unit of saturated, carried activity, jackknife t, taken as if the
    form had been known. deviance_gain: drop of the deviance (or residual sum of squares over its variance).
    """

    carry: Carry
    saturation: Saturation
    weights: Floats
    decay: float
    shape: float
    peak_lag: float
    bend: float
    mean_lag_weeks: float
    mean_lag_low: float
    mean_lag_high: float
    coefficient: float
    conf_low: float
    conf_high: float
    deviance_gain: float


@dataclass(frozen=True, slots=True)
class _Point:
    weights: Floats
    decay: float
    shape: float
    peak_lag: float
    bend: float

    @property
    def mean_lag(self) -> float:
        return float(self.weights @ np.arange(1, self.weights.size + 1))


def geometric_weights(decay: float, max_lag: int) -> Floats:
    """Shares at lags 1..max_lag that fall by `decay` each week. Source: Koyck (1954), cut at the window."""
    weights = float(decay) ** np.arange(max_lag)
    return np.asarray(weights / weights.sum(), dtype=float)


def weibull_weights(shape: float, peak_lag: float, max_lag: int) -> Floats:
    """Shares at lags 1..max_lag of a Weibull density with its peak at peak_lag weeks; shape > 1.

    Source: the density's mode is scale ((shape - 1) / shape)^(1 / shape); used for delayed advertising response.
    """
    scale = peak_lag / ((shape - 1) / shape) ** (1 / shape)
    lag = np.arange(1, max_lag + 1) / scale
    log_density = (shape - 1) * np.log(lag) - lag**shape
    weights = np.exp(log_density - log_density.max())
    return np.asarray(weights / weights.sum(), dtype=float)


def saturate(counts: ArrayLike, saturation: Saturation, bend: float) -> Floats:
    """What a week's count is worth: the count, log(1 + count), count / (count + bend), or a curve that peaks at bend.

    The peaked curve is count - count^2 / (2 bend), held at zero beyond twice the bend. NaN stays NaN.
    Source: Michaelis-Menten form of the Hill curve (slope one).
    """
    x = np.asarray(counts, dtype=float)
    if saturation == "line":
        return x
    if saturation == "log":
        return np.asarray(np.log1p(x))
    if saturation == "hill":
        return np.asarray(x / (x + bend))
    if saturation == "peak":
        seen = np.minimum(x, 2 * bend)
        return np.asarray(seen - seen**2 / (2 * bend))
    raise InputError(f"saturation {saturation!r} is not known: use one of {', '.join(SATURATIONS)}")


def fit_carryover(
    y: ArrayLike,
    activity: ArrayLike,
    cells: Cells,
    max_lag: int,
    controls: ArrayLike | None = None,
    *,
    carry: Carry = "geometric",
    saturation: Saturation = "line",
    family: Family = "ppml",
) -> CarryOver:
    """Best carry-over of one form beside the other activities.

    y: (n,); activity: (n,) counts, NaN where not known; cells: who and when; max_lag: weeks; controls: (n, q) columns
    already lagged. Raises InputError when the activity never happens, Refused where the panel fit refuses.
    """
    outcome, counts = np.asarray(y, dtype=float), np.asarray(activity, dtype=float)
    others = np.empty((cells.n, 0)) if controls is None else np.asarray(controls, dtype=float).reshape(cells.n, -1)
    fitter = fit_ppml if family == "ppml" else fit_ols
    points, gains, column = _search(outcome, counts, others, cells, max_lag, carry, saturation, fitter)
    fit = fitter(outcome, np.column_stack([column, others]), cells)
    first = np.eye(fit.n_coef)[0]
    estimate = contrast(fit, first)
    widened = float(crv1(fit)[0, 0] / (fit.bread[0, 0] * _dispersion(fit)))
    close = gains >= gains.max() - special.ndtri(0.975) ** 2 * max(1.0, widened)
    lags = np.array([point.mean_lag for point in points])
    chosen = points[int(np.argmax(gains))]
    return CarryOver(
        carry=carry,
        saturation=saturation,
        weights=chosen.weights,
        decay=chosen.decay,
        shape=chosen.shape,
        peak_lag=chosen.peak_lag,
        bend=chosen.bend,
        mean_lag_weeks=chosen.mean_lag,
        mean_lag_low=float(lags[close].min()),
        mean_lag_high=float(lags[close].max()),
        coefficient=estimate.estimate,
        conf_low=estimate.conf_low,
        conf_high=estimate.conf_high,
        deviance_gain=float(gains.max()),
    )


def compare_out_of_sample(
    y: ArrayLike,
    activity: ArrayLike,
    cells: Cells,
    max_lag: int,
    controls: ArrayLike | None = None,
    *,
    base: ArrayLike | None = None,
    family: Family = "ppml",
) -> pd.DataFrame:
    """Named forms and the polynomial lag, each judged on the later half of the weeks.

    base: (n, p) further columns of the forecast (season, own past). Each form's parameters are chosen on the earlier
    half only; slopes are refitted as weeks come in. Returns one row per form, best first: form, columns, mean_lag_weeks (as chosen), gain
    over the model without the activity, p_value (Clark-West), against_polynomial (share of the polynomial's loss saved).
    Raises what `fit_carryover` and `rolling_origin` raise.
    """
    outcome, counts = np.asarray(y, dtype=float), np.asarray(activity, dtype=float)
    blocks = [np.asarray(block, dtype=float).reshape(cells.n, -1) for block in (controls, base) if block is not None]
    polynomial = lag_terms(cells, counts, lag_basis(max_lag), range(1, max_lag + 1))
    beside = np.column_stack([*blocks, np.empty((cells.n, 0))])
    keep = np.isfinite(np.column_stack([outcome, polynomial, beside])).all(axis=1)
    week = cells.time[keep]
    start = int(week.min() + (week.max() - week.min() + 1) // 2)
    early = np.where(keep & (cells.time < start), outcome, np.nan)
    forms, lags = {"polynomial": polynomial}, {"polynomial": np.nan}
    for carry in CARRIES:
        for saturation in SATURATIONS:
            fit = fit_carryover(
                early, counts, cells, max_lag, controls, carry=carry, saturation=saturation, family=family
            )
            point = _Point(fit.weights, fit.decay, fit.shape, fit.peak_lag, fit.bend)
            lags[f"{carry} {saturation}"] = fit.mean_lag_weeks
            forms[f"{carry} {saturation}"] = _carried(cells, counts, saturation, point)[:, None]
    rows = []
    for name, columns in forms.items():
        gain = rolling_origin(
            outcome[keep],
            beside[keep],
            {"activity": columns[keep]},
            cells.unit[keep],
            week,
            family="poisson" if family == "ppml" else "gaussian",
            within=cells.effect[keep],
            start=start,
        ).together
        rows.append((name, columns.shape[1], lags[name], gain.gain, gain.p_value, gain.loss_with))
    table = pd.DataFrame(rows, columns=["form", "columns", "mean_lag_weeks", "gain", "p_value", "loss"])
    table["against_polynomial"] = 1 - table["loss"] / table["loss"].iloc[0]
    return table.drop(columns="loss").sort_values("gain", ascending=False, kind="stable", ignore_index=True)


def _search(
    outcome: Floats,
    counts: Floats,
    others: Floats,
    cells: Cells,
    max_lag: int,
    carry: Carry,
    saturation: Saturation,
    fitter: Callable[[Floats, Floats, Cells], Fit],
) -> tuple[list[_Point], Floats, Floats]:
    """Grid points, the gain of each, and the column of the best one: a coarse grid, then a finer one around its best."""
    with_controls = bool(others.shape[1])
    points, gains, columns = list(_grid(counts, carry, saturation, max_lag)), np.empty(0), np.empty((cells.n, 0))
    null = None
    for turn in range(2):
        new = points[gains.size :]
        block = np.column_stack([_carried(cells, counts, saturation, point) for point in new])
        if null is None:
            # A column of zeros would be refused: without controls one candidate stands in and is taken out again.
            known = np.where(np.isfinite(block[:, 0]), outcome, np.nan)
            null = fitter(known, others if with_controls else block[:, :1], cells)
        gains = np.append(gains, _score_gains(null, block[null.used], with_controls))
        columns = np.hstack([columns, block])
        if turn == 0:
            points += _refined(points[int(np.argmax(gains))], max_lag)
    return points, gains, columns[:, int(np.argmax(gains))]


def _grid(counts: Floats, carry: Carry, saturation: Saturation, max_lag: int) -> Iterator[_Point]:
    happened = counts[np.isfinite(counts) & (counts > 0)]
    if not happened.size:
        raise InputError("carry-over: the activity never happens in these rows")
    quantiles = {"hill": (0.25, 0.5, 0.75, 0.95), "peak": (0.5, 0.65, 0.8, 0.9, 0.97)}.get(saturation)
    bends = np.unique(np.quantile(happened, quantiles)) if quantiles else np.array([np.nan])
    for bend in bends:
        if carry == "geometric":
            for decay in DECAYS:
                yield _Point(geometric_weights(decay, max_lag), decay, np.nan, np.nan, float(bend))
        elif carry == "weibull":
            for shape in WEIBULL_SHAPES:
                for peak in np.arange(1.0, max_lag + 0.5, 0.5 if max_lag < 7 else 1.0):
                    yield _Point(weibull_weights(shape, peak, max_lag), np.nan, shape, float(peak), float(bend))
        else:
            raise InputError(f"carry-over {carry!r} is not known: use one of {', '.join(CARRIES)}")


def _refined(point: _Point, max_lag: int) -> Iterator[_Point]:
    """A finer grid around the best point of the coarse one, its saturation held."""
    if np.isfinite(point.decay):
        for decay in np.clip(point.decay + np.linspace(-0.18, 0.18, 19), 0.0, 0.99):
            yield _Point(geometric_weights(decay, max_lag), float(decay), np.nan, np.nan, point.bend)
        return
    for shape in point.shape * np.array([0.75, 0.87, 1.0, 1.15, 1.33]):
        for peak in np.clip(point.peak_lag + np.linspace(-1.5, 1.5, 13), 0.25, max_lag):
            if shape > 1.05:
                weights = weibull_weights(float(shape), float(peak), max_lag)
                yield _Point(weights, np.nan, float(shape), float(peak), point.bend)


def _carried(cells: Cells, counts: Floats, saturation: Saturation, point: _Point) -> Floats:
    worth = saturate(counts, saturation, point.bend)
    return lag_terms(cells, worth, point.weights[:, None], range(1, point.weights.size + 1))[:, 0]


def _score_gains(null: Fit, candidates: Floats, with_controls: bool) -> Floats:
    """Drop of the deviance that one Newton step from the model without the activity promises each candidate column."""
    system = null.system
    weight = np.ones(candidates.shape[0]) if system.weight is None else system.weight
    net = net_vector(system.work, candidates, system.weight)
    residual = null.residual
    known = np.empty((candidates.shape[0], null.n_coef))
    for rows, part in system.blocks():
        known[rows] = part
    if with_controls:
        net = net - known @ np.linalg.solve(null.information, known.T @ (weight[:, None] * net))
    else:
        # The smaller model has no column at all: undo the single one that stood in for it.
        residual = residual + weight * (known @ null.coef)
    information = np.einsum("ij,i,ij->j", net, weight, net)
    return np.asarray((net.T @ residual) ** 2 / information / _dispersion(null))


def _dispersion(fit: Fit) -> float:
    """Variance of the outcome in the metric of the fit: 1 for a Poisson outcome, the residual variance for ols."""
    return 1.0 if fit.family == "ppml" else float(fit.residual @ fit.residual) / fit.n_obs
