"""Two sets of fixed effects taken out exactly, whatever the panel's holes.

The effects of one side (the one with more levels) are eliminated by means; those of the other side solve a system of
their number, the Schur complement of the incidence counts. With rep and week effects that is a weeks x weeks system;
with rep and team-by-week effects it is a reps x reps system made of small blocks, one per team, tied by the reps who
moved. Weighted, the same algebra serves one Newton step of a Poisson regression.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

import numpy as np
from scipy import linalg, sparse
from scipy.sparse import csgraph

from analysis.errors import Refused
from analysis.models.design import Cells, Codes, Floats

Table: TypeAlias = Floats | sparse.csr_array

UNTOLD = (
    "the effects of reps and weeks cannot be told apart numerically: a few rows outweigh all others; look for extreme values "
    "of the outcome or of an activity"
)
LARGEST_DENSE_SYSTEM = 1_200
LARGEST_DENSE_TABLE = 500_000
FIRST_LOOK = 2_000


@dataclass(frozen=True, slots=True)
class Layout:
    """What the codes alone decide, shared by every weighting of the same rows.

    starts: (U + 1,) first row of each unit; units, effects, clusters: numbers of levels; by_unit: whether the units
    are the side eliminated by means; met: rows by (eliminated level, kept level); pinned: levels of the other side set to zero, one per connected group of rows;
    unit_nested, effect_nested: whether each level lies within one cluster.
    """

    cells: Cells
    starts: Codes
    units: int
    effects: int
    clusters: int
    by_unit: bool
    met: Table = field(repr=False)
    pinned: Codes
    unit_nested: bool
    effect_nested: bool

    @property
    def absorbed(self) -> int:
        """Rank of the fixed effects."""
        return self.units + self.effects - int(self.pinned.size)


def layout(cells: Cells) -> Layout:
    """Lay out rows sorted by unit; codes must be gapless."""
    starts = np.flatnonzero(np.diff(cells.unit, prepend=-1))
    units = starts.size
    effects = int(cells.effect.max()) + 1
    bounds = np.append(starts, cells.n)
    by_unit = units >= effects
    met = _link(cells, by_unit, np.ones(cells.n), (units, effects))
    clusters = int(cells.cluster.max()) + 1
    nested = [_nested(codes, cells.cluster) for codes in (cells.unit, cells.effect)]
    return Layout(cells, bounds, units, effects, clusters, by_unit, met, _one_per_component(met), nested[0], nested[1])


def _link(cells: Cells, by_unit: bool, weight: Floats, shape: tuple[int, int]) -> Table:
    """Sums of weights by (eliminated level, kept level)."""
    if by_unit:
        return cross_sums(cells.unit, cells.effect, weight, shape)
    return cross_sums(cells.effect, cells.unit, weight, shape[::-1])


def _one_per_component(link: Table) -> Codes:
    """The first kept level of each connected component of the graph that the links draw."""
    if isinstance(link, np.ndarray) and ((link > 0).all(axis=0).any() or (link > 0).all(axis=1).any()):
        return np.zeros(1, np.int64)  # a level that meets every other one joins them all
    graph = sparse.csr_array(link)
    left = graph.shape[0]
    square = sparse.block_array([[None, graph], [sparse.csr_array((graph.shape[1], left)), None]], format="csr")
    labels = csgraph.connected_components(square, directed=False)[1][left:]
    return np.unique(labels, return_index=True)[1].astype(np.int64)


def _nested(codes: Codes, cluster: Codes) -> bool:
    if codes is cluster:
        return True
    if codes.size > FIRST_LOOK and not _nested(codes[:FIRST_LOOK], cluster[:FIRST_LOOK]):
        return False
    first = np.full(int(codes.max()) + 1, -1, np.int64)
    first[codes[::-1]] = cluster[::-1]
    return bool((first[codes] == cluster).all())


@dataclass(frozen=True, slots=True)
class Absorber:
    """The projection on both sets of effects for one weighting.

    unit_weight (U,), effect_weight (E,): sums of weights; link: eliminated side x kept side sums of weights;
    system: the pinned Schur complement of the kept side (dense or sparse); solve_kept: its solver.
    """

    plan: Layout
    unit_weight: Floats
    effect_weight: Floats
    link: Table
    system: Floats | sparse.csc_array
    solve_kept: Callable[[Floats], Floats]

    @property
    def gone_weight(self) -> Floats:
        """Sums of weights of the eliminated side."""
        return self.unit_weight if self.plan.by_unit else self.effect_weight

    @property
    def by_effect(self) -> Table:
        """Sums of weights (E, U) by effect and unit."""
        return self.link.T if self.plan.by_unit else self.link

    def solve(self, unit_sums: Floats | None, effect_sums: Floats) -> tuple[Floats, Floats]:
        """Effects (U, k), (E, k) whose weighted sums by unit and by effect are those given (None: zero by unit)."""
        if unit_sums is None and self.plan.by_unit:  # nothing to hand over from the side that is eliminated
            kept_effects = self.solve_kept(effect_sums)
            return -(self.link @ kept_effects) / self.unit_weight[:, None], kept_effects
        if unit_sums is None:
            unit_sums = np.zeros((self.plan.units, effect_sums.shape[1]))
        gone, kept = (unit_sums, effect_sums) if self.plan.by_unit else (effect_sums, unit_sums)
        weight = self.gone_weight[:, None]
        kept_effects = self.solve_kept(kept - self.link.T @ (gone / weight))
        gone_effects = (gone - self.link @ kept_effects) / weight
        return (gone_effects, kept_effects) if self.plan.by_unit else (kept_effects, gone_effects)


def absorber(plan: Layout, weight: Floats | None = None) -> Absorber:
    """Factorise the effects of a layout; weight: (n,) positive, or None for ones."""
    shape = (plan.units, plan.effects)
    link = plan.met if weight is None else _link(plan.cells, plan.by_unit, weight, shape)
    gone, kept = (np.asarray(link.sum(axis=axis), np.float64) for axis in (1, 0))
    unit_weight, effect_weight = (gone, kept) if plan.by_unit else (kept, gone)
    system = _schur(link, gone, kept, plan.pinned)
    return Absorber(plan, unit_weight, effect_weight, link, system, solver(system))


def _schur(link: Table, gone: Floats, kept: Floats, pinned: Codes) -> Floats | sparse.csc_array:
    """diag(kept) - link' diag(1/gone) link, each component pinned at one level (the solution there is exactly zero)."""
    diagonal = kept.copy()
    diagonal[pinned] *= 2
    if isinstance(link, np.ndarray):
        root = link / np.sqrt(gone)[:, None]
        inner = root.T @ root
    else:
        inner = link.T @ sparse.csr_array(link.multiply(1 / gone[:, None]))
        if kept.size > LARGEST_DENSE_SYSTEM:
            return sparse.csc_array(sparse.diags_array(diagonal) - inner)
        inner = inner.toarray()
    return np.asarray(np.diag(diagonal) - inner, np.float64)


def solver(system: Floats | sparse.csc_array) -> Callable[[Floats], Floats]:
    """A function from sums (m, k) to the effects (m, k) of a system; Refused where it cannot be solved."""
    if isinstance(system, np.ndarray):
        try:
            factor = linalg.cho_factor(system, lower=True, check_finite=False)
        except np.linalg.LinAlgError:
            raise Refused(UNTOLD) from None
        return lambda sums: np.asarray(linalg.cho_solve(factor, sums, check_finite=False))
    try:
        lu = sparse.linalg.splu(system)
    except RuntimeError:  # what SuperLU says of an exactly singular system
        raise Refused(UNTOLD) from None
    return lambda sums: np.asarray(lu.solve(np.ascontiguousarray(sums)))


def reducer(system: Floats | sparse.csc_array, solve: Callable[[Floats], Floats]) -> Callable[[Codes], Floats]:
    """A function from m levels to a system (m, m) of the kept side with all other levels eliminated.

    solve: what solves the whole system. A dense one is inverted once, when first needed, and shared by all calls.
    """

    @cache
    def inverse() -> Floats:
        return solve(np.eye(system.shape[0]))

    def reduced(levels: Codes) -> Floats:
        if isinstance(system, np.ndarray):
            if levels.size == system.shape[0]:
                return system
            return np.asarray(np.linalg.inv(inverse()[np.ix_(levels, levels)]), np.float64)
        picks = np.zeros((system.shape[0], levels.size))
        picks[levels, np.arange(levels.size)] = 1.0
        return np.asarray(np.linalg.inv(solve(picks)[levels]), np.float64)

    return reduced


def run_totals(values: Floats, plan: Layout) -> Floats:
    """Sums (U,) of values by unit."""
    return np.asarray(np.add.reduceat(values, plan.starts[:-1]), np.float64)


def level_sums(codes: Codes, values: Floats, levels: int) -> Floats:
    """Sums (levels,) of values by code."""
    return np.asarray(np.bincount(codes, values, levels), np.float64)


def cross_sums(rows: Codes, columns: Codes, values: Floats, shape: tuple[int, int]) -> Table:
    """Sums of values by two codes: an array while it is small, else sparse."""
    if shape[0] * shape[1] > LARGEST_DENSE_TABLE:
        return sparse.csr_array(sparse.coo_array((values, (rows, columns)), shape=shape))
    joint = rows.astype(np.int64) * shape[1] + columns
    return level_sums(joint, values, shape[0] * shape[1]).reshape(shape)


def to_array(table: Table) -> Floats:
    """The table as an array."""
    return table if isinstance(table, np.ndarray) else np.asarray(table.toarray())
