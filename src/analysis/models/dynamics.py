"""Series with carry-over, through statsmodels: distributed lags and Koyck models (ARDL), vector autoregressions with
impulse responses, and a transfer function with a pure delay and geometric decay. One team's or one company's totals
against time; the panel regressions carry the claims."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.models.tails import f_upper, t_quantile, t_two_sided

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class DistributedLag:
    """y on its own past and on x now and earlier.

    coefficients: one row a term (const, y.L1.., x.L0.., control names): estimate, std_error, t, p_value.
    long_run: lasting change of y per lasting unit of x, sum of x terms / (1 - sum of own lags), with std_error, low,
    high (95 %, delta method). joint_f, joint_p: all x terms zero; lagged_p: all x terms but the current one zero (NaN
    with a single term). r2; n: periods used.
    """

    coefficients: pd.DataFrame
    long_run: float
    long_run_se: float
    long_run_low: float
    long_run_high: float
    joint_f: float
    joint_p: float
    lagged_p: float
    r2: float
    n: int


@dataclass(frozen=True, slots=True)
class ImpulseResponse:
    """Vector autoregression: order (periods), and responses: one row per impulse, response, horizon_weeks with
    value, low, high (95 %, asymptotic), the response in its own unit to one extra unit of the impulse."""

    order: int
    responses: pd.DataFrame
    n: int


@dataclass(frozen=True, slots=True)
class TransferFunction:
    """(y after differencing) = const + omega / (1 - delta B) x(t - delay) + moving-average noise.

    omega: first response, delta: share kept each period, gain: omega / (1 - delta), each with std_error from the
    curvature of the likelihood; theta: noise in the sign of Box & Jenkins (1 - theta B); sigma2; log_likelihood; n.
    """

    const: float
    omega: float
    omega_se: float
    delta: float
    delta_se: float
    gain: float
    theta: Floats
    sigma2: float
    log_likelihood: float
    delay: int
    n: int


def ardl(
    y: ArrayLike, x: ArrayLike, x_lags: int, y_lags: int = 0, controls: pd.DataFrame | None = None
) -> DistributedLag:
    """Least squares of y on y_lags of its own past, on x at lags 0..x_lags, and on controls (statsmodels ARDL).

    y, x: (n,) without gaps; controls: n rows, same order. x_lags = y_lags = 0 is the static line, y_lags = 1 the
    Koyck model, y_lags = 0 a finite distributed lag. Raises InputError for unknown values or more terms than periods.
    Source: Koyck (1954); long-run propensity as in Wooldridge, Introductory Econometrics, chapter 10.
    """
    from statsmodels.tsa.ardl import ARDL

    outcome, activity = _complete(y), _complete(x)
    fixed = None if controls is None else controls.reset_index(drop=True)
    terms = 2 + x_lags + y_lags + (0 if fixed is None else fixed.shape[1])
    if outcome.shape != activity.shape or outcome.size - max(x_lags, y_lags) <= terms:
        raise InputError(f"distributed lag: {outcome.size} periods cannot carry {terms} terms")
    frame = pd.DataFrame({"x": activity})
    fit = ARDL(pd.Series(outcome, name="y"), y_lags, frame, {"x": x_lags}, fixed=fixed, trend="c").fit()
    names, covariance = list(fit.params.index), np.asarray(fit.cov_params())
    is_x = np.array([name.startswith("x.L") for name in names])
    is_y = np.array([name.startswith("y.L") for name in names])
    residual, estimate = np.asarray(fit.resid), np.asarray(fit.params)
    df = residual.size - len(names)
    used = outcome[outcome.size - residual.size :]
    long_run, long_run_se = _long_run(estimate, covariance, is_x, is_y)
    half = float(t_quantile(0.975, df)) * long_run_se
    f, p = _wald(estimate, covariance, is_x, df)
    lagged = is_x & np.array([name != "x.L0" for name in names])
    return DistributedLag(
        coefficients=_coefficient_table(names, estimate, covariance, df),
        long_run=long_run,
        long_run_se=long_run_se,
        long_run_low=long_run - half,
        long_run_high=long_run + half,
        joint_f=f,
        joint_p=p,
        lagged_p=_wald(estimate, covariance, lagged, df)[1],
        r2=float(1 - residual @ residual / np.sum((used - used.mean()) ** 2)),
        n=residual.size,
    )


def impulse_responses(
    series: pd.DataFrame, horizon: int, max_order: int = 8, order: int | None = None
) -> ImpulseResponse:
    """How every series answers one extra unit of every other, over horizon periods (statsmodels VAR).

    series: n rows without gaps, one column a series, in time order. order: lags, or None for the BIC's choice up to
    max_order. Raises InputError for unknown values or too few periods. Source: Sims (1980).
    """
    from statsmodels.tsa.api import VAR

    values = series.to_numpy(dtype=float)
    if not np.isfinite(values).all() or values.shape[0] < (order or max_order) * (values.shape[1] + 1) + 10:
        raise InputError(f"vector autoregression: {values.shape[0]} complete periods are too few for these lags")
    fit = VAR(values).fit(order) if order else VAR(values).fit(maxlags=max_order, ic="bic")
    names = [str(name) for name in series.columns]
    if fit.k_ar == 0:
        means = np.zeros((horizon + 1, len(names), len(names)))
        means[0], errors = np.eye(len(names)), np.zeros_like(means)
    else:
        impulse = fit.irf(horizon)
        means, errors = impulse.irfs, impulse.stderr(orth=False)
    rows = [
        (names[j], names[i], h, means[h, i, j], *(means[h, i, j] + 1.959964 * errors[h, i, j] * np.array([-1.0, 1.0])))
        for j in range(len(names))
        for i in range(len(names))
        for h in range(horizon + 1)
    ]
    columns = ["impulse", "response", "horizon_weeks", "value", "low", "high"]
    return ImpulseResponse(int(fit.k_ar), pd.DataFrame(rows, columns=columns), int(fit.nobs))


def transfer_function(
    y: ArrayLike, x: ArrayLike, delay: int, *, difference: int = 0, ma_order: int = 0
) -> TransferFunction:
    """Geometric response after a pure delay, with moving-average noise, by maximum likelihood.

    y, x: (n,) without gaps; delay: periods before anything happens (take it from the prewhitened cross-correlation);
    difference: of both series. For each decay the response is linear, so only the decay is searched. Raises InputError
    for unknown values or fewer than delay + 20 periods. Source: Box & Jenkins (1976), chapters 10-11.
    """
    from scipy.optimize import minimize_scalar

    outcome, activity = np.diff(_complete(y), difference), np.diff(_complete(x), difference)
    if outcome.shape != activity.shape or outcome.size < delay + 20:
        raise InputError(f"transfer function: {outcome.size} periods are too few for a delay of {delay}")
    late = outcome[delay:]

    def loss(delta: float) -> float:
        return -float(_with_decay(late, activity, delay, delta, ma_order).llf)

    # Least squares finds the neighbourhood; the likelihood with its noise model is searched only there.
    grid = np.linspace(-0.9, 0.96, 94)
    best = int(np.argmin([_squares_with_decay(late, activity, delta) for delta in grid]))
    bracket = grid[max(best - 4, 0)], grid[min(best + 4, grid.size - 1)]
    delta = float(minimize_scalar(loss, bounds=bracket, method="bounded", options={"xatol": 1e-5}).x)
    fit = _with_decay(late, activity, delay, delta, ma_order)
    const, omega = (float(value) for value in fit.params[:2])
    width = 1e-3
    curvature = (loss(delta + width) - 2 * loss(delta) + loss(delta - width)) / width**2
    return TransferFunction(
        const=const,
        omega=omega,
        omega_se=float(fit.bse[1]),
        delta=delta,
        delta_se=float(curvature**-0.5) if curvature > 0 else float("nan"),
        gain=omega / (1 - delta),
        theta=-np.asarray(fit.params[2 : 2 + ma_order]),
        sigma2=float(fit.params[-1]),
        log_likelihood=float(fit.llf),
        delay=delay,
        n=late.size,
    )


def _decayed(activity: Floats, delta: float) -> Floats:
    """What each activity still does, falling by the factor delta a period."""
    from scipy.signal import lfilter

    return np.asarray(lfilter([1.0], [1.0, -delta], activity))


def _with_decay(late: Floats, activity: Floats, delay: int, delta: float, ma_order: int):  # type: ignore[no-untyped-def]
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    response = _decayed(activity, delta)[: late.size]
    return SARIMAX(late, exog=response, order=(0, 0, ma_order), trend="c").fit(disp=0)


def _squares_with_decay(late: Floats, activity: Floats, delta: float) -> float:
    response = _decayed(activity, delta)[: late.size]
    columns = np.column_stack([np.ones(late.size), response])
    return float(np.sum((late - columns @ np.linalg.lstsq(columns, late, rcond=None)[0]) ** 2))


def _long_run(
    estimate: Floats, covariance: Floats, is_x: NDArray[np.bool_], is_y: NDArray[np.bool_]
) -> tuple[float, float]:
    left = 1 - float(estimate[is_y].sum())
    value = float(estimate[is_x].sum()) / left
    slope = is_x / left + is_y * value / left
    return value, float(np.sqrt(slope @ covariance @ slope))


def _wald(estimate: Floats, covariance: Floats, which: NDArray[np.bool_], df: int) -> tuple[float, float]:
    if not which.any():
        return float("nan"), float("nan")
    part = estimate[which]
    f = float(part @ np.linalg.solve(covariance[np.ix_(which, which)], part)) / part.size
    return f, float(f_upper(f, part.size, df))


def _coefficient_table(names: Sequence[str], estimate: Floats, covariance: Floats, df: int) -> pd.DataFrame:
    std_error = np.sqrt(np.diag(covariance))
    t = estimate / std_error
    columns = {"estimate": estimate, "std_error": std_error, "t": t, "p_value": t_two_sided(t, df)}
    return pd.DataFrame(columns, index=list(names))


def _complete(values: ArrayLike) -> Floats:
    out = np.asarray(values, dtype=float)
    if out.ndim != 1 or not np.isfinite(out).all():
        raise InputError("series: some periods are not known; cut to a stretch without gaps")
    return out
