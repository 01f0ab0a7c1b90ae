"""The door: what is wrong is named with file, line and remedy; no row is lost without a reason."""

import gzip
import json
import os
import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crm_tables import activities, company, opportunities, reps, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.crm import check, read
from analysis.crm.checking import write_quarantine
from analysis.crm.contract import TABLES
from analysis.crm.quarantine import Counts
from analysis.errors import AnalysisError, DataError

TODAY = date(2025, 6, 30)


def codes(folder: Path, **options: object) -> dict[tuple[str, str], str]:
    """(table, source id) -> reason code of every quarantined row; refusals by share switched off."""
    found = check(folder, max_quarantine_share=1.0, today=TODAY).crm.quarantine
    return {(row.table, row.source_id): row.code for row in found.itertuples()}


# ---- what is right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_clean_folder_is_read_whole_with_contract_types(tmp_path: Path, form: str):
    crm = read(company(tmp_path, form), today=TODAY)
    assert crm.tables() == ("reps", "teams", "activities", "opportunities")
    assert crm.counts["kept"].tolist() == [4, 2, 800, 60]
    assert crm.quarantine.empty
    for table in crm.tables():
        frame = crm.frame(table)
        assert {name: str(kind) for name, kind in frame.dtypes.items()} == {
            name: TABLES[table].columns[name].dtype for name in frame.columns
        }
    assert crm.frame("reps")["rep_id"].tolist() == ["007", "008", "009", "010"]
    assert not crm.has("credits")
    assert not crm.has("activities", "contact_level")
    assert "contact_level" not in crm.frame("activities")


def test_csv_and_parquet_give_the_same_frames(tmp_path: Path):
    csv = read(company(tmp_path / "c", "csv"), today=TODAY)
    parquet = read(company(tmp_path / "p", "parquet"), today=TODAY)
    for table in csv.tables():
        pd.testing.assert_frame_equal(csv.frame(table), parquet.frame(table), check_like=True)


def test_clean_parquet_is_used_where_it_lies_and_the_folder_is_not_written_to(tmp_path: Path):
    folder = company(tmp_path, "parquet")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir())
    crm = read(folder, today=TODAY)
    assert crm.files("activities") == [folder / "activities.parquet"]
    assert sorted((path.name, path.stat().st_mtime_ns) for path in folder.iterdir()) == before


def test_partitions_are_one_table_in_name_order(tmp_path: Path):
    folder = company(tmp_path, "parquet")
    whole = pd.read_parquet(folder / "activities.parquet")
    (folder / "activities.parquet").unlink()
    for part, rows in enumerate(np.array_split(np.arange(len(whole)), 3)):
        piece = whole.iloc[rows]
        if part == 2:
            piece = piece.drop(columns="duration_s")  # an older export lacked the column
        (folder / "activities" / f"year={part}").mkdir(parents=True)
        piece.to_parquet(folder / "activities" / f"year={part}" / "x.parquet", index=False)
    crm = read(folder, today=TODAY)
    frame = crm.frame("activities")
    assert frame["activity_id"].tolist() == whole["activity_id"].tolist()
    assert frame["duration_s"].isna().sum() == len(np.array_split(np.arange(len(whole)), 3)[2])


def test_hostile_folder_names_are_only_names(tmp_path: Path):
    company(tmp_path / "d1", "parquet", activities=activities([("007", "call", "2024-01-02")]))
    for name in ("d[1]", "d?", "d*", "d'; DROP TABLE reps; --"):
        crm = read(company(tmp_path / name, "parquet"), today=TODAY)
        assert len(crm.frame("activities")) == 800


def test_defaults_fill_empty_cells_and_only_those(tmp_path: Path):
    acts = activities(
        [("007", "call", "2024-01-02", "planned", None), ("007", "call", "2024-01-02", None, "bulk")],
        "rep_id kind occurred_on status origin",
    )
    frame = read(company(tmp_path, activities=acts), today=TODAY).frame("activities")
    assert frame["status"].tolist() == ["planned", "done"]
    assert frame["origin"].tolist() == ["human", "bulk"]


def test_typed_forms_of_csv_values(tmp_path: Path):
    acts = activities(
        [
            ("007", "call", "2024-02-29", "2024-02-29T10:00:00+02:00", "1", "TRUE"),
            ("007", "call", "2024-02-29 00:00:00", "2024-02-29 08:00", "2.0", "no"),
            ("007", "call", "2024-02-29", "2024-02-29T08:00:00.5Z", "", ""),
        ],
        "rep_id kind occurred_on occurred_at duration_s is_meaningful",
    )
    frame = read(company(tmp_path, activities=acts), today=TODAY).frame("activities")
    assert [str(moment) for moment in frame["occurred_at"]] == [
        "2024-02-29 08:00:00+00:00",
        "2024-02-29 08:00:00+00:00",
        "2024-02-29 08:00:00.500000+00:00",
    ]
    assert frame["duration_s"].tolist() == [1, 2, pd.NA]
    assert frame["is_meaningful"].tolist() == [True, False, pd.NA]


def test_equal_data_have_equal_fingerprints_and_different_data_do_not(tmp_path: Path):
    one, two = read(company(tmp_path / "x"), today=TODAY), read(company(tmp_path / "y"), today=TODAY)
    assert one.fingerprint == two.fingerprint
    assert read(company(tmp_path / "z", seed=1), today=TODAY).fingerprint != one.fingerprint


def test_the_work_folder_goes_with_the_data(tmp_path: Path):
    crm = read(company(tmp_path), today=TODAY)
    work = crm.files("activities")[0].parent
    assert work.is_dir()
    del crm
    assert not work.exists()


def test_a_forked_child_does_not_take_the_work_folder_away(tmp_path: Path):
    crm = read(company(tmp_path), today=TODAY)
    child = os.fork()
    if child == 0:
        try:
            crm._work._finalizer()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert len(crm.frame("activities")) == 800


# ---- damaged files: refused with file, line and remedy -----------------------------------------------------------------

HEAD = b"rep_id,team_id\n"
DAMAGED = {
    "empty": (b"", "empty"),
    "header only": (HEAD, "no rows"),
    "no columns": (b"\n\n", "first line"),
    "truncated in a row": (HEAD + b"007,a\n008", "line 3.*truncated"),
    "truncated in a quote": (HEAD + b'007,a\n008,"b', "line 3.*never closed"),
    "NUL": (HEAD + b"007,a\n008,b\0\n", "line 3.*NUL"),
    "Latin-1": (HEAD + b"007,a\n008,b\n009,Z\xfcrich\n", "line 4.*UTF-8"),
    "cut in a character": (HEAD + "007,é".encode()[:-1], "line 2.*UTF-8|line 2.*character"),
    "UTF-16": ("rep_id,team_id\n007,a\n".encode("utf-16"), "UTF-16"),
    "CR only": (b"rep_id,team_id\r007,a\r008,b\r", "CR only"),
    "doubled quotes": (b'rep_id,team_id\n""007"",""a""\n', "line 2.*quote"),
    "too many fields": (HEAD + b"007,a\n008,b,c\n009,a\n", "line 3.*3 fields where the header has 2"),
    "too few fields": (HEAD + b"007,a\n008\n009,a\n", "line 3.*1 fields where the header has 2"),
    "semicolons": (b"rep_id;team_id\n007;a\n", "line 1.*';'"),
    "doubled column": (b"rep_id,team_id,team_id\n007,a,a\n", "line 1.*team_id appears twice"),
    "nameless column": (b"rep_id,team_id,\n007,a,a\n", "line 1.*no name"),
    "missing column": (b"rep_id,team\n007,a\n", "line 1.*team_id missing; found rep_id, team"),
    "html": (b"<html><body>Sign in, please</body></html>\n", "line 1.*missing"),
    "gzip": (gzip.compress(HEAD + b"007,a\n" * 50, mtime=0), "line 1.*(NUL|UTF-8)"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", DAMAGED)
def test_a_damaged_csv_is_named_with_its_line(tmp_path: Path, fault: str):
    content, expected = DAMAGED[fault]
    folder = company(tmp_path)
    (folder / "reps.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"(?s)reps\.csv.*") as caught:
        read(folder, today=TODAY)
    assert pytest.importorskip("re").search(expected, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_byte_order_mark_and_windows_line_ends_are_no_damage(tmp_path: Path):
    folder = company(tmp_path)
    (folder / "reps.csv").write_bytes(b"\xef\xbb\xbf" + b"rep_id,team_id\r\n007,a\r\n008,b\r\n009,a\r\n010,b\r\n")
    assert len(read(folder, today=TODAY).frame("reps")) == 4


@pytest.mark.faults
@pytest.mark.parametrize("cut", [0, 3, 200, 4000])
def test_a_damaged_parquet_file_is_named(tmp_path: Path, cut: int):
    folder = company(tmp_path, "parquet")
    path = folder / "activities.parquet"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"activities\.parquet .*export it again"):
        read(folder, today=TODAY)


@pytest.mark.faults
def test_a_parquet_file_damaged_in_the_middle_is_named(tmp_path: Path):
    folder = company(tmp_path, "parquet")
    path = folder / "activities.parquet"
    content = bytearray(path.read_bytes())
    content[100:3000] = b"\xff" * 2900
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"activities\.parquet"):
        read(folder, today=TODAY)


def test_missing_tables_are_named(tmp_path: Path):
    with pytest.raises(DataError, match="no such data folder"):
        read(tmp_path / "nowhere")
    write(tmp_path, reps=reps())
    with pytest.raises(DataError, match=r"activities\.csv or activities\.parquet, opportunities\.csv.*found reps"):
        read(tmp_path)
    with pytest.raises(DataError, match="is a file"):
        read(tmp_path / "reps.csv")


def test_a_table_in_two_forms_is_refused(tmp_path: Path):
    folder = company(tmp_path)
    write(folder, "parquet", reps=reps())
    with pytest.raises(DataError, match=r"reps\.csv and reps\.parquet both hold reps"):
        read(folder, today=TODAY)


@pytest.mark.parametrize(
    ("table", "column", "values", "expected"),
    [
        ("reps", "rep_id", [7, 8, 9, 10], "ids are text"),
        ("reps", "team_id", [["a"], ["b"], ["a"], ["b"]], "Python objects or nested values"),
        ("reps", "rep_id", [b"\x00", b"1", b"2", b"3"], "Python objects or nested values"),
        ("reps", "hired_on", [20240101, 20240102, 20240103, 20240104], "must be a date"),
        ("reps", "name", [1.5, 2.5, 3.5, 4.5], "must be text"),
        ("reps", "left_on", pd.to_datetime(["2024-01-01T00:00Z"] * 4), "must be a date"),
    ],
)
def test_a_parquet_column_of_the_wrong_type_is_named(
    tmp_path: Path, table: str, column: str, values: object, expected: str
):
    folder = company(tmp_path, "parquet")
    pd.read_parquet(folder / f"{table}.parquet").assign(**{column: values}).to_parquet(folder / f"{table}.parquet")
    with pytest.raises(DataError, match=rf"{table}\.parquet: column {column} is .*{expected}"):
        read(folder, today=TODAY)


@pytest.mark.faults
def test_pickles_and_yaml_are_never_loaded(tmp_path: Path):
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "owned",)

    folder = company(tmp_path / "data")
    for name in ("quotas.pkl", "quotas.pickle", "leads.parquet.pkl", "campaigns"):
        (folder / name).write_bytes(pickle.dumps(Trap())) if name != "campaigns" else None
    (folder / "holidays.yaml").write_text("!!python/object/apply:os.system ['touch owned']")
    crm = read(folder, today=TODAY)
    assert crm.tables() == ("reps", "teams", "activities", "opportunities")
    (folder / "quotas.parquet").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DataError, match=r"quotas\.parquet is not a readable parquet file"):
        read(folder, today=TODAY)
    assert not (tmp_path / "owned").exists()


# ---- rows that break a rule -------------------------------------------------------------------------------------------


def test_rules_between_columns_of_a_deal(tmp_path: Path):
    deals = opportunities(
        [
            ("007", "2024-01-01", "won", "2024-02-01", 10.0),
            ("007", "2024-01-01", "won", "2024-02-01", None),
            ("007", "2024-01-01", "won", None, 10.0),
            ("007", "2024-01-01", "lost", None, None),
            ("007", "2024-03-01", "lost", "2024-02-01", None),
            ("007", "2024-01-01", "lost", "2025-09-01", None),
            ("007", "2024-01-01", "open", "2025-09-01", None),
            ("007", "2025-09-01", "open", None, None),
            ("007", "2024-01-01", "Won", "2024-02-01", 10.0),
            ("007", "2024-01-01", "won", "2024-02-01", -1.0),
            ("007", "1970-01-01", "open", None, None),
            ("007", None, "open", None, None),
            ("999", "2024-01-01", "open", None, None),
        ]
    )
    assert codes(company(tmp_path, opportunities=deals)) == {
        ("opportunities", "o1"): "won_without_amount",
        ("opportunities", "o2"): "closed_without_date",
        ("opportunities", "o3"): "closed_without_date",
        ("opportunities", "o4"): "closed_before_created",
        ("opportunities", "o5"): "future_date",
        ("opportunities", "o7"): "future_date",
        ("opportunities", "o8"): "unknown_word",
        ("opportunities", "o9"): "negative",
        ("opportunities", "o10"): "implausible_date",
        ("opportunities", "o11"): "null_required",
        ("opportunities", "o12"): "orphan",
    }


def test_rules_of_activities(tmp_path: Path):
    acts = activities(
        [
            ("007", "call", "2024-01-02", "10", "done"),
            ("007", "call", "2024-01-02", "-1", "done"),
            ("007", "call", "2024-13-02", "10", "done"),
            ("007", "call", "02/01/2024", "10", "done"),
            ("007", "call", "2025-09-01", "10", "done"),
            ("007", "call", "2025-09-01", "10", "planned"),
            ("007", None, "2024-01-02", "10", "done"),
            ("007", "call", "2024-01-02", "ten", "done"),
            ("07", "call", "2024-01-02", "10", "done"),
            ("007", "call", "2025-09-01", "10", None),
        ],
        "rep_id kind occurred_on duration_s status",
    )
    folder = company(tmp_path, activities=acts)
    assert codes(folder) == {
        ("activities", "a1"): "negative",
        ("activities", "a2"): "wrong_type",
        ("activities", "a3"): "wrong_type",
        ("activities", "a4"): "future_date",
        ("activities", "a6"): "null_required",
        ("activities", "a7"): "wrong_type",
        ("activities", "a8"): "orphan",
        ("activities", "a9"): "future_date",
    }
    found = check(folder, max_quarantine_share=1.0, today=TODAY).crm.quarantine.set_index("source_id")
    assert (
        found.loc["a2", "reason"]
        == "occurred_on: '2024-13-02' is not of type date; occurred_on: a required cell is empty"
    )
    assert found.loc["a2", "row"] == 3
    assert found.loc["a2", "file"] == "activities.csv"


def test_doubled_keys_keep_the_first_and_drop_only_the_identical(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02")] * 5).assign(activity_id=["a", "a", "b", "b", "c"])
    acts.loc[3, "kind"] = "email"
    crm = check(company(tmp_path, activities=acts), max_quarantine_share=1.0, today=TODAY).crm
    counts = crm.counts.set_index("table").loc["activities"]
    assert counts.to_dict() == {"read": 5, "kept": 3, "quarantined": 1, "dropped": 1}
    assert crm.quarantine[["source_id", "row", "code"]].to_numpy().tolist() == [["b", 4, "duplicate_key"]]
    assert crm.frame("activities")["kind"].tolist() == ["call", "call", "call"]


def test_credits_spells_and_periods(tmp_path: Path):
    deals = opportunities([("007", "2024-01-01", "won", "2024-02-01", 10.0)] * 3)
    shares = pd.DataFrame(
        {"opportunity_id": ["o0", "o0", "o1", "o1", "o2"], "rep_id": ["007", "008"] * 2 + ["999"]}
    ).assign(share=[0.25, 0.75, 0.6, 0.6, 1.0])
    spells = pd.DataFrame(
        [("007", "a", "2024-01-01", "2024-03-01"), ("007", "b", "2024-02-01", None), ("007", "b", "2024-03-01", None)],
        columns=["rep_id", "team_id", "valid_from", "valid_to"],
    )
    away = pd.DataFrame({"rep_id": ["007"], "from_date": ["2024-01-09"], "to_date": ["2024-01-09"]})
    folder = company(tmp_path, opportunities=deals, credits=shares, memberships=spells, absences=away)
    found = check(folder, max_quarantine_share=1.0, today=TODAY).crm.quarantine
    assert found[["table", "row", "code"]].to_numpy().tolist() == [
        ["memberships", 2, "overlapping_membership"],
        ["credits", 3, "credits_do_not_sum"],
        ["credits", 4, "credits_do_not_sum"],
        ["credits", 5, "orphan"],
        ["absences", 1, "ends_before_start"],
    ]
    assert "sum to 1.2" in found["reason"][1]


def test_rows_of_a_quarantined_rep_are_orphans(tmp_path: Path):
    people = reps()
    people.loc[0, "team_id"] = "nowhere"
    folder = company(tmp_path, reps=people)
    crm = check(folder, max_quarantine_share=1.0, today=TODAY).crm
    assert set(crm.frame("activities")["rep_id"]) == {"008", "009", "010"}
    assert (crm.counts["read"] == crm.counts["kept"] + crm.counts["quarantined"] + crm.counts["dropped"]).all()


def test_optional_references_that_point_nowhere_keep_the_row_and_warn(tmp_path: Path):
    acts = activities(
        [("007", "call", "2024-01-02", "o0"), ("007", "call", "2024-01-03", "gone")],
        "rep_id kind occurred_on opportunity_id",
    )
    crm = read(company(tmp_path, activities=acts), today=TODAY)
    assert len(crm.frame("activities")) == 2
    assert crm.warnings == (
        "activities.opportunity_id: 1 rows point to no row of opportunities; the rows are kept, the link is not used",
    )


@pytest.mark.faults
def test_over_the_threshold_the_read_refuses_and_names_the_causes(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02")] * 94 + [("999", "call", "2024-01-02")] * 6)
    folder = company(tmp_path, activities=acts)
    with pytest.raises(DataError, match=r"activities: 6 of 100 rows \(6\.0%\) .*orphan 6.*5\.0% allowed"):
        read(folder, today=TODAY)
    assert len(read(folder, max_quarantine_share=0.06, today=TODAY).frame("activities")) == 94
    report = check(folder, today=TODAY)
    assert report.exit_code == 2
    assert report.refusal is not None


def test_a_table_of_which_nothing_is_left_is_refused_whatever_the_threshold(tmp_path: Path):
    acts = activities([("999", "call", "2024-01-02")] * 3)
    with pytest.raises(DataError, match="3 of 3 rows"):
        read(company(tmp_path, activities=acts), max_quarantine_share=1.0, today=TODAY)


def test_counts_that_do_not_add_up_cannot_be_made():
    with pytest.raises(AssertionError, match="does not add up"):
        Counts("reps", 10, 8, 1, 0)


# ---- one team's rows ---------------------------------------------------------------------------------------------------


def test_a_team_sees_what_its_reps_did_while_they_were_in_it(tmp_path: Path):
    spells = pd.DataFrame(
        [("007", "a", "2024-01-01", "2024-02-01"), ("007", "b", "2024-02-01", None), ("008", "b", "2024-01-01", None)],
        columns=["rep_id", "team_id", "valid_from", "valid_to"],
    )
    acts = activities(
        [
            ("007", "call", "2023-12-31"),
            ("007", "call", "2024-01-31"),
            ("007", "call", "2024-02-01"),
            ("009", "call", "2024-01-05"),
        ]
    )
    deals = opportunities(
        [
            ("007", "2024-01-02", "won", "2024-01-31", 1.0),
            ("007", "2024-01-02", "won", "2024-02-01", 2.0),
            ("007", "2024-01-02", "open", None, 3.0),
        ]
    )
    shares = pd.DataFrame({"opportunity_id": ["o0", "o0"], "rep_id": ["007", "008"], "share": [0.5, 0.5]})
    moves = pd.DataFrame(
        {"opportunity_id": ["o0", "o1"], "changed_at": ["2024-01-03T00:00Z"] * 2, "to_stage": ["s", "s"]}
    )
    quotas = pd.DataFrame(
        [
            ("a", "team", "2024-01-01", "2024-04-01", 9.0),
            ("007", "rep", "2024-01-01", "2024-04-01", 5.0),
            ("007", "rep", "2024-04-01", "2024-07-01", 6.0),
        ],
        columns=["owner_id", "level", "period_start", "period_end", "amount"],
    )
    days = pd.DataFrame({"date": ["2024-01-01", "2024-05-01"], "team_id": [None, "b"]})
    more = {"memberships": spells, "activities": acts, "opportunities": deals, "credits": shares}
    crm = read(company(tmp_path, **more, stage_changes=moves, quotas=quotas, holidays=days), today=TODAY)
    assert crm.frame("activities", "a")["activity_id"].tolist() == ["a0", "a1", "a3"]
    assert crm.frame("activities", "b")["activity_id"].tolist() == ["a2"]
    assert crm.frame("opportunities", "a")["opportunity_id"].tolist() == ["o0"]
    assert crm.frame("opportunities", "b")["opportunity_id"].tolist() == ["o1", "o2"]
    assert crm.frame("credits", "b")["rep_id"].tolist() == ["008"]
    assert crm.frame("stage_changes", "a")["opportunity_id"].tolist() == ["o0"]
    assert crm.frame("quotas", "a")["amount"].tolist() == [9.0, 5.0]
    assert crm.frame("quotas", "b")["amount"].tolist() == [6.0]
    assert len(crm.frame("holidays", "a")) == 1
    assert crm.frame("teams", "a")["team_id"].tolist() == ["a"]
    assert crm.frame("memberships", "b")["rep_id"].tolist() == ["007", "008"]
    assert set(crm.frame("reps", "b")["rep_id"]) == {"007", "008", "010"}


def test_a_team_named_like_code_is_only_a_name(tmp_path: Path):
    crm = read(company(tmp_path), today=TODAY)
    assert crm.frame("activities", "a' OR '1'='1").empty


def test_every_activity_belongs_to_exactly_one_team(tmp_path: Path):
    crm = read(company(tmp_path), today=TODAY)
    parts = [crm.frame("activities", team) for team in ("a", "b")]
    assert sorted(pd.concat(parts)["activity_id"]) == sorted(crm.frame("activities")["activity_id"])


# ---- the report --------------------------------------------------------------------------------------------------------


def test_the_report_says_what_it_found_and_shows_markup_as_text(tmp_path: Path):
    from rich.console import Console

    acts = activities([("007", "call", "2024-01-02")] * 99 + [("[red]x", "call", "2024-01-02")])
    report = check(company(tmp_path, activities=acts), today=TODAY)
    content = json.loads(report.as_json())
    assert content["tables"][2] == {"table": "activities", "read": 100, "kept": 99, "quarantined": 1, "dropped": 0}
    assert content["quarantine"] == [{"table": "activities", "code": "orphan", "rows": 1}]
    assert content["refusal"] is None
    console = Console(width=160, record=True, file=(tmp_path / "out.txt").open("w"))
    console.print(report)
    text = console.export_text()
    assert "Not recorded in these data" in text
    assert "These data can be studied." in text


def test_quarantine_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    acts = activities([("007", "call", "2024-01-02")] * 99 + [("999", "call", "2024-01-02")])
    report = check(company(tmp_path / "data", activities=acts), today=TODAY)
    target = tmp_path / "out" / "quarantine.parquet"
    write_quarantine(report, target)
    assert pd.read_parquet(target).columns.tolist() == ["table", "file", "row", "source_id", "code", "reason"]
    before = target.read_bytes()

    def full_disk(frame: pd.DataFrame, path: str, **_: object) -> None:
        Path(path).write_bytes(b"PAR1 half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_quarantine(report, target)
    assert target.read_bytes() == before
    assert [path.name for path in target.parent.iterdir()] == ["quarantine.parquet"]


# ---- any bytes, any cells ----------------------------------------------------------------------------------------------

BYTES = st.one_of(
    st.binary(max_size=200),
    st.text('rep_id,team\n\r"07a;\0é', max_size=120).map(lambda text: HEAD + text.encode()),
    st.lists(st.tuples(st.text("07ab \"',\n", max_size=5), st.text('ab\n",', max_size=4)), max_size=6).map(
        lambda rows: HEAD + pd.DataFrame(rows, columns=["r", "t"]).to_csv(index=False, header=False).encode()
    ),
)
QUICK = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return company(tmp_path_factory.mktemp("any"))


@QUICK
@given(content=BYTES)
def test_any_bytes_are_read_or_refused_in_one_sentence(scratch: Path, content: bytes):
    (scratch / "reps.csv").write_bytes(content)
    try:
        crm = check(scratch, max_quarantine_share=1.0, today=TODAY).crm
    except AnalysisError as error:
        assert "reps.csv" in str(error)
        assert "\n" not in str(error)
    else:
        assert (crm.counts["read"] == crm.counts["kept"] + crm.counts["quarantined"] + crm.counts["dropped"]).all()


CELL = st.one_of(
    st.none(),
    st.sampled_from(
        ["o0", "007", "won", "open", "2024-01-05", "2024-02-30", "1e9", "-3", "nan", "inf", "x,y", '"', "9" * 30]
    ),
)


@QUICK
@given(rows=st.lists(st.tuples(*[CELL] * 7), min_size=1, max_size=12))
def test_any_cells_are_kept_or_quarantined_with_a_reason(scratch: Path, rows: list[tuple]):
    names = ["opportunity_id", "rep_id", "created_on", "stage", "status", "closed_on", "amount"]
    write(scratch, reps=reps(), opportunities=pd.DataFrame(rows, columns=names))
    crm = check(scratch, max_quarantine_share=1.0, today=TODAY).crm
    counts = crm.counts.set_index("table").loc["opportunities"]
    assert counts["read"] == len(rows)
    assert counts["read"] == counts["kept"] + counts["quarantined"] + counts["dropped"]
    apart = crm.quarantine.query("table == 'opportunities'")
    assert len(apart) == counts["quarantined"]
    assert (apart["reason"].str.len() > 0).all()
    kept = crm.frame("opportunities")
    assert kept["opportunity_id"].is_unique
    assert kept[["rep_id", "created_on", "stage", "status"]].notna().all().all()
    assert np.isfinite(kept["amount"].dropna()).all()
    assert kept.query("status == 'won'")["amount"].notna().all()


def test_no_engine_draws_a_progress_bar_on_stdout(tmp_path: Path):
    """DuckDB draws one into whatever a slow query's process prints, unless it is told not to."""
    from analysis.crm import sql
    from analysis.crm.importers.database import connect_duckdb
    from analysis.crm.importers.landing import open_engine

    asked = "SELECT current_setting('enable_progress_bar')"
    with sql.connection() as database:
        assert sql.one(database, asked) == (False,)
    engine = open_engine(tmp_path)
    assert sql.one(engine, asked) == (False,)
    engine.close()
    source = connect_duckdb(tmp_path / "work.duckdb")()
    assert sql.one(source, asked) == (False,)
    source.close()
