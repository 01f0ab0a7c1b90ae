"""The door for CSV files: bytes first, then structure, so that a damaged file is named with its line and a remedy.

A file that passes is UTF-8, comma-separated, quoted as RFC 4180 says, with the same number of fields in every row.
"""

import codecs
import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from analysis.errors import DataError

if TYPE_CHECKING:
    import _csv

_CHUNK_BYTES = 1 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAX_FIELD = 10_000_000  # characters; a longer field is a quote that never closes


def scan_bytes(path: Path) -> None:
    """Read the whole file once. Raises DataError on an empty file, NUL bytes, another encoding or CR-only lines."""
    line, has_lf, has_cr, size = 1, False, False, 0
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if size == 0 and chunk.startswith(_UTF16_MARKS):
                raise DataError(f"{path} is UTF-16 (line 1); save it as CSV UTF-8")
            size += len(chunk)
            _check_chunk(path, chunk, line, decoder)
            line += chunk.count(b"\n")
            has_lf, has_cr = has_lf or b"\n" in chunk, has_cr or b"\r" in chunk
    _check_end(path, line, decoder)
    if size == 0:
        raise DataError(f"{path} is empty (0 bytes); export it again")
    if has_cr and not has_lf:
        raise DataError(f"{path} line 1: lines end in CR only (old Macintosh form); save it with LF or CRLF line ends")


def _check_chunk(path: Path, chunk: bytes, line: int, decoder: codecs.IncrementalDecoder) -> None:
    nul = chunk.find(b"\0")
    if nul >= 0:
        where = line + chunk.count(b"\n", 0, nul)
        raise DataError(f"{path} line {where}: a NUL byte, so the file is damaged or not text; export it again")
    held = len(decoder.getstate()[0])  # bytes of a character that the last chunk cut in two
    try:
        decoder.decode(chunk)
    except UnicodeDecodeError as error:
        where = line + chunk.count(b"\n", 0, max(error.start - held, 0))
        raise DataError(f"{path} line {where}: not UTF-8 (Latin-1 or Windows text?); save it as CSV UTF-8") from error


def _check_end(path: Path, line: int, decoder: codecs.IncrementalDecoder) -> None:
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} line {line}: ends in the middle of a character; export the file again") from error


def header(path: Path) -> list[str]:
    """Column names of the first line. Raises DataError on doubled, blank or not comma-separated names."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            names = next(_reader(file), [])
        except csv.Error as error:
            raise DataError(f"{path} line 1: {_meaning(error)}") from error
    names = [name.strip() for name in names]
    if len(names) < 2:
        other = next((mark for mark in (";", "\t", "|") if names and mark in names[0]), None)
        cause = f"fields are separated by {other!r}" if other else "fewer than two columns"
        raise DataError(f"{path} line 1: {cause}; the first line must name the columns, separated by commas")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled or "" in names:
        what = f"column {doubled[0]} appears twice" if doubled and doubled[0] else "a column has no name"
        raise DataError(f"{path} line 1: {what}; give every column one name of its own")
    return names


def first_fault(path: Path, columns: Sequence[str]) -> str | None:
    """One sentence on the first row that is not well-formed CSV with as many fields as the header, or None."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _reader(file)
        line = 1
        try:
            for row in rows:
                if row and len(row) != len(columns):
                    return f"{path} line {line}: {_count(row, len(columns), rows.line_num, path)}"
                line = rows.line_num + 1
        except csv.Error as error:
            return f"{path} line {line}: {_meaning(error)}"
    return None


def _reader(file: TextIO) -> "_csv.Reader":
    csv.field_size_limit(min(_MAX_FIELD, sys.maxsize))
    return csv.reader(file, strict=True)


def _count(row: list[str], expected: int, line: int, path: Path) -> str:
    if len(row) < expected and line >= _lines(path):
        return f"the file breaks off ({len(row)} of {expected} fields); it is truncated, export it again"
    return f"{len(row)} fields where the header has {expected}; quote values that hold commas, then export it again"


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""))


def _meaning(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote is opened and never closed; the file is truncated or a quote was not doubled"
    if "field larger" in text:
        return "a quoted field does not end; a quote was not doubled"
    if "expected after" in text:
        return "text follows a closing quote (quotes doubled twice or not doubled); export it again as RFC 4180 CSV"
    return f"not well-formed CSV ({text}); export it again"
