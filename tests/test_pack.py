"""A team's pack: its own rows, the company's aggregates, nothing of anybody else; equal data, equal bytes."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.crm.reading import read
from analysis.errors import DataError, InputError
from analysis.evidence.findings import COLUMNS, findings_csv, tabulate
from analysis.panel import Panel
from analysis.reporting.arrow import arrow, read_arrow
from analysis.reporting.cutting import Cutter
from analysis.reporting.pack import TeamPack, pack_files, unpack, with_previous
from analysis.reporting.sources import DataFolder

CANARY = "canary-7f3a"


def study(panel: Panel) -> Any:
    """A study of means, quick to make: one row for the company and one for each team, with notes that name teams."""
    rows = [{"scope": "company", "activity": "call", "effect": panel.frame["wins"].mean(), "grade": "D"}]
    rows += [
        {"scope": "team", "team_id": team, "activity": "call", "effect": part["wins"].mean(), "grade": "D"}
        for team, part in panel.frame.groupby("team_id")
    ]
    scopes = {name: {"n_reps": 1} for name in ("", *panel.teams)}
    reps = panel.frame.groupby("team_id")["rep_id"].first()
    details = {
        "seed": 0,
        "data": panel.fingerprint,
        "plan": {"max_lag": 8},
        "scopes": scopes,
        "refusals": dict.fromkeys(panel.teams, "thin"),
        "warnings": {"": ["all well"], **{team: [CANARY] for team in panel.teams}},
        "logging_breaks": [{"activity": "call", "rep_ids": list(reps)}],
    }
    return SimpleNamespace(findings=tabulate(rows), details=details)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated company with every table, people who move between teams and joiners."""
    from analysis.crm.simulate import simulate

    folder = tmp_path_factory.mktemp("company") / "data"
    simulate(folder, "turnover", seed=3, teams=3, reps_per_team=4, weeks=30)
    return folder


@pytest.fixture(scope="module")
def source(company: Path) -> Any:
    made = DataFolder(company, study=study)
    made.study_files(lambda _: None)
    yield made
    made.close()


def test_one_pass_cuts_the_same_rows_as_one_team_at_a_time(company: Path, tmp_path: Path) -> None:
    crm = read(company)
    cutter = Cutter(crm, tmp_path / "cut")
    teams = crm.frame("teams")["team_id"]
    assert len(teams) == 3
    for team in teams:
        cut = cutter.tables(team)
        assert set(cut) == set(crm.tables())
        files = {f"tables/{name}.arrow": content for name, content in cut.items()}
        pack = unpack({**minimal(team), **files})
        for name in crm.tables():
            pd.testing.assert_frame_equal(pack.tables[name], crm.frame(name, team_id=team), check_like=False)
    assert sum(len(unpack({**minimal(t), **{f"tables/{n}.arrow": c for n, c in cutter.tables(t).items()}})
               .tables["activities"]) for t in teams) == len(crm.frame("activities"))  # fmt: skip


def minimal(team: str) -> dict[str, bytes]:
    frame = pd.DataFrame({"rep_id": ["r"], "team_id": [team], "week": pd.to_datetime(["2026-11-09"]), "wins": [1.0]})
    panel = Panel(frame=frame, activities=(), outcomes=("wins",))
    return pack_files(TeamPack(team, team, "2026-11-09", panel, tabulate([])), {})


def test_no_row_of_another_team_is_in_a_pack(source: Any) -> None:
    """Every id of people, deals and teams in a pack is the team's own, in every file of it."""
    teams = list(source.teams())
    own = {team: unpack(source.pack(team)) for team in teams}
    for team, pack in own.items():
        others = [other for other in teams if other != team]
        assert set(pack.panel.frame["team_id"]) == {team}
        assert set(pack.findings["team_id"]) == {"", team}
        assert set(pack.tables["teams"]["team_id"]) == {team}
        text = json.dumps(pack.details)
        assert not [other for other in others if f'"{other}"' in text]
        mine = set(pack.panel.frame["rep_id"])
        assert {rep for each in pack.details["logging_breaks"] for rep in each["rep_ids"]} <= mine
        deals = set(pack.tables["opportunities"]["opportunity_id"])
        assert set(pack.tables["stage_changes"]["opportunity_id"]) <= deals
        for other in others:
            assert not deals & set(own[other].tables["opportunities"]["opportunity_id"])
            assert not set(pack.tables["activities"]["activity_id"]) & set(
                own[other].tables["activities"]["activity_id"]
            )
    assert CANARY in json.dumps(own[teams[0]].details) and "all well" in json.dumps(own[teams[0]].details)


def test_a_foreign_row_closes_the_last_door(source: Any) -> None:
    team, other = list(source.teams())[:2]
    pack, foreign = unpack(source.pack(team)), unpack(source.pack(other))
    mixed = pd.concat([pack.panel.frame, foreign.panel.frame.head(1)])
    with pytest.raises(DataError, match="another team in panel"):
        pack_files(replace(pack, panel=replace(pack.panel, frame=mixed)), {})
    with pytest.raises(DataError, match="another team in findings"):
        pack_files(replace(pack, findings=pd.concat([pack.findings, foreign.findings])), {})


def test_a_pack_is_what_it_was_made_from(source: Any) -> None:
    team = next(iter(source.teams()))
    pack = unpack(source.pack(team))
    panel = source._panel()
    expected = panel.frame[panel.frame["team_id"] == team].reset_index(drop=True)
    pd.testing.assert_frame_equal(pack.panel.frame, expected)
    assert pack.panel.activities == panel.activities and pack.currency == panel.currency
    assert list(pack.findings.columns) == list(COLUMNS) and len(pack.findings) == 2
    assert pack.name == source.teams()[team] and pack.previous is None
    assert pack.capabilities is not None and {"metric", "available", "missing"} <= set(pack.capabilities.columns)


def test_equal_data_gives_equal_bytes(company: Path, source: Any) -> None:
    again = DataFolder(company, study=study)
    try:
        again.study_files(lambda _: None)
        assert again.key == source.key
        for team in source.teams():
            assert again.pack(team) == source.pack(team)
    finally:
        again.close()


def test_the_study_is_read_back_only_for_the_same_source(company: Path, tmp_path: Path) -> None:
    made = []

    def counted(panel: Panel) -> Any:
        made.append(1)
        return study(panel)

    first = DataFolder(company, study=counted)
    files = dict(first.study_files(lambda _: None))
    pack = first.pack(next(iter(first.teams())))
    second = DataFolder(company, study=counted)
    assert second.study_files(files.get) == {} and len(made) == 1
    assert second.pack(next(iter(second.teams()))) == pack
    other_seed = DataFolder(company, study=counted, seed=1)
    assert other_seed.key != first.key and other_seed.study_files(files.get) and len(made) == 2
    tampered = {**files, "findings.parquet": files["findings.parquet"] + b" "}
    assert DataFolder(company, study=counted).study_files(tampered.get) and len(made) == 3


def test_text_that_a_spreadsheet_would_run_is_quoted(source: Any) -> None:
    """In CSV only; numbers, parquet and the names of the columns stay what they are."""
    pack = unpack(source.pack(next(iter(source.teams()))))
    evil = pack.findings.assign(sentence="=cmd|' /C calc'!A0", reason="@SUM(1)", effect=-1.5)
    text = findings_csv(evil).decode()
    assert "'=cmd" in text and "'@SUM" in text and ",-1.5," in text and "'-1.5" not in text
    assert text.splitlines()[0] == ",".join(COLUMNS)


def test_a_report_is_compared_with_the_one_before_it(source: Any) -> None:
    pack = dict(source.pack(next(iter(source.teams()))))
    assert with_previous(pack, {}) == pack
    receipt = json.dumps({"as_of": "2026-11-02", "previous_as_of": "2026-10-26"}).encode()
    older = {"receipt.json": receipt, "findings.parquet": minimal("t")["findings.parquet"]}
    assert unpack(with_previous(pack, older)).previous_as_of == "2026-11-02"
    same = {
        "receipt.json": receipt,
        "findings.parquet": pack["findings.parquet"],
        "previous.parquet": older["findings.parquet"],
    }
    again = unpack(with_previous(pack, same))
    assert again.previous_as_of == "2026-10-26" and again.previous is not None and len(again.previous) == 0


def test_what_is_no_pack_is_refused(tmp_path: Path, source: Any) -> None:
    from analysis.reporting.pack import load_pack

    with pytest.raises(DataError, match="not a team's pack"):
        load_pack(tmp_path)
    with pytest.raises(DataError, match="another version"):
        unpack({**minimal("t"), "pack.json": b'{"version": 99}'})
    with pytest.raises(InputError, match="no team"):
        source.pack("nobody")


def test_a_pickle_in_the_data_folder_is_never_opened(company: Path, tmp_path: Path) -> None:
    """An object that would act when loaded: it lies in the folder, counts for the key, and stays closed."""
    import pickle
    import shutil

    folder = tmp_path / "data"
    shutil.copytree(company, folder)

    class Trap:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "sprung",))

    (folder / "activities.pkl").write_bytes(pickle.dumps(Trap()))
    (folder / "panel.yaml").write_text(f"!!python/object/apply:os.mknod ['{tmp_path / 'sprung'}']\n")
    made = DataFolder(folder, study=study)
    made.study_files(lambda _: None)
    made.pack(next(iter(made.teams())))
    made.close()
    assert not (tmp_path / "sprung").exists()
    assert np.array_equal(made.key != DataFolder(company, study=study).key, True)


def test_what_lies_under_a_missing_value_is_not_written() -> None:
    """Arrow leaves in place whatever was there before: after a cut, another team's number."""
    secret, kept = 0x5EC12E7_5EC12E7, 41
    numbers = np.array([kept, secret], dtype="int64")
    for kind in (pa.int64(), pa.float64(), pa.timestamp("us"), pa.timestamp("us", tz="UTC")):
        hidden = pa.Array.from_buffers(kind, 2, [pa.py_buffer(b"\x01"), pa.py_buffer(numbers.tobytes())])
        assert hidden.null_count == 1
        table = pa.table({"value": pa.chunked_array([hidden])})
        written = arrow(table)
        assert numbers[1:].tobytes() not in written
        assert numbers[:1].tobytes() in written
        assert read_arrow(written).equals(table)
    flags = pa.Array.from_buffers(pa.bool_(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(b"\x03")])
    assert arrow(pa.table({"flag": flags})) == arrow(pa.table({"flag": pa.array([True, None])}))
