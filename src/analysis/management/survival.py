"""Conversions when some deals are still running: cumulative incidence with competing ends, many groups at once.

An open deal is not a loss: it is counted at risk up to its age today and no longer (Aalen & Johansen 1978; with one
kind of end this is Kaplan & Meier 1958 and the variance is Greenwood's). statsmodels is the oracle in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.management.intervals import Floats, wilson

_COUNTS = ["n", "reached", "other", "running"]
_CONVERSION = [*_COUNTS, "conversion", "conf_low", "conf_high", "effective_n", "followed_days"]
OPEN, EVENT, OTHER = 0, 1, 2  # still running, the end asked about, any other end


def incidence(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Cumulative incidence per group at each distinct time.

    frame: keys, `days` (time to the end or to today, >= 0) and `end` (OPEN, EVENT, OTHER). Returns keys, days,
    at_risk, events, others, incidence, std_error (delta method), survival (neither end yet), sorted.
    """
    counts = frame.assign(event=frame["end"] == EVENT, other=frame["end"] == OTHER, one=1)
    table = counts.groupby([*keys, "days"], observed=True)[["event", "other", "one"]].sum().reset_index()
    group = table.groupby(keys, observed=True, sort=False).ngroup().to_numpy() if keys else np.zeros(len(table), int)
    total = np.bincount(group, weights=table["one"]) if len(table) else np.zeros(0)
    one = table["one"].to_numpy(dtype=float)
    at_risk = total[group] - _running(one, group) + one
    event, other = table["event"].to_numpy(dtype=float), table["other"].to_numpy(dtype=float)
    out = table[[*keys, "days"]].assign(at_risk=at_risk.astype(int), events=event.astype(int), others=other.astype(int))
    return out.assign(**_aalen_johansen(event, other, at_risk, group))


def _aalen_johansen(event: Floats, other: Floats, at_risk: Floats, group: NDArray[Any]) -> dict[str, Floats]:
    both = event + other
    alive = 1 - both / at_risk
    with np.errstate(divide="ignore"):
        after = np.exp(_running(np.log(np.maximum(alive, 1e-300)), group))
    after = np.where(after < 1e-250, 0.0, after)
    before = after / np.where(alive > 0, alive, 1.0)
    gone = alive <= 0  # everybody left at once: take the survival just before from the previous row
    previous = np.where(np.r_[True, group[1:] != group[:-1]], 1.0, np.r_[1.0, after[:-1]]) if len(after) else after
    before = np.where(gone, previous, before)
    cumulative = _running(before * event / at_risk, group)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(at_risk > both, both / (at_risk * (at_risk - both)), 0.0)
    b = before**2 * (at_risk - event) * event / at_risk**3
    c = before * event / at_risk**2
    first = _running(a, group) * cumulative**2 - 2 * cumulative * _running(a * cumulative, group)
    first += _running(a * cumulative**2, group)
    cross = cumulative * _running(c, group) - _running(c * cumulative, group)
    variance = np.maximum(first + _running(b, group) - 2 * cross, 0.0)
    return {"incidence": cumulative, "std_error": np.sqrt(variance), "survival": after}


def _running(values: Floats, group: NDArray[Any]) -> Floats:
    """Cumulative sum within consecutive groups."""
    return np.asarray(pd.Series(values).groupby(group, sort=False).cumsum(), dtype=np.float64)


def conversion(frame: pd.DataFrame, keys: list[str], horizon_days: float) -> pd.DataFrame:
    """Share that reaches the end asked about within `horizon_days`, per group, running ones handled by survival.

    Returns keys, n, reached, other, running, conversion, conf_low, conf_high (Wilson on the effective number of
    cases), effective_n, followed_days (a group watched for less than the horizon is read at its last day).
    """
    curve = incidence(frame, keys)
    read = curve.loc[curve["days"] <= horizon_days].groupby(keys, observed=True, sort=True).tail(1)
    ends = frame.assign(
        reached=(frame["end"] == EVENT) & (frame["days"] <= horizon_days),
        other=(frame["end"] == OTHER) & (frame["days"] <= horizon_days),
        running=(frame["end"] == OPEN) & (frame["days"] < horizon_days),
    )
    flags = ends.groupby(keys, observed=True)[["reached", "other", "running"]].sum()
    flags["n"] = ends.groupby(keys, observed=True).size()
    flags["followed_days"] = ends.groupby(keys, observed=True)["days"].max().clip(upper=horizon_days)
    out = flags.join(read.set_index(keys)[["incidence", "std_error"]])
    share = out["incidence"].fillna(0.0).clip(0.0, 1.0).to_numpy()
    error = out["std_error"].fillna(0.0).to_numpy()
    # A deal still running tells less than one that ended; with no spread to measure, only the ended ones count.
    ended = (out["n"] - out["running"]).to_numpy(dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.where(error > 1e-7, share * (1 - share) / error**2, ended)
    effective = np.minimum(effective, out["n"].to_numpy(dtype=float))
    low, high = wilson(share * effective, effective)
    blank = effective <= 0
    out = out.assign(conversion=np.where(blank, np.nan, share), conf_low=low, conf_high=high, effective_n=effective)
    columns = [
        "n",
        "reached",
        "other",
        "running",
        "conversion",
        "conf_low",
        "conf_high",
        "effective_n",
        "followed_days",
    ]
    return out[columns].reset_index()


def median_days(frame: pd.DataFrame, keys: list[str], level: float = 0.95) -> pd.DataFrame:
    """Median time of the end asked about, per group, with the interval that inverts Greenwood's pointwise band
    on the log(-log) scale (Brookmeyer & Crowley 1982); NaN where half have not got there.

    Returns keys, n, events, median_days, conf_low, conf_high.
    """
    curve = incidence(frame, keys)
    s = 1 - curve["incidence"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(-np.log(np.clip(s, 1e-12, 1 - 1e-12)))
        spread = stats.norm.ppf(0.5 + level / 2) * curve["std_error"] / np.abs(s * np.log(np.clip(s, 1e-12, 1 - 1e-12)))
    spread = np.where(np.isfinite(spread), spread, np.inf)
    with np.errstate(over="ignore"):
        upper, lower = np.exp(-np.exp(log - spread)), np.exp(-np.exp(log + spread))
    marks = {"median_days": s, "conf_low": np.where(curve["events"].cumsum() > 0, lower, 1.0), "conf_high": upper}
    out = frame.groupby(keys, observed=True).size().rename("n").to_frame()
    out["events"] = (frame["end"] == EVENT).groupby([frame[k] for k in keys], observed=True).sum()
    for name, band in marks.items():
        reached = curve.loc[band <= 0.5 + 1e-12].groupby(keys, observed=True)["days"].min()
        out[name] = reached.reindex(out.index)
    return out.reset_index()


@dataclass(frozen=True, slots=True)
class LagCurve:
    """When a deal is won, in whole weeks of age: won[k] = share won by the end of week k, gone[k] = share ended."""

    won: Floats
    gone: Floats

    def later(self, age_weeks: Floats, more_weeks: float) -> Floats:
        """Chance that a deal still open at this age is won within so many more weeks."""
        last = len(self.won) - 1
        now = np.minimum(np.asarray(age_weeks, dtype=float), last)
        then = np.minimum(now + more_weeks, last)
        steps = np.arange(last + 1)
        gain = np.interp(then, steps, self.won) - np.interp(now, steps, self.won)
        left = 1 - np.interp(now, steps, self.gone)
        return np.where(left > 1e-9, np.clip(gain / np.maximum(left, 1e-9), 0, 1), 0.0)
