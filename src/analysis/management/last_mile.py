"""The last mile: what happened between the ask and the end of a deal, in won deals, lost ones, and open ones gone quiet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import asked_deals
from analysis.management.intervals import cell_means, cells, named, wilson
from analysis.management.records import coded, effort, says, with_team
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
    parts, (cell, names) = [], cells(both, keys)
    known = cell >= 0
    n = np.bincount(cell[known], minlength=len(names))
    for check, title in CHECKS.items():
        if both[check].isna().all():
            continue
        done = np.bincount(cell[known], both[check].to_numpy()[known], len(names))
        low, high = wilson(done, n)
        parts.append(names.assign(n=n, value=done / n, conf_low=low, conf_high=high, check=check, title=title))
    pace = named(names, cell_means(cell, both["touches_per_week"].to_numpy()))
    pace = pace.assign(check="touches_per_week", title=SAY.text("touches_per_week"))
    columns = [*keys, "check", "title", "n", "value", "conf_low", "conf_high"]
    return pd.concat([*parts, pace], ignore_index=True)[columns]


def _audit(book: Book, deals: pd.DataFrame, link: str) -> pd.DataFrame:
    """One row per asked deal with what was done on it from the ask to its end (or today)."""
    until = deals["closed_on"].fillna(book.as_of)
    out = deals[["opportunity_id", "rep_id", "asked_on", "status"]].assign(until=until).reset_index(drop=True)
    deal, day, row = _touches(book, deals, link, day_numbers(out["asked_on"]), day_numbers(out["until"]))
    rows = effort(book)
    touches = np.bincount(deal, minlength=len(out))
    last = day_numbers(out["asked_on"])
    np.maximum.at(last, deal, day)
    out["touched"] = (touches > 0).astype(float)
    out["touches_per_week"] = touches / ((out["until"] - out["asked_on"]).dt.days.clip(lower=1) / 7)
    out["meaningful"], out["senior"] = np.nan, np.nan
    if book.has("activities", "is_meaningful"):
        out["meaningful"] = (np.bincount(deal, rows["is_meaningful"].to_numpy()[row], len(out)) > 0).astype(float)
    if book.has("activities", "contact_level"):
        senior = says(book, rows, "contact_level", "vp_or_above")[row]
        out["senior"] = (np.bincount(deal, senior, len(out)) > 0).astype(float)
    quiet = int(day_numbers(pd.Series([book.as_of]))[0]) - last > RECENT_DAYS
    out["outcome"] = out["status"].astype(str).mask((out["status"] == "open") & quiet, "open and quiet")
    return out


def _touches(book: Book, deals: pd.DataFrame, link: str, asked: Places, until: Places) -> tuple[Places, Places, Places]:
    """Effort after each ask and up to its deal's end: place of the deal, day, and place among the rows of effort."""
    rows = effort(book)
    linked = coded(book, link)
    names, code = np.asarray(linked.cat.categories, dtype=object), linked.cat.codes.to_numpy()[rows["row"].to_numpy()]
    of_deal = places(deals[link], names)
    order = np.argsort(of_deal, kind="stable")[np.count_nonzero(of_deal < 0) :]
    count = np.bincount(of_deal[order], minlength=len(names) + 1)  # the last place: rows that say nothing (-1)
    first = np.cumsum(count) - count
    asking = rows["kind"].cat.categories.isin(book.rules.ask_kinds)
    row = np.flatnonzero((count[code] > 0) & ~np.append(asking, False)[rows["kind"].cat.codes.to_numpy()])
    code, day = code[row], day_numbers(rows["occurred_on"].iloc[row])
    number = count[code]
    deal = order[np.arange(number.sum()) + np.repeat(first[code] - np.cumsum(number) + number, number)]
    row, day = np.repeat(row, number), np.repeat(day, number)
    inside = (day > asked[deal]) & (day <= until[deal])
    return deal[inside], day[inside], row[inside]
