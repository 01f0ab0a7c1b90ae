"""Count activities by week, kind and rep in one pass over the files, a batch at a time.

Distinct accounts are what costs: they need every (week, rep, account) once. Each is packed into one integer, sorted
by the batch, kept by block of weeks and spilled to disk when there are many, so that memory does not grow with the
number of events, in whatever order they lie.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.calendars import monday_of_days
from analysis.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 20
MAX_KINDS = 60
_SENIOR = "vp_or_above"
_ACCOUNT_BITS, _REP_BITS = 30, 20
_BLOCK_WEEKS = 8
_PENDING_KEYS = 12_000_000  # 96 MB

_TEXT = ("rep_id", "kind", "status", "origin", "contact_level", "account_id")
_READ = (*_TEXT, "occurred_on", "duration_s", "is_meaningful", "logged_at")

COUNT, MEANINGFUL, MEANINGFUL_KNOWN, SENIOR, SENIOR_KNOWN = range(5)


@dataclass
class Tally:
    """What was counted. Weeks are numbered from the Monday of 1969-12-29 on; reps by their place in the list given.

    cells: (measure, kind, week) -> one int64 a rep, for the measures COUNT ... SENIOR_KNOWN. talk_s, talk_known,
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
    account: np.ndarray | None


def week_number(days: np.ndarray) -> np.ndarray:
    """Number of the week of each date (int64)."""
    return (monday_of_days(days).astype(np.int64) + 3) // 7


def monday_of_number(number: int | np.ndarray) -> Any:
    """The Monday (datetime64[D]) of a week number."""
    return np.datetime64("1969-12-29", "D") + np.asarray(number) * 7


def count(files: Sequence[Path], reps: Sequence[str], as_of: date | None = None) -> Tally:
    """Count the done, human activities in clean parquet files; rows after `as_of` (done or written) do not exist.

    reps: every rep_id the files may hold. Raises DataError where there are more than MAX_KINDS kinds.
    """
    import pyarrow as pa

    tally = Tally(len(reps))
    rep_set, accounts = pa.array(list(reps), pa.string()), _Coder()
    with tempfile.TemporaryDirectory(prefix="workbench-accounts-") as folder:
        seen = _DistinctKeys(Path(folder))
        for raw in _batches(files):
            batch = _effort(raw, rep_set, accounts, as_of)
            if len(batch.rep):
                _add(tally, batch)
                if batch.account is not None:
                    seen.add(_pack(batch))
        _count_accounts(tally, seen)
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
        with pq.ParquetFile(path, read_dictionary=[name for name in columns if name in _TEXT], memory_map=True) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=columns)


def _effort(raw: "pa.RecordBatch", reps: "pa.Array", accounts: "_Coder", as_of: date | None) -> _Batch:
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
        account=accounts.codes(columns["account_id"])[pick] if "account_id" in columns else None,
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


class _Coder:
    """Numbers for account ids, the same in every batch."""

    def __init__(self) -> None:
        import pyarrow as pa

        self._known = pa.array([], pa.string())

    def codes(self, column: "pa.DictionaryArray") -> np.ndarray:
        """One number a row; -1 where empty."""
        import pyarrow as pa
        import pyarrow.compute as pc

        words = column.dictionary
        places = pc.index_in(words, value_set=self._known)
        if places.null_count:
            fresh = words.filter(pc.is_null(places))
            start = len(self._known)
            self._known = pa.concat_arrays([self._known, fresh.cast(pa.string())])
            places = places.to_numpy(zero_copy_only=False).copy()
            places[np.isnan(places)] = np.arange(start, start + len(fresh))
        else:
            places = places.to_numpy(zero_copy_only=False)
        return np.append(places.astype(np.int64), -1)[_indices(column)]


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
        cells[key] = values.copy()


def _pack(batch: _Batch) -> np.ndarray:
    account = batch.account
    if account is None:
        return np.empty(0, dtype=np.int64)
    keys = (batch.week.astype(np.int64) << _REP_BITS | batch.rep) << _ACCOUNT_BITS | account
    return keys[account >= 0] if (account < 0).any() else keys


class _DistinctKeys:
    """Packed (week, rep, account) keys by block of weeks, in memory while they are few and in files when many."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, list[np.ndarray]] = {}
        self._pending = 0

    def add(self, keys: np.ndarray) -> None:
        """Take in the keys of one batch (sorts them in place)."""
        if not len(keys):
            return
        keys.sort()
        keys = keys[np.append(True, keys[1:] != keys[:-1])]
        width = _BLOCK_WEEKS << (_REP_BITS + _ACCOUNT_BITS)
        first, last = int(keys[0] // width), int(keys[-1] // width)
        ends = np.searchsorted(keys, np.arange(first + 1, last + 1, dtype=np.int64) * width)
        for block, part in enumerate(np.split(keys, ends), start=first):
            if len(part):
                self._held.setdefault(block, []).append(part)
        self._pending += len(keys)
        if self._pending > _PENDING_KEYS:
            self._spill()

    def _spill(self) -> None:
        for block, parts in self._held.items():
            with (self._folder / str(block)).open("ab") as file:
                for part in parts:
                    file.write(part.tobytes())
        self._held, self._pending = {}, 0

    def blocks(self) -> Iterator[np.ndarray]:
        """Distinct keys, sorted, one array a block of weeks."""
        spilled = {int(path.name) for path in self._folder.iterdir()}
        for block in sorted(spilled | set(self._held)):
            parts = list(self._held.pop(block, []))
            if block in spilled:
                parts.append(np.fromfile(self._folder / str(block), dtype=np.int64))
            keys = np.concatenate(parts)
            keys.sort()
            yield keys[np.append(True, keys[1:] != keys[:-1])]


def _count_accounts(tally: Tally, seen: _DistinctKeys) -> None:
    for keys in seen.blocks():
        place = keys >> _ACCOUNT_BITS
        week, rep = place >> _REP_BITS, place & ((1 << _REP_BITS) - 1)
        first = int(week[0])
        weeks = int(week[-1]) - first + 1
        held = np.bincount((week - first) * tally.reps + rep, minlength=weeks * tally.reps)
        for number, row in enumerate(held.reshape(weeks, tally.reps)):
            if row.any():
                _accumulate(tally.accounts, first + number, row)
