"""JupyterLab on a project folder of one's own, for a browser that photographs or tests it: started, awaited, shut down."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.reporting import lab

TOKEN = "a-token-of-this-desk"
START_S = 150


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, method: str = "GET") -> bytes:
    """What the server answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    request.add_header("Authorization", f"token {TOKEN}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bytes(answer.read())


def wait_for(port: int, process: subprocess.Popen[bytes]) -> dict[str, object]:
    """The server's status once it answers; AssertionError when it does not."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return dict(json.loads(ask(port, "/api/status")))
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"JupyterLab did not answer; exit code {process.poll()}")


def options(port: int) -> list[str]:
    """What JupyterLab is told: no window of its own, this port, this token."""
    return [
        "--no-browser",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={TOKEN}",
    ]


@contextmanager
def served(home: Path, data: Path) -> Iterator[str]:
    """JupyterLab as `workbench lab` starts it, with `home` as its folder; gives its address."""
    port, own = free_port(), home / "own"
    environment = {**lab.lab_environment(str(own), data), "HOME": str(home), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.Popen(
        lab.lab_command(home, options(port)), cwd=home, start_new_session=True, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
        ask(port, "/api/shutdown", "POST")
        process.wait(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
