"""What the research notebooks compute and say: read back against the study, with planted faults, and on thin data."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from evidence_tools import panel_of

from analysis.reporting import research as rs
from analysis.reporting.research.book import Book, probability
from analysis.reporting.research.calibration import exact_interval
from analysis.reporting.research.picture import Picture
from analysis.reporting.research.teams import team_reading


@pytest.fixture(scope="module")
def book():
    panel, _ = panel_of("demo", seed=1, teams=6, reps=6, weeks=90)
    return Book(panel)


@pytest.fixture(scope="module")
def thin():
    panel, _ = panel_of("demo", seed=1, teams=1, reps=3, weeks=45)
    return Book(panel)


def link(book, activity):
    return book.answered[activity]["link"]["estimate"]


def test_the_headline_choice_is_the_study_itself_and_stands_once(book):
    frame = rs.specifications(book, "meeting")
    own = frame[frame["headline"]]
    assert len(own) == 1
    assert own["estimate"].iloc[0] == pytest.approx(np.expm1(link(book, "meeting")), rel=1e-6)
    assert frame["estimate"].is_monotonic_increasing
    assert len(frame) == 36 and not frame.duplicated(["outcome", "model", "effects", "window", "terms"]).any()


def test_a_scan_of_single_delays_finds_more_than_the_joint_test(book):
    frame = rs.scan(book)
    assert set(frame["activity"]) == set(book.plan.discretionary)
    smeared = frame[(frame["lag"] > 0) & frame["significant"]].groupby("activity").size()
    assert smeared.max() >= 3
    assert f"{frame['significant'].sum()} of {len(frame)}" in rs.scan_reading(frame, book).text


def test_a_smooth_delay_that_leaves_the_free_band_is_named(book):
    frame = rs.projections(book)
    assert not frame["outside"].any()
    bent = frame.assign(outside=frame["lag"] == 2)
    assert "at 2" in rs.projection_reading(bent).text and rs.projection_reading(bent).tone == "warn"
    assert rs.projection_reading(frame).tone == "plain"


def test_every_check_of_every_activity_is_in_the_matrix(book):
    frame = rs.check_matrix(book)
    expected = {name: len(found["checks"]) for name, found in book.answered.items()}
    assert frame.groupby("activity").size().to_dict() == expected
    assert set(frame["state"].dropna()) <= {0.0, 1.0}


def test_leaving_out_one_rep_brackets_the_estimate_and_knows_no_stage_marker(book):
    frame = rs.one_rep_out(book)
    assert set(frame["activity"]) == set(book.plan.discretionary)
    assert ((frame["least"] < frame["estimate"]) & (frame["estimate"] < frame["most"])).all()


def test_one_small_p_among_many_is_no_difference_of_teams(book):
    flat = {name: {**found, "q_p": 0.6} for name, found in book.details["averages_over_teams"].items()}
    first = next(iter(flat))

    def said(p):
        changed = replace(
            book.study, details={**book.details, "averages_over_teams": {**flat, first: {**flat[first], "q_p": p}}}
        )
        copy = Book(book.panel)
        copy.__dict__["study"] = changed
        return team_reading(copy).text

    assert "Teams differ" not in said(0.04)
    assert "Teams differ" in said(1e-6)


def test_rotated_copies_lose_the_link_that_the_data_hold(book):
    frame = rs.rotated_p_values(book, 12)
    assert len(frame) == 12 * len(book.plan.discretionary)
    assert book.answered["meeting"]["link"]["p_value"] < 0.01
    # 60 tests: more than fifteen below 5 % has a chance under one in ten million where errors are honest.
    assert (frame["p_value"] <= 0.05).sum() <= 15
    assert 0.3 < frame["p_value"].mean() < 0.7


def test_exact_intervals_are_the_published_ones():
    low, high = exact_interval(np.array([0.0, 10.0, 5.0]), np.array([10.0, 10.0, 10.0]))
    assert np.allclose(high, [0.3085, 1.0, 0.8129], atol=1e-4)
    assert np.allclose(low, [0.0, 0.6915, 0.1871], atol=1e-4)


def test_a_probability_is_never_nought():
    assert probability(0.0) == "under 0.001" and probability(0.0312) == "0.031" and probability(float("nan")) == "–"


def test_the_window_says_the_rule_and_the_choice(book):
    rows = dict(rs.window(book).rows)
    assert rows["Three quarters of won deals close within"] == "56 days"
    assert any(value == f"1 to {book.plan.max_lag} weeks" for value in rows.values())


PICTURES = {
    "scan": rs.scan,
    "correlations": rs.correlations,
    "kernels": rs.projections,
    "carry_over": lambda book: rs.carry_over(book, teams=2),
    "links": rs.other_outcomes,
    "teams": rs.team_links,
    "responses": rs.shape_curves,
    "checks": rs.check_matrix,
    "one_rep_out": rs.one_rep_out,
    "specifications": rs.specifications,
    "rotated": lambda book: rs.rotated_p_values(book, 2),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_has_a_finding_a_source_and_the_same_bytes(book, name):
    frame = PICTURES[name](book)
    first, second = (getattr(rs.plots, name)(frame, book.source()) for _ in range(2))
    assert isinstance(first, Picture) and first.finding and len(first.finding) <= 75
    assert first.source.startswith("Source: all teams")
    assert first.png() == second.png()
    shown, about = first._repr_mimebundle_()
    assert shown["image/png"].startswith(b"\x89PNG") and first.finding in shown["text/plain"]
    assert first.finding in about["image/png"]["alt"]


@pytest.mark.parametrize("name", PICTURES)
def test_thin_data_give_an_empty_picture_not_an_error(thin, name):
    frame = PICTURES[name](thin)
    assert isinstance(frame, pd.DataFrame)
    assert getattr(rs.plots, name)(frame, thin.source()).png()


SAID = ["delay_answer", "findings_answer", "trust_answer", "window", "plan", "findings_table", "forecasts", "detectable",
        "change_mind", "cards", "effects", "delays", "team_table", "team_reading", "shape_reading", "sample", "notes"]  # fmt: skip


@pytest.mark.parametrize("name", SAID)
@pytest.mark.parametrize("which", ["book", "thin"])
def test_every_section_speaks_on_good_and_on_thin_data(request, name, which):
    shown = getattr(rs, name)(request.getfixturevalue(which))._repr_mimebundle_()["text/html"]
    words = re.sub(r"<[^>]+>", " ", shown)
    assert not re.search(r"\bnan\b|\bNone\b|cause[sd]\b", words)
    assert len(words.split()) > 3


def test_other_assumptions_are_read_back_from_the_study(book, thin):
    table = rs.assumptions(book)
    assert len(table.rows) == 4 * len(book.plan.discretionary)
    own = next(row for row in table.rows if row[0] == "Meetings" and row[1] == "As studied")
    assert own[2].startswith(f"{100 * np.expm1(link(book, 'meeting')):.1f}")
    assert rs.baselines(book).rows[-1][0] == "All together"
    assert "not recorded" in rs.baselines(book).note or len(rs.baselines(book).columns) == 4
    assert "not recorded" in rs.quality(book).text
    assert len(rs.deal_size(book).rows) == len(book.plan.discretionary)
    assert not rs.assumptions(thin).rows and "too few" in rs.deal_size(thin).text


def test_the_curve_is_read_with_the_copies_that_look_like_it(book):
    frame, test = rs.specifications(book, "meeting"), rs.specification_test(book, "meeting", copies=19)
    said = rs.specification_reading(frame, test).text
    assert "Of 19 copies of the data with the timing lost" in said
    counts = {0: "none shows", 1: "one shows"}
    for p in (test.p_median, test.p_largest):
        n = round(20 * p) - 1
        assert counts.get(n, f"{n} show") in said
    assert rs.specification_test(Book(panel_of("demo", seed=1, teams=1, reps=3, weeks=45)[0])) is None


def test_the_company_asked_alone_is_answered_the_same(book):
    """What notebooks 3 and 5 read does not depend on whether the teams were studied beside the company."""
    alone = replace(book, by_team=False)
    pd.testing.assert_frame_equal(alone.findings.reset_index(drop=True), book.findings.reset_index(drop=True))
    assert alone.details["scopes"] == {"": book.details["scopes"][""]}
    assert alone.details["sensitivity"] == book.details["sensitivity"]
