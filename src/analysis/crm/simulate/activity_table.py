"""The activities table: touches put on the deals and leads they served, with times in UTC."""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate import pipeline
from analysis.crm.simulate.accounts import PER_SEAT
from analysis.crm.simulate.clock import Clock
from analysis.crm.simulate.leads import Leads, lead_id
from analysis.crm.simulate.pipeline import Pipeline
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.tables import account_id, labelled, numbered, opportunity_id, rep_label
from analysis.crm.simulate.touches import DIRECTIONS, LEVELS, ORIGINS, OUTCOMES, STATUSES, Touches

Ints = NDArray[np.int64]

_DEAL_SHARE = 0.7
"""Share of touches on an account with an open deal that are logged on that deal."""
_PLANNED_AHEAD = np.timedelta64(24, "D")


def linked(
    process: Process, rows: Touches, deals: Pipeline, known: Leads, first: int, rng: np.random.Generator
) -> Touches:
    """The touches with account and deal: touches on an account with an open deal serve that deal, mostly; answers to leads serve the lead alone."""
    seat = process.roster.seat[rows.rep] - first
    marker = rows.deal >= 0
    position = np.searchsorted(deals.row, rows.deal)
    found = pipeline.deals_of(deals, seat, rows.account, rows.rep, rows.day, process.roster.seat[deals.rep] - first)
    found = np.where((found >= 0) & (rng.random(found.size) < _DEAL_SHARE), found, -1)
    found = np.where(marker, np.minimum(position, max(deals.row.size - 1, 0)), found)
    account = np.where(marker, deals.account[found] if deals.row.size else -1, rows.account)
    answers = known.touch[known.touch >= 0]
    account[answers], found[answers] = -1, -1
    return replace(rows, account=account, deal=found)


def frame(
    process: Process, clock: Clock, rows: Touches, deals: Pipeline, known: Leads, activities: int, leads: int
) -> pd.DataFrame:
    """The contract's activities; so many activities and leads have been written before."""
    people = process.roster
    week = np.minimum(rows.day // 7, people.team.shape[0] - 1)
    region = people.region[people.team[week, rows.rep]]
    occurred = clock.instant(rows.day, rows.second, region)
    seat = people.seat[rows.rep] * PER_SEAT
    lead = _lead_of(rows, known, leads)
    level = np.where(lead >= 0, LEVELS.index("unknown"), rows.level)
    table = pd.DataFrame(
        {
            "activity_id": numbered("A", activities + np.arange(rows.rep.size) + 1, 8),
            "rep_id": rep_label(process, rows.rep),
            "kind": labelled(rows.kind, process.world.kinds),
            "occurred_on": clock.date(rows.day),
            "occurred_at": occurred,
            "duration_s": pd.array(rows.duration_s, dtype="Int64"),
            "direction": labelled(rows.direction, DIRECTIONS),
            "outcome": labelled(rows.outcome, OUTCOMES),
            "contact_level": labelled(level, LEVELS),
            "is_meaningful": rows.meaningful,
            "origin": labelled(rows.origin, ORIGINS),
            "status": labelled(rows.status, STATUSES),
            "account_id": account_id(np.where(rows.account >= 0, seat + rows.account, -1)),
            "opportunity_id": opportunity_id(np.where(rows.deal >= 0, deals.row[rows.deal], -1)),
            "lead_id": lead_id(lead),
            "logged_at": _logged_at(process, rows, occurred),
        }
    )
    table.loc[rows.duration_s < 0, "duration_s"] = pd.NA
    return table


def _lead_of(rows: Touches, known: Leads, offset: int) -> Ints:
    lead = np.full(rows.rep.size, -1)
    own = known.touch >= 0
    lead[known.touch[own]] = np.flatnonzero(own) + offset
    return lead


def _logged_at(process: Process, rows: Touches, occurred: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """When the row was written: after the fact but within the data; planned ones ahead of it."""
    end = np.datetime64(process.calendar.end, "us") - np.timedelta64(1, "D")
    late, soon = (
        seconds.astype("timedelta64[s]") for seconds in (rows.logged_after_s, rows.logged_after_s % 3600 + 30)
    )
    written = np.where(occurred + late < end, occurred + late, occurred + soon)
    return np.where(rows.status == STATUSES.index("planned"), occurred - _PLANNED_AHEAD, written)
