"""Opportunities behind the weekly wins: cycle times, the ones lost, the proposal on the way, money and split credit."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.roster import Roster

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

WON_MEDIAN_DAYS, WON_LOG_SD = 42.0, 0.5
LOST_MEDIAN_DAYS, LOST_LOG_SD = 50.0, 0.55
SHORTEST_DAYS, LONGEST_DAYS = 5, 170
DEAL_LOG_SD = 0.7
LOST_WITH_PROPOSAL = 0.55
SPLIT_SHARE = 0.03
NEVER = -(10**6)


@dataclass(frozen=True, slots=True)
class Deals:
    """One row an opportunity, won ones first; day numbers from the axis's first Monday (created may be negative).

    proposal_day: NEVER = none made. partner: rep with a share of the credit (-1 = none); share: what the owner keeps.
    """

    rep: Ints
    won: Bools
    created_day: Ints
    closed_day: Ints
    proposal_day: Ints
    amount: Floats
    partner: Ints
    share: Floats


def build(
    wins: Ints, rate: Floats, chance: Floats, deal_mean: Floats, roster: Roster, rng: np.random.Generator
) -> Deals:
    """Deals for weekly wins (weeks x reps), and as many lost ones as keep each rep's chance of winning.

    Lost deals are drawn by the week of creation from the same expected rate (weeks x reps) as the won ones, so that
    the probability that a deal created in any week is won is `chance`, whatever is still open at the end.
    """
    won = _won(wins, roster, rng)
    lost = _lost(rate, chance, roster, rng)
    rep, created, closed = (np.concatenate([a, b]) for a, b in zip(won, lost, strict=True))
    is_won = np.arange(rep.size) < won[0].size
    proposal = _proposal_day(is_won, created, closed, rng)
    noise = rng.standard_normal(rep.size)
    amount = np.round(deal_mean[rep] * np.exp(DEAL_LOG_SD * noise - DEAL_LOG_SD**2 / 2), 0) + 1.0
    partner, share = _splits(rep, is_won, closed, roster, rng)
    return Deals(rep, is_won, created, closed, proposal, amount, partner, share)


def _won(wins: Ints, roster: Roster, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    rep, week = np.nonzero(wins.T)
    rep, week = (np.repeat(side, wins.T[rep, week]) for side in (rep, week))
    weekday = rng.integers(0, 5, rep.size)
    region = roster.team[week, rep] % roster.open_days.shape[1]
    for _ in range(4):
        shut = ~roster.open_days[week * 7 + weekday, region]
        weekday = np.where(shut, (weekday + 1) % 5, weekday)
    closed = week * 7 + weekday
    return rep, _weekday_before(closed - _days(rng, rep.size, WON_MEDIAN_DAYS, WON_LOG_SD)), closed


def _lost(rate: Floats, chance: Floats, roster: Roster, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    created_rate = np.zeros_like(rate)
    for weeks_later, share in enumerate(_cycle_weeks()):
        created_rate[: rate.shape[0] - weeks_later] += share * rate[weeks_later:]
    number = rng.poisson(created_rate * (1.0 / chance - 1.0))
    rep, week = np.nonzero(number.T)
    rep, week = (np.repeat(side, number.T[rep, week]) for side in (rep, week))
    created = week * 7 + rng.integers(0, 5, rep.size)
    closed = _weekday_before(created + 2 + _days(rng, rep.size, LOST_MEDIAN_DAYS, LOST_LOG_SD))
    closed = np.minimum(closed, roster.left_day[rep])
    created = np.minimum(created, closed - SHORTEST_DAYS)
    return rep, _weekday_before(created), closed


@lru_cache(maxsize=1)
def _cycle_weeks() -> tuple[float, ...]:
    """Share of won deals created 0, 1, 2 ... weeks before the week they close."""
    from scipy.special import ndtri

    quantile = ndtri((np.arange(4000) + 0.5) / 4000)
    days = np.clip(np.round(WON_MEDIAN_DAYS * np.exp(WON_LOG_SD * quantile)), SHORTEST_DAYS, LONGEST_DAYS)
    weeks_before = np.concatenate([np.ceil((days - weekday) / 7) for weekday in range(5)]).astype(int)
    return tuple(float(share) for share in np.bincount(weeks_before) / weeks_before.size)


def _days(rng: np.random.Generator, size: int, median: float, log_sd: float) -> Ints:
    drawn = median * np.exp(log_sd * rng.standard_normal(size))
    return np.clip(np.round(drawn), SHORTEST_DAYS, LONGEST_DAYS).astype(np.int64)


def _weekday_before(day: Ints) -> Ints:
    """The day itself, or the Friday before when it falls on a weekend."""
    return day - np.maximum(day % 7 - 4, 0)


def _proposal_day(won: Bools, created: Ints, closed: Ints, rng: np.random.Generator) -> Ints:
    share = np.where(won, rng.uniform(0.5, 0.85, won.size), rng.uniform(0.4, 0.8, won.size))
    day = _weekday_before(created + np.maximum(np.round((closed - created) * share), 3).astype(np.int64))
    made = won | (rng.random(won.size) < LOST_WITH_PROPOSAL)
    return np.where(made, np.clip(day, created + 1, closed), np.int64(NEVER))


def _splits(rep: Ints, won: Bools, closed: Ints, roster: Roster, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """A teammate of the same week, employed then, shares some won deals."""
    week = np.clip(closed // 7, 0, roster.team.shape[0] - 1)
    mate = (rep + 1) % roster.team.shape[1]
    together = (roster.team[week, mate] == roster.team[week, rep]) & roster.employed[week, mate] & (mate != rep)
    split = won & together & (rng.random(rep.size) < SPLIT_SHARE)
    return np.where(split, mate, -1), np.where(split, rng.choice([0.5, 0.6, 0.7], rep.size), 1.0)
