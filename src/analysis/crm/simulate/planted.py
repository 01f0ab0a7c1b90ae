"""Truths planted for management: coaching that works or not, new reps' ramp, one-thing gaps. Each can be absent."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.roster import Roster
from analysis.crm.simulate.season import Axis
from analysis.crm.simulate.worlds import World

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

RAMP_START, RAMP_WEEKS = 0.3, 14.0
COACHING_WEEKS = 6
SKILLED_EFFECT, OTHER_EFFECT = 0.08, -0.06
FOCUS_WEEKS = 13
ACTIVITY_GAP, CHANCE_GAP, QUALITY_GAP = 0.4, 0.45, 0.4


@dataclass(frozen=True, slots=True)
class Plants:
    """What the process has to know of them.

    activity_factor: weeks x reps x own kinds (gaps and coaching); ramp: weeks x reps, share of full productivity;
    chance_factor, meaningful_factor: by rep; sessions: weeks x reps, coaching sessions; focus: weeks x reps, number of
    the coached kind; skilled: by team, whether its manager's coaching helps; gaps: (rep, what, factor).
    """

    activity_factor: Floats
    ramp: Floats
    chance_factor: Floats
    meaningful_factor: Floats
    sessions: Ints
    focus: Ints
    skilled: Bools
    gaps: tuple[tuple[int, str, float], ...]

    def ordinary(self, what: str, reps: int) -> Bools:
        """Reps without a planted gap in `what`; the others would be like everybody, but for the gap."""
        marked = [rep for rep, name, _ in self.gaps if name == what]
        return ~np.isin(np.arange(reps), marked)


def build(world: World, calendar: Axis, people: Roster, rng: np.random.Generator) -> Plants:
    """Plant what the world's `management` names; what it does not name has factor 1 everywhere."""
    weeks, reps = people.team.shape
    matter = [i for i, spec in enumerate(world.activities) if spec.role == "matters"] or [0]
    skilled = rng.permutation(people.n_teams) < (people.n_teams + 1) // 2
    sessions, focus = _coaching(people, matter, rng)
    factor = np.ones((weeks, reps, len(world.activities)))
    if "coaching" in world.management:
        effect = np.where(skilled, SKILLED_EFFECT, OTHER_EFFECT)[people.team]
        lift = np.exp(effect * recent_sessions(sessions, focus))
        for kind in matter:
            factor[:, :, kind] = np.where(focus == kind, lift, 1.0)
    gaps = _gaps(world, calendar, people, matter, rng) if "gaps" in world.management else ()
    chance, meaningful = np.ones(reps), np.ones(reps)
    for rep, what, size in gaps:
        if what == "created_to_won":
            chance[rep] = size
        elif what == "meaningful_calls":
            meaningful[rep] = size
        else:
            factor[:, rep, world.kinds.index(what)] *= size
    return Plants(factor, ramp_curve(world, people), chance, meaningful, sessions, focus, skilled, gaps)


def ramp_curve(world: World, people: Roster) -> Floats:
    """Share of full productivity by week: starts at RAMP_START, the rest is made up with time constant RAMP_WEEKS."""
    if "ramp" not in world.management:
        return np.ones(people.team.shape)
    tenure = np.arange(people.team.shape[0])[:, None] - people.hired_day / 7.0
    return 1.0 - (1.0 - RAMP_START) * np.exp(-np.maximum(tenure, 0.0) / RAMP_WEEKS)


def recent_sessions(sessions: Ints, focus: Ints) -> Floats:
    """Sessions on the present focus in the COACHING_WEEKS weeks before each week; weeks x reps."""
    recent = np.zeros(sessions.shape)
    for lag in range(1, COACHING_WEEKS + 1):
        same = focus[lag:] == focus[:-lag]
        recent[lag:] += sessions[:-lag] * same
    return recent


def _coaching(people: Roster, matter: list[int], rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Managers coach with unequal diligence; each rep has one focus for FOCUS_WEEKS weeks."""
    weeks, reps = people.team.shape
    diligence = rng.uniform(0.1, 0.45, people.n_teams)
    sessions = rng.poisson(diligence[people.team] * (people.worked > 0.5))
    blocks = rng.choice(np.array(matter), size=(weeks // FOCUS_WEEKS + 1, reps))
    return sessions, np.repeat(blocks, FOCUS_WEEKS, axis=0)[:weeks]


def _gaps(
    world: World, calendar: Axis, people: Roster, matter: list[int], rng: np.random.Generator
) -> tuple[tuple[int, str, float], ...]:
    """One thing for one rep of each of several teams, among those employed all the time."""
    steady = people.employed[calendar.first : calendar.stop].all(axis=0)
    sizes = [(world.activities[i].kind, ACTIVITY_GAP) for i in matter]
    sizes += [("created_to_won", CHANCE_GAP), ("meaningful_calls", QUALITY_GAP)]
    chosen = []
    for team in range(people.n_teams):
        candidates = np.flatnonzero(steady & (people.home == team) & (people.moved_day > 10**5))
        if candidates.size >= 3 and team % 2 == 0:
            what, size = sizes[(team // 2) % len(sizes)]
            chosen.append((int(rng.choice(candidates)), what, size))
    return tuple(chosen)
