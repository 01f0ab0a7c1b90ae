"""Sums over groups of rows, a cache-sized block of whole units at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from analysis.models.absorb import Layout
from analysis.models.design import Codes, Floats

BLOCK_VALUES = 400_000


def blocks(plan: Layout, width: int) -> Iterator[tuple[slice, slice]]:
    """(rows, units) of consecutive blocks of whole units, small enough to stay in the processor's cache."""
    target = max(1, BLOCK_VALUES // max(1, width))
    first = 0
    while first < plan.units:
        last = int(np.searchsorted(plan.starts, plan.starts[first] + target, side="right")) - 1
        last = max(last, first + 1)
        yield slice(int(plan.starts[first]), int(plan.starts[last])), slice(first, last)
        first = last


def tally(codes: Codes, weight: Floats, values: Floats, levels: int) -> Floats:
    """Sums (levels, p) of weight * values by code, without sorting."""
    matrix = sparse.csc_array((levels, codes.size))
    # Set directly: the constructor would check and convert every index of every block again.
    matrix.data, matrix.indices = weight, codes.astype(np.int32, copy=False)
    matrix.indptr = np.arange(codes.size + 1, dtype=np.int32)
    return np.asarray(matrix @ values)


def run_sums(edges: Codes, weight: Floats, values: Floats) -> Floats:
    """Sums (u, p) of weight * values over runs of rows, run i from edges[i] to edges[i + 1]."""
    matrix = sparse.csr_array((edges.size - 1, weight.size))
    matrix.data, matrix.indptr = weight, edges.astype(np.int32)
    matrix.indices = np.arange(weight.size, dtype=np.int32)
    return np.asarray(matrix @ values)
