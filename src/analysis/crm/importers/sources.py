"""Where an export lies: a folder of CSV, parquet and JSON-lines files, or a database.

Finds the tables and their columns and hands them over in batches of text; knows nothing of any CRM. Only these file
kinds are opened: nothing is unpickled, no YAML is loaded, no code in the folder is looked at.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.crm.importers import csvfile, database, jsonlines
from analysis.crm.importers.naming import words_of
from analysis.crm.importers.sections import Source
from analysis.errors import DataError, InputError

SUFFIXES = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
            ".jsonl": "json", ".ndjson": "json"}  # fmt: skip
MAX_FILES = 20_000


@dataclass(frozen=True, slots=True)
class SourceTable:
    """One table of the export.

    name: for messages and the report. stem: what the object is recognised by. columns: as the source spells them.
    batches: called with the columns wanted; gives text columns plus `_line` and `_footer`. parquet: the file, when DuckDB
    may read it by itself. sha256: of the bytes, where there is a file. damage: why the file cannot be read; raised only when a
    table needs the file. size: bytes; unknown counts as large.
    """

    name: str
    stem: str
    columns: tuple[str, ...]
    batches: Callable[[tuple[str, ...]], Iterator[Any]] | None
    parquet: Path | None = None
    sha256: str | None = None
    damage: DataError | None = None
    size: int = 1 << 40


def discover(source: str | Path, settings: Source) -> tuple[list[SourceTable], list[str]]:
    """Every table of the export, and the files that were not opened.

    Raises InputError for a source that does not exist and DataError for a damaged file.
    """
    text = str(source)
    if "://" in text:
        return database.tables(text), []
    folder = Path(text)
    if not folder.is_dir():
        raise InputError(
            f"{folder}: there is no such folder; SOURCE is a folder of CSV or parquet files, or a database URL."
        )
    tables: list[SourceTable] = []
    unopened: list[str] = []
    for path in files_of(folder):
        kind = SUFFIXES.get(path.suffix.lower())
        name = path.relative_to(folder).as_posix()
        if kind is None:
            unopened.append(name)
        else:
            tables += open_or_note(path, name, kind, settings)
    if not tables:
        raise InputError(f"{folder}: no CSV, parquet or JSON-lines file is in it.")
    return tables, unopened


def files_of(folder: Path) -> list[Path]:
    """Regular files under the folder in a fixed order; hidden ones and links that lead out are left alone."""
    root = folder.resolve()
    found = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.resolve().is_relative_to(root):
            found.append(path)
        if len(found) > MAX_FILES:
            raise InputError(f"{folder}: more than {MAX_FILES:,} files; name the export's own folder.")
    return found


def open_or_note(path: Path, name: str, kind: str, settings: Source) -> list[SourceTable]:
    """The tables of a file; a damaged file is a table that says so."""
    try:
        return [replace(table, size=path.stat().st_size) for table in open_file(path, name, kind, settings)]
    except DataError as error:
        return [SourceTable(name, stem_of(path), (), None, damage=error)]


def open_file(path: Path, name: str, kind: str, settings: Source) -> list[SourceTable]:
    """The tables of one file."""
    if kind == "parquet":
        return [open_parquet(path, name)]
    if kind == "json":
        sha256 = file_hash(path)
        found = jsonlines.streams(path, name)
        return [
            SourceTable(
                name if len(found) == 1 else f"{name}#{stream}",
                stream,
                columns,
                json_batches(path, name, stream),
                None,
                sha256,
            )
            for stream, columns in found.items()
        ]
    delimiter = settings.delimiter or ("\t" if path.suffix.lower() == ".tsv" else None)
    file = csvfile.open_csv(path, name, settings.encoding, delimiter)
    return [SourceTable(name, stem_of(path), file.header, csv_batches(file), None, file.sha256)]


def csv_batches(file: csvfile.CsvFile) -> Callable[[tuple[str, ...]], Iterator[Any]]:
    """A reader bound to its file."""
    return lambda wanted: csvfile.batches(file, wanted)


def json_batches(path: Path, name: str, stream: str) -> Callable[[tuple[str, ...]], Iterator[Any]]:
    """A reader bound to its stream."""
    return lambda wanted: jsonlines.batches(path, name, stream, wanted)


def open_parquet(path: Path, name: str) -> SourceTable:
    """A parquet file's columns. Raises DataError for a file that is cut off or no parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(
            f"{name}: not a whole parquet file; it is cut off or damaged. Export it again. [D40]"
        ) from error
    return SourceTable(name, stem_of(path), columns, None, path, file_hash(path))


def stem_of(path: Path) -> str:
    """What the file is about: its name, or its folder's for part-0003.parquet and data.parquet."""
    words = words_of(path.stem)
    if words and words[0] in ("part", "data", "chunk", "segment") and all(w.isalnum() for w in words[1:]):
        return path.parent.name
    return path.stem


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
