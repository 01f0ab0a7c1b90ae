"""The master's end of the warm process: jobs go in, futures of finished reports come out.

`WarmPool` starts the process with a clean environment, keeps one thread to listen to it, and starts it anew when it is
lost or no longer answers. `run_notebook` is what the papermill engine uses.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.reporting.jobs import (
    TEMPLATE,
    Ended,
    Failure,
    Rendered,
    ReportJob,
    job_folder,
    lay_out,
    make_room,
    verdict,
)
from analysis.reporting.private import make_private_folder, remove
from analysis.reporting.sandbox import clean_environment

GRACE_S = 15.0  # how long past a job's own limit the warm process may keep silent about it
WARM_UP_S = 180.0
NO_LIMIT_S = 1e6  # as long as the system's own timers allow
START = "import sys; sys.path.insert(0, sys.argv.pop()); from analysis.reporting.zygote import main; main()"


def can_fork() -> bool:
    """Whether reports can be forked from a warm process here (Linux, Python built with pidfd)."""
    return sys.platform == "linux" and hasattr(os, "pidfd_open")


@dataclass(slots=True)
class _Running:
    job: ReportJob | None
    folder: Path
    future: Future
    seconds: float
    heard: float = field(default_factory=time.monotonic)  # when the warm process last spoke, or was spoken to of it


class WarmPool:
    """Reports in fresh processes forked from one warm process.

    rehearse: let it make the report of an invented team first, which takes two seconds and saves a tenth of each report.
    slots: how many reports run at once. clean: give the process a clean environment and confine its children (always,
    but for a user's own notebook). The pool's own `slots` is how many jobs the caller should have submitted: one more
    lies ready, so that a report begins in the moment one ends, while its files are read and published.
    """

    def __init__(self, slots: int = 2, *, clean: bool = True, warm: bool = True, rehearse: bool = False) -> None:
        self.slots, self._at_once, self._clean = 2 * slots, slots, clean
        self._temperature = "cold" if not warm else "rehearsed" if rehearse else "warm"
        self._ids = itertools.count(1)
        self._running: dict[int, _Running] = {}
        self._lock = threading.RLock()
        self._process: subprocess.Popen | None = None
        self._channel: socket.socket | None = None
        self._ready_by = 0.0
        self.landlock = 0
        self.root = make_private_folder()
        self._closed = False
        self._start()

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Run a report; the future never raises, a failure is part of the result."""
        number = next(self._ids)
        lay_out(job_folder(self.root, number), job)
        limits = job.limits
        request = {"slug": job.slug, "seed": job.seed, "memory_mb": limits.memory_mb, "file_mb": limits.file_mb}
        request["template"] = hashlib.sha256(job.notebook.encode()).hexdigest()
        return self._send(job, number, request, limits.seconds)

    def submit_notebook(self, text: str, cwd: str, cell_timeout_s: float | None, seconds: float) -> Future:
        """Run a notebook's cells with the caller's environment and folder; (its text or None, reason or None)."""
        number = next(self._ids)
        folder = job_folder(self.root, number)
        make_room(folder)
        (folder / TEMPLATE).write_text(text, encoding="utf-8")
        return self._send(None, number, {"cwd": cwd, "cell_timeout_s": cell_timeout_s}, seconds)

    def close(self) -> None:
        """End the warm process and every report under way; nothing is left running or lying about."""
        with self._lock:
            self._closed = True
            self._stop()
        remove(self.root)

    def __enter__(self) -> WarmPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, job: ReportJob | None, number: int, request: dict[str, Any], seconds: float) -> Future:
        future: Future = Future()
        with self._lock:
            if self._process is None:
                self._start()
            self._running[number] = _Running(job, job_folder(self.root, number), future, seconds)
            line = json.dumps({"id": number, "seconds": seconds, **request})
            with contextlib.suppress(OSError):  # a lost process is noticed by the listener
                self._channel.sendall(line.encode() + b"\n")  # type: ignore[union-attr]
        return future

    def _start(self) -> None:
        self.root.mkdir(mode=0o700, exist_ok=True)
        ours, theirs = socket.socketpair()
        environment = None
        if self._clean:
            home = self.root / "home"
            home.mkdir(exist_ok=True)
            environment = clean_environment(home, _font_cache())
        log = (self.root / "warm.log").open("wb")
        command = [sys.executable, *(("-s", "-P") if self._clean else ()), "-c", START]
        slots = self._at_once if self._clean else 0
        arguments = [str(theirs.fileno()), str(self.root), self._temperature, str(slots)]
        self._process = subprocess.Popen(
            [*command, *arguments, str(Path(__file__).parents[2])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        log.close()
        self._channel, self._ready_by = ours, time.monotonic() + WARM_UP_S
        threading.Thread(target=self._listen, args=(ours, self._process), daemon=True).start()

    def _listen(self, channel: socket.socket, process: subprocess.Popen) -> None:
        buffer = b""
        while True:
            readable = select.select([channel], [], [], 1.0)[0] if channel.fileno() >= 0 else [channel]
            if not readable:
                if self._silent_too_long():
                    self._kill(process)
                continue
            try:
                read = channel.recv(1 << 16)
            except OSError:
                read = b""
            if not read:
                self._lost(process)
                return
            *lines, buffer = (buffer + read).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))

    def _hear(self, message: dict[str, Any]) -> None:
        with self._lock:
            for each in self._running.values():
                each.heard = time.monotonic()
            if "ready" in message:
                self.landlock, self._ready_by = message["landlock"], 0.0
                return
            running = self._running.pop(message.pop("id"))
        self._settle(running, Ended(**message))

    def _settle(self, running: _Running, ended: Ended) -> None:
        if running.job is None:
            result: object = _notebook_result(running.folder, ended)
        else:
            try:
                result = verdict(running.folder, running.job, ended)
            except Exception as fault:
                result = Rendered(failure=Failure("incomplete", f"its files could not be read: {fault}"))
        remove(running.folder)
        running.future.set_result(result)

    def _silent_too_long(self) -> bool:
        now = time.monotonic()
        if self._ready_by:
            return now > self._ready_by
        with self._lock:
            return any(now > running.heard + running.seconds + GRACE_S for running in self._running.values())

    def _lost(self, process: subprocess.Popen) -> None:
        """The warm process is gone, and its children with it: what was under way is lost, the next job starts anew.

        One that gave up by itself before it was ready would do so again: then no report can be made at all.
        """
        code = process.wait()
        broken = self._last_words() if self._ready_by and code > 0 and not self._closed else None
        with self._lock:
            if self._process is process:
                self._process = None
            lost, self._running = list(self._running.values()), {}
        for running in lost:
            if broken is None:
                self._settle(running, Ended(None, signal.SIGKILL))
            elif running.job is None:
                running.future.set_result((None, broken))
            else:
                running.future.set_result(Rendered(failure=Failure("broken", broken)))

    def _last_words(self) -> str:
        try:
            lines = (self.root / "warm.log").read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError:
            lines = []
        said = next((line for line in reversed(lines) if line.strip()), "it said nothing")
        return f"the process that reports are forked from cannot start: {said}"

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        try:
            process.wait(timeout=0 if self._ready_by else 10)  # one that is still getting warm has no children
        except subprocess.TimeoutExpired:
            self._kill(process)
        self._channel.close()  # type: ignore[union-attr]

    @staticmethod
    def _kill(process: subprocess.Popen) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


_engine_pool: list[WarmPool] = []


def run_notebook(text: str, cell_timeout_s: float | None) -> tuple[str | None, str | None]:
    """Run a notebook (JSON) in a fresh process; its text with outputs (None = lost) and why it failed (None = did not).

    The first call starts the process from which this one and later ones are forked; it ends with the caller.
    """
    if not _engine_pool:
        _engine_pool.append(WarmPool(1, clean=False, warm=False))
        atexit.register(lambda: _engine_pool.pop().close())
    cells = max(1, text.count('"code"'))
    longest = NO_LIMIT_S if cell_timeout_s is None else min(cell_timeout_s * cells + GRACE_S, NO_LIMIT_S)
    return _engine_pool[0].submit_notebook(text, str(Path.cwd()), cell_timeout_s, longest).result()


def _notebook_result(folder: Path, ended: Ended) -> tuple[str | None, str | None]:
    try:
        reason = json.loads((folder / "out" / "outcome.json").read_text(encoding="utf-8"))["reason"]
        return (folder / "out" / "report.ipynb").read_text(encoding="utf-8"), reason
    except (OSError, ValueError):
        how = f"ended by {signal.Signals(ended.signal).name}" if ended.signal else f"exit code {ended.exit_code}"
        return None, f"the notebook's process did not come to its end ({how})"


def _font_cache() -> Path | None:
    """Where matplotlib may keep its list of fonts from batch to batch; None = nowhere, it is made anew."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "sales-activity-workbench" / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder
