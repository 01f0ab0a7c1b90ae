"""Who was there when: the weeks of each rep, the team of each week, and the share of each week worked."""

import numpy as np
import pandas as pd

from analysis.calendars import WORKING_DAYS
from analysis.panel.grid import Axes, SmallTables, week_number

_WEDNESDAY = 2  # a rep who moves in mid-week belongs to the team of most of its working days


def days(values: pd.Series) -> np.ndarray:
    """A contract date column as datetime64[D]."""
    return values.to_numpy(dtype="datetime64[D]")


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """A date column, all missing where the source lacks it."""
    return frame[name] if name in frame else pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")


def employed(axes: Axes, reps: pd.DataFrame, first_event_week: np.ndarray) -> np.ndarray:
    """Which cells exist (bool, reps x weeks): from joining (or the first event) to leaving, whole weeks.

    first_event_week: week number of each rep's first recorded event; beyond the last week where there is none.
    """
    hired, left = days(column(reps, "hired_on")), days(column(reps, "left_on"))
    start = np.where(np.isnat(hired), first_event_week, _numbers(hired))
    end = np.where(np.isnat(left), axes.first_week + axes.weeks - 1, _numbers(left))
    week = np.arange(axes.first_week, axes.first_week + axes.weeks)
    return (week >= start[:, None]) & (week <= end[:, None])


def _numbers(dates: np.ndarray) -> np.ndarray:
    return week_number(np.where(np.isnat(dates), np.datetime64("1970-01-01"), dates))


def team_codes(axes: Axes, source: SmallTables, reps: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Team ids (sorted) and, for every cell, the place of its team in them: that of the Wednesday.

    The team is that of the spell begun last by then; before the first spell, the first spell's; reps.team_id where a
    rep has no spells.
    """
    spells = source.frame("memberships") if source.has("memberships") else _no_spells(reps)
    teams, codes = np.unique(np.concatenate([reps["team_id"], spells["team_id"]]).astype(str), return_inverse=True)
    held = np.repeat(codes[: len(reps)][:, None], axes.weeks, axis=1)
    place = {rep: row for row, rep in enumerate(axes.reps)}
    wednesdays = axes.mondays + np.timedelta64(_WEDNESDAY, "D")
    order = np.lexsort((days(spells["valid_from"]), spells["rep_id"].to_numpy(dtype=object)))
    begun, whose, previous = days(spells["valid_from"]), spells["rep_id"].tolist(), None
    for spell in order:
        rep = whose[spell]
        begins = 0 if rep != previous else int(np.searchsorted(wednesdays, begun[spell]))
        held[place[rep], begins:] = codes[len(reps) + spell]
        previous = rep
    return teams, held


def _no_spells(reps: pd.DataFrame) -> pd.DataFrame:
    return reps.iloc[:0].assign(valid_from=pd.Series(dtype="datetime64[us]"))


def worked_share(
    axes: Axes, source: SmallTables, reps: pd.DataFrame, teams: np.ndarray, team: np.ndarray
) -> np.ndarray:
    """Share of the five working days of each week that the rep was employed, not absent and not on holiday."""
    day = axes.mondays[:, None] + np.arange(WORKING_DAYS).astype("timedelta64[D]")
    hired, left = days(column(reps, "hired_on")), days(column(reps, "left_on"))
    worked = ~(day < hired[:, None, None]) & ~(day > left[:, None, None])
    if source.has("absences"):
        _take_absences(worked, day, axes, source.frame("absences"))
    if source.has("holidays"):
        _take_holidays(worked, day, source.frame("holidays"), teams, team)
    return worked.mean(axis=2)


def _take_absences(worked: np.ndarray, day: np.ndarray, axes: Axes, absences: pd.DataFrame) -> None:
    flat, by_day = day.ravel(), worked.reshape(len(axes.reps), -1)
    place = axes.places(absences["rep_id"])
    starts, ends = np.searchsorted(flat, days(absences["from_date"])), np.searchsorted(flat, days(absences["to_date"]))
    for rep, start, end in zip(place, starts, ends, strict=True):
        by_day[rep, start:end] = False


def _take_holidays(
    worked: np.ndarray, day: np.ndarray, holidays: pd.DataFrame, teams: np.ndarray, team: np.ndarray
) -> None:
    whose = holidays["team_id"] if "team_id" in holidays else pd.Series(None, index=holidays.index, dtype="str")
    for date, team_id in zip(days(holidays["date"]), whose, strict=True):
        week, weekday = np.nonzero(day == date)
        if not len(week):
            continue
        everybody = pd.isna(team_id)
        code = -1 if everybody else int(np.searchsorted(teams, team_id))
        affected = np.ones(len(worked), dtype=bool) if everybody else team[:, week[0]] == code
        worked[affected, week[0], weekday[0]] = False
