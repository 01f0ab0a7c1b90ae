"""Two-way least squares equals dummies, statsmodels, linearmodels and pyfixest on ragged panels."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from ragged_panels import dummies, dummy_coef, net_of_effects, ragged, rank_left, settings

from analysis.errors import DataError, ParameterError, Refused
from analysis.models import absorb, sums
from analysis.models.columns import lag_columns
from analysis.models.design import cells_from_codes, lag_basis, lag_terms
from analysis.models.inference import classical, crv1, crv3
from analysis.models.linear import fit_ols, fit_ols_many
from analysis.models.ppml import fit_ppml


@given(settings)
@budget(max_examples=60, deadline=None)
def test_coefficients_and_scores_equal_dummies(how):
    sample = ragged(**how)
    if rank_left(sample.x, sample.cells) < 3:
        with pytest.raises(Refused):
            fit_ols(sample.y, sample.x, sample.cells)
        return
    fit = fit_ols(sample.y, sample.x, sample.cells)
    np.testing.assert_allclose(fit.coef, dummy_coef(sample.y, sample.x, sample.cells), atol=1e-9)
    net = net_of_effects(sample.x, sample.cells)
    residual = net_of_effects(sample.y, sample.cells) - net @ fit.coef
    np.testing.assert_allclose(fit.residual, residual, atol=1e-9)
    np.testing.assert_allclose(fit.information, net.T @ net, rtol=1e-9, atol=1e-9)
    by_cluster = [net[rows].T @ residual[rows] for rows in (sample.cells.cluster == g for g in range(fit.n_clusters))]
    np.testing.assert_allclose(fit.scores, by_cluster, atol=1e-8)


def test_the_dummy_test_sees_a_missing_second_effect():
    sample = ragged()
    one_way = cells_from_codes(sample.frame["unit"], sample.frame["time"])
    assert np.abs(fit_ols(sample.y, sample.x, one_way).coef - dummy_coef(sample.y, sample.x, sample.cells)).max() > 1e-3


@pytest.mark.parametrize("effects", ["week", "team_week"])
def test_the_sparse_system_gives_the_same_as_the_dense_one(monkeypatch, effects):
    sample = ragged(effects=effects, units=14, moves=0.05)
    dense = fit_ols(sample.y, sample.x, sample.cells)
    monkeypatch.setattr(absorb, "LARGEST_DENSE_SYSTEM", 0)
    np.testing.assert_allclose(fit_ols(sample.y, sample.x, sample.cells).coef, dense.coef, rtol=1e-10)


def test_blocks_do_not_change_the_result(monkeypatch):
    sample = ragged(units=14)
    whole = fit_ols(sample.y, sample.x, sample.cells)
    monkeypatch.setattr(sums, "BLOCK_VALUES", 1)
    small = fit_ols(sample.y, sample.x, sample.cells)
    np.testing.assert_allclose(small.coef, whole.coef, rtol=1e-12)
    np.testing.assert_allclose(small.scores, whole.scores, atol=1e-10)


@pytest.mark.parametrize(("fit", "built"), [(fit_ols, False), (fit_ppml, False), (fit_ppml, True)])
def test_halves_side_by_side_do_not_change_the_result(monkeypatch, fit, built):
    sample = ragged(units=14, periods=40, moves=0.1, effects="week")
    x = lag_columns(sample.cells, sample.x, lag_basis(5), range(1, 6)) if built else sample.x
    whole = fit(sample.count, x, sample.cells)
    monkeypatch.setattr(sums, "LARGE_VALUES", 0)
    monkeypatch.setattr(sums, "BLOCK_VALUES", 500)
    seen = []
    blocks = sums.blocks
    monkeypatch.setattr(sums, "blocks", lambda *given: seen.append(list(blocks(*given))) or iter(seen[-1]))
    halves, again = fit(sample.count, x, sample.cells), fit(sample.count, x, sample.cells)
    assert max(map(len, seen)) >= 4, "there must be something to halve"
    for name in ("coef", "scores", "information", "residual"):
        np.testing.assert_allclose(getattr(halves, name), getattr(whole, name), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(getattr(halves, name), getattr(again, name))


def test_lags_built_block_by_block_give_the_same_fit():
    sample = ragged(periods=40, units=12)
    basis, lags = lag_basis(6), range(1, 7)
    held = fit_ols(sample.y, lag_terms(sample.cells, sample.x, basis, lags), sample.cells)
    built = fit_ols(sample.y, lag_columns(sample.cells, sample.x, basis, lags), sample.cells)
    np.testing.assert_allclose(built.coef, held.coef, rtol=1e-10)
    np.testing.assert_array_equal(built.used, held.used)
    assert built.dropped.share == pytest.approx(1 - held.used.mean())


@given(settings, st.sampled_from([("free", 1, 4), ("polynomial", 0, 4), ("spline", -2, 3), ("free", -3, -1)]))
@example(
    how={
        "seed": 7076,
        "units": 8,
        "periods": 12,
        "teams": 2,
        "effects": "week",
        "cluster": "unit",
        "moves": 0.02,
        "holes": 0.2,
    },
    window=("spline", -2, 3),
)
@budget(max_examples=60, deadline=None)
def test_slices_of_activities_give_the_same_fit_as_the_lag_matrix(how, window):
    kind, first, last = window
    sample = ragged(**{**how, "units": 14, "periods": 40, "effects": "week"})
    rng = np.random.default_rng(how["seed"])
    x = rng.poisson(2, (sample.cells.n, 2)) + 5.0 * sample.cells.unit[:, None]
    x[rng.random(sample.cells.n) < 0.02, 0] = np.nan
    basis, lags = lag_basis(last - first + 1, kind), range(first, last + 1)
    outcomes = np.column_stack([sample.y, sample.count])
    columns = lag_columns(sample.cells, x, basis, lags)
    try:
        held = fit_ols_many(outcomes, lag_terms(sample.cells, x, basis, lags), sample.cells)
    except Refused as refused:  # too many holes: fewer rows than terms
        with pytest.raises(Refused, match=re.escape(str(refused))):
            fit_ols_many(outcomes, columns, sample.cells)
        return
    sliced = fit_ols_many(outcomes, columns, sample.cells)
    for one, other in zip(held, sliced, strict=True):
        np.testing.assert_allclose(other.coef, one.coef, atol=1e-9)
        np.testing.assert_allclose(other.residual, one.residual, atol=1e-9)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-7)
        np.testing.assert_allclose(other.information, one.information, rtol=1e-9, atol=1e-7)
    np.testing.assert_allclose(crv3(sliced[0]), crv3(held[0]), rtol=1e-6, atol=1e-12)


def test_effects_a_million_times_the_signal_do_no_harm():
    sample = ragged(seed=4)
    shift = 1e6 * (1 + sample.cells.unit) + 1e5 * sample.cells.time
    moved = fit_ols(sample.y + shift, sample.x + shift[:, None], sample.cells)
    np.testing.assert_allclose(moved.coef, fit_ols(sample.y, sample.x, sample.cells).coef, rtol=1e-7)


def test_unknown_rows_are_left_out_and_counted():
    sample = ragged(seed=2)
    y, x = sample.y.copy(), sample.x.copy()
    y[3], x[10, 1] = np.nan, np.nan
    fit = fit_ols(y, x, sample.cells)
    keep = np.isfinite(y) & np.isfinite(x).all(axis=1)
    np.testing.assert_allclose(fit.coef, dummy_coef(y[keep], x[keep], sample.cells.take(keep)), atol=1e-10)
    assert fit.dropped.unknown_rows == 2 and fit.n_obs == y.size - 2
    np.testing.assert_array_equal(fit.used, keep)


def test_many_outcomes_share_one_pass():
    sample = ragged()
    both = fit_ols_many(np.column_stack([sample.y, sample.count]), sample.x, sample.cells)
    for fit, y in zip(both, (sample.y, sample.count), strict=True):
        alone = fit_ols(y, sample.x, sample.cells)
        np.testing.assert_allclose(fit.coef, alone.coef, rtol=1e-12)
        np.testing.assert_allclose(fit.scores, alone.scores, atol=1e-10)
    with pytest.raises(ParameterError, match="fit_ols_many"):
        fit_ols(np.ones((5, 2)), sample.x, sample.cells)


def test_regressors_without_variation_are_refused_by_name():
    sample = ragged()
    names = ["calls", "rep", "emails"]
    absorbed = np.column_stack([sample.x[:, 0], sample.cells.unit + 2.0 * sample.cells.time, sample.x[:, 1]])
    with pytest.raises(Refused, match="rep: no variation"):
        fit_ols(sample.y, absorbed, sample.cells, names)
    tied = np.column_stack([sample.x[:, 0], sample.x[:, 1], sample.x[:, 0] + absorbed[:, 1]])
    with pytest.raises(Refused, match="calls, emails: these regressors"):
        fit_ols(sample.y, tied, sample.cells, names)


def test_bad_input_is_named():
    sample = ragged()
    with pytest.raises(ParameterError, match="differ in number"):
        fit_ols(sample.y[:-1], sample.x, sample.cells)
    with pytest.raises(ParameterError, match="2 names for 3"):
        fit_ols(sample.y, sample.x, sample.cells, ["a", "b"])
    with pytest.raises(DataError, match="infinite"):
        fit_ols(np.where(np.arange(sample.y.size) == 0, np.inf, sample.y), sample.x, sample.cells)
    with pytest.raises(Refused, match="no row"):
        fit_ols(np.full(sample.y.size, np.nan), sample.x, sample.cells)


@pytest.mark.oracle
@pytest.mark.parametrize("cluster", ["unit", "team"])
def test_statsmodels_with_dummies_agrees(cluster):
    import statsmodels.api as sm

    sample = ragged(seed=7, cluster=cluster, teams=5, units=15)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    full = np.hstack([sample.x, dummies(sample.cells)[:, :-1]])
    model = sm.OLS(sample.y, full)
    plain = model.fit()
    np.testing.assert_allclose(fit.coef, plain.params[:3], rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(np.diag(classical(fit))), plain.bse[:3], rtol=1e-9)
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": sample.cells.cluster, "use_correction": False})
    uncorrected = fit.bread @ fit.scores.T @ fit.scores @ fit.bread
    np.testing.assert_allclose(np.sqrt(np.diag(uncorrected)), robust.bse[:3], rtol=1e-6)


@pytest.mark.oracle
def test_linearmodels_agrees():
    from linearmodels.panel import PanelOLS

    sample = ragged(seed=8)
    frame = sample.frame.assign(y=sample.y, **{f"x{i}": sample.x[:, i] for i in range(3)}).set_index(["unit", "time"])
    theirs = PanelOLS(frame["y"], frame[["x0", "x1", "x2"]], entity_effects=True, time_effects=True).fit(
        cov_type="clustered",
        cluster_entity=True,
        debiased=False,
        group_debias=False,
        auto_df=False,
        count_effects=False,
    )
    fit = fit_ols(sample.y, sample.x, sample.cells)
    np.testing.assert_allclose(fit.coef, theirs.params, rtol=1e-8)
    uncorrected = fit.bread @ fit.scores.T @ fit.scores @ fit.bread
    np.testing.assert_allclose(np.sqrt(np.diag(uncorrected)), theirs.std_errors, rtol=1e-6)


@pytest.mark.oracle
@pytest.mark.parametrize("effects", ["week", "team_week"])
def test_pyfixest_agrees(effects):
    import pyfixest as pf

    sample = ragged(seed=9, effects=effects, units=16, moves=0.05)
    frame = pd.DataFrame(sample.x, columns=["x0", "x1", "x2"]).assign(
        y=sample.y, unit=sample.cells.unit, effect=sample.cells.effect
    )
    # Its own factor depends on the hash seed (which effect counts as nested); ask for none and apply ours.
    theirs = pf.feols(
        "y ~ x0 + x1 + x2 | unit + effect",
        frame,
        vcov={"CRV1": "unit"},
        ssc=pf.ssc(k_adj=False, G_adj=False),
        fixef_rm="none",
    )
    fit = fit_ols(sample.y, sample.x, sample.cells)
    np.testing.assert_allclose(fit.coef, theirs.coef(), rtol=1e-6)
    g, n, k = fit.n_clusters, fit.n_obs, 3 + sample.cells.effect.max() + 1
    factor = g / (g - 1) * (n - 1) / (n - k)
    np.testing.assert_allclose(np.sqrt(np.diag(crv1(fit)) / factor), theirs.se(), rtol=1e-6)
