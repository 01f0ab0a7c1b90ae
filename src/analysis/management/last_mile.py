"""The last mile: what happened between the ask and the end of a deal, in won deals, lost ones, and open ones gone quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import asked_deals
from analysis.management.intervals import mean_by, wilson
from analysis.management.records import effort, with_team

RECENT_DAYS = 28
CHECKS = {
    "touched": "any effort after the ask",
    "meaningful": "a meaningful contact after the ask",
    "senior": "a vice president or above after the ask",
}


def last_mile(book: Book, weeks: int = 52) -> pd.DataFrame | NotRecorded:
    """Share of asks that were followed up, by how they ended, for the company and each team.

    Columns: team_id, outcome (`won`, `lost`, `open`, `open and quiet`: nothing for four weeks), check, title, n, value,
    conf_low, conf_high (95 %, Wilson); check `touches_per_week` holds the mean effort per week after the ask (t
    interval). Deals are followed by account where activities carry one, else by opportunity. Won and lost differ in
    more than the follow-up: it describes.
    """
    deals = asked_deals(book)
    if isinstance(deals, NotRecorded):
        return deals
    link = (
        "account_id"
        if book.has("activities", "account_id") and book.has("opportunities", "account_id")
        else "opportunity_id"
    )
    if gap := book.need("activities", link):
        return gap
    deals = deals.loc[deals["asked_on"] > book.as_of - pd.Timedelta(weeks=weeks)]
    audit = with_team(book, _audit(book, deals, link), "asked_on")
    both = pd.concat([audit, audit.assign(team_id=COMPANY)], ignore_index=True)
    keys = ["team_id", "outcome"]
    parts = []
    for check, title in CHECKS.items():
        if both[check].isna().all():
            continue
        sums = both.groupby(keys)[check].agg(["sum", "size"]).reset_index().rename(columns={"size": "n"})
        low, high = wilson(sums["sum"], sums["n"])
        sums = sums.assign(value=sums["sum"] / sums["n"], conf_low=low, conf_high=high, check=check, title=title)
        parts.append(sums.drop(columns="sum"))
    pace = mean_by(both, keys, "touches_per_week").assign(
        check="touches_per_week", title="effort per week after the ask"
    )
    columns = [*keys, "check", "title", "n", "value", "conf_low", "conf_high"]
    return pd.concat([*parts, pace], ignore_index=True)[columns]


def _audit(book: Book, deals: pd.DataFrame, link: str) -> pd.DataFrame:
    """One row per asked deal with what was done on it from the ask to its end (or today)."""
    until = deals["closed_on"].fillna(book.as_of)
    span = deals[["opportunity_id", "rep_id", "asked_on", "status", link]].loc[:, lambda f: ~f.columns.duplicated()]
    span = span.assign(until=until)
    rows = effort(book)
    wanted = [name for name in (link, "occurred_on", "kind", "is_meaningful", "contact_level") if name in rows]
    rows = rows[wanted].loc[rows[link].isin(set(span[link].dropna())) & ~rows["kind"].isin(book.rules.ask_kinds)]
    both = (
        span[["opportunity_id", link, "asked_on", "until"]]
        .loc[:, lambda f: ~f.columns.duplicated()]
        .merge(rows, on=link)
    )
    both = both.loc[(both["occurred_on"] > both["asked_on"]) & (both["occurred_on"] <= both["until"])]
    by = both.groupby("opportunity_id")
    out = span.set_index("opportunity_id")
    touches, last = by.size().reindex(out.index).fillna(0), by["occurred_on"].max().reindex(out.index)
    out["touched"] = (touches > 0).astype(float)
    out["touches_per_week"] = touches / ((out["until"] - out["asked_on"]).dt.days.clip(lower=1) / 7)
    out["meaningful"], out["senior"] = np.nan, np.nan
    if book.has("activities", "is_meaningful"):
        good = both.loc[both["is_meaningful"].fillna(False).astype(bool), "opportunity_id"]
        out["meaningful"] = out.index.isin(good).astype(float)
    if book.has("activities", "contact_level"):
        senior = both.loc[both["contact_level"] == "vp_or_above", "opportunity_id"]
        out["senior"] = out.index.isin(senior).astype(float)
    quiet = (book.as_of - last.fillna(out["asked_on"])).dt.days > RECENT_DAYS
    out["outcome"] = out["status"].astype(str).mask((out["status"] == "open") & quiet, "open and quiet")
    return out.reset_index()
