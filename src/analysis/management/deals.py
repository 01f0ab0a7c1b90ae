"""Deals as cases with a start, a time and an end, from their creation or from the first ask made on them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.management.book import Book, NotRecorded
from analysis.management.records import effort, with_team
from analysis.management.survival import EVENT, OPEN, OTHER


def deal_times(book: Book, deals: pd.DataFrame) -> pd.DataFrame:
    """Adds `days` (created to closed, or to today) and `end` (EVENT = won, OTHER = lost, OPEN = running)."""
    last = deals["closed_on"].where(deals["status"] != "open", book.as_of)
    end = np.select([deals["status"] == "won", deals["status"] == "lost"], [EVENT, OTHER], OPEN)
    return deals.assign(days=(last - deals["created_on"]).dt.days.clip(lower=0).astype(float), end=end)


def timed_deals(book: Book) -> pd.DataFrame:
    """Every deal as a case: rep_id, team_id (when created), start, days, end, amount (NaN where unknown)."""
    return book.shared("timed_deals", lambda: _timed(book, book.frame("opportunities"), "created_on"))


def _timed(book: Book, deals: pd.DataFrame, start: str) -> pd.DataFrame:
    timed = with_team(book, deal_times(book, deals.assign(created_on=deals[start])), "created_on")
    amount = timed["amount"].astype(float) if "amount" in timed else np.nan
    return (
        timed[["rep_id", "team_id", "created_on", "days", "end"]]
        .rename(columns={"created_on": "start"})
        .assign(amount=amount)
    )


def timed_asks(book: Book) -> pd.DataFrame | NotRecorded:
    """Every deal that got an ask as a case that starts with the ask; see `timed_deals`."""
    asked = asked_deals(book)
    if isinstance(asked, NotRecorded):
        return asked
    return book.shared("timed_asks", lambda: _timed(book, asked, "asked_on"))


def usual_days(frame: pd.DataFrame) -> float:
    """The horizon by which 95 % of the ended cases had ended; the longest follow-up when none has."""
    ended = frame.loc[frame["end"] != OPEN, "days"]
    return float(np.ceil(ended.quantile(0.95))) if len(ended) else float(frame["days"].max())


def _first_asks(book: Book) -> pd.DataFrame:
    """opportunity_id and the day of its first ask: an ask activity on the deal, or a change into an ask stage."""
    found = [pd.Series(dtype="datetime64[us]")]
    if book.has("activities", "opportunity_id"):
        rows = effort(book)
        asks = rows["kind"].isin(book.rules.ask_kinds) & rows["opportunity_id"].notna()
        rows = rows[["opportunity_id", "occurred_on"]].loc[asks]
        found.append(rows.groupby("opportunity_id")["occurred_on"].min())
    if book.has("stage_changes"):
        moves = book.frame("stage_changes")
        stages = pd.Index(moves["to_stage"].unique())
        named = stages[stages.str.lower().isin(book.rules.ask_stages)]
        moves = moves[["opportunity_id", "changed_at"]].loc[moves["to_stage"].isin(named)]
        found.append(moves["changed_at"].dt.tz_localize(None).dt.normalize().groupby(moves["opportunity_id"]).min())
    days = pd.concat(found[1:]).groupby(level=0).min() if len(found) > 1 else found[0]
    return days.rename("asked_on").rename_axis("opportunity_id").reset_index()


def asked_deals(book: Book) -> pd.DataFrame | NotRecorded:
    """Deals with an ask before their end: the deal's columns and `asked_on` (not before the deal was created)."""
    asks = book.shared("first_asks", lambda: _first_asks(book))
    if asks.empty:
        return NotRecorded(("activities.opportunity_id (on asks)", "stage_changes"))
    return book.shared("asked_deals", lambda: _asked_deals(book, asks))


def _asked_deals(book: Book, asks: pd.DataFrame) -> pd.DataFrame:
    deals = book.frame("opportunities")
    asked = deals["opportunity_id"].map(asks.set_index("opportunity_id")["asked_on"])
    asked = asked.where(asked.isna() | (asked > deals["created_on"]), deals["created_on"])
    in_time = asked.notna() & (deals["closed_on"].isna() | (asked <= deals["closed_on"]))
    return deals.assign(asked_on=asked).loc[in_time]
