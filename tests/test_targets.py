"""Targets from quota: the model by hand, chances that come true, levers refused without evidence, honest warnings."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, days, deals_table, drawn_deals, reps_table
from scipy import stats

from analysis.errors import ParameterError, Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.deal_model import DealModel, deal_model, later_win, new_win
from analysis.management.deals import timed_deals
from analysis.management.levers import lever_effects
from analysis.management.pace import quota_pace, usual_by_now
from analysis.management.plan import ChanceCurve, Effect, Goal, Outlook, activity_curve, chance_curve
from analysis.management.survival import EVENT, OPEN, OTHER
from analysis.management.targets import _beta_binomial_reach, asks_for_chance, hindsight, targets, team_goal

WEEKS = 60
AS_OF = 7 * WEEKS - 1


def certain(share: float, size: float = 100.0, draws: int = 4000) -> DealModel:
    """Every deal ends in its first week, won with this chance, all of one size: the exact answer is binomial."""
    won = np.tile([0.0, share], (draws, 1))
    ended = np.tile([0.0, 1.0], (draws, 1))
    return DealModel(won, ended, np.full(draws, np.log(size)), np.zeros(draws), np.zeros(1), 0.0, size, share, 100, 50)


def goal(missing: float, weeks: float = 10.0) -> Goal:
    return Goal(missing, 0.0, weeks, np.zeros(0), np.zeros(0))


def test_chances_are_binomial_where_all_is_known() -> None:
    curve = chance_curve(certain(0.5), goal(300, weeks=1000), 12)
    exact = stats.binom.sf(2, np.arange(13), 0.5)
    assert curve.chances == pytest.approx(exact, abs=4 * 0.5 / np.sqrt(4000))
    assert curve.needed(0.5) in (5, 6) and np.isnan(curve.needed(0.9999))
    assert (np.diff(curve.chances) >= 0).all()
    with pytest.raises(ParameterError, match="between 0 and 1"):
        curve.needed(1.0)


def test_open_deals_count_by_their_age_and_known_amount() -> None:
    model = certain(0.5)
    young = Goal(90.0, 0.0, 10.0, np.array([0.0]), np.array([np.nan]))
    assert chance_curve(model, young, 1).chances[0] == pytest.approx(0.5, abs=0.04)
    small = Goal(90.0, 0.0, 10.0, np.array([0.0]), np.array([50.0]))
    assert chance_curve(model, small, 1).chances[0] == 0.0
    old = Goal(90.0, 0.0, 10.0, np.array([5.0]), np.array([np.nan]))  # older than any deal that was ever won
    assert chance_curve(model, old, 1).chances[0] == 0.0


def test_no_time_left_means_no_new_deal() -> None:
    assert chance_curve(certain(0.9), goal(100, weeks=0.0), 20).chances.max() == 0.0


def test_model_recovers_conversion_and_refuses_thin_data() -> None:
    deals, _ = drawn_deals(1, 400, WEEKS, 0.3, 3)
    last = deals["closed_on"].fillna(days([AS_OF])[0])
    end = np.select([deals["status"] == "won", deals["status"] == "lost"], [EVENT, OTHER], OPEN)
    cases = pd.DataFrame(
        {"days": (last - deals["created_on"]).dt.days.astype(float), "end": end, "start": deals["created_on"]}
    )
    model = deal_model(cases, deals.loc[end == EVENT, "amount"].to_numpy())
    low, high = np.quantile(model.won[:, -1], [0.025, 0.975])
    assert low <= 0.3 <= high and model.spell_sd < 0.25
    assert model.win_share < model.won[:, -1].mean()  # the ratio of totals calls open deals lost
    with pytest.raises(Refused, match="5 are needed"):
        deal_model(cases.head(6), np.ones(2))


def test_deals_that_wait_long_are_worth_less() -> None:
    deals, _ = drawn_deals(1, 400, WEEKS, 0.3, 4)
    end = np.select([deals["status"] == "won", deals["status"] == "lost"], [EVENT, OTHER], OPEN)
    last = deals["closed_on"].fillna(days([AS_OF])[0])
    cases = pd.DataFrame({"days": (last - deals["created_on"]).dt.days.astype(float), "end": end})
    model = deal_model(cases, deals.loc[end == EVENT, "amount"].to_numpy())
    ages = later_win(model, np.array([4.0, 20.0]), 13.0).mean(axis=0)
    assert ages[0] > 2 * ages[1]
    weeks = new_win(model, np.array([2.0, 26.0])).mean(axis=0)
    assert weeks[0] < 0.03 < weeks[1]


def test_curve_is_that_of_all_draws_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws are worked on in parts; neither the parts nor leaving out lost cases may change a chance."""
    deals, _ = drawn_deals(1, 400, WEEKS, 0.3, 4)
    end = np.select([deals["status"] == "won", deals["status"] == "lost"], [EVENT, OTHER], OPEN)
    last = deals["closed_on"].fillna(days([AS_OF])[0])
    cases = pd.DataFrame({"days": (last - deals["created_on"]).dt.days.astype(float), "end": end})
    model = deal_model(cases, deals.loc[end == EVENT, "amount"].to_numpy(), draws=130)
    amounts = np.where(np.arange(40) % 2, np.nan, 9000.0)
    goal = Goal(160_000.0, 20_000.0, 9.5, np.linspace(0, 30, 40), amounts)
    curves = []
    for numbers in (1, 2_000, 10**9):
        monkeypatch.setattr("analysis.management.deal_model._AT_ONCE", numbers)
        curves.append(chance_curve(model, goal, 60, seed=7).chances.tolist())
    assert curves[0] == curves[1] == curves[2]
    assert curves[0] == sorted(curves[0]) and curves[0][0] < 0.2 < curves[0][-1]


def _window(rng: np.random.Generator, deals: int, share: float) -> pd.DataFrame:
    """Deals of two years before today, of which an export holds those that had not ended before its first day."""
    start = -rng.uniform(0, 730, deals)
    needed = np.ceil(60 * np.exp(0.5 * rng.standard_normal(deals)))
    won, closes, first = rng.random(deals) < share, np.floor(start) + needed, -120.0
    kept = closes >= first
    start, needed, won, closes = (column[kept] for column in (np.floor(start), needed, won, closes))
    end = np.where(closes > 0, OPEN, np.where(won, EVENT, OTHER))
    days = np.where(closes > 0, -start, needed)
    return pd.DataFrame({"days": days, "late": np.clip(first - start, 0, days), "end": end})


def test_deals_older_than_the_export_count_from_its_first_day() -> None:
    """Of those begun before it only the slow ones are in it: counted from their start they make all deals look slow."""
    cases = _window(np.random.default_rng(5), 12_000, 0.3)
    weeks = np.array([4.0, 8.0, 16.0])
    truth = 0.3 * stats.lognorm.cdf(7 * weeks, 0.5, scale=60)
    draws = new_win(deal_model(cases, np.ones(50), draws=400), weeks)
    low, high = np.quantile(draws, [0.005, 0.995], axis=0)
    assert ((low <= truth) & (truth <= high)).all()
    naive = new_win(deal_model(cases.assign(late=0.0), np.ones(50), draws=400), weeks)
    assert np.quantile(naive[:, 1], 0.995) < truth[1]  # the planted fault


def test_the_records_begin_with_the_first_end_of_any_deal() -> None:
    rep, begun, ends = ["r0"] * 4 + ["r1"], [-30.0, -5.0, 2.0, 20.0, 15.0], [9.0, 99.0, 30.0, 99.0, 4.0]
    world = {"reps": reps_table(1, 2), "opportunities": deals_table(rep, begun, ends, [True] * 5, [1.0] * 5, as_of=40)}
    world["opportunities"].loc[4, "closed_on"] = days([16])[0]
    cases = timed_deals(book(world, 40))
    assert cases["late"].tolist() == [39.0, 14.0, 7.0, 0.0, 0.0] and cases["days"].tolist() == [
        39.0,
        45.0,
        28.0,
        20.0,
        1.0,
    ]
    none = world | {"opportunities": world["opportunities"].assign(status="open", closed_on=pd.NaT)}
    assert (timed_deals(book(none, 40))["late"] == timed_deals(book(none, 40))["days"]).all()


def test_late_entry_agrees_with_statsmodels() -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    cases = _window(np.random.default_rng(6), 12_000, 1.0)
    model = deal_model(cases, np.ones(50), draws=2000)
    oracle = SurvfuncRight(cases["days"], cases["end"] == EVENT, entry=np.maximum(cases["late"] - 0.5, 0))
    at = np.searchsorted(oracle.surv_times, 7 * np.arange(4, 20), side="left") - 1
    assert model.ended[:, 4:20].mean(axis=0) == pytest.approx(1 - oracle.surv_prob[at], abs=0.004)


def _one_plan(rng: np.random.Generator, number: int, seed: int, weeks_left: float = 10.0) -> tuple[float, bool] | None:
    """A team drawn, a plan drawn, its stated chance, and whether the quota was then reached."""
    share = rng.uniform(0.1, 0.6)
    start = -rng.uniform(0, 104 * 7, number)
    won = rng.random(number) < share
    needed = np.ceil(42 * np.exp(0.5 * rng.standard_normal(number)))
    size = np.exp(9 + 0.7 * rng.standard_normal(number))
    closes = start + needed
    end = np.where(closes > 0, OPEN, np.where(won, EVENT, OTHER))
    cases = pd.DataFrame({"days": np.where(closes > 0, np.floor(-start), needed), "end": end})
    cases["start"] = (pd.Timestamp("2026-01-05") + pd.to_timedelta(np.floor(start), "D")).astype("datetime64[us]")
    try:
        model = deal_model(cases, size[end == EVENT], draws=300, seed=seed)
    except Refused:
        return None
    still = end == OPEN
    plan = int(rng.integers(0, max(int(number * weeks_left / 52), 3)))
    quota = (still.sum() * 0.15 + plan * 0.12 + 0.5) * np.exp(9.25) * rng.uniform(0.4, 2.0)
    aim = Goal(quota, 0.0, weeks_left, -start[still] / 7, np.full(still.sum(), np.nan))
    stated = chance_curve(model, aim, max(plan, 1), seed=seed).at(plan)
    begin = rng.uniform(0, weeks_left * 7, plan)
    late = begin + np.ceil(42 * np.exp(0.5 * rng.standard_normal(plan))) <= weeks_left * 7
    new = np.exp(9 + 0.7 * rng.standard_normal(plan))[late & (rng.random(plan) < share)].sum()
    booked = size[still & won & (closes <= weeks_left * 7)].sum() + new
    return stated, bool(booked >= quota)


def _reliability(number: int, plans: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    drawn = [pair for pair in (_one_plan(rng, number, n) for n in range(plans)) if pair is not None]
    frame = pd.DataFrame(drawn, columns=["stated", "reached"])
    frame["band"] = pd.cut(frame["stated"], [0, 0.2, 0.4, 0.6, 0.8, 1.0], include_lowest=True)
    return frame.groupby("band", observed=True).agg(
        n=("stated", "size"), stated=("stated", "mean"), reached=("reached", "mean")
    )


def test_of_plans_given_70_percent_70_percent_reach_it() -> None:
    found = _reliability(120, 400, 1)
    band = found[(found["stated"] > 0.6) & (found["stated"] < 0.8)].iloc[0]
    error = np.sqrt(band["stated"] * (1 - band["stated"]) / band["n"])
    assert abs(band["reached"] - band["stated"]) <= 3 * error
    assert found["reached"].is_monotonic_increasing


@pytest.mark.slow
@pytest.mark.parametrize("number", [40, 120, 400])
def test_chances_come_true_in_every_band(number: int) -> None:
    found = _reliability(number, 3000, number)
    error = np.sqrt(found["stated"] * (1 - found["stated"]) / found["n"])
    # Small teams: shared uncertainty makes very low and very high chances a little too timid, by up to 8 points.
    allowed = 3 * error + (0.08 if number < 100 else 0.05)
    assert (np.abs(found["reached"] - found["stated"]) <= allowed).all()


@pytest.mark.parametrize(("closed", "asked", "needed", "chance"), [(2, 4, 4, 0.5), (0, 6, 1, 0.5), (5, 5, 3, 0.9)])
def test_asks_for_chance_by_brute_force(closed: int, asked: int, needed: int, chance: float) -> None:
    number = asks_for_chance(closed, asked, needed, chance)
    rate = np.random.default_rng(0).beta(closed + 1, asked - closed + 1, 400_000)
    reach = [stats.binom.sf(needed - 1, n, rate).mean() for n in (number - 1, number)]
    assert reach[0] < chance + 0.002 and reach[1] >= chance - 0.002


@pytest.mark.parametrize(("closed", "asked", "needed"), [(0, 0, 1), (2, 4, 4), (30, 90, 25), (0, 500, 3)])
def test_asks_for_chance_is_the_beta_binomial(closed: int, asked: int, needed: int) -> None:
    number = np.arange(needed, 1001)
    exact = stats.betabinom.sf(needed - 1, number, closed + 1, asked - closed + 1)
    np.testing.assert_allclose(_beta_binomial_reach(needed, number, closed + 1, asked - closed + 1), exact, atol=1e-9)


def test_hindsight_sentence() -> None:
    assert hindsight(2, 4, 4) == (
        "You closed 2 of 4; 4 were needed: sending 7 proposals would have given you a 50% chance."
    )
    with pytest.raises(ParameterError):
        asks_for_chance(5, 4, 1)
    with pytest.raises(Refused):
        asks_for_chance(0, 50, 900)


FINDINGS = pd.DataFrame(
    {
        "scope": ["company", "company", "team"],
        "team_id": ["", "", "t0"],
        "activity": ["demo", "call", "call"],
        "grade": ["A", "D", "C"],
        "reason": ["all checks passed", "interval includes zero", "placebo fails"],
        "effect": [900.0, 5.0, 9.0],
        "conf_low": [500.0, -5.0, 1.0],
        "conf_high": [1300.0, 15.0, 17.0],
        "lag_from": 1,
        "lag_to": 6,
        "mean_lag_weeks": [3.0, np.nan, np.nan],
    }
)


def test_levers_are_graded_a_or_b_and_the_rest_says_why_not() -> None:
    found = lever_effects(FINDINGS, "t0")
    assert found["demo"] == Effect(900.0, pytest.approx(800 / 3.92), 3.0)
    assert found["call"] == "grade C: placebo fails"
    assert lever_effects(FINDINGS, "t1")["call"] == "grade D: interval includes zero"
    assert lever_effects(None, "t0") == {}


def company(quota: float = 150_000.0, seed: int = 0) -> Book:
    deals, _ = drawn_deals(8, 500, WEEKS, 0.3, seed)
    rng = np.random.default_rng(seed)
    rep = [f"r{n}" for n in range(8)]
    rows = activities_table(rng.choice(rep, 4000), rng.choice(["call", "demo"], 4000), rng.integers(0, AS_OF + 1, 4000))
    starts = list(range(0, AS_OF, 91))
    quotas = pd.concat(
        pd.DataFrame({"owner_id": rep, "level": "rep", "period_start": days([n] * 8), "period_end": days([n + 91] * 8)})
        for n in starts
    ).assign(amount=quota / 8)
    tables = {
        "reps": reps_table(1, 8),
        "activities": rows,
        "opportunities": deals,
        "quotas": quotas.reset_index(drop=True),
    }
    return book(tables, 7 * 56 - 1 + 21)


def test_targets_of_a_team() -> None:
    held = company().rewind(days([4 * 91 + 30])[0])
    plain = targets(held, "t0", draws=300)
    assert not isinstance(plain, NotRecorded)
    levers = plain.levers.set_index("lever")
    assert not levers.loc["demo", "admitted"] and "no study" in levers.loc["demo", "refusal"]
    assert 0 <= plain.chance_as_is <= 1
    proven = targets(replace(held, findings=FINDINGS), "t0", draws=300)
    assert not isinstance(proven, NotRecorded)
    levers = proven.levers.set_index("lever")
    assert levers.loc["demo", "admitted"] and not levers.loc["call", "admitted"]
    assert levers.loc["demo", "per_week_50"] >= levers.loc["demo", "now_per_week"]
    assert set(proven.curves) == {"opportunities", "demo"}
    same = targets(replace(held, findings=FINDINGS), "t0", draws=300)
    assert not isinstance(same, NotRecorded) and same.levers.equals(proven.levers)


def test_the_product_of_averages_misses_more_often_than_it_says() -> None:
    held = company(quota=600_000.0).rewind(days([4 * 91 + 30])[0])
    found = targets(held, "t0", draws=400)
    assert not isinstance(found, NotRecorded)
    row = found.levers.iloc[0]
    assert row["naive_chance"] < 0.45  # it knows neither the time deals take nor that half of all draws fall short
    assert "more than the team ever did" in row["warning"] or "not every chance" in row["warning"]


def test_without_quotas_it_says_so() -> None:
    held = company()
    bare = Book({name: frame for name, frame in held.tables.items() if name != "quotas"}, held.as_of)
    assert targets(bare, "t0") == NotRecorded(("quotas",))
    assert quota_pace(bare) == NotRecorded(("quotas",))
    later = replace(held, as_of=held.as_of + pd.Timedelta(days=4000))
    assert "none of t0 runs" in str(team_goal(later, "t0"))


def test_activity_levers_only_ever_help_and_late_ones_do_not() -> None:
    model = certain(0.5)
    curve = activity_curve(Outlook(model, goal(400, weeks=8), 0.5, 1), Effect(60.0, 10.0, 2.0), 6.0)
    assert (np.diff(curve.chances) >= 0).all() and curve.chances[-1] > curve.chances[0] + 0.3
    late = activity_curve(Outlook(model, goal(400, weeks=2), 0.5, 1), Effect(60.0, 10.0, 3.0), 6.0)
    assert np.ptp(late.chances) == 0.0


def test_extra_deals_of_activities_bring_the_stated_money() -> None:
    model = certain(0.5, size=50.0, draws=3000)
    chances = activity_curve(Outlook(model, goal(1, weeks=10), 0.0, 2), Effect(50.0, 0.0, 0.0), 0.1)
    # One extra deal expected over ten weeks: at least one arrives with 1 - exp(-1).
    assert chances.chances[-1] == pytest.approx(1 - np.exp(-1), abs=0.04)


def test_pace_and_targets_share_a_model_whichever_is_asked_first() -> None:
    held = company().rewind(days([4 * 91 + 45])[0])
    first, second = replace(held), replace(held)
    pace_first, targets_after = quota_pace(first), targets(first, "t0")
    targets_first, pace_after = targets(second, "t0"), quota_pace(second)
    assert not isinstance(pace_first, NotRecorded) and not isinstance(pace_after, NotRecorded)
    pd.testing.assert_frame_equal(pace_first, pace_after)
    assert not isinstance(targets_first, NotRecorded) and not isinstance(targets_after, NotRecorded)
    assert targets_first.chance_as_is == targets_after.chance_as_is


def test_quota_pace_by_hand_and_with_chances() -> None:
    held = company().rewind(days([4 * 91 + 45])[0])
    found = quota_pace(held, draws=200)
    assert not isinstance(found, NotRecorded)
    row = found.set_index("rep_id").loc["r3"]
    deals = held.frame("opportunities")
    mine = deals[(deals["rep_id"] == "r3") & (deals["status"] == "won") & (deals["closed_on"] >= days([4 * 91])[0])]
    assert row["booked"] == pytest.approx(mine["amount"].sum())
    assert row["elapsed"] == pytest.approx(46 / 91)
    assert row["usual_low"] <= row["usual_by_now"] <= row["usual_high"]
    assert row["expected"] == pytest.approx(row["quota"] * row["usual_by_now"])
    assert found["chance"].between(0, 1).all() and (found["ramp"] == 1).all()


def test_usual_share_without_history_is_the_calendar() -> None:
    held = company().rewind(days([60])[0])
    share, low, _ = usual_by_now(held, 0.4)
    assert share == 0.4 and np.isnan(low)


def test_a_curve_reads_between_what_was_tried() -> None:
    curve = ChanceCurve(np.array([0.0, 10.0]), np.array([0.0, 0.5]), 4.0)
    assert curve.at(5) == pytest.approx(0.25) and np.isnan(curve.at(11))
