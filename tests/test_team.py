"""The team report's wording where a number alone would mislead."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import report_samples as samples

from analysis.reporting import cards
from analysis.reporting.team import activity
from analysis.reporting.team.desk import Desk
from analysis.reporting.team.evidence import card

NO_PACK = Desk(None)  # these sections read nothing of a pack


def lever(**numbers):
    row = {
        "lever": "opportunities",
        "now_per_week": 2.0,
        "per_week_50": 0.0,
        "per_week_70": 1.5,
        "naive_per_week": np.nan,
    }
    return activity.lever_row(NO_PACK, row | numbers)


def test_what_needs_no_more_is_said_in_words():
    assert lever() == ("Opportunities", "2.0", "none needed", "1.5", "–")
    assert lever(per_week_50=0.04)[2] == "none needed" and lever(per_week_50=0.06)[2] == "0.1"
    assert lever(now_per_week=0.0)[1] == "0.0"  # what is done now is a fact, also when it is nothing


@pytest.mark.parametrize(("need", "shown"), [(0.0, {}), (0.3, {"demo": 0.1}), (np.nan, {})])
def test_a_need_of_nothing_is_no_need(need, shown):
    levers = pd.DataFrame({"lever": ["demo"], "admitted": [True], "basis": ["study"], "per_week_70": [need]})
    desk = SimpleNamespace(targets=SimpleNamespace(levers=levers))
    assert activity.needs(desk, 3) == pytest.approx(shown)


def checks(**verdicts):
    rows = [(name, 0.5, 0.1, passed) for name, passed in verdicts.items()]
    return pd.DataFrame(rows, columns=["check", "measured", "limit", "passed"])


def test_a_check_that_failed_across_the_company_is_said_on_the_teams_card():
    row = samples.findings().query("grade == 'D'").iloc[0].to_dict()
    failed = checks(placebo=True, reverse=False, drift=None, forecast=False)
    said = cards.evidence_card(row, currency="EUR", company_checks=failed).warning
    assert said == "Across the company this does not hold: “The result follows the activity, not the other way round”."
    assert cards.evidence_card(row, currency="EUR", company_checks=checks(reverse=True)).warning == ""
    assert cards.evidence_card(row, currency="EUR").warning == ""


@pytest.mark.parametrize(("grade", "warned"), [("D", True), ("E", True), ("A", False), ("C", False)])
def test_only_rows_without_a_claim_need_it(grade, warned):
    """A and B cannot stand with a failed check; the reason of C names it already."""
    listed = {"checks": checks(reverse=False).to_dict("records")}
    details = {"scopes": {"company": {"activities": {"demo": listed}}, "north": {"activities": {"demo": {}}}}}
    pack = SimpleNamespace(details=details, team_id="north", currency="EUR", panel=SimpleNamespace(period="week"))
    row = samples.findings().iloc[0].to_dict() | {"grade": grade, "own_share": 0.9}
    assert bool(card(Desk(pack), row).warning) == warned
