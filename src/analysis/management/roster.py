"""Who is who, as whole numbers: reps and teams by their place in a sorted list, and the team of a rep on any day.

Grouping half a million rows by three texts costs more than all the statistics on them, and a frame for every small
step costs more than its numbers. Numbers stand in for names until a result is written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from analysis.management.book import Book

Places = NDArray[np.integer[Any]]
_FAR = 1 << 20  # more days than any date lies from 1970
UNDATED = -_FAR
SPAN_DAYS = 4 * _FAR  # more than lie between any two day numbers, undated ones included
_DAY_US = 86_400_000_000  # numpy is many times slower to make days of instants


@dataclass(frozen=True, slots=True)
class Roster:
    """reps, teams: ids, sorted. now: place of each rep's present team. moved: whether its team ever was another.

    spell_*: rep, first day, day after the last (days since 1970) and team of every membership, in order of rep and day.
    Unknown = -1.
    """

    reps: NDArray[Any]
    teams: NDArray[Any]
    now: Places
    moved: NDArray[np.bool_]
    spell_rep: Places
    spell_from: Places
    spell_to: Places
    spell_team: Places

    def on(self, rep: Places, day: Places) -> Places:
        """Team of each rep (by place) on each day (since 1970); the present one where no membership covers the day."""
        known = rep >= 0
        team = np.where(known, self.now[rep], -1) if len(self.now) else np.full(len(rep), -1)
        asked = np.flatnonzero(known & (day > -_FAR))
        asked = asked[self.moved[rep[asked]]]
        if not len(asked):
            return team
        who, when = rep[asked], day[asked]
        found = np.searchsorted(self.spell_rep * 2 * _FAR + self.spell_from, who * 2 * _FAR + when, side="right") - 1
        covered = (found >= 0) & (self.spell_rep[found] == who) & (when < self.spell_to[found])
        then = np.where(covered, self.spell_team[found], -1)
        team[asked] = np.where(then >= 0, then, team[asked])
        return team


def roster(book: Book) -> Roster:
    """The book's reps and teams, made at the first asking."""
    return book.shared("roster", lambda: _roster(book))


def _roster(book: Book) -> Roster:
    people = book.frame("reps")[["rep_id", "team_id"]]
    has_spells = book.has("memberships")
    spells = (
        book.frame("memberships").dropna(subset=["rep_id"])
        if has_spells
        else people.iloc[:0].assign(valid_from=pd.Series(dtype="datetime64[us]"))
    )
    reps = _names(people["rep_id"], spells["rep_id"])
    teams = _names(people["team_id"], spells["team_id"])
    now = np.full(len(reps), -1)
    now[places(people["rep_id"], reps)] = places(people["team_id"], teams)
    who, team, start = (
        places(spells["rep_id"], reps),
        places(spells["team_id"], teams),
        day_numbers(spells["valid_from"]),
    )
    end = day_numbers(spells["valid_to"]) if "valid_to" in spells else np.full(len(spells), -_FAR)
    moved = np.bincount(who, minlength=len(reps)) > 1
    moved[who[team != now[who]]] = True
    order = np.lexsort((start, who))
    until = np.where(end > -_FAR, end, _FAR)
    return Roster(reps, teams, now, moved, who[order], start[order], until[order], team[order])


def _names(*columns: pd.Series) -> NDArray[Any]:
    return np.array(sorted({name for column in columns for name in column.dropna().unique()}), dtype=object)


def places(column: pd.Series, names: NDArray[Any]) -> Places:
    """Place of each text among the names; -1 where it is none of them or missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        found = places(pd.Series(column.cat.categories), names)
        return np.where(column.cat.codes >= 0, found[column.cat.codes], -1) if len(found) else _none(len(column))
    if not len(names) or not len(column):
        return _none(len(column))
    found = pc.index_in(pa.array(column, type=pa.large_string(), from_pandas=True), pa.array(names, pa.large_string()))
    return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def place_in(sorted_values: Places, values: Places) -> Places:
    """Place of each value among sorted ones; -1 where it is none of them."""
    if not len(sorted_values):
        return _none(len(values))
    place = np.minimum(np.searchsorted(sorted_values, values), len(sorted_values) - 1)
    return np.where(sorted_values[place] == values, place, -1)


def _none(number: int) -> Places:
    return np.full(number, -1, dtype=np.int64)


def numbered(column: pd.Series) -> tuple[Places, NDArray[Any]]:
    """Place of each text among those that occur, sorted (-1 = missing), and these."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy().astype(np.int64)
        used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(column.cat.categories)))
        names = np.asarray(column.cat.categories, dtype=object)[used]
        return np.where(codes >= 0, np.searchsorted(used, codes), -1), names
    codes, found = pd.factorize(column, sort=True)
    return codes.astype(np.int64), np.asarray(found, dtype=object)


def texts(place: Places, names: NDArray[Any]) -> pd.Series:
    """The names at these places as text; missing where the place is -1."""
    return pd.Series(pd.array(names, dtype="str").take(place, allow_fill=True))


def mondays(day: Places) -> Places:
    """The Monday of each day's week, days since 1970."""
    return day - (day + 3) % 7  # day 0, 1970-01-01, was a Thursday


def day_numbers(days: pd.Series) -> Places:
    """Days since 1970 of dates, or of instants in their own zone's clock less the zone; far in the past where missing."""
    if isinstance(days.dtype, pd.DatetimeTZDtype):
        days = days.dt.tz_localize(None)
    values = days.to_numpy(dtype="datetime64[us]")
    return np.where(np.isnat(values), UNDATED, values.view(np.int64) // _DAY_US)
