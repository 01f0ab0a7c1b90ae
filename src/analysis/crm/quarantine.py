"""Rows that break the contract, kept apart with the reason, and the counts that prove no row was lost."""

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.errors import DataError

COLUMNS = ("table", "file", "row", "source_id", "code", "reason")


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the rows of one table; read = kept + quarantined + dropped."""

    table: str
    read: int
    kept: int
    quarantined: int
    dropped: int

    def __post_init__(self) -> None:
        if self.read != self.kept + self.quarantined + self.dropped:
            raise AssertionError(f"{self.table}: {self} does not add up")


def empty() -> pd.DataFrame:
    """A quarantine without rows: table, file, row (from 1, header not counted), source_id, code, reason."""
    text = {name: pd.Series(dtype="str") for name in COLUMNS}
    return pd.DataFrame({**text, "row": pd.Series(dtype="int64")})[list(COLUMNS)]


def as_table(counts: Iterable[Counts]) -> pd.DataFrame:
    """Counts as a frame: table, read, kept, quarantined, dropped."""
    rows = [(c.table, c.read, c.kept, c.quarantined, c.dropped) for c in counts]
    return pd.DataFrame(rows, columns=["table", "read", "kept", "quarantined", "dropped"])


def require_below(counts: Counts, quarantine: pd.DataFrame, limit: float) -> None:
    """Raise DataError where more than the share `limit` of a table's rows is quarantined, or nothing is left of it."""
    if counts.quarantined == 0 or (counts.kept > 0 and counts.quarantined <= limit * counts.read):
        return
    codes = quarantine.loc[quarantine["table"] == counts.table, "code"].value_counts()
    named = ", ".join(f"{code} {count:,}" for code, count in codes.head(3).items())
    share = counts.quarantined / counts.read
    raise DataError(
        f"{counts.table}: {counts.quarantined:,} of {counts.read:,} rows ({share:.1%}) break the contract ({named}), "
        f"more than the {limit:.1%} allowed; `workbench check` lists every row, mend the export and read it again"
    )


def write(quarantine: pd.DataFrame, target: Path) -> None:
    """Write quarantine.parquet whole or not at all: under a temporary name, flushed, then renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        quarantine.to_parquet(temporary, index=False)
        with Path(temporary).open("rb") as written:
            os.fsync(written.fileno())
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
