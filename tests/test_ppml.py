"""Poisson regression with two sets of effects equals the model with dummies; what carries no information is counted."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import settings as budget
from ragged_panels import dummies, net_of_effects, ragged, rank_left, settings

from analysis.errors import DataError, ParameterError, Refused
from analysis.models.absorb import absorber, layout
from analysis.models.columns import lag_columns
from analysis.models.design import cells_from_codes, lag_basis, lag_terms
from analysis.models.inference import classical
from analysis.models.ppml import fit_ppml, fit_restricted


def check_first_order(fit, y, x):
    """At the estimate the fitted means reproduce every unit total, every effect total and X'y: the whole definition."""
    cells = fit.system.cells
    y, x = y[fit.used], x[fit.used]
    assert np.abs(dummies(cells).T @ (y - fit.fitted)).max() < 1e-6
    net = net_of_effects(x, cells, fit.fitted)
    assert np.abs(net.T @ (y - fit.fitted)).max() < 1e-6
    np.testing.assert_allclose(fit.information, net.T @ (net * fit.fitted[:, None]), rtol=1e-5, atol=1e-5)
    clusters = (cells.cluster == g for g in range(fit.n_clusters))
    np.testing.assert_allclose(fit.scores, [net[c].T @ (y - fit.fitted)[c] for c in clusters], atol=1e-4)


@given(settings)
@budget(max_examples=30, deadline=None)
def test_first_order_conditions_hold_on_ragged_panels(how):
    sample = ragged(**how)
    assume(rank_left(sample.x, sample.cells) == 3)
    count = sample.count + (np.arange(sample.count.size) % 3 == 0)  # no separation: every small cell has events
    check_first_order(fit_ppml(count, sample.x, sample.cells), count, sample.x)


@pytest.mark.oracle
@pytest.mark.parametrize("seed", [1, 2])
def test_a_glm_with_dummies_agrees(seed):
    import statsmodels.api as sm

    sample = ragged(seed=seed, units=12)
    fit = fit_ppml(sample.count, sample.x, sample.cells)
    cells, y, x = fit.system.cells, sample.count[fit.used], sample.x[fit.used]
    family = sm.families.Poisson()
    glm = sm.GLM(y, np.hstack([x, dummies(cells)[:, :-1]]), family=family).fit(tol=1e-13, maxiter=200)
    np.testing.assert_allclose(fit.coef, glm.params[:3], rtol=1e-8)
    np.testing.assert_allclose(np.sqrt(np.diag(classical(fit))), glm.bse[:3], rtol=1e-6)
    np.testing.assert_allclose(fit.fitted, glm.mu, rtol=1e-6)
    assert fit.objective == pytest.approx(glm.deviance, rel=1e-9)


@pytest.mark.oracle
def test_fepois_agrees():
    import pyfixest as pf

    sample = ragged(seed=3, units=15)
    frame = pd.DataFrame(sample.x, columns=["x0", "x1", "x2"]).assign(
        y=sample.count, unit=sample.cells.unit, week=sample.cells.effect
    )
    theirs = pf.fepois(
        "y ~ x0 + x1 + x2 | unit + week", frame, vcov={"CRV1": "unit"}, ssc=pf.ssc(k_adj=False, G_adj=False)
    )
    fit = fit_ppml(sample.count, sample.x, sample.cells)
    np.testing.assert_allclose(fit.coef, theirs.coef(), rtol=1e-6)
    ours = fit.bread @ fit.scores.T @ fit.scores @ fit.bread
    np.testing.assert_allclose(np.sqrt(np.diag(ours)), theirs.se(), rtol=1e-5)


def test_units_and_effects_with_only_zeros_leave_and_are_counted():
    sample = ragged(seed=5, units=10)
    y = sample.count + 1
    y[sample.cells.unit == 3] = 0
    y[sample.cells.effect == 9] = 0
    fit = fit_ppml(y, sample.x, sample.cells)
    assert (fit.dropped.zero_units, fit.dropped.zero_effects) == (1, 1)
    gone = (sample.cells.unit == 3) | (sample.cells.effect == 9)
    np.testing.assert_array_equal(fit.used, ~gone)
    assert fit.dropped.share == pytest.approx(gone.mean()) and fit.n_clusters == 9
    by_hand = fit_ppml(y[~gone], sample.x[~gone], sample.cells.take(~gone))
    np.testing.assert_allclose(fit.coef, by_hand.coef, rtol=1e-12)


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e9])
def test_the_outcomes_unit_does_not_matter(unit):
    sample = ragged(seed=6)
    base = fit_ppml(sample.count, sample.x, sample.cells)
    scaled = fit_ppml(sample.count * unit, sample.x, sample.cells)
    np.testing.assert_allclose(scaled.coef, base.coef, rtol=1e-9)
    np.testing.assert_allclose(scaled.fitted, base.fitted * unit, rtol=1e-8)


def test_an_offset_is_a_regressor_with_coefficient_one():
    sample = ragged(seed=7)
    offset = 0.4 * sample.x[:, 1]
    with_offset = fit_ppml(sample.count, sample.x, sample.cells, offset=offset)
    plain = fit_ppml(sample.count, sample.x, sample.cells)
    np.testing.assert_allclose(with_offset.coef, plain.coef - [0, 0.4, 0], atol=1e-9)


def test_the_start_does_not_matter_and_lags_may_be_built_block_by_block():
    sample = ragged(seed=8, periods=40)
    basis, lags = lag_basis(5), range(1, 6)
    held = fit_ppml(sample.count, lag_terms(sample.cells, sample.x, basis, lags), sample.cells)
    built = fit_ppml(
        sample.count, lag_columns(sample.cells, sample.x, basis, lags), sample.cells, start=0.3 + held.coef
    )
    np.testing.assert_allclose(built.coef, held.coef, atol=1e-9)


def test_the_restricted_fit_is_the_fit_without_that_regressor():
    sample = ragged(seed=9)
    fit = fit_ppml(sample.count, sample.x, sample.cells)
    null = fit_restricted(fit, np.array([[0.0, 1.0, 0.0]]))
    without = fit_ppml(sample.count, sample.x[:, [0, 2]], sample.cells)
    np.testing.assert_allclose(null.coef, [without.coef[0], 0, without.coef[1]], atol=1e-9)
    np.testing.assert_allclose(null.fitted, without.fitted, rtol=1e-8)
    assert np.abs(null.scores.sum(0)[[0, 2]]).max() < 1e-6 < np.abs(null.scores.sum(0)[1])
    tied = fit_restricted(fit, np.array([[1.0, -1.0, 0.0]]))
    both = fit_ppml(sample.count, np.column_stack([sample.x[:, 0] + sample.x[:, 1], sample.x[:, 2]]), sample.cells)
    np.testing.assert_allclose(tied.coef, both.coef[[0, 0, 1]], atol=1e-9)
    # From far away as well: what the restriction forbids explained nearly everything.
    strong = fit_ppml(np.round(np.exp(3 * sample.x[:, 1])), sample.x, sample.cells)
    weak = fit_restricted(strong, np.array([[0.0, 1.0, 0.0]]))
    without = fit_ppml(np.round(np.exp(3 * sample.x[:, 1])), sample.x[:, [0, 2]], sample.cells)
    np.testing.assert_allclose(weak.coef, [without.coef[0], 0, without.coef[1]], atol=1e-9)
    nothing = fit_restricted(fit, np.eye(3))
    assert np.allclose(nothing.coef, 0) and nothing.n_obs == fit.n_obs


def test_a_regressor_that_separates_zeros_is_refused_not_guessed():
    sample = ragged(seed=10)
    separating = np.where(sample.count > 0, 0.0, 1.0)
    with pytest.raises(Refused, match="no variation"):
        fit_ppml(sample.count, np.column_stack([sample.x, separating]), sample.cells)


def test_rows_that_a_regressor_separates_leave_and_the_rest_is_the_finite_estimate():
    sample = ragged(seed=12, units=10)
    count = sample.count + 1
    count[::7] = 0
    rare = np.where(np.arange(count.size) % 14 == 0, 1.0, 0.0) * (1 + sample.cells.unit % 3)
    x = np.column_stack([sample.x, rare])
    with pytest.raises(Refused, match="rare: no variation"):
        fit_ppml(count, x, sample.cells, names=["a", "b", "c", "rare"])
    # One positive outcome beside it pins the regressor down again, and nothing is dropped.
    count[14] = 3
    assert fit_ppml(count, x, sample.cells).dropped.separated_rows == 0


def test_bad_outcomes_are_named():
    sample = ragged()
    with pytest.raises(DataError, match="negative"):
        fit_ppml(sample.y, sample.x, sample.cells)
    with pytest.raises(Refused, match="zero in every row"):
        fit_ppml(np.zeros(sample.y.size), sample.x, sample.cells)
    with pytest.raises(ParameterError, match="one outcome"):
        fit_ppml(np.zeros((sample.y.size, 2)), sample.x, sample.cells)


def test_no_regressor_without_a_second_effect_is_needed():
    """Units only: the conditional Poisson model."""
    sample = ragged(seed=11)
    cells = cells_from_codes(sample.frame["unit"], sample.frame["time"])
    check_first_order(fit_ppml(sample.count, sample.x, cells), sample.count, sample.x)


def test_effects_that_drown_in_a_few_rows_are_refused_in_words():
    cells = cells_from_codes(np.repeat(np.arange(4), 6), np.tile(np.arange(6), 4), np.tile(np.arange(6), 4))
    weight = np.where(cells.unit == 3, 0.0, 1.0)  # what a mean of 1e-300 beside one of 1e5 comes down to
    with pytest.raises(Refused, match="cannot be told apart numerically"):
        absorber(layout(cells), weight)
