"""What happens to the estimate when one cluster is left out, fixed effects estimated anew.

Exact for least squares. For Poisson regression it is one Newton step of the regression without the cluster, taken from
the full estimate: the linearised jackknife of MacKinnon, Nielsen & Webb (2023), again with the effects estimated anew.
No cluster's regression is run again: regressors net of effects have zero sums over every level, so leaving a cluster
out changes only the levels that the cluster touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from analysis.models.absorb import LARGEST_DENSE_SYSTEM, Layout, Table, reducer, to_array
from analysis.models.design import Codes, Floats
from analysis.models.fit import Fit, System
from analysis.models.sums import run_sums, tally

RANK_TOLERANCE = 1e-10
SURELY_DEFINITE = 1e-4
WORTH_REDUCING = 0.5
LARGEST_TABLE = 1_000_000


@dataclass(frozen=True, slots=True)
class Sides:
    """Row codes by side: gone (eliminated by means), kept (solved for); whole: no two clusters share a level of gone."""

    gone: Codes
    kept: Codes
    link: Table
    gone_weight: Floats
    reduced: Callable[[Codes], Floats]
    whole: bool


def leave_out(fit: Fit) -> Floats:
    """Change of the estimate (G, p) when each cluster is left out.

    A coefficient that cannot be estimated without the cluster is NaN in its row.
    """
    system = fit.system
    plan = system.work.plan
    if _is_small_table(plan, fit.n_coef):
        return _from_table(fit)
    net, order, bounds = _rows_by_cluster(system)
    codes = (plan.cells.unit, plan.cells.effect)
    gone, kept = codes if plan.by_unit else codes[::-1]
    whole = plan.unit_nested if plan.by_unit else plan.effect_nested
    sides = Sides(gone, kept, system.work.link, system.work.gone_weight, reducer(system.work), whole)
    changes = np.empty((fit.n_clusters, fit.n_coef))
    for cluster in range(fit.n_clusters):
        rows = order[bounds[cluster] : bounds[cluster + 1]]
        changes[cluster] = _one(fit, sides, rows, net[rows])
    return changes


def _is_small_table(plan: Layout, width: int) -> bool:
    """Whether a table of clusters by effects holds all rows, one a cell at most, and is small: a team's, as a rule."""
    if plan.by_unit or plan.units > LARGEST_DENSE_SYSTEM or not plan.unit_nested:
        return False
    if plan.clusters * plan.effects * (plan.units + width) > LARGEST_TABLE:
        return False
    return bool(np.bincount(_cells_of_table(plan)).max() <= 1)


def _cells_of_table(plan: Layout) -> Codes:
    return plan.cells.cluster.astype(np.int64) * plan.effects + plan.cells.effect


def _from_table(fit: Fit) -> Floats:
    """The same for all clusters at once, from tables of clusters by effects; cells without a row weigh nothing."""
    plan, work, width = fit.system.work.plan, fit.system.work, fit.n_coef
    weight = np.ones(plan.cells.n) if fit.system.weight is None else fit.system.weight
    rows = np.column_stack([_net_rows(fit.system), fit.residual, weight])
    table = np.zeros((plan.clusters * plan.effects, width + 2))
    table[_cells_of_table(plan)] = rows
    net, residual, own = np.split(table.reshape(plan.clusters, plan.effects, -1), [width, width + 1], axis=2)
    left = work.effect_weight[:, None] - own
    # A level that only this cluster has leaves with it.
    after = np.where(left > RANK_TOLERANCE * work.effect_weight[:, None], 1 / np.where(left > 0, left, 1), 0.0)
    grown, weighted, link = 1 + own * after, net * own, to_array(work.link)
    inner = fit.information - np.matmul((weighted * grown).transpose(0, 2, 1), net)
    change = -np.matmul(net.transpose(0, 2, 1), residual * grown)[:, :, 0]
    shared = after * link
    right = np.matmul(shared.transpose(0, 2, 1), np.concatenate([weighted, residual], axis=2))
    whole = work.system + link.T @ (link / work.effect_weight[:, None])
    systems = whole - np.matmul(link.T, shared)
    # A unit leaves with its cluster: it has nothing in common with the rows left.
    unit, owner = np.arange(plan.units), plan.cells.cluster[plan.starts[:-1]]
    rows[:, :width] *= weight[:, None]
    right[owner, unit] = -run_sums(plan.starts, np.ones(plan.cells.n), rows[:, :-1])
    systems[owner, unit], systems[owner, :, unit] = 0.0, 0.0
    systems[owner, unit, unit] = np.diag(whole) - work.unit_weight
    reference = np.diag(fit.information)
    each = zip(systems, right, inner, change, strict=True)
    return np.stack([_solved(*parts, width, reference) for parts in each])


def _solved(system: Floats, right: Floats, inner: Floats, change: Floats, width: int, reference: Floats) -> Floats:
    """Change of the estimate (p,) from the kept side's system and what it and the regressors share with the rows left."""
    effects = solve_semidefinite(system, right)
    inner = inner - right[:, :width].T @ effects[:, :width]
    change = change - right[:, :width].T @ effects[:, width]
    return solve_identified(inner, change, reference)


def _net_rows(system: System) -> Floats:
    net = np.empty((system.cells.n, system.columns.width))
    for rows, part in system.blocks():
        net[rows] = part
    return net


def _rows_by_cluster(system: System) -> tuple[Floats, Codes, Codes]:
    net = _net_rows(system)
    cluster = system.cells.cluster
    order = np.argsort(cluster, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(cluster))])
    return net, order, bounds


def _one(fit: Fit, sides: Sides, rows: Codes, net: Floats) -> Floats:
    """Solve the normal equations without these rows, in the levels that they touch."""
    weight = np.ones(rows.size) if fit.system.weight is None else fit.system.weight[rows]
    residual = fit.residual[rows]
    weighted = net * weight[:, None]
    values = np.column_stack([weighted, residual, weight])
    gone, gone_at = np.unique(sides.gone[rows], return_inverse=True)
    links = to_array(sides.link[gone])
    levels = np.flatnonzero(links.any(axis=0))
    if levels.size > WORTH_REDUCING * links.shape[1]:
        levels = np.arange(links.shape[1])
    links = links[:, levels]
    place = np.searchsorted(levels, sides.kept[rows])
    by_kept = _sums(place, values, levels.size)
    kept_system = sides.reduced(levels).copy()
    kept_system[np.diag_indices(levels.size)] -= by_kept[:, -1]
    kept_system += links.T @ (links / sides.gone_weight[gone, None])
    width = fit.n_coef
    right = -by_kept[:, : width + 1]
    inner, change = fit.information - weighted.T @ net, -(net.T @ residual)
    if not sides.whole:
        by_gone = _sums(gone_at, values, gone.size)
        own = np.bincount(gone_at * levels.size + place, weight, links.size).reshape(links.shape)
        left = sides.gone_weight[gone] - by_gone[:, -1]
        # A level that only this cluster has leaves with it.
        after = np.where(left > RANK_TOLERANCE * sides.gone_weight[gone], 1 / np.where(left > 0, left, 1), 0.0)
        rest, scaled = links - own, by_gone[:, : width + 1] * after[:, None]
        kept_system -= rest.T @ (rest * after[:, None])
        right += rest.T @ scaled
        inner -= by_gone[:, :width].T @ scaled[:, :width]
        change -= by_gone[:, :width].T @ scaled[:, width]
    return _solved(kept_system, right, inner, change, width, np.diag(fit.information))


def _sums(codes: Codes, values: Floats, levels: int) -> Floats:
    low, high = codes.min(), codes.max()
    if low == high or np.bincount(codes).max() == 1:
        out = np.zeros((levels, values.shape[1]))
        out[codes if low < high else slice(low, low + 1)] = values if low < high else values.sum(axis=0)
        return out
    return tally(codes, np.ones(codes.size), values, levels)


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
    """Solution (p,) with NaN where the matrix does not determine it; reference: what counts as variation."""
    scale = 1 / np.sqrt(reference)
    scaled, scaled_right = matrix * scale * scale[:, None], scale * right
    solution = solve_definite(scaled, scaled_right)
    if solution is not None:
        return scale * solution
    values, vectors = np.linalg.eigh(scaled)
    lost = values < RANK_TOLERANCE
    inverse = np.where(lost, 0.0, 1 / np.where(lost, 1.0, values))
    out = scale * (vectors @ (inverse * (vectors.T @ scaled_right)))
    if lost.any():
        out[(np.abs(vectors[:, lost]) > 1e-6).any(axis=1)] = np.nan
    return out
