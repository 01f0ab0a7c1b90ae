"""Opportunities as the CRM shows them on the last day: won, lost or still open, with every change of stage on the way."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate.accounts import PER_SEAT, Accounts
from analysis.crm.simulate.clock import Clock
from analysis.crm.simulate.deals import NEVER
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.tables import account_id, labelled, opportunity_id, rep_label

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STAGES = ("qualification", "discovery", "proposal", "negotiation", "won", "lost")
CHANCES = np.array([0.15, 0.22, 0.4, 0.6, 1.0, 0.0])
SOURCES = ("inbound", "outbound", "partner", "referral", "unknown")
SOURCE_SHARES = (0.32, 0.43, 0.12, 0.1, 0.03)
PARTNERS = 6
_NEVER_STAGE = 10**6


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The deals of a range of seats that the company knows of on its last day.

    row: number of the deal in the process; account: place in the seat's book; status: 0 open, 1 won, 2 lost;
    stage_day: deals x STAGES, day each stage was entered (_NEVER_STAGE = not, or not yet); source indexes SOURCES;
    lead: number of its lead (-1 = none, filled in later).
    """

    row: Ints
    rep: Ints
    created: Ints
    closed: Ints
    account: Ints
    status: Ints
    stage_day: Ints
    stage: Ints
    source: Ints

    @property
    def partner(self) -> Ints:
        """Number of the partner who brought it (-1 = none)."""
        return np.where(self.source == SOURCES.index("partner"), (self.row * 7 + self.rep) % PARTNERS, -1)


def build(process: Process, book: Accounts, reps: Ints, first_seat: int, rng: np.random.Generator) -> Pipeline:
    """Deals of these reps created before the end and not closed before the start."""
    deals, calendar = process.deals, process.calendar
    first, end = calendar.first * 7, calendar.stop * 7
    known = (deals.created_day < end) & (deals.closed_day >= first) & np.isin(deals.rep, reps)
    row = np.flatnonzero(known)
    rep, created, closed = deals.rep[row], deals.created_day[row], deals.closed_day[row]
    status = np.where(closed >= end, 0, np.where(deals.won[row], 1, 2))
    account = _account(process, book, rep, created, closed, first_seat, rng)
    stage_day = _stage_days(deals.won[row], created, closed, deals.proposal_day[row], rng)
    stage_day = np.where(stage_day < end, stage_day, _NEVER_STAGE)
    reached = np.where(stage_day < _NEVER_STAGE, np.arange(len(STAGES)), -1)
    stage = reached.max(axis=1)
    source = rng.choice(len(SOURCES), size=row.size, p=SOURCE_SHARES)
    return Pipeline(row, rep, created, closed, account, status, stage_day, stage, source)


def _account(
    process: Process, book: Accounts, rep: Ints, created: Ints, closed: Ints, first_seat: int, rng: np.random.Generator
) -> Ints:
    """An account that was there when the deal was created and has not gone dark before it closed."""
    seat = process.roster.seat[rep] - first_seat
    tries = rng.integers(0, PER_SEAT, (rep.size, 6))
    week = np.column_stack([created, closed]) // 7
    fits = (book.first_week[seat[:, None], tries] <= week[:, :1]) & (book.dark_week[seat[:, None], tries] > week[:, 1:])
    choice = np.where(fits.any(axis=1), fits.argmax(axis=1), 0)
    return tries[np.arange(rep.size), choice]


def _stage_days(won: Bools, created: Ints, closed: Ints, proposal: Ints, rng: np.random.Generator) -> Ints:
    days = np.full((won.size, len(STAGES)), _NEVER_STAGE)
    length = closed - created
    days[:, 0] = created
    has_proposal = proposal != NEVER
    limit = np.where(has_proposal, proposal, closed)
    days[:, 1] = np.minimum(created + (length * rng.uniform(0.05, 0.3, won.size)).astype(np.int64), limit)
    days[has_proposal, 2] = proposal[has_proposal]
    negotiates = has_proposal & (won | (rng.random(won.size) < 0.4))
    halfway = proposal + ((closed - proposal) * rng.uniform(0.2, 0.7, won.size)).astype(np.int64)
    days[negotiates, 3] = halfway[negotiates]
    days[won, 4] = closed[won]
    days[~won, 5] = closed[~won]
    return days


def opportunities(process: Process, pipeline: Pipeline, rng: np.random.Generator) -> pd.DataFrame:
    """The contract's opportunities without lead_id."""
    amount = process.deals.amount[pipeline.row]
    discount = rng.beta(2.0, 12.0, amount.size)
    won = pipeline.status == 1
    invoiced = np.where(won, pipeline.closed + rng.integers(1, 15, amount.size), NEVER)
    paid = np.where(won, invoiced + rng.integers(14, 65, amount.size), NEVER)
    seat = process.roster.seat[pipeline.rep]
    listed = np.round(amount / (1.0 - discount), 2)
    return pd.DataFrame(
        {
            "opportunity_id": opportunity_id(pipeline.row),
            "rep_id": rep_label(process, pipeline.rep),
            "account_id": account_id(seat * PER_SEAT + pipeline.account),
            "created_on": _date(process, pipeline.created),
            "stage": labelled(pipeline.stage, STAGES),
            "status": labelled(pipeline.status, ("open", "won", "lost")),
            "closed_on": _date(process, np.where(pipeline.status > 0, pipeline.closed, NEVER)),
            "amount": amount,
            "list_amount": listed,
            "units": np.maximum(np.round(listed / 900.0), 1.0),
            "margin": np.round(amount * rng.normal(0.42, 0.08, amount.size), 2),
            "probability": CHANCES[pipeline.stage],
            "source": labelled(pipeline.source, SOURCES),
            "partner_id": labelled(pipeline.partner, [f"P{n + 1:02d}" for n in range(PARTNERS)]),
            "invoiced_on": _date(process, invoiced, past_only=True),
            "paid_on": _date(process, paid, past_only=True),
        }
    )


def _date(process: Process, day: Ints, past_only: bool = False) -> NDArray[np.datetime64]:
    dates = np.datetime64(process.calendar.origin, "D") + day.astype("timedelta64[D]")
    unknown = (day == NEVER) | (day >= process.calendar.stop * 7 if past_only else False) | (day <= NEVER + 1000)
    return np.where(unknown, np.datetime64("NaT", "D"), dates)


def stage_changes(process: Process, pipeline: Pipeline, clock: Clock, rng: np.random.Generator) -> pd.DataFrame:
    """Every move from stage to stage, in order; a few lost ones are closed by a bulk update."""
    deal, stage = np.nonzero(pipeline.stage_day < _NEVER_STAGE)
    day = pipeline.stage_day[deal, stage]
    first_of_deal = np.r_[True, deal[1:] != deal[:-1]] if deal.size else np.empty(0, dtype=bool)
    came_from = np.where(first_of_deal, -1, np.roll(stage, 1))
    second = (9 * 3600 + stage * 1000 + rng.integers(0, 900, deal.size)).astype(np.int64)
    week = np.clip(day // 7, 0, process.roster.team.shape[0] - 1)
    region = process.roster.region[process.roster.team[week, pipeline.rep[deal]]]
    return pd.DataFrame(
        {
            "opportunity_id": opportunity_id(pipeline.row[deal]),
            "changed_at": clock.instant(day, second, region),
            "from_stage": labelled(came_from, STAGES),
            "to_stage": labelled(stage, STAGES),
            "is_bulk": (stage == STAGES.index("lost")) & (rng.random(deal.size) < 0.02),
        }
    )


def credits(process: Process, pipeline: Pipeline) -> pd.DataFrame:
    """The split deals that were won: two rows each."""
    deals = process.deals
    split = pipeline.row[(pipeline.status == 1) & (deals.partner[pipeline.row] >= 0)]
    rep = np.column_stack([deals.rep[split], deals.partner[split]]).ravel()
    share = np.column_stack([deals.share[split], 1.0 - deals.share[split]]).ravel()
    return pd.DataFrame(
        {
            "opportunity_id": opportunity_id(np.repeat(split, 2)),
            "rep_id": rep_label(process, rep),
            "share": np.round(share, 4),
        }
    )


def deals_of(pipeline: Pipeline, seat: Ints, account: Ints, rep: Ints, day: Ints, seats: Ints) -> Ints:
    """For each touch the deal (position in the pipeline) then open on its account with its rep, else -1.

    seat, account, rep, day describe touches; seats: the seat of each of the pipeline's deals.
    """
    keys = seats * PER_SEAT + pipeline.account
    order = np.lexsort((pipeline.created, keys))
    span = int(max(day.max(initial=0), pipeline.created.max(initial=0))) + 10**4
    ladder = keys[order] * span + pipeline.created[order] + 5000
    wanted = (seat * PER_SEAT + account) * span + day + 5000
    place = np.searchsorted(ladder, wanted, side="right") - 1
    found = order[np.maximum(place, 0)]
    here = (place >= 0) & (account >= 0)
    if not order.size:
        return np.full(seat.size, -1)
    same = (keys[found] == seat * PER_SEAT + account) & (pipeline.closed[found] >= day) & (pipeline.rep[found] == rep)
    return np.where(here & same, found, -1)
