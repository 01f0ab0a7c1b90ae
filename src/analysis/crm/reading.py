# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Read a data folder: every table through the door, every row kept, quarantined with a reason, or dropped and counted.

Nothing is written into the data folder. Typed copies, where they are needed at all, live in a work folder that goes
with the `Crm` that was made from it.
"""

import hashlib
import os
import shutil
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.crm import integrity, quarantine, slicing, sql
from analysis.crm.capability import as_table, capabilities
from analysis.crm.contract import TABLES
from analysis.crm.files import data_folder, locate
from analysis.crm.quarantine import Counts
from analysis.crm.staging import StagedTable, contract_frame, stage
from analysis.errors import DataError

MAX_QUARANTINE_SHARE = 0.05
_HASH_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Crm:
    """A checked data folder.

    quarantine: table, file, row, source_id, code, reason, one line a row that broke the contract.
    counts: table, read, kept, quarantined, dropped. capabilities: metric, available, missing.
    coverage: table, column, share of the rows read that hold a value.
    warnings: sentences on what was kept but is doubtful.
    """

    folder: Path
    quarantine: pd.DataFrame
    counts: pd.DataFrame
    capabilities: pd.DataFrame
    coverage: pd.DataFrame
    warnings: tuple[str, ...]
    _files: Mapping[str, tuple[Path, ...]]
    _columns: Mapping[str, tuple[str, ...]]
    _sources: Mapping[str, tuple[Path, ...]]
    _work: "_WorkFolder" = field(repr=False)

    def tables(self) -> tuple[str, ...]:
        """Names of the tables the folder holds, in the contract's order."""
        return tuple(self._files)

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether the folder holds the table, or that column of it. Raises DataError for a name not in the contract."""
        known = TABLES.get(table)
        if known is None or (column is not None and column not in known.columns):
            raise DataError(f"{table}{'.' + column if column else ''} is not in the data contract")
        return table in self._files if column is None else column in self._columns.get(table, ())

    def columns(self, table: str) -> tuple[str, ...]:
        """Columns present, in the contract's order; empty where the table is missing."""
        return self._columns.get(table, ())

    def files(self, table: str) -> list[Path]:
        """Clean parquet files of one table, in order, with the contract's types; empty where it is missing."""
        return list(self._files.get(table, ()))

    def frame(self, table: str, team_id: str | None = None) -> pd.DataFrame:
        """One table as a DataFrame with contract dtypes, in source order; with `team_id` that team's rows only.

        Empty cells take the contract's default where it has one. Columns that the source lacks are absent.
        Raises DataError where the table is missing.
        """
        if not self.has(table):
            raise DataError(f"{self.folder} holds no table {table}; add {table}.csv or {table}.parquet")
        with sql.connection() as database:
            query = slicing.query(
                {name: (self._files[name], self._columns[name]) for name in self._files}, table, team_id
            )
            frame = contract_frame(database.sql(query).to_arrow_table(), TABLES[table])
        spec = TABLES[table].columns
        defaults = {name: spec[name].default for name in frame.columns if spec[name].default is not None}
        return frame.fillna(defaults) if defaults else frame

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the bytes of every file read, by table: equal data, equal fingerprint, wherever it lies."""
        digest = hashlib.sha256()
        for table, paths in self._sources.items():
            for path in paths:
                digest.update(f"{table}/{path.name}:{_file_digest(path)}\n".encode())
        return digest.hexdigest()


class _WorkFolder:
    """A temporary folder that goes when its owner goes, but never because a forked child does."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="workbench-"))
        self._finalizer = weakref.finalize(self, _remove, self.path, os.getpid())


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(path, ignore_errors=True)


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: str | Path, *, max_quarantine_share: float = MAX_QUARANTINE_SHARE, today: date | None = None) -> Crm:
    """Read and check a data folder.

    max_quarantine_share: largest share of any table's rows that may break the contract. today: rows that happened
    later are quarantined (default: the machine's UTC date, the only thing read from the clock).
    Raises DataError where a file cannot be read, a needed table or column is missing, or too many rows break.
    """
    crm, refusal = examine(folder, max_quarantine_share=max_quarantine_share, today=today)
    if refusal is not None:
        raise refusal
    return crm


def examine(
    folder: str | Path, *, max_quarantine_share: float = MAX_QUARANTINE_SHARE, today: date | None = None
) -> tuple[Crm, DataError | None]:
    """As `read`, but hand back the refusal (too many broken rows) beside the data instead of raising it."""
    path = data_folder(folder)
    found = locate(path)
    work = _WorkFolder()
    day = today or datetime.now(UTC).date()
    with sql.connection(spill=work.path / "spill") as database:
        staged = {name: stage(database, files, work.path, day) for name, files in found.items()}
        _require_rows(path, staged)
        removed, warnings = integrity.check(database, staged)
        kept_apart = _quarantined(removed, staged)
        clean = {name: _clean_files(table, removed, work.path) for name, table in staged.items()}
        counts = [_count(table, removed, clean[name]) for name, table in staged.items()]
    crm = Crm(
        folder=path,
        quarantine=kept_apart,
        counts=quarantine.as_table(counts),
        capabilities=as_table(capabilities({name: table.filled for name, table in staged.items()})),
        coverage=_coverage(staged),
        warnings=(*_unknown_columns(staged), *warnings),
        _files=clean,
        _columns={name: table.columns for name, table in staged.items()},
        _sources={name: files.paths for name, files in found.items()},
        _work=work,
    )
    return crm, _refusal(counts, kept_apart, max_quarantine_share)


def _require_rows(folder: Path, staged: Mapping[str, StagedTable]) -> None:
    for name, table in staged.items():
        if TABLES[name].required and table.rows == 0:
            source = table.files[0].source if len(table.files) == 1 else folder / name
            raise DataError(f"{source} has a header and no rows; export {name} again")


def _quarantined(removed: integrity.Removed, staged: Mapping[str, StagedTable]) -> pd.DataFrame:
    """The quarantine: every row once, with its first code and all its reasons."""
    parts = [quarantine.empty()]
    for name, table in staged.items():
        if name not in removed.tables:
            continue
        source = {str(file.path): file.source.name for file in table.files}
        shown = TABLES[name].key or table.columns[0]
        rows = removed.database.execute(
            f"SELECT r.path, r.row + 1 AS row, any_value(CAST(e.{sql.name(shown)} AS VARCHAR)) AS source_id, "
            "first(r.code ORDER BY r.rowid) AS code, string_agg(DISTINCT r.reason, '; ' ORDER BY r.reason) AS reason "
            f"FROM removed r JOIN {integrity.every(table)} e ON r.path = e.path AND r.row = e.row "
            f"WHERE r.tbl = {sql.text(name)} AND r.code <> 'repeat' GROUP BY r.path, r.row ORDER BY r.path, r.row"
        ).df()
        rows = rows.assign(table=name, file=rows["path"].map(source))
        parts.append(rows[list(quarantine.COLUMNS)].astype(quarantine.empty().dtypes))
    return pd.concat(parts, ignore_index=True)


def _clean_files(table: StagedTable, removed: integrity.Removed, work: Path) -> tuple[Path, ...]:
    """The table's files without the rows taken out; a file that lost none is used as it is."""
    own = f"tbl = {sql.text(table.table)}"
    named = removed.database.execute(f"SELECT DISTINCT path FROM removed WHERE {own}").fetchall()
    touched = {row[0] for row in named}
    columns = ", ".join(sql.name(name) for name in table.columns)
    files = []
    for number, file in enumerate(table.files):
        if str(file.path) not in touched:
            files.append(file.path)
            continue
        target = work / f"{table.table}-{number:05d}-clean.parquet"
        rows = integrity.live(replace(table, files=(file,)), removed)
        removed.database.execute(
            f"COPY (SELECT {columns} FROM {rows} ORDER BY row) TO {sql.text(str(target))} (FORMAT parquet)"
        )
        files.append(target)
    return tuple(files)


def _count(table: StagedTable, removed: integrity.Removed, clean: tuple[Path, ...]) -> Counts:
    """Rows read, and what became of them; `kept` is counted in the clean files, so that the sum is a check."""
    import pyarrow.parquet as pq

    per_row = f"SELECT bool_and(code = 'repeat') AS repeat FROM removed WHERE tbl = {sql.text(table.table)} GROUP BY path, row"
    taken = dict(removed.database.execute(f"SELECT repeat, count(*) FROM ({per_row}) GROUP BY repeat").fetchall())
    kept = sum(pq.read_metadata(path).num_rows for path in clean)
    return Counts(table.table, table.rows, kept, taken.get(False, 0), taken.get(True, 0))


def _coverage(staged: Mapping[str, StagedTable]) -> pd.DataFrame:
    rows = [
        (name, column, table.filled.get(column, 0) / table.rows if table.rows else 0.0)
        for name, table in staged.items()
        for column in table.columns
    ]
    return pd.DataFrame(rows, columns=["table", "column", "share"])


def _unknown_columns(staged: Mapping[str, StagedTable]) -> list[str]:
    return [
        f"{name}: columns {', '.join(table.unknown)} are not in the contract and are not read"
        for name, table in staged.items()
        if table.unknown
    ]


def _refusal(counts: list[Counts], kept_apart: pd.DataFrame, limit: float) -> DataError | None:
    for count in counts:
        try:
            quarantine.require_below(count, kept_apart, limit)
        except DataError as error:
            return error
    return None
