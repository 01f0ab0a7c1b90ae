"""Standard errors equal brute force and independent libraries; few clusters are paid for."""

from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import settings as budget
from ragged_panels import jackknife_coef, ragged, rank_left, settings
from scipy import stats

from analysis.errors import ParameterError, Refused
from analysis.models import inference, tails
from analysis.models.design import cells_from_codes
from analysis.models.inference import contrast, crv1, crv3, hotelling, leave_one_out
from analysis.models.jackknife import leave_out, leave_out_each
from analysis.models.linear import fit_ols, fit_ols_many
from analysis.models.ppml import fit_ppml


@given(settings)
@budget(max_examples=40, deadline=None)
def test_the_jackknife_equals_refitting_without_each_cluster(how):
    sample = ragged(**how)
    assume(rank_left(sample.x, sample.cells) == 3)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    try:
        brute = jackknife_coef(sample.y, sample.x, sample.cells, lambda y, x, c: fit_ols(y, x, c).coef)
    except Refused:
        assert np.isnan(leave_out(fit)).any()
        return
    np.testing.assert_allclose(leave_out(fit) + fit.coef, brute, atol=1e-8)
    with patch("analysis.models.jackknife.LARGEST_TABLE", 0):
        np.testing.assert_allclose(leave_out(fit) + fit.coef, brute, atol=1e-8)


@pytest.mark.parametrize("effects", ["week", "team_week"])
@pytest.mark.parametrize("cluster", ["unit", "team"])
def test_the_jackknife_equals_dummies(effects, cluster):
    sample = ragged(seed=21, units=14, teams=4, effects=effects, cluster=cluster, moves=0.1)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    brute = jackknife_coef(sample.y, sample.x, sample.cells)
    np.testing.assert_allclose(leave_out(fit) + fit.coef, brute, atol=1e-9)
    g = fit.n_clusters
    by_hand = (brute - fit.coef).T @ (brute - fit.coef) * (g - 1) / g
    np.testing.assert_allclose(crv3(fit), by_hand, rtol=1e-8)
    kept_effects = inference.crv1(fit) * (g - 1) / g  # the planted fault: effects held at their full-sample values
    assert np.abs(np.diag(kept_effects) / np.diag(by_hand) - 1).max() > 0.02


def test_many_levels_take_the_reduced_system(monkeypatch):
    from analysis.models import jackknife

    sample = ragged(seed=22, units=16, teams=5, effects="team_week", moves=0.1)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    monkeypatch.setattr(jackknife, "LARGEST_TABLE", 0)
    monkeypatch.setattr(jackknife, "WORTH_REDUCING", 0.0)
    whole = leave_out(fit)
    monkeypatch.setattr(jackknife, "WORTH_REDUCING", 1.0)
    np.testing.assert_allclose(leave_out(fit), whole, atol=1e-9)


@pytest.mark.parametrize("family", ["ols", "ppml"])
@pytest.mark.parametrize(
    "how", [{}, {"holes": 0.4}, {"units": 4, "periods": 40}, {"effects": "team_week", "moves": 0.2}]
)
def test_a_team_is_jackknifed_in_one_table_as_row_by_row(monkeypatch, family, how):
    """Also where a rep has two effects, one before and one after a change of how things were logged."""
    from analysis.models import jackknife

    sample = ragged(seed=3, **{"units": 8, "periods": 48} | how)
    later = (sample.frame["time"] > 20) & (sample.frame["unit"] % 3 == 0)
    unit = sample.frame["unit"] * 2 + later
    cells = cells_from_codes(unit, sample.frame["time"], sample.cells.effect, sample.frame["unit"])
    fit = fit_ols(sample.y, sample.x, cells) if family == "ols" else fit_ppml(sample.count, sample.x, cells)
    table = leave_out(fit)
    monkeypatch.setattr(jackknife, "_from_table", lambda *of: pytest.fail("the table was used"))
    with pytest.raises(pytest.fail.Exception):
        leave_out(fit)
    monkeypatch.setattr(jackknife, "LARGEST_TABLE", 0)
    np.testing.assert_allclose(table, leave_out(fit), rtol=1e-9, atol=1e-11)
    if family == "ols":
        brute = jackknife_coef(sample.y, sample.x, cells)
        np.testing.assert_allclose(table + fit.coef, brute, atol=1e-9)


@pytest.mark.parametrize("units", [3, 8, 40])
def test_several_outcomes_are_jackknifed_together_as_one_by_one(units):
    """From a team in one table to a panel without one; and a coefficient that rests on one rep is unknown in each outcome."""
    sample = ragged(seed=12, units=units, periods=40, holes=0.1)
    alone = sample.x.copy()
    alone[sample.cells.unit != 1, 2] = 0.0
    for x in (sample.x, alone):
        fits = fit_ols_many(np.column_stack([sample.y, sample.count, sample.y**2]), x, sample.cells)
        together = leave_out_each(fits)
        for fit, changes in zip(fits, together, strict=True):
            np.testing.assert_allclose(changes, leave_out(fit), rtol=1e-10, atol=1e-12)
        assert np.isnan(together[0]).any() == np.isnan(together[2]).any() == (x is alone)
    with pytest.raises(ParameterError, match="not several outcomes of one regression"):
        leave_out_each([fits[0], fit_ols(sample.y, sample.x, sample.cells)])


def test_student_tails_are_those_of_scipy_stats_bit_for_bit():
    df, t = np.array([1, 2, 5, 7, 29, 400.0])[:, None], np.array([-40.0, -2.2, 0.0, 0.3, 1.96, 12.0])
    assert (tails.t_upper(t, df) == stats.t.sf(t, df)).all()
    assert (tails.t_two_sided(t, df) == 2 * stats.t.sf(np.abs(t), df)).all()
    assert (tails.t_quantile(0.975, df) == stats.t.ppf(0.975, df)).all()
    assert np.isnan([tails.t_upper(1.0, 0), tails.t_quantile(0.975, -1), tails.t_two_sided(np.nan, 3)]).all()


def test_other_tails_are_those_of_scipy_stats():
    x = np.concatenate([[0.0], np.geomspace(1e-3, 300, 40)])
    assert (tails.f_upper(x, 3, 7) == stats.f.sf(x, 3, 7)).all()
    assert (tails.chi2_upper(x, 5) == stats.chi2.sf(x, 5)).all()
    assert (tails.normal_two_sided(-x) == 2 * stats.norm.sf(x)).all()


def test_groups_of_rows_that_nothing_ties_are_taken_apart(monkeypatch):
    """As for several kinds of activity at once: a rep and a week have an effect of their own for each kind."""
    from analysis.models import jackknife

    parts = [ragged(seed=seed, units=12, periods=12, moves=0) for seed in (5, 6, 7)]
    unit, time, effect, cluster = (
        np.concatenate([getattr(s.cells, name) + step * n for n, s in enumerate(parts)])
        for name, step in (("unit", 100), ("time", 0), ("effect", 100), ("cluster", 0))
    )
    cells = cells_from_codes(unit, time, effect, cluster)
    x, y, count = (np.concatenate([getattr(s, name) for s in parts]) for name in ("x", "y", "count"))
    for fit in (fit_ols(y, x, cells), fit_ppml(count, x, cells)):
        assert fit.system.work.plan.pinned.size == 3
        monkeypatch.setattr(jackknife, "LARGEST_TABLE", 0)
        apart = leave_out(fit)
        monkeypatch.setattr(jackknife.csgraph, "connected_components", lambda graph: (1, np.zeros(graph.shape[0], int)))
        np.testing.assert_allclose(apart, leave_out(fit), atol=1e-10)
        monkeypatch.undo()
        if fit.family == "ols":
            np.testing.assert_allclose(apart + fit.coef, jackknife_coef(y, x, cells), atol=1e-9)


def test_the_poisson_jackknife_is_one_newton_step_from_the_full_estimate():
    sample = ragged(seed=23, units=12, moves=0)
    count = sample.count + 1.0
    fit = fit_ppml(count, sample.x, sample.cells)
    exact = jackknife_coef(count, sample.x, sample.cells, lambda y, x, c: fit_ppml(y, x, c).coef)
    linear = leave_out(fit) + fit.coef
    moved, error = np.abs(exact - fit.coef).max(), np.abs(linear - exact).max()
    assert error < 0.15 * moved
    ratio = np.sqrt(((linear - fit.coef) ** 2).sum(0) / ((exact - fit.coef) ** 2).sum(0))
    assert np.all((ratio > 0.9) & (ratio < 1.1))


@pytest.mark.oracle
def test_hc1_is_the_case_of_one_row_a_cluster():
    import statsmodels.api as sm

    sample = ragged(seed=24)
    whole = np.zeros(sample.y.size, int)
    cells = cells_from_codes(whole, np.arange(whole.size), whole, np.arange(whole.size))
    fit = fit_ols(sample.y, sample.x, cells)
    hc1 = sm.OLS(sample.y, sm.add_constant(sample.x)).fit(cov_type="HC1")
    np.testing.assert_allclose(np.sqrt(np.diag(crv1(fit))), hc1.bse[1:], rtol=1e-9)


@pytest.mark.oracle
def test_the_usual_factor_is_statsmodels_with_explicit_weeks():
    """Effects within clusters do not count: the within regression with week dummies and one constant."""
    import statsmodels.api as sm

    sample = ragged(seed=25, units=12)
    weeks = np.eye(sample.cells.effect.max() + 1)[sample.cells.effect][:, 1:]
    full = np.hstack([sample.x, weeks])
    means = pd.DataFrame(full).groupby(sample.cells.unit).transform("mean").to_numpy()
    y = sample.y - pd.Series(sample.y).groupby(sample.cells.unit).transform("mean").to_numpy()
    model = sm.OLS(y, np.hstack([full - means, np.ones((y.size, 1))]))
    theirs = model.fit(cov_type="cluster", cov_kwds={"groups": sample.cells.cluster})
    np.testing.assert_allclose(
        np.sqrt(np.diag(crv1(fit_ols(sample.y, sample.x, sample.cells)))), theirs.bse[:3], rtol=1e-8
    )


@pytest.mark.oracle
def test_pyfixest_crv3_agrees():
    import pyfixest as pf

    sample = ragged(seed=26, units=12)
    frame = pd.DataFrame(sample.x, columns=["x0", "x1", "x2"]).assign(
        y=sample.y, unit=sample.cells.unit, week=sample.cells.effect
    )
    theirs = pf.feols(
        "y ~ x0 + x1 + x2 | unit + week", frame, vcov={"CRV3": "unit"}, ssc=pf.ssc(k_adj=False, G_adj=False)
    )
    fit = fit_ols(sample.y, sample.x, sample.cells)
    g = fit.n_clusters
    np.testing.assert_allclose(np.sqrt(np.diag(crv3(fit))), theirs.se() * np.sqrt((g - 1) / g), rtol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("bandwidth", [0, 3])
def test_driscoll_kraay_agrees_with_linearmodels(bandwidth):
    from linearmodels.panel import PanelOLS

    sample = ragged(seed=27, units=12)
    frame = sample.frame.assign(y=sample.y, **{f"x{i}": sample.x[:, i] for i in range(3)}).set_index(["unit", "time"])
    theirs = PanelOLS(frame["y"], frame[["x0", "x1", "x2"]], entity_effects=True, time_effects=True).fit(
        cov_type="kernel", kernel="bartlett", bandwidth=bandwidth, debiased=False, auto_df=False, count_effects=False
    )
    ours = inference.driscoll_kraay(fit_ols(sample.y, sample.x, sample.cells), bandwidth)
    np.testing.assert_allclose(np.sqrt(np.diag(ours)), theirs.std_errors, rtol=1e-6)


def test_contrasts_use_t_with_one_degree_fewer_than_clusters():
    sample = ragged(seed=28, units=7)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    weights = np.array([1.0, 0.5, -1.0])
    matrix = crv3(fit)
    result = contrast(fit, weights)
    se = np.sqrt(weights @ matrix @ weights)
    assert (result.df, result.std_error) == (6, pytest.approx(se))
    assert result.estimate == pytest.approx(weights @ fit.coef)
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(result.t), 6))
    assert result.conf_high - result.estimate == pytest.approx(stats.t.ppf(0.975, 6) * se)
    assert contrast(fit, weights, matrix) == result
    with pytest.raises(ParameterError, match="crv3, crv1"):
        contrast(fit, weights, "hc1")


def test_hotelling_is_a_squared_t_for_one_contrast_and_an_f_for_more():
    sample = ragged(seed=29, units=9)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    one = hotelling(fit, [1, 0, 0])
    single = contrast(fit, [1, 0, 0])
    assert one.statistic == pytest.approx(single.t**2) and one.p_value == pytest.approx(single.p_value)
    joint = hotelling(fit, np.eye(3)[:2])
    value, spread = fit.coef[:2], crv3(fit)[:2, :2]
    assert joint.statistic == pytest.approx(value @ np.linalg.inv(spread) @ value * 7 / (8 * 2))
    assert (joint.df_num, joint.df_den) == (2, 7)
    with pytest.raises(Refused, match="cannot carry a joint test"):
        hotelling(fit, np.vstack([np.eye(3)] * 3))


def test_effective_clusters_count_who_carries_the_variation():
    units, periods = 8, 30
    rng = np.random.default_rng(1)
    unit, time = np.repeat(np.arange(units), periods), np.tile(np.arange(periods), units)
    cells, spread = cells_from_codes(unit, time), np.array([10.0] + [1.0] * 7)
    x = rng.permuted(np.tile(np.linspace(-1, 1, periods), (units, 1)), axis=1).ravel()
    even, uneven = (fit_ols(rng.normal(size=x.size), z, cells) for z in (x, x * spread[unit]))
    assert inference.effective_clusters(even, [1.0]) == pytest.approx(8)
    assert inference.largest_share(uneven, [1.0]) == pytest.approx(100 / 107)
    assert inference.effective_clusters(uneven, [1.0]) == pytest.approx(107**2 / (100**2 + 7))
    assert inference.within_shares(uneven, [1.0]).sum() == pytest.approx(1)


def test_leave_one_out_names_the_contrast_without_each_cluster():
    sample = ragged(seed=30)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    weights = np.array([1.0, 1.0, 0.0])
    brute = jackknife_coef(sample.y, sample.x, sample.cells) @ weights
    np.testing.assert_allclose(leave_one_out(fit, weights), brute, atol=1e-9)
    np.testing.assert_allclose(leave_one_out(fit, weights, leave_out(fit)), brute, atol=1e-9)


def test_an_effect_that_rests_on_one_rep_is_refused_and_the_others_are_not():
    sample = ragged(seed=31, units=8)
    x = sample.x.copy()
    x[sample.cells.unit != 2, 2] = 0
    fit = fit_ols(sample.y, x, sample.cells)
    with pytest.raises(Refused, match="rests on one cluster"):
        contrast(fit, [0, 0, 1])
    with pytest.raises(Refused, match="rests on one cluster"):
        hotelling(fit, np.eye(3))
    assert np.isfinite(contrast(fit, [1, 0, 0]).std_error)
    assert np.isnan(leave_one_out(fit, [0, 0, 1])).tolist() == [g == 2 for g in range(8)]
    one = fit_ols(sample.y, sample.x, cells_from_codes(np.zeros(sample.y.size), np.arange(sample.y.size)))
    with pytest.raises(Refused, match="one cluster only"):
        contrast(one, [1, 0, 0], "crv1")


# --- size: how often a true null is rejected, with few reps and persistent noise ------------------------------------


def null_panel(seed, reps, periods=40):
    """Activity and outcome both persist (AR 0.6) and have nothing to do with each other."""
    rng = np.random.default_rng([seed, reps])
    x, y = rng.normal(size=(2, reps, periods))
    for t in range(1, periods):
        x[:, t] += 0.6 * x[:, t - 1]
        y[:, t] += 0.6 * y[:, t - 1]
    scale = rng.uniform(0.5, 1.5, reps)[:, None]
    cells = cells_from_codes(
        np.repeat(np.arange(reps), periods), np.tile(np.arange(periods), reps), np.tile(np.arange(periods), reps)
    )
    return fit_ols((y * scale).ravel(), (x * scale).ravel()[:, None], cells)


def rejections(reps, draws):
    """Share of draws in which each way of testing rejects at 5 %."""
    out = {"crv3 t": 0, "crv1 normal": 0, "rows independent": 0}
    for seed in range(draws):
        fit = null_panel(seed, reps)
        estimate = float(fit.coef[0])
        out["crv3 t"] += contrast(fit, [1.0]).p_value < 0.05
        out["crv1 normal"] += abs(estimate) > 1.96 * np.sqrt(crv1(fit)[0, 0])
        out["rows independent"] += abs(estimate) > 1.96 * np.sqrt(inference.classical(fit)[0, 0])
    return {name: count / draws for name, count in out.items()}


def band(rate, draws, errors=4):
    return rate + errors * np.sqrt(rate * (1 - rate) / draws)


@pytest.mark.parametrize("reps", [6, 10])
def test_the_size_with_few_reps_and_that_the_test_would_see_the_faults(reps):
    rates = rejections(reps, draws=200)
    assert rates["crv3 t"] < band(0.05, 200)
    assert rates["rows independent"] > band(0.05, 200), "the planted fault must be seen: plain errors"
    if reps == 6:
        assert rates["crv1 normal"] > band(0.05, 200), "the planted fault must be seen: normal instead of t"


@pytest.mark.slow
@pytest.mark.parametrize("reps", [6, 10])
def test_the_size_with_few_reps_closely(reps):
    rate = rejections(reps, draws=4_000)["crv3 t"]
    assert 0.02 < rate < band(0.05, 4_000, errors=3)
