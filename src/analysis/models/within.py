"""Two passes over the rows, a block of whole units at a time: cross products, then scores.

The first pass takes unit means out and adds up the cross products and the sums by effect, from which the second set of
effects is removed without touching the rows again. The second pass rebuilds each block, takes all effects out and
hands it to whoever needs rows: scores by cluster, the part of a contrast in each cluster, the jackknife.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from analysis.errors import Refused
from analysis.models.absorb import Absorber, Layout, cross_sums, level_sums, run_totals
from analysis.models.columns import LOSES_DIGITS, Columns
from analysis.models.design import Codes, Floats
from analysis.models.lagslices import Moments, as_slices, moments, residual_pass
from analysis.models.solving import solve_definite
from analysis.models.sums import Block, added, blocks, in_halves, run_sums, tally

COLLINEAR = 1e-10
ABSORBED = 1e-14
CANCELS = 1e-6
FEW_ROWS_A_UNIT = 20


@dataclass(frozen=True, slots=True)
class Within:
    """Regressors net of both sets of effects, for one weighting.

    unit_part (U, p), effect_part (E, p): what to subtract from a row's regressors; gram (p, p): weighted cross
    products of what is left; spread (p,): the same on the diagonal before the second set of effects went out;
    cross (p, k): sums of what is left times the targets given, if any.
    """

    unit_part: Floats
    effect_part: Floats
    gram: Floats
    spread: Floats
    cross: Floats


def take_out(work: Absorber, columns: Columns, targets: Floats, weight: Floats | None = None) -> Within:
    """Remove both sets of effects from the columns; weight (n,) or None for ones.

    targets (n, k): residuals, already weighted, that sum to zero within each unit.
    """
    plan = work.plan
    slices = as_slices(columns) if weight is None else None
    first = moments(slices, work, targets) if slices else _moments(work, columns, targets, weight)
    unit_part, effect_part = work.solve(None, first.sums)
    gram = first.gram - first.sums.T @ effect_part
    effect_targets = tally(plan.cells.effect, np.ones(plan.cells.n), targets, plan.effects)
    spread = np.diag(first.gram).copy()
    cross = first.cross - effect_part.T @ effect_targets
    within = Within(first.means + unit_part, effect_part, (gram + gram.T) / 2, spread, cross)
    if (np.diag(gram) < CANCELS * spread).any():
        # Effects that dwarf the rest leave only rounding in a difference of sums: add up what is left itself.
        return _of_what_is_left(plan, columns, within, targets, weight)
    return within


def _moments(work: Absorber, columns: Columns, targets: Floats, weight: Floats | None) -> Moments:
    """The first pass over the columns themselves: as they are, and again less their unit means where those dwarf the
    rest and a difference of sums would lose digits."""
    first = _add_up(work, columns, targets, weight)
    raw = np.diag(first.gram).copy()
    gram = first.gram - (first.means * work.unit_weight[:, None]).T @ first.means
    if (np.diag(gram) < LOSES_DIGITS * raw).any():
        return replace(_add_up(work, columns, targets, weight, first.means), means=first.means)
    return replace(first, gram=gram, sums=first.sums - work.by_effect @ first.means)


def _add_up(
    work: Absorber, columns: Columns, targets: Floats, weight: Floats | None, centre: Floats | None = None
) -> Moments:
    """Moments of the columns less a centre (U, p), if one is given; rows are scaled by the root of their weight, so that
    the cross products are those of one matrix with itself."""
    plan, width = work.plan, columns.width
    means = np.empty((plan.units, width))
    root = np.ones(plan.cells.n) if weight is None else np.sqrt(weight)
    scaled_targets = targets if weight is None else targets / root[:, None]

    def add(todo: Sequence[Block]) -> tuple[Floats, Floats, Floats]:
        gram, cross = np.zeros((width, width)), np.zeros((width, targets.shape[1]))
        sums = np.zeros((plan.effects, width))
        space = np.empty((0 if weight is None else max(rows.stop - rows.start for rows, _ in todo), width))
        for rows, units in todo:
            part, part_root = columns.take(rows), root[rows]
            edges = plan.starts[units.start : units.stop + 1] - rows.start
            if centre is not None:
                part = subtract(part, centre[units], edges)
            if weight is not None:
                part = np.multiply(part, part_root[:, None], out=space[: part.shape[0]])
            means[units] = run_sums(edges, part_root, part) / work.unit_weight[units, None]
            sums += tally(plan.cells.effect[rows], part_root, part, plan.effects)
            cross += np.dot(part.T, scaled_targets[rows])
            gram += np.dot(part.T, part)
        return sums, gram, cross

    sums, gram, cross = (added(parts) for parts in zip(*in_halves(plan, width, add), strict=True))
    return Moments(means, sums, gram, cross)


def _of_what_is_left(plan: Layout, columns: Columns, within: Within, targets: Floats, weight: Floats | None) -> Within:
    gram, cross = np.zeros_like(within.gram), np.zeros_like(within.cross)
    for rows, net in net_blocks(plan, columns, within):
        gram += net.T @ (net if weight is None else net * weight[rows, None])
        cross += net.T @ targets[rows]
    return replace(within, gram=(gram + gram.T) / 2, cross=cross)


def subtract(part: Floats, values: Floats, edges: Codes) -> Floats:
    """Rows less the values (u, p) of their unit, in place where allowed; unit i from edges[i] to edges[i + 1]."""
    if part.shape[0] < FEW_ROWS_A_UNIT * values.shape[0]:
        return part - np.repeat(values, np.diff(edges), axis=0)
    rest = part if part.flags.writeable else np.empty_like(part)
    for value, (start, stop) in zip(values, pairwise(edges.tolist()), strict=True):
        np.subtract(part[start:stop], value, out=rest[start:stop])
    return rest


def net_blocks(plan: Layout, columns: Columns, within: Within) -> Iterator[tuple[slice, Floats]]:
    """(rows, regressors net of all effects), a block of whole units at a time."""
    for rows, units in blocks(plan, columns.width):
        edges = plan.starts[units.start : units.stop + 1] - rows.start
        part = subtract(columns.take(rows), within.unit_part[units], edges)
        part -= within.effect_part.take(plan.cells.effect[rows], axis=0)
        yield rows, part


def residuals(plan: Layout, columns: Columns, within: Within, net_y: Floats, coef: Floats) -> tuple[Floats, Floats]:
    """Residuals (n, k) of net outcomes and, from the same pass, their raw sums with the regressors (k, G, p)."""
    shift_unit, shift_effect = within.unit_part @ coef, within.effect_part @ coef
    left = net_y + shift_unit.take(plan.cells.unit, axis=0)
    left += shift_effect.take(plan.cells.effect, axis=0)
    if slices := as_slices(columns):
        return left, residual_pass(slices, plan, left, coef)
    raw = np.zeros((coef.shape[1], plan.clusters, columns.width))
    for rows, _ in blocks(plan, columns.width):
        part = columns.take(rows)
        left[rows] -= part @ coef
        for outcome in range(coef.shape[1]):
            raw[outcome] += tally(plan.cells.cluster[rows], left[rows, outcome], part, plan.clusters)
    return left, raw


def net_sums(plan: Layout, columns: Columns, within: Within, codes: Codes, values: Floats) -> Floats:
    """Sums (levels, p) of values * net regressors by code, from the regressors as they are."""
    levels = int(codes.max()) + 1

    def add(todo: Sequence[Block]) -> Floats:
        total = np.zeros((levels, columns.width))
        for rows, _ in todo:
            total += tally(codes[rows], values[rows], columns.take(rows), levels)
        return total

    total = added(in_halves(plan, columns.width, add))
    return take_effects_off(total, plan, within, codes, values)


def take_effects_off(total: Floats, plan: Layout, within: Within, codes: Codes, values: Floats) -> Floats:
    """Raw sums (levels, p) less what the effects contribute: cheaper than taking the effects out of every row."""
    for cells, part in ((plan.cells.unit, within.unit_part), (plan.cells.effect, within.effect_part)):
        if codes is cells:
            in_runs = codes is plan.cells.unit
            sums = run_totals(values, plan) if in_runs else level_sums(codes, values, part.shape[0])
            total -= sums[:, None] * part
        else:
            total -= cross_sums(codes, cells, values, (total.shape[0], part.shape[0])) @ part
    return total


def product(plan: Layout, columns: Columns, coef: Floats) -> Floats:
    """columns @ coef, (n,) or (n, k), a block at a time."""
    out = np.zeros((plan.cells.n, *coef.shape[1:]))
    if coef.any():

        def multiply(todo: Sequence[Block]) -> None:
            for rows, _ in todo:
                out[rows] = np.dot(columns.take(rows), coef)

        in_halves(plan, columns.width, multiply)
    return out


def column_sums(plan: Layout, columns: Columns, values: Floats) -> Floats:
    """columns' @ values (p,) for values (n,), a block at a time."""
    parts = in_halves(
        plan, columns.width, lambda todo: added([np.dot(values[rows], columns.take(rows)) for rows, _ in todo])
    )
    return added(parts)


def net_vector(work: Absorber, values: Floats, weight: Floats | None = None) -> Floats:
    """A vector or matrix (n, k) net of both sets of effects; twice where the effects dwarf the rest."""
    matrix = values.reshape(work.plan.cells.n, -1)
    net, spread = _net_once(work, matrix, weight)
    if (_squares(net) < CANCELS * spread).any():
        net, _ = _net_once(work, net, weight)
    return net.reshape(values.shape)


def _net_once(work: Absorber, matrix: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    plan = work.plan
    weights = np.ones(plan.cells.n) if weight is None else weight
    means = run_sums(plan.starts, weights, matrix) / work.unit_weight[:, None]
    net = matrix - means.take(plan.cells.unit, axis=0)
    unit_part, effect_part = work.solve(None, tally(plan.cells.effect, weights, net, plan.effects))
    net -= unit_part.take(plan.cells.unit, axis=0)
    net -= effect_part.take(plan.cells.effect, axis=0)
    return net, _squares(matrix)


def _squares(matrix: Floats) -> Floats:
    return np.asarray(np.einsum("ij,ij->j", matrix, matrix))


def solve_normal(within: Within, right: Floats, names: tuple[str, ...] | None = None) -> Floats:
    """gram^-1 right, refusing regressors that the effects or the other regressors explain completely."""
    if not within.gram.size:
        return np.zeros_like(right)
    left = np.diag(within.gram)
    scale = np.sqrt(np.where(left > ABSORBED * within.spread, left, 0.0))
    if not scale.all():
        raise Refused(f"{_label(names, np.flatnonzero(scale == 0))}: no variation left beside the fixed effects")
    scaled, by_row = within.gram / np.outer(scale, scale), scale if right.ndim == 1 else scale[:, None]
    solution = solve_definite(scaled, right / by_row)
    if solution is not None:
        return solution / by_row
    values, vectors = np.linalg.eigh(scaled)
    if values[0] < COLLINEAR:
        tied = np.flatnonzero(np.abs(vectors[:, 0]) > 1e-3)
        raise Refused(f"{_label(names, tied)}: these regressors cannot be told apart; drop one of them")
    return np.asarray((vectors / values) @ (vectors.T @ (right / by_row))) / by_row


def _label(names: tuple[str, ...] | None, positions: Codes) -> str:
    return ", ".join(names[i] if names else f"regressor {i}" for i in positions)
