"""The data-health tables, on folders whose truth the test has written itself."""

from datetime import date

import pandas as pd
import pytest
from import_worlds import Importer, salesforce, task, user

from analysis.crm import health, read
from analysis.errors import DataError

DAY = date(2026, 11, 16)


def folder(path, activities, reps=None, deals=None):
    path.mkdir(parents=True, exist_ok=True)
    reps = reps or [{"rep_id": f"r{n}", "team_id": "t1"} for n in range(4)]
    deals = deals or [
        {
            "opportunity_id": "d1",
            "rep_id": "r0",
            "created_on": "2026-01-01",
            "stage": "won",
            "status": "won",
            "closed_on": "2026-03-01",
            "amount": 10.0,
        }
    ]
    for name, rows in (
        ("reps", reps),
        ("activities", activities),
        ("opportunities", deals),
        ("teams", [{"team_id": "t1", "name": "One"}]),
    ):
        pd.DataFrame(rows).to_csv(path / f"{name}.csv", index=False)
    return read(path, today=DAY)


def acts(rep, days, **more):
    return [
        {"activity_id": f"{rep}-{more.get('kind', 'call')}-{d}-{n}", "rep_id": rep, "kind": "call", "occurred_on": d}
        | more
        for n, d in enumerate(days)
    ]


MONDAYS = [str(d.date()) for d in pd.date_range("2026-01-05", periods=10, freq="7D")]


def test_coverage_counts_weeks_from_joining_to_leaving(tmp_path):
    reps = [{"rep_id": "r0", "team_id": "t1", "hired_on": None, "left_on": None}, {"rep_id": "r1", "team_id": "t1", "hired_on": "2026-02-02", "left_on": "2026-02-22"},
            {"rep_id": "r2", "team_id": "t1", "hired_on": None, "left_on": None}]  # fmt: skip
    crm = folder(tmp_path / "d", acts("r0", MONDAYS) + acts("r1", MONDAYS[5:7]), reps)
    table = health.coverage(crm).set_index("rep_id")
    assert table.loc["r0", ["weeks", "weeks_recorded", "share", "activities"]].tolist() == [10, 10, 1.0, 10]
    assert table.loc["r1", ["weeks", "weeks_recorded"]].tolist() == [3, 2] and table.loc[
        "r1", "share"
    ] == pytest.approx(2 / 3)
    assert table.loc["r2", ["activities", "share"]].tolist() == [0, 0.0]
    assert health.weekly(crm)["activities"].sum() == 12


def test_planned_and_automated_rows_are_no_coverage(tmp_path):
    rows = acts("r0", MONDAYS[:3], status="done", origin="human") + acts(
        "r0", MONDAYS[3:6], kind="email", status="planned", origin="human"
    )
    rows += acts("r0", MONDAYS[6:9], kind="demo", status="done", origin="sequence")
    crm = folder(tmp_path / "d", rows)
    assert health.coverage(crm).set_index("rep_id").loc["r0", "weeks_recorded"] == 3
    table = health.origins(crm).set_index("kind")
    assert (
        table.loc["email", "status"] == "planned"
        and table.loc["demo", "origin"] == "sequence"
        and (table["share"] == 1).all()
    )


def test_first_recorded_tells_since_when_and_by_how_many(tmp_path):
    crm = folder(tmp_path / "d", acts("r0", MONDAYS) + acts("r1", MONDAYS[4:], kind="demo"))
    table = health.first_recorded(crm).set_index("kind")
    assert str(table.loc["demo", "first_on"])[:10] == MONDAYS[4] and table.loc["demo", "share_of_reps"] == 0.25


def test_a_catch_up_day_stands_out_and_an_even_load_does_not(tmp_path):
    crm = folder(
        tmp_path / "d",
        acts("r0", [*MONDAYS, *["2026-03-20"] * 60])
        + acts("r1", [d for d in MONDAYS for _ in range(40)], kind="email"),
    )
    table = health.bulk_days(crm)
    assert table[["rep_id", "activities", "usual"]].values.tolist() == [["r0", 60, 1.0]]


def test_late_logging_and_what_was_written_after_the_outcome(tmp_path):
    linked = [{**row, "opportunity_id": "d1", "logged_at": at} for row, at in zip(
        acts("r0", ["2026-02-01"] * 4), ["2026-02-01T12:00:00Z", "2026-02-05T12:00:00Z", "2026-02-20T12:00:00Z", "2026-03-05T12:00:00Z"], strict=True)]  # fmt: skip
    table = health.late_logging(folder(tmp_path / "d", linked)).iloc[0]
    assert table[["within_day", "within_week", "later", "after_outcome"]].tolist() == [0.25, 0.25, 0.5, 0.25]
    with pytest.raises(DataError, match="logged_at is not recorded"):
        health.late_logging(folder(tmp_path / "e", acts("r0", MONDAYS)))


def test_who_logs(tmp_path):
    table = health.who_logs(
        folder(tmp_path / "d", acts("r0", MONDAYS) + acts("r1", MONDAYS[:5]) + acts("r2", MONDAYS[:5]))
    ).iloc[0]
    assert table[["reps", "activities", "silent"]].tolist() == [4, 20, 1] and table["top_share"] == 0.5


def test_the_imports_actions_and_accounts_are_read_back(tmp_path):
    run = Importer(tmp_path)
    tasks = [task(n, CallDurationInSeconds="") for n in range(20)] + [task(n, IsClosed="false") for n in range(20, 40)]
    report = run(salesforce(tmp_path / "src", Task=tasks, User=[user(n) for n in range(4)]))
    table = health.defect_actions(run.out)
    assert table.query("code == 'D15' and action == 'fixed'")["rows"].sum() == 20
    accounts = health.row_accounts(run.out)
    assert accounts["read"].sum() == report.totals["read"] == 47
    assert set(health.disabled_metrics(run.out)) == {"talk time", "ramp"} == set(report.disabled)
    assert health.unclassified_share(run.out) == 0.0 and set(health.owner_changes(run.out)["code"]) <= {
        "D28",
        "D29",
        "D31",
        "D35",
    }
    assert health.unclassified_share(tmp_path) is None and health.defect_actions(tmp_path).empty
    (run.out / "import_report.json").write_text("{")
    with pytest.raises(DataError, match="damaged; import again"):
        health.defect_actions(run.out)


def test_headline_results_at_half_and_double_the_threshold(tmp_path):
    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src", Task=[task(n, CallDurationInSeconds=str(50 * (1 + n % 6))) for n in range(60)]))

    def study(place):
        calls = read(place, today=DAY).frame("activities")
        return pd.DataFrame({"activity": ["call"], "meaningful": [int(calls["is_meaningful"].sum())]})

    table = health.sensitivity(run.out, study)
    assert table.values.tolist() == [["half", "call", 50], ["as configured", "call", 40], ["double", "call", 20]]
    with pytest.raises(DataError, match="nothing to vary"):
        health.sensitivity(tmp_path, study)


def test_the_verdict_names_what_is_wrong_and_is_silent_otherwise(tmp_path):
    good = [
        {**row, "logged_at": row["occurred_on"] + "T20:00:00Z"}
        for rep in ("r0", "r1", "r2", "r3")
        for row in acts(rep, MONDAYS)
    ]
    assert health.verdict(folder(tmp_path / "good", good)).good
    bad = [row for row in good if row["rep_id"] == "r0" or row["occurred_on"] < MONDAYS[3]] + acts(
        "r0", ["2026-03-20"] * 60, logged_at="2026-03-20T20:00:00Z", kind="email"
    )
    verdict = health.verdict(folder(tmp_path / "bad", bad))
    assert not verdict.good and any("3 of 4 reps" in s for s in verdict.sentences)
