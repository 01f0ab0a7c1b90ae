"""Values of the scorecard's metrics per team (and company) and period, with an interval where they are estimates.

Counts and sums are facts and carry none. Means, shares and rates are read as estimates of the level behind the
period: reps are the independent units of activity rates, deals those of money and time.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.management.book import COMPANY, Book
from analysis.management.deals import timed_deals, usual_days
from analysis.management.intervals import mean_by, median_by, ratio_by
from analysis.management.periods import DAY, period_of
from analysis.management.records import attempts, with_team, won_credit, worked_days
from analysis.management.survival import conversion

KEYS = ["team_id", "period"]


def measure(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    """All metrics the data can give: metric, team_id (blank = company), period, value, conf_low, conf_high, n."""
    parts = [_results(book, table), _pipeline(book, table), _win_rate(book, table), _activities(book, table)]
    if book.has("leads", "qualified_at"):
        parts.append(_qualified(book, table))
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values(["metric", *KEYS], kind="stable").reset_index(drop=True)


def both_scopes(frame: pd.DataFrame) -> pd.DataFrame:
    """Every row twice: once for its team and once for the company."""
    return pd.concat([frame, frame.assign(team_id=COMPANY)], ignore_index=True)


def _named(frame: pd.DataFrame, metric: str, value: str | None = None) -> pd.DataFrame:
    if value is not None:
        frame = frame.rename(columns={value: "value"}).assign(conf_low=np.nan, conf_high=np.nan)
    counted = frame if "n" in frame else frame.assign(n=np.nan)
    return counted.assign(metric=metric)[["metric", *KEYS, "value", "conf_low", "conf_high", "n"]]


def _total(frame: pd.DataFrame, metric: str, column: str, teams: pd.DataFrame) -> pd.DataFrame:
    """Sum per team and period; a team without a row had none, and that is known."""
    sums = frame.groupby(KEYS, observed=True)[column].agg(["sum", "size"])
    full = sums.reindex(pd.MultiIndex.from_frame(teams)).fillna(0.0)
    return _named(full.rename(columns={"size": "n"}).reset_index(), metric, "sum")


def _grid(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    teams = [COMPANY, *sorted(book.frame("reps")["team_id"].dropna().unique())]
    index = pd.MultiIndex.from_product([teams, table["period"]], names=KEYS)
    return index.to_frame(index=False)


def _results(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    won = won_credit(book)
    won = won.assign(period=period_of(won["closed_on"], table))
    won = both_scopes(with_team(book, won.loc[won["period"] >= 0], "closed_on"))
    grid = _grid(book, table)
    deals = won.drop_duplicates(["team_id", "opportunity_id"])
    deals = deals.assign(one=1.0, days=(deals["closed_on"] - deals["created_on"]).dt.days.astype(float))
    parts = [
        _total(won, "revenue", "credit", grid),
        _total(deals, "wins", "one", grid),
        _named(mean_by(deals, KEYS, "amount"), "average_sale"),
        _named(median_by(deals, KEYS, "days"), "sales_cycle"),
    ]
    if book.has("opportunities", "account_id"):
        parts.append(_new_customers(book, deals, grid))
    if book.has("opportunities", "units"):
        parts.append(_total(deals.fillna({"units": 0.0}), "units", "units", grid))
    for metric, top, bottom in (("price_realisation", "amount", "list_amount"), ("margin", "margin", "amount")):
        if book.has("opportunities", top, bottom):
            parts.append(_named(ratio_by(deals.dropna(subset=[top, bottom]), KEYS, top, bottom), metric))
    return pd.concat([part for part in parts if len(part)])


def _new_customers(book: Book, deals: pd.DataFrame, grid: pd.DataFrame) -> pd.DataFrame:
    every = book.frame("opportunities")
    first = every.loc[every["status"] == "won"].sort_values(["closed_on", "opportunity_id"])
    first = first.dropna(subset=["account_id"]).drop_duplicates("account_id")
    return _total(deals.loc[deals["opportunity_id"].isin(first["opportunity_id"])], "net_new_customers", "one", grid)


def _pipeline(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    asked = ["rep_id", "created_on", "closed_on", "status", "amount", "probability"]
    deals = book.frame("opportunities")
    deals = with_team(book, deals[[name for name in asked if name in deals]], "created_on").assign(one=1.0)
    won = deals.loc[deals["status"] == "won"].groupby("team_id")["amount"].mean()
    typed = deals["amount"] if "amount" in deals else pd.Series(np.nan, index=deals.index)
    deals["open_amount"] = typed.fillna(deals["team_id"].map(won)).fillna(0.0)
    grid = _grid(book, table)
    created = both_scopes(deals.assign(period=period_of(deals["created_on"], table)))
    parts = [_total(created, "new_opportunities", "one", grid), _open_stock(both_scopes(deals), table, grid)]
    if book.has("opportunities", "probability"):
        now = both_scopes(deals.loc[deals["status"] == "open"].dropna(subset=["probability"]))
        now = now.assign(period=table["period"].max(), factored=now["open_amount"] * now["probability"])
        parts.append(_total(now, "factored_pipeline", "factored", grid.loc[grid["period"] == table["period"].max()]))
    return pd.concat(parts)


def _open_stock(deals: pd.DataFrame, table: pd.DataFrame, grid: pd.DataFrame) -> pd.DataFrame:
    """Open amount at the end of each period: what was created by then less what had closed by then."""
    ends = table["period_end"].to_numpy(dtype="datetime64[us]")
    opened = np.searchsorted(ends, deals["created_on"].to_numpy(dtype="datetime64[us]"))
    closed_on = deals["closed_on"].to_numpy(dtype="datetime64[us]")
    closed = np.where(np.isnat(closed_on), len(ends), np.searchsorted(ends, closed_on))
    teams = pd.Index(grid["team_id"].unique())
    flow = np.zeros((len(teams), len(ends) + 1))
    place = teams.get_indexer(deals["team_id"])
    known = place >= 0
    np.add.at(flow, (place[known], opened[known]), deals["open_amount"].to_numpy()[known])
    np.add.at(flow, (place[known], closed[known]), -deals["open_amount"].to_numpy()[known])
    stock = np.cumsum(flow[:, :-1], axis=1)
    frame = grid.assign(value=np.round(stock.ravel(), 6), conf_low=np.nan, conf_high=np.nan)
    return _named(frame, "open_pipeline")


def _win_rate(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    deals = timed_deals(book)
    horizon = usual_days(deals)
    deals = deals[["team_id", "days", "end"]].assign(period=period_of(deals["start"], table))
    found = conversion(both_scopes(deals.loc[deals["period"] >= 0]), KEYS, horizon)
    # A cohort watched for less than half the usual time has hardly begun to close: its rate is not known yet.
    young = found["followed_days"] < horizon / 2
    found.loc[young, ["conversion", "conf_low", "conf_high"]] = np.nan
    return _named(found.rename(columns={"conversion": "value"}), "win_rate")


def _qualified(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    leads = book.frame("leads").dropna(subset=["qualified_at"])
    day = leads["qualified_at"].dt.tz_localize(None).dt.normalize()
    leads = leads.assign(one=1.0, day=day, period=period_of(day, table))
    company = leads.assign(team_id=COMPANY)
    if "assigned_rep_id" not in leads:
        return _total(company, "qualified_leads", "one", _grid(book, table).query("team_id == ''"))
    teams = with_team(book, leads.rename(columns={"assigned_rep_id": "rep_id"}), "day")
    return _total(pd.concat([teams, company]), "qualified_leads", "one", _grid(book, table))


def _activities(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    opening = table["period_start"].min()
    days = worked_days(book, opening)
    days = days.assign(period=period_of(days["day"], table))
    worked = days.loc[days["period"] >= 0].groupby(["team_id", "rep_id", "period"])["worked"].sum() / 5.0
    rows = attempts(book)
    period = period_of(rows["occurred_on"], table)
    asked = ["team_id", "rep_id", "kind", "is_meaningful", "duration_s", "contact_level", "account_id"]
    rows = rows[[name for name in asked if name in rows]].loc[period >= 0].assign(period=period[period >= 0])
    sums = _rep_sums(book, rows).reindex(worked.index).fillna(0.0)
    sums["weeks"] = worked
    sums = both_scopes(sums.reset_index())
    parts = []
    for column in sums.columns.difference([*KEYS, "rep_id", "weeks", "known_level", "senior"], sort=False):
        parts.append(_named(ratio_by(sums.loc[sums["weeks"] > 0], KEYS, column, "weeks"), column))
    if "meaningful" in sums:
        parts.append(
            _named(ratio_by(sums.loc[sums["attempts"] > 0], KEYS, "meaningful", "attempts"), "meaningful_share")
        )
    if "senior" in sums:
        parts.append(_named(ratio_by(sums.loc[sums["known_level"] > 0], KEYS, "senior", "known_level"), "senior_share"))
    return pd.concat([part for part in parts if len(part)])


def _rep_sums(book: Book, rows: pd.DataFrame) -> pd.DataFrame:
    """Per team, rep and period: attempts, attempts per kind and, where recorded, quality counts."""
    by = ["team_id", "rep_id", "period"]
    extras: dict[str, Callable[[], pd.Series]] = {
        "meaningful": lambda: rows["is_meaningful"].fillna(False).astype(float),
        "talk_time": lambda: rows["duration_s"].fillna(0).astype(float) / 3600.0,
        "senior": lambda: (rows["contact_level"] == "vp_or_above").astype(float),
        "known_level": lambda: (rows["contact_level"].fillna("unknown") != "unknown").astype(float),
    }
    source = {"meaningful": "is_meaningful", "talk_time": "duration_s", "senior": "contact_level"}
    source["known_level"] = "contact_level"
    recorded = {name: make() for name, make in extras.items() if book.has("activities", source[name])}
    columns = rows[by].assign(attempts=1.0, **recorded)
    sums = columns.groupby(by, observed=True).sum()
    if book.has("activities", "account_id"):
        pairs = rows[[*by, "account_id"]].dropna().drop_duplicates()
        sums["accounts_touched"] = pairs.groupby(by, observed=True).size()
    kinds = rows.groupby([*by, "kind"], observed=True).size().unstack(fill_value=0)
    return sums.join(kinds.add_prefix("kind:")).fillna(0.0)


def quota_by_period(book: Book, table: pd.DataFrame) -> pd.DataFrame:
    """Quota that falls into each period by days, per team and company: team_id, period, quota.

    A team's own quota counts where it has one; else the quotas of its reps (the team of reps.team_id).
    """
    quotas = book.frame("quotas")
    owners = book.frame("reps").set_index("rep_id")["team_id"]
    team = quotas["owner_id"].where(quotas["level"] == "team", quotas["owner_id"].map(owners))
    quotas = quotas.assign(team_id=team).dropna(subset=["team_id"])
    has_own = set(quotas.loc[quotas["level"] == "team", "team_id"])
    quotas = quotas.loc[(quotas["level"] == "team") | ~quotas["team_id"].isin(has_own)]
    pairs = quotas.merge(table, how="cross")
    first = np.maximum(pairs["period_start_x"].to_numpy(), pairs["period_start_y"].to_numpy())
    last = np.minimum(pairs["period_end_x"].to_numpy(), (pairs["period_end_y"] + DAY).to_numpy())
    length = (pairs["period_end_x"] - pairs["period_start_x"]).dt.days.to_numpy()
    overlap = np.clip((last - first) / np.timedelta64(1, "D"), 0, None)
    pairs["quota"] = pairs["amount"].to_numpy(dtype=float) * overlap / length
    pairs = both_scopes(pairs.loc[pairs["quota"] > 0])
    return pairs.groupby(KEYS, observed=True)["quota"].sum().reset_index()
