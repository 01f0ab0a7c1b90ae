"""Named carry-over and the shape of the response: planted forms are recovered, straight lines are not bent."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from analysis.errors import InputError
from analysis.models.carryover import (
    compare_out_of_sample,
    fit_carryover,
    geometric_weights,
    saturate,
    weibull_weights,
)
from analysis.models.design import cells_from_codes, lag_basis, lag_terms
from analysis.models.fit import Fit
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.models.response import diminishing_returns

WINDOW = 8
TURNING_POINT = 9.0


def persistent(rng, shape, rho=0.6):
    out = rng.standard_normal(shape)
    for t in range(1, shape[-1]):
        out[..., t] = rho * out[..., t - 1] + np.sqrt(1 - rho**2) * out[..., t]
    return out


def draw_panel(seed, weights, worth, effect, n_units=24, n_weeks=110):
    """Wins that follow worth(count) of a first activity through lag weights; a second activity does nothing.

    Returns y (n,), counts (n, 2), cells with a common week effect.
    """
    rng = np.random.default_rng(seed)
    shape = (2, n_units, n_weeks)
    x = rng.poisson(np.exp(1.5 + 0.55 * persistent(rng, shape) + 0.3 * rng.standard_normal((2, n_units, 1))))
    x = x.astype(float)
    felt = worth(x[0])
    drive = sum(w * np.roll(felt, lag, axis=1) for lag, w in enumerate(weights, start=1))
    shocks = 0.3 * persistent(rng, (n_units, n_weeks)) + 0.2 * persistent(rng, (1, n_weeks))
    level = 0.4 * rng.standard_normal((n_units, 1))
    y = rng.poisson(np.exp(-0.7 + level + shocks + effect * (drive - drive.mean())))
    unit, week = np.repeat(np.arange(n_units), n_weeks), np.tile(np.arange(n_weeks), n_units)
    y = y.astype(float)
    y[:, :WINDOW] = np.nan
    return y.ravel(), x.reshape(2, -1).T, cells_from_codes(unit, week, effect=week)


def second_activity(x, cells):
    return lag_terms(cells, x[:, 1], lag_basis(WINDOW), range(1, WINDOW + 1))


def peaked(count):
    return saturate(count, "peak", TURNING_POINT)


def test_weights_have_their_form():
    assert_allclose(geometric_weights(0.5, 4), np.array([8, 4, 2, 1]) / 15)
    assert_allclose(geometric_weights(0.0, 3), [1, 0, 0])
    delayed = weibull_weights(3.0, 5.0, 12)
    assert np.argmax(delayed) + 1 == 5
    assert delayed.sum() == pytest.approx(1)


def test_saturation_curves():
    count = np.array([0.0, 3, 9, 18, 40, np.nan])
    assert_allclose(saturate(count, "line", 9.0), count)
    assert_allclose(saturate(count, "hill", 9.0)[:3], [0, 0.25, 0.5])
    peak = saturate(count, "peak", 9.0)
    assert np.nanargmax(peak) == 2 and peak[3] == peak[4] == 0 and np.isnan(peak[5])
    assert_allclose(saturate(count, "log", 1.0)[:2], [0, np.log(4)])
    with pytest.raises(InputError, match="not known"):
        saturate(count, "s-curve", 1.0)


def test_a_planted_geometric_decay_is_recovered():
    y, x, cells = draw_panel(1, geometric_weights(0.6, WINDOW), lambda count: count, 0.08)
    fit = fit_carryover(y, x[:, 0], cells, WINDOW, second_activity(x, cells))
    assert fit.mean_lag_low <= geometric_weights(0.6, WINDOW) @ np.arange(1, 9) <= fit.mean_lag_high
    assert fit.decay == pytest.approx(0.6, abs=0.2)
    assert fit.conf_low < 0.08 < fit.conf_high and fit.conf_low > 0


def test_a_planted_delayed_peak_beats_the_geometric_form():
    y, x, cells = draw_panel(2, weibull_weights(3.0, 5.0, WINDOW), lambda count: count, 0.1)
    late = fit_carryover(y, x[:, 0], cells, WINDOW, carry="weibull")
    early = fit_carryover(y, x[:, 0], cells, WINDOW, carry="geometric")
    assert late.peak_lag == pytest.approx(5, abs=1)
    assert late.mean_lag_low <= 4.9 <= late.mean_lag_high
    assert late.deviance_gain > early.deviance_gain + 4


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["ppml", "ols"])
@pytest.mark.parametrize("controlled", [True, False])
def test_the_search_ranks_as_full_fits_do(family, controlled):
    y, x, cells = draw_panel(3, weibull_weights(2.0, 3.0, WINDOW), lambda count: count, 0.06, n_units=10)
    controls = second_activity(x, cells) if controlled else None
    best = fit_carryover(y, x[:, 0], cells, WINDOW, controls, carry="weibull", family=family)

    def loss(weights) -> Fit:
        column = lag_terms(cells, x[:, 0], weights[:, None], range(1, WINDOW + 1))
        columns = column if controls is None else np.hstack([column, controls])
        return (fit_ppml if family == "ppml" else fit_ols)(y, columns, cells).objective

    grid = {peak: loss(weibull_weights(best.shape, peak, WINDOW)) for peak in (1.0, 2.0, 3.0, 4.0, 6.0, 8.0)}
    assert loss(best.weights) <= min(grid.values()) * (1 + 2e-4)


@pytest.mark.oracle
@pytest.mark.parametrize("controlled", [True, False])
def test_the_promised_gain_is_the_drop_of_the_deviance(controlled):
    """Controls that share the activity's history must be taken out of it before its gain is counted."""
    y, x, cells = draw_panel(7, weibull_weights(2.0, 3.0, WINDOW), lambda count: count, 0.05, n_units=12)
    near_copy = lag_terms(cells, x[:, 0] + 0.7 * x[:, 1], lag_basis(WINDOW), range(1, WINDOW + 1))
    controls = near_copy if controlled else np.random.default_rng(0).standard_normal((cells.n, 1))
    best = fit_carryover(y, x[:, 0], cells, WINDOW, controls if controlled else None, carry="weibull")
    column = lag_terms(cells, x[:, 0], best.weights[:, None], range(1, WINDOW + 1))
    without = fit_ppml(np.where(np.isfinite(column[:, 0]), y, np.nan), controls, cells).objective
    drop = without - fit_ppml(y, np.hstack([column, controls]), cells).objective
    assert best.deviance_gain == pytest.approx(drop, rel=0.15, abs=0.7)


def test_the_right_form_wins_out_of_sample():
    y, x, cells = draw_panel(4, weibull_weights(3.0, 4.0, WINDOW), peaked, 0.35)
    table = compare_out_of_sample(y, x[:, 0], cells, WINDOW, second_activity(x, cells)).set_index("form")
    assert table.index[0].endswith("peak")
    assert table["against_polynomial"].iloc[0] > 0
    assert table.loc["weibull peak", "p_value"] < 0.01
    assert table.loc["polynomial", "columns"] == 3
    assert len(table) == 9


def test_later_weeks_do_not_choose_the_form():
    """Scrambling the outcomes of the later half changes the verdict but not the forms that were chosen before it."""
    y, x, cells = draw_panel(5, geometric_weights(0.7, WINDOW), lambda count: count, 0.1, n_units=8)
    later = cells.time >= WINDOW + (110 - WINDOW) // 2
    scrambled = y.copy()
    scrambled[later] = np.random.default_rng(0).permutation(y[later])
    one, other = (
        compare_out_of_sample(values, x[:, 0], cells, WINDOW).set_index("form").sort_index()
        for values in (y, scrambled)
    )
    assert_allclose(one["mean_lag_weeks"], other["mean_lag_weeks"], equal_nan=True)
    assert one["mean_lag_weeks"].nunique() > 1
    assert (one["gain"] != other["gain"]).all()


def test_an_activity_that_never_happens_is_named():
    y, x, cells = draw_panel(6, geometric_weights(0.5, WINDOW), lambda count: count, 0.0, n_units=5)
    with pytest.raises(InputError, match="never happens"):
        fit_carryover(y, np.zeros(cells.n), cells, WINDOW)
    with pytest.raises(InputError, match="too few different"):
        diminishing_returns(y, (x[:, 0] > 3).astype(float), cells, WINDOW)


def test_a_peaked_response_is_found_and_its_turning_point_named():
    found, covered = 0, 0
    for seed in range(5):
        y, x, cells = draw_panel(10 + seed, weibull_weights(3.0, 4.0, WINDOW), peaked, 0.2)
        answer = diminishing_returns(y, x[:, 0], cells, WINDOW, second_activity(x, cells))
        found += answer.shape == "saturating"
        covered += answer.turning_low <= TURNING_POINT <= answer.turning_high
        assert answer.curve["effect"].iloc[0] == 0
    assert found >= 4
    assert covered >= 3


def test_a_straight_effect_is_not_bent():
    shapes = []
    for seed in range(12):
        y, x, cells = draw_panel(30 + seed, geometric_weights(0.6, WINDOW), lambda count: count, 0.08, n_units=12)
        shapes.append(diminishing_returns(y, x[:, 0], cells, WINDOW).shape)
    assert shapes.count("saturating") + shapes.count("accelerating") <= 3
    assert shapes.count("straight") >= 6


@pytest.mark.slow
def test_size_of_the_curvature_test_at_six_units():
    bent = []
    for seed in range(300):
        y, x, cells = draw_panel(100 + seed, geometric_weights(0.6, WINDOW), lambda count: count, 0.05, n_units=6)
        bent.append(diminishing_returns(y, x[:, 0], cells, WINDOW).curvature_p <= 0.05)
    assert np.mean(bent) <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 300)


def test_the_curve_adds_up():
    y, x, cells = draw_panel(50, geometric_weights(0.6, WINDOW), peaked, 0.3)
    curve = diminishing_returns(y, x[:, 0], cells, WINDOW).curve
    steps = np.diff(curve["effect"])
    assert_allclose(steps, (curve["marginal"].to_numpy()[1:] + curve["marginal"].to_numpy()[:-1]) / 2, atol=1e-12)
    assert ((curve["low"] <= curve["effect"]) & (curve["effect"] <= curve["high"])).all()
    assert curve["marginal"].iloc[1] > 0 > curve["marginal"].iloc[-1]
