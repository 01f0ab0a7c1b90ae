"""Conversions when some deals are still running: cumulative incidence with competing ends, many groups at once.

An open deal is not a loss: it is counted at risk up to its age today and no longer (Aalen & Johansen 1978; with one
kind of end this is Kaplan & Meier 1958 and the variance is Greenwood's). statsmodels is the oracle in the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import special

from analysis.management.intervals import Cells, Floats, cells, wilson

OPEN, EVENT, OTHER = 0, 1, 2  # still running, the end asked about, any other end


def incidence(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Cumulative incidence per group at each distinct time.

    frame: keys, `days` (time to the end or to today, >= 0) and `end` (OPEN, EVENT, OTHER). Returns keys, days,
    at_risk, events, others, incidence, std_error (delta method), survival (neither end yet), sorted.
    """
    cell, names = cells(frame, keys)
    curve = cell_curves(cell, *_times(frame))
    out = names.loc[curve.cell].reset_index(drop=True)
    counts = {
        "at_risk": curve.at_risk.astype(int),
        "events": curve.event.astype(int),
        "others": curve.other.astype(int),
    }
    estimates = {"incidence": curve.incidence, "std_error": curve.std_error, "survival": curve.survival}
    return out.assign(days=curve.days, **counts, **estimates)


@dataclass(frozen=True, slots=True)
class Curves:
    """Cumulative incidence of many groups, one row a group (cell) and distinct time, in that order; see `incidence`."""

    cell: Cells
    days: Floats
    at_risk: Floats
    event: Floats
    other: Floats
    incidence: Floats
    std_error: Floats
    survival: Floats


def _times(frame: pd.DataFrame) -> tuple[Floats, Cells]:
    return frame["days"].to_numpy(dtype=float), frame["end"].to_numpy()


def cell_curves(cell: Cells, days: Floats, end: Cells) -> Curves:
    """`incidence` for groups given as numbers (negative = no group)."""
    known = cell >= 0
    order = np.lexsort((days[known], cell[known]))
    cell, days, end = cell[known][order], days[known][order], end[known][order]
    start = np.flatnonzero(np.r_[True, (cell[1:] != cell[:-1]) | (days[1:] != days[:-1])][: len(cell)])
    row = np.repeat(np.arange(len(start)), np.diff(np.r_[start, len(cell)]))
    one, event, other = (
        np.bincount(row, mask, len(start)).astype(np.float64)
        for mask in (np.ones(len(row)), end == EVENT, end == OTHER)
    )
    group = cell[start]
    at_risk = np.bincount(group, one)[group] - _running(group, one)[0] + one
    return Curves(group, days[start], at_risk, event, other, *_aalen_johansen(event, other, at_risk, group))


def _aalen_johansen(event: Floats, other: Floats, at_risk: Floats, group: Cells) -> tuple[Floats, Floats, Floats]:
    """Incidence, its standard error, and the share without either end, at each time of each group."""
    both = event + other
    alive = 1 - both / at_risk
    with np.errstate(divide="ignore"):
        after = np.exp(_running(group, np.log(np.maximum(alive, 1e-300)))[0])
    after = np.where(after < 1e-250, 0.0, after)
    before = after / np.where(alive > 0, alive, 1.0)
    gone = alive <= 0  # everybody left at once: take the survival just before from the previous row
    previous = np.where(np.r_[True, group[1:] != group[:-1]], 1.0, np.r_[1.0, after[:-1]]) if len(after) else after
    before = np.where(gone, previous, before)
    cumulative = _running(group, before * event / at_risk)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(at_risk > both, both / (at_risk * (at_risk - both)), 0.0)
    b = before**2 * (at_risk - event) * event / at_risk**3
    c = before * event / at_risk**2
    a0, a1, a2, b0, c0, c1 = _running(group, a, a * cumulative, a * cumulative**2, b, c, c * cumulative)
    first = a0 * cumulative**2 - 2 * cumulative * a1 + a2
    variance = np.maximum(first + b0 - 2 * (cumulative * c0 - c1), 0.0)
    return cumulative, np.sqrt(variance), after


def _running(group: Cells, *values: Floats) -> list[Floats]:
    """Cumulative sums within consecutive groups, each from its own zero (no digits are lost to other groups' totals)."""
    sums = np.column_stack(values)
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]][: len(group)]).tolist()
    for start, end in pairwise([*starts, len(group)]):
        part = sums[start:end]
        np.add.accumulate(part, 0, None, part)
    return list(sums.T)


def conversion(frame: pd.DataFrame, keys: list[str], horizon_days: float) -> pd.DataFrame:
    """Share that reaches the end asked about within `horizon_days`, per group, running ones handled by survival.

    Returns keys, n, reached, other, running, conversion, conf_low, conf_high (Wilson on the effective number of
    cases), effective_n, followed_days (a group watched for less than the horizon is read at its last day).
    """
    cell, names = cells(frame, keys)
    days, end = _times(frame)
    return names.join(cell_conversions(cell, days, end, horizon_days).set_index("cell"))


def cell_conversions(
    cell: Cells, days: Floats, end: Cells, horizon_days: float | Floats, curve: Curves | None = None
) -> pd.DataFrame:
    """`conversion` for groups given as numbers (negative = no group), by `cell`. horizon_days: one for all, or one a
    number; curve: theirs, when known already."""
    curve = cell_curves(cell, days, end) if curve is None else curve
    known = cell >= 0
    cell, days, end = cell[known], days[known], end[known]
    number = np.bincount(cell)
    found = np.flatnonzero(number)
    groups = len(number)
    limit = np.broadcast_to(np.asarray(horizon_days, dtype=np.float64), groups)
    in_time = days <= limit[cell]
    ends = {
        "reached": np.bincount(cell, (end == EVENT) & in_time, groups),
        "other": np.bincount(cell, (end == OTHER) & in_time, groups),
        "running": np.bincount(cell, (end == OPEN) & (days < limit[cell]), groups),
    }
    # Of rows with the same number the last one stays: times ascend within a group.
    last, read = np.zeros(groups, dtype=np.int64), np.full(groups, -1)
    last[curve.cell] = np.arange(len(curve.cell))
    early = np.flatnonzero(curve.days <= limit[curve.cell])
    read[curve.cell[early]] = early
    read, n = read[found], number[found]
    share = np.where(read >= 0, np.clip(curve.incidence[read], 0.0, 1.0), 0.0) if len(found) else np.zeros(0)
    error = np.where(read >= 0, curve.std_error[read], 0.0) if len(found) else np.zeros(0)
    counts = {"n": n, **{name: count[found].astype(np.int64) for name, count in ends.items()}}
    # A deal still running tells less than one that ended; with no spread to measure, only the ended ones count.
    ended = (n - counts["running"]).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        effective = np.minimum(np.where(error > 1e-7, share * (1 - share) / error**2, ended), n.astype(float))
    low, high = wilson(share * effective, effective)
    estimates = {"conversion": np.where(effective <= 0, np.nan, share), "conf_low": low, "conf_high": high}
    followed = np.minimum(curve.days[last[found]], limit[found])
    return pd.DataFrame({"cell": found, **counts, **estimates, "effective_n": effective, "followed_days": followed})


def median_days(frame: pd.DataFrame, keys: list[str], level: float = 0.95) -> pd.DataFrame:
    """Median time of the end asked about, per group, with the interval that inverts Greenwood's pointwise band
    on the log(-log) scale (Brookmeyer & Crowley 1982); NaN where half have not got there.

    Returns keys, n, events, median_days, conf_low, conf_high.
    """
    cell, names = cells(frame, keys)
    days, end = _times(frame)
    found = cell_medians_of(cell_curves(cell, days, end), level).set_index("cell")
    known = cell >= 0
    counts = {"n": np.bincount(cell[known]), "events": np.bincount(cell[known], end[known] == EVENT).astype(np.int64)}
    return names.assign(**counts).join(found)


def cell_medians_of(curve: Curves, level: float = 0.95) -> pd.DataFrame:
    """`median_days` of curves: cell, median_days, conf_low, conf_high."""
    s = 1 - curve.incidence
    inside = np.clip(s, 1e-12, 1 - 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(-np.log(inside))
        spread = special.ndtri(0.5 + level / 2) * curve.std_error / np.abs(s * np.log(inside))
    spread = np.where(np.isfinite(spread), spread, np.inf)
    with np.errstate(over="ignore"):
        upper, lower = np.exp(-np.exp(log - spread)), np.exp(-np.exp(log + spread))
    marks = {"median_days": s, "conf_low": np.where(np.cumsum(curve.event) > 0, lower, 1.0), "conf_high": upper}
    out = {"cell": np.unique(curve.cell)}
    for name, band in marks.items():
        first = np.full(int(curve.cell.max(initial=-1)) + 1, np.nan)
        down = np.flatnonzero(band <= 0.5 + 1e-12)[::-1]
        first[curve.cell[down]] = curve.days[down]
        out[name] = first[out["cell"]]
    return pd.DataFrame(out)


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
