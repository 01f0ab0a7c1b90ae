# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Staging: every row of the export into an on-disk DuckDB, as text, with the columns that are needed and no others.

A column that neither the mapping nor a rule asks for is never read: what is not read cannot leak. Each staged row has a
number; every later step answers for every number (see accounting.py).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.crm.importers import database
from analysis.crm.importers.config import Config
from analysis.crm.importers.mappings import Mapping, Object
from analysis.crm.importers.naming import field_key, is_snake, object_key, singular
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.rules import quote
from analysis.crm.importers.sources import SourceTable
from analysis.crm.importers.strict import nearest
from analysis.crm.sql import no_progress_bar
from analysis.errors import AnalysisError, ConfigError, DataError

NULLS = "('', 'null', 'none', '\\n', 'nan', 'nat')"


@dataclass(slots=True)
class Staged:
    """One object as staged: its table, which fields it really has, its rows, the files they came from."""

    object: Object
    table: str
    present: dict[str, str] = field(default_factory=dict)
    rows: int = 0
    footers: int = 0
    files: list[dict[str, Any]] = field(default_factory=list)

    def column(self, name: str) -> str:
        """SQL of a field: the staged column, or a typed NULL where the export has no such column."""
        for spelling in (name, field_key(name)):
            if spelling in self.present:
                return f"s.{quoted(self.present[spelling])}"
        return "CAST(NULL AS VARCHAR)"

    def has(self, value: str) -> bool:
        """Whether any field behind a canonical value is in the export."""
        import re

        template = self.object.values.get(value)
        return template is not None and any(f in self.present for f in re.findall(r"\{(\w+)\}", template))


def recognise(
    tables: list[SourceTable], mapping: Mapping, config: Config
) -> tuple[dict[str, list[SourceTable]], list[SourceTable]]:
    """Object name -> its tables; and the tables no object claims.

    Raises ConfigError for an object named in source.files that does not exist, or a file that does not.
    """
    named = configured_files(tables, mapping, config)
    found: dict[str, list[SourceTable]] = {}
    others: list[SourceTable] = []
    for table in tables:
        owner = named.get(table.name) or object_of(table, mapping)
        if owner is None:
            others.append(table)
        else:
            found.setdefault(owner, []).append(table)
    return found, others


def configured_files(tables: list[SourceTable], mapping: Mapping, config: Config) -> dict[str, str]:
    """File -> object as source.files says."""
    names = {o.name.lower(): o.name for o in mapping.objects}
    files = {t.name for t in tables}
    result = {}
    for object_name, listed in config.source.files.items():
        if object_name.lower() not in names:
            valid = [o.name for o in mapping.objects]
            raise ConfigError(
                f"{config.base_name}: source.files: {mapping.crm} has no object {object_name!r}.{nearest(object_name, valid)}"
            )
        for file in listed:
            if file not in files:
                raise ConfigError(
                    f"{config.base_name}: source.files.{object_name}: no file {file!r} in the source.{nearest(file, files)}"
                )
            result[file] = names[object_name.lower()]
    return result


def object_of(table: SourceTable, mapping: Mapping) -> str | None:
    """The object a table's name speaks of; `engagements` with metadata columns is the old one-table form."""
    key = object_key(table.stem)
    for candidate in (key, singular(key)):
        for o in mapping.objects:
            if candidate in o.names and (
                o.name != "engagements" or any("metadata" in field_key(c) for c in table.columns)
            ):
                return o.name
    return None


def choose_columns(obj: Object, table: SourceTable, config: Config, extra: set[str]) -> dict[str, str]:
    """Field -> the table's column. Two spellings of one field are both kept when naming is auto, to be compared later."""
    by_key: dict[str, list[str]] = {}
    for column in table.columns:
        by_key.setdefault(field_key(column), []).append(column)
    own = {k.lower(): v for k, v in config.source.columns.items()}.get(obj.name.lower(), {})
    chosen: dict[str, str] = {}
    for api, more in obj.spellings.items():
        named = own.get(api)
        if named is not None:
            if named not in table.columns:
                raise ConfigError(
                    f"{config.base_name}: source.columns.{obj.name}.{api}: {table.name} has no column {named!r}.{nearest(named, table.columns)}"
                )
            chosen[api] = named
            continue
        for spelling in (api, *more):
            candidates = by_key.get(field_key(spelling))
            if candidates:
                chosen[api] = pick(candidates, api, config)
                break
    for unknown in set(own) - set(obj.spellings):
        raise ConfigError(
            f"{config.base_name}: source.columns.{obj.name}: no field {unknown!r}.{nearest(unknown, obj.spellings)}"
        )
    for wanted in extra:
        candidates = by_key.get(field_key(wanted))
        if candidates and field_key(wanted) not in {field_key(f) for f in chosen}:
            chosen[field_key(wanted)] = pick(candidates, wanted, config)
    return chosen


def pick(candidates: list[str], api: str, config: Config) -> str:
    """One of several spellings of a field, by source.naming; `auto` keeps the first and compares the others when staging."""
    if config.source.naming == "auto" or len(candidates) == 1:
        return candidates[0]
    snake = config.source.naming == "snake"
    return next((c for c in candidates if is_snake(c) == snake), candidates[0])


def rivals(table: SourceTable, chosen: dict[str, str], config: Config) -> dict[str, str]:
    """Other spellings of chosen columns: they must not hold values as well."""
    if config.source.naming != "auto":
        return {}
    taken = set(chosen.values())
    keys = {field_key(column): column for column in taken}
    return {c: keys[field_key(c)] for c in table.columns if c not in taken and field_key(c) in keys}


def stage(con: Any, obj: Object, tables: list[SourceTable], config: Config, extra: set[str]) -> Staged:
    """Copy the needed columns of all the object's tables into one staged table.

    Raises DataError for a damaged file, two spellings with values, or a row count or checksum other than expected.
    """
    for table in tables:
        if table.damage is not None:
            raise table.damage
    plans = [(table, choose_columns(obj, table, config, extra)) for table in tables]
    fields = list(dict.fromkeys(f for _, chosen in plans for f in chosen))
    staged = Staged(obj, f"s_{obj.name}", {f: f for f in fields})
    staged.present.update({field_key(f): f for f in fields if field_key(f) not in staged.present})
    columns = "".join(f", {quoted(f)} VARCHAR" for f in fields)
    con.execute(
        f"CREATE OR REPLACE TABLE {quoted(staged.table)} (_row BIGINT, _file INTEGER, _line BIGINT, _footer BOOLEAN{columns})"
    )
    for number, (table, chosen) in enumerate(plans):
        copy_table(con, staged, number, table, chosen, fields, rivals(table, chosen, config))
        check_expected(con, staged, number, table, config)
    return staged


def copy_table(
    con: Any,
    staged: Staged,
    number: int,
    table: SourceTable,
    chosen: dict[str, str],
    fields: list[str],
    others: dict[str, str],
) -> None:
    """One source table into the staged table, streamed."""
    wanted = tuple(dict.fromkeys([*chosen.values(), *others]))
    clean = {
        c: f"CASE WHEN lower(trim(t.{quoted(c)})) IN {NULLS} THEN NULL ELSE trim(t.{quoted(c)}) END" for c in wanted
    }
    listed = "".join(f", {clean[chosen[f]] if f in chosen else 'NULL'}" for f in fields)
    insert(
        con, staged, table, wanted, f"SELECT {staged.rows} + row_number() OVER (), {number}, t._line, t._footer{listed}"
    )
    count, footers = con.execute(
        f"SELECT count(*), n_if(_footer) FROM {quoted(staged.table)} WHERE _file = {number}"
    ).fetchall()[0]
    refuse_rivals(con, table, others)
    staged.rows += count
    staged.footers += footers
    staged.files.append({"file": table.name, "rows": count, "sha256": table.sha256})


def insert(con: Any, staged: Staged, table: SourceTable, wanted: tuple[str, ...], select: str) -> None:
    """Copy a table's rows; a table of a database whose connection is cut is read again, a few times, from its beginning.

    A failed INSERT leaves nothing behind, so that no row is taken twice.
    """
    for attempt in range(database.ATTEMPTS):
        problem: list[Exception] = []
        relation = source_relation(con, table, wanted, problem)
        try:
            con.execute(f"INSERT INTO {quoted(staged.table)} {select} FROM {relation} t").fetchall()
            return
        except Exception as error:
            if problem and isinstance(problem[0], database.ConnectionCut) and attempt < database.ATTEMPTS - 1:
                time.sleep(database.WAIT_S * 2**attempt)
                continue
            if problem:
                raise problem[0] from None
            if isinstance(error, AnalysisError):
                raise
            first = (str(error).splitlines() or [type(error).__name__])[0][:160]
            raise DataError(f"{table.name}: cannot be read: {first}. [D40]") from None


def source_relation(con: Any, table: SourceTable, wanted: tuple[str, ...], problem: list[Exception]) -> str:
    """SQL of a relation with `_line`, `_footer` and the wanted columns as text."""
    if table.parquet is not None:
        texts = "".join(f", CAST({quoted(c)} AS VARCHAR) AS {quoted(c)}" for c in wanted)
        return (
            f"(SELECT file_row_number + 1 AS _line, false AS _footer{texts} "
            f"FROM read_parquet({quote(str(table.parquet))}, file_row_number = true))"
        )
    con.register("_incoming", arrow_stream(table, wanted, problem))
    return "_incoming"


def arrow_stream(table: SourceTable, wanted: tuple[str, ...], problem: list[Exception]) -> Any:
    """The table's batches as an Arrow reader; what goes wrong inside is kept, as DuckDB would blur it."""
    import pyarrow as pa

    assert table.batches is not None
    read = table.batches
    schema = pa.schema([("_line", pa.int64()), ("_footer", pa.bool_()), *[(c, pa.string()) for c in wanted]])

    def guarded() -> Iterator[Any]:
        try:
            yield from read(wanted)
        except Exception as error:
            problem.append(error)
            raise

    return pa.RecordBatchReader.from_batches(schema, guarded())


def refuse_rivals(con: Any, table: SourceTable, others: dict[str, str]) -> None:
    """Refuse a table in which two spellings of one field both hold values."""
    if not others:
        return
    relation = source_relation(con, table, tuple(dict.fromkeys([*others, *others.values()])), [])
    tests = ", ".join(
        f"n_if(nullif(trim({quoted(a)}), '') IS NOT NULL), n_if(nullif(trim({quoted(b)}), '') IS NOT NULL)"
        for a, b in others.items()
    )
    counts = con.execute(f"SELECT {tests} FROM {relation} t").fetchall()[0]
    for position, (a, b) in enumerate(others.items()):
        if counts[2 * position] and counts[2 * position + 1]:
            raise DataError(
                f"{table.name}: the columns {a!r} and {b!r} are one field and both hold values; set source.naming to snake or camel."
            )


def has_short_ids(con: Any, staged: Staged) -> bool:
    """Whether any id column holds Salesforce's 15-character ids, which a report export gives (D31)."""
    columns = sorted({c for c in staged.present.values() if c.lower().endswith("id") or c in ("OldValue", "NewValue")})
    if not columns:
        return False
    tests = " OR ".join(f"length({quoted(c)}) = 15" for c in columns)
    return bool(
        con.execute(f"SELECT count(*) FROM (SELECT 1 FROM {quoted(staged.table)} WHERE {tests} LIMIT 1)").fetchall()[0][
            0
        ]
    )


def check_expected(con: Any, staged: Staged, number: int, table: SourceTable, config: Config) -> None:
    """Refuse a file that is not the one the configuration expects."""
    expected = config.source.expect.get(table.name)
    if expected is None:
        return
    rows = staged.files[-1]["rows"]
    if expected.rows is not None and rows != expected.rows:
        raise DataError(
            f"D40 {table.name}: {rows:,} of {expected.rows:,} expected rows; the file is cut off or another one."
        )
    if expected.sha256 is not None and table.sha256 != expected.sha256.lower():
        raise DataError(
            f"D40 {table.name}: the checksum is not the expected one; the file was changed after its export."
        )


MACROS = """
CREATE OR REPLACE MACRO n_if(x) AS count(CASE WHEN x THEN 1 END);
CREATE OR REPLACE MACRO clean_id(x) AS CASE WHEN regexp_full_match(x, '[0-9]+[.]0') THEN left(x, length(x) - 2) ELSE x END;
CREATE OR REPLACE MACRO yes(x) AS lower(x) IN ('true', '1', 't', 'yes', 'y', '1.0', 'x');
CREATE OR REPLACE MACRO first_number(x) AS nullif(regexp_extract(x, '[0-9A-Za-z-]+'), '');
CREATE OR REPLACE MACRO share(x) AS CASE WHEN ends_with(x, '%') THEN try_cast(left(x, length(x) - 1) AS DOUBLE) / 100
    WHEN try_cast(x AS DOUBLE) > 1 THEN try_cast(x AS DOUBLE) / 100 ELSE try_cast(x AS DOUBLE) END;
CREATE OR REPLACE MACRO primary_team(x) AS coalesce(
    nullif(regexp_extract(x, '"id": ?"?([^",}]+)"?[^{}]*"primary": ?true', 1), ''),
    nullif(regexp_extract(x, '"id": ?"?([^",}]+)', 1), ''));
CREATE OR REPLACE MACRO sf_up(x, i) AS CASE WHEN substr(x, i, 1) BETWEEN 'A' AND 'Z' THEN 1 ELSE 0 END;
CREATE OR REPLACE MACRO sf_char(x, i) AS substr('ABCDEFGHIJKLMNOPQRSTUVWXYZ012345', 1 + sf_up(x, i) + 2 * sf_up(x, i + 1)
    + 4 * sf_up(x, i + 2) + 8 * sf_up(x, i + 3) + 16 * sf_up(x, i + 4), 1);
CREATE OR REPLACE MACRO sf_id(x) AS CASE WHEN regexp_full_match(x, '[A-Za-z0-9]{15}')
    THEN concat(x, sf_char(x, 1), sf_char(x, 6), sf_char(x, 11)) ELSE x END;
"""


def open_engine(folder: Path, memory: str = "800MB", small: bool = False) -> Any:
    """A DuckDB that spills to disk instead of growing, knows the macros, and reaches no network.

    small: the whole export fits in memory many times over, so the disk is left out of it.
    """
    import duckdb

    con = duckdb.connect(":memory:" if small else str(folder / "work.duckdb"))
    con.execute(
        f"SET memory_limit = {quote(memory)}; SET temp_directory = {quote(str(folder / 'spill'))}; SET threads = 2"
    )
    con.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true; SET autoinstall_known_extensions = false")
    no_progress_bar(con)
    con.execute(MACROS)
    return con
