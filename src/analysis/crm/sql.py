"""One DuckDB connection a task: bounded memory, UTC, no extension fetched, nothing left behind."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "400MB"
THREADS = 2


@contextmanager
def connection(
    spill: Path | None = None, *, memory_limit: str = MEMORY_LIMIT, threads: int = THREADS
) -> Iterator["duckdb.DuckDBPyConnection"]:
    """An in-memory database that spills into `spill` (a folder) instead of growing past `memory_limit`."""
    import duckdb

    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if spill is not None:
        config["temp_directory"] = str(spill)
    with duckdb.connect(":memory:", config=config) as database:
        database.execute("SET TimeZone = 'UTC'")
        no_progress_bar(database)
        yield database


def no_progress_bar(database: "duckdb.DuckDBPyConnection") -> None:
    """Keep DuckDB from drawing on stdout. In a Jupyter kernel it is off, and setting it, even to off, raises without ipywidgets."""
    if one(database, "SELECT current_setting('enable_progress_bar')")[0]:
        database.execute("SET enable_progress_bar = false")


def one(database: "duckdb.DuckDBPyConnection", query: str) -> tuple:
    """The only row of a query's answer."""
    rows = database.execute(query).fetchall()
    if len(rows) != 1:
        raise AssertionError(f"{len(rows)} rows where one was asked for: {query}")
    return rows[0]


def text(value: str) -> str:
    """A string as an SQL literal."""
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A string as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def path(value: Path) -> str:
    """A file as an SQL literal that the reader does not take for a pattern."""
    plain = str(value)
    return text("".join(f"[{mark}]" if mark in "[*?" else mark for mark in plain))


def paths(values: Sequence[Path]) -> str:
    """Several files as one SQL list."""
    return "[" + ", ".join(path(value) for value in values) + "]"
