"""The batch: what is rendered, skipped, kept, listed; exit codes, manifest, log."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_tools import READ, SHOW, Teams, notebook, template

from analysis.errors import InputError, ParameterError
from analysis.reporting.batch import BatchResult, batch_status, run_batch, run_report
from analysis.reporting.jobs import Limits
from analysis.reporting.manifest import read_manifest
from analysis.reporting.pool import WarmPool
from analysis.reporting.publish import Busy, LocalStore


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    """One process to fork from for all tests, without the imports that only real reports need."""
    with WarmPool(2, warm=False) as made:
        yield made


@pytest.fixture
def batch(tmp_path: Path, pool: WarmPool) -> Any:
    """Run a batch of made-up teams into tmp_path/out."""

    def run(source: Teams, *cells: str, **options: Any) -> BatchResult:
        path = template(tmp_path, *cells)
        options = {"formats": (), "progress": False, "scheduler": pool, **options}
        return run_batch("-", tmp_path / "out", template=path, source=source, **options)

    return run


def rows(result: BatchResult) -> dict[str, dict[str, Any]]:
    return {row["team_id"]: row for row in result.manifest["teams"]}


def statuses(result: BatchResult) -> dict[str, str]:
    return {team: row["status"] for team, row in rows(result).items()}


def tree(folder: Path) -> dict[str, bytes]:
    """The published reports, byte for byte (not the manifest and the log, which hold times)."""
    kept = ("manifest.json", "batch.jsonl", ".lock")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in kept]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_every_team_gets_its_own_report(batch: Any, tmp_path: Path) -> None:
    result = batch(Teams({"a": 1, "b": 2, "c": 3}))
    assert result.exit_code == 0 and set(statuses(result).values()) == {"done"}
    for team, value in (("a", 1), ("b", 2), ("c", 3)):
        text = (tmp_path / "out" / team / "report.ipynb").read_text()
        assert f"'{team}: {value}'" in text
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest == result.manifest and manifest["totals"]["done"] == 3 and manifest["complete"]
    assert (tmp_path / "out" / "findings.csv").exists() and (tmp_path / "out" / "index.html").exists()
    events = [json.loads(line)["event"] for line in (tmp_path / "out" / "batch.jsonl").read_text().splitlines()]
    assert events == ["started", "done", "done", "done", "finished"]
    assert "3 done" in result.summary()


def test_nothing_changed_nothing_done(batch: Any, tmp_path: Path) -> None:
    batch(Teams({"a": 1, "b": 2}))
    before = tree(tmp_path / "out")
    teams = Teams({"a": 1, "b": 2})
    result = batch(teams)
    assert set(statuses(result).values()) == {"unchanged"} and result.exit_code == 0
    assert tree(tmp_path / "out") == before
    assert teams.packed == []  # not even packs were made


def test_fresh_makes_everything_again_with_the_same_bytes(batch: Any, tmp_path: Path) -> None:
    batch(Teams({"a": 1, "b": 2}))
    before = tree(tmp_path / "out")
    assert set(statuses(batch(Teams({"a": 1, "b": 2}), resume=False)).values()) == {"done"}
    assert tree(tmp_path / "out") == before


def test_only_the_team_whose_data_changed_is_made_again(batch: Any) -> None:
    batch(Teams({"a": 1, "b": 2, "c": 3}))
    assert statuses(batch(Teams({"a": 1, "b": 5, "c": 3}))) == {"a": "unchanged", "b": "done", "c": "unchanged"}


@pytest.mark.parametrize(
    "change", [{"parameters": {"pause_s": 0.01}}, {"seed": 1}, {"cells": (READ, SHOW, "1")}], ids=str
)
def test_template_parameters_and_seed_count(batch: Any, change: dict[str, Any]) -> None:
    batch(Teams({"a": 1}))
    cells = change.pop("cells", ())
    assert statuses(batch(Teams({"a": 1}), *cells, **change)) == {"a": "done"}
    assert statuses(batch(Teams({"a": 1}), *cells, **change)) == {"a": "unchanged"}


def test_other_code_makes_other_reports(batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.reporting import plan

    batch(Teams({"a": 1}))
    monkeypatch.setattr(plan, "code_digest", lambda: "another version")
    assert statuses(batch(Teams({"a": 1}))) == {"a": "done"}


def test_a_damaged_or_missing_report_is_made_again(batch: Any, tmp_path: Path) -> None:
    batch(Teams({"a": 1, "b": 2, "c": 3}))
    (tmp_path / "out" / "a" / "report.ipynb").write_text("{}")
    (tmp_path / "out" / "b" / "receipt.json").unlink()
    assert statuses(batch(Teams({"a": 1, "b": 2, "c": 3}))) == {"a": "done", "b": "done", "c": "unchanged"}


def test_a_failed_team_is_listed_and_the_others_are_made(batch: Any, tmp_path: Path) -> None:
    result = batch(Teams({"a": 1, "b": 2, "c": 3}), READ, "assert facts['team'] != 'b', 'no b'", SHOW)
    assert statuses(result) == {"a": "done", "b": "failed", "c": "done"} and result.exit_code == 1
    row = rows(result)["b"]
    assert row["error"] == "cell 4: AssertionError: no b" and not row["stale"] and row["attempts"] == 1
    assert row["failure"] == "raised" and row["said"] == "" and rows(result)["a"]["failure"] == ""
    log = [json.loads(line) for line in (tmp_path / "out" / "batch.jsonl").read_text().splitlines()]
    settled = {line["team_id"]: (line["event"], line["failure"]) for line in log if "failure" in line}
    assert settled["a"] == ("done", "") and ("failed", "raised") in settled.values()
    assert not (tmp_path / "out" / "b").exists()
    assert "b (b): failed: cell 4: AssertionError: no b" in batch_status(tmp_path / "out")


def test_a_failed_team_keeps_its_last_good_report_marked_stale(batch: Any, tmp_path: Path) -> None:
    first = batch(Teams({"a": 1, "b": 2}))
    before = tree(tmp_path / "out" / "b")
    result = batch(Teams({"a": 1, "b": 3}), READ, "assert facts['value'] != 3", SHOW)
    row = rows(result)["b"]
    assert row["status"] == "failed" and row["stale"] and result.manifest["totals"]["stale"] == 1
    assert row["made_at"] == rows(first)["b"]["made_at"] and row["outputs"] == rows(first)["b"]["outputs"]
    assert tree(tmp_path / "out" / "b") == before
    assert "marked stale" in batch_status(tmp_path / "out")
    again = batch(Teams({"a": 1, "b": 3}), READ, "assert facts['value'] != 3", SHOW)
    assert statuses(again) == {"a": "unchanged", "b": "failed"} and rows(again)["b"]["stale"]


def test_refused_is_not_failed(batch: Any) -> None:
    cell = "from analysis.errors import Refused\nraise Refused('two reps are too few')"
    result = batch(Teams({"a": 1}), READ, cell)
    assert statuses(result) == {"a": "refused"} and result.exit_code == 0
    row = rows(result)["a"]
    assert row["error"] == "cell 4: Refused: two reps are too few"
    assert row["failure"] == "refused" and row["said"] == "two reps are too few"


def test_what_the_data_lack_is_said_and_a_fault_of_the_page_is_told_from_one_of_a_cell(batch: Any) -> None:
    cell = "from analysis.errors import DataError\nraise DataError('there is no dated row')"
    row = rows(batch(Teams({"a": 1}), READ, cell))["a"]
    assert (row["status"], row["failure"], row["said"]) == ("failed", "data", "there is no dated row")
    shown = "from analysis.reporting.blocks import MIME\ndisplay({MIME: {'block': 'figure'}}, raw=True)"
    row = rows(batch(Teams({"a": 1}), READ, shown, formats=("html",)))["a"]
    assert (row["status"], row["failure"], row["said"]) == ("failed", "export", "")


def test_a_manifest_of_an_older_version_is_read_its_failures_of_unknown_kind(batch: Any, tmp_path: Path) -> None:
    batch(Teams({"a": 1, "b": 2}), READ, "assert facts['team'] != 'b'", SHOW)
    path = tmp_path / "out" / "manifest.json"
    older = json.loads(path.read_text())
    for row in older["teams"]:
        del row["failure"], row["said"]
    path.write_text(json.dumps(older))
    found = read_manifest(LocalStore(tmp_path / "out"))
    assert found is not None and {row["slug"]: row["failure"] for row in found["teams"]} == {"a": "", "b": "unknown"}


def test_some_teams_only(batch: Any) -> None:
    teams = {"a": 1, "b": 2, "c": 3}
    part = batch(Teams(teams), teams=["b"])
    assert statuses(part) == {"b": "done"} and not part.manifest["complete"]
    assert statuses(batch(Teams(teams))) == {"a": "done", "b": "unchanged", "c": "done"}
    again = batch(Teams(teams), teams=["a"])
    assert statuses(again) == {"a": "unchanged", "b": "unchanged", "c": "done"}  # lines of an earlier run stay
    with pytest.raises(InputError, match="no team 'd'"):
        batch(Teams(teams), teams=["d"])


def test_a_run_of_some_teams_does_not_vouch_for_the_others(batch: Any) -> None:
    batch(Teams({"a": 1, "b": 2}))
    batch(Teams({"a": 1, "b": 3}), teams=["a"])
    assert statuses(batch(Teams({"a": 1, "b": 3}))) == {"a": "unchanged", "b": "done"}


def test_one_report(tmp_path: Path, pool: WarmPool) -> None:
    result = run_report(
        "-", "b", tmp_path / "out", template=template(tmp_path), source=Teams({"a": 1, "b": 2}), formats=(),
        progress=False, scheduler=pool,
    )  # fmt: skip
    assert statuses(result) == {"b": "done"} and not (tmp_path / "out" / "a").exists()


def test_slugs_stay_when_teams_come(batch: Any, tmp_path: Path) -> None:
    batch(Teams({"t1": 1}, {"t1": "North"}))
    result = batch(Teams({"t1": 1, "t0": 2}, {"t1": "North", "t0": "north"}))
    assert rows(result)["t1"]["slug"] == "north" and rows(result)["t0"]["slug"].startswith("north-")
    assert statuses(result) == {"t1": "unchanged", "t0": "done"}


@pytest.mark.parametrize(
    ("options", "fault", "words"),
    [
        ({"parameters": {"teem": 1}}, ParameterError, "no parameter 'teem'"),
        ({"parameters": {"pause_s": "long"}}, ParameterError, "must be float"),
        ({"parameters": {"pause_s": 601.0}}, ParameterError, "must lie in"),
        ({"parameters": {"pack": "/etc"}}, ParameterError, "set by the batch"),
        ({"parameters": {"x; import os": 1}}, ParameterError, "no parameter"),
        ({"formats": ("docx",)}, InputError, "no format 'docx'"),
        ({"teams": ["z"]}, InputError, "no team 'z'"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_any_process_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], fault: type, words: str
) -> None:
    started = []
    monkeypatch.setattr(WarmPool, "submit", lambda self, job: started.append(job))
    with pytest.raises(fault, match=words):
        run_batch(
            "-", tmp_path / "out", template=template(tmp_path), source=Teams({"a": 1}), **{"progress": False, **options}
        )
    assert not started and not list(tmp_path.glob("out/*/"))


def test_templates_are_checked(tmp_path: Path) -> None:
    for text, fault in (
        ("{}", InputError),
        ("no json", InputError),
        (notebook("1", parameters="x: int = 1"), ParameterError),
    ):
        path = tmp_path / "bad.ipynb"
        path.write_text(text)
        with pytest.raises(fault):
            run_batch("-", tmp_path / "out", template=path, source=Teams({"a": 1}))
    with pytest.raises(InputError, match="no report template"):
        run_batch("-", tmp_path / "out", template="../../etc/passwd", source=Teams({"a": 1}))


def test_no_data_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no data folder"):
        run_batch(tmp_path / "nothing", tmp_path / "out", template=template(tmp_path), progress=False)
    with pytest.raises(InputError, match=r"holds no manifest\.json"):
        batch_status(tmp_path / "out")


def test_a_held_folder_is_refused(tmp_path: Path, batch: Any) -> None:
    store = LocalStore(tmp_path / "out")
    store.prepare()
    with store.lock(), pytest.raises(Busy, match="Another batch"):
        batch(Teams({"a": 1}))
    assert statuses(batch(Teams({"a": 1}))) == {"a": "done"}


def test_a_team_without_a_pack_fails_alone(batch: Any) -> None:
    from analysis.errors import DataError

    class Holed(Teams):
        def pack(self, team_id: str) -> Any:
            if team_id == "a":
                raise DataError("rows of another team")
            return super().pack(team_id)

    result = batch(Holed({"a": 1, "b": 2}))
    assert statuses(result) == {"a": "failed", "b": "done"} and rows(result)["a"]["error"] == "rows of another team"
    assert rows(result)["a"]["failure"] == "data" and rows(result)["a"]["said"] == "rows of another team"


def test_limits_are_those_asked_for(batch: Any) -> None:
    result = batch(Teams({"a": 1}), READ, "while True: pass", limits=Limits(seconds=6.0))
    assert rows(result)["a"]["error"] == "stopped at its limit of 6 s while cell 4 ran"


def test_a_mangled_manifest_is_no_obstacle(batch: Any, tmp_path: Path) -> None:
    for damage in (
        "",
        "[]",
        "{",
        '{"version": 1, "teams": 3}',
        '{"version": 1, "teams": [{}]}',
        '{"version": 1, "teams": [1]}',
    ):
        batch(Teams({"a": 1}))
        (tmp_path / "out" / "manifest.json").write_text(damage)
        assert set(statuses(batch(Teams({"a": 1}))).values()) == {"unchanged"}


def test_importing_the_batch_is_cheap() -> None:
    import subprocess
    import sys

    heavy = ("numpy", "pandas", "matplotlib", "nbformat", "papermill", "IPython", "rich", "distributed", "duckdb")
    code = f"import sys, analysis.reporting.batch; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
