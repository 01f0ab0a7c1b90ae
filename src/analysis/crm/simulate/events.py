"""A company as contract tables: every activity, deal, lead and session behind the process's weekly counts."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate import accounts, activity_table, leads, people, pipeline, touches
from analysis.crm.simulate.accounts import PER_SEAT, Accounts
from analysis.crm.simulate.clock import Clock
from analysis.crm.simulate.clock import build as build_clock
from analysis.crm.simulate.process import Process, stream
from analysis.crm.simulate.tables import Folder, account_id
from analysis.crm.simulate.touches import Touches
from analysis.crm.simulate.truth import rep_id

Ints = NDArray[np.int64]

SEATS_AT_ONCE = 200


@dataclass
class Facts:
    """What the parts have shown so far, and how many rows have been numbered."""

    activities: int = 0
    leads: int = 0
    by_campaign: Ints | None = None
    answered: list[tuple[NDArray[np.float64], Ints, NDArray[np.bool_]]] = field(default_factory=list)
    dark: list[dict[str, object]] = field(default_factory=list)


def write(process: Process, folder: Path) -> Facts:
    """Write every table into `folder`, a part of the company at a time; return what only the events know."""
    out = Folder(folder)
    clock = build_clock(process.calendar, process.roster.open_days)
    facts = Facts()
    try:
        for name, table in _small_tables(process).items():
            out.append(name, table)
        seats = int(process.roster.seat.max()) + 1
        for first in range(0, seats, SEATS_AT_ONCE):
            _part(process, clock, out, first, min(SEATS_AT_ONCE, seats - first), facts)
        brought = np.zeros(0, dtype=np.int64) if facts.by_campaign is None else facts.by_campaign
        out.append("campaigns", leads.campaigns(process, brought, stream(process.seed, "campaigns")))
    finally:
        out.close()
    return facts


def _small_tables(process: Process) -> dict[str, pd.DataFrame]:
    return {
        "teams": people.teams(process),
        "reps": people.reps(process),
        "memberships": people.memberships(process),
        "quotas": people.quotas(process),
        "coaching": people.coaching(process),
        "absences": people.absences(process),
        "holidays": people.holiday_table(process),
    }


def _part(process: Process, clock: Clock, out: Folder, first: int, seats: int, facts: Facts) -> None:
    """Everything of the reps who fill seats first .. first + seats - 1."""
    seat = process.roster.seat
    reps = np.flatnonzero((seat >= first) & (seat < first + seats))
    rng = stream(process.seed, f"events of seat {first}")
    book = accounts.build(process, first, seats, rng)
    rows = touches.build(process, book, reps, first, rng)
    deals = pipeline.build(process, book, reps, first, rng)
    known = leads.build(process, clock, deals, rows, rng)
    deals = leads.with_sources(deals, known)
    rows = activity_table.linked(process, rows, deals, known, first, rng)
    table = leads.frame(process, clock, known, deals, rows, facts.leads, rng)
    out.append("activities", activity_table.frame(process, clock, rows, deals, known, facts.activities, facts.leads))
    opportunities = pipeline.opportunities(process, deals, rng)
    opportunities["lead_id"] = leads.lead_id(_lead_of_deal(deals.row.size, known, facts.leads))
    out.append("opportunities", opportunities)
    out.append("stage_changes", pipeline.stage_changes(process, deals, clock, rng))
    out.append("credits", pipeline.credits(process, deals))
    out.append("leads", table)
    _remember(process, book, rows, known, table, first, facts)


def _lead_of_deal(deals: int, known: leads.Leads, offset: int) -> Ints:
    lead = np.full(deals, -1)
    grown = known.deal >= 0
    lead[known.deal[grown]] = np.flatnonzero(grown) + offset
    return lead


def _remember(
    process: Process, book: Accounts, rows: Touches, known: leads.Leads, table: pd.DataFrame, first: int, facts: Facts
) -> None:
    """Keep what the answer sheet needs of this part."""
    facts.activities += rows.rep.size
    facts.leads += known.rep.size
    number = table["campaign_id"].cat.codes.to_numpy()
    brought = np.bincount(number[number >= 0], minlength=len(leads.campaign_ids(process)))
    facts.by_campaign = brought if facts.by_campaign is None else facts.by_campaign + brought
    answered = known.contacted
    facts.answered.append((known.response_h[answered], known.source[answered], known.deal[answered] >= 0))
    facts.dark += _dark(process, book, rows, first)


def _dark(process: Process, book: Accounts, rows: Touches, first: int) -> list[dict[str, object]]:
    """The accounts that went dark: their rhythm, the last day that moved something and the last day of any touch."""
    seat, place = np.nonzero(book.dark_week < process.calendar.stop)
    own = rows.account >= 0
    key = (process.roster.seat[rows.rep] - first) * PER_SEAT + rows.account
    last_any = np.full(book.number.size, -1)
    last_real = np.full(book.number.size, -1)
    done = own & (rows.status == 0) & (rows.origin == 0)
    np.maximum.at(last_any, key[done], rows.day[done])
    np.maximum.at(last_real, key[done & rows.meaningful], rows.day[done & rows.meaningful])
    found = []
    for s, p in zip(seat.tolist(), place.tolist(), strict=True):
        number = s * PER_SEAT + p
        fills = np.flatnonzero((process.roster.seat == first + s) & process.roster.employed[process.calendar.stop - 1])
        found.append(
            {
                "account_id": account_id(book.number[s, p][None])[0],
                "rep_id": rep_id(int(fills[0])) if fills.size else None,
                "every_weeks": int(book.every_weeks[s, p]),
                "silent_since": process.calendar.mondays[int(book.dark_week[s, p])].isoformat(),
                "last_touch_on": _day(process, int(last_any[number])),
                "last_meaningful_on": _day(process, int(last_real[number])),
                "chased": bool(book.chased[s, p]),
            }
        )
    return found


def _day(process: Process, day: int) -> str | None:
    return None if day < 0 else str(np.datetime64(process.calendar.origin, "D") + day)
