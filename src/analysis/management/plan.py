"""The chance of reaching a goal with a plan: open deals, new ones spread over the weeks left, extra activities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ParameterError
from analysis.management.deal_model import (
    DealModel,
    draw_spells,
    drawn_sizes,
    later_wins,
    new_wins,
    won_amounts,
)
from analysis.management.intervals import Floats
from analysis.management.roster import Places


@dataclass(frozen=True, slots=True)
class Goal:
    """What is still to be booked, by when. open_*: age in weeks and typed amount (NaN = unknown) of running cases.

    elapsed: share of the period's days that are over, today included; NaN where the period is not known.
    """

    quota: float
    booked: float
    weeks_left: float
    open_ages: Floats
    open_amounts: Floats
    elapsed: float = float("nan")

    @property
    def missing(self) -> float:
        """Amount still to be booked."""
        return max(self.quota - self.booked, 0.0)


@dataclass(frozen=True, slots=True)
class ChanceCurve:
    """Probability of reaching the goal with so many new cases (or extra activities) spread evenly over the weeks left.

    numbers: what was tried, ascending from 0; chances: of reaching the goal with each.
    """

    numbers: Floats
    chances: Floats
    weeks_left: float

    def needed(self, chance: float) -> float:
        """Smallest number tried with at least this chance; NaN where none reaches it."""
        if not 0 < chance < 1:
            raise ParameterError(f"chance {chance} must lie between 0 and 1")
        reached = np.nonzero(self.chances >= chance)[0]
        return float(self.numbers[reached[0]]) if len(reached) else float("nan")

    def at(self, number: float) -> float:
        """Chance with this many, linear between those tried; NaN beyond them."""
        return float(np.interp(number, self.numbers, self.chances, right=np.nan))


def _base(model: DealModel, goal: Goal, spell: Floats, rng: np.random.Generator) -> Floats:
    """What the cases open today bring in time, per draw."""
    if not len(goal.open_ages):
        return np.zeros(model.draws)
    won = later_wins(model, goal.open_ages, goal.weeks_left, spell, rng)
    draw, _, amount = won_amounts(model, won, rng, goal.open_amounts)
    return _by_draw(model, draw, amount)


def _by_draw(model: DealModel, draw: Places, amount: Floats) -> Floats:
    return np.asarray(np.bincount(draw, amount, model.draws), dtype=np.float64)


def _gains(
    model: DealModel, number: int, weeks: float, spell: Floats, rng: np.random.Generator
) -> tuple[Places, Places, Floats]:
    """Draw, case and amount of the new cases won in time; any first n of the cases are spread evenly over the weeks."""
    return won_amounts(model, new_wins(model, weeks - _spread_out(number) * weeks, spell, rng), rng)


def chance_curve(
    model: DealModel, goal: Goal, most: int, *, factor: Floats | None = None, seed: int = 0
) -> ChanceCurve:
    """Simulate the goal with 0..most new cases. The same draws serve every number, so the curve does not flicker.

    factor: (draws,) what all chances are multiplied with, such as a rep's conversion over the team's.
    """
    rng = np.random.default_rng(seed)
    spell = draw_spells(model, rng) * (1.0 if factor is None else factor)
    gains = _gains(model, most, goal.weeks_left, spell, rng)
    reached = _reached(*gains, _base(model, goal, spell, rng), most, goal.missing)
    return ChanceCurve(np.arange(most + 1.0), reached / model.draws, goal.weeks_left)


def _reached(draw: Places, case: Places, amount: Floats, base: Floats, most: int, missing: float) -> Floats:
    """Number of draws that reach what is missing with the first 0..most cases. draw, and case within it: ascending."""
    wins = np.bincount(draw, minlength=len(base))
    first = np.cumsum(wins) - wins
    total = np.zeros((len(base), int(wins.max()) + 1))  # after none, one, two, ... of the draw's wins
    total[draw, np.arange(1, len(draw) + 1) - first[draw]] = amount
    np.cumsum(total, axis=1, out=total)
    total += base[:, None]
    short = np.count_nonzero(total < missing, axis=1)  # no amount is negative: whoever gets there stays there
    later, needed = (short > 0) & (short <= wins), np.zeros(len(base), dtype=np.int64)
    needed[later] = case[first[later] + short[later] - 1] + 1
    return np.cumsum(np.bincount(needed[short <= wins], minlength=most + 1)).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Effect:
    """What the study says of one extra activity: money with its standard error, and weeks until it shows."""

    money: float
    std_error: float
    lag_weeks: float


@dataclass(frozen=True)
class Outlook:
    """A team's goal at its present pace of new cases (a week): what every activity's curve starts from.

    factor: (draws,) what all chances are multiplied with; see `chance_curve`.
    """

    model: DealModel
    goal: Goal
    pace: float
    factor: Floats
    seed: int = 0

    @cached_property
    def start(self) -> tuple[Floats, dict[str, Any]]:
        """What open cases and those of the present pace bring, per draw; and the generator's state after that."""
        model, goal, rng = self.model, self.goal, np.random.default_rng(self.seed)
        spell = draw_spells(model, rng) * self.factor
        total = _base(model, goal, spell, rng)
        draw, _, amount = _gains(model, round(self.pace * goal.weeks_left), goal.weeks_left, spell, rng)
        return total + _by_draw(model, draw, amount), dict(rng.bit_generator.state)


def activity_curve(outlook: Outlook, effect: Effect, most_per_week: float) -> ChanceCurve:
    """Simulate the goal at the present pace of new cases plus 0..most_per_week extra activities a week.

    Extra revenue arrives as whole deals (a Poisson number of them) and only from activities early enough to show.
    """
    model, goal = outlook.model, outlook.goal
    total, state = outlook.start
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    money = np.maximum(effect.money + effect.std_error * rng.standard_normal(model.draws), 0.0)
    useful = max(goal.weeks_left - effect.lag_weeks, 0.0)
    extra = np.linspace(0, most_per_week, 25)
    expected = money[:, None] * extra * useful / model.mean_size
    # Thinning one Poisson process keeps the curve smooth: more activities only ever add deals.
    steps = rng.poisson(np.diff(expected, axis=1, prepend=0.0))
    total = total[:, None] + np.cumsum(_compound(model, steps, rng), axis=1)
    return ChanceCurve(extra * goal.weeks_left, (total >= goal.missing).mean(axis=0), goal.weeks_left)


def _compound(model: DealModel, number: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Sum of so many deal amounts per cell (draws x steps)."""
    cell = np.repeat(np.arange(number.size), number.ravel())
    rounds = -(-len(cell) // model.draws)
    # Whole rounds over the draws keep every amount with the parameters of some draw; which one does not matter here.
    draw = np.repeat(np.arange(model.draws), rounds)
    amounts = drawn_sizes(model, draw, rng).reshape(model.draws, rounds).T.ravel()
    return np.asarray(np.bincount(cell, amounts[: len(cell)], number.size), dtype=np.float64).reshape(number.shape)


def _spread_out(number: int) -> Floats:
    """The first points of the van der Corput sequence in base 2."""
    digits = np.arange(number.bit_length())
    return (np.arange(1, number + 1)[:, None] >> digits & 1) @ 0.5 ** (digits + 1)
