"""The panel against a plain pandas oracle, and case by case where weeks, teams and knowledge begin and end."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crm_tables import activities, company, opportunities, reps
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import panel
from analysis.crm import read
from analysis.errors import DataError

TODAY = date(2025, 6, 30)


def built(folder: Path, as_of: date | None = None, **tables: pd.DataFrame) -> panel.Panel:
    """The panel of a small company with these tables."""
    return panel.build(read(company(folder, **tables), today=TODAY), as_of=as_of)


def cell(found: panel.Panel, rep: str, week: str) -> pd.Series:
    """The row of one rep and week."""
    rows = found.frame[(found.frame["rep_id"] == rep) & (found.frame["week"] == week)]
    assert len(rows) == 1
    return rows.iloc[0]


def weeks_of(found: panel.Panel, rep: str) -> list[str]:
    return [f"{week:%Y-%m-%d}" for week in found.frame.loc[found.frame["rep_id"] == rep, "week"]]


def oracle(folder: Path) -> pd.DataFrame:
    """Counts, talk, accounts, wins and revenue by rep and week, from the CSV files by plain pandas."""
    acts = pd.read_csv(folder / "activities.csv", dtype={"rep_id": "str"}, parse_dates=["occurred_on"])
    acts["week"] = acts["occurred_on"] - pd.to_timedelta(acts["occurred_on"].dt.day_of_week, unit="D")
    by = ["rep_id", "week"]
    counts = acts.groupby([*by, "kind"]).size().unstack(fill_value=0)
    good = acts[acts["is_meaningful"]].groupby([*by, "kind"]).size().unstack(fill_value=0).add_suffix("__meaningful")
    rest = acts.groupby(by).agg(talk_time_min=("duration_s", "sum"), accounts=("account_id", "nunique"))
    deals = pd.read_csv(folder / "opportunities.csv", dtype={"rep_id": "str"}, parse_dates=["closed_on"])
    won = deals[deals["status"] == "won"]
    won = won.assign(week=won["closed_on"] - pd.to_timedelta(won["closed_on"].dt.day_of_week, unit="D"))
    wins = won.groupby(by).agg(wins=("amount", "size"), revenue=("amount", "sum"))
    joined = counts.join([good, rest, wins], how="outer").fillna(0.0)
    return joined.assign(talk_time_min=joined["talk_time_min"] / 60)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", range(4))
def test_every_cell_equals_the_oracle(tmp_path: Path, seed: int):
    folder = company(tmp_path, seed=seed)
    found = panel.build(read(folder, today=TODAY)).frame.set_index(["rep_id", "week"])
    expected = oracle(folder)
    expected = expected[expected.index.get_level_values("week") <= found.index.get_level_values("week").max()]
    filled = found[list(expected.columns)].fillna(0.0)
    pd.testing.assert_frame_equal(
        filled, expected.reindex(filled.index, fill_value=0.0), check_index_type=False, check_dtype=False
    )
    assert set(expected.index) <= set(found.index)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_invariants_of_any_panel(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject):
    days = st.dates(date(2024, 1, 1), date(2024, 4, 28)).map(str)
    rep = st.sampled_from(["007", "008", "009"])
    acts = activities(
        data.draw(st.lists(st.tuples(rep, st.sampled_from(["call", "demo"]), days), min_size=1, max_size=40))
    )
    won = data.draw(st.lists(st.tuples(rep, days, st.integers(0, 60), st.integers(0, 9)), min_size=1, max_size=10))
    deals = opportunities(
        [(r, d, "won", str(date.fromisoformat(d) + pd.Timedelta(days=n)), float(a)) for r, d, n, a in won]
    )
    people = reps(3).assign(
        hired_on=[data.draw(st.none() | days) for _ in range(3)],
        left_on=None,
    )
    try:
        found = built(tmp_path_factory.mktemp("any"), reps=people, activities=acts, opportunities=deals)
    except DataError as error:
        assert "no complete week" in str(error)
        return
    frame = found.frame
    assert frame.equals(frame.sort_values(["rep_id", "week"], ignore_index=True))
    assert not frame.duplicated(["rep_id", "week"]).any()
    assert (frame["week"].dt.day_of_week == 0).all()
    gaps = frame.groupby("rep_id")["week"].diff().dropna()
    assert (gaps == pd.Timedelta(days=7)).all()
    last = frame["week"].max() + pd.Timedelta(days=6)
    in_time = acts[pd.to_datetime(acts["occurred_on"]) <= last]
    hired = people.set_index("rep_id")["hired_on"].fillna("2000-01-01")
    start = pd.to_datetime(in_time["rep_id"].map(hired))
    start -= pd.to_timedelta(start.dt.day_of_week, unit="D")
    employed = in_time[pd.to_datetime(in_time["occurred_on"]) >= start]
    for kind in found.activities:
        assert frame[kind].sum() == (employed["kind"] == kind).sum()
    assert (frame["worked_share"].between(0, 1)).all()


# ---- where weeks begin and end -----------------------------------------------------------------------------------------


def test_a_rep_who_joins_and_leaves_in_mid_week(tmp_path: Path):
    people = reps(3).assign(hired_on=["2024-01-10", None, None], left_on=["2024-01-25", None, None])
    acts = activities(
        [
            ("007", "call", "2024-01-11"),
            ("008", "call", "2024-01-01"),
            ("009", "call", "2024-01-16"),
            ("008", "call", "2024-02-02"),
        ]
    )
    found = built(
        tmp_path, reps=people, activities=acts, opportunities=opportunities([("008", "2024-01-03", "open", None, 1.0)])
    )
    assert weeks_of(found, "007") == ["2024-01-08", "2024-01-15", "2024-01-22"]
    assert weeks_of(found, "008") == ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"]
    assert weeks_of(found, "009") == ["2024-01-15", "2024-01-22", "2024-01-29"]  # from the first recorded event
    assert [cell(found, "007", week)["worked_share"] for week in weeks_of(found, "007")] == pytest.approx(
        [0.6, 1.0, 0.8]
    )


def test_events_outside_a_reps_weeks_are_noted_not_lost_silently(tmp_path: Path):
    people = reps(2).assign(hired_on=["2024-01-15", None])
    acts = activities([("007", "call", "2024-01-02"), ("008", "call", "2024-01-02"), ("008", "call", "2024-02-02")])
    found = built(
        tmp_path,
        reps=people,
        activities=acts,
        opportunities=opportunities([("007", "2024-01-03", "won", "2024-01-04", 50.0)]),
    )
    assert found.notes == (
        "call: 1 not counted, in weeks before a rep joined or after the rep left",
        "wins: 1 not counted, in weeks before a rep joined or after the rep left",
        "revenue: 50 not counted, in weeks before a rep joined or after the rep left",
    )


@pytest.mark.parametrize(("last", "weeks"), [("2024-01-18", 2), ("2024-01-19", 3), ("2024-01-21", 3)])
def test_the_incomplete_last_week_is_dropped(tmp_path: Path, last: str, weeks: int):
    acts = activities([("007", "call", "2024-01-01"), ("007", "call", last)])
    found = built(tmp_path, activities=acts, opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)]))
    assert len(weeks_of(found, "007")) == weeks


def test_a_year_of_53_weeks_a_leap_day_and_clock_changes_leave_no_gap(tmp_path: Path):
    acts = activities(
        [
            ("007", "call", "2024-02-29"),
            ("007", "call", "2024-12-30"),
            ("007", "call", "2025-03-30"),
            ("007", "call", "2025-04-04"),
        ]
    )
    found = built(tmp_path, activities=acts, opportunities=opportunities([("007", "2024-02-28", "open", None, 1.0)]))
    assert weeks_of(found, "007") == [f"{w:%Y-%m-%d}" for w in pd.date_range("2024-02-26", "2025-03-31", freq="7D")]
    assert cell(found, "007", "2024-12-30")["call"] == 1  # belongs to week 1 of 2025


# ---- what counts, and what is known ------------------------------------------------------------------------------------


def test_only_done_human_activity_counts_and_empty_means_the_default(tmp_path: Path):
    rows = [
        ("done", "human"),
        (None, None),
        ("planned", "human"),
        ("cancelled", "human"),
        ("done", "sequence"),
        ("done", "unknown"),
        ("done", "bulk"),
    ]
    acts = activities([("007", "call", "2024-01-02", s, o) for s, o in rows], "rep_id kind occurred_on status origin")
    acts = pd.concat([acts, activities([("007", "call", "2024-01-12")]).assign(activity_id="z")])
    found = built(tmp_path, activities=acts, opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)]))
    assert cell(found, "007", "2024-01-01")["call"] == 2


def test_a_kind_is_unknown_before_its_team_first_recorded_it_and_zero_after(tmp_path: Path):
    acts = activities(
        [
            ("007", "call", "2024-01-02"),
            ("008", "call", "2024-01-02"),
            ("009", "visit", "2024-01-10"),
            ("009", "call", "2024-01-16"),
            ("008", "call", "2024-01-19"),
        ]
    )
    found = built(tmp_path, activities=acts, opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)]))
    visits = found.frame.pivot(index="week", columns="rep_id", values="visit")
    assert visits["007"].isna().tolist() == [
        True,
        False,
        False,
    ]  # team a: recorded by a colleague from the second week on
    assert visits["007"].tolist()[1:] == [0.0, 0.0]
    assert visits["008"].isna().all()  # team b never recorded a visit: not known, not none
    assert visits["009"].dropna().tolist() == [1.0, 0.0]


def test_descriptions_are_unknown_until_recorded(tmp_path: Path):
    rows = [
        ("007", "call", "2024-01-02", None, None, None, None),
        ("007", "call", "2024-01-09", 90, True, "vp_or_above", "c1"),
        ("007", "call", "2024-01-10", 30, False, "unknown", "c1"),
        ("007", "call", "2024-01-19", None, None, "user", "c2"),
    ]
    names = "rep_id kind occurred_on duration_s is_meaningful contact_level account_id"
    frame = activities(rows, names).astype({"duration_s": "Int64"})
    found = built(
        tmp_path, activities=frame, opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)])
    ).frame
    got = found[["talk_time_min", "call__meaningful", "call__senior", "accounts"]].to_numpy()
    np.testing.assert_array_equal(got, [[np.nan] * 4, [2.0, 1, 1, 1], [0.0, 0, 0, 1]])


def test_outcomes_are_unknown_before_the_first_deal_was_recorded(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-01-26")])
    found = built(
        tmp_path, activities=acts, opportunities=opportunities([("007", "2024-01-10", "won", "2024-01-17", 5.0)])
    )
    np.testing.assert_array_equal(found.frame["revenue"], [np.nan, 0, 5.0, 0])
    np.testing.assert_array_equal(found.frame["wins"], [np.nan, 0, 1.0, 0])


def test_records_written_after_the_deal_closed_are_no_predictors(tmp_path: Path):
    rows = [
        ("007", "call", "2024-01-02", "o0", "2024-01-02T10:00Z", True),
        ("007", "call", "2024-01-03", "o0", "2024-01-10T10:00Z", True),  # the day it closed: in time
        ("007", "call", "2024-01-04", "o0", "2024-01-11T00:00Z", True),  # too late
        ("007", "call", "2024-01-04", "o1", "2024-01-11T00:00Z", True),  # its deal is open
        ("007", "call", "2024-01-04", None, "2024-01-11T00:00Z", True),
        ("007", "call", "2024-01-12", None, None, True),
    ]
    acts = activities(rows, "rep_id kind occurred_on opportunity_id logged_at is_meaningful")
    deals = opportunities([("007", "2024-01-01", "won", "2024-01-10", 5.0), ("007", "2024-01-01", "open", None, 5.0)])
    found = built(tmp_path, activities=acts, opportunities=deals)
    first = cell(found, "007", "2024-01-01")
    assert (first["call"], first["call__late"], first["call__meaningful"]) == (4, 1, 4)
    assert found.late == {"call": pytest.approx(1 / 6)}


def test_as_of_forgets_what_came_later(tmp_path: Path):
    rows = [
        ("007", "call", "2024-01-02", "2024-01-02T10:00Z"),
        ("007", "call", "2024-01-03", "2024-01-16T10:00Z"),
        ("007", "call", "2024-01-10", None),
        ("007", "call", "2024-01-18", None),
    ]
    acts = activities(rows, "rep_id kind occurred_on logged_at")
    deals = opportunities(
        [
            ("007", "2024-01-01", "won", "2024-01-10", 5.0),
            ("007", "2024-01-01", "won", "2024-01-16", 7.0),
            ("007", "2024-01-17", "open", None, 9.0),
        ]
    )
    folder = tmp_path
    full = built(folder, activities=acts, opportunities=deals, as_of=date(2024, 1, 21))
    cut = built(folder, activities=acts, opportunities=deals, as_of=date(2024, 1, 15))
    assert full.frame["call"].tolist() == [2, 1, 1]
    assert cut.frame["call"].tolist() == [1, 1]
    assert cut.frame["revenue"].tolist() == [0, 5]
    assert full.frame["revenue"].tolist() == [0, 5, 7]
    assert cut.frame["pipeline_open"].tolist() == [0, 12]  # both deals open on the Monday, the later win among them
    assert cut.cycle_days_p75 == 9
    assert full.cycle_days_p75 == pytest.approx(9 + 0.75 * 6)


def test_a_kind_first_recorded_after_as_of_does_not_exist_yet(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02"), ("007", "visit", "2024-01-16")])
    assert built(tmp_path, activities=acts, as_of=date(2024, 1, 15)).activities == ("call",)
    assert built(tmp_path, activities=acts, as_of=date(2024, 1, 16)).activities == ("call", "visit")


def test_history_does_not_change_when_the_future_is_added(tmp_path: Path):
    crm = read(company(tmp_path), today=TODAY)
    early, late = panel.build(crm, as_of=date(2024, 3, 17)), panel.build(crm, as_of=date(2024, 5, 26))
    known = [*early.activities, "wins", "revenue", "talk_time_min", "accounts", "worked_share", "new_opportunities"]
    both = late.frame.merge(early.frame, on=["rep_id", "week"], suffixes=("", "_early"))
    assert len(both) == len(early.frame)
    for name in known:
        np.testing.assert_array_equal(both[name], both[f"{name}_early"])


# ---- teams, credits, pipeline, absences ---------------------------------------------------------------------------------


def test_the_team_of_a_week_is_that_of_its_wednesday(tmp_path: Path):
    spells = pd.DataFrame(
        [
            ("007", "a", "2024-01-01"),
            ("007", "b", "2024-01-10"),
            ("007", "a", "2024-01-18"),
            ("008", "b", "2024-01-01"),
        ],
        columns=["rep_id", "team_id", "valid_from"],
    ).assign(valid_to=["2024-01-10", "2024-01-18", None, None])
    acts = activities([("007", "call", "2024-01-02"), ("009", "call", "2024-01-02"), ("007", "call", "2024-01-26")])
    found = built(
        tmp_path,
        activities=acts,
        memberships=spells,
        opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)]),
    )
    assert [cell(found, "007", week)["team_id"] for week in weeks_of(found, "007")] == ["a", "b", "b", "a"]
    assert {cell(found, "009", week)["team_id"] for week in weeks_of(found, "009")} == {"a"}  # no spell: reps.team_id


def test_won_money_goes_to_the_closing_week_split_by_credits(tmp_path: Path):
    deals = opportunities(
        [("007", "2024-01-01", "won", "2024-01-10", 100.0), ("007", "2024-01-01", "won", "2024-01-11", 40.0)]
    )
    shares = pd.DataFrame({"opportunity_id": ["o0", "o0"], "rep_id": ["008", "009"], "share": [0.25, 0.75]})
    acts = activities([(rep, "call", "2024-01-02") for rep in ("007", "008", "009")] + [("007", "call", "2024-01-12")])
    found = built(tmp_path, activities=acts, opportunities=deals, credits=shares)
    week = {rep: cell(found, rep, "2024-01-08") for rep in ("007", "008", "009")}
    assert {rep: row["revenue"] for rep, row in week.items()} == {"007": 40.0, "008": 25.0, "009": 75.0}
    assert {rep: row["wins"] for rep, row in week.items()} == {"007": 1.0, "008": 0.25, "009": 0.75}
    assert found.frame["revenue"].sum() == 140.0


def test_the_pipeline_is_what_stood_open_on_monday_morning(tmp_path: Path):
    deals = opportunities(
        [
            ("007", "2024-01-03", "won", "2024-01-15", 10.0),  # Monday the 15th it is still open in the morning
            ("007", "2024-01-08", "lost", "2024-01-16", 5.0),  # created on a Monday: not yet open that morning
            ("007", "2023-11-01", "open", None, 1.0),
        ]
    )
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-01-26")])
    found = built(tmp_path, activities=acts, opportunities=deals)
    assert found.frame["pipeline_open"].tolist() == [1, 11, 16, 1]
    assert found.frame["new_opportunities"].tolist() == [1, 1, 0, 0]


def test_a_pipeline_whose_amounts_come_with_the_win_is_not_recorded(tmp_path: Path):
    deals = opportunities(
        [("007", "2024-01-03", "won", "2024-01-15", 10.0), ("007", "2024-01-03", "lost", "2024-01-16", None)]
    )
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-01-26")])
    assert built(tmp_path, activities=acts, opportunities=deals).frame["pipeline_open"].isna().all()


def test_the_factored_pipeline_uses_the_stage_held_at_the_time(tmp_path: Path):
    deals = opportunities(
        [
            ("007", "2024-01-01", "won", "2024-01-23", 100.0, 1.0),
            ("008", "2024-01-01", "open", None, 1.0, 0.2),
            ("008", "2024-01-01", "open", None, 1.0, 0.6),
        ],
        "rep_id created_on status closed_on amount probability",
    ).assign(stage=["won", "first", "second"])
    moves = pd.DataFrame(
        [("o0", "2024-01-10T09:00Z", "first", "second"), ("o0", "2024-01-23T09:00Z", "second", "won")],
        columns=["opportunity_id", "changed_at", "from_stage", "to_stage"],
    )
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-02-02")])
    found = built(tmp_path, activities=acts, opportunities=deals, stage_changes=moves)
    mine = found.frame[found.frame["rep_id"] == "007"]
    assert mine["pipeline_factored"].tolist() == [0, 20, 60, 60, 0]
    assert mine["pipeline_open"].tolist() == [0, 100, 100, 100, 0]


def test_absences_and_holidays_shorten_the_week(tmp_path: Path):
    away = pd.DataFrame(
        {"rep_id": ["007", "007"], "from_date": ["2024-01-04", "2024-01-18"], "to_date": ["2024-01-10", "2024-03-01"]}
    )
    off = pd.DataFrame({"date": ["2024-01-01", "2024-01-10", "2024-01-06"], "team_id": [None, "b", None]})
    acts = activities([("007", "call", "2024-01-02"), ("008", "call", "2024-01-02"), ("007", "call", "2024-01-26")])
    found = built(
        tmp_path,
        activities=acts,
        absences=away,
        holidays=off,
        opportunities=opportunities([("007", "2024-01-03", "open", None, 1.0)]),
    )
    by_rep = {rep: found.frame.loc[found.frame["rep_id"] == rep, "worked_share"].tolist() for rep in ("007", "008")}
    assert by_rep["007"] == pytest.approx([0.4, 0.6, 0.6, 0.0])
    assert by_rep["008"] == pytest.approx([0.8, 0.8, 1.0, 1.0])


def test_other_outcomes_are_taken_where_recorded(tmp_path: Path):
    deals = opportunities([("007", "2024-01-01", "won", "2024-01-10", 100.0)]).assign(margin=-3.0, units=None)
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-01-12")])
    found = built(tmp_path, activities=acts, opportunities=deals)
    assert found.outcomes == ("wins", "revenue", "margin")
    assert found.frame["margin"].tolist() == [0, -3]


def test_quota_periods_are_known_by_their_ends(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02"), ("007", "call", "2024-01-12")])
    starts, ends = ["2024-05-01", "2024-02-01", "2024-02-01"], ["2024-08-01", "2024-05-01", "2024-05-01"]
    quotas = pd.DataFrame(
        {"owner_id": ["007", "007", "008"], "level": "rep", "period_start": starts, "period_end": ends}
    )
    found = built(tmp_path / "with", activities=acts, quotas=quotas.assign(amount=10.0))
    assert found.quota_ends == (date(2024, 5, 1), date(2024, 8, 1))
    assert built(tmp_path / "without", activities=acts).quota_ends == ()


# ---- refusals ----------------------------------------------------------------------------------------------------------


def test_a_kind_named_like_a_panel_column_is_refused(tmp_path: Path):
    acts = activities([("007", "revenue", "2024-01-02")])
    with pytest.raises(DataError, match="'revenue' is the name of a panel column"):
        built(tmp_path, activities=acts)


def test_too_many_kinds_are_refused(tmp_path: Path):
    acts = activities([("007", f"kind {i}", "2024-01-02") for i in range(61)])
    with pytest.raises(DataError, match="61 different kinds"):
        built(tmp_path, activities=acts)


def test_no_effort_at_all_is_refused(tmp_path: Path):
    acts = activities([("007", "call", "2024-01-02", "planned")], "rep_id kind occurred_on status")
    with pytest.raises(DataError, match="no activity is done"):
        built(tmp_path, activities=acts)
    with pytest.raises(DataError, match="until 2023-01-01"):
        built(tmp_path, as_of=date(2023, 1, 1))


def test_two_currencies_are_refused(tmp_path: Path):
    teams = pd.DataFrame({"team_id": ["a", "b"], "name": ["x", "y"], "currency": ["EUR", "USD"]})
    with pytest.raises(DataError, match="EUR, USD"):
        built(tmp_path, teams=teams)
    assert built(tmp_path / "one").currency == "EUR"


# ---- the same bytes everywhere -----------------------------------------------------------------------------------------

SCRIPT = """
import sys
from datetime import date
from analysis import panel
from analysis.crm import read
print(panel.build(read(sys.argv[1], today=date(2025, 6, 30))).fingerprint)
"""


def test_the_same_panel_under_any_hash_seed_zone_and_locale(tmp_path: Path):
    folder = company(tmp_path)
    prints = set()
    for seed, zone, locale in (("0", "UTC", "C"), ("12345", "Pacific/Kiritimati", "de_DE.UTF-8")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(folder)], env=environment, capture_output=True, text=True, check=True
        )
        prints.add(run.stdout.strip())
    assert prints == {panel.build(read(folder, today=TODAY)).fingerprint}


def test_the_order_and_the_cut_of_the_files_do_not_matter(tmp_path: Path):
    folder = company(tmp_path / "one", "parquet")
    whole = panel.build(read(folder, today=TODAY))
    rows = pd.read_parquet(folder / "activities.parquet").sample(frac=1.0, random_state=1)
    (folder / "activities.parquet").unlink()
    (folder / "activities").mkdir()
    for part in range(5):
        rows.iloc[part::5].to_parquet(folder / "activities" / f"{part}.parquet", index=False, row_group_size=37)
    cut = panel.build(read(folder, today=TODAY))
    assert cut.fingerprint == whole.fingerprint
    assert cut.frame.equals(whole.frame)


def test_a_changed_cell_changes_the_fingerprint(tmp_path: Path):
    one = panel.build(read(company(tmp_path / "1"), today=TODAY))
    two = panel.build(read(company(tmp_path / "2", seed=3), today=TODAY))
    assert one.fingerprint != two.fingerprint
