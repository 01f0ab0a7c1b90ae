"""Values of the scorecard's metrics per team (and company) and period, with an interval where they are estimates.

Counts and sums are facts and carry none. Means, shares and rates are read as estimates of the level behind the
period: reps are the independent units of activity rates, deals those of money and time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.management.book import Book
from analysis.management.deals import timed_deals, usual_days
from analysis.management.intervals import Cells, Floats, Part, cell_means, cell_medians, cell_ratios
from analysis.management.periods import period_of
from analysis.management.records import attempt_places, attempts, rep_days, says, won_credit
from analysis.management.roster import Places, Roster, day_numbers, numbered, places, roster
from analysis.management.survival import cell_conversions

COLUMNS = ("cell", "value", "conf_low", "conf_high", "n")
Parts = dict[str, Part]  # metric -> its values, in COLUMNS


@dataclass(frozen=True, slots=True)
class Grid:
    """Teams by periods as one number: cell = (team + 1) x periods + period; the first so many are the company's.

    lines: the cells of the company and of every team that has reps today, whether anything happened there or not.
    """

    people: Roster
    table: pd.DataFrame
    lines: Cells

    @property
    def size(self) -> int:
        """Number of cells."""
        return (len(self.people.teams) + 1) * len(self.table)

    def twice(self, team: Places, period: Places) -> Cells:
        """Cells of rows for their team, then for the company; -1 outside the periods or without a team."""
        inside = period >= 0
        own = np.where(inside & (team >= 0), (team + 1) * len(self.table) + period, -1)
        return np.concatenate([own, np.where(inside, period, -1)])


def grid_of(book: Book, table: pd.DataFrame) -> Grid:
    """The grid of these periods."""
    people = roster(book)
    teams = np.unique(places(book.frame("reps")["team_id"], people.teams))
    lines = np.concatenate([[0], teams[teams >= 0] + 1])[:, None] * len(table) + np.arange(len(table))
    return Grid(people, table, lines.ravel())


def measure(book: Book, grid: Grid) -> Parts:
    """All metrics the data can give, each by cell."""
    parts = _results(book, grid) | _pipeline(book, grid) | {"win_rate": _win_rate(book, grid)} | _activities(book, grid)
    if book.has("leads", "qualified_at"):
        parts["qualified_leads"] = _qualified(book, grid)
    return {metric: part for metric, part in parts.items() if len(part["cell"])}


def _facts(cell: Cells, value: NDArray[Any], n: Floats | None = None) -> Part:
    blank = np.full(len(cell), np.nan)
    return {"cell": cell, "value": value, "conf_low": blank, "conf_high": blank, "n": blank if n is None else n}


def _total(grid: Grid, cell: Cells, weight: Floats, lines: Cells | None = None) -> Part:
    """Sum per cell; a team without a row had none, and that is known."""
    lines, here = grid.lines if lines is None else lines, cell >= 0
    sums = np.bincount(cell[here], np.nan_to_num(weight[here]), grid.size)
    return _facts(lines, sums[lines], np.bincount(cell[here], minlength=grid.size)[lines].astype(float))


def _results(book: Book, grid: Grid) -> Parts:
    won, every = won_credit(book), book.frame("opportunities")
    closed, rep = day_numbers(won["closed_on"]), places(won["rep_id"], grid.people.reps)
    team, period = grid.people.on(rep, closed), period_of(won["closed_on"], grid.table)
    cell = grid.twice(team, period)
    # A deal that several reps of a team are credited with is one deal.
    deal = np.tile(places(won["opportunity_id"], every["opportunity_id"].to_numpy(dtype=object)), 2)
    known = np.flatnonzero(cell >= 0)
    first = known[np.unique(cell[known] * (len(every) + 1) + deal[known] + 1, return_index=True)[1]]
    cells, row = cell[first], first % len(won) if len(won) else first
    deals = {name: won[name].to_numpy(dtype=float)[row] for name in _AMOUNTS if name in won}
    days = (closed - day_numbers(won["created_on"]))[row].astype(float)
    parts = {
        "revenue": _total(grid, cell, np.tile(won["credit"].to_numpy(dtype=float), 2)),
        "wins": _total(grid, cells, np.ones(len(cells))),
        "average_sale": cell_means(cells, deals["amount"]),
        "sales_cycle": cell_medians(cells, days),
    }
    if book.has("opportunities", "account_id"):
        new = book.shared("first_wins", lambda: _first_wins(every))[deal[first]]
        parts["net_new_customers"] = _total(grid, cells[new], np.ones(int(new.sum())))
    if book.has("opportunities", "units"):
        parts["units"] = _total(grid, cells, deals["units"])
    for metric, top, bottom in (("price_realisation", "amount", "list_amount"), ("margin", "margin", "amount")):
        if book.has("opportunities", top, bottom):
            both = ~np.isnan(deals[top]) & ~np.isnan(deals[bottom])
            parts[metric] = cell_ratios(cells[both], deals[top][both], deals[bottom][both])
    return parts


_AMOUNTS = ("amount", "list_amount", "margin", "units")


def _first_wins(deals: pd.DataFrame) -> NDArray[np.bool_]:
    """True for the first won deal of each account."""
    won = np.flatnonzero((deals["status"] == "won") & deals["account_id"].notna())
    account, deal = (numbered(deals[name].iloc[won])[0] for name in ("account_id", "opportunity_id"))
    order = np.lexsort((deal, deals["closed_on"].to_numpy(dtype="datetime64[us]")[won], account))
    out = np.zeros(len(deals), dtype=bool)
    out[won[order[np.diff(account[order], prepend=-1) > 0]]] = True
    return out


def _pipeline(book: Book, grid: Grid) -> Parts:
    cases, deals, last = timed_deals(book), book.frame("opportunities"), len(grid.table) - 1
    team, amount = cases["team"].to_numpy(), cases["amount"].to_numpy()
    status = deals["status"].to_numpy(dtype=object)
    won = (status == "won") & (team >= 0) & ~np.isnan(amount)
    teams = len(grid.people.teams)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = np.bincount(team[won], amount[won], teams) / np.bincount(team[won], minlength=teams)
    usual = np.append(usual, np.nan)  # team -1: not known
    worth = np.nan_to_num(np.where(np.isnan(amount), usual[team], amount))
    created = grid.twice(team, period_of(deals["created_on"], grid.table))
    parts = {
        "new_opportunities": _total(grid, created, np.ones(len(created))),
        "open_pipeline": _open_stock(grid, deals, team, worth),
    }
    if book.has("opportunities", "probability"):
        chance = deals["probability"].to_numpy(dtype=float)
        now = (status == "open") & ~np.isnan(chance)
        cell = grid.twice(team[now], np.full(now.sum(), last))
        lines = grid.lines[grid.lines % len(grid.table) == last]
        parts["factored_pipeline"] = _total(grid, cell, np.tile((worth * chance)[now], 2), lines)
    return parts


def _open_stock(grid: Grid, deals: pd.DataFrame, team: Places, worth: Floats) -> Part:
    """Open amount at the end of each period: what was created by then less what had closed by then."""
    ends = grid.table["period_end"].to_numpy(dtype="datetime64[us]")
    closed_on = deals["closed_on"].to_numpy(dtype="datetime64[us]")
    opened = np.searchsorted(ends, deals["created_on"].to_numpy(dtype="datetime64[us]"))
    closed = np.where(np.isnat(closed_on), len(ends), np.searchsorted(ends, closed_on))
    steps, teams = len(ends) + 1, len(grid.people.teams) + 1
    place = np.concatenate([np.where(team >= 0, team + 1, -1), np.zeros(len(team), dtype=np.int64)])
    known, worth = place >= 0, np.tile(worth, 2)
    flow = np.zeros(teams * steps)
    for step, sign in ((opened, 1.0), (closed, -1.0)):
        flow += sign * np.bincount((place * steps + np.tile(step, 2))[known], worth[known], len(flow))
    stock = np.cumsum(flow.reshape(teams, steps)[:, :-1], axis=1)
    return _facts(grid.lines, np.round(stock.ravel()[grid.lines], 6))


def _win_rate(book: Book, grid: Grid) -> Part:
    deals = timed_deals(book)
    if deals.empty:
        return _facts(np.zeros(0, dtype=np.int64), np.zeros(0))
    horizon = usual_days(deals)
    cell = grid.twice(deals["team"].to_numpy(), period_of(deals["start"], grid.table))
    days, end = (np.tile(deals[name].to_numpy(), 2) for name in ("days", "end"))
    found = cell_conversions(cell, days, end, horizon).rename(columns={"conversion": "value"})
    # A cohort watched for less than half the usual time has hardly begun to close: its rate is not known yet.
    young = found["followed_days"].to_numpy() < horizon / 2
    part = {name: found[name].to_numpy() for name in COLUMNS}
    return part | {name: np.where(young, np.nan, part[name]) for name in ("value", "conf_low", "conf_high")}


def _qualified(book: Book, grid: Grid) -> Part:
    leads = book.frame("leads").dropna(subset=["qualified_at"])
    day = leads["qualified_at"].dt.tz_localize(None).dt.normalize()
    team = np.full(len(leads), -1)
    if "assigned_rep_id" in leads:
        team = grid.people.on(places(leads["assigned_rep_id"], grid.people.reps), day_numbers(day))
    cell = grid.twice(team, period_of(day, grid.table))
    lines = grid.lines if "assigned_rep_id" in leads else grid.lines[grid.lines < len(grid.table)]
    return _total(grid, cell, np.ones(len(cell)), lines)


def _activities(book: Book, grid: Grid) -> Parts:
    """Rates per worked week and shares of attempts, each rep of a team and period being one unit."""
    days, periods, reps = rep_days(book), len(grid.table), len(grid.people.reps)
    period = period_of(pd.Series(days.day.astype("datetime64[D]").astype("datetime64[us]")), grid.table)
    here = (period >= 0) & (days.team >= 0)
    seen = ((days.team * reps + days.rep) * periods + period)[here]
    units, place = np.unique(seen, return_inverse=True)
    weeks = np.bincount(place, days.worked[here], len(units)) / 5.0
    cell = grid.twice(units // periods // max(reps, 1), units % periods)
    sums = {name: np.tile(count, 2) for name, count in _rep_sums(book, grid, units).items()}
    weeks = np.tile(weeks, 2)
    here = weeks > 0
    parts = {
        name: cell_ratios(cell[here], count[here], weeks[here])
        for name, count in sums.items()
        if name not in ("known_level", "senior")
    }
    for share, top, bottom in (
        ("meaningful_share", "meaningful", "attempts"),
        ("senior_share", "senior", "known_level"),
    ):
        if top in sums:
            here = sums[bottom] > 0
            parts[share] = cell_ratios(cell[here], sums[top][here], sums[bottom][here])
    return parts


def _rep_sums(book: Book, grid: Grid, units: Cells) -> dict[str, Floats]:
    """Per unit (team, rep and period): attempts, attempts per kind and, where recorded, quality counts."""
    rows, tried = attempts(book), attempt_places(book)
    period, team, rep = period_of(rows["occurred_on"], grid.table), tried.team, tried.rep
    unit = (team * len(grid.people.reps) + rep) * len(grid.table) + period
    place = np.searchsorted(units, unit)
    inside = (period >= 0) & (team >= 0) & (rep >= 0) & (place < len(units))
    inside &= units[np.minimum(place, len(units) - 1)] == unit if len(units) else False
    rows, place = rows.loc[inside], place[inside]
    sums = {"attempts": np.bincount(place, minlength=len(units)).astype(float)}
    for name, value in _qualities(book, rows).items():
        sums[name] = np.bincount(place, value, len(units))
    if book.has("activities", "account_id"):
        account = rows["account_id"].cat.codes.to_numpy().astype(np.int64)
        known, accounts = account >= 0, int(account.max(initial=0)) + 1
        pairs = np.unique((place * accounts + account)[known])
        sums["accounts_touched"] = np.bincount(pairs // accounts, minlength=len(units)).astype(float)
    kind, kinds = tried.kind[inside], tried.kinds
    cube = np.bincount((kind * len(units) + place)[kind >= 0], minlength=len(kinds) * len(units))
    counts = cube.reshape(len(kinds), len(units)).astype(float)
    return sums | {f"kind:{name}": counts[number] for number, name in enumerate(kinds)}


def _qualities(book: Book, rows: pd.DataFrame) -> dict[str, Floats]:
    """What each row adds to the quality counts that are recorded."""
    out: dict[str, Floats] = {}
    if book.has("activities", "is_meaningful"):
        out["meaningful"] = rows["is_meaningful"].to_numpy(dtype=float)
    if book.has("activities", "duration_s"):
        out["talk_time"] = rows["duration_s"].fillna(0).to_numpy(dtype=float) / 3600.0
    if book.has("activities", "contact_level"):
        recorded = book.frame("activities")["contact_level"].notna().to_numpy()[rows["row"].to_numpy()]
        out["senior"] = says(book, rows, "contact_level", "vp_or_above").astype(np.float64)
        out["known_level"] = (recorded & ~says(book, rows, "contact_level", "unknown")).astype(np.float64)
    return out


def quota_by_period(quotas: pd.DataFrame, grid: Grid) -> Floats:
    """Quota that falls into each period by days, by cell; NaN where there is none.

    A team's own quota counts where it has one; else the quotas of its reps (the team they are in today).
    """
    people, periods = grid.people, len(grid.table)
    own = (quotas["level"] == "team").to_numpy()
    rep = places(quotas["owner_id"], people.reps)
    team = np.where(own, places(quotas["owner_id"], people.teams), np.where(rep >= 0, people.now[rep], -1))
    keep = own | ((team >= 0) & ~np.isin(team, team[own & (team >= 0)]))
    start, end = (day_numbers(quotas[name])[keep, None] for name in ("period_start", "period_end"))
    first = np.maximum(start, day_numbers(grid.table["period_start"]))
    last = np.minimum(end, day_numbers(grid.table["period_end"]) + 1)
    amount = quotas["amount"].to_numpy(dtype=float)[keep, None]
    part = (amount * np.maximum(last - first, 0) / (end - start)).ravel()
    cell = grid.twice(np.repeat(team[keep], periods), np.tile(np.arange(periods), int(keep.sum())))
    part = np.tile(part, 2)
    here = (cell >= 0) & (part > 0)
    sums = np.bincount(cell[here], part[here], grid.size)
    return np.where(np.bincount(cell[here], minlength=grid.size) > 0, sums, np.nan)
