"""JSON lines as extract tools write them: plain objects, Airbyte's {stream, data}, Singer's {type: RECORD, stream, record}.

Nested objects become columns joined by `_`; lists stay JSON text. One file may hold several streams; each is a table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.errors import DataError

BATCH_ROWS = 20_000
MAX_LINE = 64_000_000
MAX_DEPTH = 20


def streams(path: Path, name: str) -> dict[str, tuple[str, ...]]:
    """Stream -> its columns in order of appearance. A file of plain objects is one stream named by the file."""
    found: dict[str, dict[str, None]] = {}
    for _, stream, record in records(path, name):
        found.setdefault(stream, {}).update(dict.fromkeys(record))
    if not found:
        raise DataError(f"{name}: the file is empty; no record is there.")
    return {stream: tuple(columns) for stream, columns in found.items()}


def batches(path: Path, name: str, stream: str, wanted: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """The wanted columns of one stream as text, with `_line`."""
    lines: list[int] = []
    rows: list[list[str | None]] = []
    for line, found, record in records(path, name):
        if found != stream:
            continue
        lines.append(line)
        rows.append([record.get(column) for column in wanted])
        if len(rows) == BATCH_ROWS:
            yield to_batch(wanted, lines, rows)
            lines, rows = [], []
    if rows:
        yield to_batch(wanted, lines, rows)


def records(path: Path, name: str) -> Iterator[tuple[int, str, dict[str, str | None]]]:
    """(line, stream, flat record) of every line; DataError names the line that is no JSON object."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE), b""), 1):
                if raw.strip():
                    yield number, *unwrap(load(raw, name, number), path.stem, name, number)
    except OSError as error:
        raise DataError(f"{name}: cannot be read ({error.strerror}).") from error


def load(raw: bytes, name: str, line: int) -> dict[str, Any]:
    """One JSON object, or DataError with the line."""
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}:{line}: not a JSON object in UTF-8; the file is damaged or cut off. [D40]") from error
    if not isinstance(value, dict):
        raise DataError(f"{name}:{line}: a {type(value).__name__} where a JSON object belongs.")
    return value


def unwrap(value: dict[str, Any], stem: str, name: str, line: int) -> tuple[str, dict[str, str | None]]:
    """The stream and the flat record of one message."""
    body = value.get("data", value.get("record"))
    if isinstance(value.get("stream"), str) and isinstance(body, dict):
        return value["stream"], flatten(body, name, line)
    return stem, flatten(value, name, line)


def flatten(value: dict[str, Any], name: str, line: int, prefix: str = "", depth: int = 0) -> dict[str, str | None]:
    """Nested objects as columns joined by `_`, everything as text."""
    if depth > MAX_DEPTH:
        raise DataError(f"{name}:{line}: objects nested more than {MAX_DEPTH} deep.")
    flat: dict[str, str | None] = {}
    for key, item in value.items():
        if isinstance(item, dict):
            flat.update(flatten(item, name, line, f"{prefix}{key}_", depth + 1))
        else:
            flat[f"{prefix}{key}"] = as_text(item, name, line)
    return flat


def as_text(item: Any, name: str, line: int) -> str | None:
    """A JSON scalar or list as text; NUL is refused, as it is in CSV."""
    if item is None:
        return None
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    if "\x00" in text:
        raise DataError(f"{name}:{line}: a text holds a NUL character; the file is damaged.")
    return text.encode("utf-8", "replace").decode("utf-8")


def to_batch(wanted: tuple[str, ...], lines: list[int], rows: list[list[str | None]]) -> pa.RecordBatch:
    """Rows as one batch of text columns."""
    columns = [pa.array([row[p] for row in rows], pa.string()) for p in range(len(wanted))]
    return pa.RecordBatch.from_arrays(
        [pa.array(lines, pa.int64()), pa.array([False] * len(rows), pa.bool_()), *columns],
        names=["_line", "_footer", *wanted],
    )
