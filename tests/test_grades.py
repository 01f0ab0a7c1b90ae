"""Grades: the weakest link decides, and the reason names it."""

from dataclasses import replace

import pytest

from analysis import words
from analysis.evidence.grades import Measured, grade
from analysis.evidence.plan import Limits

LIMITS = Limits()
PERFECT = Measured(
    estimate=0.08,
    conf_low=0.05,
    conf_high=0.11,
    p_value=0.001,
    q_value=0.004,
    p_bootstrap=0.002,
    veto_p={"placebo": 0.8, "reverse": 0.6, "drift": 0.5},
    confounded_p=0.7,
    forecast_p=0.01,
    same_sign=True,
    sign_stable=True,
    effective_clusters=12.0,
    max_rep_share=0.1,
    persistence=0.5,
    mde=0.04,
    useful=0.03,
    volume=3.0,
    elasticity=0.24,
)
NOTHING = replace(PERFECT, estimate=0.0, conf_low=-0.05, conf_high=0.05, p_value=0.9, q_value=0.9, p_bootstrap=0.9)


@pytest.mark.parametrize(
    ("change", "letter", "said"),
    [
        ({}, "A", "every check passed"),
        ({"forecast_p": 0.2}, "B", "forecasts"),
        ({"forecast_p": None}, "B", "forecasts"),
        ({"effective_clusters": 6.0}, "B", "few reps"),
        ({"effective_clusters": 4.0}, "D", "few reps"),
        ({"veto_p": {"placebo": 0.03, "reverse": 0.6, "drift": 0.5}}, "C", "later activity"),
        ({"veto_p": {"placebo": 0.5, "reverse": 0.02, "drift": 0.5}}, "C", "past results"),
        ({"veto_p": {"placebo": 0.5, "reverse": 0.6, "drift": 0.01}}, "C", "fades"),
        ({"veto_p": None}, "C", "too few weeks to check"),
        ({"confounded_p": 0.01}, "C", "slow changes in demand"),
        ({"is_marker": True}, "C", "already advanced"),
        ({"same_sign": False}, "C", "disagree"),
        ({"sign_stable": False}, "C", "one rep"),
        ({"elasticity": 2.0}, "C", "several times"),
        ({"elasticity": -2.0}, "C", "several times"),
        ({"q_value": 0.08}, "C", "one in twenty"),
        ({"q_value": 0.08, "p_bootstrap": 0.07}, "C", "does not confirm"),
        ({"late_share": 0.6}, "X", "logged after"),
        ({"max_rep_share": 0.6}, "X", "one rep holds 60%"),
        ({"own_share": 0.2}, "A", "20%"),
        ({"few_events": True}, "D", "so few wins"),
    ],
)
def test_each_weakest_link_decides(change, letter, said):
    found = grade(replace(PERFECT, **change), LIMITS)
    assert found[0] == letter
    assert said in found[1].lower()


@pytest.mark.parametrize(
    ("change", "letter", "said"),
    [
        ({"mde": 0.2}, "D", "22%"),
        ({"mde": 0.02}, "D", "not ruled out"),
        ({"conf_low": -0.01, "conf_high": 0.02}, "E", "rules out"),
        ({"mde": 0.5}, "X", "larger than the whole outcome"),
    ],
)
def test_without_a_claim_the_size_that_could_have_been_seen_decides(change, letter, said):
    found = grade(replace(NOTHING, **change), LIMITS)
    assert (found[0], said in found[1].lower()) == (letter, True), found


def test_a_negative_effect_is_an_answer():
    assert grade(replace(PERFECT, estimate=-0.08, conf_low=-0.11, conf_high=-0.05), LIMITS)[0] == "A"


def test_two_weak_links_never_average_out():
    worst = replace(PERFECT, forecast_p=0.9, veto_p={"placebo": 0.001})
    assert grade(worst, LIMITS)[0] == "C"


def test_reasons_never_speak_of_causes():
    texts = words.entry("evidence.reasons").values()
    assert len(texts) > 15
    assert not any(word in text for text in texts for word in ("cause", "drives", "because of"))
