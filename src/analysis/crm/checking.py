"""`workbench check`: what a data folder holds, what was wrong with it, and what it can and cannot tell."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.crm import quarantine
from analysis.crm.reading import MAX_QUARANTINE_SHARE, Crm, examine

if TYPE_CHECKING:
    from rich.console import RenderableType

REPORT_VERSION = 1


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The outcome of a check.

    crm: the data as read. refusal: why a study of it would refuse (one sentence), or None.
    """

    crm: Crm
    refusal: str | None

    @property
    def exit_code(self) -> int:
        """0 where the data can be used, 2 where they are refused."""
        return 2 if self.refusal else 0

    def quarantined(self) -> pd.DataFrame:
        """Rows quarantined: table, code, rows; most first within a table."""
        held = self.crm.quarantine.groupby(["table", "code"], sort=True).size().rename("rows").reset_index()
        return held.sort_values(["table", "rows", "code"], ascending=[True, False, True], ignore_index=True)

    def as_json(self) -> str:
        """The report as JSON text: folder, fingerprint, refusal, tables, quarantine, capabilities, coverage, warnings."""
        content = {
            "version": REPORT_VERSION,
            "folder": self.crm.folder.name,
            "fingerprint": self.crm.fingerprint,
            "refusal": self.refusal,
            "tables": _records(self.crm.counts),
            "quarantine": _records(self.quarantined()),
            "capabilities": _records(self.crm.capabilities),
            "coverage": _records(self.crm.coverage),
            "warnings": list(self.crm.warnings),
        }
        return json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def __rich__(self) -> "RenderableType":
        """Three tables for a terminal. Text from the data is shown literally, never as markup."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [_table(f"Tables of {self.crm.folder}", self.crm.counts)]
        if len(self.crm.quarantine):
            parts.append(_table("Quarantined rows", self.quarantined()))
        lacking = self.crm.capabilities.query("not available")
        parts.append(_table("Not recorded in these data", lacking[["metric", "missing"]]))
        parts += [Text(f"Note: {warning}") for warning in self.crm.warnings]
        parts.append(Text(self.refusal or "These data can be studied.", style="bold"))
        return Group(*parts)


def check(
    folder: str | Path, *, max_quarantine_share: float = MAX_QUARANTINE_SHARE, today: date | None = None
) -> CheckReport:
    """Read a data folder as `read` does, and report instead of refusing where too many rows break the contract.

    Raises DataError where a file cannot be read at all, or a needed table or column is missing.
    """
    crm, refusal = examine(folder, max_quarantine_share=max_quarantine_share, today=today)
    return CheckReport(crm, None if refusal is None else str(refusal))


def write_quarantine(report: CheckReport, target: Path) -> None:
    """Write the quarantined rows as parquet, whole or not at all."""
    quarantine.write(report.crm.quarantine, target)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return json.loads(frame.to_json(orient="records", double_precision=6))


def _table(title: str, frame: pd.DataFrame) -> "RenderableType":
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(Text(str(name)), justify="right" if numeric else "left")
    for row in _shown(frame.itertuples(index=False)):
        table.add_row(*(Text(cell) for cell in row))
    return table


def _shown(rows: Iterable[tuple]) -> Iterable[list[str]]:
    for row in rows:
        yield [f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row]
