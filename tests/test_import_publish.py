"""Publishing: a data folder is the old one or the new one, never half; nothing of the export is left beside it."""

import os
import signal
import subprocess
import sys
import time

import pytest
from import_worlds import Importer, salesforce, task

from analysis.errors import DataError, InputError

SCRIPT = """
import sys
from analysis.crm.importers import import_crm
print("ready", flush=True)
import_crm("salesforce", sys.argv[1], sys.argv[2], sys.argv[3], key_file=sys.argv[4])
"""


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
    for number in range(8):
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True)
        process.stdout.readline()
        time.sleep(0.25 * number)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert contents(run.out) in (was, will), number
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
