"""How this team's deals turn out: when they are won, how large they are, how much quarters differ, with uncertainty.

A model is a set of draws from what the data allow, not one best guess: curves by the Bayesian bootstrap over deals
(Rubin 1981; Lo 1993 for censored times), sizes from a log scale with drawn mean and spread and the team's own shape,
and a factor for the good and bad spells that all deals of a period share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis import words
from analysis.errors import Refused
from analysis.management.intervals import Floats
from analysis.management.roster import Places
from analysis.management.survival import EVENT, OPEN, OTHER

SAY = words.Voice("management.refused")
MIN_WON = 5  # deals won below which no distribution of sizes or times is drawn
_LONGEST_WEEKS = 78
_AT_ONCE = 16_384  # numbers worked on together: they stay in the processor's cache
Columns = Mapping[str, NDArray[Any]]  # cases as arrays of equal length, by name


@dataclass(frozen=True, slots=True)
class DealModel:
    """Draws of how deals end. won, ended: draws x age in weeks (0..), shares of a cohort; log_mean, log_sd: draws.

    shape: standardised log sizes of won deals. spell_sd: relative spread, between periods of the horizon's length,
    of what deals yield beyond chance. mean_size, win_share: the plain averages the naive product uses.
    """

    won: Floats
    ended: Floats
    log_mean: Floats
    log_sd: Floats
    shape: Floats
    spell_sd: float
    mean_size: float
    win_share: float
    n_deals: int
    n_won: int

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.log_mean)

    def first(self, draws: int) -> DealModel:
        """The model with the first so many of its draws, or all that there are."""
        parts = {name: getattr(self, name)[:draws] for name in ("won", "ended", "log_mean", "log_sd")}
        return replace(self, **parts)


def deal_model(
    cases: Columns | pd.DataFrame, sizes: Floats, *, horizon_weeks: float = 13.0, draws: int = 1000, seed: int = 0
) -> DealModel:
    """Model from deal cases (`days`, `end`, `late` and `start` where known, see `deals.timed_deals`) and the booked sizes
    of won deals.

    Raises Refused below five won deals: the data cannot carry a distribution.
    """
    sizes = np.asarray(sizes, dtype=float)
    sizes = sizes[sizes > 0]
    end = np.asarray(cases["end"])
    won_count = int((end == EVENT).sum())
    if won_count < MIN_WON or len(sizes) < MIN_WON:
        raise Refused(SAY.text("few_won", {"won": min(won_count, len(sizes)), "needed": MIN_WON}))
    rng = np.random.default_rng(seed)
    won, ended = _curves(cases, draws, rng)
    log = np.log(sizes)
    spread = float(log.std(ddof=1))
    log_sd = spread * np.sqrt((len(log) - 1) / rng.chisquare(len(log) - 1, draws))
    log_mean = log.mean() + log_sd * rng.standard_normal(draws) / np.sqrt(len(log))
    shape = (log - log.mean()) / max(spread, 1e-9) * np.sqrt(len(log) / (len(log) - 1)) if spread else np.zeros(1)
    spell = _spell_sd(cases, won.mean(axis=0), ended.mean(axis=0), horizon_weeks) if "start" in cases else 0.0
    share = won_count / len(end)
    return DealModel(won, ended, log_mean, log_sd, shape, spell, float(sizes.mean()), share, len(end), won_count)


def _curves(cases: Columns | pd.DataFrame, draws: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Aalen-Johansen curves by week of age under Dirichlet weights on the deals."""
    week, entry = _weeks(cases["days"]), _entry(cases)
    ages = int(week.max()) + 1
    count = np.bincount((entry * ages + week) * 3 + np.asarray(cases["end"]))
    cells = np.flatnonzero(count)
    # The sum of k exponential weights is one gamma(k) weight: one draw a cell instead of one a deal.
    weight = rng.gamma(count[cells], size=(draws, len(cells)))
    entry, week, end = cells // (3 * ages), cells // 3 % ages, cells % 3
    late = int(np.searchsorted(entry, 1))  # the cells stand in the order of entry
    young, old = weight[:, :late], weight[:, late:]
    by_end = np.zeros((3, draws, ages))
    by_end[end[:late], :, week[:late]] = young.T
    for kind in np.unique(end[late:]):
        by_end[kind] += _by_age(old[:, end[late:] == kind], week[late:][end[late:] == kind], ages)
    come, total = _by_age(old, entry[late:], ages), by_end.sum(axis=0)
    after = young.sum(axis=1, keepdims=True) + np.cumsum(come - total, axis=1)
    # In the week in which a deal comes or goes unfinished it was at risk for half of it on average.
    at_risk = np.maximum(after + by_end[EVENT] + by_end[OTHER] + (by_end[OPEN] - come) / 2, 1e-12)
    leave = np.clip((by_end[EVENT] + by_end[OTHER]) / at_risk, 0.0, 1.0)
    stay = np.cumprod(1 - leave, axis=1)
    before = np.column_stack([np.ones(draws), stay[:, :-1]])
    won = np.cumsum(before * by_end[EVENT] / at_risk, axis=1)
    start = np.zeros((draws, 1))
    return np.hstack([start, won]), np.hstack([start, 1 - stay])


def _weeks(days: ArrayLike) -> Places:
    return np.minimum(np.asarray(days, dtype=np.float64) // 7, _LONGEST_WEEKS - 1).astype(np.int64)


def _entry(cases: Columns | pd.DataFrame) -> Places:
    """Week of age from which each deal is known of: of deals begun before the records only those that lasted are in them."""
    return _weeks(cases["late"]) if "late" in cases else np.zeros(len(cases["days"]), np.int64)


def _by_age(weight: Floats, age: Places, ages: int) -> Floats:
    """Sums (draws, ages) of the cells' weights."""
    onto = np.zeros((len(age), ages))
    onto[np.arange(len(onto)), age] = 1.0
    return np.dot(weight, onto)


def _spell_sd(cases: Columns | pd.DataFrame, won: Floats, ended: Floats, horizon_weeks: float) -> float:
    """Spread between spells beyond chance: wins per spell against those expected from deals at risk (moments)."""
    hazard = np.diff(won) / np.maximum(1 - ended[:-1], 1e-9)
    weeks = np.minimum(np.asarray(cases["days"], dtype=np.float64) // 7, len(hazard) - 1).astype(np.int64)
    start = (np.asarray(cases["start"], dtype="datetime64[D]").astype(np.int64) - 4) // 7
    entry = np.minimum(_entry(cases), weeks)
    reps = weeks + 1 - entry
    age = np.arange(reps.sum()) - np.repeat(np.cumsum(reps) - reps - entry, reps)
    calendar = np.repeat(start, reps) + age
    last = int((start + weeks).max())
    size = max(round(horizon_weeks), 1)
    spell = (last - calendar) // size
    expected = np.bincount(spell, weights=hazard[age])
    actual = np.bincount((last - (start + weeks)[np.asarray(cases["end"]) == EVENT]) // size, minlength=len(expected))
    whole = expected > 0
    whole[-1] = False  # the oldest spell is cut off
    e, o = expected[whole], actual[whole].astype(float)
    if whole.sum() < 3:
        return 0.0
    # Fitting the curve to the same deals uses one degree of freedom.
    excess = ((o - e) ** 2 - e).sum() * whole.sum() / (whole.sum() - 1)
    return float(np.sqrt(np.clip(excess / (e**2).sum(), 0.0, 1.0)))


def later_win(model: DealModel, age_weeks: Floats, more_weeks: float) -> Floats:
    """draws x deals: chance that a deal open at this age is won within so many more weeks."""
    return _later(model, age_weeks, more_weeks)(slice(None))


def new_win(model: DealModel, weeks_left: Floats) -> Floats:
    """draws x cases: chance that a case which starts with so many weeks left is won in time."""
    return _new(model, weeks_left)(slice(None))


def later_wins(
    model: DealModel, age_weeks: Floats, more_weeks: float, spell: Floats, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which deals open at this age are won (draws x deals), given the spell's factor per draw; see `later_win`."""
    return _drawn(_later(model, age_weeks, more_weeks), len(age_weeks), spell, rng)


def new_wins(model: DealModel, weeks_left: Floats, spell: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which new cases are won (draws x cases), given the spell's factor per draw; see `new_win`."""
    return _drawn(_new(model, weeks_left), len(weeks_left), spell, rng)


Chances = Callable[[slice], Floats]  # of some of the draws: draws x cases


def _later(model: DealModel, age_weeks: Floats, more_weeks: float) -> Chances:
    ages = model.won.shape[1]
    age = np.asarray(age_weeks, dtype=float)
    now = _between(age, ages)
    step = _between(age + more_weeks, ages) - now

    def chance(part: slice) -> Floats:
        left = 1 - model.ended[part] @ now
        likely = np.clip(model.won[part] @ step / np.maximum(left, 1e-9), 0.0, 1.0)
        likely[left <= 1e-9] = 0.0
        return likely

    return chance


def _new(model: DealModel, weeks_left: Floats) -> Chances:
    then = _between(np.asarray(weeks_left, dtype=float), model.won.shape[1])
    return lambda part: np.clip(model.won[part] @ then, 0.0, 1.0)


def _between(when: Floats, ages: int) -> Floats:
    """ages x cases: weights that read a curve at fractional ages (at its end beyond it), linear in between."""
    when = np.minimum(when, ages - 1)
    low, case = np.floor(when).astype(int), np.arange(len(when))
    out = np.zeros((ages, len(when)))
    out[low, case] = 1 - (when - low)
    out[np.minimum(low + 1, ages - 1), case] += when - low
    return out


def _drawn(chance: Chances, cases: int, spell: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    won = np.empty((len(spell), cases), dtype=bool)
    for part in blocks(len(spell), cases):
        likely = chance(part) * spell[part, None]
        np.less(rng.random(likely.shape), likely, out=won[part])
    return won


def blocks(draws: int, cases: int) -> Iterator[slice]:
    """The draws in parts that are small enough, with so many cases, to be quick."""
    size = max(_AT_ONCE // max(cases, 1), 16)
    return (slice(start, min(start + size, draws)) for start in range(0, draws, size))


def won_amounts(
    model: DealModel, won: NDArray[np.bool_], rng: np.random.Generator, known: Floats | None = None
) -> tuple[Places, Places, Floats]:
    """Draw, case and booked amount of every case that is won: the case's known amount where there is one, else drawn."""
    place, cases = np.flatnonzero(won), max(won.shape[1], 1)
    draw = place // cases
    case = place - draw * cases
    size = drawn_sizes(model, draw, rng)
    return draw, case, size if known is None else np.where(np.isnan(known[case]), size, known[case])


def drawn_sizes(model: DealModel, draw: Places, rng: np.random.Generator) -> Floats:
    """One size per entry, from the parameters of its draw."""
    shape = draw.shape
    noise = rng.choice(model.shape, size=shape) if len(model.shape) > 1 else np.zeros(shape)
    # A little normal noise fills the gaps between the few sizes seen without changing their spread.
    width = 0.3 if len(model.shape) > 1 else 0.0
    noise = (noise + width * rng.standard_normal(shape)) / np.sqrt(1 + width**2)
    return np.exp(model.log_mean[draw] + model.log_sd[draw] * noise)


def draw_spells(model: DealModel, rng: np.random.Generator) -> Floats:
    """One factor per draw, mean 1, for what all deals of the period share."""
    if model.spell_sd <= 0:
        return np.ones(model.draws)
    shape = 1 / model.spell_sd**2
    return rng.gamma(shape, 1 / shape, model.draws)
