"""The life of a report's process: forked, confined, told its job, its pack opened, told to go, gone.

All of it but the job itself may lie in the time in which other reports run.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import select
import signal
import socket
from contextlib import suppress
from pathlib import Path

from analysis.reporting import pages, sandbox, worker

ORDERS, AT_WORK = 3, 4  # its file descriptors: through one it hears its job, the other is open while it takes a place


def live(
    folder: Path, parent: int, channel: socket.socket, orders: int, at_work: int, written: pages.Runs | None
) -> None:
    """The child: confined, then its one job when the orders come, then gone without any clean-up of the parent's.

    written: the pages that it will write to; None for a user's own notebook, which is not confined.
    """
    code = 70
    try:
        os.setsid()
        sandbox.die_with_parent(parent)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        channel.close()
        _own_files(folder / "log.txt", orders, at_work)
        if written is not None:
            sandbox.confine(folder)
            pages.copy_now(written)
        heard = os.fdopen(ORDERS, "rb", buffering=0)
        request = json.loads(_next_line(heard))
        if written is not None:
            sandbox.enter(folder)
            sandbox.reseed(request["seed"], request["slug"])
            sandbox.limit(request["memory_mb"], request["seconds"] * 2, request["file_mb"])
            if not select.select([heard], [], [], 0)[0]:
                worker.look_ahead(folder)
        _next_line(heard)
        heard.close()
        if written is not None:
            code = worker.run(folder, when_run=_give_up_place)
        else:
            os.chdir(request["cwd"])
            code = worker.run_notebook(folder, request.get("cell_timeout_s"))
    except BaseException as fault:
        os.write(2, f"{type(fault).__name__}: {fault}\n".encode())
    finally:
        os._exit(code)


def _give_up_place() -> None:
    with suppress(OSError):  # a cell has closed it already
        os.close(AT_WORK)


def _own_files(log: Path, orders: int, at_work: int) -> None:
    """stdin is empty; what libraries write past Python to stdout and stderr goes to the private log; no other file is open."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    private = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target, source in ((0, nothing), (1, private), (2, private)):
        os.dup2(source, target)
    at_work = fcntl.fcntl(at_work, fcntl.F_DUPFD, AT_WORK + 1)  # out of the way of what follows
    os.dup2(orders, ORDERS)
    os.dup2(at_work, AT_WORK, inheritable=False)
    os.closerange(AT_WORK + 1, 256)


def _next_line(orders: io.RawIOBase) -> bytes:
    """Wait for a line, and take no more than that. Raises EOFError when none will come."""
    line = orders.readline()
    if not line.endswith(b"\n"):
        raise EOFError("no orders")
    return line
