"""The panel of a warehouse: sums by rep and week are made where the data lie, the grid is laid here.

Equal to the panel of the same tables in a folder, but for two things that are not pushed down: pipeline_factored is
not recorded, and the share of activities on advanced deals is not known. The tables are taken as checked: a
warehouse has no quarantine, so an activity or deal of an unknown rep is refused.
"""

from collections.abc import Iterator
from datetime import date, datetime

import numpy as np
import pandas as pd

from analysis.crm import warehouse as wh
from analysis.errors import DataError
from analysis.panel import events
from analysis.panel.build import assemble
from analysis.panel.grid import week_number
from analysis.panel.model import Panel
from analysis.panel.pipeline import AMOUNTS_NEEDED
from analysis.panel.results import Deals

_MEASURES = {
    events.COUNT: "n",
    events.MEANINGFUL: "meaningful",
    events.MEANINGFUL_KNOWN: "meaningful_known",
    events.SENIOR: "senior",
    events.SENIOR_KNOWN: "senior_known",
}


def from_warehouse(source: str | wh.Warehouse, *, as_of: date | None = None) -> Panel:
    """The panel of the contract's tables in a database (a URL, or an open Warehouse). Nothing is written there.

    Raises WarehouseError where it cannot be reached, DataError where its tables do not fit the contract.
    """
    warehouse = wh.open_warehouse(source) if isinstance(source, str) else source
    warehouse.require()
    reps = warehouse.frame("reps").sort_values("rep_id", kind="stable", ignore_index=True)
    tally = _tally(warehouse, tuple(reps["rep_id"]), as_of)
    late = wh.late(warehouse, as_of)
    if late is not None:
        late = late.assign(week=_numbers(late))
    return assemble(warehouse, reps, tally, _deals(warehouse, reps, as_of), late=late, advanced={}, as_of=as_of)


def _numbers(rows: pd.DataFrame) -> np.ndarray:
    return week_number(rows["week"].to_numpy(dtype="datetime64[D]"))


def _places(rows: pd.DataFrame, reps: pd.Index, table: str) -> np.ndarray:
    place = reps.get_indexer(pd.Index(rows["rep_id"]))
    if (place < 0).any():
        raise DataError(f"{table}: rep_id {rows['rep_id'].iat[int(np.argmin(place))]} is not in reps; add the rep")
    return place


def _tally(warehouse: wh.Warehouse, reps: tuple[str, ...], as_of: date | None) -> events.Tally:
    tally, index = events.Tally(len(reps)), pd.Index(reps, dtype="str")
    rows = wh.effort(warehouse, as_of)
    for kind in sorted(set(rows["kind"])):
        for week, part in _by_week(rows[rows["kind"] == kind]):
            place = _places(part, index, "activities")
            for measure, name in _MEASURES.items():
                if name in part and part[name].any():
                    tally.cells[measure, kind, week] = _laid(part[name], place, len(reps))
            if "talk_s" in part:
                for cells, name in ((tally.talk_s, "talk_s"), (tally.talk_known, "talk_known")):
                    cells[week] = cells.get(week, 0) + _laid(part[name].fillna(0), place, len(reps))
    if warehouse.has("activities", "account_id"):
        for week, part in _by_week(wh.accounts(warehouse, as_of)):
            tally.accounts[week] = _laid(part["n"], _places(part, index, "activities"), len(reps))
    tally.last_day = wh.last_activity_day(warehouse, as_of)
    return tally


def _by_week(rows: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """The rows of each week, with its number."""
    number = _numbers(rows)
    order = np.argsort(number, kind="stable")
    edges = np.flatnonzero(np.diff(number[order])) + 1
    for at in np.split(order, edges) if len(order) else []:
        yield int(number[at[0]]), rows.iloc[at]


def _laid(values: pd.Series, place: np.ndarray, reps: int) -> np.ndarray:
    held = np.zeros(reps)
    held[place] = values.to_numpy(dtype="float64")
    return held


def _deals(warehouse: wh.Warehouse, reps: pd.DataFrame, as_of: date | None) -> Deals:
    closed, created = wh.closed(warehouse, as_of), wh.created(warehouse, as_of)
    facts = wh.facts(warehouse, as_of)
    changes = wh.stock_changes(warehouse, as_of)
    for rows in (closed, created):
        _places(rows, pd.Index(reps["rep_id"]), "opportunities")
    known = 1 - facts["unknown"] / facts["not_won"] if facts["not_won"] else None
    days = np.repeat(facts["cycle_days"]["days"], facts["cycle_days"]["n"])
    last = [_day(facts[name]) for name in ("last_created", "last_closed") if facts[name] is not None]
    first = facts["first_day"]
    return Deals(
        closed=closed.assign(week=_numbers(closed)),
        created=created.assign(week=_numbers(created)),
        pipeline=changes.assign(week=_numbers(changes) + 1) if known is not None and known >= AMOUNTS_NEEDED else None,
        factored=None,
        first_week=None if first is None else int(week_number(np.array([_day(first)], dtype="datetime64[D]"))[0]),
        last_day=max(last) if last else None,
        cycle_days_p75=float(np.quantile(days, 0.75)) if len(days) else None,
    )


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
