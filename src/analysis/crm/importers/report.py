"""What an import says of itself: counts that add up, defects and what was done about them, and what the data cannot carry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.crm.importers.job import Job
from analysis.crm.importers.privacy import key_fingerprint


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


def report_content(
    job: Job,
    objects: list[dict[str, Any]],
    written: dict[str, int],
    not_read: list[dict[str, Any]],
    unopened: list[str],
) -> dict[str, Any]:
    """The import report as JSON: no names, no texts of rows, nothing of this machine."""
    base = job.config.base
    hashes = sorted(f["sha256"] or "" for o in objects for f in o["files"])
    kinds = {r.kind: {"attempt": r.attempt, "meaningful": r.meaningful is not None} for r in base.activity if r.kind}
    return {
        "crm": job.mapping.crm,
        "config": {"files": job.config.names, "sha256": job.config.sha256},
        "source_sha256": hashlib.sha256("".join(hashes).encode()).hexdigest(),
        "export_day": job.as_of,
        "pseudonym_key": key_fingerprint(job.key),
        "objects": objects,
        "tables": written,
        "defects": job.ledger.entries,
        "kind_conflicts": job.details.get("kind_conflicts", []),
        "unlabelled_outcomes": job.details.get("unlabelled_outcomes", []),
        "bulk_imports": bulk_list(job),
        "unclassified_share": job.details.get("unclassified_share", 0.0),
        "keyed_ids": job.details.get("keyed_ids", 0),
        "not_read": not_read,
        "not_opened": unopened,
        "policy": {
            "kinds": kinds,
            "week_start": base.team.week_start,
            "workdays": base.team.workdays,
            "fiscal": {
                "kind": base.fiscal.kind,
                "start_month": base.fiscal.start_month,
                "year_named_for": base.fiscal.year_named_for,
            },
            "money": {
                "basis": base.money.basis,
                "won_date": base.money.won_date,
                "credit": base.money.credit,
                "fx": base.money.fx,
            },
            "leads": {"first_touch": base.leads.first_touch, "response_clock": base.leads.response_clock},
            "ramp_days": base.people.ramp_days,
            "privacy": {
                "min_group": base.privacy.min_group,
                "leader_sees": base.privacy.leader_sees,
                "peers": base.privacy.peers,
            },
        },
    }


def bulk_list(job: Job) -> list[dict[str, Any]]:
    """The minutes in which a bulk import wrote activities (D23)."""
    return [
        {"minute": str(m), "rows": n}
        for m, n in job.rows("SELECT minute, sum(n)::BIGINT FROM bulk_minutes GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50")
    ]
