"""Accounts gone quiet, judged by their own rhythm, and what was done on them before and since.

Contact means two-way contact (meaningful, connected, held or received) where that is recorded, else any effort: a rep
who keeps mailing a silent account does not make it talk. How long a silence is long is learned from gaps like the
account's own, each as a multiple of the mean of that account's other gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats
from analysis.management.records import coded, effort, says
from analysis.management.roster import SPAN_DAYS, Places, day_numbers, places
from analysis.models.multiplicity import benjamini_hochberg

SAY = words.Voice("management.dark")
MIN_GAPS = 4  # gaps below which an account has no rhythm of its own yet
FALSE_SHARE = 0.1  # of the accounts called dark, at most this share may be in their rhythm
LATEST_GAPS = 26  # a rhythm is that of the last so many gaps
CLASSES = np.array([MIN_GAPS, 6, 10, 16])


@dataclass(frozen=True, slots=True)
class Dark:
    """accounts: one row per account with a rhythm (see `dark_accounts`); contact: what counts as contact here.

    unknown: accounts with too few contacts to have a rhythm; naive_share: share that "no contact in 90 days" calls
    dark; missed, falsely: accounts dark by their rhythm that the 90 days miss, and the other way round.
    """

    accounts: pd.DataFrame
    contact: str
    unknown: int
    naive_share: float
    missed: int
    falsely: int


def dark_accounts(book: Book) -> Dark | NotRecorded:
    """Every account with at least five days of contact and how unusual its present silence is.

    accounts: account_id, rep_id and team_id (last contact), last_contact, silent_days, usual_days (mean gap), gaps,
    chance (that an account keeping its rhythm is silent for so long on any day), q_value (over accounts), dark,
    open_deals, open_amount; darkest first.
    """
    if gap := book.need("activities", "account_id"):
        return gap
    rows, contact = contacts(book)
    account, day = rows["account_id"].cat.codes.to_numpy().astype(np.int64), day_numbers(rows["occurred_on"])
    by_day = np.argsort(account * SPAN_DAYS + day, kind="stable")
    days = (account * SPAN_DAYS + day)[by_day]
    is_last = np.r_[days[1:] != days[:-1], True] if len(days) else np.zeros(0, dtype=bool)
    days, latest_row = days[is_last], by_day[is_last]
    same = np.diff(days // SPAN_DAYS) == 0
    owner, gap = (days[1:] // SPAN_DAYS)[same], np.diff(days)[same]
    latest = _from_the_end(owner) < LATEST_GAPS
    gaps = pd.DataFrame({"account": owner[latest], "gap": gap[latest].astype(float)})
    names = rows["account_id"].cat.categories
    number = np.bincount(gaps["account"], minlength=len(names))
    total = np.bincount(gaps["account"], gaps["gap"], len(names))
    last = latest_row[np.r_[~same, True]] if len(days) else latest_row
    last = last[np.lexsort((last, day[last]))]
    of = account[last]
    seen = rows.iloc[last]
    out = (
        seen[["account_id", "rep_id", "team_id"]]
        .astype("str")
        .assign(last_contact=seen["occurred_on"], gaps=number[of])
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        out["usual_days"] = total[of] / number[of]
    out["silent_days"] = (book.as_of - out["last_contact"]).dt.days
    known = out.loc[out["gaps"] >= MIN_GAPS].reset_index(drop=True)
    if known.empty:
        return NotRecorded((SAY.text("no_rhythm", {"days": MIN_GAPS + 1}),))
    known["chance"] = silence_chance(gaps, known)
    known["q_value"] = benjamini_hochberg(known["chance"].to_numpy())
    known["dark"] = known["q_value"] <= FALSE_SHARE
    known = _with_deals(book, known)
    naive = known["silent_days"] > 90
    order = known.sort_values(["chance", "silent_days", "account_id"], ascending=[True, False, True], ignore_index=True)
    missed, falsely = int((known["dark"] & ~naive).sum()), int((naive & ~known["dark"]).sum())
    return Dark(order, contact, int((number[of] < MIN_GAPS).sum()), float(naive.mean()), missed, falsely)


def _from_the_end(group: Places) -> Places:
    """For consecutive groups: 0 for the last row of each, 1 for the one before, ..."""
    ends = np.flatnonzero(np.r_[group[1:] != group[:-1], True]) if len(group) else np.zeros(0, dtype=np.int64)
    return np.repeat(ends, np.diff(np.r_[-1, ends])) - np.arange(len(group))


def contacts(book: Book) -> tuple[pd.DataFrame, str]:
    """Rows that count as contact with an account, and the definition in words."""
    rows = effort(book)
    on_account = rows["account_id"].cat.codes.to_numpy() >= 0
    two_way = np.zeros(len(rows), dtype=bool)
    if book.has("activities", "is_meaningful"):
        two_way |= rows["is_meaningful"].to_numpy()
    if book.has("activities", "outcome"):
        two_way |= says(book, rows, "outcome", "connected", "held")
    if book.has("activities", "direction"):
        two_way |= says(book, rows, "direction", "in")
    two_way &= on_account
    if not two_way.any():
        return rows.loc[on_account], SAY.text("any_effort")
    return rows.loc[two_way], SAY.text("two_way")


def silence_chance(gaps: pd.DataFrame, known: pd.DataFrame) -> Floats:
    """Chance that an account keeping its rhythm is silent for at least so long on a random day.

    The silence seen on a random day falls into long gaps more often than into short ones; in a renewal process its
    survival is E[(Z - z)+] / E[Z] (Cox 1962), z the silence over the account's mean gap, Z gaps of all accounts with
    as many gaps, each over the mean of the same account's other gaps.
    """
    account, every = gaps["account"].to_numpy(), gaps["gap"].to_numpy()
    count, total = np.bincount(account)[account], np.bincount(account, every)[account]
    enough = count >= MIN_GAPS
    gap = every[enough]
    ratio = gap * (count[enough] - 1) / (total[enough] - gap)
    kind = np.digitize(count[enough], CLASSES)
    mine = np.digitize(known["gaps"], CLASSES)
    z = known["silent_days"].to_numpy() / known["usual_days"].to_numpy()
    out = np.ones(len(known))
    for level in np.unique(mine):
        pool = np.sort(ratio[kind == level] if (kind == level).sum() >= 200 else ratio)
        above = np.append(np.cumsum(pool[::-1])[::-1], 0.0)
        place = np.searchsorted(pool, z[mine == level], side="right")
        excess = above[place] - z[mine == level] * (len(pool) - place)
        # One more gap as long as the silence itself: nothing is impossible that was not yet seen.
        out[mine == level] = np.minimum((excess + pool.mean()) / (pool.sum() + pool.mean()), 1.0)
    return out


def _with_deals(book: Book, known: pd.DataFrame) -> pd.DataFrame:
    if not book.has("opportunities", "account_id"):
        return known.assign(open_deals=np.nan, open_amount=np.nan)
    deals = book.frame("opportunities")
    still = deals.loc[deals["status"] == "open"].groupby("account_id")["amount"].agg(["size", "sum"])
    number = known["account_id"].map(still["size"]).fillna(0).astype(int)
    return known.assign(open_deals=number, open_amount=known["account_id"].map(still["sum"]).fillna(0.0))


def done_on_dark(book: Book, found: Dark, before_days: int = 60) -> pd.DataFrame:
    """What was done on the dark accounts since their last contact and in the days before it, by team and kind.

    Columns: team_id, phase (`before the silence`, `since`), kind, attempts, meaningful, generic (bulk and sequence
    mails, and attempts that were not meaningful), senior (reached a vice president or above), accounts (touched).
    A quality that is not recorded is blank.
    """
    dark = found.accounts.loc[found.accounts["dark"], ["account_id", "team_id", "last_contact"]]
    rows = book.frame("activities")
    account = places(coded(book, "account_id"), dark["account_id"].to_numpy(dtype=object))
    near = np.flatnonzero(account >= 0)
    account, day = account[near], day_numbers(rows["occurred_on"].iloc[near])
    last = day_numbers(dark["last_contact"])[account]
    seen = (day > last - before_days) & (day <= day_numbers(pd.Series([book.as_of])))
    near, account, since = near[seen], account[seen], (day > last)[seen]
    columns = [name for name in _ASKED if name in rows]
    rows = rows[columns].iloc[near].assign(phase=np.where(since, "since", "before the silence"))
    rows["team_id"] = dark["team_id"].iloc[account].set_axis(rows.index)
    if "status" in rows:
        rows = rows.loc[rows["status"].isna() | (rows["status"] == "done")]
    return _qualities(book, rows)


_ASKED = ("account_id", "status", "kind", "origin", "is_meaningful", "contact_level")


def _qualities(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    blank = pd.Series(np.nan, index=rows.index)
    meaningful, machine, senior = blank, blank.fillna(0.0), blank
    if book.has("activities", "is_meaningful"):
        meaningful = rows["is_meaningful"].fillna(False).astype(float)
    if book.has("activities", "origin"):
        machine = rows["origin"].isin(["sequence", "bulk"]).astype(float)
    if book.has("activities", "contact_level"):
        senior = (rows["contact_level"] == "vp_or_above").astype(float)
    generic = np.maximum(machine, 1 - meaningful)
    counted = rows.assign(attempts=1, meaningful=meaningful, generic=generic, senior=senior)
    by = counted.groupby(["team_id", "phase", "kind"], observed=True)
    out = by[["attempts"]].sum()
    for name in ("meaningful", "generic", "senior"):
        out[name] = by[name].sum(min_count=1)
    return out.assign(accounts=by["account_id"].nunique()).reset_index()
