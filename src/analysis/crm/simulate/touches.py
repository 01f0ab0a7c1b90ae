"""Activities one by one: when in the week, on which account, what came of it; as many as the process counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.accounts import Accounts
from analysis.crm.simulate.process import Process

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OUTCOMES = ("connected", "voicemail", "no_answer", "busy", "wrong_number", "bounced", "held", "no_show", "unknown")
LEVELS = ("vp_or_above", "manager", "user", "unknown")
DIRECTIONS = ("out", "in", "internal", "unknown")
ORIGINS = ("human", "sequence", "bulk")
STATUSES = ("done", "planned", "cancelled")
MEANINGFUL_CALL_S = 120
_CALL_OUTCOMES = (0.38, 0.27, 0.27, 0.05, 0.03)
_LONG_SHARE_OF_CONNECTS = 0.75


@dataclass(frozen=True, slots=True)
class Touches:
    """One row an activity; codes index the tuples above (-1 = not recorded); duration_s -1 = not recorded.

    account: place in the seat's book (-1 = none); deal: row of the company's deals (-1 = none); proposal: it is the
    stage marker of its deal.
    """

    rep: Ints
    kind: Ints
    day: Ints
    second: Ints
    account: Ints
    deal: Ints
    duration_s: Ints
    outcome: Ints
    level: Ints
    direction: Ints
    origin: Ints
    status: Ints
    meaningful: Bools
    logged_after_s: Ints


def build(process: Process, book: Accounts, reps: Ints, first_seat: int, rng: np.random.Generator) -> Touches:
    """Every activity of these reps in the weeks of the data, in order of rep and time."""
    rep, kind, week, place = _expand(process, reps)
    seat = process.roster.seat[rep] - first_seat
    account = book.turn(week, seat, place)
    day, second = _when(process, rep, week, rng)
    generic = book.dark_week[seat, account] <= week
    origin, status = np.zeros(rep.size, dtype=np.int64), np.zeros(rep.size, dtype=np.int64)
    rows = [rep, kind, day, second, account, np.full(rep.size, -1), origin, status]
    rows = [
        np.concatenate(parts)
        for parts in zip(rows, _proposals(process, reps, rng), _extra(rows, process, rng), strict=True)
    ]
    order = np.lexsort((rows[3], rows[2], rows[0]))
    rep, kind, day, second, account, deal, origin, status = (row[order] for row in rows)
    generic = np.concatenate([generic, np.zeros(rep.size - generic.size, dtype=bool)])[order]
    outcome = _outcome(process, rep, kind, generic, status, rng)
    duration = _duration(process, kind, outcome, rng)
    direction = _direction(process, rep, kind, generic, outcome, origin, rng)
    meaningful = _meaningful(process, kind, outcome, duration, direction, status, origin)
    level = _level(kind, rng)
    logged = _logged_after(rep.size, rng)
    return Touches(
        rep, kind, day, second, account, deal, duration, outcome, level, direction, origin, status, meaningful, logged
    )


def _expand(process: Process, reps: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Row per counted activity of the own kinds: rep, kind, week, and its place among the rep's touches of the week."""
    first, stop = process.calendar.first, process.calendar.stop
    own = process.counts[first:stop][:, reps, : len(process.world.activities)]
    week, rep, kind = np.nonzero(own)
    number = own[week, rep, kind]
    week, rep, kind = (np.repeat(side, number) for side in (week, rep, kind))
    cell = week * reps.size + rep
    starts = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]]) if cell.size else np.empty(0, dtype=np.int64)
    place = np.arange(cell.size) - np.repeat(starts, np.diff(np.append(starts, cell.size)))
    return reps[rep], kind, week + first, place


def _when(process: Process, rep: Ints, week: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """A day the rep worked in that week, and a second of the local business day."""
    days = process.roster.work_days
    ordered = np.argsort(~days[week, rep], axis=1, kind="stable")
    worked = np.maximum(days[week, rep].sum(axis=1), 1)
    weekday = ordered[np.arange(rep.size), (rng.random(rep.size) * worked).astype(np.int64)]
    return week * 7 + weekday, _second(rep.size, rng)


def _second(size: int, rng: np.random.Generator) -> Ints:
    return (8.5 * 3600 + rng.beta(1.6, 1.7, size) * 9.5 * 3600).astype(np.int64)


def _proposals(process: Process, reps: Ints, rng: np.random.Generator) -> list[Ints]:
    """The stage marker: one row a deal that reached it, on the day it did."""
    deals, calendar, people = process.deals, process.calendar, process.roster
    if process.world.stage_marker is None:
        return [np.empty(0, dtype=np.int64)] * 8
    inside = (deals.proposal_day >= calendar.first * 7) & (deals.proposal_day < calendar.stop * 7)
    mine = np.isin(deals.rep, reps) & inside
    rows = np.flatnonzero(mine)
    rows = rows[people.employed[deals.proposal_day[rows] // 7, deals.rep[rows]]]
    none, zero = np.full(rows.size, -1), np.zeros(rows.size, dtype=np.int64)
    kind = np.full(rows.size, len(process.world.activities))
    second = 11 * 3600 + rng.integers(0, 5 * 3600, rows.size)
    return [deals.rep[rows], kind, deals.proposal_day[rows], second, none, rows, zero, zero]


def _extra(rows: list[Ints], process: Process, rng: np.random.Generator) -> list[Ints]:
    """Rows that are no effort: sequence and bulk mails, and planned or cancelled meetings."""
    rep, kind, day, _, account, deal, _, _ = rows
    kinds = process.world.kinds
    mails, meetings = (np.flatnonzero(kind == kinds.index(name)) for name in ("email", "meeting"))
    machine = mails[rng.random(mails.size) < 0.12]
    off = meetings[rng.random(meetings.size) < 0.1]
    ahead = off[day[off] >= (process.calendar.stop - 3) * 7]
    pick = np.concatenate([machine, off, ahead])
    origin = np.concatenate(
        [np.where(rng.random(machine.size) < 0.8, 1, 2), np.zeros(off.size + ahead.size, dtype=np.int64)]
    )
    status = np.repeat([0, 2, 1], [machine.size, off.size, ahead.size])
    later = np.where(status == 1, 21, 0)
    return [
        rep[pick],
        kind[pick],
        day[pick] + later,
        _second(pick.size, rng),
        account[pick],
        deal[pick],
        origin,
        status,
    ]


def _outcome(process: Process, rep: Ints, kind: Ints, generic: Bools, status: Ints, rng: np.random.Generator) -> Ints:
    """What came of it at once: calls reach somebody or not, mails bounce, meetings are held or not, proposals say nothing."""
    call, email, face = _families(process, kind)
    outcome = np.full(rep.size, OUTCOMES.index("unknown"))
    drawn = rng.choice(5, size=rep.size, p=_CALL_OUTCOMES)
    kept = rng.random(rep.size) < process.plants.meaningful_factor[rep]
    reached = np.where((drawn == 0) & (generic | ~kept), OUTCOMES.index("voicemail"), drawn)
    missed = generic | (rng.random(rep.size) < 0.08)
    outcome[call] = reached[call]
    outcome[email & (rng.random(rep.size) < 0.03)] = OUTCOMES.index("bounced")
    outcome[face] = np.where(missed, OUTCOMES.index("no_show"), OUTCOMES.index("held"))[face]
    outcome[status > 0] = OUTCOMES.index("unknown")
    return outcome


def _duration(process: Process, kind: Ints, outcome: Ints, rng: np.random.Generator) -> Ints:
    """Talk time of calls: none where nobody answered; not recorded for the rest (a meeting's planned slot is no talk)."""
    call, _, _ = _families(process, kind)
    size = kind.size
    long = rng.random(size) < _LONG_SHARE_OF_CONNECTS
    talk = np.where(long, MEANINGFUL_CALL_S + 1 + rng.exponential(300, size), rng.uniform(15, 119, size))
    talk = np.where(outcome == OUTCOMES.index("connected"), np.minimum(talk, 3 * 3600), 0.0)
    talk = np.where(outcome == OUTCOMES.index("voicemail"), rng.integers(5, 60, size), talk)
    return np.where(call, talk.astype(np.int64), -1)


def _direction(
    process: Process, rep: Ints, kind: Ints, generic: Bools, outcome: Ints, origin: Ints, rng: np.random.Generator
) -> Ints:
    """Mostly outward; some mails are answers received, some calls come in."""
    call, email, _ = _families(process, kind)
    chance = 0.22 * process.plants.meaningful_factor[rep]
    answered = email & (rng.random(rep.size) < chance) & (outcome != OUTCOMES.index("bounced"))
    came_in = answered | (call & (rng.random(rep.size) < 0.06))
    return np.where(came_in & ~generic & (origin == 0), 1, 0)


def _families(process: Process, kind: Ints) -> tuple[Bools, Bools, Bools]:
    """Calls, mails, and what is done face to face (the stage marker is none of them)."""
    call, email = (kind == process.world.kinds.index(name) for name in ("call", "email"))
    return call, email, ~(call | email) & (kind < len(process.world.activities))


def _meaningful(
    process: Process, kind: Ints, outcome: Ints, duration: Ints, direction: Ints, status: Ints, origin: Ints
) -> Bools:
    """It moved the prospect forward: a real conversation, an answer received, a meeting held, a proposal handed over."""
    call, email, face = _families(process, kind)
    spoke = call & (outcome == OUTCOMES.index("connected")) & (duration > MEANINGFUL_CALL_S)
    answered = email & (direction == DIRECTIONS.index("in"))
    held = face & (outcome == OUTCOMES.index("held"))
    proposed = kind >= len(process.world.activities)
    return (spoke | answered | held | proposed) & (status == 0) & (origin == 0)


def _level(kind: Ints, rng: np.random.Generator) -> Ints:
    face_to_face = kind >= 2
    drawn = rng.random(kind.size) + 0.08 * face_to_face
    return np.searchsorted(np.array([0.22, 0.6, 0.95]), 1.0 - np.minimum(drawn, 1.0))


def _logged_after(size: int, rng: np.random.Generator) -> Ints:
    """Seconds from the activity to its record: mostly the same hour, some the next days, a few weeks late."""
    habit = rng.choice(3, size=size, p=[0.9, 0.07, 0.03])
    delays = [
        rng.integers(30, 3600, size),
        rng.integers(10 * 3600, 40 * 3600, size),
        rng.integers(4 * 86400, 25 * 86400, size),
    ]
    return np.choose(habit, delays)
