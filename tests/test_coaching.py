"""The one thing and coaching: planted gaps found, nobody named in a team of equals, one at a time, coaches differ."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, counts_company, day, days, deals_table, drawn_deals, reps_table

from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.coaching import FEW, MET, NEW, NONE, one_thing
from analysis.management.coaching import OPEN as STILL_OPEN
from analysis.management.coaching_effect import coaching_effect
from analysis.management.gaps import rate_gaps, rep_weeks_by_kind, won_gaps
from analysis.management.managers import attainment, attainment_by_quartile, booked_within, manager_activity

WEEKS = 56
AS_OF = 7 * WEEKS - 1
FINDINGS = pd.DataFrame(
    {
        "scope": "company",
        "team_id": "",
        "activity": ["demo", "visit", "call"],
        "grade": ["A", "B", "D"],
        "reason": "stated",
        "effect": [500.0, 300.0, 1.0],
        "conf_low": [300.0, 100.0, -1.0],
        "conf_high": [700.0, 500.0, 3.0],
        "lag_from": 1,
        "lag_to": 6,
        "mean_lag_weeks": 3.0,
    }
)


def company(teams: int, reps_per_team: int, seed: int, gaps: dict[int, float] | None = None, **fields: object) -> Book:
    """Reps alike but for the planted factors on demos."""
    number = teams * reps_per_team
    demo = np.full(number, 3.0)
    for rep, factor in (gaps or {}).items():
        demo[rep] *= factor
    rates = {"demo": demo, "visit": np.full(number, 4.0), "call": np.full(number, 12.0)}
    activities = counts_company(teams, reps_per_team, WEEKS, rates, seed)
    deals, _ = drawn_deals(number, 35 * number, WEEKS, 0.3, seed)
    tables = {"reps": reps_table(teams, reps_per_team), "activities": activities, "opportunities": deals}
    return book(tables, AS_OF, findings=FINDINGS, **fields)


def test_planted_gaps_are_the_one_thing() -> None:
    gaps = {8 * team: 0.35 for team in range(12)}
    found = one_thing(company(12, 8, 1, gaps), months=1)
    planted = found[found["rep_id"].isin([f"r{rep}" for rep in gaps])]
    assert (planted["thing"] == "demo").mean() >= 0.9
    row = planted[planted["thing"] == "demo"].iloc[0]
    assert row["conf_high"] < 0 and row["relative"] < -0.4
    assert row["money_per_week"] == pytest.approx(-row["gap"] * 500.0)
    assert "a week against" in row["sentence"]


def test_nobody_is_named_among_equals() -> None:
    found = one_thing(company(25, 6, 2), months=1)
    named = found.assign(named=found["thing"] != "").groupby("team_id")["named"].any()
    # The family is the team's: at most one team in twenty hears a name by chance, with Monte Carlo error.
    assert named.mean() <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 25)
    assert set(found.loc[found["thing"] == "", "status"]) == {NONE}


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 0.6])
def test_false_things_stay_at_the_nominal_rate(memory: float) -> None:
    hits = []
    for seed in range(6):
        number = 40 * 5
        rates = {"demo": np.full(number, 3.0), "visit": np.full(number, 4.0)}
        activities = counts_company(40, 5, WEEKS, rates, 100 + seed, memory=memory)
        deals, _ = drawn_deals(number, 35 * number, WEEKS, 0.3, seed)
        held = book(
            {"reps": reps_table(40, 5), "activities": activities, "opportunities": deals}, AS_OF, findings=FINDINGS
        )
        found = one_thing(held, months=1)
        hits.append(found.assign(named=found["thing"] != "").groupby("team_id")["named"].any())
    rate = np.concatenate(hits).mean()
    assert rate <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 240)


def test_gap_intervals_cover_the_true_gap() -> None:
    held = company(30, 6, 3, {6 * team: 0.5 for team in range(30)})
    panel = rep_weeks_by_kind(held)
    found = rate_gaps(panel, "demo", len(panel.weeks) - 1)
    weak = found[found["rep_id"].isin([f"r{6 * team}" for team in range(30)])]
    truth = np.where(found["rep_id"].isin(weak["rep_id"]), 1.5 - 3.0, 3.0 - (4 * 3.0 + 1.5) / 5)
    inside = (found["conf_low"] <= truth) & (truth <= found["conf_high"])
    assert 0.9 <= inside.mean() <= 0.99
    calm = rate_gaps(rep_weeks_by_kind(company(30, 6, 4)), "demo", len(panel.weeks) - 1)
    assert (calm["p_behind"] <= 0.05).mean() <= 0.085


def test_gap_by_hand() -> None:
    rows = activities_table(["r0"] * 40 + ["r1"] * 80 + ["r2"] * 80, ["demo"] * 200, [7 * (n % 40) for n in range(200)])
    deals, _ = drawn_deals(3, 30, 40, 0.3, 0)
    held = book({"reps": reps_table(1, 3), "activities": rows, "opportunities": deals}, 7 * 40 - 1)
    found = rate_gaps(rep_weeks_by_kind(held), "demo", 39).set_index("rep_id")
    assert found["value"].to_dict() == {"r0": 1.0, "r1": 2.0, "r2": 2.0}
    assert found["peers"].to_dict() == {"r0": 2.0, "r1": 1.5, "r2": 1.5}


def test_a_weak_closer_is_found_although_open_deals_hide_it() -> None:
    share = np.array([0.08] + [0.4] * 7)
    deals, _ = drawn_deals(8, 640, WEEKS, share, 5)
    held = company(1, 8, 6)
    held = replace(held, tables={**held.tables, "opportunities": deals})
    found = won_gaps(held, day(AS_OF)).set_index("rep_id")
    assert found["p_behind"].idxmin() == "r0" and found.loc["r0", "p_behind"] < 0.001
    assert found.loc["r0", "conf_low"] <= 0.08 - 0.4 <= found.loc["r0", "conf_high"]


def test_one_thing_at_a_time_until_it_is_met() -> None:
    held = company(1, 8, 7, {0: 0.25})
    rows = held.frame("activities")
    late = rows["occurred_on"] > day(AS_OF - 98)
    better = rows[late & (rows["kind"] == "demo") & (rows["rep_id"] == "r1")].assign(rep_id="r0")
    held = replace(held, tables={**held.tables, "activities": pd.concat([rows, better], ignore_index=True)})
    found = one_thing(held, months=6)
    mine = found[found["rep_id"] == "r0"].sort_values("month")
    assert not found.duplicated(["rep_id", "month"]).any()
    story = mine["status"].tolist()
    assert story[0] == NEW and MET in story
    met = story.index(MET)
    assert set(story[1:met]) <= {STILL_OPEN} and mine["thing"].iloc[: met + 1].eq("demo").all()


def test_a_noted_standard_closes_the_thing() -> None:
    held = company(1, 8, 7, {0: 0.25})
    first = one_thing(held, months=4).query("rep_id == 'r0'").sort_values("month")
    assert first["status"].tolist() == [NEW, STILL_OPEN, STILL_OPEN, STILL_OPEN]
    noted = pd.DataFrame(
        {
            "coaching_id": ["k"],
            "manager_id": ["m"],
            "rep_id": ["r0"],
            "kind": ["one_to_one"],
            "focus": ["demo"],
            "occurred_on": [first["month"].iloc[1] - pd.Timedelta(days=2)],
            "focus_met": pd.array([True], dtype="boolean"),
        }
    )
    then = one_thing(replace(held, tables={**held.tables, "coaching": noted}), months=4).query("rep_id == 'r0'")
    assert then.sort_values("month")["status"].iloc[1] == MET


def test_small_teams_and_no_study() -> None:
    few = one_thing(company(1, 4, 8, {0: 0.2}), months=1)
    assert set(few["status"]) == {FEW} and set(few["thing"]) == {""}
    blind = replace(company(1, 8, 9, {0: 0.2}), findings=None)
    assert "demo" not in set(one_thing(blind, months=1)["thing"])


def coached(effects: dict[str, float], seed: int, *, teams: int = 10, weeks: int = 80, lead: bool = False) -> Book:
    """Every manager coaches demos; each recent session moves the log rate by the manager's effect."""
    rng = np.random.default_rng(seed)
    number = teams * 8
    reps = reps_table(teams, 8)
    reps["manager_id"] = ["m" + team[1:] for team in reps["team_id"]]
    sessions = rng.poisson(0.25, (weeks + 6, number))
    effect = np.array([effects.get(manager, 0.0) for manager in reps["manager_id"]])
    recent = sum(np.roll(sessions, lag, axis=0) for lag in range(1, 7))[6:]
    wander = 0.3 * rng.standard_normal((weeks, number))
    rate = 4 * np.exp(0.3 * rng.standard_normal(number) + effect * (recent - 1.5) + wander)
    counts = rng.poisson(rate)
    week, rep = np.nonzero(counts)
    week, rep = (np.repeat(side, counts[week, rep]) for side in (week, rep))
    rows = activities_table([f"r{n}" for n in rep], ["demo"] * len(rep), week * 7 + rng.integers(0, 5, len(rep)))
    when, who = np.nonzero(sessions[6:])
    notes = pd.DataFrame({"rep_id": [f"r{n}" for n in who]}).astype("str")
    notes["manager_id"] = [f"m{n // 8}" for n in who]
    notes["occurred_on"] = days(when * 7 + 2)
    notes = notes.assign(kind="one_to_one", focus="demo", coaching_id=[f"k{n}" for n in range(len(notes))])
    deals, _ = drawn_deals(number, 4 * number, weeks, 0.3, seed)
    return book({"reps": reps, "activities": rows, "opportunities": deals, "coaching": notes}, 7 * weeks - 1)


SKILLED = {f"m{n}": (0.08 if n < 5 else -0.06) for n in range(10)}


def test_skilled_managers_help_and_others_harm() -> None:
    skill = pd.Series({manager: float(value > 0) for manager, value in SKILLED.items()})
    found = coaching_effect(coached(SKILLED, 1), skill)
    assert not isinstance(found, NotRecorded) and found.by_skill is not None
    assert found.by_skill.conf_low <= 0.14 <= found.by_skill.conf_high and found.by_skill.conf_low > 0
    assert found.placebo.conf_low <= 0 <= found.placebo.conf_high
    truth = found.by_manager["manager_id"].map(SKILLED)
    assert ((found.by_manager["shrunk_low"] <= truth) & (truth <= found.by_manager["shrunk_high"])).sum() >= 8
    assert np.corrcoef(found.by_manager["shrunk"], truth)[0, 1] > 0.8


def test_absent_coaching_effect_is_not_claimed() -> None:
    p = []
    for seed in range(8):
        found = coaching_effect(coached({}, 50 + seed, weeks=50))
        assert not isinstance(found, NotRecorded)
        p += [found.overall.p_value, found.placebo.p_value]
    assert np.mean(np.array(p) < 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 16)


@pytest.mark.slow
def test_coaching_intervals_cover_at_the_nominal_rate() -> None:
    inside, claims = [], []
    skill = pd.Series({manager: float(value > 0) for manager, value in SKILLED.items()})
    for seed in range(120):
        found = coaching_effect(coached(SKILLED, 500 + seed, weeks=52), skill)
        none = coaching_effect(coached({}, 900 + seed, weeks=52), skill)
        assert not isinstance(found, NotRecorded) and not isinstance(none, NotRecorded)
        assert found.by_skill is not None and none.by_skill is not None
        inside.append(found.by_skill.conf_low <= 0.14 <= found.by_skill.conf_high)
        claims.append(none.by_skill.p_value < 0.05)
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / 120)
    assert np.mean(claims) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)


def test_coaching_effect_needs_managers_and_a_focus() -> None:
    with pytest.raises(Refused, match="5 are needed"):
        coaching_effect(coached({}, 3, teams=3, weeks=30))
    assert coaching_effect(company(1, 8, 1)) == NotRecorded(("coaching",))
    held = coached({}, 3, weeks=30)
    notes = held.frame("coaching").assign(focus="negotiation")  # nobody's recorded activity
    assert isinstance(coaching_effect(replace(held, tables={**held.tables, "coaching": notes})), NotRecorded)


def test_manager_activity_by_hand() -> None:
    held = coached({}, 4, teams=2, weeks=30)
    one = held.frame("coaching").iloc[:0]
    notes = pd.DataFrame({"rep_id": ["r0"] * 6, "manager_id": "m0", "kind": "field_day", "focus": "demo"})
    notes = notes.assign(occurred_on=days([150, 160, 170, 180, 190, 200]), coaching_id=list("abcdef"))
    found = manager_activity(replace(held, tables={**held.tables, "coaching": pd.concat([one, notes])}), weeks=20)
    assert not isinstance(found, NotRecorded)
    row = found[(found["manager_id"] == "m0") & (found["kind"] == "field_day")].iloc[0]
    assert row["sessions"] == 6 and row["rep_weeks"] == 8 * 20
    assert row["value"] == pytest.approx(6 / 160 * 365.25 / 84)
    assert row["conf_low"] < row["value"] < row["conf_high"]
    other = found[(found["manager_id"] == "m1") & (found["kind"] == "field_day")].iloc[0]
    assert other["value"] == 0 and other["conf_high"] > 0


def test_what_is_booked_in_a_period_begins_with_its_first_day_and_ends_before_its_last() -> None:
    deals = deals_table(["r0"] * 4 + ["r1"] * 2, [0] * 6, [9, 10, 19, 20, 15, 30], [1, 1, 1, 1, 1, 0], range(1, 7), 60)
    calls = activities_table(["r0"], ["call"], [0])
    held = book({"reps": reps_table(1, 2), "activities": calls, "opportunities": deals}, 60)
    periods = pd.DataFrame({"period_start": days([10, 0, 10, 10]), "period_end": days([20, 60, 20, 20])})
    found = booked_within(held, pd.Series(["r0", "r0", "r1", "nobody"]), periods)
    assert found.tolist() == [2 + 3, 1 + 2 + 3 + 4, 5, 0]


def test_attainment_by_quartile_suppresses_small_groups() -> None:
    held = coached({}, 5, teams=8, weeks=60)
    quotas = pd.DataFrame({"owner_id": [f"r{n}" for n in range(64)], "level": "rep", "amount": 50_000.0})
    quotas = quotas.assign(period_start=day(0), period_end=day(91))
    held = replace(held, tables={**held.tables, "quotas": quotas})
    shares = attainment(held)
    assert not isinstance(shares, NotRecorded)
    deals = held.frame("opportunities")
    mine = deals[(deals["rep_id"] == "r5") & (deals["status"] == "won") & (deals["closed_on"] < day(91))]
    assert shares.set_index("rep_id").loc["r5", "share"] == pytest.approx(mine["amount"].sum() / 50_000)
    found = attainment_by_quartile(held)
    assert not isinstance(found, NotRecorded)
    assert found["managers"].tolist() == [2] * 4 and found["value"].notna().all()
    assert found["sessions_per_rep_month"].is_monotonic_increasing
    tight = attainment_by_quartile(replace(held, policy=replace(held.policy, min_group=17)))
    assert not isinstance(tight, NotRecorded)
    assert tight["value"].isna().all() and tight["note"].str.contains("fewer than 17").all()
