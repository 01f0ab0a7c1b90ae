"""Minimum detectable effects: closed forms, and planted effects found as often as promised."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from analysis.errors import InputError
from analysis.models.design import cells_from_codes, lag_basis, lag_terms
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols
from analysis.models.power import mde_after, mde_before, power_at, units_needed, weeks_needed

WINDOW = 7
KERNEL = np.array([1.0, 2, 3, 4, 3, 2, 1]) / 16
ACTIVITIES = 6


def persistent(rng, shape, rho=0.6):
    out = rng.standard_normal(shape)
    for t in range(1, shape[-1]):
        out[..., t] = rho * out[..., t - 1] + np.sqrt(1 - rho**2) * out[..., t]
    return out


def draw_panel(rng, n_units, n_weeks, effect):
    """A continuous outcome that rises by `effect` in all, over lags 1-7, per extra unit of the first of six activities.

    Returns y (n,), activities (n, 6), unit, week.
    """
    weeks = n_weeks + WINDOW
    x = rng.poisson(np.exp(1 + 0.5 * persistent(rng, (ACTIVITIES, n_units, weeks)))).astype(float)
    drive = np.zeros((n_units, weeks))
    for lag, weight in enumerate(KERNEL, start=1):
        drive[:, lag:] += weight * x[0, :, :-lag]
    noise = rng.standard_normal((n_units, 1)) + 0.3 * persistent(rng, (1, weeks)) + persistent(rng, (n_units, weeks))
    unit, week = np.repeat(np.arange(n_units), weeks), np.tile(np.arange(weeks), n_units)
    return (3 + noise + effect * drive).ravel(), x.reshape(ACTIVITIES, -1).T, unit, week


def fitted(y, x, unit, week):
    """Sum of lags of the first activity: two-way effects, jackknife errors."""
    cells, basis = cells_from_codes(unit, week, effect=week), lag_basis(WINDOW)
    fit = fit_ols(y, lag_terms(cells, x, basis, range(1, WINDOW + 1)), cells)
    weights = np.zeros(ACTIVITIES * basis.shape[1])
    weights[: basis.shape[1]] = basis.sum(axis=0)
    return contrast(fit, weights)


def test_after_fitting_it_is_two_quantiles_of_the_error():
    assert float(mde_after(2.0, 10**9)) == pytest.approx(2 * (1.959964 + 0.841621), rel=1e-6)
    assert_allclose(mde_after([1.0, 2.0], 5), np.array([1.0, 2.0]) * (2.570582 + 0.919544), rtol=1e-6)


def test_power_at_the_smallest_detectable_effect_is_four_in_five():
    for df in (4, 9, 29, 400):
        assert float(power_at(mde_after(1.0, df), 1.0, df)) == pytest.approx(0.8, abs=0.015)
    assert float(power_at(0.0, 1.0, 9)) == pytest.approx(0.05, rel=1e-6)


def test_power_is_that_of_the_non_central_t_and_never_missing():
    df, effect = np.array([1, 2, 7, 29, 400])[:, None], np.array([-3.0, -0.4, 0.0, 1.5, 5.9])
    critical = stats.t.ppf(0.975, df)
    expected = stats.nct.sf(critical, df, effect) + stats.nct.cdf(-critical, df, effect)
    assert_allclose(power_at(effect, 1.0, df), expected, rtol=1e-9)
    far = power_at([8.0, -8.0, 40.0], 1.0, [[1], [400]])  # where the non-central t has no number for the wrong side
    assert ((far > 0.46) & (far <= 1)).all()


def test_before_fitting_independent_rows_have_a_closed_form():
    rng = np.random.default_rng(1)
    unit, week = np.repeat(np.arange(40), 100), np.tile(np.arange(100), 40)
    y, x = 5 + rng.standard_normal(4000), rng.standard_normal(4000) * 2
    plan = mde_before(y, x, unit, week, lag_weeks=1)
    assert plan.std_error == pytest.approx(0.5 / np.sqrt(40 * 99) * 1.05 * (40 / 39) ** 1.5, rel=0.03)
    assert (plan.df, plan.n_rows) == (39, 40 * 99)
    assert plan.mde == pytest.approx(plan.std_error * (stats.t.ppf(0.975, 39) + stats.t.ppf(0.8, 39)))
    assert plan.mde_relative == pytest.approx(plan.mde / y.mean(), rel=0.01)


def test_persistence_on_both_sides_costs_information():
    rng = np.random.default_rng(2)
    unit, week = np.repeat(np.arange(10), 104), np.tile(np.arange(104), 10)
    slow, quick = persistent(rng, (10, 104), 0.8).ravel(), rng.standard_normal(1040)
    both = mde_before(slow, persistent(rng, (10, 104), 0.8).ravel(), unit, week, 1)
    one = mde_before(slow, quick, unit, week, 1)
    assert both.design_effect > 2.5
    assert one.design_effect == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("n_units", [6, 10, 30])
def test_before_fitting_foretells_the_fitted_error(n_units):
    rng, ratio = np.random.default_rng(3), []
    for _ in range(12):
        y, x, unit, week = draw_panel(rng, n_units, 104, effect=0.0)
        ratio.append(mde_before(y, x[:, 0], unit, week, WINDOW).std_error / fitted(y, x, unit, week).std_error)
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.2)


def test_gaps_and_order_are_respected():
    rng = np.random.default_rng(4)
    unit, week = np.repeat(np.arange(5), 60), np.tile(np.arange(60), 5)
    y, x = rng.standard_normal(300), rng.poisson(3, 300).astype(float)
    gap = week != 30
    mixed = rng.permutation(np.flatnonzero(gap))
    plan = mde_before(y[mixed], x[mixed], unit[mixed], week[mixed], lag_weeks=4)
    assert plan.n_rows == 5 * (60 - 4 - 1 - 4)
    assert plan == mde_before(y[gap], x[gap], unit[gap], week[gap], lag_weeks=4)
    unknown = np.where(week < 10, np.nan, x)
    assert mde_before(y, unknown, unit, week, lag_weeks=4).n_rows == 5 * (60 - 14)


def detection_rate(n_units, draws, seed):
    """Share of planted effects found at p <= .05; each panel's effect is the smallest its plan calls detectable."""
    rng, found = np.random.default_rng(seed), 0
    for _ in range(draws):
        plan = mde_before(*plan_of(draw_panel(rng, n_units, 104, effect=0.0)), WINDOW)
        found += fitted(*draw_panel(rng, n_units, 104, effect=plan.mde)).p_value <= 0.05
    return found / draws


def plan_of(panel):
    y, x, unit, week = panel
    return y, x[:, 0], unit, week


def test_a_planted_effect_is_found_as_often_as_promised():
    assert detection_rate(10, 50, seed=5) == pytest.approx(0.8, abs=4 * np.sqrt(0.16 / 50))


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [6, 10, 30])
def test_detection_rate_over_sizes(n_units):
    assert detection_rate(n_units, 400, seed=6) == pytest.approx(0.8, abs=0.1)


def test_weeks_and_units_still_needed():
    assert weeks_needed(target=1.0, std_error=0.5, df=9, n_weeks=100) == math.ceil(100 * float(mde_after(0.5, 9)) ** 2)
    assert weeks_needed(target=9.0, std_error=0.5, df=9, n_weeks=100) == 100
    assert weeks_needed(target=0.0, std_error=0.5, df=9, n_weeks=100) == math.inf
    units = units_needed(target=0.5, std_error=0.5, n_units=10)
    assert float(mde_after(0.5 * np.sqrt(10 / units), units - 1)) <= 0.5
    assert float(mde_after(0.5 * np.sqrt(10 / (units - 2)), units - 3)) > 0.5
    assert units_needed(target=1e-9, std_error=1.0, n_units=5) == math.inf


def test_twice_the_weeks_halve_the_variance():
    rng = np.random.default_rng(7)
    short, long = (
        np.mean([fitted(*draw_panel(rng, 10, weeks, 0.0)).std_error for _ in range(15)]) for weeks in (80, 160)
    )
    assert short / long == pytest.approx(np.sqrt(2), rel=0.15)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lag_weeks": 0}, "holds nothing"),
        ({"x": np.ones(300)}, "does not vary"),
        ({"lag_weeks": 70}, "fewer than two"),
    ],
)
def test_what_cannot_be_planned_is_said(change, words):
    rng = np.random.default_rng(8)
    unit, week = np.repeat(np.arange(5), 60), np.tile(np.arange(60), 5)
    given = {"y": rng.standard_normal(300), "x": rng.standard_normal(300), "unit": unit, "time": week, "lag_weeks": 4}
    with pytest.raises(InputError, match=words):
        mde_before(**(given | change))
    with pytest.raises(InputError, match="df >= 1"):
        mde_after(1.0, 0)
