"""What a batch says of itself: a receipt beside each report, and manifest.json with every team's status and totals.

A receipt travels with the report it describes and holds no clock time, so the same input gives the same bytes. The
manifest adds when and how long. Statuses: done, unchanged, failed, refused, and "not run" where a batch was stopped.
A team that failed keeps its last good report, marked stale.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from analysis.errors import InputError
from analysis.reporting.publish import RECEIPT, Store

MANIFEST = "manifest.json"
VERSION = 1
DONE, UNCHANGED, FAILED, REFUSED, NOT_RUN = "done", "unchanged", "failed", "refused", "not run"
TEAM, OF_COMPANY = "team", "company"  # what a report is about
COMPANY = ""  # the blank team_id of what is about the whole company
STATUSES = (DONE, UNCHANGED, FAILED, REFUSED, NOT_RUN)
WITHOUT = (FAILED, REFUSED, NOT_RUN)  # a new report
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a published report was made from and consists of.

    as_of: its last day; previous_as_of: that of the report it compares itself with. outputs: file name -> SHA-256.
    """

    team_id: str
    name: str
    fingerprint: str
    as_of: str
    previous_as_of: str | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """As written beside the report."""
        return _json({"version": VERSION, **asdict(self)})


@dataclass(frozen=True, slots=True)
class TeamResult:
    """One report's line in the manifest.

    kind: about a team, or about the company (its team_id is blank then).

    failure: why there is no new report, as a kind of jobs.Failure, unpublished or not_reached; "" where there is one,
    "unknown" in manifests that older versions wrote. said: the sentence of it that a reader may have; error: all of it.

    stale: the published report is older than this run wanted. made_at: UTC. basis: a digest of the data and the plan
    that the report is known to be up to date with; blank when it is not.
    """

    team_id: str
    name: str
    slug: str
    status: str
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    attempts: int = 0
    fingerprint: str = ""
    basis: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    stale: bool = False
    made_at: str | None = None
    kind: str = TEAM
    failure: str = ""
    said: str = ""


def read_receipt(store: Store, slug: str) -> Receipt | None:
    """The receipt of the report published under this slug; None when there is none that can be read."""
    content = store.read(f"{slug}/{RECEIPT}")
    try:
        fields = json.loads(content or b"")
        fields.pop("version")
        return Receipt(**fields)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def intact(store: Store, slug: str, receipt: Receipt) -> bool:
    """Whether every file of the report is there with the bytes that its receipt states."""
    return bool(receipt.outputs) and all(
        (content := store.read(f"{slug}/{name}")) is not None and digest(content) == wanted
        for name, wanted in receipt.outputs.items()
    )


def write_manifest(
    store: Store, run: Mapping[str, Any], teams: Iterable[TeamResult], company: Iterable[TeamResult] = ()
) -> dict[str, Any]:
    """Write manifest.json: what the run was (`run`), its teams in the order of their slugs, totals of the teams, and
    the reports about the company."""
    rows = sorted(teams, key=lambda team: team.slug)
    counts = Counter(team.status for team in rows)
    totals: dict[str, float] = {status: counts[status] for status in STATUSES}
    totals |= {"teams": len(rows), "stale": sum(team.stale for team in rows)}
    totals |= {"cpu_s": round(sum(team.cpu_s for team in rows), 3)}
    manifest = {"version": VERSION, **run, "totals": totals, "teams": [_rounded(asdict(team)) for team in rows]}
    manifest["company"] = [_rounded(asdict(row)) for row in company]
    store.write(MANIFEST, _json(manifest))
    return manifest


def read_manifest(store: Store) -> dict[str, Any] | None:
    """The manifest of the last batch here; None when there is none that can be read."""
    try:
        manifest = json.loads(store.read(MANIFEST) or b"")
        manifest.setdefault("company", [])
        for row in [*manifest["teams"], *manifest["company"]]:
            row.setdefault("failure", UNKNOWN if row["status"] in WITHOUT else "")
        teams = [TeamResult(**row) for row in [*manifest["teams"], *manifest["company"]]]
        plain = all(isinstance(text, str) for team in teams for text in (team.team_id, team.name, team.slug))
        return manifest if manifest["version"] == VERSION and plain and isinstance(manifest["totals"], dict) else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def status_text(store: Store) -> str:
    """How a run stands, for people. Raises InputError when no batch was ever run there."""
    manifest = read_manifest(store)
    if manifest is None:
        raise InputError(f"{store.name} holds no {MANIFEST}; run `workbench batch DATA --out {store.name}` first.")
    totals = manifest["totals"]
    counts = ", ".join(f"{totals[status]} {status}" for status in STATUSES if totals.get(status))
    lines = [f"{manifest.get('finished_at') or 'not finished'}: {totals['teams']} teams, {counts or 'none done'}"]
    for team in [*manifest["teams"], *manifest["company"]]:
        if team["status"] in WITHOUT:
            kept = "; the earlier report stands, marked stale" if team["stale"] else ""
            lines.append(f"  {team['name']} ({team['slug']}): {team['status']}: {team['error'] or 'not reached'}{kept}")
    return "\n".join(lines)


def digest(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _rounded(team: dict[str, Any]) -> dict[str, Any]:
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in team.items()}


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=False) + "\n").encode()
