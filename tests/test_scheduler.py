"""Where reports are rendered: plain kernels, executors, a Dask cluster with a dying worker; data and reports behind URLs."""

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fsspec
import pytest
from batch_tools import READ, SHOW, Teams, living, notebook, template, wait_for

from analysis.errors import DataError, InputError
from analysis.reporting import schedulers
from analysis.reporting.batch import BatchResult, batch_status, run_batch
from analysis.reporting.jobs import Failure, Limits, Rendered
from analysis.reporting.kernels import PlainPool
from analysis.reporting.pool import WarmPool
from analysis.reporting.publish import Busy
from analysis.reporting.remote import UrlStore, fetch, without_credentials
from analysis.reporting.schedulers import open_renderer
from analysis.reporting.template import code_digest


def run(folder: Path, source: Teams, scheduler: Any, *cells: str, out: Any = None, **options: Any) -> BatchResult:
    path = template(folder, *cells)
    options = {"formats": (), "progress": False, **options}
    return run_batch("-", out or folder / "out", template=path, source=source, scheduler=scheduler, **options)


def statuses(result: BatchResult) -> dict[str, str]:
    return {line["team_id"]: line["status"] for line in result.manifest["teams"]}


def row(result: BatchResult, team: str) -> dict[str, Any]:
    return next(line for line in result.manifest["teams"] if line["team_id"] == team)


# --- lost and broken workers, without any ---------------------------------------------------------------------------


class Scripted:
    """A renderer that answers from a list, whatever the job."""

    slots = 1

    def __init__(self, *answers: Rendered) -> None:
        self.answers, self.asked = list(answers), 0

    def submit(self, job: Any) -> Future[Rendered]:
        self.asked += 1
        future: Future[Rendered] = Future()
        future.set_result(self.answers.pop(0))
        return future

    def close(self) -> None:
        raise AssertionError("a borrowed renderer is its owner's to close")


@pytest.mark.parametrize(
    ("kinds", "asked", "status", "stopped"),
    [
        (["lost", "done"], 2, "done", None),
        (["lost", "lost", "lost"], 3, "failed", None),
        (["raised"], 1, "failed", None),
        (["time"], 1, "failed", None),
        (["memory"], 1, "failed", None),
        (["incomplete"], 1, "failed", None),
        (["lost", "raised"], 2, "failed", None),
        (["broken"], 1, "failed", "why"),
    ],
)
def test_only_lost_reports_are_tried_again(
    tmp_path: Path, kinds: list[str], asked: int, status: str, stopped: str | None
) -> None:
    files = {"report.ipynb": notebook(SHOW).encode()}
    answers = [Rendered(files) if kind == "done" else Rendered(failure=Failure(kind, "why")) for kind in kinds]
    renderer = Scripted(*answers)
    result = run(tmp_path, Teams({"a": 1}), renderer)
    assert (renderer.asked, statuses(result)["a"], result.stopped) == (asked, status, stopped)
    assert row(result, "a")["attempts"] == asked


# --- plain kernels --------------------------------------------------------------------------------------------------


def test_plain_kernels_are_chosen_where_forking_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(open_renderer(None, 1, plain=False), WarmPool)
    monkeypatch.setattr("analysis.reporting.pool.can_fork", lambda: False)
    chosen = open_renderer(None, 1)
    assert isinstance(chosen, PlainPool)
    chosen.close()


@pytest.mark.faults
@pytest.mark.slow
def test_plain_kernels_keep_every_promise(tmp_path: Path) -> None:
    """A good report is the forked one's bytes; exits, kills, endless cells fail alone; no kernel stays behind."""
    cells = (
        READ,
        "import os, signal, sys\nif facts['team'] == 'exits': sys.exit(0)",
        "if facts['team'] == 'killed': os.kill(os.getpid(), signal.SIGKILL)",
        "if facts['team'] == 'endless': os.kill(os.getpid(), signal.SIGSTOP)",
        "if facts['team'] == 'wrong': 1 / 0",
        SHOW,
    )
    teams = {"good": 1, "exits": 2, "killed": 3, "endless": 4, "wrong": 5}
    with PlainPool(3) as plain:
        root = str(plain.root)
        result = run(tmp_path, Teams(teams), plain, *cells, limits=Limits(seconds=45.0))
    assert statuses(result) == dict.fromkeys(teams, "failed") | {"good": "done"} and result.exit_code == 1
    assert "SystemExit" in row(result, "exits")["error"] and row(result, "exits")["attempts"] == 1
    assert "Kernel died" in row(result, "killed")["error"] and row(result, "killed")["attempts"] == 3
    assert "limit of 45 s" in row(result, "endless")["error"]
    assert row(result, "wrong")["error"] == "cell 7: ZeroDivisionError: division by zero"
    wait_for(lambda: not living(root), 10)
    assert not Path(root).exists()
    forked = tmp_path / "forked"
    with WarmPool(1, warm=False) as pool:
        run(tmp_path, Teams({"good": 1}), pool, *cells, out=forked)
    ours, theirs = (json.loads((out / "good" / "report.ipynb").read_text()) for out in (forked, tmp_path / "out"))
    assert [cell.get("outputs") for cell in ours["cells"]] == [cell.get("outputs") for cell in theirs["cells"]]


# --- executors ------------------------------------------------------------------------------------------------------


def render_cold(job: Any) -> Rendered:
    """As `render_here`, from a process without the imports that only real reports need.

    The sources may be edited while this test runs, so versions are not compared here; another test does.
    """
    if not schedulers._here:
        schedulers._here.append(WarmPool(1, warm=False))
    return schedulers.render_here(replace(job, version=code_digest()))


@pytest.fixture(autouse=True)
def cold_workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(schedulers, "RENDER", render_cold)
    yield
    while schedulers._here:
        schedulers._here.pop().close()


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_any_executor_will_do(tmp_path: Path, kind: str) -> None:
    executor: Executor = (
        ThreadPoolExecutor(2) if kind == "threads" else ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    )
    with executor:
        result = run(tmp_path, Teams({"a": 1, "b": 2, "c": 3}), executor, jobs=2)
        assert set(statuses(result).values()) == {"done"} and result.exit_code == 0
        again = run(tmp_path, Teams({"a": 1, "b": 2, "c": 4}), executor, READ, SHOW, jobs=2)
        assert statuses(again) == {"a": "unchanged", "b": "unchanged", "c": "done"}
    pids = {json.loads((tmp_path / "out" / t / "receipt.json").read_text())["team_id"] for t in "abc"}
    assert pids == {"a", "b", "c"}


def test_an_executor_that_is_gone_ends_the_batch(tmp_path: Path) -> None:
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    result = run(tmp_path, Teams({"a": 1, "b": 2}), executor, jobs=1)
    assert result.exit_code == 1 and result.stopped is not None and "workers are gone" in result.stopped


def test_a_worker_with_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.reporting.plan.code_digest", lambda: "newer")
    monkeypatch.setattr(schedulers, "RENDER", schedulers.render_here)
    with ThreadPoolExecutor(1) as executor:
        result = run(tmp_path, Teams({"a": 1}), executor, jobs=1)
    assert result.stopped is not None and "another version" in result.stopped


# --- Dask -----------------------------------------------------------------------------------------------------------


@pytest.mark.faults
def test_teams_of_a_killed_dask_worker_run_on_another(tmp_path: Path) -> None:
    """A real cluster of two worker processes; one is killed while it renders, and not replaced."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path / "dask"),
        silence_logs=50,
    ) as cluster:  # fmt: skip
        pids = {name: worker.pid for name, worker in cluster.workers.items()}
        out = tmp_path / "out"
        killed: list[int] = []

        def kill_one() -> None:
            wait_for(lambda: (out / "batch.jsonl").exists() and "done" in (out / "batch.jsonl").read_text(), 200)
            nanny = cluster.workers[0]
            nanny.auto_restart = False
            os.kill(pids[0], signal.SIGKILL)
            killed.append(pids[0])

        killer = threading.Thread(target=kill_one)
        killer.start()
        names = {f"t{n}": n for n in range(8)}
        result = run(tmp_path, Teams(names), cluster.scheduler_address, READ, SHOW, parameters={"pause_s": 0.7})
        killer.join()
        assert killed and set(statuses(result).values()) == {"done"} and result.exit_code == 0
        for name, value in names.items():
            assert f"'{name}: {value}'" in (out / name / "report.ipynb").read_text()
        again = run(tmp_path, Teams(names), cluster.scheduler_address, READ, SHOW, parameters={"pause_s": 0.7})
        assert set(statuses(again).values()) == {"unchanged"}


def test_a_scheduler_that_does_not_answer_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedulers, "CONNECT_S", 1)
    source = Teams({"a": 1})
    with pytest.raises(InputError, match="No Dask scheduler answers at tcp"):
        run(tmp_path, source, "tcp://127.0.0.1:9")
    assert source.packed == []


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def url() -> Iterator[str]:
    """A folder of its own in fsspec's memory."""
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    yield f"memory://{name}/reports"
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm(f"/{name}", recursive=True)


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool(2, warm=False) as made:
        yield made


def test_reports_behind_a_url(tmp_path: Path, url: str, pool: WarmPool) -> None:
    result = run(tmp_path, Teams({"a": 1, "b": 2}), pool, out=url)
    assert result.exit_code == 0 and "2 done" in batch_status(url)
    memory = fsspec.filesystem("memory")
    names = {path.split("/reports/")[1] for path in memory.find(url)}
    assert {"a/report.ipynb", "a/receipt.json", "index.html", "manifest.json", "batch.jsonl"} <= names
    assert ".lock" not in names
    assert statuses(run(tmp_path, Teams({"a": 1, "b": 2}), pool, out=url)) == {"a": "unchanged", "b": "unchanged"}
    memory.pipe_file(f"{url}/a/report.ipynb", b"half")
    assert statuses(run(tmp_path, Teams({"a": 1, "b": 3}), pool, out=url)) == {"a": "done", "b": "done"}


def test_a_report_cut_off_while_it_is_put_is_made_again(
    tmp_path: Path, url: str, pool: WarmPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path, Teams({"a": 1}), pool, out=url)
    real = UrlStore.write

    def cut(self: UrlStore, name: str, content: bytes) -> None:
        if name == "a/receipt.json":
            raise OSError("connection lost")
        real(self, name, content)

    monkeypatch.setattr(UrlStore, "write", cut)
    assert statuses(run(tmp_path, Teams({"a": 2}), pool, out=url)) == {"a": "failed"}
    monkeypatch.setattr(UrlStore, "write", real)
    assert statuses(run(tmp_path, Teams({"a": 1}), pool, out=url)) == {"a": "done"}  # the mixture is not trusted


def test_a_url_is_locked_too(url: str) -> None:
    store = UrlStore(url)
    store.prepare()
    with store.lock(), pytest.raises(Busy, match=r"delete memory://.*/\.lock"), UrlStore(url).lock():
        pass
    with UrlStore(url).lock():
        pass


class Hurried:
    """A file system on which neither of two batches sees the other's lock before it writes its own."""

    def __init__(self, files: Any, *, creates: bool) -> None:
        self.files, self.creates = files, creates

    def __getattr__(self, name: str) -> Any:
        return getattr(self.files, name)

    def exists(self, path: str) -> bool:
        return False

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        self.files.pipe_file(path, value, mode=mode if self.creates else "overwrite")


def test_a_batch_that_overlooked_the_lock_does_not_take_it_from_its_holder(url: str) -> None:
    late = UrlStore(url)
    late._files = Hurried(late._files, creates=True)
    with UrlStore(url).lock():
        with pytest.raises(Busy), late.lock():
            pass
        with pytest.raises(Busy), UrlStore(url).lock():  # and it has not let go of what was never its own
            pass


@pytest.mark.parametrize("creates", [True, False])
def test_of_two_batches_that_start_together_one_gets_in(url: str, creates: bool) -> None:
    entered, refused, both = [], [], threading.Barrier(2)

    def start(number: int) -> None:
        store = UrlStore(url)
        store._files = Hurried(store._files, creates=creates)
        both.wait()
        try:
            with store.lock():
                entered.append(number)
                both.wait()
        except Busy:
            refused.append(number)
            both.wait()

    threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) == 1 and len(refused) == 1
    with UrlStore(url).lock():  # and the one that had it has let it go
        pass


def test_data_behind_a_url(tmp_path: Path, url: str) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file(f"{url}/reps.csv", b"rep_id\n")
    memory.pipe_file(f"{url}/activities/part.csv", b"x\n")
    assert sorted(str(p.relative_to(tmp_path)) for p in fetch(url, tmp_path).rglob("*.csv")) == [
        "activities/part.csv", "reps.csv",
    ]  # fmt: skip
    with pytest.raises(DataError, match="no data folder"):
        fetch(f"{url}/nothing", tmp_path)
    with pytest.raises(InputError, match="cannot be opened"):
        fetch("nosuchscheme://x/y", tmp_path)


def test_a_shown_url_holds_no_credentials() -> None:
    assert without_credentials("s3://key:secret@bucket/folder?token=1") == "s3://bucket/folder"
    assert time.monotonic() > 0
