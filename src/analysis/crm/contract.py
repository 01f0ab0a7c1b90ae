"""The tables a data folder may hold: names, columns, types and meanings, read once from contract.toml.

Everything that checks, reads or documents data asks this module, so that a column is described in one place only.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

PANDAS_DTYPES: Mapping[str, str] = MappingProxyType(
    {
        "id": "str",
        "text": "str",
        "word": "str",
        "date": "datetime64[us]",
        "instant": "datetime64[us, UTC]",
        "int": "Int64",
        "number": "float64",
        "share": "float64",
        "bool": "boolean",
    }
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is a key of PANDAS_DTYPES; a `word` column takes one of `words`.

    needs: (table, column) that must hold the value, where that table is given.
    default: what an empty or missing cell is taken for, or None where it stays "not known".
    """

    name: str
    type: str
    meaning: str
    required: bool = False
    key: bool = False
    needs: tuple[str, str] | None = None
    words: tuple[str, ...] = ()
    default: str | None = None

    @property
    def dtype(self) -> str:
        """The pandas dtype this column has in every frame of the workbench."""
        return PANDAS_DTYPES[self.type]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns in order."""

    name: str
    meaning: str
    required: bool
    columns: Mapping[str, Column]

    @property
    def key(self) -> str | None:
        """The column no two rows share, or None."""
        return next((c.name for c in self.columns.values() if c.key), None)

    @property
    def required_columns(self) -> tuple[str, ...]:
        """Columns without which the table cannot be used."""
        return tuple(c.name for c in self.columns.values() if c.required)


def _column(name: str, entry: dict[str, object]) -> Column:
    kind = entry["type"]
    needs = entry.get("needs")
    return Column(
        name=name,
        type=kind if isinstance(kind, str) else "word",
        meaning=str(entry["meaning"]),
        required=bool(entry.get("required", False)),
        key=bool(entry.get("key", False)),
        needs=(needs.split(".")[0], needs.split(".")[1]) if isinstance(needs, str) else None,
        words=() if isinstance(kind, str) else tuple(str(word) for word in kind),  # type: ignore[attr-defined]
        default=None if entry.get("default") is None else str(entry["default"]),
    )


@cache
def _load() -> tuple[int, Mapping[str, Table]]:
    text = resources.files("analysis.crm").joinpath("contract.toml").read_text(encoding="utf-8")
    parsed = tomllib.loads(text)
    tables = {
        name: Table(
            name=name,
            meaning=entry["meaning"],
            required=entry.get("required", False),
            columns=MappingProxyType({column: _column(column, spec) for column, spec in entry["columns"].items()}),
        )
        for name, entry in parsed["tables"].items()
    }
    return parsed["version"], MappingProxyType(tables)


VERSION: int = _load()[0]
TABLES: Mapping[str, Table] = _load()[1]
