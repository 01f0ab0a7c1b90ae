"""Words from numbers: every grade, sign, unit, plural and currency, and no jargon."""

import re
import string
import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import words
from analysis.errors import DataError, ParameterError

ROW = {
    "scope": "company", "team_id": "", "activity": "demo", "outcome": "wins", "grade": "A",
    "effect": 1873.0, "conf_low": 912.0, "conf_high": 2890.0,
    "effect_relative": 0.062, "relative_low": 0.021, "relative_high": 0.104,
    "mean_lag_weeks": 4.1, "lag_from": 1, "lag_to": 8, "own_share": np.nan, "mde_relative": 0.4,
    "n_reps": 8, "n_weeks": 104, "n_wins": 212,
}  # fmt: skip

SENTENCES = {
    "predicts": (
        {},
        "Each extra demo in a week goes with about EUR 1,900 more revenue, three to five weeks later "
        "(likely range EUR 910 to 2,900).",
    ),
    "likely": (
        {"grade": "B", "activity": "roi_presentation"},
        "Each extra ROI presentation in a week probably goes with about EUR 1,900 more revenue, three to five weeks "
        "later (likely range EUR 910 to 2,900).",
    ),
    "negative": (
        {"effect": -500.0, "conf_low": -900.0, "conf_high": -90.0},
        "Each extra demo in a week goes with about EUR 500 less revenue, three to five weeks later "
        "(likely range EUR 90 to 900 less).",
    ),
    "range over zero": (
        {"grade": "B", "conf_low": -300.0},
        "Each extra demo in a week probably goes with about EUR 1,900 more revenue, three to five weeks later "
        "(likely range from EUR 300 less to EUR 2,900 more).",
    ),
    "no currency": (
        {"currency": None},
        "Each extra demo in a week goes with about 6.2% more wins, three to five weeks later "
        "(likely range 2.1% to 10%).",
    ),
    "no currency, fewer": (
        {"currency": None, "effect_relative": -0.03, "relative_low": -0.05, "relative_high": -0.01},
        "Each extra demo in a week goes with about 3% fewer wins, three to five weeks later "
        "(likely range 1% to 5% fewer).",
    ),
    "wins only": (
        {"effect": np.nan, "conf_low": np.nan, "conf_high": np.nan},
        "Each extra demo in a week goes with about 6.2% more wins, three to five weeks later "
        "(likely range 2.1% to 10%).",
    ),
    "own outcome": (
        {"currency": None, "outcome": "units_sold"},
        "Each extra demo in a week goes with about 6.2% more units sold, three to five weeks later "
        "(likely range 2.1% to 10%).",
    ),
    "month": (
        {"period": "month", "mean_lag_weeks": 2.2, "lag_to": 4},
        "Each extra demo in a month goes with about EUR 1,900 more revenue, one to three months later "
        "(likely range EUR 910 to 2,900).",
    ),
    "borrowed": (
        {"scope": "team", "team_id": "north", "own_share": 0.42},
        "Each extra demo in a week goes with about EUR 1,900 more revenue, three to five weeks later "
        "(likely range EUR 910 to 2,900; 58% of it rests on the other teams).",
    ),
    "all its own": (
        {"scope": "team", "team_id": "north", "own_share": 1.0},
        "Each extra demo in a week goes with about EUR 1,900 more revenue, three to five weeks later "
        "(likely range EUR 910 to 2,900).",
    ),
    "no delay": (
        {"mean_lag_weeks": np.nan},
        "Each extra demo in a week goes with about EUR 1,900 more revenue (likely range EUR 910 to 2,900).",
    ),
    "no interval": (
        {"conf_low": np.nan},
        "Each extra demo in a week goes with about EUR 1,900 more revenue, three to five weeks later.",
    ),
    "millions": (
        {"effect": 1.234e6, "conf_low": 4e5, "conf_high": 2.1e6, "currency": "JPY"},
        "Each extra demo in a week goes with about JPY 1.2 million more revenue, three to five weeks later "
        "(likely range JPY 400,000 to 2.1 million).",
    ),
    "unclear": ({"grade": "C"}, "Demos and wins move together, but it is unclear which comes first."),
    "cannot tell": (
        {"grade": "D", "activity": "email"},
        "Cannot tell yet whether more e-mails go with more wins: only a change of about 40% or more per extra e-mail "
        "in a week would have shown.",
    ),
    "cannot tell, hopeless": (
        {"grade": "D", "mde_relative": 1.7},
        "Cannot tell yet whether more demos go with more wins.",
    ),
    "no effect": (
        {"grade": "E", "relative_low": -0.008, "relative_high": 0.005},
        "More demos make no material difference to wins: at most about 0.8% per extra demo in a week.",
    ),
    "refused": (
        {"grade": "X", "n_wins": 1},
        "Not enough data yet to say anything about demos (8 reps, 104 weeks and 1 win).",
    ),
    "refused, nothing known": (
        {"grade": "X", "n_reps": None, "n_weeks": pd.NA, "n_wins": np.nan},
        "Not enough data yet to say anything about demos.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SENTENCES)
def test_every_kind_of_finding_has_its_sentence(case):
    changes, expected = SENTENCES[case]
    assert words.finding_sentence({**ROW, "currency": "EUR", **changes}) == expected


def test_currency_and_period_may_be_given_beside_the_row():
    said = words.finding_sentence(ROW, currency="USD", period="month")
    assert "USD 1,900" in said and "in a month" in said


def test_a_row_of_a_frame_is_enough():
    frame = pd.DataFrame([ROW]).convert_dtypes()
    assert words.finding_sentence(frame.to_dict("records")[0], currency="EUR").startswith("Each extra demo")


def test_an_unknown_grade_and_a_claim_without_effect_are_refused():
    with pytest.raises(DataError, match="grade 'Z'"):
        words.finding_sentence({**ROW, "grade": "Z"})
    with pytest.raises(DataError, match="without an effect"):
        words.finding_sentence({**ROW, "effect": None, "effect_relative": None})


JARGON = re.compile(
    r"\b(p|q|r2|r²|lags?|coefficients?|regress\w*|significan\w*|statistic\w*|hypothes\w*|null|placebo|bootstrap|"
    r"confidence|standard error|variance|poisson|model|estimator|outliers?|cluster\w*|covariate\w*|causes?|causal\w*|"
    r"odds|median|quartiles?|percentiles?|quantiles?|likelihood|naive|log|nought|"
    r"drives?|driven|due to|leads to|because of|thanks to)\b",
    re.IGNORECASE,
)
FIRST_PAGE = ("team", "finding", "grades", "grades_short", "grade_meaning", "status", "delay", "figure", "index", "mail", "check",
              "change_mind", "card", "table", "page", "company", "leadership", "alignment", "moves", "templates", "number")  # fmt: skip
ALLOWED = {
    "page.made_by",
    "team.limit_cause",
    "leadership.limit_cause",
}  # both say that the activity need not be the cause


def _texts(section, table):
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _texts(f"{section}.{key}", value)
        elif isinstance(value, str):
            yield f"{section}.{key}", value


def test_no_jargon_and_no_claim_of_cause_on_first_pages(root):
    texts = tomllib.loads((root / "src/analysis/texts/en.toml").read_text(encoding="utf-8"))
    for section in FIRST_PAGE:
        for key, value in _texts(section, texts[section]):
            said = re.sub(r"\{\w*\}", "", value)
            assert key in ALLOWED or not JARGON.search(said), f"{key}: {value}"


def test_the_word_list_catches_what_it_should():
    for bad in (
        "p = 0.03",
        "R2 of 0.4",
        "at lag 3",
        "a significant effect",
        "calls cause revenue",
        "demos drive sales",
        "12% lower odds",
    ):
        assert JARGON.search(bad), bad


@pytest.mark.parametrize("case", SENTENCES)
def test_sentences_hold_no_jargon(case):
    assert not JARGON.search(words.finding_sentence({**ROW, "currency": "EUR", **SENTENCES[case][0]}))


def test_every_text_can_be_filled_by_name(root):
    texts = tomllib.loads((root / "src/analysis/texts/en.toml").read_text(encoding="utf-8"))
    for section, table in texts.items():
        if isinstance(table, dict):
            for key, value in _texts(section, table):
                names = [name for _, name, _, _ in string.Formatter().parse(value) if name is not None]
                assert all(name.isidentifier() for name in names), key


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1873, "EUR 1,900"), (0, "EUR 0"), (-1873, "EUR −1,900"), (12.34, "EUR 12"), (0.034, "EUR 0.03"),
     (1_234_567, "EUR 1.2 million"), (None, "not known"), (np.nan, "not known"), (pd.NA, "not known")],
)  # fmt: skip
def test_money(value, shown):
    assert words.money(value, "EUR") == shown


def test_money_short_exact_and_without_currency():
    assert words.money(1_234_567, "EUR", short=True) == "EUR 1.23M"
    assert words.money(1_234_567.4, "EUR", exact=True) == "EUR 1,234,567"
    assert words.money(1873, None) == "1,900"
    assert words.money(1873, "EUR", locale="de") == "EUR 1.900"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "50%"), (0.063, "6.3%"), (0.06, "6%"), (0.0996, "10%"), (-0.021, "−2.1%"), (0.0, "0%"), (1.2, "120%"),
     (-0.0001, "0%"), (None, "not known")],
)  # fmt: skip
def test_share(value, shown):
    assert words.share(value) == shown


def test_numbers_follow_the_locale():
    assert words.number(1234.6) == "1,235"
    assert words.number(1234567, locale="de") == "1.234.567"
    assert words.share(0.063, locale="de") == "6,3\N{NO-BREAK SPACE}%"
    assert words.number(-0.4, decimals=0) == "0"
    assert words.date("2026-11-02") == "Nov 2, 2026"
    assert words.date(pd.Timestamp("2026-11-02"), locale="de") == "02.11.2026"
    assert words.date(pd.NaT) == "not known"


def test_an_untranslated_language_falls_back_to_english_text_by_text():
    assert words.grade_word("A", locale="fr") == "Predicts"
    assert "1\N{NARROW NO-BREAK SPACE}900" in words.finding_sentence({**ROW, "currency": "EUR"}, locale="fr")


@pytest.mark.parametrize(
    ("n", "noun", "shown"),
    [(1, "rep", "1 rep"), (0, "rep", "0 reps"), (2, "activity", "2 activities"), (1200, "day", "1,200 days")],
)
def test_counts_are_plural_where_they_should_be(n, noun, shown):
    assert words.count(n, noun) == shown


@pytest.mark.parametrize(
    ("span", "shown"),
    [((3, 5), "three to five weeks later"), ((1, 1), "about one week later"), ((4, 4), "about four weeks later"),
     ((0, 2), "within two weeks"), ((0, 1), "within one week"), ((0, 0), "in the same week"),
     ((12, 14), "twelve to 14 weeks later")],
)  # fmt: skip
def test_delays(span, shown):
    assert words.delay(*span) == shown


def test_the_mean_delay_stays_inside_the_window_tested():
    assert words.mean_delay(1.2, first=1, last=8) == "one to two weeks later"
    assert words.mean_delay(7.9, first=1, last=8) == "seven to eight weeks later"
    assert words.mean_delay(2.0, period="month", first=1, last=4) == "one to three months later"


@pytest.mark.parametrize(
    ("kind", "one", "many"),
    [("roi_presentation", "ROI presentation", "ROI presentations"), ("email", "e-mail", "e-mails"),
     ("discovery", "discovery", "discoveries"), ("field_day", "field day", "field days"),
     ("site_survey", "site survey", "site surveys"), ("pitch", "pitch", "pitches"), ("Démo", "Démo", "Démos")],
)  # fmt: skip
def test_kinds_are_named(kind, one, many):
    assert words.kind_name(kind) == one
    assert words.kinds_name(kind) == many


def test_a_missing_text_is_an_error_not_an_empty_page():
    with pytest.raises(ParameterError, match="nowhere"):
        words.text("page.nowhere")


def test_braces_in_data_are_not_read_as_templates():
    said = words.finding_sentence({**ROW, "activity": "{activity.__class__}"}, currency="EUR")
    assert "{activity.  class  }" in said or "{activity. class }" in said


@settings(max_examples=60)
@given(st.floats(allow_nan=True, allow_infinity=True), st.sampled_from(["en", "de", "fr", "ar", "ja"]))
def test_any_number_can_be_said(value, locale):
    for said in (words.number(value, locale=locale), words.money(value, "EUR", locale=locale)):
        assert said
    assert words.share(value, locale=locale)


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_kind_has_a_name(kind):
    assert isinstance(words.kind_name(kind), str)
    assert len(words.shorten(words.kinds_name(kind), 60)) <= 60


@given(st.floats(min_value=-1e12, max_value=1e12, allow_nan=False))
def test_two_significant_digits(value):
    rounded = words.significant(value)
    assert abs(rounded - value) <= abs(value) * 0.05 + 1e-12


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", "  =1", "\n=1"])
def test_formulas_are_quoted(text):
    assert words.spreadsheet_text(text) == "'" + text


@pytest.mark.parametrize("text", ["", "North", "1-2", "a=b", "e@mail", "'quoted"])
def test_plain_text_is_not_quoted(text):
    assert words.spreadsheet_text(text) == text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "under 1%"), (1.0, "over 99%"), (0.7, "70%"), (0.995, "over 99%"), (0.01, "1%"), (None, "not known")],
)
def test_no_chance_is_said_to_be_none_or_certain(value, shown):
    assert words.chance(value) == shown


def test_no_currency_is_no_code():
    """XXX is how ISO 4217 says that there is none."""
    assert words.money(1900, "XXX") == words.money(1900, None) == "1,900"
    assert words.currency_code("EUR") == "EUR" and words.currency_code(None) == ""


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [("EUR 900", "EUR 2,900", "EUR 900 to 2,900"), ("23 days", "83 days", "23 to 83 days"),
     ("1 day", "3 days", "1 day to 3 days"), ("0.1 hours a week", "0.7 hours a week", "0.1 to 0.7 hours a week"),
     ("EUR 1.2 million", "EUR 2 million", "EUR 1.2 to 2 million"), ("8%", "29%", "8% to 29%"), ("0", "0", "0 to 0"),
     ("−60", "61", "−60 to 61")],
)  # fmt: skip
def test_what_both_ends_of_a_range_share_is_said_once(low, high, said):
    assert words.span(low, high) == said


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (1.7, -200, 200, 0),
        (-0.05, -61, 61, 0),
        (38, -200, 260, 40),
        (0.0123, -0.5, 0.4, 0.01),
        (0, 0, 0, 0),
        (7, 5, 9, 7),
    ],
)
def test_a_value_has_no_more_digits_than_its_range_gives_a_meaning(value, low, high, said):
    assert words.beside(value, low, high) == pytest.approx(said)
