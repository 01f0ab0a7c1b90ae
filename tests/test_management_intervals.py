"""Intervals, survival conversions, shrinkage and the grouped logit against hand numbers and independent oracles."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special, stats
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from analysis.errors import Refused
from analysis.management.intervals import _binomial_quantile, mean_by, median_by, poisson, ratio_by, trend, wilson
from analysis.management.logit import fit_logit
from analysis.management.shrinkage import mixture_bounds, pool_means, pool_shares, pooled
from analysis.management.survival import EVENT, OPEN, OTHER, cell_conversions, conversion, incidence, median_days


@pytest.mark.oracle
@pytest.mark.parametrize(("wins", "n"), [(0, 5), (2, 4), (17, 60), (9, 9)])
def test_wilson_agrees_with_statsmodels(wins: int, n: int) -> None:
    low, high = wilson(wins, n)
    expected = proportion_confint(wins, n, method="wilson")
    assert (float(low), float(high)) == pytest.approx(expected, abs=1e-12)


def test_wilson_without_trials_is_unknown_not_zero() -> None:
    low, high = wilson(0, 0)
    assert np.isnan(low) and np.isnan(high)


@pytest.mark.oracle
def test_poisson_interval_inverts_the_exact_tails() -> None:
    low, high = poisson(7, 2.0)
    assert stats.poisson.sf(6, 2 * float(low)) == pytest.approx(0.025)
    assert stats.poisson.cdf(7, 2 * float(high)) == pytest.approx(0.025)


def test_ratio_of_sums_by_hand() -> None:
    frame = pd.DataFrame({"g": "a", "top": [1.0, 2.0, 6.0], "bottom": [2.0, 4.0, 4.0]})
    found = ratio_by(frame, ["g"], "top", "bottom").iloc[0]
    residual = np.array([1, 2, 6]) - 0.9 * np.array([2, 4, 4])
    error = np.sqrt((residual**2).sum() * 3 / 2) / 10
    assert found["value"] == pytest.approx(0.9)
    assert found["conf_high"] - found["value"] == pytest.approx(stats.t.ppf(0.975, 2) * error)


def test_mean_and_median_of_groups() -> None:
    frame = pd.DataFrame({"g": list("aaaaaaab"), "x": [1.0, 2, 3, 4, 5, 6, 7, 9]})
    mean = mean_by(frame, ["g"], "x").set_index("g")
    assert mean.loc["a", "value"] == 4 and np.isnan(mean.loc["b", "conf_low"])
    median = median_by(frame, ["g"], "x").set_index("g")
    # Seven ordered values: the first and the last cover the median with 1 - 2/128.
    assert median.loc["a", ["value", "conf_low", "conf_high"]].tolist() == [4, 1, 7]
    assert np.isnan(median.loc["b", "conf_low"])


def _ends(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = 240
    return pd.DataFrame(
        {
            "g": rng.integers(0, 3, size),
            "days": rng.integers(0, 40, size).astype(float),
            "end": rng.integers(0, 3, size),
        }
    )


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("seed", [0, 1])
def test_incidence_agrees_with_statsmodels_competing_risks(seed: int) -> None:
    frame = _ends(seed)
    found = incidence(frame, ["g"])
    for group, rows in frame.groupby("g"):
        oracle = CumIncidenceRight(rows["days"].to_numpy(), rows["end"].to_numpy())
        ours = found[found["g"] == group].set_index("days").loc[oracle.times]
        assert ours["incidence"].to_numpy() == pytest.approx(oracle.cinc[0], abs=1e-12)
        known = np.isfinite(oracle.cinc_se[0])  # the oracle divides by zero where the last cases leave at once
        assert known.sum() >= len(known) - 1
        assert ours["std_error"].to_numpy()[known] == pytest.approx(oracle.cinc_se[0][known], abs=1e-12)


@pytest.mark.oracle
def test_one_kind_of_end_is_kaplan_meier_with_greenwood() -> None:
    frame = _ends(3)
    frame["end"] = np.where(frame["end"] == EVENT, EVENT, OPEN)
    found = incidence(frame, ["g"])
    for group, rows in frame.groupby("g"):
        oracle = SurvfuncRight(rows["days"].to_numpy(), rows["end"].to_numpy())
        ours = found[found["g"] == group].set_index("days").loc[oracle.surv_times]
        assert 1 - ours["incidence"].to_numpy() == pytest.approx(oracle.surv_prob, abs=1e-12)
        known = np.isfinite(oracle.surv_prob_se) & (oracle.surv_prob > 1e-12)
        assert ours["std_error"].to_numpy()[known] == pytest.approx(oracle.surv_prob_se[known], abs=1e-12)


def test_conversion_by_hand_with_a_running_case() -> None:
    # Four deals: won at 10, lost at 20, open at 15, won at 30. At 20 two are at risk of the three after day 10.
    frame = pd.DataFrame({"g": "a", "days": [10.0, 20, 15, 30], "end": [EVENT, OTHER, OPEN, EVENT]})
    found = conversion(frame, ["g"], 100).iloc[0]
    assert found["conversion"] == pytest.approx(1 / 4 + (3 / 4) * (1 / 2))
    assert (found["n"], found["reached"], found["running"]) == (4, 2, 1)


def test_nothing_ended_is_unknown_not_zero() -> None:
    frame = pd.DataFrame({"g": "a", "days": [5.0, 6.0], "end": [OPEN, OPEN]})
    assert np.isnan(conversion(frame, ["g"], 100)["conversion"].iloc[0])


@pytest.mark.oracle
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_rank_of_a_median_interval_is_the_binomial_quantile() -> None:
    n = np.arange(1, 3000)
    for level in (0.5, 0.9, 0.95, 0.99):
        assert (_binomial_quantile((1 - level) / 2, n) == stats.binom.ppf((1 - level) / 2, n, 0.5)).all()


def test_median_time_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"g": 0, "days": np.ceil(rng.exponential(50, 60))})
    frame["end"] = np.where(rng.random(60) < 0.8, EVENT, OPEN)
    oracle = SurvfuncRight(frame["days"].to_numpy(), frame["end"].to_numpy())
    found = median_days(frame, ["g"]).iloc[0]
    assert found["median_days"] == oracle.quantile(0.5)
    low, high = oracle.quantile_ci(0.5, method="cloglog")
    assert (found["conf_low"], found["conf_high"]) == pytest.approx((low, high))


def test_coverage_of_the_conversion_with_open_deals() -> None:
    draws, deals = 1000, 40  # each draw is a group: all of them go through at once
    rng = np.random.default_rng(11)
    won = rng.random(draws * deals) < 0.3
    needed = np.where(won, 40, 70) * np.exp(0.5 * rng.standard_normal(won.size))
    age = rng.uniform(0, 365, won.size)
    end = np.where(needed > age, OPEN, np.where(won, EVENT, OTHER))
    frame = pd.DataFrame({"g": np.repeat(np.arange(draws), deals), "days": np.minimum(needed, age), "end": end})
    found = conversion(frame, ["g"], 250)
    covered = ((found["conf_low"] <= 0.3) & (found["conf_high"] >= 0.3)).mean()
    low, high = wilson(found["reached"], found["n"])
    assert 0.93 <= covered <= 0.975
    assert ((low <= 0.3) & (high >= 0.3)).mean() < covered - 0.02
    assert found["conversion"].mean() == pytest.approx(0.3, abs=0.012)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_quantiles_of_a_mixture_have_their_probability_however_many_humps_it_has(seed, level) -> None:
    rng = np.random.default_rng(seed)
    weight = rng.dirichlet(np.full(rng.integers(1, 120), rng.choice([0.1, 1.0, 5.0])))
    mean = rng.normal(size=(len(weight), 5)) * rng.choice([0.01, 1.0, 30.0])
    sd = rng.gamma(rng.choice([0.3, 5.0]), size=mean.shape) + 1e-6
    kept = weight > 1e-3 * weight.max()
    share = weight[kept] / weight[kept].sum()
    for bound, tail in zip(mixture_bounds(weight, mean, sd, level), ((1 - level) / 2, (1 + level) / 2), strict=True):
        below = share @ stats.norm.cdf((bound - mean[kept]) / sd[kept])
        np.testing.assert_allclose(below, tail, atol=2e-6)


def test_shrinkage_pulls_thin_reps_further_and_names_nobody_when_all_are_alike() -> None:
    found = pool_shares([3, 30, 6, 7, 5], [5, 100, 20, 20, 20])
    assert found["own_share"].iloc[0] < found["own_share"].iloc[1]
    assert abs(found["shrunk"].iloc[0] - 0.3) < abs(0.6 - 0.3)
    rng = np.random.default_rng(2)
    claims = [
        ((rows["gap_low"] > 0) | (rows["gap_high"] < 0)).mean()
        for rows in (pool_shares(rng.binomial(30, 0.3, 8), np.full(8, 30)) for _ in range(150))
    ]
    assert np.mean(claims) <= 0.02


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_shrunk_intervals_cover_reps_that_differ(spread: float) -> None:
    rng = np.random.default_rng(7)
    inside = []
    for _ in range(150):
        truth = np.clip(rng.normal(0.3, spread, 8), 0.02, 0.98)
        n = rng.integers(5, 40, 8)
        found = pool_shares(rng.binomial(n, truth), n)
        inside.append(((found["shrunk_low"] <= truth) & (truth <= found["shrunk_high"])).mean())
    assert np.mean(inside) >= 0.91


def test_pooled_means_cover_and_two_reps_are_left_alone() -> None:
    rng = np.random.default_rng(4)
    inside = []
    for _ in range(200):
        truth, error = rng.normal(0, 1, 8), rng.uniform(0.5, 1.5, 8)
        found = pool_means(truth + error * rng.standard_normal(8), error)
        inside.append(((found["shrunk_low"] <= truth) & (truth <= found["shrunk_high"])).mean())
    assert 0.92 <= np.mean(inside) <= 0.985
    assert pool_means([1.0, 2.0], [0.1, 0.1])["shrunk"].tolist() == pytest.approx([1.0, 2.0])


def test_trend_sees_a_slope_and_not_a_wandering_series() -> None:
    line = 10 + 2.0 * np.arange(12)
    slope, low, high = trend(line + np.tile([0.5, -0.5], 6))
    assert slope[0] == pytest.approx(2.0, abs=0.05) and low[0] > 0 and high[0] > low[0]
    rng = np.random.default_rng(0)
    _, low, high = trend(rng.standard_normal((3000, 8)))
    assert ((low > 0) | (high < 0)).mean() <= 0.05
    wander = rng.standard_normal((3000, 43))
    for week in range(1, 43):
        wander[:, week] += 0.4 * wander[:, week - 1]
    _, low, high = trend(wander[:, -13:])
    assert ((low > 0) | (high < 0)).mean() <= 0.085


@pytest.mark.oracle
def test_grouped_logit_equals_dummies() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat(np.arange(12), 40)
    x = rng.standard_normal((480, 2))
    y = (rng.random(480) < special.expit(-0.7 * x[:, 0] + 0.3 * rng.standard_normal(12)[group])).astype(float)
    fit = fit_logit(x, y, group)
    dummies = pd.get_dummies(group).to_numpy(dtype=float)
    oracle = sm.Logit(y, np.column_stack([x, dummies])).fit(disp=0, cov_type="cluster", cov_kwds={"groups": group})
    assert fit.coef == pytest.approx(oracle.params[:2], abs=1e-7)
    correction = (480 - 1) / (480 - 14)
    assert np.sqrt(np.diag(fit.cov)) == pytest.approx(oracle.bse[:2] / np.sqrt(correction), rel=1e-3)


def test_grouped_logit_refuses_groups_that_tell_nothing() -> None:
    with pytest.raises(Refused, match="too few"):
        fit_logit(np.ones((20, 1)), np.ones(20), np.repeat(np.arange(4), 5))


def test_groups_pooled_together_are_as_pooled_one_by_one() -> None:
    rng = np.random.default_rng(3)
    sizes = rng.integers(1, 12, 37)  # more groups than go through at once, of one to eleven reps
    n = rng.integers(1, 400, sizes.sum()).astype(float)
    wins = rng.binomial(n.astype(int), rng.uniform(0, 1, sizes.sum())).astype(float)
    group = np.repeat(rng.permutation(37) * 5, sizes)
    order = rng.permutation(len(n))
    found = np.empty((len(n), 8))
    found[order] = pooled(wins[order], n[order], group[order])
    for number in np.unique(group):
        mine = group == number
        assert found[mine] == pytest.approx(pool_shares(wins[mine], n[mine]).to_numpy(), rel=1e-9, abs=1e-9)


def test_each_cell_is_read_at_its_own_horizon() -> None:
    rng = np.random.default_rng(4)
    cell, days = np.repeat([0, 2, 3], 60), rng.integers(0, 200, 180).astype(float)
    end = rng.choice([OPEN, EVENT, OTHER], 180)
    horizon = np.array([30.0, np.nan, 90.0, 150.0])
    found = cell_conversions(cell, days, end, horizon).set_index("cell")
    for number in (0, 2, 3):
        alone = cell_conversions(cell[cell == number], days[cell == number], end[cell == number], horizon[number])
        pd.testing.assert_series_equal(found.loc[number], alone.set_index("cell").loc[number])
    assert found.loc[0, "conversion"] < found.loc[3, "conversion"]
