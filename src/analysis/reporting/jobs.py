"""One report as a unit of work: what it needs, the private folder it runs in, and the verdict on what came out.

A job is plain bytes and numbers, so that it can travel to another process or machine; so is its result. The verdict is
made outside the process that ran the cells: its word alone is never taken.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from signal import Signals

NOTEBOOK, TEMPLATE = "report.ipynb", "template.ipynb"
SUMMARY = "summary.json"
FORMATS = ("html", "pdf")
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
TABLES = "xlsx"  # on request: the findings as a workbook, beside CSV and parquet with units in their headings


@dataclass(frozen=True, slots=True)
class Limits:
    """What one report may use: wall-clock seconds, memory beyond the warm process's own, the largest file it writes."""

    seconds: float = 300.0
    memory_mb: int = 2048
    file_mb: int = 256


@dataclass(frozen=True, slots=True)
class ReportJob:
    """Everything one report needs; nothing else is within its reach.

    slug: the team's folder name. notebook: the template as JSON. parameters: checked values for its parameters cell.
    pack: file name -> bytes of the team's pack. formats: besides the notebook. version: of this package.
    """

    slug: str
    notebook: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    pack: Mapping[str, bytes] = field(default_factory=dict)
    formats: tuple[str, ...] = FORMATS
    limits: Limits = Limits()
    seed: int = 0
    version: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no report.

    kind, final: refused or data (the data do not carry it, or cannot be used), raised (any other fault of a cell),
    export (page, PDF or tables), incomplete, exited, time, memory, disk; worth another try: killed, lost (its worker);
    broken: no report can be made, the batch ends. reason: for whoever runs the batch. said: the sentence that a reader
    may have, where the fault is the data's.
    """

    kind: str
    reason: str
    said: str = ""

    @property
    def may_retry(self) -> bool:
        """A process that was lost may live next time; whatever the notebook itself did, it will do again."""
        return self.kind in ("lost", "killed")


@dataclass(frozen=True, slots=True)
class Rendered:
    """What came of a job: files (name -> bytes) or a failure; wall and CPU seconds, peak memory in MB."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a report's process ended: its exit code or the signal that ended it, and whether the limit was why."""

    exit_code: int | None
    signal: int | None = None
    timed_out: bool = False
    seconds: float = 0.0
    cpu_s: float = 0.0
    peak_mb: float = 0.0


def job_folder(root: Path, number: int) -> Path:
    """The private folder of a job, known from its number alone: its process may be there before the job is."""
    return root / str(number)


def make_room(folder: Path) -> None:
    """A private folder and what is in every one (mode 0700); what is there already stays."""
    for place in (folder, *(folder / name for name in ("pack", "out", "home", "tmp"))):
        place.mkdir(mode=0o700, exist_ok=True)


def lay_out(folder: Path, job: ReportJob) -> None:
    """Write the job into its private folder."""
    make_room(folder)
    for name, content in job.pack.items():
        target = folder / "pack" / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    (folder / TEMPLATE).write_text(job.notebook, encoding="utf-8")
    plan = {"parameters": dict(job.parameters), "formats": job.formats, "seed": job.seed, "limits": asdict(job.limits)}
    (folder / "job.json").write_text(json.dumps(plan), encoding="utf-8")


def verdict(folder: Path, job: ReportJob, ended: Ended) -> Rendered:
    """Accept or refuse what a process left in its folder."""
    failure = _failure(folder, job, ended)
    files = {} if failure else _files(folder / "out")
    if failure is None:
        failure = _incomplete(files, job)
    return Rendered({} if failure else files, failure, ended.seconds, ended.cpu_s, ended.peak_mb)


def _files(out: Path) -> dict[str, bytes]:
    names = [path.name for path in sorted(out.iterdir())]
    published = [name for name in names if name == SUMMARY or name.startswith(("report.", "findings-table."))]
    return {name: (out / name).read_bytes() for name in published}


def _failure(folder: Path, job: ReportJob, ended: Ended) -> Failure | None:
    where = _cell_reached(folder)
    if ended.timed_out or ended.signal == getattr(Signals, "SIGXCPU", None):
        return Failure("time", f"stopped at its limit of {job.limits.seconds:g} s{where}")
    outcome = _outcome(folder)
    if outcome is not None and outcome.get("failure"):
        kind, reason = outcome["failure"]["kind"], outcome["failure"]["reason"]
        if kind == "memory":
            reason = f"needed more than its memory limit of {job.limits.memory_mb} MB ({reason})"
        return Failure(kind, reason, outcome["failure"].get("said", ""))
    if ended.signal is not None:
        name = Signals(ended.signal).name
        cause = "; the system may have been short of memory" if name == "SIGKILL" else ""
        return Failure("killed", f"its process was ended by {name}{where}{cause}")
    if outcome is None or ended.exit_code != 0:
        return Failure("exited", f"its process ended itself (exit code {ended.exit_code}){where}")
    return None


def _incomplete(files: Mapping[str, bytes], job: ReportJob) -> Failure | None:
    from analysis.reporting.engine import unfinished

    missing = {NOTEBOOK, *(f"report.{name}" for name in job.formats)} - set(files)
    if missing:
        return Failure("incomplete", f"{', '.join(sorted(missing))} was not written")
    reason = unfinished(json.loads(files[NOTEBOOK]))
    return Failure("incomplete", reason) if reason else None


def _outcome(folder: Path) -> dict | None:
    try:
        return json.loads((folder / "out" / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _cell_reached(folder: Path) -> str:
    try:
        return f" while cell {int((folder / 'out' / 'cell').read_text())} ran"
    except (OSError, ValueError):
        return ""
