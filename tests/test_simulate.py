"""The simulated rep-week panel: shape, determinism, and a truth that independent estimates recover."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import date
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.crm.simulate import WORLDS, kernels, process, simulate_panel
from analysis.crm.simulate.season import LAST_WEEK
from analysis.crm.simulate.truth import study_truth
from analysis.crm.simulate.weekly import frame
from analysis.crm.simulate.worlds import World
from analysis.errors import ParameterError

DIGEST = """
from hashlib import sha256
from analysis.crm.simulate import simulate_panel
import json
frame, truth = simulate_panel("turnover", 3, 4, 4, 60)
print(sha256((frame.to_csv() + json.dumps(truth)).encode()).hexdigest())
"""


def digest(world: str, seed: int) -> str:
    panel, truth = simulate_panel(world, seed, 4, 4, 60)
    return sha256((panel.to_csv() + repr(truth)).encode()).hexdigest()


def smoothed(panel: pd.DataFrame, truth: dict, kind: str) -> pd.Series:
    """The activity of the weeks before, weighted by the true kernel; missing where a lag lies before the data."""
    weights = [entry["weight"] for entry in truth["activities"][kind]["kernel"]]
    of_rep = panel.groupby("rep_id")[kind]
    return sum(weight * of_rep.shift(lag) for lag, weight in enumerate(weights, start=1))


def poisson(panel: pd.DataFrame, regressors: dict[str, pd.Series], outcome: str = "wins") -> pd.DataFrame:
    """Independent oracle: pyfixest's Poisson regression with rep and week effects, errors clustered by rep."""
    pyfixest = pytest.importorskip("pyfixest")
    named = {f"x{number}": values for number, values in enumerate(regressors.values())}
    data = panel[["rep_id", "week", outcome]].assign(**named, week=panel["week"].astype(str)).dropna()
    fit = pyfixest.fepois(f"{outcome} ~ {' + '.join(named)} | rep_id + week", data, vcov={"CRV1": "rep_id"})
    table = pd.DataFrame({"estimate": fit.coef(), "std_error": fit.se()}).loc[list(named)]
    return table.set_axis(list(regressors))


def one_effect(world: str, seed: int, teams: int = 6, reps: int = 10, weeks: int = 104, **changes: object) -> tuple:
    """A panel without stage marker (a consequence of the wins must not be held fixed), and its truth."""
    chosen = replace(WORLDS[world], **changes)
    drawn = process.run(chosen, seed, teams, reps, weeks, LAST_WEEK)
    return frame(drawn), study_truth(drawn), drawn


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_every_world_gives_a_gap_free_panel_and_a_truth_for_each_kind(world: str) -> None:
    panel, truth = simulate_panel(world, seed=1, teams=3, reps_per_team=3, weeks=40)
    kinds = list(truth["activities"])
    assert list(panel.columns) == ["rep_id", "team_id", "week", *kinds, "wins", "revenue", "worked_share"]
    assert panel.equals(panel.sort_values(["rep_id", "week"]).reset_index(drop=True))
    assert panel["week"].dt.day_of_week.eq(0).all()
    assert str(panel["week"].dtype) == "datetime64[us]" and str(panel["rep_id"].dtype) == "str"
    steps = panel.groupby("rep_id")["week"].diff().dropna()
    assert steps.eq(pd.Timedelta(weeks=1)).all()
    assert panel["week"].max() == pd.Timestamp(LAST_WEEK)
    assert panel["worked_share"].between(0, 1).all()
    assert (panel[kinds] >= 0).all().all() and (panel["revenue"].gt(0) == panel["wins"].gt(0)).all()
    assert panel["wins"].sum() > 0


def test_same_seed_same_panel_and_another_seed_another() -> None:
    assert digest("demo", 5) == digest("demo", 5)
    assert digest("demo", 5) != digest("demo", 6)


def test_the_panel_does_not_depend_on_the_hash_seed_the_clock_or_the_time_zone() -> None:
    found = set()
    for hash_seed, zone in (("0", "UTC"), ("7", "Asia/Tokyo")):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "TZ": zone, "LC_ALL": "C"}
        run = subprocess.run([sys.executable, "-c", DIGEST], env=env, capture_output=True, text=True, check=True)
        found.add(run.stdout.strip())
    assert len(found) == 1


def test_wins_lie_in_the_range_meant_and_are_unequal_between_reps() -> None:
    panel, truth = simulate_panel("demo", 0, 24, 8, 104)
    assert 0.3 <= truth["wins_per_rep_week"] <= 0.47
    by_rep = panel.groupby("rep_id")["wins"].mean()
    assert by_rep.quantile(0.9) > 2 * by_rep.quantile(0.1)
    counts = panel["call"]
    assert counts.var() > 3 * counts.mean()  # overdispersed


def test_quarter_ends_and_holidays_show_on_both_sides() -> None:
    panel, _ = simulate_panel("null", 2, 12, 8, 104)
    weekly = panel.groupby("week")[["wins", "call"]].sum()
    usual = weekly.median()
    ends = weekly.loc[weekly.index.isin(pd.to_datetime(["2025-03-24", "2025-06-23", "2025-09-22", "2026-03-23"]))]
    christmas = weekly.loc[weekly.index.isin(pd.to_datetime(["2024-12-23", "2025-12-22"]))]
    august = weekly.loc[weekly.index.isin(pd.to_datetime(["2025-08-04", "2025-08-11", "2026-08-10", "2026-08-17"]))]
    assert (len(ends), len(christmas), len(august)) == (4, 2, 4)
    assert ends["wins"].mean() > 1.25 * usual["wins"] and ends["call"].mean() > 1.05 * usual["call"]
    assert christmas["call"].mean() < 0.75 * usual["call"]
    assert august["wins"].mean() < 0.95 * usual["wins"] and august["call"].mean() < 0.95 * usual["call"]


@pytest.mark.oracle
def test_an_independent_regression_recovers_each_planted_effect() -> None:
    panel, truth, _ = one_effect("demo", 11, teams=10, reps=12, weeks=104)
    matter = [kind for kind, entry in truth["activities"].items() if entry["role"] == "matters"]
    regressors = {kind: smoothed(panel, truth, kind) for kind in matter}
    regressors |= {kind: panel.groupby("rep_id")[kind].shift(2) for kind in ("call", "email")}
    fit = poisson(panel, regressors)
    assert len(matter) == 3
    lags = {kind: truth["activities"][kind]["mean_lag_weeks"] for kind in matter}
    assert lags == pytest.approx({"meeting": 4.0, "demo": 7 / 3, "visit": 5.0})
    for kind in matter:
        planted = truth["activities"][kind]["log_effect"]
        assert abs(fit.loc[kind, "estimate"] - planted) < 3 * fit.loc[kind, "std_error"], kind
        assert fit.loc[kind, "estimate"] > 4 * fit.loc[kind, "std_error"], kind
    for kind in ("call", "email"):
        assert abs(fit.loc[kind, "estimate"]) < 3 * fit.loc[kind, "std_error"], kind


@pytest.mark.oracle
def test_currency_effect_is_what_one_more_activity_would_have_brought() -> None:
    """Expected revenue is raised by a counterfactual: one more meeting in one week, everything else as drawn."""
    _, truth, drawn = one_effect("demo", 4, teams=4, reps=6, weeks=80)
    column = drawn.world.kinds.index("meeting")
    weights = np.array([entry["weight"] for entry in truth["activities"]["meeting"]["kernel"]])
    first, stop = drawn.calendar.first, drawn.calendar.stop
    gained, weeks = 0.0, range(first, stop - len(weights), 5)
    for week in weeks:
        after = slice(week + 1, week + 1 + len(weights))
        lift = np.expm1(drawn.log_effect[:, column] * weights[:, None])
        gained += (drawn.rate[after] * lift * drawn.deal_mean).sum() / drawn.roster.employed[week].sum()
    assert gained / len(weeks) == pytest.approx(truth["activities"]["meeting"]["effect_revenue"], rel=0.05)


@pytest.mark.oracle
def test_a_naive_correlation_takes_common_causes_for_effects_and_rep_and_week_effects_do_not() -> None:
    panel, truth, _ = one_effect("demo", 3, teams=10, reps=10)
    assert truth["activities"]["call"]["role"] == "correlates" and truth["activities"]["call"]["log_effect"] == 0
    lagged = panel.groupby("rep_id")["call"].shift(1)
    keep = lagged.notna()
    naive = np.polyfit(lagged[keep], panel.loc[keep, "wins"], 1)[0] / panel.loc[keep, "wins"].mean()
    matter = {kind: smoothed(panel, truth, kind) for kind in ("meeting", "demo", "visit")}
    honest = poisson(panel, {"call": lagged, **matter}).loc["call"]
    assert naive > 0.008
    assert abs(honest["estimate"]) < 0.4 * naive


@pytest.mark.oracle
def test_the_stage_marker_precedes_wins_without_causing_them() -> None:
    panel, truth, _ = one_effect("demo", 8, teams=8, reps=8)
    assert truth["activities"]["proposal"]["role"] == "stage_marker"
    assert truth["activities"]["proposal"]["log_effect"] == 0
    recent = panel.groupby("rep_id")["proposal"].transform(lambda week: week.shift(1) + week.shift(2))
    assert poisson(panel, {"proposal": recent}).loc["proposal", "estimate"] > 0.15


@pytest.mark.oracle
def test_in_the_reverse_world_results_move_activity() -> None:
    panel, truth, _ = one_effect("reverse", 5, teams=8, reps=10)
    assert all(entry["log_effect"] == 0 for entry in truth["activities"].values())
    past = panel.groupby("rep_id")["wins"].transform(lambda week: week.shift(1).rolling(3).mean())
    calls, mails, neither = (poisson(panel, {"past": past}, kind).loc["past"] for kind in ("call", "email", "visit"))
    assert calls["estimate"] < -5 * calls["std_error"]
    assert mails["estimate"] > 5 * mails["std_error"]
    assert abs(neither["estimate"]) < 3 * neither["std_error"]


@pytest.mark.oracle
def test_drifting_demand_fakes_an_effect_in_the_territory_world() -> None:
    panel, truth, _ = one_effect("territory", 6, teams=10, reps=12)
    assert all(entry["log_effect"] == 0 for entry in truth["activities"].values())
    recent = panel.groupby("rep_id")["meeting"].transform(lambda week: week.shift(1).rolling(6).mean())
    fake = poisson(panel, {"meeting": recent}).loc["meeting"]
    assert fake["estimate"] > 4 * fake["std_error"]


def test_the_tool_triples_logged_calls_in_half_the_teams_only() -> None:
    panel, _, drawn = one_effect("logging_break", 1, teams=6, reps=8)
    early, late = panel["week"] < "2025-06-01", panel["week"] > "2026-02-01"
    calls = panel.groupby(["team_id", early.map({True: "early"}).where(early, late.map({True: "late"}))])["call"].mean()
    ratio = calls.xs("late", level=1) / calls.xs("early", level=1)
    touched = drawn.rollout_week < drawn.calendar.stop
    assert touched.sum() == 3
    assert (ratio[touched] > 2.2).all() and (ratio[~touched] < 1.4).all()
    growth = panel.assign(late=late).groupby(["team_id", "late"])["wins"].mean().unstack()
    growth = growth[True] / growth[False]
    assert growth[touched].mean() > growth[~touched].mean()


def test_turnover_has_leavers_joiners_moves_and_absences() -> None:
    panel, truth = simulate_panel("turnover", 2, 12, 8, 104)
    spells = panel.groupby("rep_id")["week"].agg(["min", "max"])
    assert truth["reps"] > 12 * 8
    assert (spells["min"] > panel["week"].min()).sum() >= 5
    assert (spells["max"] < panel["week"].max()).sum() >= 5
    assert (panel.groupby("rep_id")["team_id"].nunique() == 2).sum() >= 3
    assert 0.02 < (panel["worked_share"] == 0).mean() < 0.2
    assert panel.loc[panel["worked_share"] == 0, "call"].eq(0).all()


@pytest.mark.oracle
def test_saturation_turns_where_it_says() -> None:
    panel, truth, _ = one_effect("saturation", 2, teams=10, reps=12)
    meeting = truth["activities"]["meeting"]
    square = panel.assign(meeting=np.minimum(panel["meeting"], 2 * meeting["turning_point"]) ** 2)
    clipped = panel.assign(meeting=panel["meeting"].clip(upper=2 * meeting["turning_point"]))
    fit = poisson(panel, {"line": smoothed(clipped, truth, "meeting"), "curve": smoothed(square, truth, "meeting")})
    assert fit.loc["curve", "estimate"] < -3 * fit.loc["curve", "std_error"]
    turn = -fit.loc["line", "estimate"] / (2 * fit.loc["curve", "estimate"])
    assert turn == pytest.approx(meeting["turning_point"], rel=0.25)
    assert 0 < meeting["effect_relative"] < np.expm1(0.14)


@pytest.mark.oracle
def test_teams_answer_differently_in_the_heterogeneous_world() -> None:
    panel, truth, _ = one_effect("heterogeneous", 7, teams=8, reps=12)
    teams = truth["activities"]["meeting"]["teams"]
    sizes = {name: round(entry["log_effect"], 6) for name, entry in teams.items()}
    assert sorted(sizes.values()) == [0.0] * 4 + [0.16] * 4
    assert truth["activities"]["meeting"]["log_effect"] == pytest.approx(0.08)
    groups = {}
    for size in (0.0, 0.16):
        part = panel[panel["team_id"].map(sizes) == size].reset_index(drop=True)
        groups[size] = poisson(part, {"meeting": smoothed(part, truth, "meeting")}).loc["meeting"]
    assert groups[0.16]["estimate"] > groups[0.0]["estimate"] + 3 * groups[0.16]["std_error"]


def test_thin_is_thin_whatever_size_is_asked_for() -> None:
    panel, truth = simulate_panel("thin", 0, 4, 8, 104)
    assert truth["weeks"] == 48 and panel.groupby("team_id")["rep_id"].nunique().max() == 3
    assert truth["wins_per_rep_week"] < 0.12


def test_null_worlds_claim_nothing() -> None:
    for name in ("null", "reverse", "territory", "logging_break"):
        _, truth = simulate_panel(name, 0, 2, 2, 20)
        assert {entry["effect_revenue"] for entry in truth["activities"].values()} == {0.0}, name


@given(first=st.integers(1, 6), rise=st.integers(0, 6), fall=st.integers(0, 6))
def test_kernels_are_shares_with_their_peak_where_said(first: int, rise: int, fall: int) -> None:
    weights = kernels.triangular(first, first + rise + fall, first + rise)
    assert sum(weights) == pytest.approx(1.0)
    assert weights[first + rise - 1] == max(weights)
    assert all(weight == 0 for weight in weights[: first - 1]) and all(weight > 0 for weight in weights[first - 1 :])
    assert first <= kernels.mean_lag(weights) <= first + rise + fall


@settings(max_examples=25, deadline=None)
@given(
    world=st.sampled_from(sorted(WORLDS)),
    seed=st.integers(0, 10**6),
    teams=st.integers(1, 4),
    reps=st.integers(1, 4),
    weeks=st.integers(8, 30),
)
def test_any_admitted_size_works(world: str, seed: int, teams: int, reps: int, weeks: int) -> None:
    panel, truth = simulate_panel(world, seed, teams, reps, weeks)
    assert panel["rep_id"].nunique() == truth["reps"] >= 1
    assert panel.groupby(["rep_id", "week"]).size().eq(1).all()
    assert np.isfinite(panel["revenue"]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"world": "dmeo"}, "no world called 'dmeo'; choose one of: demo"),
        ({"teams": 0}, "teams must lie between 1 and 2000, not 0"),
        ({"weeks": 3}, "weeks must lie between 8 and 520, not 3"),
        ({"seed": -1}, "seed must not be negative"),
        ({"last_week": date(2026, 11, 10)}, "named by its Monday; 2026-11-10"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(arguments: dict, words: str) -> None:
    with pytest.raises(ParameterError) as refused:
        simulate_panel(**arguments)
    assert words in str(refused.value)


def test_worlds_are_data_that_cannot_be_changed_by_accident() -> None:
    with pytest.raises(AttributeError):
        WORLDS["demo"].wins_per_week = 2.0  # type: ignore[misc]
    assert isinstance(WORLDS["demo"], World) and set(WORLDS) >= {"demo", "null", "small", "thin", "null_management"}
