"""The specification curve and the test of all of it at once: one step against full fits, size, power, planted faults."""

from dataclasses import replace

import numpy as np
import pytest
from evidence_tools import panel_of
from scipy import stats

from analysis.evidence import specifications as specs
from analysis.evidence.plan import make_plan
from analysis.evidence.sample import make_sample


def opened(world, seed, **size):
    panel, _ = panel_of(world, seed, **size)
    return panel, make_sample(panel, make_plan(panel))


@pytest.fixture(scope="module")
def demo():
    return opened("demo", 2, teams=4, reps=6, weeks=80)


def test_one_step_is_exact_for_least_squares_and_close_for_poisson(demo):
    panel, sample = demo
    frame = specs.specification_curve(panel, sample, "meeting")
    choices = specs.choices_of(sample, panel.outcomes)
    assert len(choices) == len(set(choices)) == len(frame) == 36
    quick = dict(zip(choices, specs._one_step(panel, sample, "meeting", choices)(sample.counts), strict=True))
    longest = max(c.window for c in choices)
    for row in frame.to_dict("records"):
        choice = specs.Choice(
            row["outcome"], row["model"], row["effects"].replace(" by ", "_"), row["window"], row["terms"]
        )
        if row["window"] == longest and row["model"] == "additive":
            assert quick[choice] == pytest.approx(row["estimate"], abs=1e-9)
        else:
            assert quick[choice] == pytest.approx(np.log1p(row["estimate"]), abs=0.05)


def test_a_planted_effect_is_found_and_an_absent_one_is_not(demo):
    panel, sample = demo
    found = specs.curve_test(panel, sample, "meeting", copies=39)
    assert found.same_sign == 1.0 and found.p_largest == 1 / 40 and found.p_median < 0.1
    absent = specs.curve_test(panel, sample, "email", copies=39)
    assert absent.p_median > 0.05 and absent.p_largest > 0.05


def test_the_picking_is_counted(demo):
    """The clearest of many choices looks clearer than any fixed one would: its p must not be the fixed one's."""
    panel, sample = demo
    choices = specs.choices_of(sample, panel.outcomes)
    estimate = specs._one_step(panel, sample, "call", choices)
    observed, rng = estimate(sample.counts), np.random.default_rng(0)
    drawn = np.array([estimate(specs.shift_activities(sample.counts, sample.cells, rng)) for _ in range(39)])
    each = (1 + (np.abs(drawn) >= np.abs(observed)).sum(axis=0)) / 40
    assert specs.curve_test(panel, sample, "call", copies=39).p_largest > each.min()


def test_the_same_seed_gives_the_same_answer_and_another_another(demo):
    panel, sample = demo
    first, again, other = (specs.curve_test(panel, sample, "call", copies=19, seed=s) for s in (1, 1, 2))
    assert first == again and first != other


def test_a_short_window_has_no_choice_twice():
    panel, _ = panel_of("demo", 1, teams=1, reps=6, weeks=60)
    sample = make_sample(panel, make_plan(panel, max_lag=1))
    choices = specs.choices_of(sample, panel.outcomes)
    assert len(choices) == len(set(choices)) and {c.window for c in choices} == {1}
    frame = specs.specification_curve(panel, sample, "demo")
    assert frame["headline"].sum() == 1
    assert specs.curve_test(panel, sample, "demo", copies=9).copies == 9


def test_outcomes_that_cannot_be_fitted_leave_nothing_to_test(demo):
    panel, sample = demo
    empty = replace(sample, outcomes={name: np.zeros_like(y) for name, y in sample.outcomes.items()})
    assert np.isnan(specs.curve_test(panel, empty, "call", copies=9).p_median)


@pytest.mark.slow
def test_under_the_null_no_test_rejects_more_than_its_level():
    hits, draws = np.zeros(3), 60
    for seed in range(draws):
        panel, sample = opened("null", seed, teams=1, reps=6, weeks=70)
        t = specs.curve_test(panel, sample, "demo", copies=39, seed=seed)
        hits += [t.p_median <= 0.05, t.p_same_sign <= 0.05, t.p_largest <= 0.05]
    assert (hits <= stats.binom.ppf(0.995, draws, 0.05)).all(), hits / draws
