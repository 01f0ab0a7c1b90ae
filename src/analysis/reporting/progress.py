"""What people see of a batch while it runs: a bar with rate and time left, failures as they happen, one line at the end.

The bar is shown on a terminal only; without one (cron, a pipe) only failures and the last line are written.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from analysis.reporting.manifest import FAILED, REFUSED, TeamResult


class Progress:
    """The bar and the JSON-lines log of one batch. write: adds a line to the log. shown: whether people see anything."""

    def __init__(self, total: int, write: Callable[[str], None], *, shown: bool) -> None:
        from rich.console import Console

        self._write, self._shown = write, shown
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bar = _bar(self._console) if shown and self._console.is_terminal else None
        self._task = self._bar.add_task("reports", total=total, rate="") if self._bar else None
        self._started = datetime.now(UTC)
        self._settled = 0

    def __enter__(self) -> Progress:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def event(self, event: str, **facts: Any) -> None:
        """A line of the log: when, what, and its facts."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._write(json.dumps({"at": now, "event": event, **facts}, ensure_ascii=False, default=str))

    def settled(self, team: TeamResult) -> None:
        """A team is done with, one way or another."""
        self._settled += 1
        facts = {"team_id": team.team_id, "slug": team.slug, "seconds": round(team.seconds, 3)}
        facts |= {"failure": team.failure, "error": team.error, "cpu_s": round(team.cpu_s, 3)}
        self.event(team.status, **facts, peak_mb=round(team.peak_mb), attempts=team.attempts)
        if team.status in (FAILED, REFUSED):
            self.say(f"{_literal(team.name)}: {team.status}: {team.error}")
        if self._bar:
            minutes = (datetime.now(UTC) - self._started).total_seconds() / 60
            rate = f"{self._settled / minutes:.0f} a minute" if minutes > 0 else ""
            self._bar.update(self._task, advance=1, rate=rate)

    def say(self, text: str) -> None:
        """A line for people; shown above the bar where there is one."""
        if self._shown:
            (self._bar.console if self._bar else self._console).print(text)


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Bar(*columns, console=console, refresh_per_second=4)


def _literal(name: str) -> str:
    """A name from a CRM on a terminal: no control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:60]
