"""A study end to end: the planted truth is recovered, nothing is claimed where there is nothing, the result is a stable file."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evidence_tools import only, panel_of
from scipy import stats

from analysis.errors import DataError
from analysis.evidence import ledger, run_study, write_study
from analysis.evidence.assess import assess, measured
from analysis.evidence.checks import Vetoes
from analysis.evidence.estimate import fit_headline, mean_delay
from analysis.evidence.findings import COLUMNS, read_findings
from analysis.evidence.grades import grade
from analysis.evidence.plan import make_plan
from analysis.evidence.sample import make_sample, make_scope
from analysis.models.inference import contrast

MATTER = {"meeting", "demo", "visit"}


@pytest.mark.parametrize(
    ("estimate", "weeks"),
    [
        ([1.0, 2.0, 1.0, 0.0], 2.0),
        ([-1.0, -2.0, -1.0, 0.0], 2.0),
        ([3.0, 1.0, -0.5, -0.5], 1.25),  # the dip where nothing is does not count
        ([-0.1, 0.0, 0.0, 4.0], 4.0),
        ([0.0, 0.0, 0.0, 0.0], np.nan),
        ([1.0, -1.0, 0.0, 0.0], np.nan),
    ],
)
def test_the_mean_delay_is_that_of_the_link_in_its_own_direction(estimate, weeks):
    assert mean_delay(np.arange(1.0, 5.0), np.array(estimate)) == pytest.approx(weeks, nan_ok=True)


@pytest.fixture(scope="module")
def demo():
    return panel_of("demo", seed=1)


@pytest.fixture(scope="module")
def study(demo):
    return run_study(demo[0], seed=0)


def company(study):
    return study.findings[study.findings["scope"] == "company"].set_index("activity")


def test_what_matters_is_claimed_and_nothing_else(study):
    found = company(study)
    assert set(found.index[found["grade"].isin(["A", "B"])]) == MATTER
    assert found.loc["proposal", "grade"] == "C"


def recovered(found, truth, rows):
    """Whether every planted effect lies within one and a half of its interval's reach."""
    hits = []
    for kind in rows:
        planted = truth["activities"][kind]["effect_relative"]
        low, high = found.loc[kind, ["relative_low", "relative_high"]]
        hits.append(abs(planted - (low + high) / 2) <= 0.75 * (high - low))
    return all(hits)


def test_effects_and_delays_are_recovered(study, demo):
    found, truth = company(study), demo[1]
    assert recovered(found, truth, MATTER)
    for kind in MATTER:
        planted = truth["activities"][kind]
        assert found.loc[kind, "mean_lag_weeks"] == pytest.approx(planted["mean_lag_weeks"], abs=1.0)
        reach = found.loc[kind, "conf_high"] - found.loc[kind, "conf_low"]
        assert found.loc[kind, "effect"] == pytest.approx(planted["effect_revenue"], abs=0.75 * reach)


def test_a_calendar_that_is_four_weeks_off_is_seen(demo):
    """The fault that recovery must catch: activities set against results four weeks too early."""
    panel, truth = demo
    kinds = list(panel.activities)
    moved = panel.frame.groupby("rep_id")[kinds].shift(-6)
    late = replace(panel, frame=panel.frame.assign(**{k: moved[k] for k in kinds}).dropna().reset_index(drop=True))
    sample = make_sample(late, make_plan(late))
    fit = fit_headline(sample)
    rows = {k: contrast(fit, sample.weights(i)) for i, k in enumerate(sample.activities)}
    table = pd.DataFrame(
        {k: {"relative_low": np.expm1(e.conf_low), "relative_high": np.expm1(e.conf_high)} for k, e in rows.items()}
    ).T
    assert not recovered(table, truth, MATTER)


def test_findings_have_exactly_the_documented_columns(study):
    assert list(study.findings.columns) == list(COLUMNS)
    assert set(study.findings["scope"]) == {"company", "team"}
    rows = study.findings
    assert len(rows) == 13 * 6
    assert rows["sentence"].str.endswith(".").all() and rows["reason"].str.endswith(".").all()
    assert rows.loc[~rows["grade"].isin(["A", "B"]), "mean_lag_weeks"].isna().all()
    assert (rows.loc[rows["scope"] == "company", "own_share"] == 1).all()
    assert rows["own_share"].between(0, 1).all()
    assert (rows["lag_from"] == 1).all() and (rows["lag_to"] == 8).all()


def test_q_values_count_every_activity_of_a_scope(study):
    from statsmodels.stats.multitest import multipletests

    found = company(study)
    assert found["q_value"].to_numpy() == pytest.approx(multipletests(found["p_value"], method="fdr_bh")[1])


def test_teams_borrow_and_say_so(study):
    teams = study.findings[study.findings["scope"] == "team"]
    meeting = teams[teams["activity"] == "meeting"]
    claimed = meeting[meeting["grade"].isin(["A", "B"])]
    assert len(claimed) >= 8
    assert claimed["sentence"].str.contains("rests on the other teams").all()
    widths = (meeting["relative_high"] - meeting["relative_low"]).mean()
    assert widths > 0


def test_written_studies_read_back_as_they_were(study, tmp_path):
    write_study(study, tmp_path / "run")
    again, details = ledger.read_study(tmp_path / "run")
    pd.testing.assert_frame_equal(again, study.findings)
    pd.testing.assert_frame_equal(
        read_findings(tmp_path / "run" / "findings.csv"), study.findings, check_exact=False, rtol=1e-12
    )
    assert details["plan"]["activities"] == list(study.details["plan"]["activities"])
    assert json.loads((tmp_path / "run" / "study.json").read_text())["seed"] == 0


def test_a_table_that_is_no_findings_table_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "findings.parquet")
    with pytest.raises(DataError, match="not a findings table"):
        read_findings(tmp_path / "findings.parquet")


SMALL = """
import sys
sys.path.insert(0, {tests!r})
from evidence_tools import panel_of
from analysis.evidence import run_study
import hashlib, json
study = run_study(panel_of("demo", seed=2, teams=3, reps=5, weeks=60)[0])
print(hashlib.sha256(study.findings.to_csv().encode() + json.dumps(study.details, default=float).encode()).hexdigest())
"""


def test_a_study_is_the_same_to_the_bit_under_any_hash_seed(root):
    runs = {
        subprocess.run(
            [sys.executable, "-c", SMALL.format(tests=str(root / "tests"))],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "4242")
    }
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("reps", "weeks", "said"),
    [(4, 104, "4 reps"), (8, 39, "39 weeks"), (2, 20, "2 reps")],
)
def test_thin_data_are_refused_with_what_it_would_take(reps, weeks, said):
    panel, _ = panel_of("demo", seed=3, teams=1, reps=reps, weeks=weeks)
    rows = run_study(panel).findings
    assert set(rows["grade"]) == {"X"}
    assert rows["reason"].str.contains(said).all() and rows["reason"].str.contains("needed").all()
    assert rows[["effect", "conf_low", "p_value"]].isna().all().all()


def test_the_thin_world_yields_cannot_tell_or_refused_only():
    panel, _ = panel_of("thin", seed=0)
    assert set(run_study(panel).findings["grade"]) <= {"D", "X"}


def null_claims(seeds, reps=5, weeks=48, vcov="crv3"):
    """Raw rejections at 5 % of single activities in null worlds of the smallest team that is answered."""
    hits = tests = 0
    for seed in seeds:
        panel, _ = panel_of("null", seed=seed, teams=1, reps=reps, weeks=weeks)
        sample = make_sample(panel, make_plan(panel))
        fit = fit_headline(sample)
        p = [contrast(fit, sample.weights(k), vcov).p_value for k in range(len(sample.activities))]
        hits, tests = hits + sum(v <= 0.05 for v in p), tests + len(p)
    return hits / tests


def test_chance_finds_little_in_the_smallest_team():
    rate = null_claims(range(60))
    assert rate <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 60)


def test_the_same_count_is_red_with_errors_that_ignore_clusters():
    """The planted fault: a covariance with no small-sample care must fail the bound above."""
    assert null_claims(range(60), vcov="crv1") > null_claims(range(60))


def test_nothing_is_claimed_in_small_null_teams():
    claims = 0
    for seed in range(12):
        panel, _ = panel_of("null", seed=100 + seed, teams=1, reps=6, weeks=60)
        result = assess(make_scope(panel, make_plan(panel)))
        claims += any(grade(measured(result, k), result.plan.limits)[0] in "AB" for k in range(len(result.estimates)))
    assert claims <= 2


def test_a_team_alone_keeps_its_own_estimate(demo):
    panel = only(demo[0], "T001")
    rows = run_study(panel).findings
    team = rows[rows["scope"] == "team"]
    assert (team["own_share"] == 1).all()
    whole = rows[rows["scope"] == "company"]
    assert team["effect"].to_numpy() == pytest.approx(whole["effect"].to_numpy())


def test_logging_breaks_are_told_and_do_not_count_as_evidence():
    panel, _ = panel_of("logging_break", seed=0, teams=8)
    study = run_study(panel)
    assert any("Logged calls changed by a factor of" in text for text in study.details["warnings"][""])
    assert company(study).loc["call", "grade"] not in ("A", "B")


@pytest.mark.parametrize(
    ("world", "kinds"), [("reverse", ("call", "email")), ("territory", ("call", "email", "meeting"))]
)
def test_what_only_follows_results_or_demand_is_not_claimed(world, kinds):
    panel, _ = panel_of(world, seed=0, teams=24)
    plan = make_plan(panel)
    result = assess(make_scope(panel, plan))
    letters = {e.activity: grade(measured(result, k), plan.limits)[0] for k, e in enumerate(result.estimates)}
    assert not {letters[k] for k in kinds} & {"A", "B"}
    assert result.checks.confounded() < 0.02 or min(result.checks.reverse) < 0.01


def vetoes_of(placebo, drift):
    nothing = np.full(len(placebo), np.nan)
    return Vetoes(np.array(placebo), nothing, np.array(drift), nothing, nothing)


def test_the_scope_wide_check_is_the_cauchy_combination():
    nan, ps = np.nan, [0.04, 0.3, 0.6]
    by_hand = 0.5 - np.arctan(np.mean([1 / np.tan(np.pi * p) for p in ps])) / np.pi
    assert vetoes_of(ps, [nan] * 3).confounded() == pytest.approx(by_hand)
    assert vetoes_of([0.2], [nan]).confounded() == pytest.approx(0.2), "one test alone is itself"
    assert vetoes_of([nan], [nan]).confounded() == 1.0, "nothing ran, nothing is said"
    assert vetoes_of([0.0, 0.5], [0.5, 1.0]).confounded() < 1e-10
    assert vetoes_of([0.001] * 3, [1.0] * 3).confounded() < 0.02, "links that grow hide nothing"
    many, one = vetoes_of([0.03] * 6, [0.4] * 6), vetoes_of([0.03] + [0.4] * 5, [0.4] * 6)
    assert many.confounded() < one.confounded() / 3


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
def test_the_scope_wide_check_keeps_its_level_whatever_the_dependence(shared):
    rng = np.random.default_rng(7)
    z = np.sqrt(shared) * rng.standard_normal((20_000, 1)) + np.sqrt(1 - shared) * rng.standard_normal((20_000, 12))
    p = stats.norm.sf(z)
    seen = np.mean([vetoes_of(row[:6], row[6:]).confounded() <= 0.02 for row in p])
    assert seen < 0.02 + 3 * np.sqrt(0.02 * 0.98 / 20_000) + 0.004, "Cauchy's approximation is a little generous at 2 %"


def test_the_scopes_of_a_study_can_be_spread_over_processes():
    from concurrent.futures import ProcessPoolExecutor

    panel = panel_of("demo", seed=4, teams=3, reps=6, weeks=60)[0]
    with ProcessPoolExecutor(2) as pool:
        spread = run_study(panel, mapper=pool.map)
    whole = run_study(panel)
    pd.testing.assert_frame_equal(spread.findings, whole.findings)
    assert json.dumps(spread.details, sort_keys=True) == json.dumps(whole.details, sort_keys=True)
