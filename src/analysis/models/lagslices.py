"""Cross products of lag columns from slices of the activities, without ever building the columns.

The cross product of lags l+1 and m+1 sums the same numbers as that of lags l and m, one row earlier: the two differ by
the first and last row of every run of rows. So one activity against all lags is multiplied out, and the rest follows
from the windows at the ends of the runs. Works on a block of whole units at a time, least squares only: weights that
differ by row break the shift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy import sparse

from analysis.models.absorb import Absorber, Layout
from analysis.models.columns import Columns, Lagged, Subset, is_identity
from analysis.models.design import Codes, Floats
from analysis.models.sums import blocks, run_sums, tally

READ_AGAIN_VALUES = 100_000  # read once a lag, so they must stay close to the processor


@dataclass(frozen=True, slots=True)
class Slices:
    """Neighbouring lags first..last of activities x (N, k), at the rows (n,) in use; basis (L, terms)."""

    source: Lagged
    rows: Codes
    first: int
    last: int

    @property
    def count(self) -> int:
        """Number of lags."""
        return self.last - self.first + 1

    @property
    def activities(self) -> int:
        """Number of activities."""
        return int(self.source.x.shape[1])


def as_slices(columns: Columns) -> Slices | None:
    """The slices behind columns, when they are lag columns of neighbouring lags; else None."""
    if not isinstance(columns, Subset) or not isinstance(columns.inner, Lagged):
        return None
    source = columns.inner
    first, last = source.lags[0], source.lags[-1]
    if len(source.lags) < 2 or source.lags != tuple(range(first, last + 1)):
        return None
    return Slices(source, columns.rows, first, last)


@dataclass(frozen=True, slots=True)
class Piece:
    """One block: centred activities (m, k), unknown values zero and never used; rows in use as positions in them;
    pad: the longest lag or lead; place and units of the block."""

    values: Floats
    rows: Codes
    pad: int
    place: slice
    units: slice

    def lag_sums(self, lags: Sequence[int], codes: Codes, weight: Floats, levels: int) -> Floats:
        """Sums (L, levels, k) by code of weight * values each lag before the rows in use, without gathering them."""
        length = self.values.shape[0]
        matrix = sparse.csc_array((levels, length))
        matrix.data, matrix.indices = weight, codes.astype(np.int32, copy=False)
        passed = np.zeros(length + 1 + 2 * self.pad, np.int32)  # rows in use before a position
        passed[self.rows + 1 + self.pad] = 1
        np.cumsum(passed, out=passed)
        sums = np.empty((len(lags), levels, self.values.shape[1]))
        for position, lag in enumerate(lags):
            matrix.indptr = passed[self.pad + lag : self.pad + lag + length + 1]
            sums[position] = matrix @ self.values
        return sums

    def seen_from(self, values: Floats, first: int, lags: int) -> Floats:
        """What lies ahead of every position (m, L): values (rows in use,) at first, first + 1 ... later, else zero."""
        aligned = np.zeros(self.values.shape[0] + 2 * self.pad)
        aligned[self.pad + self.rows] = values
        part = aligned[self.pad + first :][: self.values.shape[0] + lags - 1]
        return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(part, lags))


def pieces(slices: Slices, plan: Layout) -> Iterator[Piece]:
    """Blocks of whole units."""
    source, pad = slices.source, max(0, slices.last, -slices.first)
    for place, units in blocks(plan, 2 * slices.activities):
        rows = slices.rows[place]
        low, high = int(rows[0]) - slices.last, int(rows[-1]) + 1 + max(0, -slices.first)
        values = source.x[low:high]
        if source.centre is not None:
            values = values - source.centre.take(source.cells.unit[low:high], axis=0)
        if not source.complete:
            values = np.nan_to_num(values)
        yield Piece(values, rows - low, pad, place, units)


@dataclass(frozen=True, slots=True)
class Moments:
    """means (U, p), sums by effect (E, p), gram (p, p) of columns net of unit means, cross (p, k) with the targets."""

    means: Floats
    sums: Floats
    gram: Floats
    cross: Floats


def moments(slices: Slices, work: Absorber, targets: Floats) -> Moments:
    """Everything the first pass of a least-squares fit needs; targets (n, t) sum to zero within each unit."""
    plan = work.plan
    raw = _add_up(slices, plan, targets)
    counts = np.diff(plan.starts).astype(np.float64)
    means = raw.units / counts[:, None, None]
    gram = _unroll(raw.edge, raw.ends)
    flat = means.reshape(plan.units, -1)
    gram -= (flat * counts[:, None]).T @ flat
    sums = raw.by_effect.total() - (work.by_effect @ flat).reshape(plan.effects, *means.shape[1:])
    if slices.source.centre is not None:
        means += slices.source.centre[owners(slices, plan)][:, :, None]
    return _in_terms(slices, means, sums, gram, raw.cross)


def owners(slices: Slices, plan: Layout) -> Codes:
    """The units (U,) of the activities that the units of the rows in use are."""
    return slices.source.cells.unit[slices.rows[plan.starts[:-1]]]


def _add_up(slices: Slices, plan: Layout, targets: Floats) -> RawMoments:
    raw = RawMoments.empty(slices, plan, targets.shape[1])
    for piece in pieces(slices, plan):
        ending = _windows_at_ends(slices, piece)
        newest, aims = _in_use(slices, piece, targets[piece.place])
        raw.edge += _with_all_lags(slices, piece, newest)
        raw.cross += _with_all_lags(slices, piece, aims).transpose(2, 1, 0)
        raw.ends += np.dot(ending.gained.T, ending.gained) - np.dot(ending.lost.T, ending.lost)
        raw.units[piece.units] = _unit_sums(slices, piece, plan, ending, newest)
        raw.by_effect.add(piece, ending, newest)
    return raw


def _in_use(slices: Slices, piece: Piece, targets: Floats) -> tuple[Floats, Floats]:
    """The first lag (span, k) and the targets (span, t), from the first to the last row in use; zero in rows not in use."""
    start, span = int(piece.rows[0]), int(piece.rows[-1]) + 1 - int(piece.rows[0])
    newest, aims = piece.values[start - slices.first :][:span].copy(), np.zeros((span, targets.shape[1]))
    at, idle = piece.rows - start, np.ones(span, bool)
    idle[at] = False
    newest[np.flatnonzero(idle)] = 0.0
    aims[at] = targets
    return newest, aims


def _with_all_lags(slices: Slices, piece: Piece, left: Floats) -> Floats:
    """Cross products (c, L, k) of columns (span, c) with every lag, by rows whose windows do not overlap in memory.

    Eight columns and one more take longer than eight and one apart.
    """
    k, lags = slices.activities, slices.count
    flat = piece.values.reshape(-1)
    total = np.zeros((left.shape[1], lags * k))
    reach = max(READ_AGAIN_VALUES // (2 * k * lags), 1) * lags
    for first in range(0, left.shape[0], reach):
        for offset in range(first, min(first + lags, left.shape[0])):
            part = left[offset : first + reach : lags]
            # Row start + offset + i * lags sees the numbers from (offset + i * lags) * k on, oldest lag first.
            total += np.dot(part.T, flat[offset * k : (offset + part.shape[0] * lags) * k].reshape(-1, lags * k))
    return total.reshape(-1, lags, k)[:, ::-1]


@dataclass(frozen=True, slots=True)
class Ending:
    """What sums over rows gain and lose when every row moves one back: windows (runs, L * k) just before each run of
    rows, and of each run's last row; starts, stops: positions of the first and last row of each run in the block."""

    gained: Floats
    lost: Floats
    starts: Codes
    stops: Codes


def _windows_at_ends(slices: Slices, piece: Piece) -> Ending:
    breaks = np.flatnonzero(np.diff(piece.rows) != 1)
    starts, stops = np.append(0, breaks + 1), np.append(breaks, piece.rows.size - 1)
    # The longest lag is never shifted further, so its value before the first row need not exist.
    lags = slices.first + np.arange(slices.count)
    gained, lost = (
        piece.values.take(np.maximum(rows[:, None] - lags, 0), axis=0).reshape(rows.size, -1)
        for rows in (piece.rows[starts] - 1, piece.rows[stops])
    )
    return Ending(gained, lost, starts, stops)


def _unit_sums(slices: Slices, piece: Piece, plan: Layout, ending: Ending, newest: Floats) -> Floats:
    """Sums (units of the block, k, L) of every lag: the first added up, the others by what each shift changes."""
    inside = plan.cells.unit[piece.place] - piece.units.start
    height = piece.units.stop - piece.units.start
    sums = np.empty((height, slices.activities, slices.count))
    firsts = piece.rows[plan.starts[piece.units] - piece.place.start] - piece.rows[0]
    sums[:, :, 0] = run_sums(np.append(firsts, newest.shape[0]), np.ones(newest.shape[0]), newest)
    change = tally(inside[ending.starts], np.ones(ending.starts.size), ending.gained - ending.lost, height)
    steps = change.reshape(height, slices.count, slices.activities)[:, :-1]
    sums[:, :, 1:] = sums[:, :, :1] + np.cumsum(steps, axis=1).transpose(0, 2, 1)
    return sums


def followers(slices: Slices, plan: Layout) -> Codes | None:
    """The effect (E,) of the next row wherever two rows follow each other, -1 for none; None unless it is one to one."""
    near, step = np.diff(slices.rows) == 1, np.diff(plan.cells.effect)
    if ((step == 1) | ~near).all():  # weeks in order; one that no row leaves has nothing to hand on
        return np.append(np.arange(1, plan.effects), -1)
    here, then = plan.cells.effect[:-1][near], plan.cells.effect[1:][near]
    following = np.full(plan.effects, -1)
    following[here] = then
    reached = following[following >= 0]
    if (following[here] != then).any() or np.unique(reached).size < reached.size:
        return None
    return following


@dataclass(slots=True)
class EffectSums:
    """Sums by effect of every lag, added up block by block.

    With week effects the next lag's sums are this lag's, one week on, but for the ends of runs; otherwise (following
    is None) every lag is added up.
    """

    slices: Slices
    plan: Layout
    following: Codes | None
    sums: Floats = field(init=False)
    gained: Floats = field(init=False)
    lost: Floats = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.plan.effects, self.slices.count, self.slices.activities)
        self.sums, self.gained, self.lost = np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def add(self, piece: Piece, ending: Ending, newest: Floats) -> None:
        """Add a block; newest: its first lag."""
        effect, effects = self.plan.cells.effect[piece.place], self.plan.effects
        if self.following is None:
            lags = range(self.slices.first, self.slices.last + 1)
            self.sums += piece.lag_sums(lags, effect, np.ones(effect.size), effects).transpose(1, 0, 2)
            return
        codes = np.zeros(newest.shape[0], np.int32)  # rows not in use add nothing to whichever level they are given
        codes[piece.rows - piece.rows[0]] = effect
        ones = np.ones(codes.size)
        self.sums[:, 0] += tally(codes, ones, newest, effects)
        ones = ones[: ending.starts.size]
        self.gained += tally(effect[ending.starts], ones, ending.gained, effects).reshape(self.gained.shape)
        self.lost += tally(effect[ending.stops], ones, ending.lost, effects).reshape(self.lost.shape)

    def total(self) -> Floats:
        """The sums (E, k, L)."""
        if self.following is not None:
            leads = np.flatnonzero(self.following >= 0)
            for lag in range(1, self.slices.count):
                self.sums[:, lag] = self.gained[:, lag - 1]
                self.sums[self.following[leads], lag] += (self.sums[:, lag - 1] - self.lost[:, lag - 1])[leads]
        return self.sums.transpose(0, 2, 1)


@dataclass(slots=True)
class RawMoments:
    """Sums over blocks, before means are taken off: edge (k, L, k) the first lag with all, ends (L * k, L * k) what the
    ends of runs change, cross (k, L, t), units (U, k, L) sums by unit, by_effect."""

    edge: Floats
    ends: Floats
    cross: Floats
    units: Floats
    by_effect: EffectSums

    @classmethod
    def empty(cls, slices: Slices, plan: Layout, targets: int) -> RawMoments:
        """Nothing added yet."""
        k, lags = slices.activities, slices.count
        sums, units = EffectSums(slices, plan, followers(slices, plan)), np.zeros((plan.units, k, lags))
        return cls(np.zeros((k, lags, k)), np.zeros((lags * k,) * 2), np.zeros((k, lags, targets)), units, sums)


def _unroll(edge: Floats, ends: Floats) -> Floats:
    """All cross products (k * L, k * L), activity by activity, from those of the first lag and the ends of runs."""
    k, lags = edge.shape[0], edge.shape[1]
    change = ends.reshape(lags, k, lags, k)
    table = np.empty((k, lags, k, lags))
    table[:, 0] = edge.transpose(0, 2, 1)
    for lag in range(1, lags):
        table[:, lag, :, 0] = edge[:, lag].T
        table[:, lag, :, 1:] = table[:, lag - 1, :, :-1] + change[lag - 1, :, :-1].transpose(0, 2, 1)
    return table.reshape(k * lags, k * lags)


def _in_terms(slices: Slices, means: Floats, sums: Floats, gram: Floats, cross: Floats) -> Moments:
    """Moments of lags turned into moments of the basis terms."""
    basis = slices.source.basis
    if not is_identity(basis):
        means, sums = means @ basis, sums @ basis
        cross = np.einsum("kle,lt->kte", cross, basis)
        table = gram.reshape(slices.activities, slices.count, slices.activities, slices.count)
        gram = np.einsum("alcm,lt,mu->atcu", table, basis, basis, optimize=True)
    width = slices.activities * basis.shape[1]
    flat = (means.reshape(-1, width), sums.reshape(-1, width), gram.reshape(width, width), cross.reshape(width, -1))
    return Moments(*flat)


def residual_pass(slices: Slices, plan: Layout, left: Floats, coef: Floats) -> Floats:
    """Take columns @ coef off `left` (n, t), in place, and return sums (t, G, p) of columns * left by cluster.

    left: outcomes plus what the effects of the regressors contribute. Columns here are the uncentred ones.
    """
    k, basis, outcomes = slices.activities, slices.source.basis, coef.shape[1]
    kernel = np.einsum("lt,kte->kle", basis, coef.reshape(k, basis.shape[1], outcomes))
    if slices.source.centre is not None:
        level = (slices.source.centre @ kernel.sum(axis=1))[owners(slices, plan)]
        left -= level.take(plan.cells.unit, axis=0)

    raw = np.zeros((outcomes, plan.clusters, k, slices.count))
    for piece in pieces(slices, plan):
        rest = left[piece.place]
        for outcome in range(outcomes):
            rest[:, outcome] -= _fitted(slices, piece, kernel[:, :, outcome])
            _add_clusters(raw[outcome], slices, piece, plan, rest[:, outcome])
    return (raw if is_identity(basis) else raw @ basis).reshape(outcomes, plan.clusters, -1)


def _fitted(slices: Slices, piece: Piece, kernel: Floats) -> Floats:
    """Centred values times the kernel (k, L), summed over lags, at the rows in use."""
    length, pad = piece.values.shape[0], piece.pad
    out = np.zeros(length + 2 * pad)
    for position, line in enumerate(np.dot(kernel.T, piece.values.T)):
        start = pad + slices.first + position
        out[start : start + length] += line
    return out[piece.rows + pad]


def _add_clusters(total: Floats, slices: Slices, piece: Piece, plan: Layout, rest: Floats) -> None:
    """Add a block's sums of lags * rest by cluster to a total (G, k, L); unit by unit where a unit lies in one cluster."""
    codes, k, lags = plan.cells.cluster[piece.place], slices.activities, slices.count
    if not plan.unit_nested:
        each = piece.lag_sums(range(slices.first, slices.last + 1), codes, rest, plan.clusters).transpose(1, 2, 0)
        total += each
        if slices.source.centre is not None:
            centre = slices.source.centre.take(slices.source.cells.unit[slices.rows[piece.place]], axis=0)
            total += tally(codes, rest, centre, plan.clusters)[:, :, None]
        return
    # The rest sums to zero within a unit, so what was taken off as its centre adds nothing.
    ahead = piece.seen_from(rest, slices.first, lags)
    firsts = plan.starts[piece.units] - piece.place.start
    bounds = np.append(piece.rows[firsts] - slices.last, piece.values.shape[0]).tolist()
    sums = np.empty((len(bounds) - 1, k, lags))
    for unit, (start, stop) in enumerate(pairwise(bounds)):
        np.dot(piece.values[start:stop].T, ahead[start:stop], out=sums[unit])
    owner = codes[firsts]
    lowest, highest = int(owner.min()), int(owner.max())  # a block meets few of many clusters
    joined = tally(owner - lowest, np.ones(firsts.size), sums.reshape(firsts.size, -1), highest - lowest + 1)
    total[lowest : highest + 1] += joined.reshape(-1, k, lags)
