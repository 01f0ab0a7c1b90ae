"""Leads and marketing on one page: volume by source, conversion, campaigns, and what became pipeline and business.

What a lead is stands with every number (`Rules.lead_definition`). Leads nobody contacted and leads still running stay
in the counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import usual_days
from analysis.management.intervals import poisson, ratio_by
from analysis.management.periods import period_of, periods
from analysis.management.roster import Places, numbered, places, texts
from analysis.management.survival import EVENT, OPEN, cell_conversions

SAY = words.Voice("management.leads")
INBOUND = "inbound"
ALL = "all sources"


def local_day(instants: pd.Series) -> pd.Series:
    """Calendar day (UTC) of an instant, without zone."""
    return instants.dt.tz_convert("UTC").dt.tz_localize(None).dt.normalize().astype("datetime64[us]")


def lead_volume(book: Book, freq: str = "month", last: int = 13) -> pd.DataFrame | NotRecorded:
    """Leads created and qualified per source and period: source, period_start, complete, created, qualified.

    A qualified lead counts in the period it was qualified in. Counts are facts and have no interval.
    """
    if gap := book.need("leads", "qualified_at"):
        return gap
    leads = book.frame("leads")
    opening = book.frame("activities")["occurred_on"].min()
    table = periods(freq, book.as_of, last, fiscal=book.rules.fiscal, opening=opening)
    source, names = _sources(leads)
    cells, each = len(names) * len(table), table.iloc[np.tile(np.arange(len(table)), len(names))].reset_index(drop=True)
    counts = {}
    for name, column in (("created", "created_at"), ("qualified", "qualified_at")):
        place = period_of(local_day(leads[column]), table)
        counts[name] = np.bincount((source * len(table) + place)[place >= 0], minlength=cells)
    out = pd.DataFrame({"source": texts(np.repeat(np.arange(len(names)), len(table)), names), **counts})
    return out.join(each.drop(columns="period"))


def _sources(leads: pd.DataFrame) -> tuple[Places, NDArray[Any]]:
    """Place of each lead's source among those that occur, and these; "unknown" where it is not recorded."""
    known = leads["source"].fillna("unknown") if "source" in leads else pd.Series("unknown", leads.index, dtype="str")
    return numbered(known)


def lead_conversion(book: Book, weeks: int = 52) -> pd.DataFrame | NotRecorded:
    """Qualified leads that became an opportunity, per source: a lead still young is running, not lost.

    Columns: source (`all sources` first), n, reached, running, conversion, conf_low, conf_high (95 %), horizon_days,
    naive (opportunities of the leads created in the period over leads created, whatever their age), definition.
    """
    if gap := book.need("leads", "qualified_at", "opportunity_id"):
        return gap
    cases = lead_cases(book, weeks)
    if cases.empty:
        return NotRecorded((SAY.text("none_qualified", {"weeks": SAY.count(weeks, "week")}),))
    horizon, (source, names) = usual_days(cases), numbered(cases["source"])
    cell = np.concatenate([np.zeros(len(cases), dtype=np.int64), source + 1])
    days, end = (np.tile(cases[name].to_numpy(), 2) for name in ("days", "end"))
    found = cell_conversions(cell, days, end, horizon)
    out = found.assign(source=[ALL, *names], horizon_days=horizon).astype({"source": "str"})
    out["naive"] = out["source"].map(_grown(book, weeks))
    out["definition"] = SAY.text("definition", {"lead": book.rules.lead_definition})
    keep = ["source", "n", "reached", "running", "conversion", "conf_low", "conf_high", "horizon_days", "naive"]
    return out[[*keep, "definition"]]


def _grown(book: Book, weeks: int) -> dict[str, float]:
    """Per source, and for all: opportunities of the leads created in the last weeks over those leads."""
    leads = book.frame("leads")
    recent = (local_day(leads["created_at"]) > book.as_of - pd.Timedelta(weeks=weeks)).to_numpy()
    source, names = _sources(leads)
    grown, source = leads["opportunity_id"].notna().to_numpy()[recent], source[recent]
    with np.errstate(invalid="ignore"):
        share = np.bincount(source, grown, len(names)) / np.bincount(source, minlength=len(names))
    whole = {ALL: float(grown.mean())} if len(grown) else {}
    return whole | dict(zip(names, share.tolist(), strict=True))


def lead_cases(book: Book, weeks: int) -> pd.DataFrame:
    """Leads qualified in the last weeks: lead_id, source, days to the opportunity (or today), end (EVENT or OPEN)."""
    leads, deals = book.frame("leads"), book.frame("opportunities")
    start = local_day(leads["qualified_at"])
    recent = (start > book.as_of - pd.Timedelta(weeks=weeks)) & (start <= book.as_of)
    columns = [name for name in ("lead_id", "source", "opportunity_id") if name in leads]
    leads, start = leads.loc[recent, columns], start.loc[recent]
    deal = places(leads["opportunity_id"], deals["opportunity_id"].to_numpy(dtype=object))
    reached = pd.Series(deals["created_on"].to_numpy()[deal], index=leads.index).where(deal >= 0)
    days = (reached.fillna(book.as_of) - start).dt.days.clip(lower=0).astype(float)
    source = leads["source"].fillna("unknown") if "source" in leads else "unknown"
    out = pd.DataFrame({"lead_id": leads["lead_id"], "source": source, "days": days})
    return out.assign(end=np.where(reached.notna(), EVENT, OPEN))


def campaigns(book: Book) -> pd.DataFrame | NotRecorded:
    """What each campaign cost and brought: one row per campaign, dearest first.

    Columns: campaign_id, name, cost, leads, qualified, opportunities, pipeline (open amount), won, closed (booked
    amount), and cost_per_qualified, cost_per_opportunity, return_closed (closed per unit of cost), each with _low and
    _high (95 %: the count, or the sum of deals, as one draw of its Poisson level). Blank where nothing was counted:
    the true cost per lead is then unknown, not zero.
    """
    gap = book.need("campaigns", "cost") or book.need("leads", "campaign_id")
    if gap:
        return gap
    leads = book.frame("leads")
    columns = [name for name in ("lead_id", "campaign_id", "opportunity_id", "qualified_at") if name in leads]
    leads = leads.loc[leads["campaign_id"].notna(), columns].astype({"campaign_id": "category"})
    deals = _lead_deals(book, leads)
    out = book.frame("campaigns")[["campaign_id", "name", "cost"]].set_index("campaign_id")
    flags = leads.assign(qualified=leads["qualified_at"].notna() if "qualified_at" in leads else np.nan)
    by = flags.groupby("campaign_id", observed=True)
    out["leads"] = by.size()
    out["qualified"] = by["qualified"].sum(min_count=1)
    won = deals.loc[deals["status"] == "won"]
    by_won = won.groupby("campaign_id", observed=True)
    out["opportunities"] = deals.groupby("campaign_id", observed=True).size()
    still = deals.loc[deals["status"] == "open"].groupby("campaign_id", observed=True)["amount"]
    out["pipeline"] = still.sum(min_count=1)
    out["won"], out["closed"] = by_won.size(), by_won["amount"].sum()
    counted = ["leads", "qualified", "opportunities", "pipeline", "won", "closed"]
    out[counted] = out[counted].fillna(0.0)
    for name, column in (("cost_per_qualified", "qualified"), ("cost_per_opportunity", "opportunities")):
        low, high = poisson(out[column])
        out[name] = out["cost"] / out[column].where(out[column] > 0)
        out[f"{name}_low"], out[f"{name}_high"] = out["cost"] / high, out["cost"] / np.where(low > 0, low, np.nan)
    square = (won["amount"] ** 2).groupby(won["campaign_id"], observed=True).sum()
    spread = 1.96 * np.sqrt(square.reindex(out.index)) / out["closed"].where(out["won"] >= 5)
    ratio = out["closed"] / out["cost"].where(out["cost"] > 0)
    out["return_closed"] = ratio
    out["return_closed_low"], out["return_closed_high"] = ratio * np.exp(-spread), ratio * np.exp(spread)
    return out.sort_values("cost", ascending=False, kind="stable").reset_index()


def _lead_deals(book: Book, leads: pd.DataFrame) -> pd.DataFrame:
    """Opportunities grown from these leads: lead_id, status, amount, and the lead's campaign_id."""
    columns = [name for name in ("lead_id", "campaign_id", "opportunity_id") if name in leads]
    deals = book.frame("opportunities")
    deals = deals[[name for name in ("opportunity_id", "lead_id", "status", "amount") if name in deals]]
    if "opportunity_id" in leads:
        keyed = leads[columns].dropna(subset=["opportunity_id"]).drop_duplicates("opportunity_id")
        return deals.drop(columns="lead_id", errors="ignore").merge(keyed, on="opportunity_id")
    return deals.merge(leads[columns], on="lead_id") if "lead_id" in deals else deals.iloc[:0].assign(campaign_id="")


def inbound(book: Book, freq: str = "quarter", last: int = 8) -> pd.DataFrame | NotRecorded:
    """Business from inbound leads per period: period_start, complete, created, created_inbound (deals), closed,
    closed_inbound (booked amount), share, conf_low, conf_high (95 %, deals as units), and open_inbound (amount of
    inbound deals open today, in the newest period only).

    Inbound is a deal whose source says so; a deal with a recorded lead and no source counts too.
    """
    deals = _with_inbound(book)
    if isinstance(deals, NotRecorded):
        return deals
    opening = book.frame("activities")["occurred_on"].min()
    table = periods(freq, book.as_of, last, fiscal=book.rules.fiscal, opening=opening)
    won = deals.loc[deals["status"] == "won"]
    won = won.assign(period=period_of(won["closed_on"], table), part=won["amount"].where(won["inbound"], 0.0))
    won = won.loc[won["period"] >= 0]
    share = ratio_by(won, ["period"], "part", "amount").rename(columns={"value": "share"}).drop(columns="n")
    made = deals.assign(period=period_of(deals["created_on"], table)).groupby("period")["inbound"].agg(["size", "sum"])
    out = table.merge(share, on="period", how="left")
    out["created"], out["created_inbound"] = out["period"].map(made["size"]), out["period"].map(made["sum"])
    money = won.groupby("period")[["amount", "part"]].sum()
    out["closed"], out["closed_inbound"] = out["period"].map(money["amount"]), out["period"].map(money["part"])
    counts = ["created", "created_inbound", "closed", "closed_inbound"]
    out[counts] = out[counts].fillna(0)
    still = deals.loc[(deals["status"] == "open") & deals["inbound"]]
    out["open_inbound"] = np.where(out["period"] == out["period"].max(), still["amount"].sum(min_count=1), np.nan)
    return out.drop(columns="period")


def _with_inbound(book: Book) -> pd.DataFrame | NotRecorded:
    deals = book.frame("opportunities")
    if not (
        book.has("opportunities", "source")
        or book.has("opportunities", "lead_id")
        or book.has("leads", "opportunity_id")
    ):
        return NotRecorded(("opportunities.source", "opportunities.lead_id", "leads.opportunity_id"))
    flag = pd.Series(False, index=deals.index)
    source = deals["source"] if "source" in deals else pd.Series(pd.NA, index=deals.index, dtype="str")
    flag |= source.eq(INBOUND).fillna(False)
    unsaid = source.isna() | source.eq("unknown").fillna(False)
    if "lead_id" in deals:
        flag |= unsaid & deals["lead_id"].notna()
    if book.has("leads", "opportunity_id"):
        known = book.frame("leads")["opportunity_id"].dropna().to_numpy(dtype=object)
        flag |= unsaid & (places(deals["opportunity_id"], known) >= 0)
    return deals.assign(inbound=flag, team_id=COMPANY)
