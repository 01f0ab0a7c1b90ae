"""Which files of a data folder hold which table. Looks at names only; nothing here opens a file's contents.

A table is `<table>.csv`, `<table>.parquet` or a folder `<table>/` of parquet files (partitions). Everything else in
the folder is left alone: pickles, YAML and code are never loaded.
"""

from dataclasses import dataclass
from pathlib import Path

from analysis.crm.contract import TABLES
from analysis.errors import DataError

READY_PANEL = ("panel.parquet", "panel.csv")


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The files of one table, in name order; `form` is `csv` or `parquet`."""

    table: str
    form: str
    paths: tuple[Path, ...]


def data_folder(folder: str | Path) -> Path:
    """The folder as a Path. Raises DataError where it is not one."""
    path = Path(folder)
    if not path.exists():
        raise DataError(f"{path}: no such data folder; `workbench simulate {path}` makes one to try")
    if not path.is_dir():
        raise DataError(f"{path} is a file; give the folder that holds the tables")
    return path


def holds_ready_panel(folder: Path) -> bool:
    """Whether the folder holds a ready panel instead of tables."""
    return any((folder / name).exists() for name in READY_PANEL)


def locate(folder: str | Path) -> dict[str, TableFiles]:
    """The tables found, in the contract's order.

    Raises DataError where a required table is missing or a table is there twice (as CSV and as parquet).
    """
    path = data_folder(folder)
    found = {name: files for name in TABLES if (files := _table_files(path, name)) is not None}
    missing = [name for name, table in TABLES.items() if table.required and name not in found]
    if missing:
        raise DataError(_missing(path, missing, found))
    return found


def _table_files(folder: Path, table: str) -> TableFiles | None:
    csv, parquet, parts = folder / f"{table}.csv", folder / f"{table}.parquet", folder / table
    there = [path for path in (csv, parquet, parts) if path.exists()]
    if len(there) > 1:
        names = " and ".join(path.name for path in there)
        raise DataError(f"{folder}: {names} both hold {table}; keep the one that is right and remove the other")
    if not there:
        return None
    if there[0] == parts and parts.is_dir():
        files = tuple(sorted(parts.rglob("*.parquet")))
        if not files:
            raise DataError(f"{parts} holds no .parquet file; put the table's partitions there or remove the folder")
        return TableFiles(table, "parquet", files)
    if not there[0].is_file():
        raise DataError(f"{there[0]} is not a file; expected the table {table} there")
    return TableFiles(table, there[0].suffix[1:], (there[0],))


def _missing(folder: Path, missing: list[str], found: dict[str, TableFiles]) -> str:
    wanted = ", ".join(f"{name}.csv or {name}.parquet" for name in missing)
    here = ", ".join(found) if found else "no table of the contract"
    hint = " It holds a ready panel: use it as such." if holds_ready_panel(folder) else ""
    return f"{folder}: {wanted} is missing; found {here}.{hint} See docs/data-contract.md"
