"""The company's reports in a batch: one more job each, made like a team's, from a pack that no team's report can reach."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from batch_tools import PARAMETERS, READ, SHOW, Teams, notebook

from analysis.reporting import company_reports, sandbox
from analysis.reporting.batch import BatchResult, batch_status, run_batch
from analysis.reporting.pack import unpack
from analysis.reporting.pool import WarmPool
from analysis.reporting.sources import DataFolder

CANARY = "of-the-whole-company"


class Company(Teams):
    """Made-up teams with a pack of the company."""

    def __init__(self, *arguments: Any, word: str = CANARY, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.word = word
        self.key += word

    def company_pack(self) -> Mapping[str, bytes]:
        """A word that no team may see."""
        self.packed.append("the company")
        return {"pack.json": json.dumps({"team": self.word, "value": 0}).encode(), "findings.parquet": b"all"}


@pytest.fixture(scope="module")
def pool() -> Iterator[WarmPool]:
    with WarmPool(2, warm=False) as made:
        yield made


@pytest.fixture
def batch(tmp_path: Path, pool: WarmPool, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a batch into tmp_path/out, by default with the company's reports; cells: of the teams' template."""

    def run(source: Teams, *cells: str, of_company: tuple[str, ...] = (READ, SHOW), **options: Any) -> BatchResult:
        paths = {name: tmp_path / f"{name}.ipynb" for name in ("team_report", "alignment", "leadership")}
        paths["team_report"].write_text(notebook(*(cells or (READ, SHOW)), parameters=PARAMETERS))
        for name in company_reports.REPORTS:
            paths[name].write_text(notebook(*of_company, parameters=PARAMETERS))
            monkeypatch.setitem(company_reports.REPORTS, name, str(paths[name]))
        options = {"formats": (), "progress": False, "scheduler": pool, **options}
        return run_batch("-", tmp_path / "out", template=paths["team_report"], source=source, **options)

    return run


def of_company(result: BatchResult) -> dict[str, str]:
    return {row["slug"]: row["status"] for row in result.manifest["company"]}


def test_they_are_made_published_and_listed_like_a_teams(batch: Any, tmp_path: Path) -> None:
    result = batch(Company({"a": 1, "b": 2}))
    assert result.exit_code == 0 and of_company(result) == {"alignment": "done", "leadership": "done"}
    for slug in ("alignment", "leadership"):
        assert CANARY in (tmp_path / "out" / slug / "report.ipynb").read_text()
        assert json.loads((tmp_path / "out" / slug / "receipt.json").read_text())["outputs"]
    rows = result.manifest["company"]
    assert all(row["kind"] == "company" and row["team_id"] == "" and row["fingerprint"] for row in rows)
    assert [row["kind"] for row in result.manifest["teams"]] == ["team", "team"]
    assert result.manifest["totals"]["teams"] == 2 and "leadership done" in result.summary()


def test_unchanged_data_make_no_company_pack(batch: Any) -> None:
    batch(Company({"a": 1}))
    again = Company({"a": 1})
    assert of_company(batch(again)) == {"alignment": "unchanged", "leadership": "unchanged"} and again.packed == []
    changed = batch(Company({"a": 1}, word="something else"))
    assert of_company(changed) == {"alignment": "done", "leadership": "done"}


def test_they_come_with_all_teams_and_can_be_left_out(batch: Any, tmp_path: Path) -> None:
    assert of_company(batch(Company({"a": 1, "b": 2}), teams=["a"])) == {}
    assert of_company(batch(Company({"a": 1, "b": 2}), company=False)) == {}
    assert of_company(batch(Teams({"a": 1, "b": 2}))) == {}  # a source that has no company to show
    assert not (tmp_path / "out" / "leadership").exists()
    assert of_company(batch(Company({"a": 1, "b": 2}), teams=["a"], company=True, resume=False)) == {
        "alignment": "done",
        "leadership": "done",
    }
    kept = batch(Company({"a": 1, "b": 2}), teams=["b"], resume=False)  # not asked for this time: their lines stay
    assert of_company(kept) == {"alignment": "done", "leadership": "done"}


def test_one_that_fails_is_a_failure_and_keeps_its_last_good_report(batch: Any, tmp_path: Path) -> None:
    batch(Company({"a": 1}))
    good = (tmp_path / "out" / "leadership" / "report.ipynb").read_bytes()
    result = batch(Company({"a": 1}, word="newer"), of_company=("raise RuntimeError('no company')",))
    assert result.exit_code == 1 and of_company(result) == {"alignment": "failed", "leadership": "failed"}
    assert [row["status"] for row in result.manifest["teams"]] == ["unchanged"]
    assert (tmp_path / "out" / "leadership" / "report.ipynb").read_bytes() == good
    assert all(row["stale"] for row in result.manifest["company"])
    assert "no company" in batch_status(tmp_path / "out")


def test_the_front_page_links_to_them(batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis.reporting.index import write
    from analysis.reporting.publish import open_store

    manifest = dict(batch(Company({"a": 1})).manifest)
    for row in manifest["company"]:
        row["outputs"] = {"report.html": "0" * 64}
    write(manifest, open_store(tmp_path / "out"))
    page = (tmp_path / "out" / "index.html").read_text()
    assert 'href="leadership/report.html"' in page and 'href="alignment/report.html"' in page


SEARCH = """
import os
from pathlib import Path
found = []
for top in ("..", "../..", "/tmp", "/proc"):
    for folder, _, names in os.walk(top, onerror=lambda fault: None):
        for name in names:
            if name == "pack.json":
                try:
                    found.append(Path(folder, name).read_text())
                except OSError:
                    pass
str(found)
"""


@pytest.mark.faults
@pytest.mark.skipif(not sandbox.landlock_version(), reason="this kernel has no Landlock")
def test_a_teams_report_cannot_reach_the_companys_pack(batch: Any, tmp_path: Path) -> None:
    # The company's reports run beside the teams' and hold still until these have looked.
    waiting = (READ, "import time; time.sleep(6)", SHOW)
    with WarmPool(4, warm=False) as four:
        result = batch(Company({"a": 1, "b": 2}), READ, SEARCH, of_company=waiting, scheduler=four)
    assert result.exit_code == 0 and set(of_company(result).values()) == {"done"}
    for slug in ("a", "b"):
        assert CANARY not in "\n".join(p.read_text(errors="replace") for p in (tmp_path / "out" / slug).iterdir())


def test_a_team_may_be_called_company(tmp_path: Path) -> None:
    from analysis.crm.simulate import simulate

    simulate(tmp_path / "data", "demo", seed=1, teams=2, reps_per_team=6, weeks=60)
    for path in (tmp_path / "data").glob("*.parquet"):
        frame = pd.read_parquet(path)
        for column in {"team_id", "owner_id"} & set(frame):
            frame[column] = frame[column].where(frame[column] != "T001", "company")
        frame.to_parquet(path, index=False)
    source = DataFolder(tmp_path / "data")
    source.study_files(lambda _: None)
    mine, other = (unpack(source.pack(team)) for team in ("company", "T002"))
    source.close()
    assert set(mine.details["scopes"]) == {"", "company"} and set(other.details["scopes"]) == {"", "T002"}
    assert mine.details["scopes"][""] == other.details["scopes"][""] != mine.details["scopes"]["company"]
    assert set(mine.findings["team_id"]) == {"", "company"} and set(other.findings["team_id"]) == {"", "T002"}
    result = run_batch(tmp_path / "data", tmp_path / "out", progress=False)
    assert result.exit_code == 0, result.summary()
    assert {row["team_id"]: row["status"] for row in result.manifest["teams"]} == {"company": "done", "T002": "done"}
