"""Logistic regression with one effect per group left out of the output: conversions compared within reps.

Newton's method on regressors and group effects together; the group effects leave each step through their diagonal
block, so that hundreds of reps cost nothing. Errors cluster by group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis import words
from analysis.errors import Refused
from analysis.management.intervals import Floats
from analysis.models.tails import t_quantile, t_two_sided

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
        half = float(t_quantile(0.5 + level / 2, self.groups - 1)) * error
        return value, value - half, value + half, float(t_two_sided(value / error, self.groups - 1))


def fit_logit(x: Floats, y: Floats, group: NDArray[np.int64]) -> GroupedLogit:
    """Fit y (n,) in {0, 1} on x (n, p) with an effect per group code (n,). Raises Refused when nothing varies."""
    number = np.bincount(group)
    won = np.bincount(group, y)
    used = ((won > 0) & (won < number))[group]
    if used.sum() < x.shape[1] + 10:
        raise Refused(SAY.text("few_mixed"))
    # Rows in the order of their groups, regressors as rows: sums by group are then sums of neighbours.
    code = np.unique(group[used], return_inverse=True)[1]
    order = np.argsort(code, kind="stable")
    code, x, y = code[order], np.ascontiguousarray(x[used][order].T), y[used][order]
    first = np.flatnonzero(np.diff(code, prepend=-1))
    beta, alpha = np.zeros(len(x)), special.logit(_sums(y, first) / np.bincount(code))
    for _ in range(50):
        p = special.expit(beta @ x + alpha[code])
        weight, residual = p * (1 - p), y - p
        wide, score, weighted = np.maximum(_sums(weight, first), 1e-10), _sums(residual, first), x * weight
        mixed = _sums(weighted, first)
        bread = weighted @ x.T - (mixed / wide) @ mixed.T
        step = np.linalg.solve(bread, x @ residual - mixed @ (score / wide))
        beta, alpha = beta + step, alpha + (score - step @ mixed) / wide
        if np.abs(step).max(initial=0.0) < 1e-9 and np.abs(score).max() < 1e-7:
            break
    else:
        raise Refused(SAY.text("separated"))
    scores = _sums((x - (mixed / wide)[:, code]) * residual, first)
    inverse = np.linalg.inv(bread)
    groups = len(wide)
    cov = inverse @ (scores @ scores.T) @ inverse * groups / (groups - 1)
    return GroupedLogit(beta, cov, alpha, used, groups)


def _sums(values: Floats, first: NDArray[np.int64]) -> Floats:
    """Sums (..., groups) of values (..., n) that stand group by group; first: where each group begins."""
    return np.asarray(np.add.reduceat(values, first, axis=-1), dtype=np.float64)
