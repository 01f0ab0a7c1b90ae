# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Every file of a table through the door, in batches: typed, checked row by row, ready for the checks between tables.

A parquet file that already is what the contract says is used where it lies; any other file is written once, typed,
into the work folder, row for row, so that row numbers stay those of the source.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.crm import csvfile, sql
from analysis.crm.casts import Cast, absent, cast
from analysis.crm.contract import TABLES, Table
from analysis.crm.files import TableFiles
from analysis.crm.rules import no_faults, row_faults, schema_faults
from analysis.errors import DataError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    import pyarrow.parquet as pq

BATCH_ROWS = 500_000
_FAULT = "__fault__"  # prefix of the columns that carry what did not fit


@dataclass(frozen=True, slots=True)
class Staged:
    """One file of a table after the door. `path` is typed parquet; `source` the file as given; `rows` all its rows."""

    source: Path
    path: Path
    rows: int


@dataclass(frozen=True, slots=True)
class StagedTable:
    """All files of one table, the rows that break a rule, and what its columns hold.

    faults: file (source name), path (staged), row (from 0, header not counted), code, reason.
    columns: contract columns present, in contract order. filled: cells that hold a value, by column.
    unknown: columns of the source that the contract does not know (left alone).
    """

    table: str
    files: tuple[Staged, ...]
    columns: tuple[str, ...]
    faults: pd.DataFrame
    filled: dict[str, int]
    unknown: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows read, of all files."""
        return sum(file.rows for file in self.files)


@dataclass(frozen=True, slots=True)
class _Source:
    """One file as DuckDB sees it: the relation to select from, and the type of each of its columns."""

    path: Path
    relation: str
    types: dict[str, str]


def stage(database: "duckdb.DuckDBPyConnection", found: TableFiles, work: Path, today: date) -> StagedTable:
    """Read, type and check one table. Raises DataError where a file is damaged or a needed column is missing."""
    table = TABLES[found.table]
    sources = [_open(database, found.form, path) for path in found.paths]
    for source in sources:
        _require_columns(source, table)
    present = {name for source in sources for name in source.types}
    columns = tuple(name for name in table.columns if name in present)
    filled: Counter[str] = Counter()
    files, faults = [], []
    for number, source in enumerate(sources):
        target = work / f"{table.name}-{number:05d}.parquet"
        staged, broken = _stage_file(database, source, table, columns, target, today, filled)
        files.append(staged)
        faults.append(broken.assign(file=source.path.name, path=str(staged.path)))
    unknown = tuple(sorted(present - set(table.columns)))
    return StagedTable(table.name, tuple(files), columns, pd.concat(faults, ignore_index=True), dict(filled), unknown)


def _open(database: "duckdb.DuckDBPyConnection", form: str, path: Path) -> _Source:
    if form == "csv":
        csvfile.scan_bytes(path)
        names = csvfile.header(path)
        return _Source(path, csv_relation(path, names), dict.fromkeys(names, "VARCHAR"))
    relation = f"read_parquet({sql.path(path)})"
    try:
        described = database.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except _duckdb_error() as error:
        raise DataError(_damaged(path, error)) from error
    return _Source(path, relation, {row[0]: row[1] for row in described})


def csv_relation(path: Path, names: list[str]) -> str:
    """A CSV file as a relation of text columns, read strictly; a blank cell is NULL."""
    columns = ", ".join(f"{sql.name(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({sql.path(path)}, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', nullstr='', "
        f"strict_mode=true, null_padding=false, max_line_size=16000000, columns={{{columns}}})"
    )


def _duckdb_error() -> type[Exception]:
    import duckdb

    return duckdb.Error


def _damaged(path: Path, error: Exception) -> str:
    if path.stat().st_size == 0:
        return f"{path} is empty (0 bytes); export it again"
    return f"{path} is not a readable parquet file ({str(error).splitlines()[0][:160]}); export it again"


def _require_columns(source: _Source, table: Table) -> None:
    missing = [name for name in table.required_columns if name not in source.types]
    if missing:
        plural = "columns" if len(missing) > 1 else "column"
        line = " line 1" if source.path.suffix == ".csv" else ""
        raise DataError(
            f"{source.path}{line}: {plural} {', '.join(missing)} missing; found {', '.join(source.types)}. "
            f"Add or rename it as docs/data-contract.md says"
        )


def _stage_file(
    database: "duckdb.DuckDBPyConnection",
    source: _Source,
    table: Table,
    columns: tuple[str, ...],
    target: Path,
    today: date,
    filled: Counter[str],
) -> tuple[Staged, pd.DataFrame]:
    casts = {name: _cast(source, table, name) for name in columns}
    lies_ready = source.path.suffix == ".parquet" and _lies_ready(database, source, casts)
    rows, faults = 0, []
    writer: pq.ParquetWriter | None = None
    for batch in _batches(database, source, casts):
        frame = contract_frame(batch.select(list(columns)), table)
        broken = _check(batch, frame, table, today)
        faults.append(broken.assign(row=broken["row"] + rows))
        filled.update({name: int(frame[name].count()) for name in columns})
        rows += len(frame)
        if not lies_ready:
            writer = _write(batch.select(list(columns)), target, writer)
    if writer is not None:
        writer.close()
    if not lies_ready and rows == 0:
        database.execute(f"COPY ({_select(source, casts)} LIMIT 0) TO {sql.text(str(target))} (FORMAT parquet)")
    found = pd.concat(faults, ignore_index=True) if faults else no_faults()
    return Staged(source.path, source.path if lies_ready else target, rows), found


def _cast(source: _Source, table: Table, name: str) -> Cast:
    column = table.columns[name]
    return cast(column, source.types[name], str(source.path)) if name in source.types else absent(column)


def _lies_ready(database: "duckdb.DuckDBPyConnection", source: _Source, casts: dict[str, Cast]) -> bool:
    """Whether the parquet file can be used where it lies: contract types, no blank text, no NaN."""
    if not all(found.as_is for found in casts.values()):
        return False
    doubtful = [f"{sql.name(c)} = ''" for c in casts if source.types[c] == "VARCHAR"]
    doubtful += [f"isnan({sql.name(c)})" for c in casts if source.types[c] == "DOUBLE"]
    if not doubtful:
        return True
    return sql.one(database, f"SELECT count(*) FROM {source.relation} WHERE {' OR '.join(doubtful)}") == (0,)


def _select(source: _Source, casts: dict[str, Cast]) -> str:
    values = [f"{found.value} AS {sql.name(name)}" for name, found in casts.items()]
    values += [f"{found.fault} AS {sql.name(_FAULT + name)}" for name, found in casts.items() if found.fault]
    return f"SELECT {', '.join(values)} FROM {source.relation}"


def _batches(
    database: "duckdb.DuckDBPyConnection", source: _Source, casts: dict[str, Cast]
) -> Iterator["pa.RecordBatch"]:
    try:
        yield from database.sql(_select(source, casts)).to_arrow_reader(BATCH_ROWS)
    except _duckdb_error() as error:
        raise DataError(_broken_file(source, error)) from error
    except OSError as error:  # Arrow wraps what DuckDB raises while the batches stream
        raise DataError(_broken_file(source, error)) from error


def _broken_file(source: _Source, error: Exception) -> str:
    if source.path.suffix != ".csv":
        return _damaged(source.path, error)
    fault = csvfile.first_fault(source.path, list(source.types))
    return fault or f"{source.path} is not well-formed CSV ({str(error).splitlines()[0][:160]}); export it again"


def contract_frame(rows: "pa.RecordBatch | pa.Table", table: Table) -> pd.DataFrame:
    """Arrow rows as a DataFrame with the contract's dtypes: nullable integers and booleans, dates at midnight."""
    import pyarrow as pa

    exact = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    frame = rows.to_pandas(types_mapper=exact.get, date_as_object=False)
    return frame.astype({name: table.columns[name].dtype for name in frame.columns})


def _check(batch: "pa.RecordBatch", frame: pd.DataFrame, table: Table, today: date) -> pd.DataFrame:
    faults = [schema_faults(table.name, frame), row_faults(table.name, frame, today)]
    for name in batch.schema.names:
        column = batch.column(name)
        if name.startswith(_FAULT) and column.null_count < len(column):
            faults.insert(0, _misfits(name.removeprefix(_FAULT), column.to_pandas(), table))
    return pd.concat(faults, ignore_index=True)


def _misfits(name: str, shown: pd.Series, table: Table) -> pd.DataFrame:
    held = shown.dropna()
    kind = table.columns[name].type
    reasons = f"{name}: " + held.astype("str").map(repr) + f" is not of type {kind}"
    return pd.DataFrame({"row": held.index.astype("int64"), "code": "wrong_type", "reason": reasons.to_numpy()})


def _write(batch: "pa.RecordBatch", target: Path, writer: "pq.ParquetWriter | None") -> "pq.ParquetWriter":
    import pyarrow.parquet as pq

    if writer is None:
        writer = pq.ParquetWriter(target, batch.schema, compression="zstd", compression_level=1)
    writer.write_batch(batch)
    return writer
