"""Time until something happens (a deal closes, a new rep wins the first), counting those still waiting.

Leaving out open deals makes a cycle look shorter than it is; here they enter as "at least this long"."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.models.tails import normal_two_sided

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Kaplan-Meier curve in the unit of the durations given.

    curve: one row per time at which something happened: time, at_risk, events, share_waiting, low, high (95 %,
    log-log; NaN once nobody waits). median, median_low, median_high: time by which half are done; NaN where the curve or its band never gets
    that far. n, events: cases, and how many are done.
    """

    curve: pd.DataFrame
    median: float
    median_low: float
    median_high: float
    n: int
    events: int


def kaplan_meier(duration: ArrayLike, done: ArrayLike) -> Waiting:
    """Share still waiting over time.

    duration: (n,) >= 0, until the event or until last seen; done: (n,) true where the event happened. Raises
    InputError for unknown or negative durations, or none at all.
    Source: Kaplan & Meier (1958); Greenwood's variance on the log-log scale; median by Brookmeyer & Crowley (1982).
    """
    time, event = _checked(duration, done)
    at, group = np.unique(time[event], return_inverse=True)
    events = np.bincount(group, minlength=at.size)
    at_risk = time.size - np.searchsorted(np.sort(time), at, side="left")
    waiting = np.cumprod(1 - events / at_risk, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(events / (at_risk * (at_risk - events)))
        spread = 1.959964 * np.sqrt(greenwood) / np.abs(np.log(waiting))
        low, high = waiting ** np.exp(spread), waiting ** np.exp(-spread)
    low, high = (np.where(waiting > 0, line, np.nan).astype(float) for line in (low, high))
    curve = pd.DataFrame(
        {"time": at, "at_risk": at_risk, "events": events, "share_waiting": waiting, "low": low, "high": high}
    )
    median, median_low, median_high = (_first_at_half(at, line) for line in (waiting, low, high))
    return Waiting(curve, median, median_low, median_high, n=time.size, events=int(event.sum()))


def cox(
    duration: ArrayLike, done: ArrayLike, covariates: pd.DataFrame, strata: ArrayLike | None = None
) -> pd.DataFrame:
    """Proportional hazards (statsmodels PHReg, Efron's ties): what goes with a shorter wait.

    duration, done as `kaplan_meier`; covariates: n numeric rows, same order, at most one per ten events; strata: (n,)
    labels with their own baseline (teams). Returns one row per covariate: log_hazard, std_error, z, p_value,
    hazard_ratio, low, high (95 %); a ratio above 1 means sooner. Raises InputError for too few events or unknown values.
    Source: Cox (1972); Efron (1977).
    """
    from statsmodels.duration.hazard_regression import PHReg

    time, event = _checked(duration, done)
    table = covariates.to_numpy(dtype=float)
    if table.shape[0] != time.size or not np.isfinite(table).all():
        raise InputError("hazard model: covariates need one complete row per case")
    if event.sum() < 10 * table.shape[1]:
        raise InputError(f"hazard model: {int(event.sum())} events cannot carry {table.shape[1]} covariates (10 each)")
    fit = PHReg(time, table, status=event.astype(int), ties="efron", strata=strata).fit()
    log_hazard, std_error = np.asarray(fit.params), np.asarray(fit.bse)
    z = log_hazard / std_error
    return pd.DataFrame(
        {
            "log_hazard": log_hazard,
            "std_error": std_error,
            "z": z,
            "p_value": normal_two_sided(z),
            "hazard_ratio": np.exp(log_hazard),
            "low": np.exp(log_hazard - 1.959964 * std_error),
            "high": np.exp(log_hazard + 1.959964 * std_error),
        },
        index=list(covariates.columns),
    )


def _first_at_half(at: Floats, line: NDArray[np.floating[Any]]) -> float:
    below = np.flatnonzero(line <= 0.5)
    return float(at[below[0]]) if below.size else float("nan")


def _checked(duration: ArrayLike, done: ArrayLike) -> tuple[Floats, Flags]:
    time, event = np.asarray(duration, dtype=float), np.asarray(done).astype(bool)
    if time.ndim != 1 or time.shape != event.shape or time.size == 0:
        raise InputError("time to event: one duration and one mark (done or not) per case are needed")
    if not np.isfinite(time).all() or (time < 0).any():
        raise InputError("time to event: durations must be known and not negative")
    return time, event
