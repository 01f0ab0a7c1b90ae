"""Accounts and their rhythm: each seat looks after a book of accounts, touched in their own turn; some go dark."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.process import Process
from analysis.crm.simulate.season import Axis

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PER_SEAT = 24
DARK_SHARE = 0.08
CHASED_SHARE = 0.4
EVERY_WEEKS = (1, 1, 2, 2, 2, 3, 3, 4)
NEVER_DARK = 10**6


@dataclass(frozen=True, slots=True)
class Accounts:
    """Accounts of a range of seats, seats x PER_SEAT; weeks are indices of the axis.

    number: company-wide; every_weeks: rhythm; first_week; dark_week: first silent week (NEVER_DARK = none);
    chased: the rep goes on with messages that lead nowhere. order: weeks x seats x PER_SEAT, accounts due in the week
    first; due: weeks x seats, how many are due.
    """

    number: Ints
    every_weeks: Ints
    first_week: Ints
    dark_week: Ints
    chased: Bools
    order: Ints
    due: Ints

    def turn(self, week: Ints, seat: Ints, place: Ints) -> Ints:
        """Which account (0..PER_SEAT-1) the place-th touch of a rep's week goes to."""
        return self.order[week, seat, place % np.maximum(self.due[week, seat], 1)]


def build(process: Process, first_seat: int, seats: int, rng: np.random.Generator) -> Accounts:
    """The accounts of `seats` seats from `first_seat` on."""
    calendar, shape = process.calendar, (seats, PER_SEAT)
    number = (first_seat + np.arange(seats))[:, None] * PER_SEAT + np.arange(PER_SEAT)
    every = rng.choice(np.array(EVERY_WEEKS), size=shape)
    late = np.arange(PER_SEAT) >= PER_SEAT // 2
    span = max((calendar.stop - calendar.first) * 2 // 3, 1)
    first = np.where(late, calendar.first + rng.integers(0, span, shape), 0)
    dark_week, chased = _dark(process, every, first, rng)
    order, due = _turns(calendar, every, first, np.where(chased, NEVER_DARK, dark_week), rng)
    return Accounts(number, every, first, dark_week, chased, order, due)


def _dark(process: Process, every: Ints, first: Ints, rng: np.random.Generator) -> tuple[Ints, Bools]:
    """Some accounts with a short rhythm fall silent in the last half year, early enough to be seen."""
    calendar = process.calendar
    weeks = calendar.stop - calendar.first
    latest, earliest = calendar.stop - min(10, weeks // 4), calendar.stop - min(26, weeks // 2)
    when = rng.integers(earliest, max(latest, earliest + 1), every.shape)
    known = (every <= 2) & (first + 12 < when)
    dark = known & (rng.random(every.shape) < DARK_SHARE) & ("dark" in process.world.management)
    chased = dark & (rng.random(every.shape) < CHASED_SHARE)
    return np.where(dark, when, NEVER_DARK), chased


def _turns(calendar: Axis, every: Ints, first: Ints, stops: Ints, rng: np.random.Generator) -> tuple[Ints, Ints]:
    week = np.arange(len(calendar.mondays))[:, None, None]
    phase = rng.integers(0, 12, every.shape)
    due = ((week + phase) % every == 0) & (week >= first) & (week < stops)
    rank = rng.random(due.shape) + ~due
    return np.argsort(rank, axis=2), due.sum(axis=2)
