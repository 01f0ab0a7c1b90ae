# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Exports that lie in a database: DuckDB, SQLite, PostgreSQL; always read-only.

A connection that is cut is tried again a few times, a table from its beginning, and then refused in one sentence that
never holds the password.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from analysis.crm.sql import no_progress_bar
from analysis.errors import DataError, InputError

if TYPE_CHECKING:
    from analysis.crm.importers.sources import SourceTable

BATCH_ROWS = 20_000
ATTEMPTS = 3
WAIT_S = 0.5


def tables(url: str) -> list[SourceTable]:
    """Every table and view of the database that can be read."""
    scheme = url.split("://", 1)[0].lower()
    if scheme in ("duckdb", "sqlite"):
        path = Path(
            url.split("://", 1)[1].removeprefix("/") if re.match(r"\w+:///[^/]", url) else url.split("://", 1)[1]
        )
        if not path.is_file():
            raise InputError(f"{scheme}://{path}: there is no such file; write four slashes for an absolute path.")
        connect = connect_duckdb(path) if scheme == "duckdb" else connect_sqlite(path)
    elif scheme in ("postgres", "postgresql"):
        connect = connect_postgres(url)
    else:
        raise InputError(
            f"{scheme}:// is not known; SOURCE is a folder or a duckdb://, sqlite:// or postgresql:// address."
        )
    return list_tables(connect, scheme)


Connect = Callable[[], Any]


def connect_duckdb(path: Path) -> Connect:
    """A read-only DuckDB connection."""

    def connect() -> Any:
        import duckdb

        con = duckdb.connect(str(path), read_only=True, config={"enable_external_access": "false"})
        no_progress_bar(con)
        return con

    return connect


def connect_sqlite(path: Path) -> Connect:
    """A read-only SQLite connection."""

    def connect() -> Any:
        import sqlite3

        return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    return connect


def connect_postgres(url: str) -> Connect:
    """A read-only PostgreSQL connection with bounded waits."""

    def connect() -> Any:
        try:
            import psycopg
        except ImportError as error:
            raise InputError(
                "reading PostgreSQL needs the extra `warehouse`: pip install 'sales-activity-workbench[warehouse]'."
            ) from error
        return psycopg.connect(
            url,
            connect_timeout=10,
            options="-c default_transaction_read_only=on -c timezone=UTC -c statement_timeout=3600000",
        )

    return connect


LISTING = {
    "duckdb": "SELECT table_schema, table_name, column_name FROM information_schema.columns ORDER BY 1, 2, ordinal_position",
    "sqlite": "SELECT 'main', m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p "
    "WHERE m.type IN ('table', 'view') ORDER BY m.name, p.cid",
    "postgres": "SELECT table_schema, table_name, column_name FROM information_schema.columns "
    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2, ordinal_position",
}


def list_tables(connect: Connect, scheme: str) -> list[SourceTable]:
    """The database's tables with their columns."""
    from analysis.crm.importers.sources import SourceTable

    scheme = "postgres" if scheme.startswith("postgres") else scheme
    found: dict[tuple[str, str], list[str]] = {}
    for schema, table, column in retried(connect, lambda c: run(c, LISTING[scheme]).fetchall(), "the list of tables"):
        found.setdefault((str(schema), str(table)), []).append(str(column))
    if not found:
        raise InputError("the database holds no table this user may read.")
    return [
        SourceTable(f"{schema}.{table}", table, tuple(columns), database_batches(connect, schema, table, scheme))
        for (schema, table), columns in found.items()
    ]


def run(connection: Any, sql: str) -> Any:
    """Execute and return something with fetchall and fetchmany."""
    cursor = connection.cursor()
    cursor.execute(sql)
    return cursor


def retried(connect: Connect, work: Callable[[Any], Any], what: str) -> Any:
    """Do `work` on a fresh connection, a few times; then say clearly that it cannot be done."""
    for attempt in range(ATTEMPTS):
        try:
            connection = connect()
            try:
                return work(connection)
            finally:
                connection.close()
        except (InputError, DataError):
            raise
        except Exception as error:
            if attempt == ATTEMPTS - 1:
                raise DataError(f"{what} could not be read after {ATTEMPTS} attempts: {safe(error)}") from None
            time.sleep(WAIT_S * 2**attempt)
    raise AssertionError("unreachable")


def safe(error: Exception) -> str:
    """The driver's first line without anything that looks like a password or an address with one."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return re.sub(r"\w+://\S+|password\s*=\s*\S+", "[removed]", line)


class ConnectionCut(DataError):
    """The connection was lost while a table was read; reading it again from its beginning may help."""


def database_batches(
    connect: Connect, schema: str, table: str, scheme: str
) -> Callable[[tuple[str, ...]], Iterator[Any]]:
    """A reader bound to its table; every call reads from the beginning on a connection of its own."""

    def batches(wanted: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        given = 0
        try:
            connection = connect()
            try:
                for batch in read(connection, schema, table, wanted, scheme):
                    yield batch
                    given += batch.num_rows
            finally:
                with contextlib.suppress(Exception):
                    connection.close()
        except (InputError, DataError):
            raise
        except Exception as error:
            words = f"{schema}.{table}: the connection was lost after {given:,} rows: {safe(error)}"
            raise ConnectionCut(words) from None

    return batches


def read(connection: Any, schema: str, table: str, wanted: tuple[str, ...], scheme: str) -> Iterator[pa.RecordBatch]:
    """The wanted columns of one table as text, streamed."""
    kind = "VARCHAR" if scheme == "duckdb" else "TEXT"
    listed = ", ".join(f"CAST({quoted(column)} AS {kind})" for column in wanted) or "NULL"
    sql = f"SELECT {listed} FROM {quoted(schema)}.{quoted(table)}"
    if scheme == "postgres":
        cursor = connection.cursor(name="workbench_import")
        cursor.itersize = BATCH_ROWS
        cursor.execute(sql)
    else:
        cursor = run(connection, sql)
    line = 0
    while rows := cursor.fetchmany(BATCH_ROWS):
        columns = [pa.array([row[p] for row in rows], pa.string()) for p in range(len(wanted))]
        numbers = pa.array(range(line + 1, line + 1 + len(rows)), pa.int64())
        line += len(rows)
        yield pa.RecordBatch.from_arrays(
            [numbers, pa.array([False] * len(rows), pa.bool_()), *columns], names=["_line", "_footer", *wanted]
        )


def quoted(identifier: str) -> str:
    """A SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'
