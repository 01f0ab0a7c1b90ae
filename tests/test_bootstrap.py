"""The bootstraps equal refitting row by row, keep their level with few reps, and depend on nothing but the seed."""

import numpy as np
import pytest
from ragged_panels import dummies, dummy_coef, net_of_effects, ragged
from scipy.linalg import null_space
from test_inference import band, null_panel

from analysis.errors import ParameterError, Refused
from analysis.models import bootstrap
from analysis.models.bootstrap import score_bootstrap, webb_weights, wild_cluster
from analysis.models.design import cells_from_codes, lag_basis, lag_terms
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml, fit_restricted
from analysis.models.shift import circular_shift, shift_activities


def wald_by_hand(y, x, cells, matrix):
    """The Wald statistic with plain cluster-robust errors, from a regression on all dummies."""
    net, coef = net_of_effects(x, cells), dummy_coef(y, x, cells)
    residual = net_of_effects(y, cells) - net @ coef
    bread = np.linalg.inv(net.T @ net)
    scores = np.array([net[c].T @ residual[c] for c in (cells.cluster == g for g in range(cells.cluster.max() + 1))])
    spread = matrix @ bread @ scores.T @ scores @ bread @ matrix.T
    value = matrix @ coef
    return float(value @ np.linalg.solve(spread, value))


def drawn_by_hand(sample, matrix, draws, seed):
    """Impose the null, multiply each cluster's residuals by its weight, refit everything."""
    free = sample.x @ null_space(matrix)
    full = np.hstack([free, dummies(sample.cells)])
    fitted = full @ np.linalg.lstsq(full, sample.y, rcond=None)[0]
    weights = np.hstack(list(webb_weights(sample.cells.cluster.max() + 1, draws, seed)))[sample.cells.cluster]
    stars = (fitted + v * (sample.y - fitted) for v in weights.T)
    return np.array([wald_by_hand(star, sample.x, sample.cells, matrix) for star in stars])


@pytest.mark.parametrize("effects", ["week", "team_week"])
@pytest.mark.parametrize("cluster", ["unit", "team"])
@pytest.mark.parametrize("matrix", [np.array([[1.0, 0.5, 0.0]]), np.eye(3)[:2]], ids=["one", "joint"])
def test_the_wild_bootstrap_equals_refitting_every_draw(effects, cluster, matrix):
    sample = ragged(seed=40, units=12, teams=5, effects=effects, cluster=cluster, moves=0.1)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    drawn = drawn_by_hand(sample, matrix, draws=40, seed=3)
    observed = wald_by_hand(sample.y, sample.x, sample.cells, matrix)
    result = wild_cluster(fit, matrix, draws=40, seed=3)
    assert result.statistic == pytest.approx(observed, rel=1e-8)
    assert result.p_value == pytest.approx((1 + (drawn >= observed * (1 - 1e-9)).sum()) / 41)
    assert wild_cluster(fit, matrix, draws=40, seed=3, interval=False).p_value == result.p_value


def test_each_draw_is_equal_not_only_their_rank(monkeypatch):
    sample = ragged(seed=41, units=12)
    matrix = np.array([[0.0, 1.0, 0.0]])
    fit = fit_ols(sample.y, sample.x, sample.cells)
    slope = bootstrap.net_regressor(fit, matrix.T) / (matrix @ fit.bread @ matrix.T)
    under_null = fit.residual + slope @ (matrix @ fit.coef)
    by_hand = drawn_by_hand(sample, matrix, draws=10, seed=1)
    (block,) = webb_weights(12, 10, 1)
    for largest in (800, 1):  # one matrix, or the pair of thin ones
        monkeypatch.setattr(bootstrap, "LARGEST_MATRIX", largest)
        pieces = bootstrap.respond(fit, bootstrap.net_regressor(fit, matrix.T), under_null)
        np.testing.assert_allclose(bootstrap._wald(*bootstrap._parts(pieces, block)), by_hand, rtol=1e-8)
    unrestricted = bootstrap.respond(fit, bootstrap.net_regressor(fit, matrix.T), fit.residual)
    faulty = bootstrap._wald(*bootstrap._parts(unrestricted, block))
    assert np.abs(faulty / by_hand - 1).max() > 0.01, "the planted fault (null not imposed) must be seen"


def test_the_interval_holds_exactly_the_values_that_are_not_rejected():
    sample = ragged(seed=42, units=9)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    result = wild_cluster(fit, [1, 0, 0], draws=999, seed=5)
    width = result.conf_high - result.conf_low
    for null, rejected in [
        (result.conf_low - 0.02 * width, True),
        (result.conf_low + 0.02 * width, False),
        (result.conf_high - 0.02 * width, False),
        (result.conf_high + 0.02 * width, True),
    ]:
        moved = fit_ols(sample.y - null * sample.x[:, 0], sample.x, sample.cells)
        assert (wild_cluster(moved, [1, 0, 0], draws=999, seed=5).p_value <= 0.05) == rejected
    reference = contrast(fit, [1, 0, 0])
    assert 0.6 < width / (reference.conf_high - reference.conf_low) < 1.4


def test_the_score_bootstrap_equals_its_formula():
    """Perturb the scores at the restricted estimate, take one step, recompute scores: all by dense matrices."""
    sample = ragged(seed=43, units=12, effects="team_week")
    fit = fit_ppml(sample.count + 1, sample.x, sample.cells)
    matrix = np.array([[1.0, 0.0, 0.0]])
    null = fit_restricted(fit, matrix)
    cells, mean, residual = null.system.cells, null.fitted, null.residual
    net = net_of_effects(sample.x, cells, mean)
    bread = np.linalg.inv(net.T @ (net * mean[:, None]))
    direction = net @ bread[:, 0]
    (block,) = webb_weights(fit.n_clusters, 60, 2)
    stats = []
    for v in np.column_stack([np.ones(fit.n_clusters), block]).T:
        star = net_of_effects(
            (v[cells.cluster] * residual) / mean, cells, mean
        )  # the working outcome, effects refitted
        step = bread @ (net.T @ (mean * star))
        left = mean * (star - net @ step)
        scores = np.bincount(cells.cluster, direction * left)
        stats.append(step[0] ** 2 / (scores**2).sum())
    result = score_bootstrap(fit, matrix, draws=60, seed=2)
    assert result.statistic == pytest.approx(stats[0], rel=1e-5)
    assert result.p_value == pytest.approx((1 + (np.array(stats[1:]) >= stats[0]).sum()) / 61)
    assert np.isnan(result.conf_low)


def test_p_is_never_zero_and_never_finer_than_the_draws():
    sample = ragged(seed=44, units=14)
    strong = fit_ols(50 * sample.x[:, 0] + sample.y, sample.x, sample.cells)
    assert wild_cluster(strong, [1, 0, 0], draws=99).p_value == 1 / 100


def test_the_seed_decides_and_nothing_else():
    sample = ragged(seed=45)
    fit = fit_ols(sample.y, sample.x, sample.cells)
    first = wild_cluster(fit, [0, 1, 0], draws=499, seed=1)
    assert wild_cluster(fit, [0, 1, 0], draws=499, seed=1) == first
    assert wild_cluster(fit, [0, 1, 0], draws=499, seed=2) != first


def test_webbs_weights_have_mean_zero_and_variance_one():
    draws = np.hstack(list(webb_weights(50, 4_000, 0)))
    assert draws.shape == (50, 4_000) and len(np.unique(draws)) == 6
    assert abs(draws.mean()) < 0.01 and abs(draws.var() - 1) < 0.01


def test_wrong_uses_are_named():
    sample = ragged()
    ols, ppml = (make(sample.count, sample.x, sample.cells) for make in (fit_ols, fit_ppml))
    with pytest.raises(ParameterError, match="score_bootstrap"):
        wild_cluster(ppml, [1, 0, 0])
    with pytest.raises(ParameterError, match="wild_cluster"):
        score_bootstrap(ols, [1, 0, 0])
    with pytest.raises(ParameterError, match="2 coefficients"):
        wild_cluster(ols, [1, 0])
    with pytest.raises(Refused, match="joint test"):
        wild_cluster(fit_ols(sample.y, sample.x, ragged(cluster="team").cells), np.eye(3))


@pytest.mark.oracle
def test_wildboottest_agrees():
    """The same restricted bootstrap by the package, on dummies; other draws, so p agrees within Monte Carlo error."""
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    sample = ragged(seed=46, units=12)
    full = np.hstack([sample.x, dummies(sample.cells)[:, :-1]])
    model = sm.OLS(sample.count, full)
    theirs = wildboottest(
        model, param="x2", cluster=sample.cells.cluster, B=1_999, weights_type="webb", seed=1, show=False
    )
    ours = wild_cluster(fit_ols(sample.count, sample.x, sample.cells), [0, 1, 0], draws=1_999, seed=1)
    assert ours.p_value == pytest.approx(float(theirs["p-value"].iloc[0]), abs=0.045)


# --- circular shifts ------------------------------------------------------------------------------------------------


def test_shifting_moves_a_reps_activities_together_and_leaves_unknown_rows_alone():
    sample = ragged(seed=50, units=10)
    x = np.round(sample.x * 100)
    x[(sample.cells.unit == 2) & (sample.cells.time < 6), 1] = np.nan
    shifted = shift_activities(x, sample.cells, np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(shifted), np.isnan(x))
    moved = 0
    for unit in range(10):
        rows = (sample.cells.unit == unit) & np.isfinite(x).all(axis=1)
        before, after = x[rows], shifted[rows]
        turns = [k for k in range(len(before)) if np.array_equal(np.roll(before, k, axis=0), after)]
        assert turns, f"rep {unit} was not rotated as a whole"
        moved += turns[0] != 0
    assert moved >= 7


@pytest.mark.parametrize("family", ["ols", "ppml"])
def test_a_shift_refit_equals_a_plain_fit(family):
    sample = ragged(seed=51, periods=36, units=10)
    basis, lags = lag_basis(4), range(1, 5)
    weights = np.kron(np.eye(3), basis.sum(axis=0))
    y = sample.y if family == "ols" else sample.count + 1
    result = circular_shift(y, sample.x, sample.cells, basis, lags, weights, family, shifts=3, seed=9)
    rng = np.random.default_rng(9)
    fit = fit_ols if family == "ols" else fit_ppml
    for drawn in result.drawn:
        moved = lag_terms(sample.cells, shift_activities(sample.x, sample.cells, rng), basis, lags)
        again = fit(y, moved, sample.cells)
        spread = np.sqrt(((again.scores @ again.bread @ weights.T) ** 2).sum(axis=0))
        np.testing.assert_allclose(drawn, np.abs(weights @ again.coef / spread), rtol=1e-5)
    assert np.all(result.p_any >= result.p_value)


def test_an_effect_is_found_by_shifting_and_its_absence_is_not():
    sample = ragged(seed=52, periods=60, units=12)
    basis, lags = lag_basis(3), range(1, 4)
    terms = lag_terms(sample.cells, sample.x[:, :2], basis, lags)
    kernel = np.concatenate([basis.sum(axis=0) * 0.4, np.zeros(basis.shape[1])])
    y = np.where(np.isfinite(terms).all(axis=1), np.nan_to_num(terms) @ kernel, 0) + sample.y - sample.x[:, 0]
    weights = np.kron(np.eye(2), basis.sum(axis=0))
    result = circular_shift(y, sample.x[:, :2], sample.cells, basis, lags, weights, shifts=99, seed=1)
    assert result.p_value[0] == 0.01 and result.p_value[1] > 0.05


# --- size with few reps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reps", [6, 10])
def test_the_wild_bootstrap_keeps_its_level(reps):
    draws = 120
    rate = np.mean(
        [wild_cluster(null_panel(s, reps), [1.0], 199, s, interval=False).p_value <= 0.05 for s in range(draws)]
    )
    assert rate < band(0.05, draws)


def count_panel(seed, reps, periods=40):
    rng = np.random.default_rng([seed, reps, 7])
    x = rng.normal(size=(reps, periods))
    for t in range(1, periods):
        x[:, t] += 0.6 * x[:, t - 1]
    skill = np.exp(rng.normal(size=reps) * 0.5)[:, None] * rng.gamma(2, 0.5, (reps, periods))
    cells = cells_from_codes(
        np.repeat(np.arange(reps), periods), np.tile(np.arange(periods), reps), np.tile(np.arange(periods), reps)
    )
    return fit_ppml(rng.poisson(skill).astype(float).ravel(), x.ravel()[:, None], cells)


@pytest.mark.parametrize("reps", [6, 10])
def test_the_score_bootstrap_keeps_its_level(reps):
    draws = 120
    rate = np.mean([score_bootstrap(count_panel(s, reps), [1.0], 199, s).p_value <= 0.05 for s in range(draws)])
    assert rate < band(0.05, draws)


@pytest.mark.slow
@pytest.mark.parametrize("reps", [6, 10])
def test_levels_closely(reps):
    draws = 2_000
    wild = np.mean(
        [wild_cluster(null_panel(s, reps), [1.0], 399, s, interval=False).p_value <= 0.05 for s in range(draws)]
    )
    score = np.mean([score_bootstrap(count_panel(s, reps), [1.0], 399, s).p_value <= 0.05 for s in range(draws)])
    assert 0.02 < wild < 0.075 and 0.02 < score < 0.085
