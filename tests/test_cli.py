"""The command line: every command helps, bad input is one sentence and exit code 2, the main path works end to end."""

import json
import subprocess
import sys

import pandas as pd
import pytest

COMMANDS = ["simulate", "import", "check", "study", "report", "batch", "calibrate", "score", "lab"]


def run(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-c", "from analysis.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=280,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "company"
    done = run("simulate", folder, "--teams", 3, "--reps-per-team", 6, "--weeks", 60, "--seed", 4)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage: workbench" in done.stdout and command in done.stdout


def test_help_imports_nothing_heavy():
    probe = (
        "import sys, analysis.cli; print([m for m in ('numpy', 'pandas', 'duckdb', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_url_reaches_the_batch_as_it_was_written(monkeypatch):
    from typer.testing import CliRunner

    from analysis import cli
    from analysis.reporting import batch

    seen = []

    def note(data, out, **options):
        seen.append((data, out))
        raise batch.InputError("seen")

    monkeypatch.setattr(batch, "run_batch", note)
    CliRunner().invoke(cli.app, ["batch", "s3://crm/landing", "--out", "memory://reports/weekly"])
    CliRunner().invoke(cli.app, ["report", "s3://crm/landing", "--team", "T1", "--out", "memory://reports/one"])
    assert seen == [("s3://crm/landing", "memory://reports/weekly"), ("s3://crm/landing", "memory://reports/one")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["study", "no/such/folder", "--out", "x"], "no/such/folder"),
        (["check", "no/such/folder"], "no/such/folder"),
        (["batch"], "needs DATA and --out DIR"),
        (["batch", "--status", "no/such/run"], "no/such/run"),
        (["import", "hubspot", "somewhere"], "needs OUT and --config FILE"),
        (["calibrate", "no/such/folder"], "no/such/folder"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(arguments, said, tmp_path):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir()), "nothing may be half-written"


def test_debug_shows_the_traceback():
    done = run("--debug", "study", "no/such/folder", "--out", "x")
    assert "Traceback" in done.stderr and done.returncode != 0


def test_a_wrong_date_names_the_form(data, tmp_path):
    done = run("study", data, "--out", tmp_path / "s", "--as-of", "yesterday-ish")
    assert done.returncode == 2 and "write it as 2026-11-16" in done.stderr


def test_check_tells_the_tables_and_writes_json(data, tmp_path):
    done = run("check", data, "--json", tmp_path / "check.json")
    assert done.returncode == 0, done.stderr
    assert "activities" in done.stdout
    assert json.loads((tmp_path / "check.json").read_text())["refusal"] is None


def test_rows_that_break_the_contract_are_kept_with_their_reason(data, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(data, broken)
    deals = pd.read_parquet(broken / "opportunities.parquet")
    deals.loc[deals.index[0], "created_on"] = pd.NaT
    deals.to_parquet(broken / "opportunities.parquet", index=False)
    done = run("check", broken)
    assert done.returncode == 0, done.stderr
    aside = pd.read_parquet(broken / "quarantine.parquet")
    assert aside.loc[aside["table"] == "opportunities", "source_id"].tolist()[0] == str(deals["opportunity_id"].iloc[0])
    assert aside["reason"].str.len().gt(10).all()


def test_study_writes_what_others_rely_on(data, tmp_path):
    done = run("study", data, "--out", tmp_path / "study", "--max-lag", 6)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "study" / "findings.csv")
    assert (table["lag_to"] == 6).all() and len(table) == 4 * 6
    details = json.loads((tmp_path / "study" / "study.json").read_text())
    assert details["plan"]["max_lag"] == 6 and details["seed"] == 0
    scored = run("score", data, "--ledger", tmp_path / "study")
    assert scored.returncode == 0, scored.stderr


def test_two_studies_are_the_same_to_the_byte(data, tmp_path):
    for name in ("a", "b"):
        assert run("study", data, "--out", tmp_path / name, "--activities", "demo,call").returncode == 0
    for name in ("findings.csv", "findings.parquet", "study.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_report_of_one_team_and_its_mail(data, tmp_path):
    done = run("batch", data, "--out", tmp_path / "run", "--teams", "T002", "--jobs", 1, "--summary")
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "run").glob("*/report.html"))
    assert len(pages) == 1 and (pages[0].parent / "report.pdf").exists() and (pages[0].parent / "mail.txt").exists()
    assert (tmp_path / "run" / "index.html").exists()
    assert "1 done" in run("batch", "--status", tmp_path / "run").stdout
