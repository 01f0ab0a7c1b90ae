"""The warm process from which every report is forked (Linux): it imports, waits, forks, limits and buries.

It holds no data, no threads and no socket but the one to its master. Messages are JSON lines: `{"id", "seconds", ...}`
in, `{"id", "exit_code", "signal", ...}` out. While reports run, the process of the next one is forked already and told its
job (`reporting.child`); it begins when the cells of another have run. A child that outlives its wall-clock limit is killed with its process
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
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.reporting import pages, sandbox, warm
from analysis.reporting.child import live
from analysis.reporting.jobs import job_folder, make_room


@dataclass(slots=True)
class Child:
    """A process for one job: the job's id, its pid and pidfd, the pipe its orders go through, the one that is open while
    it works; times in monotonic seconds.

    told: it knows its job, and opens its pack. Without a deadline it may not begin yet. at_work None: its cells have run;
    it makes its page, and takes itself apart.
    """

    id: int
    pid: int
    handle: int
    orders: int
    at_work: int | None
    told: bool = False
    started: float = 0.0
    deadline: float | None = None
    timed_out: bool = False

    @property
    def runs(self) -> bool:
        """Whether it takes one of the places for reports: those whose cells run."""
        return self.deadline is not None and self.at_work is not None


class Zygote:
    """The loop: one selector over the master's socket and the children's pidfds.

    slots: reports that may run at once. 0: a user's own notebooks, as many as come, each in the caller's folder with
    the caller's rights, and none forked before it is asked for.
    """

    def __init__(self, channel: socket.socket, root: Path, slots: int) -> None:
        self.channel, self.root, self.slots = channel, root, slots
        self.selector = selectors.DefaultSelector()
        self.selector.register(channel, selectors.EVENT_READ, None)
        self.children: dict[int, Child] = {}
        self.standby: Child | None = None
        self.waiting: deque[dict[str, Any]] = deque()
        self.seen = 0
        self.met: set[str] = set()
        self.written: pages.Runs = []
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
                elif key.fd == key.data.at_work:
                    self._done(key.data)
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
        self.waiting.extend(json.loads(line) for line in lines)
        self._begin_what_waits()
        return True

    def _begin_what_waits(self) -> None:
        while self.waiting and self._place_is_free():
            self._begin(self.waiting.popleft())
        if self.slots and self.seen and self.standby is None:
            self.standby = self._fork(self.waiting[0]["id"] if self.waiting else self.seen + 1)
        if self.standby and self.waiting and self.waiting[0]["id"] == self.standby.id and not self.standby.told:
            with suppress(BrokenPipeError):  # it was killed while it waited
                _tell(self.standby, self.waiting[0])

    def _place_is_free(self) -> bool:
        """Cells of as many reports as there are slots may run; as many more may be making their pages."""
        runs = sum(child.runs for child in self.children.values())
        under_way = sum(child.deadline is not None for child in self.children.values())
        return not self.slots or (runs < self.slots and under_way < 2 * self.slots)

    def _begin(self, request: dict[str, Any]) -> None:
        child, self.standby = self.standby, None
        if child is not None and child.id != request["id"]:
            _kill_group(child.pid)
            child = None
        if self.slots and request["template"] not in self.met:
            self.met.add(request["template"])
            warm.meet(job_folder(self.root, request["id"]))
        try:
            child = child or self._fork(request["id"])
            _tell(child, request, go=True)
        except BrokenPipeError:  # it was killed while it waited
            child = self._fork(request["id"])
            _tell(child, request, go=True)
        self.seen = max(self.seen, child.id)
        child.started = time.monotonic()
        child.deadline = child.started + request["seconds"]

    def _fork(self, number: int) -> Child:
        """A child that waits for the orders of this job in its folder."""
        folder, me = job_folder(self.root, number), os.getpid()
        make_room(folder)
        orders, ours = os.pipe()
        at_work, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            live(folder, me, self.channel, orders, theirs, self.written if self.slots else None)
        os.close(orders)
        os.close(theirs)
        child = Child(number, pid, os.pidfd_open(pid), ours, at_work)
        self.children[pid] = child
        for handle in (child.handle, at_work):
            self.selector.register(handle, selectors.EVENT_READ, child)
        return child

    def _done(self, child: Child) -> None:
        """Its cells have run; while its page is made, and its memory taken apart, the next one may run."""
        if child.at_work is not None:
            self.selector.unregister(child.at_work)
            os.close(child.at_work)
            child.at_work = None
            self._begin_what_waits()

    def _bury(self, child: Child) -> None:
        _, status, usage = os.wait4(child.pid, 0)
        self._done(child)
        self.selector.unregister(child.handle)
        os.close(child.handle)
        os.close(child.orders)
        del self.children[child.pid]
        _kill_group(child.pid)
        self._kill_orphans()
        if child.deadline is None:
            self.standby = None if self.standby is child else self.standby
            return
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
        self._begin_what_waits()

    def _enforce(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if child.deadline is not None and now >= child.deadline and not child.timed_out:
                child.timed_out = True
                _kill_group(child.pid)

    def _next_deadline(self) -> float | None:
        ends = [c.deadline for c in self.children.values() if c.deadline is not None and not c.timed_out]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

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


def _tell(child: Child, request: dict[str, Any], *, go: bool = False) -> None:
    """Tell a child its job, so that it can open its pack, or to begin with it. Raises BrokenPipeError for a dead one."""
    told, child.told = child.told, True
    os.write(child.orders, (b"" if told else json.dumps(request).encode() + b"\n") + (b"go\n" if go else b""))


def _kill_group(pid: int) -> None:
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


def main() -> None:
    """argv: the file descriptor of the master's socket, the folder of private folders, `cold`, `warm` or `rehearsed`, slots."""
    handle, root, temperature, slots = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sandbox.adopt_orphans()
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    zygote = Zygote(socket.socket(fileno=handle), root, slots)
    if temperature == "cold":
        warm.load(warm.SHELL)
    else:
        warm.get_ready()
    if temperature == "rehearsed":
        zygote.written = warm.rehearse(root / "rehearsal")
    zygote.serve()
