"""The data-generating process: weekly activity drives weekly wins after a delay, among much that only looks like it.

Counts are Poisson around AR(0.6) rates; wins are Poisson with log rate = rep + season + team shock + demand + ramp +
the sum over kinds of a lag kernel applied to the counts. Weeks are drawn one after another, so that results can move
activity (the `reverse` world) exactly as activity moves results.
"""

from dataclasses import dataclass
from datetime import date
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate import deals as deal_room
from analysis.crm.simulate import kernels, planted, roster, season
from analysis.crm.simulate.worlds import Activity, World
from analysis.errors import ParameterError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_LIFT = 3.0  # log points: nobody wins more than twenty times the usual, whatever a freak week of activity held
ACTIVITY_MEMORY = 0.6
REP_LEVEL_SD = 0.3
TEAM_LEVEL_SD = 0.15
TEAM_SHOCK_MEMORY = 0.7
DEAL_MEAN = 16_000.0


@dataclass(frozen=True, slots=True)
class Process:
    """Everything drawn. Arrays over time are weeks x reps (x kinds); kinds follow `world.kinds`.

    counts: what the company's tools recorded; rate: expected wins; log_effect: reps x own kinds, per one extra a week;
    centre: mean weekly count of each own kind, around which effects are taken.
    """

    world: World
    seed: int
    calendar: season.Axis
    roster: roster.Roster
    plants: planted.Plants
    counts: Ints
    rate: Floats
    wins: Ints
    deals: deal_room.Deals
    log_effect: Floats
    centre: Floats
    deal_mean: Floats
    chance: Floats
    rollout_week: Ints


def stream(seed: int, purpose: str) -> np.random.Generator:
    """An independent generator for one purpose, so that adding a table never changes another."""
    return np.random.default_rng([seed, crc32(purpose.encode())])


def run(world: World, seed: int, teams: int, reps_per_team: int, weeks: int, last_week: date) -> Process:
    """Draw the whole company. Raises ParameterError for sizes it cannot have."""
    _check_sizes(seed, teams, reps_per_team, weeks, last_week)
    reps_per_team = min(reps_per_team, world.largest_reps or reps_per_team)
    calendar = season.axis(min(weeks, world.largest_weeks or weeks), last_week)
    people = roster.build(world, calendar, teams, reps_per_team, stream(seed, "roster"))
    plants = planted.build(world, calendar, people, stream(seed, "planted"))
    skill = stream(seed, "skill").standard_normal(people.home.size)
    demand = _demand(world, people, stream(seed, "demand"))
    log_effect = _log_effects(world, people, stream(seed, "effects"))
    activity_rate = _activity_rates(world, calendar, people, plants, skill, demand, stream(seed, "activity"))
    base = _win_base(world, calendar, people, plants, skill, demand, stream(seed, "wins"))
    counts, rate, wins = _weeks(world, activity_rate, base, log_effect, stream(seed, "weeks"))
    rollout = _rollouts(world, calendar, people, stream(seed, "tool"))
    logged = _logged(world, counts, activity_rate, people, rollout, stream(seed, "logged"))
    money, chance = _deal_traits(people, plants, skill, stream(seed, "traits"))
    deals = deal_room.build(wins, rate, chance, money, people, stream(seed, "deals"))
    if world.stage_marker is not None:
        logged = np.concatenate([logged, _proposals(deals, people)[:, :, None]], axis=2)
    centre = np.array([spec.per_week for spec in world.activities])
    return Process(
        world, seed, calendar, people, plants, logged, rate, wins, deals, log_effect, centre, money, chance, rollout
    )


def _check_sizes(seed: int, teams: int, reps_per_team: int, weeks: int, last_week: date) -> None:
    limits = {"teams": (teams, 1, 2000), "reps per team": (reps_per_team, 1, 500), "weeks": (weeks, 8, 520)}
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise ParameterError(f"The number of {name} must lie between {low} and {high}, not {value}.")
    if seed < 0:
        raise ParameterError(f"The seed must not be negative, but it is {seed}.")
    if last_week.weekday() != 0:
        raise ParameterError(f"The last week is named by its Monday; {last_week:%Y-%m-%d} is none.")


def _ar1(rng: np.random.Generator, shape: tuple[int, ...], memory: float) -> Floats:
    """Stationary AR(1) with unit variance along the first axis."""
    path = rng.standard_normal(shape)
    path[1:] *= np.sqrt(1.0 - memory**2)
    for week in range(1, shape[0]):
        path[week] += memory * path[week - 1]
    return path


def _demand(world: World, people: roster.Roster, rng: np.random.Generator) -> Floats:
    """Each rep's own drifting demand, in log points."""
    if world.demand_sd == 0.0:
        return np.zeros(people.team.shape)
    return world.demand_sd * _ar1(rng, people.team.shape, world.demand_memory)


def _log_effects(world: World, people: roster.Roster, rng: np.random.Generator) -> Floats:
    """Log effect of each own kind for each rep; where teams differ, half of them respond twice as much, half not."""
    effect = np.tile([spec.log_effect for spec in world.activities], (people.home.size, 1))
    for column, spec in enumerate(world.activities):
        if spec.teams_differ:
            responds = rng.permutation(people.n_teams) < (people.n_teams + 1) // 2
            effect[:, column] *= 2.0 * responds[people.home]
    return effect


def _activity_rates(
    world: World,
    calendar: season.Axis,
    people: roster.Roster,
    plants: planted.Plants,
    skill: Floats,
    demand: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Expected counts, weeks x reps x own kinds, before any reaction to results."""
    weeks, reps = people.team.shape
    common = _ar1(rng, (weeks, reps), ACTIVITY_MEMORY)
    rates = np.empty((weeks, reps, len(world.activities)))
    quarter = season.activity_season(calendar)[:, None]
    for column, spec in enumerate(world.activities):
        own = _ar1(rng, (weeks, reps), ACTIVITY_MEMORY)
        moves = spec.log_sd * (np.sqrt(spec.shared) * common + np.sqrt(1.0 - spec.shared) * own)
        unlike = (rng.standard_normal(reps) + spec.skill * skill) * plants.ordinary(spec.kind, reps)
        level = spec.level_sd * unlike - spec.level_sd**2 / 2
        drift = spec.territory * demand - (spec.territory * world.demand_sd) ** 2 / 2
        rates[:, :, column] = np.exp(np.log(spec.per_week) + level + moves - spec.log_sd**2 / 2 + quarter + drift)
    rates *= people.worked[:, :, None]
    return rates * plants.activity_factor


def _win_base(
    world: World,
    calendar: season.Axis,
    people: roster.Roster,
    plants: planted.Plants,
    skill: Floats,
    demand: Floats,
    rng: np.random.Generator,
) -> Floats:
    """Expected wins but for the activities, weeks x reps; nobody wins before joining or after leaving."""
    shock = world.team_shock_sd * _ar1(rng, (people.team.shape[0], people.n_teams), TEAM_SHOCK_MEMORY)
    team_level = TEAM_LEVEL_SD * rng.standard_normal(people.n_teams)
    rep_level = REP_LEVEL_SD * skill - REP_LEVEL_SD**2 / 2
    of_team = np.take_along_axis(shock + team_level, people.team, axis=1)
    log_rate = np.log(world.wins_per_week) + rep_level + of_team + demand - world.demand_sd**2 / 2
    log_rate += season.win_season(calendar)[:, None] + _drift_with_tool(world, calendar, people)
    exposure = 1.0 - world.absence_cut * (1.0 - people.worked)
    return np.exp(log_rate) * people.employed * exposure * plants.ramp


def _drift_with_tool(world: World, calendar: season.Axis, people: roster.Roster) -> Floats:
    """Where a logging tool is rolled out (every second team), wins drift up over the two years around it."""
    if world.logging_break is None:
        return np.zeros((1, 1))
    span = np.linspace(-0.3, 0.3, len(calendar.mondays))[:, None]
    return span * (people.team % 2 == 0)


def _weeks(
    world: World, activity_rate: Floats, base: Floats, log_effect: Floats, rng: np.random.Generator
) -> tuple[Ints, Floats, Ints]:
    """Counts, expected wins and wins, drawn week by week."""
    weights = kernels.stack([spec.kernel for spec in world.activities])
    centre = response(world.activities, np.array([spec.per_week for spec in world.activities])) * weights.sum(axis=0)
    push = np.array([spec.push for spec in world.activities])
    counts = np.zeros(activity_rate.shape, dtype=np.int64)
    felt = np.zeros(activity_rate.shape)
    rate, wins = np.zeros(base.shape), np.zeros(base.shape, dtype=np.int64)
    usual = base.mean(axis=0) + 1e-9
    for week in range(base.shape[0]):
        now = activity_rate[week]
        if push.any() and week >= 3:
            surprise = np.clip(wins[week - 3 : week].mean(axis=0) / usual - 1.0, -1.0, 1.5)
            now = now * np.exp(surprise[:, None] * push)
        counts[week] = rng.poisson(now)
        felt[week] = response(world.activities, counts[week])
        reach = min(week, weights.shape[0])
        carried = np.einsum("lrk,lk->rk", felt[week - reach : week][::-1], weights[:reach])
        lift = np.minimum(((carried - centre) * log_effect).sum(axis=1), MOST_LIFT)
        rate[week] = base[week] * np.exp(lift)
        wins[week] = rng.poisson(rate[week])
    return counts, rate, wins


def response(activities: tuple[Activity, ...], counts: Floats | Ints) -> Floats:
    """What a week's count is worth, in units of one activity: the count, or a curve that peaks at the turning point.

    The curve n - n^2 / (2 turning point) is flat from twice the turning point on. counts: (..., kinds).
    """
    felt = np.array(counts, dtype=np.float64)
    for column, spec in enumerate(activities):
        if spec.turning_point is not None:
            seen = np.minimum(felt[..., column], 2.0 * spec.turning_point)
            felt[..., column] = seen - seen**2 / (2.0 * spec.turning_point)
    return felt


def _rollouts(world: World, calendar: season.Axis, people: roster.Roster, rng: np.random.Generator) -> Ints:
    """Week in which each team's logging tool arrives; teams without one get a week after the end."""
    weeks = len(calendar.mondays)
    if world.logging_break is None:
        return np.full(people.n_teams, weeks)
    middle = calendar.first + int((calendar.stop - calendar.first) * 0.45)
    when = middle + rng.integers(-6, 7, people.n_teams)
    return np.where(np.arange(people.n_teams) % 2 == 0, when, weeks)


def _logged(
    world: World, counts: Ints, rates: Floats, people: roster.Roster, rollout: Ints, rng: np.random.Generator
) -> Ints:
    """What the tools recorded: the same work, counted about three times once a roll-out has happened."""
    if world.logging_break is None:
        return counts
    column = world.kinds.index(world.logging_break)
    after = np.arange(counts.shape[0])[:, None] >= rollout[people.team]
    extra = rng.poisson(2.0 * rates[:, :, column]) * after
    logged = counts.copy()
    logged[:, :, column] += extra
    return logged


def _deal_traits(
    people: roster.Roster, plants: planted.Plants, skill: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Mean deal (reporting currency) and chance of winning an opportunity, by rep."""
    of_team = 0.2 * rng.standard_normal(people.n_teams)
    money = DEAL_MEAN * np.exp(of_team[people.home] + 0.1 * rng.standard_normal(people.home.size))
    of_rep = 0.2 * skill * plants.ordinary("created_to_won", skill.size)
    log_odds = -1.0 + 0.2 * rng.standard_normal(people.n_teams)[people.home] + of_rep
    return money, plants.chance_factor / (1.0 + np.exp(-log_odds))


def _proposals(deals: deal_room.Deals, people: roster.Roster) -> Ints:
    """Proposals a week: they follow deals that are already far on, and do nothing themselves."""
    weeks, reps = people.team.shape
    week = deals.proposal_day // 7
    inside = (week >= 0) & (week < weeks)
    rep, week = deals.rep[inside], week[inside]
    here = people.employed[week, rep]
    return np.bincount(week[here] * reps + rep[here], minlength=weeks * reps).reshape(weeks, reps)
