"""Renders every team's report from one template: checked first, in parallel, resumable, published whole or not at all.

The study is made once for the company; each report gets its team's pack and nothing else. A team whose pack, template,
code and parameters are those its published report was made from is not run again. Exit codes: 0 all done, 1 something
failed or the batch was stopped, 2 (an InputError) bad input.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError, InputError
from analysis.reporting import company_reports
from analysis.reporting import manifest as records
from analysis.reporting.jobs import FORMATS, TABLES, Limits, Rendered
from analysis.reporting.manifest import COMPANY, TEAM, TeamResult
from analysis.reporting.plan import Plan, Task, TaskMaker
from analysis.reporting.progress import Progress
from analysis.reporting.publish import Store, open_store
from analysis.reporting.schedulers import LazyRenderer, Renderer, open_renderer
from analysis.reporting.slugs import assign_slugs
from analysis.reporting.sources import DataFolder, Source
from analysis.reporting.template import read_template

MANY = 50  # reports for which a rehearsal pays
ATTEMPTS = 3  # at a report whose process was lost; what the notebook itself did, it would do again


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came of a batch. manifest: as written. out: where. stopped: why it ended early (None = it did not)."""

    manifest: Mapping[str, Any]
    out: str
    stopped: str | None = None
    exit_code: int = 0

    def summary(self) -> str:
        """One line for people: how many of what, and where to look."""
        totals = self.manifest["totals"]
        counts = ", ".join(f"{totals[status]} {status}" for status in records.STATUSES if totals[status])
        line = f"{totals['teams']} teams: {counts or 'nothing to do'}"
        about = ", ".join(f"{row['slug']} {row['status']}" for row in self.manifest["company"])
        line = f"{line}; company: {about}" if about else line
        return f"{line}; stopped: {self.stopped}" if self.stopped else f"{line}; {self.out}/index.html"


def run_batch(
    data: str | Path,
    out: str | Path,
    *,
    teams: Sequence[str] | None = None,
    jobs: int | None = None,
    scheduler: str | Executor | Renderer | None = None,
    resume: bool = True,
    formats: Sequence[str] = FORMATS,
    template: str | Path = "team_report",
    parameters: Mapping[str, object] | None = None,
    as_of: Any = None,
    seed: int = 0,
    limits: Limits | None = None,
    wait_s: float = 0.0,
    progress: bool = True,
    source: Source | None = None,
    plain: bool | None = None,
    company: bool | None = None,
) -> BatchResult:
    """Render the reports of a data folder's teams into `out`.

    data, out: folders, or URLs that fsspec knows. teams: ids (None = all). jobs: reports at once (None = one a core).
    formats: of html, pdf, xlsx (the findings as tables); the notebook always comes.
    scheduler: a Dask address, a concurrent.futures executor or a renderer. resume: skip teams whose report is up to date.
    parameters: values for the template's parameters cell. limits: of one report. wait_s: how long to wait for another
    batch in the same folder. source: teams from elsewhere than a data folder. company: also the reports about the whole
    company (None = with every run of all teams' own reports). plain: plain processes instead of warm
    forks (None = only where the system cannot fork safely).
    Raises InputError (bad data, folder, template, parameter, team) before any report is begun; Busy for a held folder.
    """
    chosen = read_template(template)
    plan = Plan(chosen, chosen.bind(parameters or {}), _formats(formats), limits or Limits(), seed, resume)
    store = open_store(out)
    store.prepare()
    many = teams is None or len(teams) >= MANY
    renderer = LazyRenderer(lambda: open_renderer(scheduler, jobs or _cores(), plain=plain, rehearse=many))
    with store.lock(wait_s), _signals(), renderer:
        if scheduler is not None:
            renderer.open()
        made = source or DataFolder(data, as_of=as_of, seed=seed)
        try:
            with_company = company_reports.wanted(plan, made, teams, company)
            return _Batch(plan, made, store, renderer, company=with_company).run(teams, shown=progress)
        finally:
            if source is None:
                made.close()


def run_report(data: str | Path, team: str, out: str | Path, **options: Any) -> BatchResult:
    """Render one team's report; options as for `run_batch`. Raises InputError for an unknown team."""
    return run_batch(data, out, teams=[team], jobs=1, **options)


def batch_status(out: str | Path) -> str:
    """How the last batch in a folder stands, for people. Raises InputError when there was none."""
    return records.status_text(open_store(out))


class _Batch:
    """One run: which teams, what is settled, why it was stopped."""

    def __init__(self, plan: Plan, source: Source, store: Store, renderer: LazyRenderer, *, company: bool) -> None:
        self.plan, self.source, self.store, self.renderer = plan, source, store, renderer
        self.earlier = records.read_manifest(store) or {"teams": []}
        self.maker = TaskMaker(plan, source, store, self.earlier)
        studied = self.maker.study_once
        self.company = company_reports.makers(plan, source, store, self.earlier, studied) if company else {}
        self.settled: dict[str, TeamResult] = {}  # by folder, the company's among them
        self.stopped: str | None = None
        self.started = datetime.now(UTC)

    def run(self, teams: Sequence[str] | None, *, shown: bool) -> BatchResult:
        """All of it. Ends with a manifest once the teams are known, whatever stops it."""
        if not self.maker.nothing_new:
            self.renderer.open()  # gets warm while the data is read and studied
        names = self.maker.names()
        chosen = _chosen(names, teams)
        slugs = assign_slugs(names, {row["team_id"]: row["slug"] for row in self.earlier["teams"]})
        # The company's reports take longest, so they are begun first.
        todo = [(maker, COMPANY, maker.source.teams()[COMPANY], slug) for slug, maker in self.company.items()]
        todo += [(self.maker, team, names[team], slugs[team]) for team in chosen]
        self.store.prepare([slug for *_, slug in todo])
        with Progress(len(todo), self.store.log, shown=shown) as bar:
            bar.event("started", teams=len(chosen), template=self.plan.template.name)
            try:
                self._loop(deque(todo), bar)
            except KeyboardInterrupt as stopped:
                _ignore_signals()
                self.stopped = str(stopped) or "interrupted"
                self.renderer.close()
            for maker, team, name, slug in todo:
                if slug not in self.settled:
                    self.settled[slug] = maker.not_run(team, name, slug)
            result = self._finish(names)
            bar.event("finished", **result.manifest["totals"], stopped=result.stopped)
            bar.say(result.summary())
        return result

    def _loop(self, waiting: deque[tuple[TaskMaker, str, str, str]], bar: Progress) -> None:
        running: dict[Future[Rendered], Task] = {}
        while (waiting or running) and self.stopped is None:
            while waiting and len(running) < self.renderer.slots:
                maker, *team = waiting.popleft()
                task = maker.make(*team)
                if task.job is None:
                    self._settle(task.settled, bar)
                else:
                    running[self.renderer.submit(task.job)] = task
            for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
                self._take(future.result(), running.pop(future), running, bar)

    def _take(self, rendered: Rendered, task: Task, running: dict[Future[Rendered], Task], bar: Progress) -> None:
        """Settle a report that has come back, or send a lost one out again."""
        failure = rendered.failure
        if failure and failure.may_retry and task.attempts < ATTEMPTS and task.job is not None:
            bar.event("lost", team_id=task.team_id, reason=failure.reason)
            task.attempts += 1
            running[self.renderer.submit(task.job)] = task
            return
        maker = self.company.get(task.slug, self.maker)
        self._settle(maker.settle(task, rendered), bar)
        self.stopped = failure.reason if failure and failure.kind == "broken" else maker.broken

    def _settle(self, team: TeamResult | None, bar: Progress) -> None:
        assert team is not None
        self.settled[team.slug] = team
        bar.settled(team)

    def _finish(self, names: Mapping[str, str]) -> BatchResult:
        """Manifest and index. Reports of an earlier run that were not asked for this time keep their lines."""
        before = [TeamResult(**row) for row in [*self.earlier["teams"], *self.earlier.get("company", ())]]
        kept = [row for row in before if row.slug not in self.settled and (row.kind != TEAM or row.team_id in names)]
        every = [*self.settled.values(), *kept]
        rows, company = ([row for row in every if (row.kind == TEAM) is team] for team in (True, False))
        ended = datetime.now(UTC)
        run = {
            "started_at": self.started.isoformat(timespec="seconds"),
            "finished_at": ended.isoformat(timespec="seconds"),
            "seconds": round((ended - self.started).total_seconds(), 3),
            "stopped": self.stopped,
            "template": self.plan.template.name,
            "parameters": dict(self.plan.parameters),
            "as_of": self.source.as_of() if not self.maker.nothing_new else self.earlier.get("as_of"),
            "seed": self.plan.seed,
            "formats": list(self.plan.formats),
            "complete": set(names) <= {row.team_id for row in rows},
            "source": self.source.key,
            "plan": self.plan.key,
        }
        failed = any(row.status in (records.FAILED, records.NOT_RUN) for row in self.settled.values())
        try:
            manifest = records.write_manifest(self.store, run, rows, sorted(company, key=lambda row: row.slug))
            _write_index(manifest, self.store)
        except OSError as fault:
            raise AnalysisError(f"{self.store.name}: the manifest could not be written: {fault.strerror}.") from None
        return BatchResult(manifest, self.store.name, self.stopped, 1 if failed or self.stopped else 0)


def _write_index(manifest: Mapping[str, Any], store: Store) -> None:
    from analysis.reporting import index

    index.write(manifest, store)


def _chosen(names: Mapping[str, str], teams: Sequence[str] | None) -> list[str]:
    """The ids asked for, in the order of ids. Raises InputError for one that the data does not hold."""
    for team in teams or ():
        if team not in names:
            near = get_close_matches(team, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it holds {', '.join(sorted(names)[:20])}."
            raise InputError(f"The data holds no team {team!r}{hint}")
    if not names:
        raise InputError("The data holds no team to report on.")
    return sorted(names if teams is None else set(teams))


def _formats(formats: Sequence[str]) -> tuple[str, ...]:
    known = (*FORMATS, TABLES)
    unknown = sorted(set(formats) - set(known))
    if unknown:
        raise InputError(f"There is no format {unknown[0]!r}; there is {', '.join(known)} (the notebook always comes).")
    return tuple(name for name in known if name in formats)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM (cron, systemd, a scheduler) ends a batch as Ctrl-C does: with a summary and nothing left running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(f"by {signal.Signals(number).name}")

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """A second Ctrl-C must not end the clean-up of the first."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
