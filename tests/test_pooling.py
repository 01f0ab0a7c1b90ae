"""Partial pooling: closed forms, an independent oracle, coverage at the smallest number of teams."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from analysis.errors import InputError
from analysis.models.multiplicity import benjamini_hochberg, bonferroni
from analysis.models.pooling import dersimonian_laird, paule_mandel, random_slopes, shrink

TEAM_DF = 9


def draw_teams(rng, k, tau):
    """k teams: true effects, their estimates, and standard errors that are themselves estimated."""
    sampling = rng.uniform(0.5, 1.5, k)
    truth = tau * rng.standard_normal(k)
    estimates = truth + sampling * rng.standard_normal(k)
    return truth, estimates, sampling * np.sqrt(rng.chisquare(TEAM_DF, k) / TEAM_DF)


def coverage(k, tau, draws, seed=1):
    """(shrunken intervals, naive plug-in intervals, the mean's interval): share that holds the truth."""
    rng, shrunk, naive, mean = np.random.default_rng(seed), 0.0, 0.0, 0.0
    for _ in range(draws):
        truth, y, se = draw_teams(rng, k, tau)
        pooled = paule_mandel(y, se)
        teams = shrink(y, se, TEAM_DF, pooled)
        plug_in = 1.96 * se * np.sqrt(pooled.tau2 / (pooled.tau2 + se**2))
        shrunk += np.mean((teams["low"] <= truth) & (truth <= teams["high"]))
        naive += np.mean(np.abs(teams["estimate"] - truth) <= plug_in)
        mean += pooled.mean_low <= 0 <= pooled.mean_high
    return shrunk / draws, naive / draws, mean / draws


def test_tau2_solves_its_equation():
    rng = np.random.default_rng(3)
    _, y, se = draw_teams(rng, 12, 2.0)
    pooled = paule_mandel(y, se)
    w = 1 / (se**2 + pooled.tau2)
    assert pooled.tau2 > 0
    assert np.sum(w * (y - pooled.mean) ** 2) == pytest.approx(11, rel=1e-8)


@pytest.mark.oracle
def test_agrees_with_statsmodels_meta_analysis():
    from statsmodels.stats.meta_analysis import combine_effects

    rng = np.random.default_rng(4)
    _, y, se = draw_teams(rng, 9, 1.5)
    for ours, method in ((paule_mandel(y, se), "iterated"), (dersimonian_laird(y, se), "chi2")):
        theirs = combine_effects(y, se**2, method_re=method, use_t=True)
        assert ours.tau2 == pytest.approx(theirs.tau2, rel=1e-6)
        assert ours.mean == pytest.approx(theirs.mean_effect_re, rel=1e-6)
        assert ours.q == pytest.approx(theirs.q, rel=1e-9)


def test_equal_standard_errors_have_a_closed_form():
    y, se = np.array([1.0, 2.0, 4.0, 9.0]), np.full(4, 0.5)
    pooled = paule_mandel(y, se)
    assert pooled.mean == pytest.approx(4.0)
    assert pooled.tau2 == pytest.approx(np.var(y, ddof=1) - 0.25)
    assert pooled.mean_se == pytest.approx(np.std(y, ddof=1) / 2)


def test_teams_that_agree_share_everything_and_teams_that_differ_nothing():
    same = np.full(6, 3.0)
    together = shrink(same, np.ones(6), 20, paule_mandel(same, np.ones(6)))
    assert_allclose(together["own_share"], 1 / 6)
    apart = np.array([-90.0, -30.0, 0.0, 40.0, 80.0])
    alone = shrink(apart, np.full(5, 0.1), 20, paule_mandel(apart, np.full(5, 0.1)))
    assert_allclose(alone["estimate"], apart, atol=1e-3)
    assert (alone["own_share"] > 0.999).all()


def test_own_share_is_the_weight_of_the_teams_own_number():
    y, se = np.array([0.0, 1.0, 3.0, 8.0, 2.0]), np.array([1.0, 0.6, 1.2, 0.9, 2.0])
    pooled = paule_mandel(y, se)
    moved = y + 1e-4 * np.eye(5)[2]
    refit = shrink(moved, se, 9, dersimonian_like(moved, se, pooled.tau2))
    before = shrink(y, se, 9, dersimonian_like(y, se, pooled.tau2))
    slope = (refit["estimate"][2] - before["estimate"][2]) / 1e-4
    assert slope == pytest.approx(before["own_share"][2], rel=1e-6)


def dersimonian_like(y, se, tau2):
    """A pooling with tau2 held fixed, so that only the direct weight of a team moves its estimate."""
    from dataclasses import replace

    w = 1 / (np.asarray(se) ** 2 + tau2)
    return replace(paule_mandel(y, se), tau2=tau2, mean=float(w @ y / w.sum()))


def test_one_team_keeps_its_own_interval():
    pooled = paule_mandel([2.0], [0.5])
    row = shrink([2.0], [0.5], 9, pooled).iloc[0]
    assert (row["estimate"], row["own_share"], pooled.tau2) == (2.0, 1.0, 0.0)
    assert np.isnan(pooled.mean_low)
    assert row["high"] == pytest.approx(2.0 + 2.262157 * 0.5, rel=1e-6)


@pytest.mark.parametrize("tau", [0.0, 1.0])
def test_intervals_cover_at_five_teams_and_naive_ones_do_not(tau):
    shrunk, naive, mean = coverage(k=5, tau=tau, draws=300)
    assert shrunk > 0.90
    assert mean > 0.91
    assert naive < 0.80


@pytest.mark.slow
@pytest.mark.parametrize("k", [5, 8, 12, 24])
def test_coverage_over_team_numbers_and_heterogeneity(k):
    for tau in (0.5, 1.0, 2.0):
        shrunk, _, mean = coverage(k, tau, draws=2000)
        assert 0.90 < shrunk < 0.98, (k, tau)
        assert 0.92 < mean < 0.99, (k, tau)


@pytest.mark.parametrize(
    ("estimates", "errors"), [([], []), ([1.0, 2.0], [1.0]), ([1.0], [0.0]), ([np.nan], [1.0]), ([1.0], [np.inf])]
)
def test_unusable_estimates_are_named(estimates, errors):
    with pytest.raises(InputError, match="pooling needs"):
        paule_mandel(estimates, errors)


def test_shrink_wants_the_same_teams():
    with pytest.raises(InputError, match="same teams"):
        shrink([1.0, 2.0], [1.0, 1.0], 9, paule_mandel([1.0, 2.0, 3.0], [1.0, 1.0, 1.0]))


@pytest.mark.oracle
def test_balanced_random_slopes_have_the_mean_line():
    rng = np.random.default_rng(5)
    unit, x = np.repeat(np.arange(12), 10), np.tile(np.arange(10.0), 12)
    y = 5 + rng.normal(0, 2, 12)[unit] + (1 + rng.normal(0, 0.5, 12))[unit] * x + rng.normal(0, 1, 120)
    fit = random_slopes(y, x, unit)
    lines = np.array([np.polyfit(x[unit == u], y[unit == u], 1) for u in range(12)])
    assert (fit.slope, fit.intercept) == pytest.approx(tuple(lines.mean(axis=0)), rel=1e-6)
    assert fit.slope_se == pytest.approx(lines[:, 0].std(ddof=1) / np.sqrt(12), rel=1e-3)
    assert fit.units["slope"].std() < lines[:, 0].std(ddof=1)


@pytest.mark.oracle
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_agrees_with_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    assert_allclose(benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1], atol=1e-12)
    assert_allclose(bonferroni(p_values), multipletests(p_values, method="bonferroni")[1], atol=1e-12)


def test_a_test_not_run_does_not_count_in_the_family():
    assert_allclose(benjamini_hochberg([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert_allclose(bonferroni([0.01, np.nan, 0.04]), [0.02, np.nan, 0.08])
    with pytest.raises(InputError, match="between 0 and 1"):
        benjamini_hochberg([1.2])


def test_false_discoveries_are_held_at_the_nominal_rate():
    rng, false_share = np.random.default_rng(6), []
    for _ in range(600):
        p = rng.uniform(size=10)
        p[:3] = rng.beta(0.05, 1, 3)
        claimed = benjamini_hochberg(p) <= 0.1
        false_share.append(claimed[3:].sum() / max(1, claimed.sum()))
    assert np.mean(false_share) < 0.07 + 4 * np.std(false_share) / np.sqrt(600)


def test_units_are_kept_in_order():
    teams = shrink([3.0, 1.0], [1.0, 1.0], [5, 50], paule_mandel([3.0, 1.0], [1.0, 1.0]))
    assert list(teams.columns) == ["estimate", "low", "high", "std_error", "own_share"]
    assert isinstance(teams, pd.DataFrame) and teams["estimate"].is_monotonic_decreasing
