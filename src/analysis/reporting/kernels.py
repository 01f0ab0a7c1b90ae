"""Plain kernels: where a process cannot be forked safely (macOS, Windows), each report gets a cold process and a kernel.

Slower, and the same otherwise: a clean environment, a private folder, a wall-clock limit outside papermill, and the
same verdict on what came out. The kernel speaks through sockets in the private folder (ipc) where the system has them,
so that kernels started at once cannot take each other's ports.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from analysis.reporting.jobs import Ended, Rendered, ReportJob, lay_out, verdict
from analysis.reporting.private import make_private_folder, remove
from analysis.reporting.sandbox import clean_environment

START = "import sys; sys.path.insert(0, sys.argv.pop()); from analysis.reporting.kernels import main; main()"


class PlainPool:
    """Reports in processes of their own, `slots` at once."""

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.root = make_private_folder()
        self._ids = itertools.count(1)
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="report")
        self._processes: set[subprocess.Popen] = set()
        self._lock = threading.Lock()

    def submit(self, job: ReportJob) -> Future[Rendered]:
        """Start a report."""
        return self._threads.submit(self._render, job)

    def close(self) -> None:
        """End every report under way."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for process in self._processes:
                _end_tree(process)
        self._threads.shutdown(wait=True)
        remove(self.root)

    def __enter__(self) -> PlainPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _render(self, job: ReportJob) -> Rendered:
        folder = self.root / f"{next(self._ids)}-{job.slug}"
        lay_out(folder, job)
        try:
            return verdict(folder, job, self._run(folder, job.limits.seconds))
        finally:
            remove(folder)

    def _run(self, folder: Path, seconds: float) -> Ended:
        started = time.monotonic()
        environment = clean_environment(folder / "home") | {"JUPYTER_RUNTIME_DIR": str(folder / "tmp")}
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-s", "-P", "-c", START, str(folder), str(Path(__file__).parents[2])],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        with self._lock:
            self._processes.add(process)
        timed_out = False
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            timed_out = True
        _end_tree(process)
        with self._lock:
            self._processes.discard(process)
        code = process.wait()
        spent = time.monotonic() - started
        return Ended(code if code >= 0 else None, -code if code < 0 else None, timed_out, spent)


def main() -> None:
    """argv: the job's folder. Runs the job with papermill's own engine on a kernel of this Python."""
    from analysis.reporting import sandbox, warm, worker

    warm.load(warm.SHELL)
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    if os.name == "posix":
        with suppress(ValueError, OSError):  # macOS knows no limit of the address space
            sandbox.limit(job["limits"]["memory_mb"], job["limits"]["seconds"] * 2, job["limits"]["file_mb"])
    sys.exit(worker.run(folder, engine="nbclient"))


def _end_tree(process: subprocess.Popen) -> None:
    """Kill a process with its descendants; its kernel is a session of its own, so groups do not reach it."""
    for pid in [*_descendants(process.pid), process.pid]:
        with suppress(ProcessLookupError, PermissionError, OSError):
            if os.name == "nt":
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(pid)], capture_output=True, check=False)
            else:
                os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> list[int]:
    """Children and theirs, from the process table; none where there is no such table (Windows kills the tree itself)."""
    if os.name == "nt":
        return []
    table = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
    children: dict[int, list[int]] = {}
    for line in table.splitlines():
        child, parent = (int(part) for part in line.split())
        children.setdefault(parent, []).append(child)
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found
