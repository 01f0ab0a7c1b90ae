"""What an import says of itself: counts that add up, defects and what was done about them, and what the data cannot carry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import; the same content lies in import_report.json of the data folder.

    objects: one entry an object of the source: read = kept + fixed + quarantined + dropped. tables: rows written.
    defects: code, table, action (fixed, quarantined, dropped, warned, disabled), rows, text. not_read: files no object claims.
    """

    crm: str
    out: Path
    objects: tuple[dict[str, Any], ...]
    tables: dict[str, int]
    defects: tuple[dict[str, Any], ...]
    not_read: tuple[dict[str, Any], ...]
    content: dict[str, Any]

    @property
    def totals(self) -> dict[str, int]:
        """Rows read, kept, fixed, quarantined and dropped, over all objects."""
        return {key: sum(o[key] for o in self.objects) for key in ("read", "kept", "fixed", "quarantined", "dropped")}

    @property
    def disabled(self) -> dict[str, str]:
        """Metric -> why this data cannot give it."""
        return {d["table"]: f"{d['code']} {d['text']}" for d in self.defects if d["action"] == "disabled"}

    def rows(self, code: str, action: str | None = None) -> int:
        """Rows a defect has touched."""
        return sum(d["rows"] for d in self.defects if d["code"] == code and action in (None, d["action"]))

    def summary(self) -> str:
        """The import in a few lines of plain text."""
        t = self.totals
        lines = [
            f"{self.out}: {t['read']:,} rows read = {t['kept']:,} kept + {t['fixed']:,} fixed + {t['quarantined']:,} quarantined + {t['dropped']:,} dropped",
            "  tables: " + ", ".join(f"{name} {rows:,}" for name, rows in self.tables.items()),
        ]
        for action in ("fixed", "quarantined", "dropped"):
            counts: dict[str, int] = {}
            for d in self.defects:
                if d["action"] == action:
                    counts[d["code"]] = counts.get(d["code"], 0) + d["rows"]
            if counts:
                lines.append(f"  {action}: " + ", ".join(f"{code} {rows:,}" for code, rows in sorted(counts.items())))
        lines += [f"  {d['code']} {d['text']}" for d in self.defects if d["action"] in ("warned", "disabled")]
        if self.not_read:
            lines.append(
                f"  not read: {len(self.not_read)} files ({sum(n['rows'] or 0 for n in self.not_read):,} rows) that no table needs"
            )
        return "\n".join(lines)
