"""One team's turn in a batch: is its report up to date, what does the job hold, and what becomes of the result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from analysis.errors import AnalysisError
from analysis.reporting.jobs import NO_ROOM, Failure, Limits, Rendered, ReportJob
from analysis.reporting.manifest import (
    DONE,
    FAILED,
    NOT_RUN,
    REFUSED,
    TEAM,
    UNCHANGED,
    Receipt,
    TeamResult,
    digest,
    intact,
    read_receipt,
)
from analysis.reporting.pack import with_previous
from analysis.reporting.publish import RECEIPT, Store
from analysis.reporting.redact import Redactor
from analysis.reporting.sources import Source
from analysis.reporting.template import Template, code_digest

KEPT_BESIDE = ("findings.csv", "findings.parquet", "previous.parquet")


@dataclass(frozen=True, slots=True)
class Plan:
    """What every report of a batch has in common."""

    template: Template
    parameters: Mapping[str, object]
    formats: tuple[str, ...]
    limits: Limits
    seed: int
    resume: bool = True

    @property
    def key(self) -> str:
        """A digest of what, besides its pack, a report is made from."""
        parts = [self.template.digest, code_digest(), dict(self.parameters), self.formats, self.seed]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(slots=True)
class Task:
    """A team under way, or already settled (unchanged, or without a pack)."""

    team_id: str
    name: str
    slug: str
    fingerprint: str = ""
    job: ReportJob | None = None
    settled: TeamResult | None = None
    attempts: int = 1
    before: Receipt | None = None


@dataclass(slots=True)
class TaskMaker:
    """Makes tasks and settles them. earlier: the manifest of the run before (without teams where there was none).

    kind: of what the reports are about, a team or the company.
    """

    plan: Plan
    source: Source
    store: Store
    earlier: Mapping[str, Any]
    kind: str = TEAM
    broken: str | None = None
    _rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _studied: bool = False
    _redact: Redactor = field(default_factory=Redactor)

    def __post_init__(self) -> None:
        self._rows = {row["team_id"]: row for row in self.earlier["teams"]}

    @property
    def nothing_new(self) -> bool:
        """Whether data, template, code and parameters are those of a run before that covered every team."""
        same = self.earlier.get("source") == self.source.key and self.earlier.get("plan") == self.plan.key
        return bool(self.plan.resume and same and self.earlier.get("complete"))

    @property
    def basis(self) -> str:
        """A digest of this run's data and plan."""
        return digest(f"{self.source.key} {self.plan.key}".encode())

    def names(self) -> dict[str, str]:
        """team_id -> name of every team; from the manifest when nothing is new, so that nothing need be loaded."""
        if self.nothing_new:
            return {team: row["name"] for team, row in self._rows.items()}
        return dict(self.source.teams())

    def make(self, team_id: str, name: str, slug: str) -> Task:
        """The team's task; settled at once when its report is up to date or its pack cannot be made."""
        task = Task(team_id, name, slug, before=read_receipt(self.store, slug))
        known = self._rows.get(team_id, {})
        if self.plan.resume and known.get("basis") == self.basis and self._up_to_date(task, known["fingerprint"]):
            return task
        try:
            self.study_once()
            pack = self.source.pack(team_id)
        except AnalysisError as fault:
            task.settled = self._row(task, FAILED, why=Failure("data", str(fault), str(fault)))
            return task
        task.fingerprint = self._fingerprint(team_id, pack)
        if self.plan.resume and self._up_to_date(task, task.fingerprint):
            return task
        plan = self.plan
        task.job = ReportJob(
            slug=slug,
            notebook=plan.template.text,
            parameters=plan.parameters,
            pack=with_previous(pack, self._published(slug)),
            formats=plan.formats,
            limits=plan.limits,
            seed=plan.seed,
            version=code_digest(),
        )
        return task

    def settle(self, task: Task, rendered: Rendered) -> TeamResult:
        """Publish what was rendered, or say why not; the earlier report stands then."""
        use: dict[str, Any] = {"seconds": rendered.seconds, "cpu_s": rendered.cpu_s, "peak_mb": rendered.peak_mb}
        if rendered.failure is not None:
            status = REFUSED if rendered.failure.kind == "refused" else FAILED
            return self._row(task, status, why=rendered.failure, **use)
        assert task.job is not None
        files = dict(rendered.files) | {name: task.job.pack[name] for name in KEPT_BESIDE if name in task.job.pack}
        outputs = {name: digest(content) for name, content in sorted(files.items())}
        previous = json.loads(task.job.pack.get("previous.json", b"{}")).get("as_of")
        receipt = Receipt(task.team_id, task.name, task.fingerprint, self.source.as_of(), previous, outputs)
        try:
            self.store.publish(task.slug, files | {RECEIPT: receipt.to_bytes()})
        except (OSError, AnalysisError) as fault:
            reason = f"could not be published: {getattr(fault, 'strerror', None) or fault}"
            full = getattr(fault, "errno", None) in NO_ROOM
            if full:
                self.broken = f"{self.store.name}: {getattr(fault, 'strerror', fault)}"
            return self._row(task, FAILED, why=Failure("disk" if full else "unpublished", reason), **use)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        task.before = receipt
        return self._row(task, DONE, made_at=now, **use)

    def not_run(self, team_id: str, name: str, slug: str) -> TeamResult:
        """The line of a team that the batch did not come to."""
        task = Task(team_id, name, slug, before=read_receipt(self.store, slug), attempts=0)
        return self._row(task, NOT_RUN, why=Failure("not_reached", ""))

    def _up_to_date(self, task: Task, fingerprint: str) -> bool:
        """Settle the task when its published report was made from exactly this and every byte of it is there."""
        receipt = task.before
        if receipt is None or receipt.fingerprint != fingerprint or not intact(self.store, task.slug, receipt):
            return False
        task.fingerprint, task.attempts = fingerprint, 0
        task.settled = self._row(task, UNCHANGED)
        return True

    def _row(self, task: Task, status: str, why: Failure | None = None, **facts: Any) -> TeamResult:
        receipt = task.before
        if why is not None:
            facts |= {"failure": why.kind, "said": self._redact(why.said), "error": self._redact(why.reason) or None}
        facts.setdefault("made_at", self._rows.get(task.team_id, {}).get("made_at") if receipt else None)
        return TeamResult(
            task.team_id,
            task.name,
            task.slug,
            status,
            kind=self.kind,
            attempts=task.attempts,
            fingerprint=receipt.fingerprint if receipt else "",
            outputs=receipt.outputs if receipt else {},
            basis=self.basis if status in (DONE, UNCHANGED) else "",
            stale=receipt is not None and status not in (DONE, UNCHANGED),
            **facts,
        )

    def _fingerprint(self, team_id: str, pack: Mapping[str, bytes]) -> str:
        total = hashlib.sha256(json.dumps([team_id, self.plan.key]).encode())
        for name in sorted(pack):
            total.update(name.encode() + b"\0" + hashlib.sha256(pack[name]).digest())
        return total.hexdigest()

    def study_once(self) -> None:
        """Make the company's study and write it, at the first asking."""
        if not self._studied:
            for name, content in self.source.study_files(
                self.store.read if self.plan.resume else lambda _: None
            ).items():
                self.store.write(name, content)
            self._studied = True

    def _published(self, slug: str) -> dict[str, bytes]:
        names = (RECEIPT, *KEPT_BESIDE)
        return {name: content for name in names if (content := self.store.read(f"{slug}/{name}")) is not None}


def limits_shown(limits: Limits) -> dict[str, float]:
    """Limits as the manifest states them."""
    return asdict(limits)
