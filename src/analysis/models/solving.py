"""Small symmetric systems solved as far as they can be: definite, semidefinite, or not determined in every direction."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from analysis.models.design import Floats

RANK_TOLERANCE = 1e-10
SURELY_DEFINITE = 1e-4


def solve_semidefinite(matrix: Floats, right: Floats) -> Floats:
    """A solution (m, k) of a consistent positive semidefinite system; levels that are gone (zero rows) get zero."""
    diagonal = np.diag(matrix)
    alive = diagonal > RANK_TOLERANCE * max(float(diagonal.max()), 1e-300)
    scale = np.where(alive, 1 / np.sqrt(np.where(alive, diagonal, 1.0)), 0.0)
    scaled = matrix * scale * scale[:, None]
    np.fill_diagonal(scaled, 1.0)
    scaled_right = right * scale[:, None]
    solution = solve_definite(scaled, scaled_right)
    if solution is None:
        factor, pivots, rank, _ = lapack.dpstrf(scaled, tol=RANK_TOLERANCE, lower=1)
        chosen = pivots[:rank] - 1
        solution = np.zeros_like(scaled_right)
        solution[chosen] = lapack.dpotrs(factor[:rank, :rank], scaled_right[chosen], lower=1)[0]
    return solution * scale[:, None]


def solve_definite(matrix: Floats, right: Floats) -> Floats | None:
    """Solution by Cholesky of a matrix with a unit diagonal; None when it is nearly singular."""
    factor, failed = lapack.dpotrf(matrix, lower=1, clean=0)
    if failed or float(np.diag(factor).min()) < SURELY_DEFINITE:
        return None
    return np.asarray(lapack.dpotrs(factor, right, lower=1)[0])


def solve_identified(matrix: Floats, right: Floats, reference: Floats) -> Floats:
    """Solution (p,) or (p, k) with NaN where the matrix does not determine it; reference (p,): what counts as variation."""
    scale = 1 / np.sqrt(reference)
    by_row = scale if right.ndim == 1 else scale[:, None]
    scaled, scaled_right = matrix * scale * scale[:, None], by_row * right
    solution = solve_definite(scaled, scaled_right)
    if solution is not None:
        return by_row * solution
    values, vectors = np.linalg.eigh(scaled)
    lost = values < RANK_TOLERANCE
    inverse = vectors * np.where(lost, 0.0, 1 / np.where(lost, 1.0, values))
    out = by_row * (inverse @ (vectors.T @ scaled_right))
    if lost.any():
        out[(np.abs(vectors[:, lost]) > 1e-6).any(axis=1)] = np.nan
    return out
