"""Logistic regression with one effect per group left out of the output: conversions compared within reps.

Newton's method on regressors and group effects together; the group effects leave each step through their diagonal
block, so that hundreds of reps cost nothing. Errors cluster by group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from analysis import words
from analysis.errors import Refused
from analysis.management.intervals import Floats

SAY = words.Voice("management.refused")


@dataclass(frozen=True, slots=True)
class GroupedLogit:
    """coef (p,): log odds per unit; cov (p, p): clustered by group; effect (G,): group effects; used (n,): rows kept
    (groups where all or none converted tell nothing about the regressors)."""

    coef: Floats
    cov: Floats
    effect: Floats
    used: NDArray[np.bool_]
    groups: int

    def interval(self, weights: Floats, level: float = 0.95) -> tuple[float, float, float, float]:
        """Estimate of weights' coef, low, high, p-value; t with groups - 1 degrees of freedom."""
        value = float(weights @ self.coef)
        error = float(np.sqrt(weights @ self.cov @ weights))
        half = float(stats.t.ppf(0.5 + level / 2, self.groups - 1)) * error
        return value, value - half, value + half, float(2 * stats.t.sf(abs(value / error), self.groups - 1))


def fit_logit(x: Floats, y: Floats, group: NDArray[np.int64]) -> GroupedLogit:
    """Fit y (n,) in {0, 1} on x (n, p) with an effect per group code (n,). Raises Refused when nothing varies."""
    number = np.bincount(group)
    won = np.bincount(group, y)
    used = ((won > 0) & (won < number))[group]
    if used.sum() < x.shape[1] + 10:
        raise Refused(SAY.text("few_mixed"))
    x, y = x[used], y[used]
    code = np.unique(group[used], return_inverse=True)[1]
    beta, alpha = np.zeros(x.shape[1]), special.logit(np.bincount(code, y) / np.bincount(code))
    for _ in range(50):
        p = special.expit(x @ beta + alpha[code])
        weight, residual = p * (1 - p), y - p
        wide = np.maximum(np.bincount(code, weight), 1e-10)
        score = np.bincount(code, residual)
        mixed = _sums(code, x * weight[:, None], len(wide))
        bread = x.T @ (x * weight[:, None]) - mixed.T @ (mixed / wide[:, None])
        step = np.linalg.solve(bread, x.T @ residual - mixed.T @ (score / wide))
        beta, alpha = beta + step, alpha + (score - mixed @ step) / wide
        if np.abs(step).max(initial=0.0) < 1e-9 and np.abs(score).max() < 1e-7:
            break
    else:
        raise Refused(SAY.text("separated"))
    net = x - (mixed / wide[:, None])[code]
    scores = _sums(code, net * residual[:, None], len(wide))
    inverse = np.linalg.inv(bread)
    groups = len(wide)
    cov = inverse @ (scores.T @ scores) @ inverse * groups / (groups - 1)
    return GroupedLogit(beta, cov, alpha, used, groups)


def _sums(code: NDArray[np.int64], values: Floats, groups: int) -> Floats:
    return np.column_stack([np.bincount(code, values[:, k], groups) for k in range(values.shape[1])])
