"""Cross products of lag columns from slices of the activities, without ever building the columns.

The cross product of lags l+1 and m+1 sums the same numbers as that of lags l and m, one row earlier: the two differ by
the first and last row of every run of rows. So one activity against all lags is multiplied out, and the rest follows
from the windows at the ends of the runs. Works on a block of whole units at a time, least squares only: weights that
differ by row break the shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from analysis.models.absorb import Layout, cross_sums
from analysis.models.columns import Columns, Lagged, Subset, is_identity
from analysis.models.design import Codes, Floats
from analysis.models.sums import blocks, tally


@dataclass(frozen=True, slots=True)
class Slices:
    """Neighbouring lags first..last of activities x (N, k), at the rows (n,) in use; basis (L, terms)."""

    source: Lagged
    rows: Codes
    first: int
    last: int
    unit_means: Floats

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
    return Slices(source, columns.rows, first, last, _unit_means(source))


def _unit_means(source: Lagged) -> Floats:
    """Means (all units, k), zero where a value is unknown; taken off first, so that nothing large cancels later."""
    starts = np.flatnonzero(np.diff(source.cells.unit, prepend=-1))
    sums = np.add.reduceat(source.x, starts, axis=0)
    return np.nan_to_num(sums / np.diff(np.append(starts, source.n))[:, None])


@dataclass(frozen=True, slots=True)
class Piece:
    """One block: centred activities (m, k), unknown values zero and never used; rows in use as positions in them;
    ahead: how many of those lie before a position, padded by the lags at both ends; place and units of the block."""

    values: Floats
    rows: Codes
    ahead: Codes
    pad: int
    place: slice
    units: slice

    def lag_sums(self, lag: int, codes: Codes, weight: Floats, levels: int) -> Floats:
        """Sums (levels, k) by code of weight * values one lag before each row in use, without gathering them."""
        matrix = sparse.csc_array((levels, self.values.shape[0]))
        matrix.data, matrix.indices = weight, codes.astype(np.int32, copy=False)
        start = self.pad + lag
        matrix.indptr = self.ahead[start : start + self.values.shape[0] + 1]
        return np.asarray(matrix @ self.values)


def pieces(slices: Slices, plan: Layout) -> Iterator[Piece]:
    """Blocks of whole units."""
    source, pad = slices.source, max(0, slices.last, -slices.first)
    for place, units in blocks(plan, slices.activities):
        rows = slices.rows[place]
        low, high = int(rows[0]) - slices.last, int(rows[-1]) + 1 + max(0, -slices.first)
        values = source.x[low:high] - slices.unit_means.take(source.cells.unit[low:high], axis=0)
        np.nan_to_num(values, copy=False)
        ahead = np.zeros(high - low + 1 + 2 * pad, np.int32)
        ahead[rows - low + 1 + pad] = 1
        yield Piece(values, rows - low, np.cumsum(ahead, dtype=np.int32), pad, place, units)


@dataclass(frozen=True, slots=True)
class Moments:
    """means (U, p), sums by effect (E, p), gram (p, p) of columns net of unit means, cross (p, k) with the targets."""

    means: Floats
    sums: Floats
    gram: Floats
    cross: Floats


def moments(slices: Slices, plan: Layout, targets: Floats) -> Moments:
    """Everything the first pass of a least-squares fit needs; targets (n, t) sum to zero within each unit."""
    k, lags = slices.activities, slices.count
    means = np.empty((plan.units, k, lags))
    sums = np.zeros((plan.effects, k, lags))
    cross = np.zeros((k, lags, targets.shape[1]))
    edge, ends = np.zeros((k, lags, k)), np.zeros((lags * k, lags * k))
    counts = np.diff(plan.starts).astype(np.float64)
    for piece in pieces(slices, plan):
        edge += _first_lag_with_all(slices, piece)
        ends += _windows_at_ends(slices, piece)
        inside = plan.cells.unit[piece.place] - plan.cells.unit[piece.place.start]
        own = counts[piece.units, None]
        ones = np.ones(piece.rows.size)
        aligned = np.zeros((piece.values.shape[0] + 2 * piece.pad, targets.shape[1]))
        aligned[piece.pad + piece.rows] = targets[piece.place]
        for position in range(lags):
            lag = slices.first + position
            means[piece.units, :, position] = piece.lag_sums(lag, inside, ones, own.size) / own
            sums[:, :, position] += piece.lag_sums(lag, plan.cells.effect[piece.place], ones, plan.effects)
            cross[:, position] += piece.values.T @ aligned[piece.pad + lag :][: piece.values.shape[0]]
    gram = _unroll(edge, ends)
    flat = means.reshape(plan.units, -1)
    gram -= (flat * counts[:, None]).T @ flat
    sums -= _sums_of_means(plan, means)
    owner = slices.source.cells.unit[slices.rows[plan.starts[:-1]]]
    return _in_terms(slices, means, slices.unit_means[owner], sums, gram, cross)


def _first_lag_with_all(slices: Slices, piece: Piece) -> Floats:
    """Cross products (k, L, k) of the first lag with every lag, by rows whose windows do not overlap in memory."""
    k, lags = slices.activities, slices.count
    start = int(piece.rows[0])
    span = int(piece.rows[-1]) + 1 - start
    nearest = np.zeros((span, k))
    nearest[piece.rows - start] = piece.values.take(piece.rows - slices.first, axis=0)
    flat = piece.values.reshape(-1)
    total = np.zeros((k, lags * k))
    for offset in range(min(lags, span)):
        left = nearest[offset::lags]
        # Row start + offset + i * lags sees the numbers from (offset + i * lags) * k on, oldest lag first.
        total += left.T @ flat[offset * k : (offset + left.shape[0] * lags) * k].reshape(left.shape[0], lags * k)
    return total.reshape(k, lags, k)[:, ::-1]


def _windows_at_ends(slices: Slices, piece: Piece) -> Floats:
    """Products of windows just before runs of rows, less those of the runs' last rows: what a shift by one row changes."""
    breaks = np.flatnonzero(np.diff(piece.rows) != 1)
    before = piece.rows[np.append(0, breaks + 1)] - 1
    last = piece.rows[np.append(breaks, piece.rows.size - 1)]
    # The longest lag is never shifted further, so its column before the first row need not exist.
    lags = slices.first + np.arange(slices.count)
    inner, outer = (
        piece.values.take(np.maximum(rows[:, None] - lags, 0), axis=0).reshape(rows.size, -1) for rows in (before, last)
    )
    return inner.T @ inner - outer.T @ outer


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


def _sums_of_means(plan: Layout, means: Floats) -> Floats:
    """What unit means contribute to the sums by effect (E, k, L)."""
    shape = (plan.effects, plan.units)
    met = cross_sums(plan.cells.effect, plan.cells.unit, np.ones(plan.cells.n), shape)
    return np.asarray(met @ means.reshape(plan.units, -1)).reshape(plan.effects, *means.shape[1:])


def _in_terms(slices: Slices, means: Floats, centre: Floats, sums: Floats, gram: Floats, cross: Floats) -> Moments:
    """Moments of lags turned into moments of the basis terms; the centre (U, k) goes back into the means."""
    means = means + centre[:, :, None]
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
    raw = np.zeros((outcomes, plan.clusters, k, slices.count))
    for piece in pieces(slices, plan):
        codes, rest = plan.cells.cluster[piece.place], left[piece.place]
        low = int(slices.rows[piece.place.start]) - int(piece.rows[0])
        own = slices.unit_means.take(slices.source.cells.unit[piece.rows + low], axis=0)
        for outcome in range(outcomes):
            rest[:, outcome] -= _fitted(slices, piece, kernel[:, :, outcome]) + own @ kernel[:, :, outcome].sum(axis=1)
            raw[outcome] += tally(codes, rest[:, outcome], own, plan.clusters)[:, :, None]
            for position in range(slices.count):
                lag = slices.first + position
                raw[outcome, :, :, position] += piece.lag_sums(lag, codes, rest[:, outcome], plan.clusters)
    return np.asarray(raw @ basis).reshape(outcomes, plan.clusters, -1)


def _fitted(slices: Slices, piece: Piece, kernel: Floats) -> Floats:
    """Centred values times the kernel (k, L), summed over lags, at the rows in use."""
    length, pad = piece.values.shape[0], piece.pad
    out = np.zeros(length + 2 * pad)
    for position, line in enumerate(kernel.T @ piece.values.T):
        start = pad + slices.first + position
        out[start : start + length] += line
    return out[piece.rows + pad]
