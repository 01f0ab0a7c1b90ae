"""The team report's wording where a number alone would mislead."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import report_samples as samples

from analysis import words
from analysis.reporting import cards, standing
from analysis.reporting.goals import goal_sentence
from analysis.reporting.team import activity
from analysis.reporting.team.desk import Desk
from analysis.reporting.team.evidence import card
from analysis.reporting.team.evidence import cards as cards_of
from analysis.reporting.team.outcome import metric_row

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
    assert lever(per_week_70=2.04)[3] == "as now" and lever(per_week_70=2.06)[3] == "2.1"


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
    details = {"scopes": {"": {"activities": {"demo": listed}}, "north": {"activities": {"demo": {}}}}}
    pack = SimpleNamespace(details=details, team_id="north", currency="EUR", panel=SimpleNamespace(period="week"))
    row = samples.findings().iloc[0].to_dict() | {"grade": grade, "own_share": 0.9}
    assert bool(card(Desk(pack), row).warning) == warned


def card_of(*rows):
    columns = [
        "metric",
        "title",
        "unit",
        "definition",
        "missing",
        "value",
        "conf_low",
        "conf_high",
        "complete",
        "recorded",
    ]
    return pd.DataFrame(rows, columns=columns)


def desk_of(*rows, currency="EUR"):
    made = Desk(SimpleNamespace(currency=currency))
    made.__dict__["card"] = card_of(*rows)
    return made


def sale(value, low, high, complete=True):
    return ("average_sale", "Average sale", "money", "mean", "", value, low, high, complete, True)


def test_a_value_stands_beside_the_range_of_its_own_month_only():
    wide, thin = sale(9000.0, 7000.0, 11000.0), sale(26000.0, np.nan, np.nan)
    assert metric_row(desk_of(wide), "average_sale", card_of(wide).iloc[0])[1:] == ("EUR 9,000", "EUR 7,000 to 11,000")
    # The last month has too few deals for a range: that of the month before is none of its.
    meaning = words.text("management.metrics.average_sale.definition")
    assert metric_row(desk_of(wide, thin), "average_sale", card_of(thin).iloc[0])[1:] == ("EUR 26K", meaning)
    assert (
        metric_row(desk_of(wide, sale(1.0, 0.0, 2.0, False)), "average_sale", card_of(wide).iloc[0])[1] == "EUR 9,000"
    )


def test_a_range_of_what_cannot_be_negative_starts_at_nothing():
    row = sale(26000.0, -110000.0, 160000.0)
    assert metric_row(desk_of(row), "average_sale", card_of(row).iloc[0])[2] == "EUR 0 to 160,000"


def test_a_stock_is_told_as_it_stands_today_and_what_lacks_a_table_says_so():
    cover = ("coverage", "Pipeline coverage", "ratio", "open over missing", "", 5.34, np.nan, np.nan, False, True)
    assert metric_row(desk_of(cover), "coverage", card_of(cover).iloc[0])[1] == "5.3 times today"
    lacking = (
        "coverage",
        "Pipeline coverage",
        "ratio",
        "open over missing",
        "quotas",
        np.nan,
        np.nan,
        np.nan,
        None,
        False,
    )
    assert metric_row(desk_of(lacking), "coverage", card_of(lacking).iloc[0])[1:] == ("–", "not recorded: quotas")


THINGS = pd.DataFrame(
    {"rep_id": ["a", "b", "c"], "status": ["new", "met", "none stands out"], "thing": ["demo", "meaningful_share", ""],
     "sentence": ["", "", "Nothing."], "value": [0.8, 0.3, np.nan], "peers": [2.4, 0.31, np.nan], "gap": [-1.6, -0.01, np.nan],
     "conf_low": [-2.5, -0.1, np.nan], "conf_high": [-0.8, -0.02, np.nan], "money_per_week": [756.0, np.nan, np.nan]},
)  # fmt: skip


def test_the_one_thing_is_said_from_its_numbers_and_the_rest_in_one_sentence():
    made = activity.things(desk_of(), THINGS)
    assert [row[0] for row in made.rows] == ["a", "b"]
    assert made.rows[0][2] == (
        "Demos: 0.8 a week, the others 2.4 (likely gap 0.8 to 2.5). Closing the gap goes with about EUR 760 more revenue a week."
    )
    assert made.rows[1][2] == (
        "Meaningful share of attempts: 30%, the others 31% (likely gap 2% to 10%). The standard is met."
    )
    assert made.note.startswith("For c nothing stands out.")
    assert "Nothing stands out" in activity.things(desk_of(), THINGS.iloc[2:]).text
    small = THINGS.assign(thing="", status="too few peers")
    assert "too small" in activity.things(desk_of(), small).text


def test_activities_refused_for_one_reason_share_a_card():
    rows = samples.findings().assign(grade="X", reason="2 reps with usable weeks; at least 5 are needed.")
    rows.loc[rows.index[0], "reason"] = "Recorded too seldom."
    pack = SimpleNamespace(
        details={}, team_id="north", currency="EUR", panel=SimpleNamespace(period="week"), findings=rows
    )
    made = Desk(pack)
    assert [len(card.heading.split(", ")) for card in cards_of(made).items] == [1, 4]
    assert cards_of(made).items[1].heading.endswith(" and ROI presentations")
    assert not any(name == "Per extra activity" for card in cards_of(made).items for name, _ in card.facts)


def test_what_is_missing_is_listed_once_with_all_that_it_would_show():
    rows = [("funnel", "stages.a (no table stages), stages.b (no table stages)"), ("lead volume", "leads.source (no table leads)"),
            ("feedback", "leads.feedback_at (no table leads)"), ("margin", "opportunities.margin")]  # fmt: skip
    found = standing.by_gap(pd.DataFrame(rows, columns=["metric", "missing"]))
    assert found == {"stages": ["funnel"], "leads": ["lead volume", "feedback"], "opportunities.margin": ["margin"]}


def goal(chance, n70=3.0, naive=2.0, reach=0.4, missing=50_000.0):
    levers = pd.DataFrame({"per_week_70": [n70], "naive_per_week": [naive], "naive_chance": [reach]})
    aim = SimpleNamespace(missing=missing, weeks_left=7.2)
    return goal_sentence(SimpleNamespace(goal=aim, chance_as_is=chance, levers=levers), "EUR")


def test_the_goal_is_told_with_what_averages_alone_would_say():
    assert goal(0.93) == "EUR 50K is missing to the quota with 7 weeks left. At the present pace the chance is 93%."
    assert goal(0.2).endswith(
        "3.0 new opportunities a week would make it 70%. Plain averages say 2.0 a week, which reaches it in 40% of cases."
    )
    assert goal(0.2, naive=np.nan).endswith("would make it 70%.") and goal(0.2, reach=np.nan).endswith(
        "say 2.0 a week."
    )
    assert goal(0.2, n70=np.nan).endswith("the chance is 20%.")
    assert goal(0.99, missing=0.0) == "The quota is reached with 7 weeks left."
