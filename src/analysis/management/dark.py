"""Accounts gone quiet, judged by their own rhythm, and what was done on them before and since.

Contact means two-way contact (meaningful, connected, held or received) where that is recorded, else any effort: a rep
who keeps mailing a silent account does not make it talk. How long a silence is long is learned from gaps like the
account's own, each as a multiple of the mean of that account's other gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats
from analysis.management.records import effort
from analysis.models.multiplicity import benjamini_hochberg

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
    days = rows[["account_id", "occurred_on"]].drop_duplicates().sort_values(["account_id", "occurred_on"])
    gap_days = days.groupby("account_id", observed=True)["occurred_on"].diff().dt.days
    gaps = days.assign(gap=gap_days).dropna(subset=["gap"]).groupby("account_id", observed=True).tail(LATEST_GAPS)
    last = rows.sort_values("occurred_on", kind="stable").drop_duplicates("account_id", keep="last")
    sums = gaps.groupby("account_id", observed=True)["gap"].agg(["sum", "size"]).reindex(last["account_id"])
    out = last[["account_id", "rep_id", "team_id", "occurred_on"]].rename(columns={"occurred_on": "last_contact"})
    number = sums["size"].fillna(0).to_numpy(dtype=int)
    out = out.assign(gaps=number, usual_days=(sums["sum"] / sums["size"]).to_numpy())
    out["silent_days"] = (book.as_of - out["last_contact"]).dt.days
    known = out.loc[out["gaps"] >= MIN_GAPS].reset_index(drop=True)
    if known.empty:
        return NotRecorded((f"activities.account_id (no account has {MIN_GAPS + 1} days of contact)",))
    known["chance"] = silence_chance(gaps, known)
    known["q_value"] = benjamini_hochberg(known["chance"].to_numpy())
    known["dark"] = known["q_value"] <= FALSE_SHARE
    known = _with_deals(book, known)
    naive = known["silent_days"] > 90
    order = known.sort_values(["chance", "silent_days", "account_id"], ascending=[True, False, True], ignore_index=True)
    missed, falsely = int((known["dark"] & ~naive).sum()), int((naive & ~known["dark"]).sum())
    return Dark(order, contact, int((number < MIN_GAPS).sum()), float(naive.mean()), missed, falsely)


def contacts(book: Book) -> tuple[pd.DataFrame, str]:
    """Rows that count as contact with an account, and the definition in words."""
    rows = effort(book).dropna(subset=["account_id"])
    two_way = np.zeros(len(rows), dtype=bool)
    if book.has("activities", "is_meaningful"):
        two_way |= rows["is_meaningful"].fillna(False).to_numpy(dtype=bool)
    if book.has("activities", "outcome"):
        two_way |= rows["outcome"].isin(["connected", "held"]).to_numpy()
    if book.has("activities", "direction"):
        two_way |= rows["direction"].eq("in").fillna(False).to_numpy(dtype=bool)
    if not two_way.any():
        return rows, "any effort on the account (what came of it is not recorded)"
    return rows.loc[two_way], "two-way contact: meaningful, connected, held or received"


def silence_chance(gaps: pd.DataFrame, known: pd.DataFrame) -> Floats:
    """Chance that an account keeping its rhythm is silent for at least so long on a random day.

    The silence seen on a random day falls into long gaps more often than into short ones; in a renewal process its
    survival is E[(Z - z)+] / E[Z] (Cox 1962), z the silence over the account's mean gap, Z gaps of all accounts with
    as many gaps, each over the mean of the same account's other gaps.
    """
    count = gaps.groupby("account_id", observed=True)["gap"].transform("size").to_numpy()
    total = gaps.groupby("account_id", observed=True)["gap"].transform("sum").to_numpy()
    enough = count >= MIN_GAPS
    gap = gaps["gap"].to_numpy()[enough]
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
    dark = found.accounts.loc[found.accounts["dark"], ["account_id", "last_contact"]]
    rows = book.frame("activities")
    rows = rows.loc[rows["account_id"].isin(dark["account_id"]) & (rows["occurred_on"] <= book.as_of)]
    if "status" in rows:
        rows = rows.loc[rows["status"].isna() | (rows["status"] == "done")]
    rows = rows.merge(dark, on="account_id")
    since = rows["occurred_on"] > rows["last_contact"]
    near = since | (rows["occurred_on"] > rows["last_contact"] - pd.Timedelta(days=before_days))
    team = rows["account_id"].map(found.accounts.set_index("account_id")["team_id"])
    rows = rows.assign(phase=np.where(since, "since", "before the silence"), team_id=team).loc[near]
    return _qualities(book, rows)


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
