"""From the company to its CRM's export and back: simulate, import, check and study, by the commands a user types.

An import gives the direct folder's panel to the last bit, but for the names of the reps. The order of the names moves the
order of sums, so the findings are equal in every word, count and grade, and in every estimate to six or more digits.
"""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import crm as contract
from analysis import panel as panels
from analysis.cli import app
from analysis.crm.importers.privacy import load_key, pseudonym
from analysis.evidence.findings import COLUMNS

CRMS = ("salesforce", "hubspot")
SMALL = ("--teams", "3", "--reps-per-team", "6", "--weeks", "52", "--seed", "4")
DEMO = ("--teams", "12", "--reps-per-team", "8", "--weeks", "104", "--seed", "0")
USER_IDS = {"salesforce": "005{:012d}AAA", "hubspot": "1{:010d}"}
KEYS = ["scope", "team_id", "activity", "outcome"]
EXACT = ["n_reps", "n_weeks", "n_wins", "lag_from", "lag_to", "grade", "reason", "sentence"]
# Estimates come from sums over reps and from iterations that stop at 1e-8 of a log likelihood; p-values in the far tail
# magnify their last digits.
RELATIVE, ABSOLUTE = 1e-5, 1e-7


def workbench(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(part) for part in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def import_and_study(crm: str, folder: Path) -> Path:
    """import, check and study of folder/company; returns the data folder. The findings lie in folder/study."""
    company, data = folder / "company", folder / "data"
    workbench("import", crm, company / "export", data, "--config", company / "import.toml")
    assert "These data can be studied" in workbench("check", data, "--json", folder / "check.json")
    workbench("study", data, "--out", folder / "study")
    return data


def findings(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "study" / "findings.parquet").sort_values(KEYS, ignore_index=True)


def direct_company(folder: Path, size: tuple[str, ...]) -> Path:
    workbench("simulate", folder / "data", *size)
    workbench("study", folder / "data", "--out", folder / "study")
    return folder


def crm_company(folder: Path, crm: str, size: tuple[str, ...]) -> Path:
    workbench("simulate", folder / "company", "--as", crm, *size)
    return folder


@pytest.fixture(scope="module", autouse=True)
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "pseudonym.key"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_KEY_FILE", str(path))
        yield path


@pytest.fixture(scope="module")
def direct(tmp_path_factory):
    return direct_company(tmp_path_factory.mktemp("direct"), SMALL)


def assert_same_panel(direct: Path, data: Path, crm: str, key: Path) -> None:
    """Every column of every rep's every week to the bit, with notes, currency, cycle, late and advanced shares."""
    ours, through = panels.build(contract.read(direct / "data")), panels.build(contract.read(data))
    ids = {rep: USER_IDS[crm].format(int(rep[1:])) for rep in ours.frame["rep_id"].unique()}
    named = ours.frame["rep_id"].map({rep: pseudonym(load_key(key), number) for rep, number in ids.items()})
    frame = ours.frame.assign(rep_id=named.astype("str")).sort_values(["rep_id", "week"], ignore_index=True)
    renamed = dataclasses.replace(ours, frame=frame)
    pd.testing.assert_frame_equal(renamed.frame, through.frame, check_exact=True)
    assert renamed.fingerprint == through.fingerprint
    assert (ours.notes, ours.late, ours.advanced) == (through.notes, through.late, through.advanced)
    assert ours.cycle_days_p75 == through.cycle_days_p75


def assert_same_findings(direct: Path, other: Path) -> None:
    ours, theirs = findings(direct), findings(other)
    assert list(ours.columns) == list(theirs.columns) == list(COLUMNS)
    pd.testing.assert_frame_equal(ours[KEYS + EXACT], theirs[KEYS + EXACT], check_exact=True)
    for name in ours.columns.drop(KEYS + EXACT):
        a, b = (frame[name].to_numpy(dtype="float64", na_value=np.nan) for frame in (ours, theirs))
        np.testing.assert_allclose(a, b, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True, err_msg=name)
    assert set(ours["grade"]) - {"X"}, "nothing was answered, so nothing was compared"


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("crm", CRMS)
def test_import_check_study_is_the_direct_study_at_the_demo_size(crm, key, tmp_path):
    direct = direct_company(tmp_path / "direct", DEMO)
    data = import_and_study(crm, crm_company(tmp_path, crm, DEMO))
    assert_same_panel(direct, data, crm, key)
    assert_same_findings(direct, tmp_path)


# ---- rows that do not belong, added to the export ------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def add(path: Path, rows: list[dict[str, str]], extra: tuple[str, ...] = ()) -> None:
    """Append rows to a CSV file; columns it lacks are added empty."""
    old = rows_of(path)
    columns = [*old[0], *extra]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows(old + rows)


def varied(rows: list[dict[str, str]], key: str, prefix: str, **changes: str) -> list[dict[str, str]]:
    """Copies of rows under new ids."""
    return [row | {key: f"{prefix}{n:03d}"} | changes for n, row in enumerate(rows)]


def spoil_salesforce(export: Path) -> dict[tuple[str, str], int]:
    calls = [row for row in rows_of(export / "Task.csv") if row["Type"] == "Call" and row["IsDeleted"] == "false"][:40]
    deals = [row for row in rows_of(export / "Opportunity.csv") if row["IsWon"] == "true"][:9]
    meetings = [row for row in rows_of(export / "Event.csv") if row["IsDeleted"] == "false"][:6]
    tables = ("Task", "Event", "Opportunity", "Lead", "Contact", "Campaign")
    deleted = sum(row.get("IsDeleted") == "true" for table in tables for row in rows_of(export / f"{table}.csv"))
    older = {"SystemModstamp": "2020-01-01T00:00:00.000Z", "CallDurationInSeconds": "7"}
    future = {"CompletedDateTime": "2027-01-04T09:00:00.000Z", "ActivityDate": "2027-01-04"}
    add(export / "Task.csv", [
        *(row | older for row in calls[:30]),
        *varied(calls[:12], "Id", "00TX00000000", OwnerId="005XX0000000000AAA"),
        *varied(calls[:7], "Id", "00TY00000000", **future),
        *varied(calls[:5], "Id", "00TZ00000000", CallDurationInSeconds="86400"),
        *varied(calls[:9], "Id", "00TV00000000", IsDeleted="true"),
        *varied(calls[:4], "Id", "00TW00000000", ActivityDate="1900-01-01", CompletedDateTime=""),
    ])  # fmt: skip
    add(export / "Event.csv", [
        *varied(meetings, "Id", "00UX00000000", IsChild="true"),
        *varied(meetings[:3], "Id", "00UY00000000", IsRecurrence="true"),
        *varied(meetings[:2], "Id", "00UZ00000000", IsPrivate="true"),
    ])  # fmt: skip
    add(export / "Opportunity.csv", [
        *varied(deals[:3], "Id", "006X00000000", Name="Testing Opp Close"),
        *varied(deals[:4], "Id", "006Y00000000", Amount="0"),
        *varied(deals[:2], "Id", "006Z00000000", CloseDate="2019-01-01"),
    ])  # fmt: skip
    return {("D20", "dropped"): 30, ("D28", "quarantined"): 12, ("D24", "quarantined"): 7, ("D10", "quarantined"): 5,
            ("deleted", "dropped"): 9 + deleted, ("no_date", "quarantined"): 4, ("D18", "dropped"): 9, ("private", "dropped"): 2,
            ("D40", "dropped"): 3, ("D39", "quarantined"): 4, ("D37", "quarantined"): 2}  # fmt: skip


def spoil_hubspot(export: Path) -> dict[tuple[str, str], int]:
    calls = rows_of(export / "engagement_call.csv")[:40]
    deals = [row for row in rows_of(export / "deal.csv") if row["deal_pipeline_stage_id"] == "closedwon"][:9]
    future = {"property_hs_timestamp": "2027-01-04T09:00:00.000Z"}
    add(export / "engagement_call.csv", [
        *varied(calls[:12], "engagement_id", "41", property_hubspot_owner_id="999"),
        *varied(calls[:7], "engagement_id", "42", **future),
        *varied(calls[:5], "engagement_id", "43", property_hs_call_duration="86400000"),
        *varied(calls[:9], "engagement_id", "44", _fivetran_deleted="true"),
        *varied(calls[:4], "engagement_id", "45", property_hs_timestamp="1900-01-01T00:00:00.000Z"),
    ], ("_fivetran_deleted",))  # fmt: skip
    add(export / "deal.csv", [
        *varied(deals[:3], "deal_id", "511", property_dealname="Testing Opp Close"),
        *varied(deals[:4], "deal_id", "512", property_amount="0"),
        *varied(deals[:2], "deal_id", "513", property_closedate="2019-01-01T00:00:00.000Z"),
    ])  # fmt: skip
    return {("D28", "quarantined"): 12, ("D24", "quarantined"): 7, ("D10", "quarantined"): 5, ("deleted", "dropped"): 9,
            ("no_date", "quarantined"): 4, ("D40", "dropped"): 3, ("D39", "quarantined"): 4, ("D37", "quarantined"): 2}  # fmt: skip


SPOIL = {"salesforce": spoil_salesforce, "hubspot": spoil_hubspot}


@pytest.mark.parametrize("crm", CRMS)
def test_rows_that_do_not_belong_are_counted_and_change_nothing(crm, direct, key, tmp_path):
    """import, check and study of a spoiled export are those of the direct folder; every planted row is answered for."""
    export = crm_company(tmp_path, crm, SMALL) / "company" / "export"
    planted = SPOIL[crm](export)
    with (tmp_path / "company" / "import.toml").open("a", encoding="utf-8") as file:
        file.write('[deals]\ntest_patterns = ["testing %"]\n')
    data = import_and_study(crm, tmp_path)
    report = json.loads((data / "import_report.json").read_text())
    assert {(code, action): count(report, code, action) for code, action in planted} == planted
    for entry in report["objects"]:
        assert entry["read"] == entry["kept"] + entry["fixed"] + entry["quarantined"] + entry["dropped"]
    read = {file["file"]: file["rows"] for entry in report["objects"] for file in entry["files"]}
    in_files = {path.name: len(rows_of(path)) for path in export.glob("*.csv")}
    assert read | {file["file"]: file["rows"] for file in report["not_read"]} == in_files
    put_aside = pd.read_parquet(data / "quarantine.parquet")["code"].value_counts().to_dict()
    assert put_aside == {code: rows for (code, action), rows in planted.items() if action == "quarantined"}
    assert_same_panel(direct, data, crm, key)
    assert_same_findings(direct, tmp_path)


def count(report: dict, code: str, action: str) -> int:
    return sum(d["rows"] for d in report["defects"] if (d["code"], d["action"]) == (code, action))
