"""The plan: what is tested is fixed by rules that never look at how activity and outcome go together."""

from dataclasses import replace

import numpy as np
import pytest
from evidence_tools import panel_of

from analysis.errors import InputError
from analysis.evidence.plan import headline_outcome, lag_terms_for, make_plan, window


@pytest.fixture(scope="module")
def panel():
    return panel_of("demo", teams=3, reps=4, weeks=104)[0]


@pytest.mark.parametrize(
    ("cycle_days", "weeks"),
    [(None, 8), (14.0, 2), (56.0, 8), (200.0, 13), (1.0, 1)],
)
def test_window_is_the_long_quarter_of_cycles_and_capped(panel, cycle_days, weeks):
    assert window(replace(panel, cycle_days_p75=cycle_days)) == weeks


def test_window_is_at_most_an_eighth_of_the_weeks(panel):
    short = replace(
        panel, frame=panel.frame[panel.frame["week"] < panel.frame["week"].unique()[48]], cycle_days_p75=200.0
    )
    assert window(short) == 48 // 8


def test_an_explicit_window_needs_four_times_as_many_weeks(panel):
    assert window(panel, 26) == 26
    with pytest.raises(InputError, match="at least 108 weeks"):
        window(panel, 27)


def test_an_unknown_activity_is_named_with_what_there_is(panel):
    with pytest.raises(InputError, match=r"No activity named dance.*call"):
        make_plan(panel, activities=["call", "dance"])


def test_markers_are_in_the_family_but_not_among_the_controls(panel):
    plan = make_plan(panel)
    assert plan.markers == ("proposal",)
    assert set(plan.activities) == set(panel.activities)
    assert plan.activities[-1] == "proposal" and "proposal" not in plan.discretionary


def test_an_activity_that_is_hardly_recorded_or_never_happens_is_left_out_with_the_reason(panel):
    frame = panel.frame.assign(call=np.nan, email=0.0)
    plan = make_plan(replace(panel, frame=frame))
    assert dict(plan.excluded) == {
        "call": "recorded in fewer than half of the rep-weeks",
        "email": "never happened",
    }


def test_nothing_to_test_is_refused(panel):
    with pytest.raises(InputError, match="No activity can be tested"):
        make_plan(replace(panel, frame=panel.frame.assign(call=0.0)), activities=["call"])


def test_the_plan_does_not_look_at_the_outcome_beside_the_activity(panel):
    rng = np.random.default_rng(0)
    shuffled = replace(panel, frame=panel.frame.assign(wins=rng.permutation(panel.frame["wins"].to_numpy())))
    assert make_plan(shuffled) == make_plan(panel)


def test_headline_is_wins_then_revenue_then_the_panels_own(panel):
    assert headline_outcome(panel) == "wins"
    assert headline_outcome(replace(panel, outcomes=("units", "revenue"))) == "revenue"
    assert headline_outcome(replace(panel, outcomes=("volume",))) == "volume"


@pytest.mark.parametrize(("wins", "terms"), [(None, 3), (180, 3), (179, 1), (0, 1)])
def test_few_events_buy_fewer_terms(wins, terms):
    assert lag_terms_for(wins, 6) == terms
