"""JupyterLab on a project folder of one's own, for a browser that photographs or tests it: started, awaited, shut down."""

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis.reporting import lab

TOKEN = "a-token-of-this-desk"
START_S = 150
LONGEST_S = 200
QUIET_MS = 3000
SETTLED = """wait => {
  const idle = document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'
  window.idleSince = idle ? window.idleSince ?? Date.now() : undefined
  return idle && Date.now() - window.idleSince > wait
}"""


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
    lab.ask_for_no_news(own)
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


def run_all(page: Any, address: str, path: str) -> None:
    """Open a notebook in a browser's page, Run > Run All Cells, and wait until all is quiet."""
    page.set_default_timeout(LONGEST_S * 1000)
    page.goto(f"{address}/lab/tree/{path}?reset&token={TOKEN}")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    wait_for_kernel(int(address.rpartition(":")[2]), path)
    page.wait_for_function(SETTLED, arg=QUIET_MS)
    choose(page, "Run", "Run All Cells")
    page.wait_for_function("document.querySelector('.jp-Notebook-ExecutionIndicator').dataset.status !== 'idle'")
    page.wait_for_function(SETTLED, arg=QUIET_MS)


def choose(page: Any, menu: str, item: str) -> None:
    """Click an item of a menu of the menu bar."""
    page.get_by_role("menubar").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}$")).click()


def wait_for_kernel(port: int, path: str) -> None:
    """Until the notebook's kernel has started: the page calls itself idle before there is one."""
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline:
        sessions = json.loads(ask(port, "/api/sessions"))
        if any(s["path"] == path and s["kernel"]["execution_state"] == "idle" for s in sessions):
            return
        time.sleep(1)
    raise AssertionError(f"no kernel has started for {path}")
