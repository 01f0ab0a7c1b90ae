"""The scorecard by hand: values, intervals, what is not recorded, objectives, stock of open deals, trends."""

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, counts_company, day, days, deals_table, drawn_deals, reps_table

from analysis.errors import ParameterError
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.metrics import METRICS
from analysis.management.periods import period_of, periods
from analysis.management.records import effort, with_team, won_credit, worked_weeks
from analysis.management.scorecard import FALLING, FLAT, RISING, UNKNOWN, scorecard, still_missing, trends

AS_OF = 12 * 7 - 1  # the Sunday of the twelfth week


def small(**more: pd.DataFrame) -> Book:
    """Two reps of one team, an activity on every working day, four deals."""
    on = [7 * week + weekday for week in range(12) for weekday in range(5)]
    activities = activities_table(["r0"] * 60 + ["r1"] * 60, ["call"] * 120, on + on)
    deals = deals_table(
        ["r0", "r0", "r1", "r1"], [0, 3, 7, 60], [20, 40, 45, 500], [1, 0, 1, 1], [100.0, 0, 300, 900], AS_OF
    )
    return book({"reps": reps_table(1, 2), "activities": activities, "opportunities": deals, **more}, AS_OF)


def value(card: pd.DataFrame, metric: str, team: str, start: pd.Timestamp) -> pd.Series:
    rows = card[(card["metric"] == metric) & (card["team_id"] == team) & (card["period_start"] == start)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_values_by_hand() -> None:
    card = scorecard(small(), "month")
    february = pd.Timestamp("2025-02-01")  # days 26 to 53
    assert value(card, "revenue", "t0", february)["value"] == 300
    assert value(card, "wins", COMPANY, february)["value"] == 1
    assert value(card, "sales_cycle", "t0", february)["value"] == 38
    assert value(card, "attempts", "t0", february)["value"] == pytest.approx(5.0)
    assert value(card, "new_opportunities", "t0", february)["value"] == 0  # known to be none
    # Open at the end of February: nothing (created 0, 3, 7 all closed); the last deal is created in March.
    assert value(card, "open_pipeline", "t0", february)["value"] == 0
    march = value(card, "open_pipeline", "t0", pd.Timestamp("2025-03-01"))
    assert march["value"] == pytest.approx(200)  # no typed amount: the team's average sale


def test_facts_have_no_interval_and_estimates_have_one() -> None:
    card = scorecard(small(), "month").set_index("metric")
    assert card.loc["revenue", "conf_low"].isna().all()
    known = card.loc["attempts"].dropna(subset=["value"])
    assert known["conf_low"].notna().all() and (known["conf_low"] <= known["value"]).all()


def test_every_metric_is_there_and_the_missing_ones_name_what_is_missing() -> None:
    card = scorecard(small(), "month")
    assert {metric.key for metric in METRICS} <= set(card["metric"])
    missing = card[~card["recorded"]].drop_duplicates("metric").set_index("metric")["missing"]
    assert missing["meaningful"] == "activities.is_meaningful"
    assert missing["quota_attainment"] == "quotas"
    assert missing["qualified_leads"] == "leads"
    assert card.loc[~card["recorded"], "value"].isna().all()
    assert (card["definition"].str.len() > 15).all() and card["unit"].notna().all()


def test_before_the_first_complete_period_every_metric_waits_in_the_same_columns() -> None:
    """A team that began within the month: no period starts after its first day."""
    on = [AS_OF - 9, AS_OF - 8, AS_OF - 3]
    late = small(activities=activities_table(["r0"] * 3, ["call"] * 3, on))
    card = scorecard(late, "month")
    assert list(card) == list(scorecard(small(), "month")) and not card["recorded"].any() and card["value"].isna().all()


def test_deals_are_counted_where_no_activity_was_ever_recorded() -> None:
    nothing = activities_table(["r0"], ["call"], [0]).iloc[:0]
    card = scorecard(small(activities=nothing), "month")
    assert value(card, "revenue", "t0", pd.Timestamp("2025-02-01"))["value"] == 300
    assert not card.loc[card["metric"] == "attempts", "recorded"].any()


def test_a_column_without_a_value_counts_as_not_recorded() -> None:
    held = small()
    blank = held.tables["activities"].assign(duration_s=np.nan)
    gap = Book({**held.tables, "activities": blank}, held.as_of).need("activities", "duration_s", "account_id")
    assert gap == NotRecorded(("activities.duration_s", "activities.account_id"))
    assert str(gap) == "not recorded: activities.duration_s, activities.account_id"


def test_quota_becomes_the_objective_by_days() -> None:
    quotas = pd.DataFrame(
        {
            "owner_id": ["r0", "r1"],
            "level": "rep",
            "period_start": pd.Timestamp("2025-01-01"),
            "period_end": pd.Timestamp("2025-04-01"),
            "amount": [900.0, 900.0],
        }
    )
    held = small(quotas=quotas)
    row = value(scorecard(held, "month"), "revenue", "t0", pd.Timestamp("2025-02-01"))
    assert row["objective"] == pytest.approx(1800 * 28 / 90)
    share = value(scorecard(held, "month"), "quota_attainment", "t0", pd.Timestamp("2025-02-01"))
    assert share["value"] == pytest.approx(300 / (1800 * 28 / 90))
    left = still_missing(held).set_index("team_id")
    assert left.loc["t0", "missing_to_quota"] == 1800 - 400
    coverage = value(scorecard(held, "month"), "coverage", "t0", pd.Timestamp("2025-03-01"))
    assert coverage["value"] == pytest.approx(200 / 1400)


def test_machines_plans_and_the_future_are_no_effort() -> None:
    rows = activities_table(["r0"] * 5, ["call"] * 5, [0, 1, 2, 3, 400])
    rows["status"] = ["done", "planned", None, "done", "done"]
    rows["origin"] = ["human", "human", None, "sequence", "human"]
    held = small()
    found = effort(Book({**held.tables, "activities": rows}, held.as_of))
    assert found["occurred_on"].tolist() == [day(0), day(2)]


def test_memberships_rule_over_the_team_now() -> None:
    spells = pd.DataFrame(
        {"rep_id": ["r0", "r0"], "team_id": ["old", "t0"], "valid_from": days([0, 10]), "valid_to": days([10, np.nan])}
    )
    held = small(memberships=spells)
    rows = pd.DataFrame({"rep_id": pd.Series(["r0", "r0", "r1"], dtype="str"), "on": days([9, 10, 9])})
    assert with_team(held, rows, "on")["team_id"].tolist() == ["old", "t0", "t0"]


def test_credit_is_split_and_adds_up() -> None:
    shares = pd.DataFrame({"opportunity_id": ["o0", "o0"], "rep_id": ["r0", "r1"], "share": [0.75, 0.25]})
    found = won_credit(small(credits=shares)).groupby("rep_id")["credit"].sum()
    assert found.to_dict() == {"r0": 75.0, "r1": 325.0}


def test_absences_and_holidays_are_not_worked() -> None:
    away = pd.DataFrame({"rep_id": ["r0"], "from_date": days([7]), "to_date": days([14])})
    free = pd.DataFrame({"date": days([15])})
    weeks = worked_weeks(small(absences=away, holidays=free)).set_index(["rep_id", "week"])["worked_share"]
    assert weeks["r0", day(7)] == 0 and weeks["r1", day(7)] == 1
    assert weeks["r0", day(14)] == pytest.approx(0.8) and weeks["r0", day(21)] == 1


def test_rewinding_opens_what_closed_later_and_forgets_its_amount() -> None:
    then = small().rewind(day(30))
    deals = then.frame("opportunities").set_index("opportunity_id")
    assert deals["status"].to_dict() == {"o0": "won", "o1": "open", "o2": "open"}
    assert deals.loc["o2", ["closed_on", "amount"]].isna().all()
    assert then.frame("activities")["occurred_on"].max() <= day(30)


def test_a_team_cut_holds_its_own_rows_only() -> None:
    held = book(
        {
            "reps": reps_table(2, 2),
            "activities": activities_table(["r0", "r2"], ["call", "call"], [1, 1]),
            "opportunities": deals_table(["r0", "r3"], [0, 0], [5, 5], [1, 1], [10.0, 20.0], AS_OF),
        },
        AS_OF,
    )
    cut = held.team("t1")
    assert set(cut.frame("activities")["rep_id"]) == {"r2"} and set(cut.frame("opportunities")["rep_id"]) == {"r3"}
    with pytest.raises(ParameterError, match="nowhere"):
        held.team("nowhere")


@pytest.mark.parametrize(
    ("freq", "start"), [("week", "2025-03-24"), ("month", "2025-03-01"), ("quarter", "2025-01-01")]
)
def test_periods_end_with_the_one_of_today(freq: str, start: str) -> None:
    table = periods(freq, day(AS_OF), 3, fiscal=small().rules.fiscal)
    assert len(table) == 3 and table["period_start"].iloc[-1] == pd.Timestamp(start)
    inside = period_of(pd.Series([table["period_start"].iloc[1], table["period_end"].iloc[1], day(4000)]), table)
    assert inside.tolist() == [1, 1, -1]


def test_unknown_period_is_refused() -> None:
    with pytest.raises(ParameterError, match="fortnight"):
        scorecard(small(), "fortnight")


def test_trends_name_a_rise_and_stay_silent_otherwise() -> None:
    card = pd.DataFrame({"metric": np.repeat(["up", "flat", "short"], [10, 10, 3]), "team_id": "t0"})
    card["period_start"] = days([7 * k for k in (*range(10), *range(10), *range(3))])
    card["value"] = [*(10 + 3.0 * np.arange(10) + np.tile([0.1, -0.1], 5)), *([5, 6, 5, 4, 5, 6, 5, 4, 5, 6]), 1, 2, 3]
    card = card.assign(recorded=True, complete=True, conf_low=np.nan, conf_high=np.nan)
    found = trends(card).set_index("metric")["direction"]
    assert found.to_dict() == {"up": RISING, "flat": FLAT, "short": UNKNOWN}
    card["value"] = -card["value"]
    assert trends(card).set_index("metric").loc["up", "direction"] == FALLING


def test_intervals_of_activity_rates_cover_the_level() -> None:
    teams = 60  # as many draws, in one book
    activities = counts_company(teams, 8, 8, {"call": np.full(8 * teams, 6.0)}, 1, memory=0.0)
    deals, _ = drawn_deals(8 * teams, 100, 8, 0.3, 1)
    held = book({"reps": reps_table(teams, 8), "activities": activities, "opportunities": deals}, 8 * 7 - 1)
    card = scorecard(held, "week", last=4)
    rows = card[(card["metric"] == "kind:call") & (card["team_id"] != COMPANY)].dropna(subset=["value"])
    inside = (rows["conf_low"] <= 6.0) & (rows["conf_high"] >= 6.0)
    assert len(rows) == 4 * teams and 0.9 <= inside.mean() <= 0.985
