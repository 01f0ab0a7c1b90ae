"""Count activities by week, kind and rep in one pass over the files, a batch at a time.

Memory does not grow with the number of events, in whatever order they lie: of each batch only sums remain. Distinct
accounts, the one measure that needs every row, are kept by week until the files say that the week is over (partitions.py),
and spilled where they do not (distinct.py).
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis.errors import DataError
from analysis.panel import partitions
from analysis.panel.distinct import DistinctAccounts, text_hashes

if TYPE_CHECKING:
    import pyarrow as pa

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
    """The rows of one batch that count as effort, as arrays of equal length, sorted by week. kind: code in `kinds`.

    meaningful, senior: 0 not known, 1 no, 2 yes.
    """

    rep: np.ndarray
    week: np.ndarray
    kind: np.ndarray
    kinds: list[str]
    talk: tuple[np.ndarray, np.ndarray] | None  # seconds, known
    meaningful: np.ndarray | None
    senior: np.ndarray | None


def count(files: Sequence[Path], reps: Sequence[str], as_of: date | None = None) -> Tally:
    """Count the done, human activities in clean parquet files; rows after `as_of` (done or written) do not exist.

    reps: every rep_id the files may hold. Raises DataError where there are more than MAX_KINDS kinds.
    """
    import pyarrow as pa

    tally = Tally(len(reps))
    rep_set = pa.array(list(reps), pa.string())
    with tempfile.TemporaryDirectory(prefix="workbench-accounts-") as folder:
        accounts = DistinctAccounts(Path(folder), len(reps))
        for raw, first_day in partitions.batches(files, _READ, _WORDS, "occurred_on"):
            accounts.finish((first_day + 3) // 7)
            _take(tally, accounts, raw, rep_set, as_of)
        tally.accounts.update(accounts.counts())
    if len(tally.kinds) > MAX_KINDS:
        raise DataError(
            f"activities.kind holds {len(tally.kinds)} different kinds; map them to at most {MAX_KINDS} key selling "
            "activities when importing"
        )
    return tally


def _take(
    tally: Tally, accounts: DistinctAccounts, raw: "pa.RecordBatch", reps: "pa.Array", as_of: date | None
) -> None:
    """Count the rows of one batch that count: done, by a human, not after as_of."""
    import pyarrow as pa

    columns = dict(zip(raw.schema.names, raw.columns, strict=True))
    day = columns["occurred_on"].cast(pa.int32()).to_numpy(zero_copy_only=False)
    pick = np.flatnonzero(_counts(columns, day, as_of))
    if not len(pick):
        return
    week = (day.take(pick) + 3) // 7
    last = date(1970, 1, 1) + timedelta(days=int(day.take(pick).max()))
    tally.last_day = last if tally.last_day is None else max(last, tally.last_day)
    if (week[1:] < week[:-1]).any():
        order = np.argsort(week.astype(np.int16), kind="stable")
        week, pick = week[order], pick[order]
    rep = _lookup(columns["rep_id"], reps, pick)
    codes, kinds = _decode(columns["kind"])
    batch = _Batch(
        rep=rep,
        week=week,
        kind=codes.take(pick).astype(np.int64),
        kinds=kinds,
        talk=_with_known(columns.get("duration_s"), pick),
        meaningful=_told(columns.get("is_meaningful"), pick),
        senior=_senior(columns.get("contact_level"), pick),
    )
    _add(tally, batch)
    if "account_id" in columns:
        known = columns["account_id"].is_valid().to_numpy(zero_copy_only=False).take(pick)
        some = slice(None) if known.all() else known
        accounts.add(week[some], rep[some], text_hashes(columns["account_id"]).take(pick)[some])


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


def _lookup(column: "pa.DictionaryArray", known: "pa.Array", pick: np.ndarray) -> np.ndarray:
    import pyarrow.compute as pc

    places = pc.index_in(column.dictionary, value_set=known).to_numpy(zero_copy_only=False)
    return places.astype(np.int64).take(_indices(column).take(pick))


def _with_known(column: "pa.Array | None", pick: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Values (0 where empty) and whether each is known."""
    if column is None:
        return None
    known = column.is_valid().to_numpy(zero_copy_only=False).take(pick)
    filled = column if column.null_count == 0 else column.fill_null(False if str(column.type) == "bool" else 0)
    return filled.to_numpy(zero_copy_only=False).take(pick), known


def _told(column: "pa.BooleanArray | None", pick: np.ndarray) -> np.ndarray | None:
    """0 not known, 1 no, 2 yes."""
    held = _with_known(column, pick)
    return None if held is None else held[0].view(np.uint8) + held[1].view(np.uint8)


def _senior(column: "pa.DictionaryArray | None", pick: np.ndarray) -> np.ndarray | None:
    """0 not known, 1 another level, 2 a vice president or above."""
    if column is None:
        return None
    codes, words = _decode(column)
    told = [0 if word == "unknown" else 2 if word == _SENIOR else 1 for word in words]
    return np.array([*told, 0], dtype=np.uint8)[codes.take(pick)]


def _add(tally: Tally, batch: _Batch) -> None:
    """Add the batch week by week: one pass for each measure, over arrays of one week's size."""
    edges = np.flatnonzero(batch.week[1:] != batch.week[:-1]) + 1
    for begin, end in pairwise([0, *edges.tolist(), len(batch.week)]):
        week, here = int(batch.week[begin]), slice(begin, end)
        cell = batch.kind[here] * tally.reps + batch.rep[here]
        _add_told(tally, week, batch.kinds, cell, batch.meaningful, here, (COUNT, MEANINGFUL, MEANINGFUL_KNOWN))
        if batch.senior is not None:
            _add_told(tally, week, batch.kinds, cell, batch.senior, here, (None, SENIOR, SENIOR_KNOWN))
        if batch.talk is not None:
            seconds, known = (column[here] for column in batch.talk)
            _accumulate(tally.talk_s, week, np.bincount(batch.rep[here], weights=seconds, minlength=tally.reps))
            told = np.bincount(2 * batch.rep[here] + known, minlength=2 * tally.reps)[1::2]
            _accumulate(tally.talk_known, week, told)


def _add_told(
    tally: Tally,
    week: int,
    kinds: list[str],
    cell: np.ndarray,
    told: np.ndarray | None,
    here: slice,
    measures: tuple[int | None, int, int],
) -> None:
    """Count one week's rows by kind and rep: all of them, those told yes, those told at all."""
    each = len(kinds) * tally.reps
    if told is None:
        held = np.zeros((3, len(kinds), tally.reps), dtype=np.int64)
        held[0] = np.bincount(cell, minlength=each).reshape(len(kinds), tally.reps)
    else:
        held = np.bincount((np.arange(3) * each).take(told[here]) + cell, minlength=3 * each).reshape(
            3, len(kinds), tally.reps
        )
    known = held[1] + held[2]
    for measure, rows in zip(measures, (held[0] + known, held[2], known), strict=True):
        if measure is None:
            continue
        for kind in np.flatnonzero(rows.any(axis=1)):
            _accumulate(tally.cells, (measure, kinds[kind], week), rows[kind])


def _accumulate(cells: dict, key: object, values: np.ndarray) -> None:
    if key in cells:
        cells[key] += values
    else:
        cells[key] = values.astype(np.int32 if values.dtype.kind == "i" else np.float64)
