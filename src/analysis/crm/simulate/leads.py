"""Leads and their hand-off: quick answers convert better, but less than it looks, for hot sources get quick answers.

Leads that became deals and leads that did not are drawn from one pool, rep by rep, until each rep has as many converted
ones as deals grown from leads; so the chance of conversion given source, response time and rep is exactly the stated one.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate.clock import Clock
from analysis.crm.simulate.pipeline import PARTNERS, SOURCES, Pipeline
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.tables import identifiers, labelled, opportunity_id, rep_label
from analysis.crm.simulate.touches import Touches

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAD_SOURCES = ("website", "webinar", "event", "content", "partner")
_SHARES = np.array([0.22, 0.2, 0.14, 0.26, 0.18])
_LOG_ODDS = np.array([0.1, -0.9, -0.7, -1.9, -0.8])
_TYPICAL_HOURS = np.array([2.0, 6.0, 8.0, 14.0, 9.0])
SLA_LOG_ODDS = -0.25
"""Change of the log odds of conversion by each doubling of the response time."""
_REFERENCE_HOURS = 4.0
_REP_LOG_ODDS = -0.25
_UNCONTACTED = 0.07
_UNQUALIFIED = 0.4
_POOL_FACTOR = 14
_DAYS_TO_DEAL = 5
COST_PER_LEAD = np.array([60.0, 90.0, 240.0, 45.0, 0.0])
_FEEDBACK = (("accepted", "rejected", "recycled", "unknown"), (0.55, 0.35, 0.1))


@dataclass(frozen=True, slots=True)
class Leads:
    """One row a lead. business_* are business hours of the axis in the rep's region; -1 codes are null.

    contacted leads have a response_h; deal: position in the pipeline (-1 = none); touch: row of the touches that was
    the first answer (-1 = none of its own).
    """

    rep: Ints
    source: Ints
    contacted: Bools
    qualified: Bools
    response_h: Floats
    answered: Floats
    region: Ints
    deal: Ints
    touch: Ints


def build(process: Process, clock: Clock, pipeline: Pipeline, rows: Touches, rng: np.random.Generator) -> Leads:
    """Leads behind the pipeline's inbound and partner deals, and all those that came to nothing."""
    answers = _answers(process, rows)
    deals = _grown_from_leads(process, pipeline, rng)
    rep, source, contacted, response, converted = _pool(process, pipeline.rep[deals], rng)
    deal = np.full(rep.size, -1)
    deal[converted] = deals
    touch = _first_answers(rep, contacted, deal, pipeline, rows, answers, rng)
    kept = ~contacted | (touch >= 0)
    rep, source, contacted, deal, touch = rep[kept], source[kept], contacted[kept], deal[kept], touch[kept]
    response = response[kept]
    end = process.calendar.stop * 7
    day = np.where(touch >= 0, rows.day[touch], rng.integers(process.calendar.first * 7, end, rep.size))
    region = process.roster.region[process.roster.team[day // 7, rep]]
    second = np.where(touch >= 0, rows.second[touch], 12 * 3600)
    answered = clock.business(day, second, region)
    touch = np.where(_first_use(touch), touch, -1)
    known = Leads(rep, source, contacted, np.ones(rep.size, dtype=bool), response, answered, region, deal, touch)
    return _with_unqualified(process, clock, known, rng)


def _answers(process: Process, rows: Touches) -> Ints:
    """Touches that can be a first answer: calls and mails done by hand, outward; sorted by rep and day as the touches are."""
    kinds = process.world.kinds
    by_hand = (rows.origin == 0) & (rows.status == 0) & (rows.direction == 0)
    return np.flatnonzero(by_hand & np.isin(rows.kind, [kinds.index("call"), kinds.index("email")]))


def _grown_from_leads(process: Process, pipeline: Pipeline, rng: np.random.Generator) -> Ints:
    """Positions of the deals that came from a lead, in order of rep and otherwise shuffled."""
    from_lead = np.isin(pipeline.source, [SOURCES.index("inbound"), SOURCES.index("partner")])
    recorded = pipeline.created >= (process.calendar.first + 1) * 7
    here = process.roster.employed[np.clip(pipeline.created // 7, 0, None), pipeline.rep]
    position = rng.permutation(np.flatnonzero(from_lead & recorded & here))
    return position[np.argsort(pipeline.rep[position], kind="stable")]


def _pool(process: Process, owners: Ints, rng: np.random.Generator) -> tuple[Ints, Ints, Bools, Floats, Bools]:
    """Draw leads rep by rep until each has as many converted ones as `owners` (sorted) asks for; rep-sorted."""
    reps, need = np.unique(owners, return_counts=True)
    rep = np.repeat(reps, need * _POOL_FACTOR + 60)
    slowness = rng.standard_normal(process.roster.home.size)
    source = rng.choice(len(LEAD_SOURCES), size=rep.size, p=_SHARES)
    response = _TYPICAL_HOURS[source] * np.exp(0.45 * slowness[rep] + 0.9 * rng.standard_normal(rep.size))
    response = np.clip(response, 0.1, 120.0)
    contacted = rng.random(rep.size) >= _UNCONTACTED
    slope = SLA_LOG_ODDS if "sla" in process.world.management else 0.0
    odds = _LOG_ODDS[source] + slope * np.log2(response / _REFERENCE_HOURS) + _REP_LOG_ODDS * slowness[rep]
    converted = contacted & (rng.random(rep.size) < 1.0 / (1.0 + np.exp(-odds)))
    starts = np.r_[0, np.flatnonzero(np.diff(rep)) + 1] if rep.size else np.empty(0, dtype=np.int64)
    running = np.cumsum(converted) - np.repeat(
        (np.cumsum(converted) - converted)[starts], np.diff(np.r_[starts, rep.size])
    )
    wanted = np.repeat(need, np.diff(np.r_[starts, rep.size]))
    keep = (running < wanted) | ((running == wanted) & converted)
    return rep[keep], source[keep], contacted[keep], response[keep], converted[keep]


def _first_answers(
    rep: Ints, contacted: Bools, deal: Ints, pipeline: Pipeline, rows: Touches, answers: Ints, rng: np.random.Generator
) -> Ints:
    """The touch that answered each contacted lead; for one that became a deal, within days before its creation."""
    span = 10**5
    ladder = rows.rep[answers] * span + rows.day[answers]
    last = np.where(deal >= 0, pipeline.created[deal], span - 1)
    first = np.where(deal >= 0, last - _DAYS_TO_DEAL, 0)
    low = np.searchsorted(ladder, rep * span + first, side="left")
    high = np.searchsorted(ladder, rep * span + last, side="right")
    pick = low + (rng.random(rep.size) * (high - low)).astype(np.int64)
    found = contacted & (high > low)
    touch = np.full(rep.size, -1)
    touch[found] = answers[pick[found]]
    return touch


def _first_use(touch: Ints) -> Bools:
    """True where a touch is named for the first time."""
    first = np.zeros(touch.size, dtype=bool)
    first[np.unique(touch, return_index=True)[1]] = True
    return first & (touch >= 0)


def _with_unqualified(process: Process, clock: Clock, known: Leads, rng: np.random.Generator) -> Leads:
    """Add leads that never met the definition: nobody got them, nobody answered."""
    size = int(_UNQUALIFIED * known.rep.size)
    calendar = process.calendar
    day = rng.integers(calendar.first * 7, max(calendar.stop * 7, 1), size)
    region = rng.integers(0, clock.open_until.shape[1], size)
    none, no = np.full(size, -1), np.zeros(size, dtype=bool)
    more = Leads(
        none, rng.choice(len(LEAD_SOURCES), size=size, p=_SHARES), no, no, np.full(size, np.nan),
        clock.business(day, rng.integers(9, 17, size) * 3600, region), region, none, none,
    )  # fmt: skip
    return Leads(*(np.concatenate([getattr(known, name), getattr(more, name)]) for name in Leads.__dataclass_fields__))


def with_sources(pipeline: Pipeline, leads: Leads) -> Pipeline:
    """Deals take their source from their lead."""
    source = pipeline.source.copy()
    grown = leads.deal >= 0
    from_partner = leads.source[grown] == LEAD_SOURCES.index("partner")
    source[leads.deal[grown]] = np.where(from_partner, SOURCES.index("partner"), SOURCES.index("inbound"))
    return replace(pipeline, source=source)


def frame(
    process: Process,
    clock: Clock,
    leads: Leads,
    pipeline: Pipeline,
    rows: Touches,
    offset: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """The contract's leads; `offset` leads have been written before."""
    handed = np.where(leads.contacted, leads.answered - leads.response_h, leads.answered)
    qualified = handed - rng.uniform(0.1, 4.0, handed.size)
    created = qualified - rng.exponential(4.0, handed.size)
    end = np.datetime64(process.calendar.end, "us")
    partner = np.where(leads.source == LEAD_SOURCES.index("partner"), np.arange(handed.size) % PARTNERS, -1)
    deal = leads.deal
    from_partner = (deal >= 0) & (partner >= 0)
    partner = np.where(from_partner, pipeline.partner[deal], partner)
    words, told_at = _feedback(clock, leads, partner, end, rng)
    moments = {
        name: _instant(clock, hours, leads.region) for name, hours in (("c", created), ("q", qualified), ("h", handed))
    }
    moments["c"] = _out_of_hours(moments["c"], rng)
    nat = np.datetime64("NaT", "us")
    touched = _touch_instant(clock, leads, rows)
    campaign = campaign_number(process, leads.source, moments["c"])
    return pd.DataFrame(
        {
            "lead_id": lead_id(offset + np.arange(handed.size)),
            "created_at": moments["c"],
            "source": labelled(leads.source, LEAD_SOURCES),
            "campaign_id": labelled(campaign, campaign_ids(process)),
            "partner_id": labelled(partner, [f"P{n + 1:02d}" for n in range(PARTNERS)]),
            "qualified_at": np.where(leads.qualified, moments["q"], nat),
            "handed_off_at": np.where(leads.qualified, moments["h"], nat),
            "assigned_rep_id": rep_label(process, np.where(leads.qualified, leads.rep, -1)),
            "first_touch_at": touched,
            "feedback_at": told_at,
            "feedback": words,
            "opportunity_id": opportunity_id(np.where(deal >= 0, pipeline.row[deal], -1)),
        }
    )


def lead_id(number: Ints) -> pd.Categorical:
    """Identifiers of leads by their number in the company; -1 is null."""
    return identifiers("L", number)


def _instant(clock: Clock, business: Floats, region: Ints) -> NDArray[np.datetime64]:
    return clock.instant(*clock.moment(np.maximum(business, 0.0), region), region)


def _out_of_hours(when: NDArray[np.datetime64], rng: np.random.Generator) -> NDArray[np.datetime64]:
    """A third of the leads come in at night, at most fifteen hours before business looks at them."""
    earlier = np.where(rng.random(when.size) < 0.33, rng.uniform(0.0, 15 * 3600.0, when.size), 0.0)
    return when - earlier.astype("timedelta64[s]")


def _touch_instant(clock: Clock, leads: Leads, rows: Touches) -> NDArray[np.datetime64]:
    """When the answer came: the touch's own moment, or the same business hour where another lead has that touch."""
    own = leads.touch >= 0
    moment = _instant(clock, leads.answered, leads.region)
    exact = clock.instant(rows.day[leads.touch], rows.second[leads.touch], leads.region)
    return np.where(leads.contacted, np.where(own, exact, moment), np.datetime64("NaT", "us"))


def _feedback(
    clock: Clock, leads: Leads, partner: Ints, end: np.datetime64, rng: np.random.Generator
) -> tuple[pd.Categorical, NDArray[np.datetime64]]:
    """What sales told marketing, and when; one partner never answers."""
    converted = leads.deal >= 0
    chance = np.where(converted, 0.85, 0.6) * np.where(partner >= 0, 0.7, 1.0) * (partner != PARTNERS - 1)
    when = _instant(clock, leads.answered + rng.exponential(30.0, leads.rep.size), leads.region)
    told = leads.contacted & (rng.random(leads.rep.size) < chance) & (when < end)
    refused = rng.choice(3, size=leads.rep.size, p=_FEEDBACK[1]) + 1
    words = np.where(told, np.where(converted, 0, refused), -1)
    return labelled(words, _FEEDBACK[0]), np.where(told, when, np.datetime64("NaT", "us"))


def campaign_ids(process: Process) -> list[str]:
    """Identifiers of the campaigns: one a source (but partners) and quarter of the data."""
    return [f"CP{n + 1:03d}" for n in range((len(LEAD_SOURCES) - 1) * _quarters(process))]


def _quarters(process: Process) -> int:
    weeks = process.calendar.stop - process.calendar.first
    return -(-weeks // 13)


def campaign_number(process: Process, source: Ints, created: NDArray[np.datetime64]) -> Ints:
    """The campaign that brought each lead; -1 for partners' leads and those from before the data."""
    start = np.datetime64(process.calendar.mondays[process.calendar.first], "us")
    quarter = (created - start) // np.timedelta64(91, "D")
    inside = (source < len(LEAD_SOURCES) - 1) & (quarter >= 0) & (quarter < _quarters(process))
    return np.where(inside, quarter * (len(LEAD_SOURCES) - 1) + source, -1).astype(np.int64)


def campaigns(process: Process, leads_by_campaign: Ints, rng: np.random.Generator) -> pd.DataFrame:
    """The contract's campaigns; cost follows the leads they brought, more or less well spent."""
    number = np.arange(len(campaign_ids(process)))
    source = number % (len(LEAD_SOURCES) - 1)
    cost = COST_PER_LEAD[source] * leads_by_campaign * np.exp(0.4 * rng.standard_normal(number.size)) + 500.0
    titles = [f"{LEAD_SOURCES[s].capitalize()} quarter {q + 1}" for s, q in zip(source, number // 4, strict=True)]
    return pd.DataFrame(
        {
            "campaign_id": campaign_ids(process),
            "name": titles,
            "channel": labelled(source, LEAD_SOURCES),
            "cost": np.round(cost, 0),
        }
    )
