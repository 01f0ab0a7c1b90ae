"""Logging regimes: when a tool roll-out multiplies what is logged, the weeks before and after do not measure the same.

A break is a lasting change of one activity's logged level by a factor of two or more, in a team's mean or in several reps
within the same weeks. Such reps are cut in two units there: their level is free on each side and no delay reaches across, so the jump
itself can never count as evidence. The search looks at the activities only, never at an outcome.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.panel import Panel

MIN_SIDE = 12  # periods on either side of a break
MIN_RATIO = 2.0  # after against before, or the other way round
MIN_Z = 5.0  # with errors that allow for persistence
MIN_SHARING = 3  # reps that break together
TOGETHER = 2  # periods apart that still count as together

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Break:
    """One activity's logged level changed for good in these reps. ratio: median of after / before."""

    activity: str
    week: str
    rep_ids: tuple[str, ...]
    ratio: float


def split_statistics(series: Array) -> tuple[int, float, float]:
    """Best split of one rep's counts (T,): position, ratio of means after/before, z of the difference.

    z uses the pooled variance about the two means, widened for lag-1 autocorrelation r by (1 + r) / (1 - r).
    """
    n = series.size
    if n < 2 * MIN_SIDE:
        return 0, 1.0, 0.0
    at = np.arange(MIN_SIDE, n - MIN_SIDE + 1)
    before = np.cumsum(series)[at - 1]
    mean_before, mean_after = before / at, (series.sum() - before) / (n - at)
    gain = (mean_after - mean_before) ** 2 * at * (n - at) / n
    best = int(np.argmax(gain))
    position, low, high = int(at[best]), mean_before[best], mean_after[best]
    residual = series - np.where(np.arange(n) < position, low, high)
    variance = float(residual @ residual) / (n - 2)
    if variance <= 0:
        return position, 1.0, 0.0
    r = float(np.clip(residual[1:] @ residual[:-1] / (residual @ residual), 0.0, 0.9))
    z = (high - low) / np.sqrt(variance * (1 + r) / (1 - r) * (1 / position + 1 / (n - position)))
    return position, float((high + 0.1) / (low + 0.1)), float(z)


def rep_breaks(panel: Panel, activity: str) -> pd.DataFrame:
    """Reps whose logged level changed: rep_id, week (first of the new regime), ratio."""
    rows = []
    known = panel.frame[["rep_id", "week", activity]].dropna()
    for rep_id, part in known.groupby("rep_id", sort=True):
        position, ratio, z = split_statistics(part[activity].to_numpy(float))
        if abs(z) >= MIN_Z and max(ratio, 1 / ratio) >= MIN_RATIO:
            rows.append((rep_id, part["week"].iloc[position], ratio))
    return pd.DataFrame(rows, columns=["rep_id", "week", "ratio"])


def team_breaks(panel: Panel, activity: str) -> list[Break]:
    """Teams whose mean logged level changed: every rep of theirs who was there on both sides is part of it."""
    found = []
    known = panel.frame[["team_id", "rep_id", "week", activity]].dropna()
    for _, part in known.groupby("team_id", sort=True):
        level = part.groupby("week")[activity].mean().sort_index()
        position, ratio, z = split_statistics(level.to_numpy(float))
        if abs(z) < MIN_Z or max(ratio, 1 / ratio) < MIN_RATIO:
            continue
        week = level.index[position]
        both = part.groupby("rep_id")["week"].agg(["min", "max"])
        reps = tuple(sorted(both.index[(both["min"] < week) & (both["max"] >= week)]))
        if len(reps) >= MIN_SHARING:
            found.append(Break(activity, str(week.date()), reps, ratio))
    return found


def find_breaks(panel: Panel, activities: tuple[str, ...]) -> tuple[Break, ...]:
    """Breaks of whole teams, then of at least three other reps within two periods of each other."""
    step = pd.Timedelta(days=7 if panel.period == "week" else 31)
    found = []
    for activity in activities:
        teams = team_breaks(panel, activity)
        found += teams
        alone = rep_breaks(panel, activity)
        alone = alone[~alone["rep_id"].isin([rep for each in teams for rep in each.rep_ids])]
        while len(alone) >= MIN_SHARING:
            near = {week: (alone["week"] - week).abs() <= TOGETHER * step for week in alone["week"].unique()}
            week, rows = max(near.items(), key=lambda item: (int(item[1].sum()), -item[0].value))
            if rows.sum() < MIN_SHARING:
                break
            shared = alone[rows]
            reps = tuple(sorted(shared["rep_id"]))
            found.append(Break(activity, str(week.date()), reps, float(shared["ratio"].median())))
            alone = alone[~rows]
    return tuple(found)


def regime_units(panel: Panel, breaks: tuple[Break, ...]) -> Array:
    """(n,) unit codes: one a rep, cut where one of its activities changed regime."""
    reps = pd.factorize(panel.frame["rep_id"])[0]
    regime = np.zeros(len(reps), dtype=np.int64)
    for found in breaks:
        after = panel.frame["week"] >= pd.Timestamp(found.week)
        regime += (panel.frame["rep_id"].isin(found.rep_ids) & after).to_numpy()
    return np.unique(reps * (len(breaks) + 1) + regime, return_inverse=True)[1]
