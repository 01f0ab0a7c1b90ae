"""Faults while a batch runs, injected for real: killed processes, full disks, endless cells, signals."""

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_tools import READ, SHOW, Teams, end, living, start, template, wait_for

from analysis.errors import InputError
from analysis.reporting import pool as pools
from analysis.reporting.batch import BatchResult, run_batch
from analysis.reporting.jobs import Limits
from analysis.reporting.manifest import intact, read_receipt
from analysis.reporting.pool import WarmPool
from analysis.reporting.publish import LocalStore

pytestmark = pytest.mark.faults

DRIVER = """
import sys
from pathlib import Path
from batch_tools import Teams
from analysis.reporting.batch import run_batch
from analysis.reporting.pool import WarmPool
folder, value, count, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
with WarmPool(2, warm=False) as pool:
    print(pool.root, flush=True)
    result = run_batch("-", folder / "out", template=folder / "template.ipynb", formats=(), progress=False,
                       source=Teams({f"team {n}": value for n in range(count)}), scheduler=pool,
                       parameters={"pause_s": pause})
print(result.summary(), flush=True)
sys.exit(result.exit_code)
"""


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool(2, warm=False) as made:
        yield made


def run(folder: Path, source: Teams, renderer: Any, *cells: str, **options: Any) -> BatchResult:
    path = template(folder, *cells)
    options = {"formats": (), "progress": False, **options}
    return run_batch("-", folder / "out", template=path, source=source, scheduler=renderer, **options)


def row(result: BatchResult, team: str) -> dict[str, Any]:
    return next(line for line in result.manifest["teams"] if line["team_id"] == team)


def events(out: Path) -> list[str]:
    log = out / "batch.jsonl"
    return [json.loads(line)["event"] for line in log.read_text().splitlines()] if log.exists() else []


def published(out: Path) -> dict[str, int]:
    """Slug -> the value that its report shows; fails when any report is not wholly one version."""
    store, shown = LocalStore(out), {}
    for folder in sorted(path for path in out.iterdir() if path.is_dir() and not path.name.startswith(".")):
        receipt = read_receipt(store, folder.name)
        assert receipt is not None and intact(store, folder.name, receipt), f"{folder.name} is half published"
        value = int((folder / "findings.parquet").read_bytes().split()[1])
        assert f": {value}'" in (folder / "report.ipynb").read_text(), f"{folder.name} mixes two versions"
        shown[folder.name] = value
    return shown


# --- 1: killed at any time ------------------------------------------------------------------------------------------


def killed_and_resumed(folder: Path, seed: int, pool: WarmPool) -> None:
    """Kill a batch that renews six reports at a random moment; whatever stands is whole, and a rerun completes it."""
    moment = random.Random(seed)
    template(folder, READ, SHOW)
    old = run(folder, Teams({f"team {n}": 1 for n in range(6)}), pool, READ, SHOW)
    assert old.exit_code == 0
    process = start(DRIVER, folder, 2, 6, 0)
    assert process.stdout is not None
    root = process.stdout.readline().strip()
    settled, after = moment.randrange(0, 6), moment.random() * 0.15
    seen = len(events(folder / "out"))
    wait_for(lambda: process.poll() is not None or len(events(folder / "out")) > seen + settled)
    time.sleep(after)
    process.kill()
    process.wait()
    values = published(folder / "out")
    assert len(values) == 6 and set(values.values()) <= {1, 2}
    wait_for(lambda: not living(root), 20)
    wait_for(lambda: not Path(root).exists(), 20)
    again = run(folder, Teams({f"team {n}": 2 for n in range(6)}), pool, READ, SHOW)
    assert again.exit_code == 0 and set(published(folder / "out").values()) == {2}
    assert not list((folder / "out").glob(".staging-*"))


def test_killed_at_a_random_moment(tmp_path: Path, pool: WarmPool) -> None:
    killed_and_resumed(tmp_path, 0, pool)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 53))
def test_killed_at_fifty_random_moments(tmp_path: Path, pool: WarmPool, seed: int) -> None:
    killed_and_resumed(tmp_path, seed, pool)


# --- 2-6: what a report's process can do ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "reason", "kind", "attempts"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL while cell 4 ran", "killed", 3),
        ("import ctypes; ctypes.string_at(0)", "ended by SIGSEGV while cell 4 ran", "killed", 3),
        ("block = bytearray(10 * 1024**3)", "more than its memory limit of 300 MB", "memory", 1),
        ("import numpy as np; np.ones(10**9)", "more than its memory limit of 300 MB", "memory", 1),
        ("while True: pass", "stopped at its limit of 2 s while cell 4 ran", "time", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", "stopped at its limit of 2 s", "time", 1),
        (
            "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: pass",
            "stopped at its limit of 2 s",
            "time",
            1,
        ),
        ("import sys; sys.exit(0)", "SystemExit: 0", "raised", 1),
        ("exit()", "SystemExit: 0", "raised", 1),
        ("import os; os._exit(0)", "ended itself (exit code 0) while cell 4 ran", "exited", 1),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", "raised", 1),
        ("open('out/x', 'wb').write(bytes(20 * 1024**2))", "File too large", "raised", 1),
        ("display({'text/html': 5}, raw=True)", "not one that nbformat takes, at cells.4.outputs.0", "export", 1),
    ],
)
def test_one_report_fails_and_the_others_are_made(
    tmp_path: Path, pool: WarmPool, cell: str, reason: str, kind: str, attempts: int
) -> None:
    guarded = "if facts['team'] == 'b':\n" + textwrap.indent(cell, "    ")
    limits = Limits(seconds=2.0 if "limit of 2 s" in reason else 20.0, memory_mb=300, file_mb=10)
    result = run(tmp_path, Teams({"a": 1, "b": 2, "c": 3}), pool, READ, guarded, SHOW, limits=limits)
    assert [row(result, team)["status"] for team in "ac"] == ["done", "done"]
    assert result.exit_code == 1 and not (tmp_path / "out" / "b").exists()
    line = row(result, "b")
    assert line["status"] == "failed" and reason in line["error"] and line["attempts"] == attempts
    assert line["failure"] == kind and line["said"] == ""


def test_no_process_outlives_its_report(tmp_path: Path, pool: WarmPool) -> None:
    """A cell leaves a process behind, even in a session of its own; it goes with the report, finished or stopped."""
    marker = f"{9_000_000 + os.getpid()}.5"  # seconds nobody else sleeps
    leave = f"import subprocess\nsubprocess.Popen(['sleep', '{marker}'], start_new_session=True)"
    assert run(tmp_path, Teams({"a": 1}), pool, READ, leave, SHOW).exit_code == 0
    stuck = run(tmp_path, Teams({"a": 2}), pool, READ, leave, "while True: pass", limits=Limits(seconds=1.5))
    assert stuck.exit_code == 1
    wait_for(lambda: not living(marker), 10)


def test_a_report_killed_from_outside_is_tried_again(tmp_path: Path, pool: WarmPool) -> None:
    killed = []

    def kill_first() -> None:
        wait_for(lambda: living(f"{pool.root}/"), 30)
        time.sleep(0.3)
        victim = living(f"{pool.root}/")[0]
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    hunter = threading.Thread(target=kill_first)
    hunter.start()
    result = run(tmp_path, Teams({"a": 1}), pool, READ, SHOW, parameters={"pause_s": 1.5})
    hunter.join()
    assert killed and row(result, "a")["status"] == "done" and row(result, "a")["attempts"] == 2
    assert "lost" in events(tmp_path / "out")


def children(pool: WarmPool) -> set[int]:
    """The processes of a pool's warm process: reports under way and the one that stands by."""
    assert pool._process is not None
    own = pool._process.pid
    return {int(pid) for pid in Path(f"/proc/{own}/task/{own}/children").read_text().split()}


def test_the_process_that_stands_by_may_die(tmp_path: Path) -> None:
    """It had no report yet, so none is lost; the next one is forked when it is asked for."""
    with WarmPool(1, warm=False) as own:
        assert run(tmp_path, Teams({"a": 1}), own, READ, SHOW).exit_code == 0
        wait_for(lambda: len(children(own)) == 1, 10)
        (waits,) = children(own)
        os.kill(waits, signal.SIGKILL)
        wait_for(lambda: waits not in children(own), 10)
        again = run(tmp_path, Teams({"a": 2, "b": 2}), own, READ, SHOW)
        assert again.exit_code == 0 and [row(again, team)["attempts"] for team in "ab"] == [1, 1]
        wait_for(lambda: len(children(own)) == 1, 10)
        (waits,) = children(own)
    assert not Path(f"/proc/{waits}").exists() and not own.root.exists()


def test_a_report_that_waits_for_its_turn_uses_none_of_its_time(tmp_path: Path) -> None:
    """More are submitted than run at once; the clock of each begins with its own process's orders."""
    with WarmPool(1, warm=False) as own:
        limits = Limits(seconds=2.5)
        result = run(
            tmp_path, Teams(dict.fromkeys("abc", 1)), own, READ, SHOW, limits=limits, parameters={"pause_s": 1.2}
        )
        assert own.slots == 2 and result.exit_code == 0
        assert all(row(result, team)["seconds"] < 2.4 for team in "abc")


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)])
def test_the_warm_process_itself_may_die_or_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: signal.Signals
) -> None:
    monkeypatch.setattr(pools, "GRACE_S", 1.0)
    with WarmPool(2, warm=False) as own:

        def strike() -> None:
            wait_for(lambda: living(f"{own.root}/"), 30)
            assert own._process is not None
            os.kill(own._process.pid, how)

        striker = threading.Thread(target=strike)
        striker.start()
        options: dict[str, Any] = {"parameters": {"pause_s": 1.0}, "limits": Limits(seconds=4.0)}
        result = run(tmp_path, Teams({"a": 1, "b": 2, "c": 3}), own, READ, SHOW, **options)
        striker.join()
        assert result.exit_code == 0 and max(row(result, team)["attempts"] for team in "abc") == 2
        root = str(own.root)
    assert not living(root) and not Path(root).exists()


def test_a_warm_process_that_cannot_start_ends_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "START", "import sys; sys.exit('no such library')")
    with WarmPool(2, warm=False) as own:
        result = run(tmp_path, Teams({"a": 1, "b": 2, "c": 3}), own)
    assert result.exit_code == 1 and result.stopped is not None and "no such library" in result.stopped
    assert {line["status"] for line in result.manifest["teams"]} <= {"failed", "not run"}


# --- 7, 8: disks ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Any]:
    """A real file system of its own; skipped where this user may not mount one."""
    mounted = []

    def mount(options: str) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("mounting a tmpfs is not allowed here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_leaves_the_old_reports(tmp_path: Path, small_disk: Any, pool: WarmPool) -> None:
    disk = small_disk("size=2m")
    path = template(tmp_path, READ, SHOW)

    def batch(value: int, *cells: str) -> BatchResult:
        template(tmp_path, *cells)
        source = Teams({f"t{n}": value for n in range(4)})
        return run_batch("-", disk / "out", template=path, source=source, scheduler=pool, formats=(), progress=False)

    assert batch(1, READ, SHOW).exit_code == 0
    (disk / "filler").write_bytes(b"x" * 1_000_000)
    result = batch(2, READ, SHOW, "print('y' * 400_000)")
    assert result.exit_code == 1 and result.stopped is not None and "No space left on device" in result.stopped
    values = published(disk / "out")
    assert len(values) == 4 and 1 in values.values()
    failed = [line for line in result.manifest["teams"] if line["status"] == "failed"]
    assert failed and all("No space left" in line["error"] and line["stale"] for line in failed)
    assert {line["failure"] for line in failed} == {"disk"}
    assert {line["status"] for line in result.manifest["teams"]} <= {"done", "failed", "not run"}
    (disk / "filler").unlink()
    assert batch(3, READ, SHOW).exit_code == 0 and set(published(disk / "out").values()) == {3}


def test_a_file_size_limit_is_a_full_disk_too(tmp_path: Path, pool: WarmPool) -> None:
    assert run(tmp_path, Teams({"team 0": 1, "team 1": 1}), pool, READ, SHOW).exit_code == 0
    template(tmp_path, READ, SHOW, "print('y' * 60_000)")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n" + DRIVER
    process = start(limited, tmp_path, 2, 2, 0)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1, errors
    assert set(published(tmp_path / "out").values()) == {1}
    rows = json.loads((tmp_path / "out" / "manifest.json").read_text())["teams"]
    assert all(line["status"] in ("failed", "not run") and line["stale"] for line in rows)
    assert any("File too large" in (line["error"] or "") for line in rows)


def test_a_read_only_folder_is_refused_before_any_work(tmp_path: Path, small_disk: Any) -> None:
    source = Teams({"a": 1})
    folder = small_disk("ro") if os.getuid() == 0 else tmp_path / "disk"
    if os.getuid() != 0:
        folder.mkdir(mode=0o555)
    with pytest.raises(InputError, match="cannot be written to"):
        run_batch("-", folder / "out", template=template(tmp_path), source=source, progress=False)
    assert source.packed == []


# --- 9, 10: two batches, signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_with_a_summary_and_no_process(tmp_path: Path, number: signal.Signals) -> None:
    template(tmp_path, READ + "\nimport time\nif facts['team'] not in ('team 0', 'team 1'): time.sleep(600)", SHOW)
    process = start(DRIVER, tmp_path, 1, 5, 0)
    assert process.stdout is not None
    root = process.stdout.readline().strip()
    try:
        wait_for(lambda: events(tmp_path / "out").count("done") == 2)
        time.sleep(0.3)
        asked = time.monotonic()
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
        assert time.monotonic() - asked < 15
        assert process.returncode == 1, errors
        assert "2 done, 3 not run" in output and number.name in output
        wait_for(lambda: not living(root), 5)
        rows = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert rows["stopped"] and rows["totals"]["not run"] == 3
        assert len(published(tmp_path / "out")) == 2
    finally:
        end(living(root))


def test_a_second_batch_in_the_folder_is_refused_while_the_first_runs(tmp_path: Path, pool: WarmPool) -> None:
    from analysis.reporting.publish import Busy

    template(tmp_path, READ, SHOW)
    process = start(DRIVER, tmp_path, 1, 2, 3)
    try:
        wait_for(lambda: "started" in events(tmp_path / "out"))
        with pytest.raises(Busy, match="Another batch"):
            run(tmp_path, Teams({"a": 1}), pool)
        assert run(tmp_path, Teams({"team 0": 1}), pool, wait_s=60.0).exit_code == 0
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


# --- working folders ------------------------------------------------------------------------------------------------


def test_working_folders_of_dead_batches_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.reporting import private

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = "from analysis.reporting.private import make_private_folder as m; print(m(), flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert folder.parent == tmp_path and folder.stat().st_mode & 0o777 == 0o700
    old = time.time() - 2 * private.OLD_S
    os.utime(folder, (old, old))
    private.sweep(tmp_path)
    assert folder.exists()  # its process lives
    process.kill()
    process.wait()
    private.sweep(tmp_path)
    assert not folder.exists()


def test_no_limit_of_ours_is_left_on_this_process() -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert shutil.disk_usage("/").free > 0
