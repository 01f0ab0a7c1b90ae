"""Who works where and when: seats filled by people who join, leave, move between teams and are away."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.season import REGIONS, Axis, holidays
from analysis.crm.simulate.worlds import World

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

STILL_HERE = 10**6
"""Day number that stands for "has not left"."""


@dataclass(frozen=True, slots=True)
class Roster:
    """People and their weeks. Arrays over time are weeks x reps; day numbers count from the axis's first Monday.

    seat: the place a person fills (a successor has the same); hired_day; left_day: last day worked (STILL_HERE = none);
    home: the first team; moved_day: the Monday in another team (STILL_HERE = never); team: team number of each week, also
    before joining; work_days: weeks x reps x weekdays, neither absent nor on holiday; absences: rows of rep, from_day,
    to_day (exclusive); open_days: days x regions.
    """

    n_teams: int
    seat: Ints
    hired_day: Ints
    left_day: Ints
    home: Ints
    moved_day: Ints
    team: Ints
    employed: Bools
    work_days: Bools
    absences: Ints
    open_days: Bools

    @property
    def worked(self) -> Floats:
        """Share of the five weekdays worked, weeks x reps (0 = not employed or away all week)."""
        return self.work_days.sum(axis=2) / 5.0

    @property
    def region(self) -> Ints:
        """Region number of each team."""
        return np.arange(self.n_teams) % len(REGIONS)


def build(world: World, calendar: Axis, n_teams: int, reps_per_team: int, rng: np.random.Generator) -> Roster:
    """Fill n_teams x reps_per_team seats over the whole axis."""
    hired, left, seat = _people(world, calendar, n_teams, reps_per_team, rng)
    home = seat // reps_per_team
    weeks = len(calendar.mondays)
    monday = np.arange(weeks)[:, None] * 7
    employed = (monday >= hired - 4) & (monday <= left)
    moved, destination = _moves(world, calendar, home, hired, left, n_teams, rng)
    team = np.where(monday >= moved, destination, home)
    open_days = _open_days(calendar)
    absent = _absent_days(world, employed, rng)
    regional = open_days.reshape(weeks, 7, -1)[:, :5, :]
    working = regional[np.arange(weeks)[:, None], :, team % len(REGIONS)]
    away = _absence_rows(absent & employed[:, :, None])
    work_days = ~absent & working & employed[:, :, None]
    return Roster(n_teams, seat, hired, left, home, moved, team, employed, work_days, away, open_days)


def _people(
    world: World, calendar: Axis, n_teams: int, reps_per_team: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    seats = np.arange(n_teams * reps_per_team)
    first_day, days = calendar.first * 7, (calendar.stop - calendar.first) * 7
    hired = -rng.integers(200, 2900, seats.size)
    left = np.full(seats.size, STILL_HERE)
    fresh = rng.random(seats.size) < world.new_rep_share
    fresh[0] = world.new_rep_share > 0
    start_week = calendar.first + rng.integers(days // 7 // 8, max(days // 7 * 3 // 4, days // 7 // 8 + 1), seats.size)
    replaces = rng.random(seats.size) < (0.9 if world.turnover else 0.4)
    hired = np.where(fresh & ~replaces, start_week * 7, hired)
    successors = np.flatnonzero(fresh & replaces)
    gap_weeks = rng.integers(2, 7, successors.size)
    last_day = np.maximum((start_week[successors] - gap_weeks) * 7, first_day) + 4
    left[successors] = last_day
    return (
        np.concatenate([hired, start_week[successors] * 7]),
        np.concatenate([left, np.full(successors.size, STILL_HERE)]),
        np.concatenate([seats, seats[successors]]),
    )


def _moves(
    world: World, calendar: Axis, home: Ints, hired: Ints, left: Ints, n_teams: int, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    share = 0.12 if world.turnover and n_teams > 1 else 0.0
    when = rng.integers(calendar.first + 8, max(calendar.stop - 8, calendar.first + 9), home.size) * 7
    destination = (home + rng.integers(1, max(n_teams, 2), home.size)) % n_teams
    moves = (rng.random(home.size) < share) & (when > hired) & (when < left)
    return np.where(moves, when, STILL_HERE), np.where(moves, destination, home)


def _open_days(calendar: Axis) -> Bools:
    days = len(calendar.mondays) * 7
    open_days = np.tile((np.arange(days) % 7 < 5)[:, None], (1, len(REGIONS)))
    years = range(calendar.mondays[0].year, calendar.mondays[-1].year + 1)
    for column, region in enumerate(REGIONS):
        closed = [calendar.day(day) for day in holidays(region, years)]
        open_days[[day for day in closed if 0 <= day < days], column] = False
    return open_days


def _absent_days(world: World, employed: Bools, rng: np.random.Generator) -> Bools:
    """Leave by the week, illness by the day and, in the turnover world, long absences; weeks x reps x 5 weekdays."""
    weeks, people = employed.shape
    away = rng.random((weeks, people)) < 0.055
    ill_days = np.where(rng.random((weeks, people)) < 0.04, rng.integers(1, 4, (weeks, people)), 0)
    if world.turnover:
        begin = rng.integers(0, weeks, people)
        length = np.where(rng.random(people) < 0.1, rng.integers(10, 22, people), 0)
        week = np.arange(weeks)[:, None]
        away |= (week >= begin) & (week < begin + length)
    return away[:, :, None] | (np.arange(5) < ill_days[:, :, None])


def _absence_rows(absent: Bools) -> Ints:
    """Runs of absence within a week (always from Monday on), joined over full weeks; rows of rep, from_day, to_day."""
    days_away = absent.sum(axis=2).T
    rep, week = np.nonzero(days_away)
    length = days_away[rep, week]
    full = length == 5
    joins = np.zeros(rep.size, dtype=bool)
    joins[1:] = full[:-1] & (rep[1:] == rep[:-1]) & (week[1:] == week[:-1] + 1)
    starts = np.flatnonzero(~joins)
    last = np.append(starts[1:], rep.size) - 1 if rep.size else starts
    to_day = week[last] * 7 + np.where(full[last], 7, length[last])
    return np.column_stack([rep[starts], week[starts] * 7, to_day]).astype(np.int64)
