"""Memory of a process that is forked many times (Linux): what a fork will write to is copied before its report begins.

A fork shares its parent's memory until it writes: then the kernel stops it and copies a page, eight thousand times a report.
Which pages a report writes to is learned from one of an invented team; a process that stands by gets its copies meanwhile.
Everything here is for speed: where the system cannot do it, nothing happens.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from analysis.reporting.sandbox import die_with_parent, libc

PAGE, LARGE = 4096, 2 << 20
POPULATE_WRITE, COLLAPSE = 23, 25  # advice of madvise: copy now (Linux 5.14), join into large pages (Linux 6.1)
PRESENT, NOT_SHARED = 1 << 63, 1 << 56  # bits of /proc/self/pagemap (Linux 4.2)
LARGEST_MAP = 4 << 30  # what is larger is address space that somebody reserved

Runs = list[tuple[int, int]]  # address and length in bytes of neighbouring pages


def join() -> None:
    """Put this process's memory into large pages: a fork then copies far fewer entries of the page table."""
    for start, end in _private_maps():
        for at in range(-(-start // LARGE) * LARGE, end - LARGE + 1, LARGE):
            _advise(at, LARGE, COLLAPSE)


def written_by(work: Callable[[], object], place: Path) -> Runs:
    """The pages that a fork of this process writes to while it does this work; none where the system does not say.

    place: a file that does not exist yet.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            die_with_parent(parent)
            work()
            place.write_text(json.dumps(list(_own())))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return [(start, length) for start, length in json.loads(place.read_text())] if place.exists() else []


def copy_now(runs: Runs) -> None:
    """Have these pages for this process alone."""
    for start, length in runs:
        _advise(start, length, POPULATE_WRITE)


def _own() -> Iterator[tuple[int, int]]:
    """Runs of pages that this process shares with no other."""
    import numpy as np

    wanted = np.uint64(PRESENT | NOT_SHARED)
    with Path("/proc/self/pagemap").open("rb", buffering=0) as file:
        for start, end in _private_maps():
            file.seek(start // PAGE * 8)
            entries = np.frombuffer(file.read((end - start) // PAGE * 8), dtype=np.uint64)
            edges = np.diff(np.concatenate([[0], (entries & wanted) == wanted, [0]]).astype(np.int8))
            for first, after in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
                yield start + int(first) * PAGE, int(after - first) * PAGE


def _private_maps() -> list[tuple[int, int]]:
    """Start and end of the heap and of the other memory that comes from no file."""
    if sys.platform != "linux":
        return []
    found = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        where, rights, _, _, file, *name = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in where.split("-"))
        if rights == "rw-p" and file == "0" and name in ([], ["[heap]"]) and end - start <= LARGEST_MAP:
            found.append((start, end))
    return found


def _advise(start: int, length: int, advice: int) -> None:
    libc().madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), advice)
