"""Count activities by week, kind and rep in one pass over the files, a batch at a time.

Memory does not grow with the number of events, in whatever order they lie: of each batch only sums remain, and
distinct accounts (the one measure that needs every row) are kept apart by week and spilled (distinct.py).
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import DataError
from analysis.panel.distinct import DistinctAccounts, text_hashes

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 20
MAX_KINDS = 60
_SENIOR = "vp_or_above"

_WORDS = ("rep_id", "kind", "status", "origin", "contact_level")  # few different values: read as codes
_READ = (*_WORDS, "account_id", "occurred_on", "duration_s", "is_meaningful", "logged_at")

COUNT, MEANINGFUL, MEANINGFUL_KNOWN, SENIOR, SENIOR_KNOWN = range(5)


@dataclass
class Tally:
    """What was counted. Weeks are numbered from the Monday of 1969-12-29 on; reps by their place in the list given.

    cells: (measure, kind, week) -> one int32 a rep, for the measures COUNT ... SENIOR_KNOWN. talk_s, talk_known,
    accounts, accounts_known: week -> one number a rep.
    """

    reps: int
    cells: dict[tuple[int, str, int], np.ndarray] = field(default_factory=dict)
    talk_s: dict[int, np.ndarray] = field(default_factory=dict)
    talk_known: dict[int, np.ndarray] = field(default_factory=dict)
    accounts: dict[int, np.ndarray] = field(default_factory=dict)
    last_day: date | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds counted, in order of name."""
        return tuple(sorted({kind for measure, kind, _ in self.cells if measure == COUNT}))

    @property
    def weeks(self) -> tuple[int, int] | None:
        """Numbers of the first and the last week in which anything was counted; None where nothing was."""
        weeks = [week for measure, _, week in self.cells if measure == COUNT]
        return (min(weeks), max(weeks)) if weeks else None


@dataclass(slots=True)
class _Batch:
    """The rows of one batch that count as effort, as arrays of equal length. kind: code in `kinds`."""

    rep: np.ndarray
    week: np.ndarray
    last_day: int
    kind: np.ndarray
    kinds: list[str]
    talk: np.ndarray | None
    talk_known: np.ndarray | None
    meaningful: tuple[np.ndarray, np.ndarray] | None
    senior: tuple[np.ndarray, np.ndarray] | None
    account: tuple[np.ndarray, np.ndarray] | None  # hash, known


def count(files: Sequence[Path], reps: Sequence[str], as_of: date | None = None) -> Tally:
    """Count the done, human activities in clean parquet files; rows after `as_of` (done or written) do not exist.

    reps: every rep_id the files may hold. Raises DataError where there are more than MAX_KINDS kinds.
    """
    import pyarrow as pa

    tally = Tally(len(reps))
    rep_set = pa.array(list(reps), pa.string())
    with tempfile.TemporaryDirectory(prefix="workbench-accounts-") as folder:
        accounts = DistinctAccounts(Path(folder), len(reps))
        for raw in _batches(files):
            batch = _effort(raw, rep_set, as_of)
            if len(batch.rep):
                _add(tally, batch)
                if batch.account is not None:
                    hashes, known = batch.account
                    accounts.add(batch.week[known], batch.rep[known], hashes[known])
        tally.accounts.update(accounts.counts())
    if len(tally.kinds) > MAX_KINDS:
        raise DataError(
            f"activities.kind holds {len(tally.kinds)} different kinds; map them to at most {MAX_KINDS} key selling "
            "activities when importing"
        )
    return tally


def _batches(files: Sequence[Path]) -> Iterator["pa.RecordBatch"]:
    import pyarrow.parquet as pq

    for path in files:
        there = set(pq.read_schema(path).names)
        columns = [name for name in _READ if name in there]
        with pq.ParquetFile(
            path, read_dictionary=[name for name in columns if name in _WORDS], memory_map=True
        ) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns)


def _effort(raw: "pa.RecordBatch", reps: "pa.Array", as_of: date | None) -> _Batch:
    """The rows that count: done, by a human, not after as_of."""
    import pyarrow as pa

    columns = dict(zip(raw.schema.names, raw.columns, strict=True))
    day = columns["occurred_on"].cast(pa.int32()).to_numpy(zero_copy_only=False)
    keep = _counts(columns, day, as_of)
    pick = slice(None) if keep.all() else np.flatnonzero(keep)
    codes, kinds = _decode(columns["kind"])
    talk = _with_known(columns.get("duration_s"), pick)
    return _Batch(
        rep=_lookup(columns["rep_id"], reps)[pick],
        week=((day + 3) // 7)[pick],
        last_day=int(day[pick].max(initial=-(10**6))),
        kind=codes[pick],
        kinds=kinds,
        talk=None if talk is None else talk[0],
        talk_known=None if talk is None else talk[1],
        meaningful=_with_known(columns.get("is_meaningful"), pick),
        senior=_senior(columns.get("contact_level"), pick),
        account=_accounts(columns.get("account_id"), pick),
    )


def _counts(columns: dict[str, "pa.Array"], day: np.ndarray, as_of: date | None) -> np.ndarray:
    keep = np.ones(len(day), dtype=bool)
    for name, wanted in (("status", "done"), ("origin", "human")):
        if name in columns:
            codes, words = _decode(columns[name])
            keep &= np.array([*(word == wanted for word in words), True])[codes]  # code -1: empty, so the default
    if as_of is not None:
        keep &= day <= (as_of - date(1970, 1, 1)).days
        if "logged_at" in columns:
            written, known = _instants(columns["logged_at"])
            keep &= ~known | (written < np.datetime64(as_of, "us") + np.timedelta64(1, "D"))
    return keep


def _instants(column: "pa.Array") -> tuple[np.ndarray, np.ndarray]:
    known = column.is_valid().to_numpy(zero_copy_only=False)
    import pyarrow as pa

    return column.cast(pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False).astype("datetime64[us]"), known


def _decode(column: "pa.DictionaryArray") -> tuple[np.ndarray, list[str]]:
    """Codes (-1 where empty) and the words they stand for."""
    return _indices(column), column.dictionary.to_pylist()


def _indices(column: "pa.DictionaryArray") -> np.ndarray:
    indices = column.indices
    return (indices if indices.null_count == 0 else indices.fill_null(-1)).to_numpy(zero_copy_only=False)


def _lookup(column: "pa.DictionaryArray", known: "pa.Array") -> np.ndarray:
    import pyarrow.compute as pc

    places = pc.index_in(column.dictionary, value_set=known).to_numpy(zero_copy_only=False)
    return places.astype(np.int64)[_indices(column)]


def _with_known(column: "pa.Array | None", pick: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Values (0 where empty) and whether each is known."""
    if column is None:
        return None
    known = column.is_valid().to_numpy(zero_copy_only=False)[pick]
    return column.fill_null(False if str(column.type) == "bool" else 0).to_numpy(zero_copy_only=False)[pick], known


def _senior(column: "pa.DictionaryArray | None", pick: Any) -> tuple[np.ndarray, np.ndarray] | None:
    if column is None:
        return None
    codes, words = _decode(column)
    codes = codes[pick]
    return (
        np.array([*(word == _SENIOR for word in words), False])[codes],
        np.array([*(word != "unknown" for word in words), False])[codes],
    )


def _accounts(column: "pa.StringArray | None", pick: Any) -> tuple[np.ndarray, np.ndarray] | None:
    if column is None:
        return None
    return text_hashes(column)[pick], column.is_valid().to_numpy(zero_copy_only=False)[pick]


def _add(tally: Tally, batch: _Batch) -> None:
    last = date(1970, 1, 1) + timedelta(days=batch.last_day)
    tally.last_day = last if tally.last_day is None else max(last, tally.last_day)
    first, kinds, reps = int(batch.week.min()), len(batch.kinds), tally.reps
    weeks = int(batch.week.max()) - first + 1
    by_week = (batch.week - first).astype(np.int64) * kinds
    cell = (by_week + batch.kind) * reps + batch.rep
    shape = (weeks, kinds, reps)
    _store(tally, COUNT, batch, first, np.bincount(cell, minlength=weeks * kinds * reps).reshape(shape))
    for value, known, column in (
        (MEANINGFUL, MEANINGFUL_KNOWN, batch.meaningful),
        (SENIOR, SENIOR_KNOWN, batch.senior),
    ):
        if column is None:
            continue
        for measure, rows in ((value, column[0]), (known, column[1])):
            held = np.bincount(cell[rows], minlength=weeks * kinds * reps).reshape(shape)
            _store(tally, measure, batch, first, held)
    if batch.talk is not None and batch.talk_known is not None:
        place = (batch.week - first).astype(np.int64) * reps + batch.rep
        seconds = np.bincount(place, weights=batch.talk, minlength=weeks * reps).reshape(weeks, reps)
        told = np.bincount(place[batch.talk_known], minlength=weeks * reps).reshape(weeks, reps)
        for week in range(weeks):
            _accumulate(tally.talk_s, first + week, seconds[week])
            _accumulate(tally.talk_known, first + week, told[week])


def _store(tally: Tally, measure: int, batch: _Batch, first: int, held: np.ndarray) -> None:
    for week, kind in zip(*np.nonzero(held.any(axis=2)), strict=True):
        _accumulate(tally.cells, (measure, batch.kinds[kind], first + int(week)), held[week, kind])


def _accumulate(cells: dict, key: object, values: np.ndarray) -> None:
    if key in cells:
        cells[key] += values
    else:
        cells[key] = values.astype(np.int32 if values.dtype.kind == "i" else np.float64)
