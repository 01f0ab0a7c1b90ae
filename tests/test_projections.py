"""Local projections: planted kernels come back delay by delay, bands hold, a kernel that is bent is noticed."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analysis.errors import InputError
from analysis.models.design import cells_from_codes
from analysis.models.projections import local_projections, outside_band

WINDOW = 6
KERNEL = np.array([0.0, 0.1, 0.4, 0.3, 0.15, 0.05])


def draw_panel(seed, effect, family="ols", n_units=10, n_weeks=100, rho=0.5):
    rng = np.random.default_rng(seed)
    rate = rng.standard_normal((n_units, n_weeks))
    for t in range(1, n_weeks):
        rate[:, t] = rho * rate[:, t - 1] + np.sqrt(1 - rho**2) * rate[:, t]
    x = rng.poisson(np.exp(1 + 0.5 * rate)).astype(float)
    drive = np.zeros_like(x)
    for lag, weight in enumerate(KERNEL, start=1):
        drive[:, lag:] += weight * x[:, :-lag]
    eta = 0.3 * rng.standard_normal((n_units, 1)) + 0.3 * rng.standard_normal((1, n_weeks)) + effect * (drive - 3)
    y = eta + rng.standard_normal(x.shape) if family == "ols" else rng.poisson(np.exp(eta))
    unit, week = np.repeat(np.arange(n_units), n_weeks), np.tile(np.arange(n_weeks), n_units)
    return y.astype(float).ravel(), x.ravel(), cells_from_codes(unit, week, effect=week)


@pytest.mark.parametrize("family", ["ols", "ppml"])
def test_a_planted_kernel_comes_back(family):
    effect = 1.0 if family == "ols" else 0.25
    y, x, cells = draw_panel(1, effect, family, n_units=30)
    result = local_projections(y, x, cells, WINDOW, family=family)
    table = result.responses
    assert table["lag_weeks"].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.corrcoef(table["estimate"], KERNEL)[0, 1] > 0.9
    assert table["estimate"].argmax() + 1 in (3, 4)
    assert result.df == 29


def test_a_bent_kernel_leaves_the_band_and_the_true_one_does_not():
    y, x, cells = draw_panel(2, 1.0, n_units=30)
    result = local_projections(y, x, cells, WINDOW, family="ols")
    assert outside_band(result, KERNEL[::-1]) != []
    assert outside_band(result, KERNEL) == []
    with pytest.raises(InputError, match="same window"):
        outside_band(result, KERNEL[:3])


@pytest.mark.oracle
def test_one_delay_is_least_squares_with_dummies():
    import statsmodels.api as sm

    y, x, cells = draw_panel(3, 0.5, n_units=5, n_weeks=40)
    keep = cells.time >= WINDOW
    lagged = np.column_stack([np.concatenate([np.full(k, np.nan), x[:-k]]) for k in range(1, WINDOW + 1)])
    lagged = lagged[keep]
    dummies = np.hstack([np.eye(5)[cells.unit[keep]], np.eye(40)[cells.time[keep]][:, WINDOW + 1 :]])
    design = np.column_stack([lagged[:, [2, 1, 3]], lagged[:, 0], lagged[:, 4:].sum(1), dummies])
    plain = sm.OLS(y[keep], design).fit().params[0]
    ours = local_projections(y, x, cells, WINDOW, family="ols").responses
    assert ours.loc[2, "estimate"] == pytest.approx(plain, rel=1e-8)
    assert ours.loc[2, "n"] == keep.sum()


def noise_rejections(n_units, draws, seed):
    """Share of pure-noise panels: any single lag significant, any lag outside the joint band."""
    single, joint = 0, 0
    for draw in range(draws):
        y, x, cells = draw_panel(seed + draw, 0.0, n_units=n_units, n_weeks=60)
        table = local_projections(y, x, cells, WINDOW, family="ols").responses
        single += bool(((table["low"] > 0) | (table["high"] < 0)).any())
        joint += bool(((table["band_low"] > 0) | (table["band_high"] < 0)).any())
    return single / draws, joint / draws


def test_the_joint_band_holds_where_single_lags_do_not():
    single, joint = noise_rejections(6, 60, seed=100)
    assert joint <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 60)
    assert single > 0.10


@pytest.mark.slow
def test_size_of_the_joint_band():
    for n_units in (6, 20):
        assert noise_rejections(n_units, 500, seed=1000)[1] <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 500)


def test_rows_order_of_controls_and_empty_windows():
    y, x, cells = draw_panel(4, 0.5)
    controls = np.random.default_rng(0).standard_normal((cells.n, 2))
    with_noise = local_projections(y, x, cells, 3, controls, family="ols").responses
    without = local_projections(y, x, cells, 3, family="ols").responses
    assert_allclose(with_noise["estimate"], without["estimate"], atol=0.06)
    with pytest.raises(InputError, match="no delay"):
        local_projections(y, x, cells, 0)
