"""Deals as cases with a start, a time and an end, from their creation or from the first ask made on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book, NotRecorded
from analysis.management.records import dates, effort
from analysis.management.roster import UNDATED, Places, day_numbers, numbered, places, roster
from analysis.management.survival import OPEN

SAY = words.Voice("management.deals")
_STATUS = np.array(["open", "won", "lost"], dtype=object)  # in the order of OPEN, EVENT, OTHER
_NEVER = np.iinfo(np.int64).max


def deal_numbers(book: Book, column: str) -> Places:
    """A column of opportunities as whole numbers: `rep_id` as place in the roster, `status` as OPEN, EVENT (won) or OTHER
    (lost), -1 where it is none of them; a date as days since 1970, UNDATED where missing."""
    return book.shared(f"opportunities.{column}", lambda: _deal_numbers(book, column))


def _deal_numbers(book: Book, column: str) -> Places:
    values = book.frame("opportunities")[column]
    if column == "rep_id":
        return places(values, roster(book).reps)
    return places(values, _STATUS) if column == "status" else day_numbers(values)


def timed_deals(book: Book) -> pd.DataFrame:
    """Every deal as a case: rep and team when created (places in the roster), start, days (to its end or to today), late
    (days until the records begin, for deals that are older), end (EVENT = won, OTHER = lost, OPEN = running), amount (NaN
    where unknown).

    The records begin with the first end of any deal: of older deals those that had ended are not in them.
    """
    return book.shared("timed_deals", lambda: timed(book, slice(None), deal_numbers(book, "created_on"), book.as_of))


def timed(book: Book, rows: Places | slice, begun: Places, as_of: pd.Timestamp) -> pd.DataFrame:
    """These opportunities as cases from a day each, as they stood at the end of `as_of`; see `timed_deals`."""
    rep, closed, status = (deal_numbers(book, name)[rows] for name in ("rep_id", "closed_on", "status"))
    today = as_of.to_datetime64().astype("datetime64[D]").astype(np.int64)
    still = (status == OPEN) | (closed > today)
    days = np.maximum(np.where(still, today, closed) - begun, 0).astype(np.float64)
    late = np.clip(_first_end(book) - begun, 0, days).astype(np.float64)
    end, deals = np.where(still | (status < 0), OPEN, status), book.frame("opportunities")
    amount = deals["amount"].to_numpy(dtype=float)[rows] if "amount" in deals else np.full(len(days), np.nan)
    team = roster(book).on(rep, begun)
    columns = {
        "rep": rep,
        "team": team,
        "start": dates(begun),
        "days": days,
        "late": late,
        "end": end,
        "amount": amount,
    }
    return pd.DataFrame(columns)


def _first_end(book: Book) -> int:
    ended = deal_numbers(book, "closed_on")[deal_numbers(book, "status") > OPEN]
    return int(ended.min(initial=_NEVER, where=ended != UNDATED))


def timed_asks(book: Book) -> pd.DataFrame | NotRecorded:
    """Every deal that got an ask as a case that starts with the ask; see `timed_deals`."""
    asked = asked_rows(book)
    if isinstance(asked, NotRecorded):
        return asked
    return book.shared("timed_asks", lambda: timed(book, *asked, book.as_of))


def usual_days(frame: pd.DataFrame) -> float:
    """The horizon by which 95 % of the ended cases had ended; the longest follow-up when none has."""
    days, ended = frame["days"].to_numpy(dtype=float), frame["end"].to_numpy() != OPEN
    return float(np.ceil(np.quantile(days[ended], 0.95))) if ended.any() else float(days.max())


def asked_deals(book: Book) -> pd.DataFrame | NotRecorded:
    """Deals with an ask before their end: the deal's columns and `asked_on` (not before the deal was created)."""
    asked = asked_rows(book)
    if isinstance(asked, NotRecorded):
        return asked
    return book.frame("opportunities").iloc[asked[0]].assign(asked_on=dates(asked[1]))


def asked_rows(book: Book) -> tuple[Places, Places] | NotRecorded:
    """Which rows of opportunities got an ask before their end, and on which day (since 1970); see `asked_deals`."""
    asked = book.shared("first_asks", lambda: _first_asks(book))
    if (asked == _NEVER).all():
        return NotRecorded((SAY.text("on_asks"), "stage_changes"))
    return book.shared("asked_rows", lambda: _asked_rows(book, asked))


def _first_asks(book: Book) -> Places:
    """Day (since 1970) of each deal's first ask: an ask activity on it, or a change into an ask stage."""
    deals = book.frame("opportunities")["opportunity_id"].to_numpy(dtype=object)
    first = np.full(len(deals), _NEVER)
    if book.has("activities", "opportunity_id"):
        rows = effort(book)
        asks = np.append(rows["kind"].cat.categories.isin(book.rules.ask_kinds), False)[rows["kind"].cat.codes]
        rows = rows.loc[asks]
        deal, day = book.frame("activities")["opportunity_id"].iloc[rows["row"].to_numpy()], rows["occurred_on"]
        _earliest(first, places(deal, deals), day_numbers(day))
    if book.has("stage_changes"):
        moves = book.frame("stage_changes")
        stage, names = numbered(moves["to_stage"])
        asks = np.flatnonzero([str(name).lower() in book.rules.ask_stages for name in names])
        moved = np.flatnonzero(np.isin(stage, asks))
        deal, day = moves["opportunity_id"].iloc[moved], moves["changed_at"].iloc[moved]
        _earliest(first, places(deal, deals), day_numbers(day))
    return first


def _earliest(first: Places, deal: Places, day: Places) -> None:
    known = deal >= 0
    np.minimum.at(first, deal[known], day[known])


def _asked_rows(book: Book, asked: Places) -> tuple[Places, Places]:
    asked, closed = np.maximum(asked, deal_numbers(book, "created_on")), deal_numbers(book, "closed_on")
    rows = np.flatnonzero((asked != _NEVER) & ((asked <= closed) | (closed == UNDATED)))
    return rows, asked[rows]
