"""Many tests at once: adjusted p-values for one family that was fixed before looking.

The family is the caller's plan (every activity tested in one scope). Tests that could not be run (NaN) stay NaN and
do not count: a refusal is not evidence, neither for nor against the others."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError

Floats = NDArray[np.float64]


def benjamini_hochberg(p_values: ArrayLike) -> Floats:
    """q-values that control the false discovery rate over the family.

    p_values: (m,), each in 0..1 or NaN for a test that was not run. Returns (m,) in the same order.
    Raises InputError for a p-value outside 0..1. Source: Benjamini & Hochberg (1995), step-up procedure.
    """
    p, run = _checked(p_values)
    q = np.full(p.shape, np.nan)
    order = np.argsort(p[run], kind="stable")
    ranked = p[run][order] * order.size / np.arange(1, order.size + 1)
    q_run = np.empty(order.size)
    q_run[order] = np.minimum(np.minimum.accumulate(ranked[::-1])[::-1], 1.0)
    q[run] = q_run
    return q


def bonferroni(p_values: ArrayLike) -> Floats:
    """p-values that control the chance of any false claim in the family: each times the number of tests run.

    p_values: (m,), each in 0..1 or NaN. Returns (m,), capped at 1. Raises InputError for a p-value outside 0..1.
    """
    p, run = _checked(p_values)
    return np.minimum(p * np.count_nonzero(run), 1.0)


def _checked(p_values: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    p = np.asarray(p_values, dtype=float)
    run = ~np.isnan(p)
    if p.ndim != 1 or np.any((p[run] < 0) | (p[run] > 1)):
        raise InputError("p-values must be one list of numbers between 0 and 1 (NaN where a test was not run)")
    return p, run
