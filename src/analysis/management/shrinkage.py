"""Comparing people fairly: each rep's number is pulled toward the team by as much as its own data are thin.

Two small hierarchical models integrated on a grid, so that the uncertainty of how much reps differ is carried along
(plain empirical Bayes takes it as known and its intervals come out too short with eight reps).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import special

from analysis.management.intervals import Floats

COLUMNS = ["shrunk", "shrunk_low", "shrunk_high", "group_mean", "gap", "gap_low", "gap_high", "own_share"]
MOST_STEPS = 60
CLOSE_ENOUGH = 1e-6  # of the probability
_SPREAD = np.linspace(0.01, 0.6, 10)  # sd of the reps' true shares as a part of sqrt(mu (1 - mu))


def pool_shares(successes: ArrayLike, trials: ArrayLike, level: float = 0.95) -> pd.DataFrame:
    """Beta-binomial model of one group's shares (flat priors on the mean and on the relative spread of reps).

    successes, trials: one value a rep, fractional values allowed. Returns, in the same order: shrunk, shrunk_low,
    shrunk_high, group_mean, gap (rep less group mean), gap_low, gap_high, own_share (1 = the rep's data alone).
    """
    wins, n = np.atleast_1d(np.asarray(successes, float)), np.atleast_1d(np.asarray(trials, float))
    mu = _mean_grid(wins.sum(), n.sum())[:, None, None]
    size = (1 / _SPREAD**2 - 1)[None, :, None]
    a, b = mu * size, (1 - mu) * size
    log = (special.betaln(a + wins, b + n - wins) - special.betaln(a, b)).sum(axis=2)
    weight = np.exp(log - log.max())
    weight = (weight / weight.sum()).ravel()
    cube = (a + wins) / (a + b + n)
    mean = cube.reshape(len(weight), -1)
    sd = np.sqrt(cube * (1 - cube) / (a + b + n + 1)).reshape(mean.shape)
    centre = np.broadcast_to(mu, (len(mu), len(_SPREAD), 1)).reshape(-1, 1)
    own = weight @ np.broadcast_to(n / (n + a + b), cube.shape).reshape(mean.shape)
    both = np.hstack([mean, mean - centre]), np.hstack([sd, sd])
    (low, gap_low), (high, gap_high) = (np.split(bound, 2) for bound in mixture_bounds(weight, *both, level))
    group = float(weight @ centre[:, 0])
    shrunk, bounds = weight @ mean, (np.clip(low, 0, 1), np.clip(high, 0, 1))
    values = (shrunk, *bounds, np.full(len(n), group), shrunk - group, gap_low, gap_high, own)
    return pd.DataFrame(np.column_stack(values), columns=COLUMNS)


def _mean_grid(wins: float, trials: float) -> Floats:
    """Candidate group means: five posterior standard deviations around the pooled share, within (0, 1)."""
    centre = (wins + 0.5) / (trials + 1)
    reach = 5 * np.sqrt(centre * (1 - centre) * (1 / (trials + 1) + 0.01))
    return np.linspace(max(centre - reach, 0.001), min(centre + reach, 0.999), 15)


def mixture_bounds(weight: Floats, mean: Floats, sd: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of a mixture of normals (components x cases) by Newton steps within a bracket."""
    keep = weight > 1e-3 * weight.max()
    weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], np.maximum(sd[keep], 1e-12)
    cases = mean.shape[1]
    tails = np.repeat([(1 - level) / 2, (1 + level) / 2], cases).reshape(2, cases)
    low, high = ((mean - 5 * sd).min(axis=0), (mean + 5 * sd).max(axis=0))
    low, high = np.tile(low, (2, 1)), np.tile(high, (2, 1))
    centre = weight @ mean
    spread = np.sqrt(np.maximum(weight @ (sd**2 + mean**2) - centre**2, 1e-24))
    goal = special.ndtri(tails)
    point = np.clip(centre + goal * spread, low, high)
    for step in range(MOST_STEPS):
        z = (point[:, None] - mean) / sd
        below = np.clip(np.matmul(weight, special.ndtr(z)), 1e-12, 1 - 1e-12)
        there = np.abs(below - tails) < CLOSE_ENOUGH
        if there.all():
            break
        low, high = np.where(below > tails, low, point), np.where(below > tails, point, high)
        # On the scale of normal quantiles a mixture of one hump is nearly a straight line.
        reached = special.ndtri(below)
        slope = np.matmul(weight, np.exp(-(z**2) / 2) / sd) / np.exp(-(reached**2) / 2)
        tried = point + (goal - reached) / np.maximum(slope, 1e-300)
        halve = (tried <= low) | (tried >= high) | (step % 3 == 2)
        point = np.where(there, point, np.where(halve, (low + high) / 2, tried))
    return point[0], point[1]


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
