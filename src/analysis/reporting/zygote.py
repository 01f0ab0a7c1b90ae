"""The warm process from which every report is forked (Linux): it imports, waits, forks, limits and buries.

It holds no data, no threads and no socket but the one to its master. Messages are JSON lines: `{"id", "folder", ...}`
in, `{"id", "exit_code", "signal", ...}` out. A child that outlives its wall-clock limit is killed with its process
group; whatever it leaves behind is adopted and killed. When the master goes, however it goes, so do all children and
the folder with their packs.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.reporting import sandbox, warm, worker


@dataclass(slots=True)
class Child:
    """A report that runs: its job's id, process, pidfd and deadline (monotonic seconds)."""

    id: int
    pid: int
    handle: int
    started: float
    deadline: float
    timed_out: bool = False


class Zygote:
    """The loop: one selector over the master's socket and the children's pidfds."""

    def __init__(self, channel: socket.socket, root: Path) -> None:
        self.channel, self.root = channel, root
        self.selector = selectors.DefaultSelector()
        self.selector.register(channel, selectors.EVENT_READ, None)
        self.children: dict[int, Child] = {}
        self.buffer = b""

    def serve(self) -> None:
        """Until the master closes its end."""
        self.tell({"ready": True, "landlock": sandbox.landlock_version()})
        while True:
            for key, _ in self.selector.select(self._next_deadline()):
                if key.data is None:
                    if not self._listen():
                        self._end()
                        return
                elif key.data.pid in self.children:
                    self._bury(key.data)
            self._enforce()

    def tell(self, message: dict[str, Any]) -> None:
        """One line to the master; a master that is gone is noticed by `_listen`."""
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            return

    def _listen(self) -> bool:
        try:
            read = self.channel.recv(1 << 16)
        except OSError:
            read = b""
        if not read:
            return False
        *lines, self.buffer = (self.buffer + read).split(b"\n")
        for line in lines:
            self._fork(json.loads(line))
        return True

    def _fork(self, request: dict[str, Any]) -> None:
        me = os.getpid()
        pid = os.fork()
        if pid == 0:
            _live(request, me, self.channel)
        now = time.monotonic()
        child = Child(request["id"], pid, os.pidfd_open(pid), now, now + request["seconds"])
        self.children[pid] = child
        self.selector.register(child.handle, selectors.EVENT_READ, child)

    def _bury(self, child: Child) -> None:
        _, status, usage = os.wait4(child.pid, 0)
        self.selector.unregister(child.handle)
        os.close(child.handle)
        del self.children[child.pid]
        _kill_group(child.pid)
        self._kill_orphans()
        code = os.waitstatus_to_exitcode(status)
        self.tell(
            {
                "id": child.id,
                "exit_code": code if code >= 0 else None,
                "signal": -code if code < 0 else None,
                "timed_out": child.timed_out,
                "seconds": time.monotonic() - child.started,
                "cpu_s": usage.ru_utime + usage.ru_stime,
                "peak_mb": usage.ru_maxrss / 1024,
            }
        )

    def _enforce(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if now >= child.deadline and not child.timed_out:
                child.timed_out = True
                _kill_group(child.pid)

    def _next_deadline(self) -> float | None:
        waiting = [child.deadline for child in self.children.values() if not child.timed_out]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _kill_orphans(self) -> None:
        """Grandchildren whose report has ended became ours; none of them has any business left."""
        tasks = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        for pid in [int(text) for text in tasks.read_text().split()] if tasks.exists() else []:
            if pid not in self.children:
                _kill_group(pid)
                os.waitpid(pid, 0)

    def _end(self) -> None:
        for child in list(self.children.values()):
            _kill_group(child.pid)
            os.waitpid(child.pid, 0)
        self.children.clear()
        self._kill_orphans()
        shutil.rmtree(self.root, ignore_errors=True)


def _live(request: dict[str, Any], parent: int, channel: socket.socket) -> None:
    """The child: confined, then its one job, then gone without any clean-up of the parent's."""
    code = 70
    try:
        os.setsid()
        sandbox.die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        folder = Path(request["folder"])
        _own_output(folder / "log.txt")
        channel.close()
        os.closerange(3, 256)
        if request.get("cwd"):
            os.chdir(request["cwd"])
            code = worker.run_notebook(folder, request.get("cell_timeout_s"))
        else:
            sandbox.enter(folder)
            sandbox.reseed(request["seed"], request["slug"])
            sandbox.limit(request["memory_mb"], request["seconds"] * 2, request["file_mb"])
            sandbox.confine(folder)
            code = worker.run(folder)
    except BaseException as fault:
        os.write(2, f"{type(fault).__name__}: {fault}\n".encode())
    finally:
        os._exit(code)


def _own_output(path: Path) -> None:
    """stdin is empty; what libraries write past Python to stdout and stderr goes to the private log."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def main() -> None:
    """argv: the file descriptor of the master's socket, the folder of private folders, `warm` or `cold`."""
    handle, root, temperature = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sandbox.adopt_orphans()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if temperature == "warm":
        warm.get_ready()
    else:
        warm.load(warm.SHELL)
    Zygote(socket.socket(fileno=handle), root).serve()
