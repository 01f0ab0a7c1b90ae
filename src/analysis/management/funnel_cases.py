"""The cases of each funnel step: who entered it, how long until the next step, how it ended or that it still runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book, NotRecorded
from analysis.management.deals import asked_rows, deal_numbers, timed_asks, timed_deals
from analysis.management.intervals import Floats
from analysis.management.records import attempt_places, attempts, effort
from analysis.management.roster import UNDATED, Places, day_numbers, places, roster
from analysis.management.survival import EVENT, OPEN, OTHER

_NEVER = np.iinfo(np.int64).max
_DEAL = ("rep_id", "created_on", "closed_on", "status")


@dataclass(frozen=True, slots=True)
class Step:
    """One step; horizon_days None = the time by which 95 % of the ended cases had ended; of_rep: reps are compared."""

    key: str
    horizon_days: float | None = None
    of_rep: bool = True

    @property
    def title(self) -> str:
        """What the step is called."""
        return step_title(self.key)


def step_title(key: str, locale: str = words.ENGLISH) -> str:
    """What a step is called, by its key, in the reader's language."""
    return words.text(f"management.funnel_cases.{key}", locale=locale)


STEPS = (
    Step("attempt_to_connect", 0.0),
    Step("connect_to_opportunity", 90.0),
    Step("opportunity_to_ask"),
    Step("ask_to_won"),
    Step("opportunity_to_won"),
    Step("won_to_invoiced", of_rep=False),
    Step("invoiced_to_paid", of_rep=False),
)


def step_cases(book: Book, step: str, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Cases that entered the step since that day: rep and team (places in the roster), days, end (see survival).

    `attempt_to_connect` is decided at once and comes as rep-week counts instead: reached, weight.
    """
    return _CASES[step](book, since)


def _connects(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    if gap := book.need("activities", "is_meaningful"):
        return gap
    people, tried = roster(book), attempt_places(book)
    known = (tried.day > _number(since)) & (tried.team >= 0) & (tried.rep >= 0)
    week = (tried.day[known] + 3) // 7  # day 0, 1970-01-01, was a Thursday
    week = week - (week.min() if len(week) else 0)
    weeks, reps = int(week.max(initial=0)) + 1, max(len(people.reps), 1)
    # Only the cells that occur: teams x reps x weeks would not fit in memory for a company of a thousand teams.
    cell, place = np.unique((tried.team[known] * reps + tried.rep[known]) * weeks + week, return_inverse=True)
    reached = np.bincount(place, attempts(book)["is_meaningful"].to_numpy()[known], len(cell))
    who = {"team": cell // weeks // reps, "rep": cell // weeks % reps}
    return pd.DataFrame({**who, "reached": reached, "weight": np.bincount(place, minlength=len(cell)).astype(float)})


def _since(rows: pd.DataFrame, day: str, since: pd.Timestamp) -> pd.DataFrame:
    return rows.loc[(rows[day] > since).to_numpy()]


def _opportunities(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Accounts with a first meaningful connect and no deal before it; the end is a deal created on the account."""
    gap = book.need("activities", "is_meaningful", "account_id") or book.need("opportunities", "account_id")
    if gap:
        return gap
    rows = effort(book)
    account = rows["account_id"].cat.codes.to_numpy()
    row = np.flatnonzero(rows["is_meaningful"].to_numpy() & (account >= 0))
    account, met = account[row], day_numbers(rows["occurred_on"].iloc[row])
    order = np.lexsort((met, account))
    first = np.sort(order[np.r_[True, np.diff(account[order]) > 0][: len(order)]])
    names = np.asarray(rows["account_id"].cat.categories, dtype=object)
    deals = book.frame("opportunities")
    deal, made = places(deals["account_id"], names), deal_numbers(book, "created_on")
    created = np.full(len(names), _NEVER)
    np.minimum.at(created, deal[deal >= 0], made[deal >= 0])
    created, met = created[account[first]], met[first]
    keep = (created >= met) & (met > _number(since))
    rep = places(rows["rep_id"].iloc[row[first[keep]]], roster(book).reps)
    return _spans(book, rep, met[keep], created[keep])


def _won_after_ask(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    cases = timed_asks(book)
    return cases if isinstance(cases, NotRecorded) else _since(cases, "start", since)


def _asks(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Deals created since; the end is the first ask, any other close is another end."""
    asked = asked_rows(book)
    if isinstance(asked, NotRecorded):
        return asked
    recent = deal_numbers(book, "created_on") > _number(since)
    rep, made, closed, status = (deal_numbers(book, name)[recent] for name in _DEAL)
    day = np.full(len(recent), _NEVER)
    day[asked[0]] = asked[1]
    day = day[recent]
    never = day == _NEVER
    running = never & (status == OPEN)
    out = _spans(book, rep, made, np.where(never, np.where(running, _NEVER, closed), day))
    return out.assign(end=np.where(~never, EVENT, np.where(running, OPEN, OTHER)))


def _won(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    return _since(timed_deals(book), "start", since)


def _invoiced(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    return book.need("opportunities", "invoiced_on") or _money(book, "closed_on", "invoiced_on", since)


def _paid(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    gap = book.need("opportunities", "invoiced_on", "paid_on")
    return gap or _money(book, "invoiced_on", "paid_on", since)


def _money(book: Book, start: str, end: str, since: pd.Timestamp) -> pd.DataFrame:
    """Won deals from one day to the next that follows it."""
    these = (deal_numbers(book, "status") == EVENT) & (deal_numbers(book, start) > _number(since))
    rep, first, last = (deal_numbers(book, name)[these] for name in ("rep_id", start, end))
    return _spans(book, rep, first, np.where(last == UNDATED, _NEVER, last))


def _spans(book: Book, rep: Places, start: Places, reached: Places) -> pd.DataFrame:
    """Cases with one kind of end: reached on that day, or (_NEVER) running until today."""
    running = reached == _NEVER
    days = np.maximum(np.where(running, _number(book.as_of), reached) - start, 0).astype(np.float64)
    team = roster(book).on(rep, start)
    return pd.DataFrame({"rep": rep, "team": team, "days": days, "end": np.where(running, OPEN, EVENT)})


def _number(day: pd.Timestamp) -> int:
    return int(day.to_datetime64().astype("datetime64[D]").astype(np.int64))


_CASES: dict[str, Callable[[Book, pd.Timestamp], pd.DataFrame | NotRecorded]] = {
    "attempt_to_connect": _connects,
    "connect_to_opportunity": _opportunities,
    "opportunity_to_ask": _asks,
    "ask_to_won": _won_after_ask,
    "opportunity_to_won": _won,
    "won_to_invoiced": _invoiced,
    "invoiced_to_paid": _paid,
}


def step_ratios(book: Book, step: str, since: pd.Timestamp) -> Floats:
    """The ratio of totals of the same weeks, whoever they belong to, by team and rep (places in the roster).

    One row more than there are teams, the last for the company; one column more than reps, the last for the whole team.
    """
    before, after = (_with_sums(_counts(book, name, since)) for name in step.split("_to_"))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before > 0, after / before, np.nan)


def _with_sums(counts: Floats) -> Floats:
    rows = np.hstack([counts, counts.sum(axis=1, keepdims=True)])
    return np.vstack([rows, rows.sum(axis=0)])


def _counts(book: Book, name: str, since: pd.Timestamp) -> Floats:
    """Events of this name since that day, teams x reps."""

    def count() -> Floats:
        people = roster(book)
        rep, day = _events(book, name)
        late = day > _number(since)
        rep, team = rep[late], people.on(rep[late], day[late])
        known, shape = (rep >= 0) & (team >= 0), (len(people.teams), len(people.reps))
        cell = team[known] * shape[1] + rep[known]
        return np.bincount(cell, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)

    return book.shared(f"{name}s since {since.date()}", count)


def _events(book: Book, name: str) -> tuple[Places, Places]:
    """Rep (place in the roster) and day of every event of this name."""
    if name in ("attempt", "connect"):
        tried = attempt_places(book)
        these = attempts(book)["is_meaningful"].to_numpy() if name == "connect" else slice(None)
        return tried.rep[these], tried.day[these]
    rep = deal_numbers(book, "rep_id")
    if name == "ask":
        asked = asked_rows(book)
        return (rep[:0], rep[:0]) if isinstance(asked, NotRecorded) else (rep[asked[0]], asked[1])
    day = deal_numbers(book, _DAYS[name])
    won = deal_numbers(book, "status") == EVENT if name == "won" else slice(None)
    return rep[won], day[won]


_DAYS = {"opportunity": "created_on", "won": "closed_on", "invoiced": "invoiced_on", "paid": "paid_on"}
