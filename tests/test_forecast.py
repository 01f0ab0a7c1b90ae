"""Rolling origin and Clark-West: a slow plain way as oracle, size under the null, power over Diebold-Mariano."""

from datetime import date

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from analysis.errors import InputError, Refused
from analysis.models.forecast import recent_mean, rolling_origin, season_terms
from analysis.models.unit_effects import fit_units, refit_without, unit_rows

KERNEL = np.array([1.0, 2, 3, 4, 3, 2, 1]) / 16


def persistent(rng, shape, rho=0.6):
    """AR(1) series with unit variance along the last axis."""
    out = rng.standard_normal(shape)
    for t in range(1, shape[-1]):
        out[..., t] = rho * out[..., t - 1] + np.sqrt(1 - rho**2) * out[..., t]
    return out


def draw_panel(rng, n_units, n_weeks, effect, family="poisson"):
    """Counts that follow the first of two persistent activities with a kernel over lags 1-7; units and weeks differ.

    Returns y, one (n, 3) block of smooth lag terms per activity, unit, week.
    """
    lags = KERNEL.size
    shape = (2, n_units, n_weeks + lags)
    x = rng.poisson(np.exp(1 + 0.5 * persistent(rng, shape) + 0.3 * rng.standard_normal((2, n_units, 1))))
    past = np.stack([x[:, :, lags - k : lags - k + n_weeks] for k in range(1, lags + 1)])
    drive = np.tensordot(KERNEL, past[:, 0], 1)
    shocks = 0.4 * persistent(rng, (n_units, n_weeks)) + 0.2 * persistent(rng, (1, n_weeks))
    eta = -1 + 0.5 * rng.standard_normal((n_units, 1)) + shocks + effect * (drive - drive.mean(1, keepdims=True))
    y = rng.poisson(np.exp(eta)) if family == "poisson" else 3 * eta
    basis = np.vander(np.arange(1, lags + 1), 3, increasing=True).astype(float)
    blocks = np.einsum("kanw,kb->anwb", past, basis).reshape(2, -1, 3)
    unit, week = np.repeat(np.arange(n_units), n_weeks), np.tile(np.arange(n_weeks), n_units)
    return y.reshape(-1).astype(float), {"calls": blocks[0], "mails": blocks[1]}, unit, week


def nothing(y):
    return np.zeros((y.size, 0))


def rejections(n_units, effect, draws, family="poisson", seed=0):
    """Share of draws with p <= .05 for the first activity: Clark-West, Diebold-Mariano, and a better loss alone."""
    rng, hits = np.random.default_rng(seed), np.zeros(3)
    for _ in range(draws):
        y, groups, unit, week = draw_panel(rng, n_units, 104, effect, family)
        gain = rolling_origin(y, nothing(y), groups, unit, week, family=family).by_group["calls"]
        hits += [gain.p_value <= 0.05, gain.dm_p <= 0.05, gain.gain > 0]
    return hits / draws


@pytest.fixture
def ragged():
    """Six units, some joining late, 60 weeks, shuffled rows."""
    rng = np.random.default_rng(11)
    y, groups, unit, week = draw_panel(rng, 6, 60, 0.2)
    keep = rng.permutation(np.flatnonzero((week >= 5 * (unit % 3)) & (rng.uniform(size=y.size) > 0.05)))
    return y[keep], {name: block[keep] for name, block in groups.items()}, unit[keep], week[keep]


@pytest.mark.oracle
@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_unit_effects_agree_with_dummies(ragged, family):
    import statsmodels.api as sm

    y, groups, unit, week = ragged
    order = np.lexsort((week, unit))
    x = np.hstack(list(groups.values()))[order]
    rows = unit_rows(y[order], x, unit[order], family)
    fit = fit_units(rows, family)
    dummies = np.eye(6)[unit[order]]
    kind = sm.families.Poisson() if family == "poisson" else sm.families.Gaussian()
    keeps = [np.ones(6, dtype=bool), np.array([True, True, True, False, False, False]), np.zeros(6, dtype=bool)]
    for keep, ours in zip(keeps, refit_without(rows, family, fit, keeps), strict=True):
        theirs = sm.GLM(y[order], np.hstack([x[:, keep], dummies]), family=kind).fit(tol=1e-12).params
        assert_allclose(ours.slopes[keep], theirs[: keep.sum()], rtol=2e-4, atol=1e-6)
        assert_allclose(ours.levels, theirs[keep.sum() :], rtol=2e-4, atol=1e-5)


def test_a_curvature_that_misleads_is_given_up(ragged):
    """Smaller models stepped with the larger one's curvature end at their own maximum, even from a bad one."""
    from dataclasses import replace

    y, groups, unit, week = ragged
    order = np.lexsort((week, unit))
    x = np.hstack(list(groups.values()))[order]
    rows = unit_rows(y[order], x, unit[order], "poisson")
    fit = fit_units(rows, "poisson")
    keeps = [np.array([True, True, True, False, False, False]), np.array([False, False, True, True, True, False])]
    misled = replace(fit, information=fit.information / 50)
    for right, wrong in zip(*(refit_without(rows, "poisson", f, keeps) for f in (fit, misled)), strict=True):
        assert_allclose(wrong.slopes, right.slopes, atol=1e-5)
        assert_allclose(wrong.levels, right.levels, atol=1e-5)
        assert wrong.objective == pytest.approx(right.objective, abs=1e-7)


def test_forecasts_equal_refits_by_hand(ragged):
    """Least squares with dummies, refitted at every origin on the past alone, by the most plain route."""
    y, groups, unit, week = ragged
    result = rolling_origin(y, nothing(y), groups, unit, week, family="gaussian", refit_every=3).by_group["calls"]
    dummies = np.eye(6)[unit]
    full, small = np.hstack([*groups.values(), dummies]), np.hstack([groups["mails"], dummies])
    errors, step, when = [], [], []
    for origin in range(30, 60, 3):
        past, ahead = week < origin, (week >= origin) & (week < origin + 3)
        mu_1, mu_0 = (x[ahead] @ np.linalg.lstsq(x[past], y[past], rcond=None)[0] for x in (full, small))
        errors.append(np.column_stack([y[ahead] - mu_1, y[ahead] - mu_0]))
        step.append(mu_1 - mu_0)
        when.append(week[ahead])
    loss = (np.vstack(errors) ** 2).sum(axis=0)
    assert result.gain == pytest.approx(1 - loss[0] / loss[1], rel=1e-6)
    evidence = np.bincount(np.concatenate(when), np.vstack(errors)[:, 1] * np.concatenate(step))[30:]
    waves = np.cos(np.pi * np.outer(np.arange(1, 8), np.arange(30) + 0.5) / 30)
    expected = evidence.sum() / np.sqrt(2 * np.mean((waves @ evidence) ** 2))
    assert result.statistic == pytest.approx(expected, rel=1e-5)
    assert result.p_value == pytest.approx(stats.t.sf(expected, 7), rel=1e-4)


def test_row_order_and_labels_do_not_matter(ragged):
    y, groups, unit, week = ragged
    again = np.random.default_rng(2).permutation(y.size)
    names = np.array(["zoe", "ann", "bob", "eve", "kim", "lea"])
    one = rolling_origin(y, nothing(y), groups, unit, week)
    other = rolling_origin(
        y[again], nothing(y), {k: g[again] for k, g in groups.items()}, names[unit[again]], week[again]
    )
    assert one.together.p_value == pytest.approx(other.together.p_value, rel=1e-6)


def test_a_shock_shared_by_a_cell_says_nothing_inside_the_cell():
    """An activity that only copies the week's common demand predicts the total, not who does better in the week."""
    rng = np.random.default_rng(5)
    unit, week = np.repeat(np.arange(8), 104), np.tile(np.arange(104), 8)
    demand = 0.8 * persistent(rng, (105,), 0.8)
    y = rng.poisson(np.exp(0.5 + demand[1:])[week]).astype(float)
    copy = {"copy": demand[:-1][week] + 0.1 * rng.standard_normal(y.size)}
    assert rolling_origin(y, nothing(y), copy, unit, week).together.p_value < 0.03
    assert rolling_origin(y, nothing(y), copy, unit, week, within=week).together.p_value > 0.05


def test_given_clusters_can_only_make_it_more_cautious(ragged):
    y, groups, unit, week = ragged
    free = rolling_origin(y, nothing(y), groups, unit, week)
    held = rolling_origin(y, nothing(y), groups, unit, week, cluster=unit)
    for name in groups:
        assert held.by_group[name].p_value >= free.by_group[name].p_value


@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_size_at_six_units(family):
    found, _, _ = rejections(6, 0.0, 120, family)
    assert found <= 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / 120)


def test_finds_what_a_comparison_of_losses_misses():
    found, diebold_mariano, _ = rejections(6, 0.2, 50)
    assert found >= 0.6
    assert diebold_mariano <= found - 0.2


@pytest.mark.slow
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
@pytest.mark.parametrize("n_units", [6, 10, 30])
def test_size_over_unit_numbers(n_units, family):
    found, diebold_mariano, better = rejections(n_units, 0.0, 600, family, seed=1)
    band = 4 * np.sqrt(0.05 * 0.95 / 600)
    assert 0.015 <= found <= 0.05 + band
    assert diebold_mariano <= 0.04
    assert better > 0.10, "a better loss alone happens often under the null and is no evidence"


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"family": "normal"}, InputError, "not known"),
        ({"groups": {}}, InputError, "at least one group"),
        ({"start": 5}, Refused, "weeks to learn from"),
    ],
)
def test_what_cannot_be_compared_is_said(ragged, change, error, words):
    y, groups, unit, week = ragged
    given = {"y": y, "base": nothing(y), "groups": groups, "unit": unit, "time": week} | change
    with pytest.raises(error, match=words):
        rolling_origin(**given)


def test_unknown_and_negative_values_are_refused(ragged):
    y, groups, unit, week = ragged
    with pytest.raises(InputError, match="complete rows"):
        rolling_origin(np.where(week == 40, np.nan, y), nothing(y), groups, unit, week)
    with pytest.raises(InputError, match="negative"):
        rolling_origin(y - 1, nothing(y), groups, unit, week)
    with pytest.raises(Refused, match="only 0 weeks"):
        rolling_origin(np.where(week < 58, 0.0, y), nothing(y), groups, unit, week)


def test_recent_mean_is_each_units_own_past():
    y, unit, week = np.array([4.0, 1, 2, 8, 6]), np.array([0, 0, 0, 1, 1]), np.array([3, 1, 2, 1, 2])
    assert_allclose(recent_mean(y, unit, week, 2), [1.5, np.nan, 1.0, np.nan, 8.0])


def test_season_terms_follow_the_quota_periods_on_record():
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(104)
    fiscal = weeks[season_terms(weeks, [date(2024, 5, 1), date(2024, 8, 1)])[:, 4] == 1].astype(str).tolist()
    assert fiscal == [
        "2024-04-22",
        "2024-04-29",
        "2024-07-22",
        "2024-07-29",
        "2025-04-21",
        "2025-04-28",
        "2025-07-21",
        "2025-07-28",
    ]
    monthly = [date(2024, month, 1) for month in range(1, 13)]
    marked = weeks[season_terms(weeks, monthly)[:, 4] == 1]
    assert marked[:3].astype(str).tolist() == ["2024-01-29", "2024-02-26", "2024-03-25"]
    yearly = weeks[season_terms(weeks, [date(2025, 3, 31)])[:, 4] == 1].astype(str).tolist()
    assert yearly == ["2024-03-18", "2024-03-25", "2025-03-17", "2025-03-24"], "one period on record is repeated"


def test_season_terms_mark_quarter_ends():
    weeks = np.datetime64("2024-01-01") + 7 * np.arange(104)
    terms = season_terms(weeks)
    assert terms.shape == (104, 5)
    marked = weeks[terms[:, 4] == 1]
    assert np.datetime64("2024-03-25") in marked and np.datetime64("2024-12-23") in marked
    assert 8 * 2 - 2 <= marked.size <= 8 * 2 + 2
    assert np.linalg.matrix_rank(np.column_stack([np.ones(104), terms])) == 6
    assert_array_equal(
        season_terms(weeks, [date(2024, 7, 1), date(2024, 4, 1), date(2024, 10, 1), date(2025, 1, 1)]), terms
    )
    assert not season_terms(weeks[:40])[:, :4].any(), "less than a year cannot show a yearly wave"
