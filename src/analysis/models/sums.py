"""Sums over groups of rows, a cache-sized block of whole units at a time; large panels in two halves side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

import numpy as np
from scipy import sparse

from analysis.models.absorb import Layout
from analysis.models.design import Codes, Floats

BLOCK_VALUES = 400_000
LARGE_VALUES = 2_000_000

Block: TypeAlias = tuple[slice, slice]
Part = TypeVar("Part")


def blocks(plan: Layout, width: int) -> Iterator[tuple[slice, slice]]:
    """(rows, units) of consecutive blocks of whole units, small enough to stay in the processor's cache."""
    target = max(1, BLOCK_VALUES // max(1, width))
    first = 0
    while first < plan.units:
        last = int(np.searchsorted(plan.starts, plan.starts[first] + target, side="right")) - 1
        last = max(last, first + 1)
        yield slice(int(plan.starts[first]), int(plan.starts[last])), slice(first, last)
        first = last


def in_halves(plan: Layout, width: int, work: Callable[[Sequence[Block]], Part]) -> list[Part]:
    """What came of the work on all blocks, or on each half of them, in order.

    Whether there are two halves depends on the panel's size alone, so sums are the same to the bit however many cores there
    are. Halves run in two threads, which helps as far as numpy lets go of the interpreter: np.dot and np.multiply do; @,
    reduceat and scipy's sparse products do not.
    """
    if plan.cells.n * width < LARGE_VALUES:
        return [work(list(blocks(plan, width)))]
    todo = list(blocks(plan, 2 * width))  # two at a time take no more memory than one did
    middle = len(todo) // 2
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, [half for half in (todo[:middle], todo[middle:]) if half]))


def added(parts: Sequence[Floats]) -> Floats:
    """The sum of what the halves gave, in their order."""
    return sum(parts[1:], parts[0])


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
