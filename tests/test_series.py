"""Lag scan, whitened cross-correlation, Granger and dynamic regressions: slow plain ways as oracles, size under noise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from analysis.errors import InputError
from analysis.models.dynamics import ardl, impulse_responses, transfer_function
from analysis.models.series import granger, granger_both_ways, lag_scan, prewhitened_ccf
from analysis.models.survival import cox, kaplan_meier


def persistent(rng, n, rho=0.7):
    out = rng.standard_normal(n)
    for t in range(1, n):
        out[t] = rho * out[t - 1] + np.sqrt(1 - rho**2) * out[t]
    return out


def scan_by_pandas(x, y, lags):
    """The plain loop: shift, drop unknown pairs, correlate."""
    out = np.full((*x.shape[:-1], len(lags)), np.nan)
    for s, a in np.ndindex(*x.shape[:-1]):
        for j, lag in enumerate(lags):
            pairs = pd.DataFrame({"x": pd.Series(x[s, a]).shift(lag), "y": y[s]}).dropna()
            if len(pairs) > 1 and pairs["x"].nunique() > 1 and pairs["y"].nunique() > 1:
                out[s, a, j] = np.corrcoef(pairs["x"], pairs["y"])[0, 1]
    return out


@pytest.mark.parametrize("share_unknown", [0.0, 0.15])
def test_lag_scan_equals_the_plain_loop(share_unknown):
    rng = np.random.default_rng(1)
    x, y = rng.poisson(2, (5, 3, 40)).astype(float), 1e4 + rng.standard_normal((5, 40))
    x[rng.uniform(size=x.shape) < share_unknown] = np.nan
    y[rng.uniform(size=y.shape) < share_unknown] = np.nan
    x[0, 0], y[1, 5:] = 3.0, y[1, 5]
    lags = range(-6, 9)
    assert_allclose(lag_scan(x, y, 8, -6), scan_by_pandas(x, y, lags), atol=1e-10, equal_nan=True)


def test_lag_scan_finds_a_planted_delay_and_its_sign():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2, 300))
    y = -np.roll(x[1], 4) + 0.5 * rng.standard_normal(300)
    scan = lag_scan(x[None], y[None], 10)
    assert scan.shape == (1, 2, 11)
    assert np.argmin(scan[0, 1]) == 4 and scan[0, 1, 4] < -0.8
    assert np.abs(scan[0, 0]).max() < 0.3


@given(st.integers(3, 12), st.integers(-2, 0), st.integers(0, 2), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_lag_scan_is_free_of_unit_and_origin(n, low, high, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 4, (2, 1, n)).astype(float), rng.integers(0, 4, (2, n)).astype(float)
    assert_allclose(lag_scan(3 * x + 7, 2 * y - 5, high, low), lag_scan(x, y, high, low), atol=1e-9, equal_nan=True)


def test_lag_scan_does_not_depend_on_the_chunk(monkeypatch):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((150, 2, 30)), rng.standard_normal((150, 30))
    whole = lag_scan(x, y, 5)
    monkeypatch.setattr("analysis.models.series.SERIES_AT_ONCE", 7)
    assert_allclose(lag_scan(x, y, 5), whole, atol=1e-14)


def test_lags_that_do_not_fit_are_named():
    with pytest.raises(InputError, match="do not fit into 5 periods"):
        lag_scan(np.ones(5), np.ones(5), 5)
    with pytest.raises(InputError, match="do not match"):
        lag_scan(np.ones((3, 2, 5)), np.ones((2, 5)), 1)


@pytest.mark.oracle
def test_ccf_without_a_filter_is_the_textbook_one():
    from statsmodels.tsa.stattools import ccf

    rng = np.random.default_rng(4)
    x = rng.standard_normal(200)
    y = np.roll(x, 2) + rng.standard_normal(200)
    ours = prewhitened_ccf(x, y, 6, order=(0, 0, 0))
    assert_allclose(ours.values, ccf(y, x, adjusted=False)[:7], atol=1e-10)
    assert ours.peak_lag == 2


def false_alarms(draws, n, seed, whiten=True):
    """Share of pairs of unrelated persistent series with any lag outside the band."""
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(draws):
        x, y = persistent(rng, n), persistent(rng, n)
        result = prewhitened_ccf(x, y, 8, order=None if whiten else (0, 0, 0))
        hits += result.peak_lag is not None
    return hits / draws


def test_whitening_keeps_noise_inside_the_band_and_its_absence_does_not():
    assert false_alarms(150, 104, seed=5) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert false_alarms(60, 104, seed=5, whiten=False) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("n", [52, 104, 208])
def test_size_of_the_whitened_ccf(n):
    assert false_alarms(1500, n, seed=6) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)


def test_a_pure_delay_is_found_through_persistence():
    rng, peaks = np.random.default_rng(7), []
    for _ in range(20):
        x = persistent(rng, 160, 0.8)
        peaks.append(prewhitened_ccf(x, np.roll(x, 3) + persistent(rng, 160, 0.5), 8).peak_lag)
    assert np.mean([peak == 3 for peak in peaks]) >= 0.9


def test_granger_points_the_right_way():
    rng = np.random.default_rng(8)
    x = persistent(rng, 200)
    y = np.roll(x, 1) + rng.standard_normal(200)
    table = granger_both_ways(x, y, 2, ("calls", "wins")).set_index("cause")
    assert table.loc["calls", "p_value"] < 1e-6
    assert table.loc["wins", "p_value"] > 0.01
    assert list(table.loc["calls", ["df_num", "df_den"]]) == [2, 193]


def test_granger_size():
    rng = np.random.default_rng(9)
    p = [granger(persistent(rng, 80), persistent(rng, 80), 2).p_value for _ in range(200)]
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.oracle
def test_distributed_lag_is_least_squares():
    import statsmodels.api as sm

    rng = np.random.default_rng(10)
    x, z = persistent(rng, 90), rng.standard_normal(90)
    y = 2 + x + np.roll(x, 1) + z + rng.standard_normal(90)
    ours = ardl(y, x, x_lags=1, y_lags=1, controls=pd.DataFrame({"z": z}))
    design = sm.add_constant(np.column_stack([y[:-1], x[1:], x[:-1], z[1:]]))
    plain = sm.OLS(y[1:], design).fit()
    assert_allclose(ours.coefficients["estimate"], plain.params, rtol=1e-9)
    assert_allclose(ours.coefficients["std_error"], plain.bse, rtol=1e-9)
    assert ours.joint_p == pytest.approx(float(plain.f_test(np.eye(5)[2:4]).pvalue), rel=1e-6)
    assert ours.r2 == pytest.approx(plain.rsquared)


def test_long_run_of_a_planted_koyck_model():
    rng, covered = np.random.default_rng(11), 0
    for _ in range(40):
        x, y = rng.standard_normal(150), np.zeros(150)
        for t in range(1, 150):
            y[t] = 0.6 * y[t - 1] + 0.8 * x[t] + 0.5 * rng.standard_normal()
        fit = ardl(y, x, x_lags=0, y_lags=1)
        covered += fit.long_run_low <= 2.0 <= fit.long_run_high
    assert covered >= 34


def test_impulse_responses_of_a_planted_system():
    rng, values = np.random.default_rng(12), np.zeros((600, 2))
    for t in range(1, 600):
        values[t] = np.array([[0.5, 0.0], [0.4, 0.3]]) @ values[t - 1] + rng.standard_normal(2)
    result = impulse_responses(pd.DataFrame(values, columns=["calls", "wins"]), horizon=3)
    table = result.responses.set_index(["impulse", "response", "horizon_weeks"])
    assert result.order == 1
    assert table.loc[("calls", "wins", 1), "value"] == pytest.approx(0.4, abs=0.12)
    assert table.loc[("calls", "wins", 2), "value"] == pytest.approx(0.4 * 0.5 + 0.3 * 0.4, abs=0.12)
    assert table.loc[("wins", "calls", 1), "low"] < 0 < table.loc[("wins", "calls", 1), "high"]


def test_impulse_responses_of_noise_are_flat():
    rng = np.random.default_rng(13)
    result = impulse_responses(pd.DataFrame(rng.standard_normal((200, 2)), columns=["a", "b"]), horizon=2)
    assert result.order == 0
    assert result.responses.query("horizon_weeks > 0")["value"].abs().max() == 0


def test_transfer_function_recovers_a_planted_response():
    from scipy.signal import lfilter

    rng = np.random.default_rng(14)
    x = rng.standard_normal(400)
    y = 1 + 2 * lfilter([1.0], [1.0, -0.6], np.concatenate([np.zeros(2), x[:-2]])) + 0.5 * rng.standard_normal(400)
    fit = transfer_function(y, x, delay=2)
    assert (fit.const, fit.omega, fit.delta, fit.gain) == pytest.approx((1, 2, 0.6, 5), rel=0.1)
    assert abs(fit.delta - 0.6) < 4 * fit.delta_se and abs(fit.omega - 2) < 4 * fit.omega_se


@pytest.mark.parametrize(
    "call",
    [
        lambda: prewhitened_ccf(np.arange(10.0), np.arange(10.0), 5),
        lambda: prewhitened_ccf(np.ones(60), np.arange(60.0), 5),
        lambda: granger([1.0, np.nan] * 20, [1.0, 2.0] * 20, 1),
        lambda: ardl(np.arange(4.0), np.arange(4.0), x_lags=2),
        lambda: ardl([1.0, np.nan, 3.0], [1.0, 2.0, 3.0], x_lags=0),
        lambda: transfer_function(np.arange(12.0), np.arange(12.0), delay=3),
        lambda: impulse_responses(pd.DataFrame({"a": np.arange(9.0), "b": np.arange(9.0)}), 2),
        lambda: kaplan_meier([1.0, -2.0], [True, True]),
        lambda: cox([1.0, 2.0], [True, True], pd.DataFrame({"a": [1.0, 2.0]})),
    ],
)
def test_unusable_series_are_refused_in_words(call):
    with pytest.raises(InputError, match=r"\w+ \w+"):
        call()


def test_open_deals_make_the_wait_longer():
    done = kaplan_meier([10.0, 20, 30, 40], [True] * 4)
    waiting = kaplan_meier([10.0, 20, 30, 40, 60, 60], [True] * 4 + [False] * 2)
    assert (done.median, waiting.median) == (20.0, 30.0)
    assert_allclose(done.curve["share_waiting"], [0.75, 0.5, 0.25, 0.0])
    assert done.curve["low"].iloc[0] < 0.75 < done.curve["high"].iloc[0]


def test_hazard_ratio_of_a_planted_speed_up_within_strata():
    rng = np.random.default_rng(15)
    fast, team = rng.integers(0, 2, 800), rng.integers(0, 4, 800)
    time = rng.exponential(30 / (2.0**fast * (1 + team)))
    table = cox(np.minimum(time, 40), time <= 40, pd.DataFrame({"fast": fast}), strata=team)
    assert table.loc["fast", "low"] < 2 < table.loc["fast", "high"]
    assert table.loc["fast", "p_value"] < 1e-6
