"""The funnel: cohorts by hand, open deals that are no losses, peers compared fairly, what is not recorded."""

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, days, deals_table, drawn_deals, reps_table

from analysis.management.book import NotRecorded
from analysis.management.funnel import BELOW, FEW, LIKE, funnel

WEEKS = 60
AS_OF = 7 * WEEKS - 1


def company(deals: pd.DataFrame, teams: int = 1, reps_per_team: int = 8, **tables: pd.DataFrame):
    every = [f"r{n}" for n in range(teams * reps_per_team)]
    on = [0] * len(every) + [AS_OF] * len(every)
    activities = activities_table(every + every, ["call"] * len(on), on)
    return book(
        {"reps": reps_table(teams, reps_per_team), "activities": activities, "opportunities": deals, **tables}, AS_OF
    )


def row(found: pd.DataFrame, step: str, scope: str = "company") -> pd.Series:
    return found[(found["step"] == step) & (found["scope"] == scope)].iloc[0]


def test_asks_and_wins_by_hand() -> None:
    # Four deals with asks on days 110, 110, 112; o3 has none and is lost; o2 is still open.
    deals = deals_table(["r0"] * 4, [100] * 4, [130, 140, 999, 120], [1, 0, 1, 0], [10.0] * 4, AS_OF)
    moves = pd.DataFrame(
        {
            "opportunity_id": ["o0", "o1", "o2", "o0"],
            "changed_at": days([110, 110, 112, 130]).dt.tz_localize("UTC"),
            "to_stage": ["Proposal", "proposal", "contract", "won"],
        }
    )
    found = funnel(company(deals, stage_changes=moves), weeks=52)
    ask = row(found.steps, "opportunity_to_ask")
    assert (ask["n"], ask["reached"], ask["running"]) == (4, 3, 0) and ask["conversion"] == pytest.approx(0.75)
    won = row(found.steps, "ask_to_won")
    assert (won["n"], won["reached"]) == (3, 1) and won["running"] == 0  # open for longer than asks take
    assert won["conversion"] == pytest.approx(1 / 3)
    assert won["naive_ratio"] == pytest.approx(1 / 3)


def test_what_is_not_recorded_is_named_and_the_rest_is_there() -> None:
    deals, _ = drawn_deals(8, 200, WEEKS, 0.3, 0)
    found = funnel(company(deals))
    assert set(found.steps["step"]) == {"opportunity_to_won"}
    assert found.missing["attempt_to_connect"] == NotRecorded(("activities.is_meaningful",))
    assert "stage_changes" in str(found.missing["ask_to_won"])
    assert found.missing["won_to_invoiced"] == NotRecorded(("opportunities.invoiced_on",))


def test_open_deals_are_no_losses_and_the_naive_answer_is_beside() -> None:
    teams = 80  # as many draws, in one book
    deals, _ = drawn_deals(8 * teams, 160 * teams, WEEKS, 0.3, 7)
    steps = funnel(company(deals, teams), weeks=26).steps
    found = steps[steps["scope"] == "team"]
    # Read at the 95 % point of the ended deals' time, the conversion is a little short of the final one.
    assert found["conversion"].mean() == pytest.approx(0.3, abs=0.02)
    assert found["naive_open_as_lost"].mean() < 0.24
    inside = (found["conf_low"] <= 0.3) & (found["conf_high"] >= 0.3)
    assert 0.88 <= inside.mean() <= 1.0
    assert found["bias"].str.contains("too low").all()


def test_equal_reps_are_like_the_team_and_a_weak_one_is_below() -> None:
    deals, _ = drawn_deals(8 * 25, 240 * 25, WEEKS, 0.3, 3)
    steps = funnel(company(deals, 25)).steps
    assert (steps.loc[steps["scope"] == "rep", "standing"] != LIKE).mean() <= 0.03
    share = np.array([0.05] + [0.45] * 7)
    deals, _ = drawn_deals(8, 700, WEEKS, share, 1)
    steps = funnel(company(deals)).steps
    weak = steps[(steps["scope"] == "rep") & (steps["rep_id"] == "r0")].iloc[0]
    assert weak["standing"] == BELOW and weak["shrunk"] > weak["conversion"]
    assert weak["shrunk_low"] <= 0.05 + 0.03


def test_teams_under_five_are_not_compared() -> None:
    deals, _ = drawn_deals(4, 200, WEEKS, 0.3, 2)
    steps = funnel(company(deals, teams=1, reps_per_team=4)).steps
    reps = steps[steps["scope"] == "rep"]
    assert set(reps["standing"]) == {FEW} and reps["gap"].isna().all()


def test_no_rep_without_an_interval() -> None:
    deals, _ = drawn_deals(8, 300, WEEKS, 0.3, 3)
    steps = funnel(company(deals)).steps
    reps = steps[(steps["scope"] == "rep") & steps["conversion"].notna()]
    assert reps[["conf_low", "conf_high", "shrunk_low", "shrunk_high"]].notna().all().all()


def test_connects_have_an_interval_that_knows_about_bad_weeks() -> None:
    rng = np.random.default_rng(0)
    week = np.repeat(np.arange(52), 40)
    good = rng.random(52 * 40) < np.repeat(rng.choice([0.1, 0.5], 52), 40)
    rows = activities_table(["r0"] * len(week), ["call"] * len(week), week * 7 + 50, is_meaningful=good)
    deals, _ = drawn_deals(8, 50, WEEKS, 0.3, 0)
    held = company(deals)
    held = book({**held.tables, "activities": rows}, AS_OF)
    found = row(funnel(held).steps, "attempt_to_connect")
    assert found["effective_n"] < found["n"] / 3
    assert found["conversion"] == pytest.approx(
        rows.loc[rows["occurred_on"] > held.as_of - pd.Timedelta(weeks=52), "is_meaningful"].mean()
    )


def test_naive_ratio_mixes_cohorts_when_business_grows() -> None:
    # Twice as many deals created each quarter: wins now belong to the small cohorts of before.
    rng = np.random.default_rng(5)
    created = 7 * WEEKS * np.sqrt(rng.random(900))
    won = rng.random(900) < 0.4
    closed = created + np.ceil(60 * np.exp(0.4 * rng.standard_normal(900)))
    deals = deals_table([f"r{n % 8}" for n in range(900)], created, closed, won, np.ones(900), AS_OF)
    found = row(funnel(company(deals)).steps, "opportunity_to_won")
    assert found["naive_open_as_lost"] < found["conversion"] - 0.03
    assert found["conversion"] == pytest.approx(0.4, abs=0.05)
