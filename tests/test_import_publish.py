"""Publishing: a data folder is the old one or the new one, never half; nothing of the export is left beside it."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest
from import_worlds import Importer, event, salesforce, task

from analysis.crm.importers.progress import bar
from analysis.errors import DataError, InputError

SCRIPT = """
import sys
from analysis.crm.importers import import_crm
def told(what, share):
    print(what, flush=True)
told("ready", 0)
import_crm("salesforce", sys.argv[1], sys.argv[2], sys.argv[3], progress=told, key_file=sys.argv[4])
"""
STEPS = (
    "ready",
    "reading Task: 60 rows",
    "classifying activities",
    "judging activities",
    "judging the whole",
    "publishing",
)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def leftovers(tmp_path):
    return sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".data"))


def test_the_same_input_gives_the_same_bytes(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", Task=[task(n) for n in range(200)])
    run(source)
    first = contents(run.out)
    run(source)
    assert contents(run.out) == first and leftovers(tmp_path) == []


def test_a_refused_import_leaves_the_earlier_one(tmp_path):
    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src"))
    before = contents(run.out)
    (tmp_path / "src" / "Task.csv").write_bytes(b"Id\x00")
    with pytest.raises(DataError):
        run(tmp_path / "src")
    assert contents(run.out) == before and leftovers(tmp_path) == []


@pytest.mark.faults
def test_killed_at_any_moment_the_folder_is_old_or_new(tmp_path):
    run = Importer(tmp_path)
    old = salesforce(tmp_path / "old", Task=[task(n) for n in range(20)])
    new = salesforce(tmp_path / "new", Task=[task(n) for n in range(60)])
    run(old)
    was = contents(run.out)
    run.out = tmp_path / "fresh"
    run(new)
    will = contents(run.out)
    run.out = tmp_path / "data"
    arguments = [sys.executable, "-c", SCRIPT, str(new), str(run.out), str(run.config()), str(run.key)]
    for step in STEPS:
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
            assert any(line.strip() == step for line in process.stdout), f"{step} was never reached"
            os.killpg(process.pid, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert contents(run.out) in ((was, will) if step == "publishing" else (was,)), step
        remains = tuple(name for name in leftovers(tmp_path) if "importing" in name)
        assert len(remains) == (0 if step == "ready" else 1) or step == "publishing", (step, remains)
    run(new)
    assert contents(run.out) == will and leftovers(tmp_path) == []


@pytest.mark.faults
def test_a_full_disk_leaves_the_earlier_import(tmp_path):
    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src"))
    before = contents(run.out)
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\nimport signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    script = limited + SCRIPT.replace("import_crm(", "\ntry:\n  import_crm(", 1).replace(
        "key_file=sys.argv[4])",
        "key_file=sys.argv[4])\nexcept Exception as e:\n  print(type(e).__name__, e); sys.exit(2)",
    )
    source = salesforce(tmp_path / "src", Task=[task(n) for n in range(3000)])
    done = subprocess.run(
        [sys.executable, "-c", script, str(source), str(run.out), str(run.config()), str(run.key)],
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "InputError" in done.stdout and "Traceback" not in done.stderr
    assert contents(run.out) == before


def test_what_out_may_not_be(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src")
    run.out.mkdir()
    (run.out / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something that no import wrote"):
        run(source)
    assert (run.out / "precious.txt").read_text() == "mine"
    run.out = tmp_path / "link"
    run.out.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        run(source)
    run.out = source / "out"
    with pytest.raises(InputError, match="must not lie inside the source"):
        run(source)


def test_two_imports_into_one_folder(tmp_path):
    import filelock

    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src")
    with (
        filelock.FileLock(str(tmp_path / ".data.import.lock")),
        pytest.raises(InputError, match="another import into this folder is under way"),
    ):
        run(source)
    run(source)


def test_remains_of_a_killed_import_are_swept(tmp_path):
    run = Importer(tmp_path)
    remains = tmp_path / ".data.importing-killed"
    remains.mkdir()
    (remains / "work.duckdb").write_bytes(b"secret")
    run(salesforce(tmp_path / "src"))
    assert leftovers(tmp_path) == []


def test_progress_goes_forward_to_the_end(tmp_path):
    run = Importer(tmp_path)
    seen = []
    run(salesforce(tmp_path / "src"), progress=lambda what, share: seen.append((what, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and seen[-1] == ("done", 1.0) and len(seen) > 8


def test_rows_are_told_while_they_are_read(tmp_path):
    seen = []
    source = salesforce(tmp_path / "src", Task=[task(n) for n in range(40)], Event=[event(n) for n in range(3)])
    Importer(tmp_path)(source, progress=lambda what, share: seen.append((what, share)))
    told = dict(seen)
    assert told["reading Task: 40 rows"] == told["reading Task"] and "reading Event: 3 rows" in told
    assert 0 == told["reading Event"] < told["reading Opportunity"] < told["reading Task"] < told["reading User"] < 0.3


def test_the_bar_shows_what_is_done_on_a_terminal_and_nothing_elsewhere(tmp_path):
    from io import StringIO

    from rich.console import Console

    for terminal in (True, False):
        drawn = StringIO()
        with bar(Console(file=drawn, force_terminal=terminal, width=100, _environ={})) as progress:
            progress("reading [bold]Task: 20,000 rows", 0.25)
            time.sleep(0.3)  # the bar is drawn ten times a second
        text = drawn.getvalue()
        assert ("reading [bold]Task: 20,000 rows" in text and "25%" in text) if terminal else text.strip() == ""


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_draws_the_bar_on_stderr_where_that_is_a_terminal(tmp_path, terminal):
    run = Importer(tmp_path)
    command = "from analysis.cli import main; main()"
    source = salesforce(tmp_path / "src")
    arguments = ["import", "salesforce", source, run.out, "--config", run.config()]
    ours, theirs = os.openpty() if terminal else os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", command, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=theirs, text=True,
        env={**os.environ, "TERM": "xterm", "WORKBENCH_KEY_FILE": str(run.key)},
    ) as process:  # fmt: skip
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):  # a terminal whose other side is closed
            while part := os.read(ours, 65536):
                seen += part
        said = process.stdout.read()
    os.close(ours)
    assert process.returncode == 0 and said.startswith(f"{run.out}: 47 rows read = ")
    assert (b"%" in seen and b"reading" in seen) if terminal else seen == b""


def test_every_row_is_answered_for_and_the_report_says_so(tmp_path):
    run = Importer(tmp_path)
    report = run(salesforce(tmp_path / "src"))
    for entry in report.objects:
        assert entry["read"] == entry["kept"] + entry["fixed"] + entry["quarantined"] + entry["dropped"]
    assert report.totals["read"] == 47 and run.report()["objects"] == [dict(o) for o in report.objects]
    assert "47 rows read = " in report.summary()


def test_a_row_that_nobody_answers_for_stops_the_import(tmp_path, monkeypatch):
    from analysis.crm.importers import touches

    honest = touches.finish

    def forgetful(job, as_of):
        honest(job, as_of)
        job.run("DELETE FROM w_activities WHERE _row = 3")

    monkeypatch.setattr(touches, "finish", forgetful)
    run = Importer(tmp_path)
    with pytest.raises(AssertionError, match="Task: 40 rows read"):
        run(salesforce(tmp_path / "src"))
    assert not run.out.exists()


def test_the_contracts_reader_takes_what_the_importer_writes(tmp_path):
    from datetime import date

    from analysis.crm import read

    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src"))
    crm = read(run.out, today=date(2026, 11, 16))
    assert len(crm.quarantine) == 0 and len(crm.frame("activities")) == 40
