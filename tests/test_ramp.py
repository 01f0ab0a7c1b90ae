"""Ramp: times with reps still waiting, the curve within reps, the plan from those who ramped, small groups hidden."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from management_world import activities_table, book, day, days, deals_table, reps_table

from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.ramp import BINS, ramp, ramp_share, within_shares
from analysis.management.ramp_plan import activity_plan, early_activity

WEEKS = 120
AS_OF = 7 * WEEKS - 1
START_SHARE, TIME_CONSTANT = 0.3, 14.0


def company(hires: int, seed: int, *, ramping: bool = True, wins_a_week: float = 0.6, leavers: bool = False) -> Book:
    """Half the reps were there all the time, the others start in the first 55 weeks; weak new reps may leave early."""
    rng = np.random.default_rng(seed)
    number = 2 * hires
    hired = np.where(np.arange(number) < hires, -400, rng.integers(1, 55 * 7, number))
    skill = np.exp(0.3 * rng.standard_normal(number))
    left = np.full(number, AS_OF + 1)
    if leavers:
        weak = (hired > 0) & (skill < np.median(skill))
        left = np.where(weak, hired + rng.integers(20 * 7, 40 * 7, number), left)
    week = np.arange(WEEKS)
    tenure = week[:, None] - hired / 7
    share = 1 - (1 - START_SHARE) * np.exp(-np.maximum(tenure, 0) / TIME_CONSTANT) if ramping else np.ones(tenure.shape)
    here = (week[:, None] * 7 > hired) & (week[:, None] * 7 + 6 < left)
    wins = rng.poisson(wins_a_week * skill * share * here)
    when, rep = np.nonzero(wins)
    when, rep = (np.repeat(side, wins[when, rep]) for side in (when, rep))
    closed = when * 7 + rng.integers(0, 5, len(when))
    deals = deals_table(
        [f"r{n}" for n in rep], closed - 30, closed, np.ones(len(rep)), np.full(len(rep), 1000.0), AS_OF
    )
    weekly = rng.poisson(4 * here)
    done, who = np.nonzero(weekly)
    done, who = (np.repeat(side, weekly[done, who]) for side in (done, who))
    rows = activities_table([f"r{n}" for n in who], ["call"] * len(who), done * 7 + rng.integers(0, 5, len(done)))
    reps = reps_table(max(number // 10, 1), 10).iloc[:number]
    reps["hired_on"] = days(hired)
    reps["left_on"] = days(np.where(left <= AS_OF, left, np.nan))
    return book({"reps": reps, "activities": rows, "opportunities": deals}, AS_OF)


def true_share(low: float, high: float) -> float:
    """Mean share of full productivity between two tenures, relative to a year and more."""
    weeks = np.linspace(low, min(high, 110), 50)
    return float((1 - (1 - START_SHARE) * np.exp(-weeks / TIME_CONSTANT)).mean())


def test_curve_is_recovered_within_its_interval() -> None:
    found = ramp(company(60, 1))
    assert not isinstance(found, NotRecorded)
    last = true_share(52, 110)
    truth = [true_share(a, b) / last for a, b in zip(BINS, [*BINS[1:], 110], strict=True)]
    rows = found.curve.iloc[:-1]
    inside = [low <= t <= high for low, high, t in zip(rows["conf_low"], rows["conf_high"], truth, strict=False)]
    assert sum(inside) >= 6 and rows["share"].iloc[0] < 0.6


def test_no_ramp_is_not_claimed() -> None:
    claims = []
    for seed in range(6):
        found = ramp(company(30, 10 + seed, ramping=False))
        assert not isinstance(found, NotRecorded)
        claims += (found.curve["conf_high"].iloc[:-1] < 1).tolist()
    assert np.mean(claims) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(claims))


def test_early_leavers_bend_the_naive_curve_only() -> None:
    gaps, naive = [], []
    for seed in range(4):
        found = ramp(company(80, 30 + seed, leavers=True, wins_a_week=1.0))
        assert not isinstance(found, NotRecorded)
        row = found.curve.iloc[1]
        truth = true_share(4, 9) / true_share(52, 110)
        gaps.append(row["share"] - truth)
        naive.append(row["naive_share"] / found.curve["naive_share"].iloc[-1] - truth)
    assert np.mean(naive) < np.mean(gaps) - 0.04 and abs(np.mean(gaps)) < 0.07


@pytest.mark.oracle
def test_within_rep_curve_equals_poisson_with_dummies() -> None:
    rng = np.random.default_rng(0)
    expected = rng.uniform(1, 5, (12, 4))
    wins = rng.poisson(expected * np.exp(rng.standard_normal((12, 1)) * 0.3) * np.array([0.3, 0.6, 0.9, 1.0]))
    share, low, high = within_shares(wins.astype(float), expected)
    rep, place = np.indices(wins.shape)
    design = np.column_stack([pd.get_dummies(rep.ravel()), pd.get_dummies(place.ravel()).to_numpy()[:, :-1]]).astype(
        float
    )
    oracle = sm.GLM(wins.ravel(), design, family=sm.families.Poisson(), offset=np.log(expected).ravel()).fit()
    assert np.log(share[:-1]) == pytest.approx(oracle.params[-3:], abs=1e-5)
    assert (low[:-1] < share[:-1]).all() and (share[:-1] < high[:-1]).all() and share[-1] == 1


def test_times_by_hand_with_one_still_waiting() -> None:
    reps = reps_table(1, 6)
    reps["hired_on"] = days([10, 10, 10, 10, 10, 10])
    deals = deals_table([f"r{n}" for n in range(5)], [0] * 5, [30, 40, 50, 60, 70], [1] * 5, [1.0] * 5, 200)
    rows = activities_table([f"r{n}" for n in range(6)] * 2, ["call"] * 12, [0] * 6 + [200] * 6)
    found = ramp(book({"reps": reps, "activities": rows, "opportunities": deals}, 200))
    assert not isinstance(found, NotRecorded)
    row = found.times.query("cohort == '' and event == 'first_deal'").iloc[0]
    assert (row["n"], row["events"], row["median_days"], row["naive_days"]) == (6, 5, 40, 40)
    assert "still waiting" in row["bias"] and row["conf_low"] < 40


def test_small_cohorts_are_hidden_and_early_hires_are_skipped() -> None:
    held = company(30, 2)
    found = ramp(replace(held, policy=replace(held.policy, min_group=25)))
    assert not isinstance(found, NotRecorded)
    small = found.times[found.times["n"] < 25]
    assert len(small) and small["median_days"].isna().all() and small["note"].str.contains("fewer than 25").all()
    assert found.skipped == 30 and len(found.hires) == 30


def test_without_hire_dates_it_says_so() -> None:
    held = company(10, 3)
    bare = {**held.tables, "reps": held.frame("reps").drop(columns="hired_on")}
    assert ramp(Book(bare, held.as_of)) == NotRecorded(("reps.hired_on",))
    old = {**held.tables, "reps": held.frame("reps").assign(hired_on=day(-500))}
    assert "nobody was hired" in str(ramp(Book(old, held.as_of)))


def test_ramp_share_follows_the_curve() -> None:
    found = ramp(company(60, 1))
    assert not isinstance(found, NotRecorded)
    share = ramp_share(found, np.array([1.0, 30.0, 200.0, np.nan]))
    assert share[0] < share[1] and share[2] == share[3] == 1.0
    assert ramp_share(NotRecorded(("reps.hired_on",)), np.array([1.0])).tolist() == [1.0]


def test_plan_of_those_who_ramped() -> None:
    held = company(40, 4)
    found = ramp(held)
    assert not isinstance(found, NotRecorded)
    plan = activity_plan(held, found)
    first = plan[(plan["kind"] == "call") & (plan["from_week"] == 0)].set_index("group")
    assert first["value"].between(2.5, 5.5).all() and set(first.index) == {"ramped", "others"}
    assert (first["conf_low"] < first["value"]).all()


@pytest.mark.oracle
def test_early_activity_is_found_and_thin_data_are_refused() -> None:
    rng = np.random.default_rng(6)
    reps = reps_table(20, 10)
    reps["hired_on"] = days(rng.integers(7, 300, 200))
    hired = (reps["hired_on"] - day(0)).dt.days.to_numpy()
    pace = rng.uniform(1, 9, 200)
    wait = 60 + np.ceil(rng.exponential(200 / np.exp(0.25 * (pace - 5))))
    counts = rng.poisson(pace * 8)
    who = np.repeat(np.arange(200), counts)
    rows = activities_table([f"r{n}" for n in who], ["call"] * len(who), hired[who] + rng.integers(0, 56, len(who)))
    rows = pd.concat([rows, activities_table(["r0"], ["call"], [0])], ignore_index=True)
    deals = deals_table(reps["rep_id"], hired, hired + wait, np.ones(200), np.ones(200), AS_OF)
    held = book({"reps": reps, "activities": rows, "opportunities": deals}, AS_OF)
    found = ramp(held)
    assert not isinstance(found, NotRecorded)
    row = early_activity(held, found).iloc[0]
    assert row["conf_low"] <= np.exp(0.25) * 1.06 and row["conf_high"] >= np.exp(0.25) * 0.94 and row["conf_low"] > 1
    thin = company(8, 7)
    few = ramp(thin)
    assert not isinstance(few, NotRecorded)
    with pytest.raises(Refused, match="10 are needed to tell"):
        early_activity(thin, few)
