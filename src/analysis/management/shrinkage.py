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
    (low, gap_low), (high, gap_high) = (np.split(bound, 2) for bound in _mixture_bounds(weight, *both, level))
    group = float(weight @ centre[:, 0])
    columns = {"shrunk": weight @ mean, "shrunk_low": np.clip(low, 0, 1), "shrunk_high": np.clip(high, 0, 1)}
    columns |= {"group_mean": np.full(len(n), group), "gap": weight @ mean - group}
    return pd.DataFrame({**columns, "gap_low": gap_low, "gap_high": gap_high, "own_share": own})


def _mean_grid(wins: float, trials: float) -> Floats:
    """Candidate group means: five posterior standard deviations around the pooled share, within (0, 1)."""
    centre = (wins + 0.5) / (trials + 1)
    reach = 5 * np.sqrt(centre * (1 - centre) * (1 / (trials + 1) + 0.01))
    return np.linspace(max(centre - reach, 0.001), min(centre + reach, 0.999), 15)


def _mixture_bounds(weight: Floats, mean: Floats, sd: Floats, level: float) -> tuple[Floats, Floats]:
    """Quantiles of a mixture of normals (components x cases) by bisection."""
    keep = weight > 1e-3 * weight.max()
    weight, mean, sd = weight[keep] / weight[keep].sum(), mean[keep], np.maximum(sd[keep], 1e-12)
    cases = mean.shape[1]
    tails = np.repeat([(1 - level) / 2, (1 + level) / 2], cases)
    low, high = (np.tile(edge, 2) for edge in ((mean - 5 * sd).min(axis=0), (mean + 5 * sd).max(axis=0)))
    for _ in range(17):
        middle = (low + high) / 2
        z = (middle.reshape(2, 1, cases) - mean) / sd
        above = np.concatenate([weight @ special.ndtr(part) for part in z]) > tails
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    lower, upper = np.split((low + high) / 2, 2)
    return lower, upper


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
    (low, gap_low), (high, gap_high) = (np.split(bound, 2) for bound in _mixture_bounds(weight, *both, level))
    group = np.full(len(y), float(weight @ mu[:, 0]))
    columns = {"shrunk": weight @ theta, "shrunk_low": low, "shrunk_high": high, "group_mean": group}
    columns |= {"gap": weight @ (own * (y - mu)), "gap_low": gap_low, "gap_high": gap_high, "own_share": weight @ own}
    return pd.DataFrame(columns)


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
