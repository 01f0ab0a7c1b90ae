"""The cases of each funnel step: who entered it, how long until the next step, how it ended or that it still runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.calendars import monday_of
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import asked_deals, timed_asks, timed_deals
from analysis.management.records import attempts, effort, with_team
from analysis.management.survival import EVENT, OPEN, OTHER

_KEYS = ["scope", "team_id", "rep_id"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step; horizon_days None = the time by which 95 % of the ended cases had ended; of_rep: reps are compared."""

    key: str
    title: str
    horizon_days: float | None = None
    of_rep: bool = True


STEPS = (
    Step("attempt_to_connect", "Attempts that became meaningful", 0.0),
    Step("connect_to_opportunity", "Connected accounts with a new opportunity within 90 days", 90.0),
    Step("opportunity_to_ask", "Opportunities that got an ask (proposal or contract)"),
    Step("ask_to_won", "Asks that were won"),
    Step("opportunity_to_won", "Opportunities that were won"),
    Step("won_to_invoiced", "Won deals that were invoiced", of_rep=False),
    Step("invoiced_to_paid", "Invoices that were paid", of_rep=False),
)


def step_cases(book: Book, step: str, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Cases that entered the step since that day: rep_id, team_id, days, end (see survival).

    `attempt_to_connect` is decided at once and comes as rep-week counts instead: reached, weight.
    """
    return _CASES[step](book, since)


def _connects(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    if gap := book.need("activities", "is_meaningful"):
        return gap
    rows = attempts(book)
    rows = rows[["rep_id", "team_id", "occurred_on", "is_meaningful"]].loc[rows["occurred_on"] > since]
    rows = rows.assign(week=monday_of(rows["occurred_on"]), reached=rows["is_meaningful"].fillna(False).astype(float))
    counts = rows.groupby(["team_id", "rep_id", "week"], observed=True)["reached"].agg(["sum", "size"]).reset_index()
    return counts.rename(columns={"sum": "reached", "size": "weight"}).astype({"weight": float})


def _opportunities(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Accounts with a first meaningful connect and no deal before it; the end is a deal created on the account."""
    gap = book.need("activities", "is_meaningful", "account_id") or book.need("opportunities", "account_id")
    if gap:
        return gap
    rows = effort(book)
    rows = rows.loc[rows["is_meaningful"].fillna(False).astype(bool)].dropna(subset=["account_id"])
    first = rows.sort_values("occurred_on", kind="stable").drop_duplicates("account_id")
    deal = book.frame("opportunities").groupby("account_id")["created_on"].min()
    created = first["account_id"].map(deal)
    first = first.assign(created=created).loc[created.isna() | (created >= first["occurred_on"])]
    first = first.loc[first["occurred_on"] > since]
    return _spans(book, first, "occurred_on", first["created"], first["created"].isna())


def _won_after_ask(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    cases = timed_asks(book)
    if isinstance(cases, NotRecorded):
        return cases
    return cases.loc[cases["start"] > since, ["rep_id", "team_id", "days", "end"]]


def _asks(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    """Deals created since; the end is the first ask, any other close is another end."""
    asked = asked_deals(book)
    if isinstance(asked, NotRecorded):
        return asked
    deals = book.frame("opportunities")
    deals = deals.loc[deals["created_on"] > since]
    day = deals["opportunity_id"].map(asked.set_index("opportunity_id")["asked_on"])
    running = day.isna() & (deals["status"] == "open")
    out = _spans(book, deals, "created_on", day.fillna(deals["closed_on"]), running)
    return out.assign(end=np.where(day.notna(), EVENT, np.where(running, OPEN, OTHER)))


def _won(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    cases = timed_deals(book)
    return cases.loc[cases["start"] > since, ["rep_id", "team_id", "days", "end"]]


def _invoiced(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    if gap := book.need("opportunities", "invoiced_on"):
        return gap
    deals = book.frame("opportunities")
    deals = deals.loc[(deals["status"] == "won") & (deals["closed_on"] > since)]
    return _spans(book, deals, "closed_on", deals["invoiced_on"], deals["invoiced_on"].isna())


def _paid(book: Book, since: pd.Timestamp) -> pd.DataFrame | NotRecorded:
    if gap := book.need("opportunities", "invoiced_on", "paid_on"):
        return gap
    deals = book.frame("opportunities")
    deals = deals.loc[(deals["status"] == "won") & (deals["invoiced_on"] > since)]
    return _spans(book, deals, "invoiced_on", deals["paid_on"], deals["paid_on"].isna())


def _spans(book: Book, rows: pd.DataFrame, start: str, reached: pd.Series, running: pd.Series) -> pd.DataFrame:
    """Cases with one kind of end: reached on that day, or running until today."""
    days = (reached.fillna(book.as_of) - rows[start]).dt.days.clip(lower=0).astype(float)
    frame = rows[["rep_id", start]].assign(days=days, end=np.where(running, OPEN, EVENT))
    return with_team(book, frame, start)[["rep_id", "team_id", "days", "end"]]


_CASES: dict[str, Callable[[Book, pd.Timestamp], pd.DataFrame | NotRecorded]] = {
    "attempt_to_connect": _connects,
    "connect_to_opportunity": _opportunities,
    "opportunity_to_ask": _asks,
    "ask_to_won": _won_after_ask,
    "opportunity_to_won": _won,
    "won_to_invoiced": _invoiced,
    "invoiced_to_paid": _paid,
}


def step_totals(book: Book, step: str, since: pd.Timestamp) -> pd.DataFrame:
    """The ratio of totals of the same weeks, whoever they belong to: scope, team_id, rep_id, naive_ratio."""
    before, after = (_counts(book, name, since) for name in step.split("_to_"))
    both = pd.concat([before.rename("bottom"), after.rename("top")], axis=1).fillna(0.0).rename_axis(_KEYS[1:])
    reps = both.reset_index().assign(scope="rep")
    teams = reps.groupby("team_id")[["top", "bottom"]].sum().reset_index().assign(scope="team", rep_id="")
    company = reps[["top", "bottom"]].sum().to_frame().T.assign(scope="company", team_id=COMPANY, rep_id="")
    frame = pd.concat([reps, teams, company], ignore_index=True)
    ratio = frame["top"] / frame["bottom"].where(frame["bottom"] > 0)
    return frame.assign(naive_ratio=ratio)[[*_KEYS, "naive_ratio"]]


def _counts(book: Book, name: str, since: pd.Timestamp) -> pd.Series:
    """Events of this name since that day per team_id and rep_id."""

    def count() -> pd.DataFrame:
        return _events(book, name, since).groupby(_KEYS[1:], observed=True).size().rename("n").reset_index()

    return book.shared(f"{name}s since {since.date()}", count).set_index(_KEYS[1:])["n"]


def _events(book: Book, name: str, since: pd.Timestamp) -> pd.DataFrame:
    """One row per event of this name since that day: rep_id, team_id."""
    deals = book.frame("opportunities")
    asked = asked_deals(book)
    rows, day = {
        "attempt": lambda: (attempts(book), "occurred_on"),
        "connect": lambda: (_meaningful(book), "occurred_on"),
        "opportunity": lambda: (deals, "created_on"),
        "ask": lambda: (
            deals.iloc[:0].assign(asked_on=deals["created_on"]) if isinstance(asked, NotRecorded) else asked,
            "asked_on",
        ),
        "won": lambda: (deals.loc[deals["status"] == "won"], "closed_on"),
        "invoiced": lambda: (deals.dropna(subset=["invoiced_on"]), "invoiced_on"),
        "paid": lambda: (deals.dropna(subset=["paid_on"]), "paid_on"),
    }[name]()
    if "team_id" in rows:
        return rows[["rep_id", "team_id"]].loc[rows[day] > since]
    return with_team(book, rows[["rep_id", day]].loc[rows[day] > since], day)[["rep_id", "team_id"]]


def _meaningful(book: Book) -> pd.DataFrame:
    rows = attempts(book)
    good = rows["is_meaningful"].fillna(False).astype(bool)
    return rows[["rep_id", "team_id", "occurred_on"]].loc[good]
