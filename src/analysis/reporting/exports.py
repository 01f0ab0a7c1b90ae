"""Findings and scorecards as files for other programs: CSV, parquet and XLSX with a codebook.

Headings carry the unit. Text that a spreadsheet would run as a formula is quoted in CSV and stored as text in XLSX;
numbers are written as they are, unrounded. The same frame gives the same bytes.
"""

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import words
from analysis.errors import DataError

_CREATED = dt.datetime(2020, 1, 1)
_SHEET_NAME = 31
_CELL_TEXT = 32_767
_ROWS = 1_048_575


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an exported table: its name in the frame, unit, and what it means."""

    name: str
    unit: str = ""
    meaning: str = ""

    @property
    def heading(self) -> str:
        return f"{self.name} [{self.unit}]" if self.unit else self.name


def findings_fields(currency: str | None, period: str = "week", *, locale: str = "en") -> tuple[Field, ...]:
    """The columns of findings.csv with unit and meaning; `currency` is the ISO code of the amounts."""
    units = {"currency": words.currency_code(currency) or words.text("number.unknown", locale=locale), "period": period}
    entries = words.entry("codebook.findings", locale)
    return tuple(Field(name, unit.format_map(units), said.format_map(units)) for name, (unit, said) in entries.items())


def _fields(frame: pd.DataFrame, fields: Sequence[Field] | None) -> list[Field]:
    """One field per column of `frame`, in its order; columns without an entry keep their name."""
    known = {f.name: f for f in fields or ()}
    return [known.get(str(c), Field(str(c))) for c in frame.columns]


def tables(
    frames: Mapping[str, pd.DataFrame],
    fields: Mapping[str, Sequence[Field]] | None = None,
    *,
    name: str = "tables",
    locale: str = "en",
) -> dict[str, bytes]:
    """Every table in every format: file name -> bytes; one workbook `name`.xlsx, `<table>-table.csv` and `.parquet`.

    The suffix keeps these apart from findings.csv, whose headings other programs rely on.
    """
    made = {f"{name}.xlsx": xlsx_bytes(frames, fields, locale=locale)}
    for key, frame in frames.items():
        made[f"{key}-table.csv"] = csv_bytes(frame, (fields or {}).get(key))
        made[f"{key}-table.parquet"] = parquet_bytes(frame, (fields or {}).get(key))
    return made


def csv_bytes(frame: pd.DataFrame, fields: Sequence[Field] | None = None) -> bytes:
    """The table as UTF-8 CSV with a byte-order mark (spreadsheets need it), headings with units, formulas quoted."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # a bare line break inside a cell is then quoted
    writer.writerow([words.spreadsheet_text(f.heading) for f in _fields(frame, fields)])
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([_csv_cell(value) for value in row])
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8")


def _csv_cell(value: Any) -> Any:
    if pd.isna(value):
        return ""
    if isinstance(value, str):
        return words.spreadsheet_text(value)
    if isinstance(value, pd.Timestamp | dt.date):
        return value.isoformat() if not _is_midnight(value) else str(value)[:10]
    return value


def _is_midnight(value: Any) -> bool:
    return not isinstance(value, pd.Timestamp) or value == value.normalize()


def parquet_bytes(frame: pd.DataFrame, fields: Sequence[Field] | None = None) -> bytes:
    """The table as parquet; units and meanings travel as column metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    schema = pa.schema(
        [
            column.with_metadata({"unit": f.unit, "meaning": f.meaning})
            for column, f in zip(table.schema, _fields(frame, fields), strict=True)
        ]
    )
    out = io.BytesIO()
    pq.write_table(table.cast(schema), out)
    return out.getvalue()


def xlsx_bytes(
    sheets: Mapping[str, pd.DataFrame],
    fields: Mapping[str, Sequence[Field]] | None = None,
    *,
    locale: str = "en",
) -> bytes:
    """A workbook: one sheet per table, headings with units, and a codebook sheet with every column's meaning.

    fields: per sheet; a sheet may have none. Raises DataError for a table longer than a sheet can hold.
    """
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(out, options) as book:
        book.set_properties({"created": _CREATED})
        formats = {
            "head": book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}),
            "date": book.add_format({"num_format": "yyyy-mm-dd"}),
            "wrap": book.add_format({"text_wrap": True, "valign": "top"}),
        }
        names = _sheet_names([*sheets, words.text("codebook.sheet", locale=locale)])
        for name, (key, frame) in zip(names, sheets.items(), strict=False):
            _sheet(book.add_worksheet(name), frame, _fields(frame, (fields or {}).get(key)), formats)
        _codebook(book.add_worksheet(names[-1]), names, sheets, fields or {}, formats, locale)
    return out.getvalue()


def _sheet_names(wanted: Sequence[str]) -> list[str]:
    """Names a workbook accepts: 31 letters, none of []:*?/\\, unique whatever the case."""
    names: list[str] = []
    for name in wanted:
        clean = "".join("_" if c in "[]:*?/\\'" or ord(c) < 32 else c for c in name).strip() or "table"
        candidate, number = clean[:_SHEET_NAME], 2
        while candidate.casefold() in (n.casefold() for n in names):
            candidate, number = f"{clean[: _SHEET_NAME - 4]} {number}", number + 1
        names.append(candidate)
    return names


def _sheet(sheet: Any, frame: pd.DataFrame, fields: Sequence[Field], formats: Mapping[str, Any]) -> None:
    if len(frame) > _ROWS:
        raise DataError(f"a sheet holds {_ROWS:,} rows and the table has {len(frame):,}; write it as parquet instead")
    sheet.freeze_panes(1, 1)
    for column, field in enumerate(fields):
        sheet.write_string(0, column, field.heading, formats["head"])
        sheet.set_column(column, column, min(max(12, len(field.heading)), 40))
    for row, values in enumerate(frame.itertuples(index=False, name=None), start=1):
        for column, value in enumerate(values):
            _xlsx_cell(sheet, row, column, value, formats)


def _xlsx_cell(sheet: Any, row: int, column: int, value: Any, formats: Mapping[str, Any]) -> None:
    if pd.isna(value):
        return
    if isinstance(value, str):
        sheet.write_string(row, column, value[:_CELL_TEXT])
    elif isinstance(value, bool) or type(value).__name__ == "bool":
        sheet.write_boolean(row, column, bool(value))
    elif isinstance(value, pd.Timestamp):
        sheet.write_datetime(row, column, value.tz_localize(None).to_pydatetime(), formats["date"])
    elif isinstance(value, dt.date):
        sheet.write_datetime(row, column, value, formats["date"])
    elif words.is_known(value):
        sheet.write_number(row, column, float(value))
    else:
        sheet.write_string(row, column, str(value))


def _codebook(
    sheet: Any,
    names: Sequence[str],
    sheets: Mapping[str, pd.DataFrame],
    fields: Mapping[str, Sequence[Field]],
    formats: Mapping[str, Any],
    locale: str,
) -> None:
    heads = [words.text(f"codebook.{key}", locale=locale) for key in ("table", "column", "unit", "meaning")]
    for column, (head, width) in enumerate(zip(heads, (20, 26, 24, 90), strict=True)):
        sheet.write_string(0, column, head, formats["head"])
        sheet.set_column(column, column, width)
    sheet.freeze_panes(1, 0)
    row = 1
    for name, (key, frame) in zip(names, sheets.items(), strict=False):
        for field in _fields(frame, fields.get(key)):
            for column, text in enumerate((name, field.name, field.unit, field.meaning)):
                sheet.write_string(row, column, text, formats["wrap"])
            row += 1
