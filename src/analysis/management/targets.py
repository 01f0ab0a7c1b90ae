"""Targets from quota: how many opportunities or asks a week reach the quota, with what probability.

Quota -> deals -> asks -> opportunities -> attempts, simulated from the team's own conversions, deal sizes and lags
(deal_model), beside the product of averages that is usually used. Activities are levers only where the evidence says
that they predict or likely predict revenue (grade A or B).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.errors import ParameterError, Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.deal_model import DealModel, deal_model, draw_sizes, draw_spells, flags, later_win, new_win
from analysis.management.funnel_cases import asked_deals
from analysis.management.intervals import Floats
from analysis.management.measures import deal_times
from analysis.management.records import with_team, won_credit

CHANCES = (0.5, 0.7, 0.9)
ADMITTED = ("A", "B")


@dataclass(frozen=True, slots=True)
class Goal:
    """What is still to be booked, by when. open_*: age in weeks and typed amount (NaN = unknown) of running cases."""

    quota: float
    booked: float
    weeks_left: float
    open_ages: Floats
    open_amounts: Floats

    @property
    def missing(self) -> float:
        """Amount still to be booked."""
        return max(self.quota - self.booked, 0.0)


@dataclass(frozen=True, slots=True)
class ChanceCurve:
    """Probability of reaching the goal with 0, 1, 2 ... new cases spread evenly over the weeks left.

    chances[n]: with n new cases. needed(p): smallest n with at least that chance, None where no n tried reaches it.
    """

    chances: Floats
    weeks_left: float

    def needed(self, chance: float) -> int | None:
        """Smallest number of new cases with at least this chance."""
        if not 0 < chance < 1:
            raise ParameterError(f"chance {chance} must lie between 0 and 1")
        reached = np.nonzero(np.maximum.accumulate(self.chances) >= chance)[0]
        return int(reached[0]) if len(reached) else None

    def at(self, number: float) -> float:
        """Chance with this many new cases; NaN beyond what was tried."""
        place = int(round(number))
        return float(self.chances[place]) if 0 <= place < len(self.chances) else float("nan")


def chance_curve(model: DealModel, goal: Goal, most: int, *, seed: int = 0) -> ChanceCurve:
    """Simulate the goal with 0..most new cases. The same draws serve every number, so the curve does not flicker."""
    rng = np.random.default_rng(seed)
    spell = draw_spells(model, rng)
    base = np.zeros(model.draws)
    if len(goal.open_ages):
        chance = later_win(model, goal.open_ages, goal.weeks_left)
        size = draw_sizes(model, chance.shape, rng)
        size = np.where(np.isnan(goal.open_amounts), size, goal.open_amounts)
        base = (flags(chance, spell, rng) * size).sum(axis=1)
    # Low-discrepancy starting times: any first n of them are spread evenly over the weeks left.
    starts = _spread_out(most) * goal.weeks_left
    chance = new_win(model, goal.weeks_left - starts)
    gained = flags(chance, spell, rng) * draw_sizes(model, chance.shape, rng)
    total = base[:, None] + np.column_stack([np.zeros(model.draws), np.cumsum(gained, axis=1)])
    return ChanceCurve((total >= goal.missing).mean(axis=0), goal.weeks_left)


def _spread_out(number: int) -> Floats:
    """The first points of the van der Corput sequence in base 2."""
    index = np.arange(1, number + 1)
    out, scale = np.zeros(number), 0.5
    while index.any():
        out += scale * (index % 2)
        index //= 2
        scale /= 2
    return out


def asks_for_chance(closed: int, asked: int, deals_needed: int, chance: float = 0.5, most: int = 1000) -> int:
    """Smallest number of asks that would give `deals_needed` deals with this chance, given `closed` of `asked`.

    The rate is unknown, not closed/asked: beta-binomial with a uniform prior. Raises Refused when `most` asks do not.
    """
    if asked < 0 or not 0 <= closed <= asked:
        raise ParameterError(f"closed {closed} of {asked}: closed must lie between 0 and asked")
    number = np.arange(deals_needed, most + 1)
    reach = stats.betabinom.sf(deals_needed - 1, number, closed + 1, asked - closed + 1)
    enough = number[reach >= chance - 1e-12]
    if not len(enough):
        raise Refused(f"even {most} asks would not give {deals_needed} deals with a chance of {chance:.0%}")
    return int(enough[0])


def hindsight(closed: int, asked: int, deals_needed: int, chance: float = 0.5) -> str:
    """One sentence: what number of asks would have given the deals that were needed."""
    number = asks_for_chance(closed, asked, deals_needed, chance)
    return (
        f"You closed {closed} of {asked}; {deals_needed} were needed: sending {number} proposals would have given "
        f"you a {100 * chance:.0f} % chance."
    )


@dataclass(frozen=True, slots=True)
class Targets:
    """What a team's goal needs. levers: one row per lever (see `targets`); curves: lever -> ChanceCurve.

    chance_as_is: probability of reaching the quota at the present pace of new opportunities, with no change.
    """

    team_id: str
    goal: Goal
    chance_as_is: float
    levers: pd.DataFrame
    curves: dict[str, ChanceCurve]
    sentence: str


def team_goal(book: Book, team_id: str) -> Goal | NotRecorded:
    """The quota that runs today (the team's own, else the sum of its reps'), what is booked, what is still open."""
    if gap := book.need("quotas"):
        return gap
    quotas, reps = book.frame("quotas"), book.frame("reps")
    members = set(reps.loc[reps["team_id"] == team_id, "rep_id"])
    running = quotas.loc[(quotas["period_start"] <= book.as_of) & (quotas["period_end"] > book.as_of)]
    own = running.loc[(running["level"] == "team") & (running["owner_id"] == team_id)]
    mine = own if len(own) else running.loc[(running["level"] == "rep") & running["owner_id"].isin(members)]
    if mine.empty:
        return NotRecorded((f"quotas (none of {team_id} runs on {book.as_of.date()})",))
    return _goal(book, members, float(mine["amount"].sum()), mine["period_start"].min(), mine["period_end"].max())


def _goal(book: Book, members: set[str], quota: float, start: pd.Timestamp, end: pd.Timestamp) -> Goal:
    won = won_credit(book)
    booked = won.loc[won["rep_id"].isin(members) & (won["closed_on"] >= start) & (won["closed_on"] < end), "credit"]
    deals = book.frame("opportunities")
    running = deals.loc[deals["rep_id"].isin(members) & (deals["status"] == "open")]
    ages = (book.as_of - running["created_on"]).dt.days.to_numpy(dtype=float) / 7
    amounts = running["amount"].to_numpy(dtype=float) if "amount" in running else np.full(len(running), np.nan)
    weeks = (end - book.as_of).days - 1
    return Goal(quota, float(booked.sum()), max(weeks, 0) / 7, ages, amounts)


def targets(book: Book, team_id: str, *, draws: int = 1000, seed: int = 0) -> Targets | NotRecorded:
    """Probability of reaching the running quota per plan of each lever.

    levers: lever (`opportunities`, `asks`, or an activity kind), admitted, refusal (why not), now_per_week (last 13
    weeks), naive_per_week (product of averages), naive_chance (what the simulation says of that plan), per_week_50,
    per_week_70, per_week_90 (blank = not reached by any number tried), warning (blank, or what it extrapolates from).
    Raises Refused when the team won fewer than five deals.
    """
    goal = team_goal(book, team_id)
    if isinstance(goal, NotRecorded):
        return goal
    cases, sizes = _team_cases(book, team_id)
    model = deal_model(cases, sizes, horizon_weeks=max(goal.weeks_left, 1.0), draws=draws, seed=seed)
    pace = _per_week(cases["start"], book.as_of, 13)
    curve = chance_curve(model, goal, _tries(cases["start"], book.as_of, goal.weeks_left), seed=seed)
    rows = [_lever_row("opportunities", curve, model, goal, cases["start"], book.as_of)]
    curves = {"opportunities": curve}
    asks = _ask_curve(book, team_id, goal, draws, seed)
    if asks is not None:
        curves["asks"] = asks[0]
        rows.append(_lever_row("asks", *asks, book.as_of))
    as_is = curve.at(min(pace * goal.weeks_left, len(curve.chances) - 1))
    levers = pd.DataFrame(rows)
    return Targets(team_id, goal, as_is, levers, curves, _sentence(book, goal, as_is, levers))


def _team_cases(book: Book, team_id: str) -> tuple[pd.DataFrame, Floats]:
    deals = with_team(book, book.frame("opportunities"), "created_on")
    deals = deal_times(book, deals.loc[deals["team_id"] == team_id])
    sizes = deals.loc[deals["end"] == 1, "amount"].to_numpy(dtype=float)
    return deals.assign(start=deals["created_on"])[["rep_id", "start", "days", "end"]], sizes


def _ask_curve(
    book: Book, team_id: str, goal: Goal, draws: int, seed: int
) -> tuple[ChanceCurve, DealModel, Goal, pd.Series] | None:
    """The curve over new asks; None where asks are not recorded or too few were won."""
    asked = asked_deals(book)
    if isinstance(asked, NotRecorded):
        return None
    asked = with_team(book, asked, "asked_on")
    asked = asked.loc[asked["team_id"] == team_id]
    cases = deal_times(book, asked.assign(created_on=asked["asked_on"]))
    running = cases.loc[cases["end"] == 0]
    amounts = running["amount"].to_numpy(dtype=float)
    ask_goal = Goal(goal.quota, goal.booked, goal.weeks_left, running["days"].to_numpy(dtype=float) / 7, amounts)
    sizes = cases.loc[cases["end"] == 1, "amount"].to_numpy(dtype=float)
    frame = cases.assign(start=cases["created_on"])
    try:
        model = deal_model(frame, sizes, horizon_weeks=max(goal.weeks_left, 1.0), draws=draws, seed=seed)
    except Refused:
        return None
    most = _tries(asked["asked_on"], book.as_of, goal.weeks_left)
    return chance_curve(model, ask_goal, most, seed=seed), model, ask_goal, asked["asked_on"]


def _per_week(starts: pd.Series, as_of: pd.Timestamp, weeks: int) -> float:
    return float((starts > as_of - pd.Timedelta(weeks=weeks)).sum()) / weeks


def _most_per_week(starts: pd.Series, as_of: pd.Timestamp) -> float:
    """Highest 13-week average pace on record."""
    weeks_ago = ((as_of - starts).dt.days // 7).to_numpy()
    counts = np.bincount(weeks_ago[weeks_ago >= 0]) if len(weeks_ago) else np.zeros(1)
    window = np.convolve(counts, np.ones(13), "valid") / 13 if len(counts) >= 13 else np.array([counts.mean()])
    return float(window.max())


def _tries(starts: pd.Series, as_of: pd.Timestamp, weeks_left: float) -> int:
    """How many new cases to try: up to three times the fastest pace on record, and at least thirty."""
    return int(np.clip(np.ceil(3 * _most_per_week(starts, as_of) * weeks_left), 30, 3000))


def _lever_row(
    lever: str, curve: ChanceCurve, model: DealModel, goal: Goal, starts: pd.Series, as_of: pd.Timestamp
) -> dict[str, object]:
    weeks = max(goal.weeks_left, 1 / 7)
    naive = goal.missing / model.mean_size / model.win_share
    needed = {f"per_week_{int(100 * p)}": _rate(curve.needed(p), weeks) for p in CHANCES}
    fastest = _most_per_week(starts, as_of)
    asked_for = [rate for rate in needed.values() if rate == rate]
    warning = ""
    if asked_for and max(asked_for) > fastest:
        warning = f"more than the team ever did: its best 13 weeks held {fastest:.1f} {lever} a week"
    elif len(asked_for) < len(CHANCES):
        warning = f"not every chance can be reached in {goal.weeks_left:.0f} weeks, not even at three times the best pace"
    row: dict[str, object] = {"lever": lever, "admitted": True, "refusal": ""}
    row |= {"now_per_week": _per_week(starts, as_of, 13), "naive_per_week": naive / weeks}
    return {**row, "naive_chance": curve.at(naive), **needed, "warning": warning}


def _rate(number: int | None, weeks: float) -> float:
    return float("nan") if number is None else number / weeks


def _sentence(book: Book, goal: Goal, as_is: float, levers: pd.DataFrame) -> str:
    first = levers.iloc[0]
    text = f"{book.currency} {goal.missing:,.0f} are missing to the quota with {goal.weeks_left:.0f} weeks left. "
    text += f"At the present pace the chance is {100 * as_is:.0f} %."
    if first["per_week_70"] == first["per_week_70"]:
        text += f" {first['per_week_70']:.1f} new opportunities a week would make it 70 %"
        text += f"; the product of averages says {first['naive_per_week']:.1f}"
        chance = first["naive_chance"]
        text += f", which reaches it in {100 * chance:.0f} % of cases." if chance == chance else "."
    return text
