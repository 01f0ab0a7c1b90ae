"""The last mile: what happened between the ask and the end of a deal, in won deals, lost ones, and open ones gone quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import asked_deals
from analysis.management.funnel_cases import flags
from analysis.management.intervals import mean_by, wilson
from analysis.management.records import effort, with_team
from analysis.management.roster import Places, day_numbers, places

SAY = words.Voice("management.last_mile")
RECENT_DAYS = 28
CHECKS = {key: SAY.text(key) for key in ("touched", "meaningful", "senior")}


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
    pace = mean_by(both, keys, "touches_per_week")
    pace = pace.assign(check="touches_per_week", title=SAY.text("touches_per_week"))
    columns = [*keys, "check", "title", "n", "value", "conf_low", "conf_high"]
    return pd.concat([*parts, pace], ignore_index=True)[columns]


def _audit(book: Book, deals: pd.DataFrame, link: str) -> pd.DataFrame:
    """One row per asked deal with what was done on it from the ask to its end (or today)."""
    until = deals["closed_on"].fillna(book.as_of)
    out = deals[["opportunity_id", "rep_id", "asked_on", "status"]].assign(until=until).reset_index(drop=True)
    deal, day, rows = _touches(book, deals, link, day_numbers(out["asked_on"]), day_numbers(out["until"]))
    touches = np.bincount(deal, minlength=len(out))
    last = day_numbers(out["asked_on"])
    np.maximum.at(last, deal, day)
    out["touched"] = (touches > 0).astype(float)
    out["touches_per_week"] = touches / ((out["until"] - out["asked_on"]).dt.days.clip(lower=1) / 7)
    out["meaningful"], out["senior"] = np.nan, np.nan
    if book.has("activities", "is_meaningful"):
        out["meaningful"] = (np.bincount(deal, flags(rows["is_meaningful"]), len(out)) > 0).astype(float)
    if book.has("activities", "contact_level"):
        senior = (rows["contact_level"] == "vp_or_above").to_numpy()
        out["senior"] = (np.bincount(deal, senior, len(out)) > 0).astype(float)
    quiet = int(day_numbers(pd.Series([book.as_of]))[0]) - last > RECENT_DAYS
    out["outcome"] = out["status"].astype(str).mask((out["status"] == "open") & quiet, "open and quiet")
    return out


def _touches(
    book: Book, deals: pd.DataFrame, link: str, asked: Places, until: Places
) -> tuple[Places, Places, pd.DataFrame]:
    """Effort after each ask and up to its deal's end: place of the deal, day, and the rows themselves."""
    rows = effort(book)
    of_deal = places(deals[link], np.asarray(rows[link].cat.categories, dtype=object))
    wanted = np.append(np.bincount(of_deal[of_deal >= 0], minlength=len(rows[link].cat.categories)) > 0, False)
    rows = rows.loc[wanted[rows[link].cat.codes.to_numpy()] & ~rows["kind"].isin(book.rules.ask_kinds).to_numpy()]
    code, day = rows[link].cat.codes.to_numpy().astype(np.int64), day_numbers(rows["occurred_on"])
    order = np.argsort(of_deal, kind="stable")
    first, end = (np.searchsorted(of_deal[order], code, side=side) for side in ("left", "right"))
    number = end - first
    row = np.repeat(np.arange(len(code)), number)
    deal = order[np.arange(len(row)) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first, number)]
    inside = (day[row] > asked[deal]) & (day[row] <= until[deal])
    return deal[inside], day[row][inside], rows.iloc[row[inside]]
