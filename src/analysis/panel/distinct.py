"""Distinct accounts by rep and week, without a dictionary of accounts and without holding every event.

An account id becomes a 64-bit hash of its bytes; of each week, (rep, hash) packed into one integer is kept, sorted
and counted. The hash keeps 64 bits less those the reps need: 53 with 2,000 reps. Two different accounts of one rep
in one week are taken for one with a chance of 2^-53, so a panel of 400,000 cells with 60 accounts each is off by one
anywhere with a chance below one in ten million.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_PENDING_KEYS = 12_000_000  # 96 MB held before they go to disk
_LONG_ID_BYTES = 64
_ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: multiplying by it loses nothing
_ODD_TOO = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)
_LOW_BYTES = np.array([(1 << (8 * count)) - 1 for count in range(8)] + [2**64 - 1], dtype=np.uint64)


def text_hashes(column: "pa.StringArray") -> np.ndarray:
    """One uint64 a row from the bytes of each text; equal texts, equal numbers, in every batch. Empty rows: any."""
    offsets, data = _buffers(column)
    starts, lengths = offsets[:-1], np.diff(offsets)
    if len(lengths) and 0 < lengths.min() == lengths.max() <= _LONG_ID_BYTES:
        return _finished(_even_hashes(data[starts[0] : offsets[-1]], int(lengths[0])))
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    words = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))  # eight bytes from any place on
    state = lengths.astype(np.uint64) * _ODD_TOO
    longest = int(lengths.max(initial=0))
    for done in range(0, min(longest, _LONG_ID_BYTES), 8):
        left = np.clip(lengths - done, 0, 8)
        word = words[np.minimum(starts + done, len(words) - 1)] & _LOW_BYTES[left]
        mixed = (state ^ word) * _ODD
        mixed ^= mixed >> _SHIFT
        state = mixed if left.min(initial=8) > 0 else np.where(left > 0, mixed, state)
    for row in np.flatnonzero(lengths > _LONG_ID_BYTES) if longest > _LONG_ID_BYTES else ():
        digest = hashlib.blake2b(data[offsets[row] : offsets[row + 1]].tobytes(), digest_size=8).digest()
        state[row] = np.frombuffer(digest, dtype="<u8")[0]
    return _finished(state)


def _even_hashes(data: np.ndarray, length: int) -> np.ndarray:
    """The same numbers for texts that are all `length` bytes long: their words lie at even steps and need no index."""
    rows = len(data) // length
    padded = np.concatenate([data, np.zeros(8, dtype=np.uint8)])
    state = np.full(rows, length, dtype=np.uint64) * _ODD_TOO
    for done in range(0, length, 8):
        word = np.ndarray((rows,), dtype="<u8", buffer=padded, offset=done, strides=(length,))
        state ^= word if length - done >= 8 else word & _LOW_BYTES[length - done]
        state *= _ODD
        state ^= state >> _SHIFT
    return state


def _finished(state: np.ndarray) -> np.ndarray:
    state *= _ODD_TOO
    state ^= state >> _SHIFT
    return state


def _buffers(column: "pa.StringArray") -> tuple[np.ndarray, np.ndarray]:
    """Byte offsets (one more than rows) and the bytes."""
    import pyarrow as pa

    width = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    held = np.frombuffer(offsets, dtype=width)[column.offset : column.offset + len(column) + 1].astype(np.int64)
    return held, np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)


class DistinctAccounts:
    """Packed (rep, account) keys by week, in memory while they are few and in files of `folder` when they are many."""

    def __init__(self, folder: Path, reps: int) -> None:
        self._folder, self._reps = folder, reps
        self._hash_bits = np.uint64(64 - max(reps - 1, 1).bit_length())
        self._held: dict[int, list[np.ndarray]] = {}
        self._spilled: set[int] = set()
        self._done: dict[int, np.ndarray] = {}
        self._pending = 0

    def add(self, week: np.ndarray, rep: np.ndarray, account: np.ndarray) -> None:
        """Take in rows: week numbers, places of reps, hashes of accounts; arrays of equal length.

        Raises DataError for a week that was said to be finished.
        """
        if not len(week):
            return
        keys = (rep.astype(np.uint64) << self._hash_bits) | (account >> (np.uint64(64) - self._hash_bits))
        if (week[1:] < week[:-1]).any():
            order = np.argsort(week.astype(np.int16), kind="stable")
            week, keys = week[order], keys[order]
        edges = np.flatnonzero(week[1:] != week[:-1]) + 1
        for number, part in zip(week[np.append(0, edges)], np.split(keys, edges), strict=True):
            if int(number) in self._done:
                raise DataError("activities: a parquet file's statistics contradict its rows; write the file again")
            self._held.setdefault(int(number), []).append(part)
        self._pending += len(keys)
        if self._pending > _PENDING_KEYS:
            self._spill()

    def _spill(self) -> None:
        for week, parts in self._held.items():
            with (self._folder / str(week)).open("ab") as file:
                file.write(_unique(np.concatenate(parts)).tobytes())
        self._spilled |= set(self._held)
        self._held, self._pending = {}, 0

    def finish(self, before: int) -> None:
        """Count and forget the weeks before the one with that number: no further row of theirs will come."""
        for week in [week for week in {*self._held, *self._spilled} if week < before]:
            self._done[week] = self._count(week)

    def _count(self, week: int) -> np.ndarray:
        parts = self._held.pop(week, [])
        self._pending -= sum(len(part) for part in parts)
        if week in self._spilled:
            self._spilled.remove(week)
            parts = [*parts, np.fromfile(self._folder / str(week), dtype=np.uint64)]
        keys = _unique(np.concatenate(parts))
        return np.bincount((keys >> self._hash_bits).astype(np.int64), minlength=self._reps)

    def counts(self) -> Iterator[tuple[int, np.ndarray]]:
        """Week number and the number of distinct accounts of each rep (int64), for every week with any."""
        for week in sorted({*self._done, *self._held, *self._spilled}):
            yield week, self._done.pop(week) if week in self._done else self._count(week)


def _unique(keys: np.ndarray) -> np.ndarray:
    keys = np.sort(keys)
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
