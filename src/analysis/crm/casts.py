"""From what a file holds to what the contract says: one SQL expression a column, strict, nothing guessed.

Text is read by fixed forms only (2026-03-31, 2026-03-31T09:30:00Z, 12.5, true). A value that does not fit becomes
"not known" and is reported with its row; it is never repaired here (importers repair, with counts).
"""

from dataclasses import dataclass

from analysis.crm import sql
from analysis.crm.contract import Column
from analysis.errors import DataError

_DATE = r"\d{4}-\d{2}-\d{2}([T ]00:00:00(\.0+)?Z?)?"
_INSTANT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)?"
_INT = r"[+-]?\d{1,15}(\.0*)?"
_NUMBER = r"[+-]?(\d{1,300}(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?"
_TRUE, _FALSE = "('true','t','yes','y','1')", "('false','f','no','n','0')"

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_DECIMALS = ("FLOAT", "DOUBLE")
_SQL_TYPE = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "word": "VARCHAR",
    "date": "DATE",
    "instant": "TIMESTAMP WITH TIME ZONE",
    "int": "BIGINT",
    "number": "DOUBLE",
    "share": "DOUBLE",
    "bool": "BOOLEAN",
}
_PLAIN = {"id": "text", "word": "text", "share": "number", "int": "whole number", "bool": "true or false"}


@dataclass(frozen=True, slots=True)
class Cast:
    """How one column of one file becomes the contract's type.

    value: SQL giving the typed value. fault: SQL giving the text of a value that does not fit (else NULL), or None
    where every value fits. as_is: the file's own column already is what the contract wants.
    """

    value: str
    fault: str | None = None
    as_is: bool = False


def absent(column: Column) -> Cast:
    """A column that other files of the table have and this one does not."""
    return Cast(f"CAST(NULL AS {_SQL_TYPE[column.type]})")


def cast(column: Column, source_type: str, where: str) -> Cast:
    """The cast of one column. `source_type` is DuckDB's; `where` names the file for the sentence of a DataError."""
    source = sql.name(column.name)
    kind = source_type.upper()
    if kind.startswith("ENUM") and column.type in ("id", "text", "word"):
        return Cast(f"CAST({source} AS VARCHAR)")
    if kind == "VARCHAR":
        return _from_text(column, source)
    if kind in ('"NULL"', "NULL"):
        return absent(column)
    found = _from_typed(column, source, kind)
    if found is None:
        raise DataError(f"{where}: column {column.name} is {_found(kind)}; {_remedy(column)}")
    return found


def _from_text(column: Column, source: str) -> Cast:
    trimmed = f"nullif(trim({source}), '')"
    if column.type in ("id", "text", "word"):
        return Cast(f"nullif({source}, '')", as_is=True)
    parsed = {
        "date": f"CASE WHEN {_matches(trimmed, _DATE)} THEN TRY_CAST(left({trimmed}, 10) AS DATE) END",
        "instant": f"CASE WHEN {_matches(trimmed, _INSTANT)} THEN TRY_CAST({trimmed} AS TIMESTAMPTZ) END",
        "int": f"CASE WHEN {_matches(trimmed, _INT)} THEN TRY_CAST(split_part({trimmed}, '.', 1) AS BIGINT) END",
        "bool": f"CASE WHEN lower({trimmed}) IN {_TRUE} THEN true WHEN lower({trimmed}) IN {_FALSE} THEN false END",
    }.get(column.type, f"CASE WHEN {_matches(trimmed, _NUMBER)} THEN TRY_CAST({trimmed} AS DOUBLE) END")
    return Cast(parsed, _fault(trimmed, parsed))


def _from_typed(column: Column, source: str, kind: str) -> Cast | None:
    if column.type == "date":
        return _date(source, kind)
    if column.type == "instant":
        return _instant(source, kind)
    if column.type == "int" and kind in _INTEGERS:
        return Cast(f"CAST({source} AS BIGINT)", as_is=kind == "BIGINT")
    if column.type == "int" and kind in _DECIMALS:
        whole = f"CASE WHEN {source} = trunc({source}) THEN TRY_CAST({source} AS BIGINT) END"
        return Cast(whole, _fault(f"CASE WHEN NOT isnan({source}) THEN CAST({source} AS VARCHAR) END", whole))
    if column.type in ("number", "share"):
        return _number(source, kind)
    if column.type == "bool" and kind == "BOOLEAN":
        return Cast(source, as_is=True)
    return None


def _date(source: str, kind: str) -> Cast | None:
    if kind == "DATE":
        return Cast(source, as_is=True)
    if not kind.startswith("TIMESTAMP") or "ZONE" in kind:
        return None  # an instant needs a zone to become a day; only an importer knows it
    midnight = f"CASE WHEN {source} = date_trunc('day', {source}) THEN CAST({source} AS DATE) END"
    return Cast(midnight, _fault(f"CAST({source} AS VARCHAR)", midnight))


def _instant(source: str, kind: str) -> Cast | None:
    if kind in ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"):
        return Cast(source, as_is=True)
    return Cast(f"CAST({source} AS TIMESTAMPTZ)") if kind.startswith("TIMESTAMP") else None


def _number(source: str, kind: str) -> Cast | None:
    if kind == "DOUBLE":
        return Cast(f"CASE WHEN NOT isnan({source}) THEN {source} END", as_is=True)
    if kind == "FLOAT" or kind in _INTEGERS or kind.startswith("DECIMAL"):
        return Cast(f"CASE WHEN NOT isnan(CAST({source} AS DOUBLE)) THEN CAST({source} AS DOUBLE) END")
    return None


def _matches(value: str, pattern: str) -> str:
    return f"regexp_full_match({value}, {sql.text(pattern)})"


def _fault(shown: str, parsed: str) -> str:
    return f"CASE WHEN {shown} IS NOT NULL AND ({parsed}) IS NULL THEN left({shown}, 40) END"


def _found(kind: str) -> str:
    nested = kind.endswith("[]") or kind.startswith(("STRUCT", "MAP", "LIST", "UNION", "BLOB", "VARIANT"))
    return "Python objects or nested values" if nested else kind.lower()


def _remedy(column: Column) -> str:
    if column.type == "id":
        return 'ids are text, so that "007" stays "007": write the column as text'
    if column.type == "date":
        return "it must be a date (the local calendar day): write the column as a date"
    return f"it must be {_PLAIN.get(column.type, column.type)}: write the column as such"
