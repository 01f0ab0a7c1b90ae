"""Strict reading of TOML into frozen dataclasses.

The dataclass is the schema: its field names are the only keys, its annotations the only types. Anything else is refused
with the file, the line where it can be found, and the nearest valid name. Nothing is evaluated and nothing is guessed.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis.errors import ConfigError

MAX_BYTES = 2_000_000
MAX_NESTING = 40
MAX_NUMBER = 2**53  # the largest that text, number and back leaves alone
MAX_DOTS = 1_000  # the parser's time grows with the square of a dotted key
DOTTED = re.compile(
    r"""(?:"[^"\n]*"|'[^'\n]*'|[^\s.=,\[\]{}#"']+)(?:[ \t]*\.[ \t]*(?:"[^"\n]*"|'[^'\n]*'|[^\s.=,\[\]{}#"']+))*"""
)
HEADER = re.compile(r"""\s*(\[\[?)((?:"[^"]*"|'[^']*'|[^"'\]#])+)\]\]?\s*(?:#.*)?$""")
PLAIN = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", dt.date: "a date (2026-11-16)"}


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """One TOML file: its name for messages, its text for line numbers, its content."""

    name: str
    text: str
    content: dict[str, Any]

    def at(self, path: Iterable[str | int]) -> str:
        """`file:line` of a key, or `file` where the line cannot be told."""
        line = line_of(self.text, tuple(path))
        return f"{self.name}:{line}" if line else self.name


def read_document(path: Path) -> Document:
    """Read a TOML file. Raises ConfigError for a missing, oversized, non-UTF-8 or malformed file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the configuration cannot be read ({error.strerror}).") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"{path.name}: {len(raw):,} bytes is no configuration; the limit is {MAX_BYTES:,}.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path.name}:{line}: not UTF-8 text; save the configuration as UTF-8.") from error
    return parse_document(path.name, text)


def parse_document(name: str, text: str) -> Document:
    """Parse TOML text. Raises ConfigError with the parser's line and reason."""
    if any(key[0].count(".") > MAX_DOTS for key in DOTTED.finditer(text)):
        raise ConfigError(f"{name}: not valid here: a key of more than {MAX_DOTS:,} parts.")
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: not valid TOML: {str(error)[:200] or type(error).__name__}.") from error
    if too_deep(content):
        raise ConfigError(f"{name}: tables are nested more than {MAX_NESTING} deep.")
    return Document(name, text, content)


def too_deep(value: Any) -> bool:
    """Whether tables and lists nest deeper than any configuration needs."""
    level = [value]
    for _ in range(MAX_NESTING):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return False
    return True


def line_of(text: str, path: tuple[str | int, ...]) -> int | None:
    """The line that sets `path` (table names, array positions, key): a reading of headers and keys, good for messages."""
    names = [part for part in path if isinstance(part, str)]
    positions = [part for part in path if isinstance(part, int)]
    header: list[str] = []
    seen: dict[tuple[str, ...], int] = {}
    best = None
    for number, line in enumerate(text.splitlines(), 1):
        found = HEADER.match(line)
        if found:
            header = split_key(found[2])
            if found[1] == "[[":
                seen[tuple(header)] = seen.get(tuple(header), -1) + 1
            if header == names:
                best = number
            continue
        key = re.match(r"\s*((?:\"[^\"]*\"|'[^']*'|[\w-]+)(?:\s*\.\s*(?:\"[^\"]*\"|'[^']*'|[\w-]+))*)\s*=", line)
        if not key:
            continue
        full = header + split_key(key[1])
        right_item = not positions or seen.get(tuple(header), 0) == positions[0]
        if right_item and (full == names or (len(full) < len(names) and names[: len(full)] == full)):
            if full == names:
                return number
            best = number
    return best


def split_key(dotted: str) -> list[str]:
    """The parts of a dotted TOML key, quotes removed."""
    return [part[1:-1] if part[:1] in "\"'" else part for part in re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted)]


def nearest(name: str, valid: Iterable[str]) -> str:
    """` Did you mean ...?` for the nearest valid name, or the list of valid names when none is near."""
    options = sorted({str(option) for option in valid})
    folded = {option.lower(): option for option in options}
    close = difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.55)
    if close:
        return f" Did you mean {folded[close[0]]!r}?"
    shown = ", ".join(options[:12]) + (", ..." if len(options) > 12 else "")
    return f" Valid: {shown}." if options else ""


def build(schema: type, table: Any, document: Document, path: tuple[str | int, ...] = ()) -> Any:
    """A `schema` dataclass from a TOML table; every key known, every value of its annotated type.

    Raises ConfigError naming file, line, key and the nearest valid name.
    """
    if not isinstance(table, dict):
        raise ConfigError(f"{document.at(path)}: {dotted(path)} must be a table.")
    hints = typing.get_type_hints(schema)
    fields = {key_name(field): field for field in dataclasses.fields(schema) if field.metadata.get("key") != ""}
    for key in table:
        if key not in fields:
            place = f"[{dotted(path)}]" if path else "the configuration"
            raise ConfigError(
                f"{document.at((*path, key))}: unknown key {shown(key)} in {place}.{nearest(key, fields)}"
            )
    values = {}
    for key, field in fields.items():
        if key in table:
            values[field.name] = convert(hints[field.name], table[key], document, (*path, key))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{document.at(path)}: [{dotted(path)}] needs the key {key!r}.")
    try:
        return schema(**values)
    except ValueError as error:
        raise ConfigError(f"{document.at(path)}: [{dotted(path)}]: {error}") from error


def key_name(field: dataclasses.Field[Any]) -> str:
    """The TOML key of a dataclass field (`as` and `in` cannot be Python names)."""
    return str(field.metadata.get("key", field.name))


def dotted(path: Iterable[str | int]) -> str:
    """A path as people write it: activity[2].when."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text


def convert(hint: Any, value: Any, document: Document, path: tuple[str | int, ...]) -> Any:
    """`value` as the annotated type, or ConfigError saying what was expected."""
    refuse_odd(value, document, path)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return convert(next(a for a in arguments if a is not type(None)), value, document, path)
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in arguments:
            raise ConfigError(
                f"{document.at(path)}: {dotted(path)} = {shown(value)} is not known.{nearest(value, arguments)}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise ConfigError(f"{document.at(path)}: {dotted(path)} must be a list.")
        return tuple(convert(arguments[0], item, document, (*path, i)) for i, item in enumerate(value))
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise ConfigError(f"{document.at(path)}: {dotted(path)} must be a table.")
        for key in value:
            refuse_odd(key, document, path)
        return {str(k): convert(arguments[1], item, document, (*path, k)) for k, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type, hint), value, document, path)
    if hint is Any:
        return value
    return plain(hint, value, document, path)


def plain(hint: type, value: Any, document: Document, path: tuple[str | int, ...]) -> Any:
    """A text, number, truth value or date of exactly the annotated type; a whole number may stand for a number."""
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    wrong_kind = hint in (int, float) and isinstance(value, bool)
    wrong_date = hint is dt.date and isinstance(value, dt.datetime)
    if not isinstance(value, hint) or wrong_kind or wrong_date:
        wanted = PLAIN.get(hint, hint.__name__)
        raise ConfigError(f"{document.at(path)}: {dotted(path)} must be {wanted}, not {shown(value)}.")
    return value


def refuse_odd(value: Any, document: Document, path: tuple[str | int, ...]) -> None:
    """Refuse what no engine takes: infinite and immense numbers, NaN, and NUL characters."""
    if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise ConfigError(
            f"{document.at(path)}: {dotted(path)} = {shown(value)}; give a number of {MAX_NUMBER:.0e} at most."
        )
    if isinstance(value, str) and "\x00" in value:
        raise ConfigError(f"{document.at(path)}: {dotted(path)} holds a NUL character.")


def shown(value: Any) -> str:
    """A value as a message quotes it: never more than a line."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
