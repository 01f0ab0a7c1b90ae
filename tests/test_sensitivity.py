"""Links under other assumptions: against regressions with explicit dummies, and with planted differences to be found."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from evidence_tools import panel_of

from analysis.evidence import sensitivity
from analysis.evidence.forecasts import forecasts
from analysis.evidence.plan import make_plan
from analysis.evidence.sample import make_sample


@pytest.fixture(scope="module")
def panel():
    return panel_of("demo", seed=3, teams=2, reps=6, weeks=80)[0]


@pytest.fixture(scope="module")
def sample(panel):
    return make_sample(panel, make_plan(panel))


def dummies(*codes):
    """Columns for every level of each coding, the first of each later coding left out."""
    blocks = [pd.get_dummies(pd.Series(c), dtype=float, drop_first=place > 0) for place, c in enumerate(codes)]
    return np.column_stack([b.to_numpy() for b in blocks])


def poisson_link(sample, k, *codes):
    design = np.column_stack([sample.design, dummies(*codes)])
    fitted = sm.GLM(sample.y, design, family=sm.families.Poisson()).fit(tol=1e-12, maxiter=200)
    return float(sample.weights(k) @ fitted.params[: sample.design.shape[1]])


def test_levels_of_quarter_ends_equal_a_regression_with_their_dummies(sample):
    kept = sample
    for _ in range(
        5
    ):  # levels without any win are dropped by ours and run off to minus infinity in the other: leave them out of both
        ends = kept.season[kept.keep, -1]
        codes = (2 * kept.cells.unit[kept.keep] + ends, kept.cells.effect[kept.keep])
        alive = np.all([pd.Series(kept.y).groupby(c).transform("sum") > 0 for c in codes], axis=0)
        kept = replace(kept, keep=_only(kept.keep, alive))
    assert 0.1 < ends.mean() < 0.3 and alive.all()
    found = sensitivity.quarter_ends(kept).fit
    assert kept.weights(1) @ found.coef == pytest.approx(poisson_link(kept, 1, *codes), abs=1e-6)


def test_without_a_calendar_only_rep_levels_are_held(sample):
    found = sensitivity.no_calendar(sample).fit
    plain = poisson_link(sample, 2, sample.cells.unit[sample.keep])
    assert sample.weights(2) @ found.coef == pytest.approx(plain, abs=1e-6)


def test_deal_size_equals_least_squares_with_dummies(panel, sample):
    found = sensitivity.deal_size(sample)
    rows = sample.keep & (sample.outcomes["wins"] > 0)
    codes = [sample.cells.unit[rows], sample.cells.effect[rows]]
    design = np.column_stack([np.hstack([sample.terms, sample.controls])[rows], dummies(*codes)])
    size = np.log(sample.outcomes["revenue"][rows] / sample.outcomes["wins"][rows])
    coef = np.linalg.lstsq(design, size, rcond=None)[0]
    weights = sample.weights(0)
    assert found[sample.activities[0]].estimate == pytest.approx(weights @ coef[: weights.size], abs=1e-6)
    assert set(found) == set(sample.activities)


def test_deal_size_that_follows_an_activity_is_found_and_too_few_deals_are_not_tried(panel, sample):
    k = sample.activities.index("demo")
    drive = np.nan_to_num(sample.terms[:, k * sample.basis.shape[1]])
    money = dict(sample.outcomes) | {"revenue": sample.outcomes["revenue"] * np.exp(0.15 * drive)}
    grown = sensitivity.deal_size(replace(sample, outcomes=money))["demo"]
    before = sensitivity.deal_size(sample)["demo"]
    assert grown.estimate - before.estimate == pytest.approx(0.15 * sample.basis.shape[0], abs=1e-6)
    few = dict(sample.outcomes) | {"wins": np.where(np.arange(len(sample.keep)) < 400, sample.outcomes["wins"], 0.0)}
    assert sensitivity.deal_size(replace(sample, outcomes=few)) == {}


def test_a_change_is_measured_by_the_jackknife_of_the_difference(sample):
    headline = sensitivity.with_jackknife(sensitivity.fit_headline(sample))
    same = sensitivity.compare("same", sample.weights(0), headline, headline)
    assert same.change_p == 1.0
    other = sensitivity.compare("own_past", sample.weights(0), sensitivity.own_past(sample), headline)
    assert 0 < other.change_p < 1
    assert other.link.estimate != same.link.estimate
    fewer = replace(headline, changes=headline.changes[:-1])
    assert np.isnan(sensitivity.compare("x", sample.weights(0), fewer, headline).change_p)


def with_quality(panel, extra, seed=0):
    """Half of the meetings are meaningful; only those add `extra` to the log of wins over the next weeks."""
    rng = np.random.default_rng(seed)
    frame = panel.frame.copy()
    part = rng.binomial(frame["meeting"].fillna(0).astype(int), 0.5).astype(float)
    frame["meeting__meaningful"] = part
    past = (
        pd.Series(part)
        .groupby(frame["rep_id"].to_numpy())
        .transform(lambda s: s.shift().rolling(4, min_periods=1).mean())
    )
    drive = (past - past.mean()).fillna(0).to_numpy()
    frame["wins"] = rng.poisson(0.8 * np.exp(extra * drive)).astype(float)
    return replace(panel, frame=frame)


@pytest.mark.parametrize(("extra", "found"), [(0.5, True), (0.0, False)])
def test_quality_that_matters_is_found_and_quality_that_does_not_is_not(panel, extra, found):
    made = with_quality(panel, extra)
    quality = sensitivity.qualities(made, make_sample(made, make_plan(made)))
    only = quality["meeting"][0]
    assert only.quality == "meaningful" and 0.45 < only.share < 0.55
    assert (only.q_value < 0.05) is found
    if found:
        assert only.extra.conf_low < extra < only.extra.conf_high


def test_a_quality_that_is_all_or_none_is_not_tested(panel):
    frame = panel.frame.assign(meeting__meaningful=panel.frame["meeting"], demo__senior=0.0)
    made = replace(panel, frame=frame)
    assert sensitivity.qualities(made, make_sample(made, make_plan(made))) == {}


def test_what_works_through_the_pipeline_adds_nothing_to_it():
    rng = np.random.default_rng(5)
    reps, weeks = 12, 100
    calls = rng.poisson(4, (reps, weeks)).astype(float)
    pipeline = np.zeros((reps, weeks))
    for t in range(1, weeks):
        pipeline[:, t] = 0.7 * pipeline[:, t - 1] + calls[:, t - 1] * rng.gamma(9, 1 / 9, reps)
    wins = rng.poisson(0.6 * np.exp(1.5 * (np.log1p(pipeline / 13.0) - np.log(2)))).astype(float)
    base = panel_of("null", seed=1, teams=1, reps=reps, weeks=weeks)[0]
    week = np.tile(np.sort(base.frame["week"].unique()), reps)
    frame = pd.DataFrame(
        {"rep_id": np.repeat([f"R{i:02d}" for i in range(reps)], weeks), "team_id": "T", "week": week, "call": calls.ravel(),
         "wins": wins.ravel(), "pipeline_open": pipeline.ravel() + 1.0}
    )  # fmt: skip
    panel = replace(base, frame=frame, activities=("call",), outcomes=("wins",), currency=None, advanced={})
    sample = make_sample(panel, make_plan(panel))
    over_past, over_pipeline = (forecasts(sample, name)[0]["call"] for name in ("own_past", "pipeline"))
    assert over_past.p_value < 0.05 < over_pipeline.p_value
    assert over_pipeline.gain < over_past.gain / 2
    bare = replace(sample, pipeline=np.empty((len(frame), 0)))
    assert forecasts(bare, "pipeline") == ({}, ("No forecast test against the pipeline: it is not recorded.",))


def test_study_json_holds_them_all_for_the_company():
    import json

    from analysis.evidence.study import run_study

    panel = panel_of("demo", seed=1, teams=2, reps=6, weeks=70)[0]
    study = run_study(panel)
    found = json.loads(json.dumps(study.details))["sensitivity"]
    assert {s["assumption"] for s in found["links"]["demo"]} == {"own_past", "rep_quarter_ends", "no_calendar"}
    assert set(found["forecasts"]) == {"rep_season", "own_past", "pipeline"}
    gains = study.details["scopes"][""]
    assert found["forecasts"]["own_past"]["all together"]["gain"] == gains["all_activities_forecast_gain"]


def _only(keep, alive):
    out = keep.copy()
    out[keep] = alive
    return out
