"""Comparing people fairly: each rep's number is pulled toward the team by as much as its own data are thin.

Two small hierarchical models integrated on a grid, so that the uncertainty of how much reps differ is carried along
(plain empirical Bayes takes it as known and its intervals come out too short with eight reps).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from analysis.management.intervals import Cells, Floats

COLUMNS = ["shrunk", "shrunk_low", "shrunk_high", "group_mean", "gap", "gap_low", "gap_high", "own_share"]
MOST_STEPS = 60
CLOSE_ENOUGH = 1e-6  # of the probability
_GROUPS_AT_ONCE = 16  # bounds the memory
_SPREAD = np.linspace(0.01, 0.6, 10)  # sd of the reps' true shares as a part of sqrt(mu (1 - mu))


def pool_shares(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Beta-binomial model of one group's shares (flat priors on the mean and on the relative spread of reps).

    successes, trials: one value a rep, fractional values allowed. Returns, in the same order: shrunk, shrunk_low,
    shrunk_high, group_mean, gap (rep less group mean), gap_low, gap_high, own_share (1 = the rep's data alone).
    """
    wins, n = np.atleast_1d(np.asarray(successes, float)), np.atleast_1d(np.asarray(trials, float))
    return pd.DataFrame(pooled(wins, n, np.zeros(len(n), dtype=np.int64), level), columns=COLUMNS)


def pooled(wins: Floats, n: Floats, group: Cells, level: float = 0.95) -> Floats:
    """`pool_shares` of many groups, each by itself: reps x COLUMNS. group: a number a rep."""
    names, group = np.unique(group, return_inverse=True)
    out = np.empty((len(n), len(COLUMNS)))
    for first in range(0, len(names), _GROUPS_AT_ONCE):
        here = (group >= first) & (group < first + _GROUPS_AT_ONCE)
        out[here] = _pooled(wins[here], n[here], group[here] - first, level)
    return out


def _pooled(wins: Floats, n: Floats, group: Cells, level: float) -> Floats:
    """Arrays are candidates (of mean and spread) x groups, or candidates x reps."""
    member = (group[:, None] == np.arange(group.max() + 1)).astype(np.float64)
    mu = np.repeat(_mean_grid(wins @ member, n @ member), len(_SPREAD), axis=0)
    size = np.tile(1 / _SPREAD**2 - 1, len(mu) // len(_SPREAD))[:, None]
    flat = special.betaln(mu * size, (1 - mu) * size)
    centre = mu[:, group]
    a, b = centre * size, (1 - centre) * size
    log = (special.betaln(a + wins, b + n - wins) - flat[:, group]) @ member
    weight = np.exp(log - log.max(axis=0))
    weight /= weight.sum(axis=0)
    mean = (a + wins) / (size + n)
    sd = np.sqrt(mean * (1 - mean) / (size + n + 1))
    both = np.hstack([mean, mean - centre]), np.hstack([sd, sd])
    bounds = mixture_bounds(weight, *both, level, np.tile(group, 2))
    (low, gap_low), (high, gap_high) = (np.split(bound, 2) for bound in bounds)
    mine = weight[:, group]
    middle, shrunk, own = ((mine * part).sum(axis=0) for part in (centre, mean, n / (n + size)))
    shown = np.clip(low, 0, 1), np.clip(high, 0, 1)
    return np.column_stack((shrunk, *shown, middle, shrunk - middle, gap_low, gap_high, own))


def _mean_grid(wins: Floats, trials: Floats) -> Floats:
    """Candidate means (15 x groups): five posterior standard deviations around the pooled share, within (0, 1)."""
    centre = (wins + 0.5) / (trials + 1)
    reach = 5 * np.sqrt(centre * (1 - centre) * (1 / (trials + 1) + 0.01))
    return np.linspace(np.maximum(centre - reach, 0.001), np.minimum(centre + reach, 0.999), 15)


def mixture_bounds(
    weight: Floats, mean: Floats, sd: Floats, level: float, group: Cells | None = None
) -> tuple[Floats, Floats]:
    """Quantiles of mixtures of normals (components x cases) by Newton steps within a bracket.

    weight: of the components, one set for all cases; or components x groups, and the group of each case.
    """
    weight, mean, sd = _likely(weight.reshape(len(weight), -1), mean, sd, group)
    cases = mean.shape[1]
    centre = (weight * mean).sum(axis=0)
    spread = np.sqrt(np.maximum((weight * (sd**2 + mean**2)).sum(axis=0) - centre**2, 1e-24))
    used = weight > 0
    low = np.where(used, mean - 5 * sd, np.inf).min(axis=0)
    high = np.where(used, mean + 5 * sd, -np.inf).max(axis=0)
    # Both tails of every case stand side by side; what is close enough drops out, and the rest goes on.
    weight, mean, sd, low, high = (np.concatenate([part, part], axis=-1) for part in (weight, mean, sd, low, high))
    tail = np.repeat([(1 - level) / 2, (1 + level) / 2], cases)
    goal = special.ndtri(tail)
    point = np.clip(np.tile(centre, 2) + goal * np.tile(spread, 2), low, high)
    out, going = point.copy(), np.arange(2 * cases)
    for step in range(MOST_STEPS):
        z = (point - mean) / sd
        below = np.clip((weight * special.ndtr(z)).sum(axis=0), 1e-12, 1 - 1e-12)
        far = np.abs(below - tail) >= CLOSE_ENOUGH
        if not far.any():
            break
        if not far.all():
            parts = (going, point, low, high, tail, goal, below, weight, mean, sd, z)
            going, point, low, high, tail, goal, below, weight, mean, sd, z = (part[..., far] for part in parts)
        over = below > tail
        low, high = np.where(over, low, point), np.where(over, point, high)
        # On the scale of normal quantiles a mixture of one hump is nearly a straight line.
        reached = special.ndtri(below)
        slope = (weight * np.exp(-(z**2) / 2) / sd).sum(axis=0) / np.exp(-(reached**2) / 2)
        tried = point + (goal - reached) / np.maximum(slope, 1e-300)
        halve = (tried <= low) | (tried >= high) | (step % 3 == 2)
        point = np.where(halve, (low + high) / 2, tried)
        out[going] = point
    return out[:cases], out[cases:]


def _likely(weight: Floats, mean: Floats, sd: Floats, group: Cells | None) -> tuple[Floats, Floats, Floats]:
    """Weight (by case), mean and sd of the components that matter to any case; those that do not matter weigh nothing."""
    weight = np.where(weight > 1e-3 * weight.max(axis=0), weight, 0.0)
    weight = weight / weight.sum(axis=0)
    group = np.zeros(mean.shape[1], dtype=np.int64) if group is None else group
    first = np.argsort(-weight, axis=0, kind="stable")[: int((weight > 0).sum(axis=0).max())]
    order = first[:, group]
    mean, sd = (np.take_along_axis(part, order, axis=0) for part in (mean, sd))
    return np.take_along_axis(weight, first, axis=0)[:, group], mean, np.maximum(sd, 1e-12)


def pool_means(estimates: ArrayLike, errors: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Normal model of one group's estimates with known standard errors (flat priors on mean and on spread).

    Returns the columns of `pool_shares`. With fewer than three estimates nothing is pulled: own_share is 1.
    """
    y, s = np.atleast_1d(np.asarray(estimates, float)), np.atleast_1d(np.asarray(errors, float))
    weight, mu, total, own = _spread_grid(y, s)
    theta = own * y + (1 - own) * mu
    sd = np.sqrt(own * s**2 + (1 - own) ** 2 / total)
    gap_sd = np.sqrt(own * s**2 + own**2 / total)
    both = np.hstack([theta, own * (y - mu)]), np.hstack([sd, gap_sd])
    (low, gap_low), (high, gap_high) = (np.split(bound, 2) for bound in mixture_bounds(weight, *both, level))
    group, gap = np.full(len(y), float(weight @ mu[:, 0])), weight @ (own * (y - mu))
    values = (weight @ theta, low, high, group, gap, gap_low, gap_high, weight @ own)
    return pd.DataFrame(np.column_stack(values), columns=COLUMNS)


def _spread_grid(y: Floats, s: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Posterior weight of each candidate spread, with its mean, total precision and own share."""
    if len(y) < 3:
        total = np.full((1, 1), (1 / s**2).sum())
        return np.ones(1), np.full((1, 1), np.average(y, weights=1 / s**2)), total, np.ones((1, len(y)))
    top = max(float(np.std(y, ddof=1)) * 3, float(np.median(s)) * 2, 1e-12)
    tau = np.linspace(0, top, 41)[:, None]
    precision = 1 / (tau**2 + s**2)
    total = precision.sum(axis=1, keepdims=True)
    mu = (precision * y).sum(axis=1, keepdims=True) / total
    log = 0.5 * (np.log(precision) - precision * (y - mu) ** 2).sum(axis=1) - 0.5 * np.log(total[:, 0])
    weight = np.exp(log - log.max())
    return weight / weight.sum(), mu, total, tau**2 * precision
