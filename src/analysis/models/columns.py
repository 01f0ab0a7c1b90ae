"""Regressors a block of rows at a time, so that a wide lag design is never held in memory.

`Dense` serves an array; `Lagged` builds the lags of a few reps when they are asked for: 72 lag columns of 20,000 reps
would take 1.7 GB, eight activities take 190 MB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.errors import DataError, ParameterError
from analysis.models.design import Cells, Codes, Flags, Floats, valid_rows
from analysis.models.sums import run_sums

CHECK_ROWS = 65_536
LOSES_DIGITS = 1e-3


class Columns(Protocol):
    """A regressor matrix of shape (n, width) that can hand out some of its rows."""

    @property
    def n(self) -> int:
        """Number of rows."""

    @property
    def width(self) -> int:
        """Number of columns."""

    def usable(self) -> Flags:
        """Rows (n,) in which every column is known; raises DataError when a value is infinite."""

    def take(self, rows: Codes | slice) -> Floats:
        """The rows asked for (m, width), in increasing order; read-only where it shows the caller's own array."""


@dataclass(frozen=True, slots=True)
class Dense:
    """Columns held in one array (n, width)."""

    values: Floats

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.values.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.values.shape[1])

    def usable(self) -> Flags:
        """Rows without NaN."""
        return known(self.values)

    def take(self, rows: Codes | slice) -> Floats:
        """Some rows, copied only if they must be gathered."""
        part = self.values[rows]
        part.flags.writeable = not isinstance(rows, slice)
        return part


@dataclass(frozen=True, slots=True)
class Lagged:
    """Lag terms of several activities, built when asked for: same columns as `design.lag_terms`.

    cells, x (n, activities), basis (L, terms), lags (L,); centre (units, activities): means to take off before numbers
    are multiplied, zero where a value is unknown, None where none need be; complete: no value is unknown or infinite.
    """

    cells: Cells
    x: Floats
    basis: Floats
    lags: tuple[int, ...]
    centre: Floats | None
    complete: bool

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def width(self) -> int:
        """Number of columns: activities times terms."""
        return int(self.x.shape[1] * self.basis.shape[1])

    def usable(self) -> Flags:
        """Rows with a whole window of known values."""
        rows = valid_rows(self.cells, max(0, *self.lags), max(0, *(-lag for lag in self.lags)))
        if self.complete:
            return rows
        unknown = ~known(self.x)
        if unknown.any():
            for lag in self.lags:
                late, early = (
                    (slice(lag, None), slice(0, self.n - lag)) if lag >= 0 else (slice(0, lag), slice(-lag, None))
                )
                rows[late] &= ~unknown[early]
        return rows

    def take(self, rows: Codes | slice) -> Floats:
        """Lag terms of some usable rows."""
        index = np.arange(self.n)[rows] if isinstance(rows, slice) else rows
        window = self._window(index)
        if is_identity(self.basis):
            return window.reshape(index.size, self.width)
        return (window.reshape(-1, len(self.lags)) @ self.basis).reshape(index.size, self.width)

    def _window(self, index: Codes) -> Floats:
        """The values (m, activities, L) at each lag."""
        first, last, width = self.lags[0], self.lags[-1], self.x.shape[1]
        if not index.size or self.lags != tuple(range(first, last + 1)):
            return np.stack([self.x[index - lag] for lag in self.lags], axis=2)
        # A row's neighbouring lags lie side by side in memory: one run of numbers a row instead of a gather a lag.
        low, high = int(index[0]), int(index[-1]) + 1
        flat = self.x[low - last : high - first].reshape(-1)
        runs = np.lib.stride_tricks.sliding_window_view(flat, width * len(self.lags))[::width]
        newest_last = runs[index - low].reshape(index.size, len(self.lags), width)
        return np.ascontiguousarray(newest_last[:, ::-1].transpose(0, 2, 1))


@dataclass(frozen=True, slots=True)
class Subset:
    """Some rows of other columns, gathered when asked for."""

    inner: Columns
    rows: Codes

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.rows.size)

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.inner.width

    def usable(self) -> Flags:
        """Rows without NaN."""
        return self.inner.usable()[self.rows]

    def take(self, rows: Codes | slice) -> Floats:
        """Fresh rows."""
        return self.inner.take(self.rows[rows])


def lag_columns(cells: Cells, x: Floats, basis: Floats, lags: Sequence[int] | Codes) -> Lagged:
    """The lag terms of `lag_terms` as columns that are never held at once; x: (n,) or (n, activities)."""
    if basis.shape[0] != len(lags):
        raise ParameterError(f"the basis has {basis.shape[0]} rows for {len(lags)} lags")
    series = np.ascontiguousarray(np.asarray(x, np.float64).reshape(cells.n, -1))
    starts = np.flatnonzero(np.diff(cells.unit, prepend=-1))
    counts = np.diff(np.append(starts, cells.n))
    centre = run_sums(np.append(starts, cells.n), np.ones(cells.n), series) / counts[:, None]
    total, level = np.einsum("ij,ij->j", series, series), counts @ centre**2
    # Where means do not dwarf the rest, products of the numbers as they are lose no digits. Unknown values say no.
    needless = bool((level < (1 - LOSES_DIGITS) * total).all())
    whole = bool(np.isfinite(total).all())
    shapes, offsets = np.asarray(basis, np.float64), tuple(int(lag) for lag in lags)
    return Lagged(cells, series, shapes, offsets, None if needless else np.nan_to_num(centre), whole)


def as_columns(x: NDArray[np.float64] | Columns) -> Columns:
    """Any regressors as `Columns`; a vector becomes one column."""
    if not isinstance(x, np.ndarray):
        return x
    return Dense(np.asarray(x, np.float64).reshape(x.shape[0], -1))


def is_identity(basis: Floats) -> bool:
    """Whether the terms are the lags themselves."""
    return basis.shape[0] == basis.shape[1] and bool((basis == np.eye(basis.shape[0])).all())


def known(values: Floats) -> Flags:
    """Rows (n,) of (n, k) without NaN; DataError on an infinite value, which no count or amount can be."""
    rows = np.empty(values.shape[0], bool)
    for start in range(0, values.shape[0], CHECK_ROWS):
        part = values[start : start + CHECK_ROWS]
        if np.isfinite(part.sum()):  # one unknown number would make the sum unknown
            rows[start : start + CHECK_ROWS] = True
            continue
        rows[start : start + CHECK_ROWS] = np.isfinite(part @ np.ones(part.shape[1]))
        if not rows[start : start + CHECK_ROWS].all() and np.isinf(part).any():
            raise DataError(f"rows {start} to {start + part.shape[0] - 1} hold an infinite value; correct it")
    return rows
