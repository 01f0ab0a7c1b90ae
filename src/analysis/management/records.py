"""Frames that several questions share: who belonged where, what counts as effort, who gets the credit, weeks worked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.management.book import Book
from analysis.management.intervals import Floats
from analysis.management.roster import Places, Roster, day_numbers, numbered, places, roster, texts

_THURSDAY = 3  # 1970-01-01, day 0, was a Thursday


def with_team(book: Book, frame: pd.DataFrame, on: str) -> pd.DataFrame:
    """The frame with `team_id`: the rep's team on the day in column `on` (memberships rule over reps.team_id)."""
    people = roster(book)
    team = people.on(places(frame["rep_id"], people.reps), day_numbers(frame[on]))
    return frame.assign(team_id=texts(team, people.teams).set_axis(frame.index))


def effort(book: Book) -> pd.DataFrame:
    """Activities that count as effort: done by a human. A blank status means done, a blank origin means human.

    Only the columns that most questions ask for, texts as categories; `row`, the place among the activities, by which
    others are read (see `says`); and `team_id`, the rep's team on that day.
    """
    return book.shared("effort", lambda: _effort(book))


_TEXTS = ("rep_id", "kind", "account_id")
_NUMBERS = ("occurred_on", "duration_s")


def _effort(book: Book) -> pd.DataFrame:
    rows = book.frame("activities")
    keep = rows["occurred_on"] <= book.as_of
    if "status" in rows:
        keep &= rows["status"].isna() | (rows["status"] == "done")
    if "origin" in rows:
        keep &= rows["origin"].isna() | (rows["origin"] == "human")
    # Categories before the choice of rows: to take numbers out is many times quicker than texts.
    columns: dict[str, Any] = {name: coded(book, name) for name in _TEXTS if name in rows}
    columns |= {name: rows[name] for name in _NUMBERS if name in rows}
    if "is_meaningful" in rows:
        columns["is_meaningful"] = flags(rows["is_meaningful"])
    out = pd.DataFrame({"row": np.arange(len(rows)), **columns}, index=rows.index).loc[keep]
    people = roster(book)
    team = people.on(places(out["rep_id"], people.reps), day_numbers(out["occurred_on"]))
    return out.assign(team_id=pd.Categorical.from_codes(team, pd.Index(people.teams, dtype="str")))


def coded(book: Book, column: str) -> pd.Series:
    """A text of the activities as categories, row by row."""
    return book.shared(f"activities.{column}", lambda: book.frame("activities")[column].astype("category"))


def flags(column: pd.Series) -> NDArray[np.bool_]:
    """A recorded yes or no as an array; unknown counts as no."""
    return column.fillna(False).to_numpy(dtype=bool)


def says(book: Book, rows: pd.DataFrame, column: str, *values: str) -> NDArray[np.bool_]:
    """Which of these rows of `effort` or `attempts` have one of these texts in a column of the activities."""
    said = book.shared(f"activities.{column}: {values}", lambda: _says(book.frame("activities")[column], values))
    return said[rows["row"].to_numpy()]


def _says(column: pd.Series, values: tuple[str, ...]) -> NDArray[np.bool_]:
    return np.logical_or.reduce([np.asarray(column == value, dtype=np.bool_) for value in values])


def attempts(book: Book) -> pd.DataFrame:
    """Effort that concerns a customer: all but internal (an answer received closes an attempt and counts with it)."""
    return book.shared("attempts", lambda: _attempts(book))


def _attempts(book: Book) -> pd.DataFrame:
    rows = effort(book)
    if "direction" not in book.frame("activities"):
        return rows
    internal = says(book, rows, "direction", "internal")
    return rows.loc[~internal] if internal.any() else rows


@dataclass(frozen=True, slots=True)
class AttemptPlaces:
    """The rows of `attempts` as numbers: rep and team (places in the roster), kind (place among kinds), day (since 1970)."""

    rep: Places
    team: Places
    kind: Places
    kinds: NDArray[Any]
    day: Places


def attempt_places(book: Book) -> AttemptPlaces:
    """Who tried what, and when; see `AttemptPlaces`."""
    return book.shared("attempt_places", lambda: _attempt_places(book))


def _attempt_places(book: Book) -> AttemptPlaces:
    rows, people = attempts(book), roster(book)
    rep, team = places(rows["rep_id"], people.reps), places(rows["team_id"], people.teams)
    return AttemptPlaces(rep, team, *numbered(rows["kind"]), day_numbers(rows["occurred_on"]))


def won_credit(book: Book) -> pd.DataFrame:
    """One row per won deal and credited rep: the deal's columns, `share` and `credit` (amount x share)."""
    return book.shared("won_credit", lambda: _won_credit(book))


def _won_credit(book: Book) -> pd.DataFrame:
    deals = book.frame("opportunities")
    won = deals.loc[deals["status"] == "won"]
    if not book.has("credits"):
        return won.assign(share=1.0, credit=won["amount"].astype(float))
    split = book.frame("credits")[["opportunity_id", "rep_id", "share"]]
    split = split.loc[split["rep_id"].notna()]
    deal = places(split["opportunity_id"], won["opportunity_id"].to_numpy(dtype=object))
    order = np.argsort(deal, kind="stable")[np.count_nonzero(deal < 0) :]
    number = np.bincount(deal[order], minlength=len(won))
    row = np.repeat(np.arange(len(won)), np.maximum(number, 1))
    # Every credit of a deal in the order recorded; a deal without any is its own rep's.
    credit = np.full(len(row), -1)
    credit[number[row] > 0] = order
    joined, shared = won.iloc[row].reset_index(drop=True), credit >= 0
    credited = pd.Series(split["rep_id"].array.take(credit, allow_fill=True))
    share = np.where(shared, np.append(split["share"].to_numpy(dtype=float), 1.0)[credit], 1.0)
    joined = joined.assign(rep_id=credited.where(shared, joined["rep_id"]), share=share)
    return joined.assign(credit=joined["amount"].astype(float) * joined["share"])


def service(book: Book) -> pd.DataFrame:
    """Per rep: `start` and `end` (inclusive) of the time seen, `hired_on`, `team_id`, `role` where recorded.

    start is the hire date where known and not before the first record of the folder, else the rep's first activity.
    """
    return book.shared("service", lambda: _service(book))


def _service(book: Book) -> pd.DataFrame:
    reps = book.frame("reps")
    unknown = np.full(len(reps), np.datetime64("NaT", "us"))
    hired, left = (reps[n].to_numpy("datetime64[us]") if n in reps else unknown for n in ("hired_on", "left_on"))
    first, today = _first_days(book), book.as_of.to_datetime64()
    start = np.where(np.isnat(hired), first[places(reps["rep_id"], roster(book).reps)], hired)
    opening = book.frame("activities")["occurred_on"].min()
    start = np.maximum(start, opening.to_datetime64())  # missing stays missing
    end = np.where(left < today, left, today)
    role = reps["role"].fillna("ae") if "role" in reps else "ae"
    columns = {"team_id": reps["team_id"], "role": role, "hired_on": hired, "start": start, "end": end}
    return pd.DataFrame({"rep_id": reps["rep_id"], **columns}).loc[start <= end].reset_index(drop=True)


def _first_days(book: Book) -> NDArray[np.datetime64]:
    """The day of each rep's first activity of any sort, by place in the roster; NaT without any."""
    people, rows = roster(book), book.frame("activities")
    rep, day = places(coded(book, "rep_id"), people.reps), rows["occurred_on"].to_numpy("datetime64[us]")
    first = np.full(len(people.reps), np.iinfo(np.int64).max)
    known = (rep >= 0) & ~np.isnat(day)
    np.minimum.at(first, rep[known], day[known].view(np.int64))
    return np.where(first < np.iinfo(np.int64).max, first, np.iinfo(np.int64).min).view("datetime64[us]")


@dataclass(frozen=True, slots=True)
class RepDays:
    """Working days in service, by rep and day: rep and team (places in the roster), day (since 1970), worked 0 or 1.

    Working days are Monday to Friday; worked is 0 on recorded absences and holidays.
    """

    rep: Places
    team: Places
    day: Places
    worked: Places


def rep_days(book: Book) -> RepDays:
    """Every rep's working days; see `RepDays`."""
    return book.shared("rep_days", lambda: _rep_days(book))


def _rep_days(book: Book) -> RepDays:
    held, people = service(book), roster(book)
    first, last = day_numbers(held["start"]), day_numbers(held["end"])
    place = places(held["rep_id"], people.reps)
    order = np.argsort(place, kind="stable")
    rep, day = _spread(place[order], first[order], last[order] + 1)
    weekday = (day + _THURSDAY) % 7 < 5
    rep, day = rep[weekday], day[weekday]
    return RepDays(rep, people.on(rep, day), day, 1 - _off(book, people, rep, day))


def _spread(what: Places, first: Places, end: Places) -> tuple[Places, Places]:
    """Each thing once per day from its first to before its end."""
    length = np.maximum(end - first, 0)
    step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return np.repeat(what, length), np.repeat(first, length) + step


@dataclass(frozen=True, slots=True)
class WorkedWeeks:
    """Complete weeks in service by rep and week: rep, team (places in the roster), monday (since 1970), share worked."""

    rep: Places
    team: Places
    monday: Places
    share: Floats


def rep_weeks_worked(book: Book) -> WorkedWeeks:
    """Every rep's complete weeks; see `WorkedWeeks`."""
    return book.shared("rep_weeks_worked", lambda: _rep_weeks_worked(book))


def _rep_weeks_worked(book: Book) -> WorkedWeeks:
    days = rep_days(book)
    monday = days.day - (days.day + _THURSDAY) % 7
    start = np.flatnonzero(np.r_[True, (days.rep[1:] != days.rep[:-1]) | (monday[1:] != monday[:-1])][: len(monday)])
    start = start[np.diff(np.r_[start, len(monday)]) == 5]
    team = days.team[start]
    for later in range(1, 5):
        team = np.where(team >= 0, team, days.team[start + later])
    worked = np.add.reduce([days.worked[start + place] for place in range(5)], axis=0)
    return WorkedWeeks(days.rep[start], team, monday[start], worked / 5.0)


def worked_weeks(book: Book) -> pd.DataFrame:
    """One row per rep and complete week in service: rep_id, team_id, week (Monday), worked_share 0..1."""
    return book.shared("worked_weeks", lambda: _worked_weeks(book))


def _worked_weeks(book: Book) -> pd.DataFrame:
    weeks, people = rep_weeks_worked(book), roster(book)
    columns = {"rep_id": texts(weeks.rep, people.reps), "team_id": texts(weeks.team, people.teams)}
    return pd.DataFrame({**columns, "week": dates(weeks.monday), "worked_share": weeks.share})


def dates(day: Places) -> NDArray[np.datetime64]:
    """Days since 1970 as datetime64[us]."""
    return day.astype("datetime64[D]").astype("datetime64[us]")


def _off(book: Book, people: Roster, rep: Places, day: Places) -> Places:
    """1 where the rep was absent or had a holiday on the day."""
    free: list[Places] = [np.zeros(0, dtype=np.int64)]
    if book.has("absences"):
        spells = book.frame("absences")
        who, first = places(spells["rep_id"], people.reps), day_numbers(spells["from_date"])
        free.append(_key(*_spread(who, first, day_numbers(spells["to_date"]))))
    if book.has("holidays"):
        free.append(_holidays(book, people))
    return np.isin(_key(rep, day), np.concatenate(free)).astype(np.int64)


def _key(rep: Places, day: Places) -> Places:
    return (rep << 22) + day


def _holidays(book: Book, people: Roster) -> Places:
    """Keys of each rep's holidays: those of everybody and those of the team the rep is in now."""
    table, reps = book.frame("holidays"), book.frame("reps")
    day = day_numbers(table["date"])
    team = places(table["team_id"], people.teams) if "team_id" in table else np.full(len(table), -1)
    everyone = table["team_id"].isna().to_numpy() if "team_id" in table else np.ones(len(table), dtype=bool)
    rep = places(reps["rep_id"], people.reps)
    mine = everyone[None, :] | (people.now[rep][:, None] == np.where(team >= 0, team, -2)[None, :])
    row, which = np.nonzero(mine)
    return _key(rep[row], day[which])
