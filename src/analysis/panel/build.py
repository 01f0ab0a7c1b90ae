"""From checked tables to the panel: counts, outcomes and descriptions laid on one grid of reps and weeks."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import numpy as np
import pandas as pd

from analysis import words
from analysis.crm import Crm
from analysis.errors import DataError
from analysis.panel import events, hindsight, markers, results, roster
from analysis.panel.grid import Axes, SmallTables, lay, lay_stock, week_number
from analysis.panel.model import KEYS, NO_CURRENCY, Panel

SAY = words.Voice("panel.notes")
_FRIDAY = 4
_TAKEN = {*KEYS, "wins", "revenue", "units", "margin", "talk_time_min", "accounts", "worked_share"} | {
    "new_opportunities",
    "pipeline_open",
    "pipeline_factored",
}


def build(crm: Crm, *, as_of: date | None = None) -> Panel:
    """The rep x week panel of a checked data folder, as it was known at the end of `as_of` (default: all of it).

    Weeks run from the first recorded activity to the last complete week: the one before `as_of`, or where `as_of` is
    not given the last whose Friday the data reach. Events outside a rep's own weeks are counted in `notes`.
    Raises DataError where no activity counts, or a kind bears the name of a panel column.
    """
    reps = crm.frame("reps").sort_values("rep_id", kind="stable", ignore_index=True)
    tally = events.count(crm.files("activities"), tuple(reps["rep_id"]), as_of)
    return assemble(
        crm,
        reps,
        tally,
        results.deals(crm, as_of),
        late=hindsight.late(crm, as_of),
        advanced=markers.advanced_share(crm, as_of),
        as_of=as_of,
    )


def assemble(
    source: SmallTables,
    reps: pd.DataFrame,
    tally: events.Tally,
    deals: results.Deals,
    *,
    late: pd.DataFrame | None,
    advanced: Mapping[str, float],
    as_of: date | None,
) -> Panel:
    """The panel from counts and sums by rep and week. reps: sorted by rep_id, in the order of the tally's arrays."""
    _check_kinds(tally.kinds)
    axes = _axes(tuple(reps["rep_id"]), tally, deals, as_of)
    exists = roster.employed(axes, reps, _first_event(axes, tally, deals))
    teams, team = roster.team_codes(axes, source, reps)
    layers = _Layers(axes, exists, team, len(teams))
    counts = _counts(layers, tally, late)
    outcomes = _outcomes(layers, deals)
    whose = np.repeat(np.array(axes.reps, dtype=object), exists.sum(axis=1))
    frame = pd.DataFrame(
        {
            "rep_id": pd.Series(whose, dtype="str"),
            "team_id": pd.Series(teams[team[exists]], dtype="str"),
            "week": np.broadcast_to(axes.mondays.astype("datetime64[us]"), axes.shape)[exists],
            **{kind: counts[kind] for kind in tally.kinds},
            **outcomes,
            **{name: values for name, values in counts.items() if name not in tally.kinds},
            **_effort(layers, tally, source),
            "worked_share": roster.worked_share(axes, source, reps, teams, team)[exists],
            **_pipeline(layers, deals),
        }
    )
    return Panel(
        frame=frame,
        activities=tally.kinds,
        outcomes=tuple(outcomes),
        currency=_currency(source),
        cycle_days_p75=deals.cycle_days_p75,
        notes=tuple(layers.notes),
        late=_late_share(frame, tally.kinds) if late is not None else {},
        advanced=advanced,
        quota_ends=_quota_ends(source),
    )


class _Layers:
    """Measures laid on the grid, cut to the cells that exist, with what fell outside noted."""

    def __init__(self, axes: Axes, exists: np.ndarray, team: np.ndarray, teams: int) -> None:
        self.axes, self.exists, self.team, self.teams = axes, exists, team, teams
        self.notes: list[str] = []

    def grid(self, by_week: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
        """(week number, one value a rep) pairs as reps x weeks; weeks after the last are left out."""
        held = np.zeros(self.axes.shape)
        for week, values in by_week:
            column = week - self.axes.first_week
            if 0 <= column < self.axes.weeks:
                held[:, column] += values
        return held

    def cut(self, grid: np.ndarray, what: str) -> np.ndarray:
        """The existing cells, one value a row of the panel."""
        outside = float(grid.sum() - grid[self.exists].sum())
        if outside > 0.5:
            self.notes.append(SAY.text("outside", {"what": what, "n": SAY.number(outside, decimals=0)}))
        return grid[self.exists]

    def known(self, recorded: np.ndarray) -> np.ndarray:
        """Existing cells (bool) at or after the first week in which their team recorded anything of this."""
        held = np.where(self.exists, recorded, 0.0)
        week = np.broadcast_to(np.arange(self.axes.weeks), self.axes.shape)
        some = held > 0
        first = np.full(self.teams, self.axes.weeks)
        np.minimum.at(first, self.team[some], week[some])
        return (week >= first[self.team])[self.exists]


def _quota_ends(source: SmallTables) -> tuple[date, ...]:
    if not source.has("quotas"):
        return ()
    ends = source.frame("quotas")["period_end"].dropna().drop_duplicates().sort_values()
    return tuple(end.date() for end in ends)


def _check_kinds(kinds: tuple[str, ...]) -> None:
    wrong = [kind for kind in kinds if kind in _TAKEN or "__" in kind]
    if wrong:
        raise DataError(f"activities.kind {wrong[0]!r} is the name of a panel column; give this kind another name")


def _axes(reps: tuple[str, ...], tally: events.Tally, deals: results.Deals, as_of: date | None) -> Axes:
    if tally.weeks is None:
        until = f" until {as_of}" if as_of else ""
        raise DataError(f"no activity{until} is done and by a human, so there is no panel; check status and origin")
    first, last = tally.weeks
    if deals.last_day is not None:
        last = max(last, int(week_number(np.array([deals.last_day], dtype="datetime64[D]"))[0]))
    last = min(last, last_complete_week(last, tally, deals, as_of))
    if last < first:
        raise DataError("the data hold no complete week of activity (Monday to Friday), so there is no panel")
    return Axes(reps, first, last - first + 1)


def last_complete_week(last: int, tally: events.Tally, deals: results.Deals, as_of: date | None) -> int:
    """Number of the last week the data cover whole."""
    if as_of is not None:
        return int(week_number(np.array([as_of + timedelta(days=1)], dtype="datetime64[D]"))[0]) - 1
    days = [day for day in (tally.last_day, deals.last_day) if day is not None]
    return last if not days or max(days).weekday() >= _FRIDAY else last - 1


def _first_event(axes: Axes, tally: events.Tally, deals: results.Deals) -> np.ndarray:
    first = np.full(len(axes.reps), axes.first_week + axes.weeks)
    for (measure, _, week), values in tally.cells.items():
        if measure == events.COUNT:
            first = np.where(values > 0, np.minimum(first, week), first)
    for rows in (deals.closed, deals.created):
        place = axes.places(rows["rep_id"])
        np.minimum.at(first, place[place >= 0], rows["week"].to_numpy(dtype=np.int64)[place >= 0])
    return first


def _counts(layers: _Layers, tally: events.Tally, late: pd.DataFrame | None) -> dict[str, np.ndarray]:
    """Each kind's count, then <kind>__meaningful, __senior and __late, NaN before the team ever recorded it."""
    found: dict[str, np.ndarray] = {}
    described: dict[str, np.ndarray] = {}
    for kind in tally.kinds:
        grids = {measure: layers.grid(_of(tally, measure, kind)) for measure in range(5)}
        known = layers.known(grids[events.COUNT])
        if late is not None:
            rows = late[late["kind"] == kind]
            after = {name: lay(layers.axes, rows, name)[0] for name in ("late", "meaningful", "senior")}
            described[f"{kind}__late"] = np.where(known, after["late"][layers.exists], np.nan)
            grids[events.COUNT] = grids[events.COUNT] - after["late"]
            grids[events.MEANINGFUL] = grids[events.MEANINGFUL] - after["meaningful"]
            grids[events.SENIOR] = grids[events.SENIOR] - after["senior"]
        found[kind] = np.where(known, layers.cut(grids[events.COUNT], kind), np.nan)
        for name, measure, told in (
            ("meaningful", events.MEANINGFUL, events.MEANINGFUL_KNOWN),
            ("senior", events.SENIOR, events.SENIOR_KNOWN),
        ):
            if any(key[0] == told for key in tally.cells):
                ever = layers.known(grids[told])
                described[f"{kind}__{name}"] = np.where(ever, grids[measure][layers.exists], np.nan)
    return {**found, **described}


def _of(tally: events.Tally, measure: int, kind: str) -> list[tuple[int, np.ndarray]]:
    return [(week, values) for (m, k, week), values in tally.cells.items() if m == measure and k == kind]


def _outcomes(layers: _Layers, deals: results.Deals) -> dict[str, np.ndarray]:
    """wins, revenue and what else is recorded of won deals; NaN before the first deal of the company."""
    week = np.broadcast_to(np.arange(layers.axes.weeks) + layers.axes.first_week, layers.axes.shape)[layers.exists]
    before = week < (deals.first_week if deals.first_week is not None else np.inf)
    found = {}
    for name in deals.closed.columns.drop(["rep_id", "week"]):
        laid, _ = lay(layers.axes, deals.closed, name)
        found[name] = np.where(before, np.nan, layers.cut(laid, name))
    return found


def _effort(layers: _Layers, tally: events.Tally, source: SmallTables) -> dict[str, np.ndarray]:
    found = {}
    if source.has("activities", "duration_s"):
        known = layers.known(layers.grid(tally.talk_known.items()))
        found["talk_time_min"] = np.where(known, layers.grid(tally.talk_s.items())[layers.exists] / 60.0, np.nan)
    if source.has("activities", "account_id"):
        grid = layers.grid(tally.accounts.items())
        found["accounts"] = np.where(layers.known(grid), grid[layers.exists], np.nan)
    return found


def _pipeline(layers: _Layers, deals: results.Deals) -> dict[str, np.ndarray]:
    created, _ = lay(layers.axes, deals.created, "new_opportunities")
    found = {"new_opportunities": created[layers.exists]}
    for name, changes in (("pipeline_open", deals.pipeline), ("pipeline_factored", deals.factored)):
        if changes is None:
            found[name] = np.full(int(layers.exists.sum()), np.nan)
        else:
            found[name] = lay_stock(layers.axes, changes)[layers.exists]
    return found


def _late_share(frame: pd.DataFrame, kinds: tuple[str, ...]) -> dict[str, float]:
    shares = {}
    for kind in kinds:
        late, in_time = float(frame[f"{kind}__late"].sum()), float(frame[kind].sum())
        shares[kind] = late / (late + in_time) if late + in_time else 0.0
    return shares


def _currency(source: SmallTables) -> str:
    if not source.has("teams", "currency"):
        return NO_CURRENCY
    codes = sorted(source.frame("teams")["currency"].dropna().unique())
    if len(codes) > 1:
        raise DataError(f"teams.currency names {', '.join(codes)}; all amounts must be in one reporting currency")
    return codes[0] if codes else NO_CURRENCY
