"""What happens to the estimate when one cluster is left out, fixed effects estimated anew.

Exact for least squares. For Poisson regression it is one Newton step of the regression without the cluster, taken from
the full estimate: the linearised jackknife of MacKinnon, Nielsen & Webb (2023), again with the effects estimated anew.
No cluster's regression is run again: regressors net of effects have zero sums over every level, so leaving a cluster
out changes only the levels that the cluster touches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from analysis.errors import ParameterError
from analysis.models.absorb import LARGEST_DENSE_SYSTEM, Layout, Table, reducer, solver, to_array
from analysis.models.design import Codes, Floats
from analysis.models.fit import Fit, System
from analysis.models.solving import RANK_TOLERANCE, solve_identified, solve_semidefinite
from analysis.models.sums import run_sums, tally

WORTH_REDUCING = 0.5
LARGEST_TABLE = 1_000_000


@dataclass(frozen=True, slots=True)
class Island:
    """A connected group of rows, by side: levels gone (eliminated by means) and kept (solved for).

    link: sums of weights by (gone, kept); gone_weight: sums by gone; reduced: see `absorb.reducer`; whole: no two clusters
    share a level of gone.
    """

    link: Table
    gone_weight: Floats
    reduced: Callable[[Codes], Floats]
    whole: bool


@dataclass(frozen=True, slots=True)
class Islands:
    """All of them, and for every row (n,) which it belongs to and the place of its two levels there."""

    each: list[Island]
    number: Codes
    gone: Codes
    kept: Codes


def leave_out(fit: Fit) -> Floats:
    """Change of the estimate (G, p) when each cluster is left out.

    A coefficient that cannot be estimated without the cluster is NaN in its row.
    """
    return leave_out_each([fit])[0]


def leave_out_each(fits: Sequence[Fit]) -> list[Floats]:
    """The same for several outcomes of one regression (`linear.fit_ols_many`), at little more than one's cost.

    Raises ParameterError for fits that do not share their regressors.
    """
    first = fits[0]
    if any(fit.system.within is not first.system.within for fit in fits):
        raise ParameterError("jackknifed together: these fits are not several outcomes of one regression")
    if _is_small_table(first.system.work.plan, first.n_coef):
        return list(_from_table(first.system, first.information, np.column_stack([fit.residual for fit in fits])))
    return [_from_islands(fit) for fit in fits]


def _from_islands(fit: Fit) -> Floats:
    islands, cluster = _islands(fit.system), fit.system.cells.cluster
    order = np.lexsort((islands.number, cluster))
    net, whose, island = _net_rows(fit.system)[order], cluster[order], islands.number[order]
    starts = np.flatnonzero((np.diff(whose, prepend=-1) != 0) | (np.diff(island, prepend=-1) != 0))
    changes, reference = np.empty((fit.n_clusters, fit.n_coef)), np.diag(fit.information)
    spans = pairwise(np.append(starts, order.size).tolist())
    for each, parts in groupby(spans, key=lambda span: whose[span[0]]):
        inner, change = fit.information, np.zeros(fit.n_coef)
        for start, stop in parts:
            own = islands.each[island[start]]
            shares = _shares(fit, islands, own, order[start:stop], net[start:stop])
            inner, change = inner - shares[0], change - shares[1]
        changes[each] = solve_identified(inner, change, reference)
    return changes


def _islands(system: System) -> Islands:
    work, plan = system.work, system.work.plan
    codes = (plan.cells.unit, plan.cells.effect)
    gone, kept = codes if plan.by_unit else codes[::-1]
    whole = plan.unit_nested if plan.by_unit else plan.effect_nested
    if plan.pinned.size == 1 or not isinstance(work.system, np.ndarray):
        only = Island(work.link, work.gone_weight, reducer(work.system, work.solve_kept), whole)
        return Islands([only], np.zeros(gone.size, np.int64), gone, kept)
    of_kept = csgraph.connected_components(sparse.csr_array(work.system))[1]
    of_gone = np.zeros(work.gone_weight.size, np.int64)
    of_gone[gone] = of_kept[kept]
    each, place_gone, place_kept = [], np.zeros_like(of_gone), np.zeros_like(of_kept)
    for number in range(of_kept.max() + 1):
        those_gone, those_kept = np.flatnonzero(of_gone == number), np.flatnonzero(of_kept == number)
        place_gone[those_gone], place_kept[those_kept] = np.arange(those_gone.size), np.arange(those_kept.size)
        part = work.system[np.ix_(those_kept, those_kept)]
        weight = work.gone_weight[those_gone]
        each.append(Island(work.link[those_gone][:, those_kept], weight, reducer(part, solver(part)), whole))
    return Islands(each, of_kept[kept], place_gone[gone], place_kept[kept])


def _is_small_table(plan: Layout, width: int) -> bool:
    """Whether a table of clusters by effects holds all rows, one a cell at most, and is small: a team's, as a rule."""
    if plan.by_unit or plan.units > LARGEST_DENSE_SYSTEM or not plan.unit_nested:
        return False
    if plan.clusters * plan.effects * (plan.units + width) > LARGEST_TABLE:
        return False
    return bool(np.bincount(_cells_of_table(plan)).max() <= 1)


def _cells_of_table(plan: Layout) -> Codes:
    return plan.cells.cluster.astype(np.int64) * plan.effects + plan.cells.effect


def _from_table(system: System, information: Floats, residual: Floats) -> Floats:
    """The same for all clusters at once, from tables of clusters by effects; cells without a row weigh nothing.

    residual: (n, k), one column for each outcome. Returns (k, G, p).
    """
    plan, work, width = system.work.plan, system.work, system.columns.width
    weight = np.ones(plan.cells.n) if system.weight is None else system.weight
    rows = np.column_stack([_net_rows(system), residual, weight])
    table = np.zeros((plan.clusters * plan.effects, rows.shape[1]))
    table[_cells_of_table(plan)] = rows
    net, left_over, own = np.split(table.reshape(plan.clusters, plan.effects, -1), [width, rows.shape[1] - 1], axis=2)
    left = work.effect_weight[:, None] - own
    # A level that only this cluster has leaves with it.
    after = np.where(left > RANK_TOLERANCE * work.effect_weight[:, None], 1 / np.where(left > 0, left, 1), 0.0)
    grown, weighted, link = 1 + own * after, net * own, to_array(work.link)
    inner = information - np.matmul((weighted * grown).transpose(0, 2, 1), net)
    change = -np.matmul(net.transpose(0, 2, 1), left_over * grown)
    shared = after * link
    right = np.matmul(shared.transpose(0, 2, 1), np.concatenate([weighted, left_over], axis=2))
    whole = work.system + link.T @ (link / work.effect_weight[:, None])
    systems = whole - np.matmul(link.T, shared)
    # A unit leaves with its cluster: it has nothing in common with the rows left.
    unit, owner = np.arange(plan.units), plan.cells.cluster[plan.starts[:-1]]
    rows[:, :width] *= weight[:, None]
    right[owner, unit] = -run_sums(plan.starts, np.ones(plan.cells.n), rows[:, :-1])
    systems[owner, unit], systems[owner, :, unit] = 0.0, 0.0
    systems[owner, unit, unit] = np.diag(whole) - work.unit_weight
    reference, changes = np.diag(information), np.empty((residual.shape[1], plan.clusters, width))
    for cluster, (part, share) in enumerate(zip(systems, right, strict=True)):
        taken = share[:, :width].T @ solve_semidefinite(part, share)
        inner[cluster] -= taken[:, :width]
        changes[:, cluster] = solve_identified(inner[cluster], change[cluster] - taken[:, width:], reference).T
    return changes


def _net_rows(system: System) -> Floats:
    net = np.empty((system.cells.n, system.columns.width))
    for rows, part in system.blocks():
        net[rows] = part
    return net


def _shares(fit: Fit, islands: Islands, island: Island, rows: Codes, net: Floats) -> tuple[Floats, Floats]:
    """What these rows of a cluster, all of one island, contribute to the normal equations: (p, p) and (p,), the effects
    of the levels that they touch estimated anew without them."""
    weight = np.ones(rows.size) if fit.system.weight is None else fit.system.weight[rows]
    residual, width = fit.residual[rows], fit.n_coef
    weighted = net * weight[:, None]
    values = np.column_stack([weighted, residual, weight])
    gone, gone_at = np.unique(islands.gone[rows], return_inverse=True)
    links = to_array(island.link[gone])
    levels = np.flatnonzero(links.any(axis=0))
    if levels.size > WORTH_REDUCING * links.shape[1]:
        levels = np.arange(links.shape[1])
    links = links[:, levels]
    place = np.searchsorted(levels, islands.kept[rows])
    by_kept = _sums(place, values, levels.size)
    kept_system = island.reduced(levels).copy()
    kept_system[np.diag_indices(levels.size)] -= by_kept[:, -1]
    kept_system += links.T @ (links / island.gone_weight[gone, None])
    right = -by_kept[:, : width + 1]
    inner, change = weighted.T @ net, net.T @ residual
    if not island.whole:
        by_gone = _sums(gone_at, values, gone.size)
        own = np.bincount(gone_at * levels.size + place, weight, links.size).reshape(links.shape)
        left = island.gone_weight[gone] - by_gone[:, -1]
        # A level that only this cluster has leaves with it.
        after = np.where(left > RANK_TOLERANCE * island.gone_weight[gone], 1 / np.where(left > 0, left, 1), 0.0)
        rest, scaled = links - own, by_gone[:, : width + 1] * after[:, None]
        kept_system -= rest.T @ (rest * after[:, None])
        right += rest.T @ scaled
        inner += by_gone[:, :width].T @ scaled[:, :width]
        change += by_gone[:, :width].T @ scaled[:, width]
    effects = solve_semidefinite(kept_system, right)
    return inner + right[:, :width].T @ effects[:, :width], change + right[:, :width].T @ effects[:, width]


def _sums(codes: Codes, values: Floats, levels: int) -> Floats:
    low, high = codes.min(), codes.max()
    if low == high or np.bincount(codes).max() == 1:
        out = np.zeros((levels, values.shape[1]))
        out[codes if low < high else slice(low, low + 1)] = values if low < high else values.sum(axis=0)
        return out
    return tally(codes, np.ones(codes.size), values, levels)
