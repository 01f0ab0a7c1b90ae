"""The leadership report: its sections with and without data, its numbers, nobody's rows, no ranking of chance."""

import re
from dataclasses import replace

import company_samples as samples
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from reading_back import amounts, pdf_text
from test_words import JARGON

from analysis import words
from analysis.management.managers import attainment_by_quartile
from analysis.reporting import leadership, mail, pdf
from analysis.reporting.blocks import Figure, Group, Note, Points, Table
from analysis.reporting.company_desk import by_name
from analysis.reporting.leadership import teams as teams_room
from analysis.reporting.leadership.claims import VERDICTS, verdict
from analysis.reporting.page import PageExporter

TEMPLATE = "leadership_report"
SECTIONS = ("effects", "verdicts", "delays", "result", "rates", "differ", "team_effects", "side_by_side", "pace", "effect",
            "quartiles", "market", "claims", "limits", "changes")  # fmt: skip


@pytest.fixture(scope="module")
def desk():
    return leadership.Desk(samples.pack("whole"))


@pytest.fixture(scope="module")
def exporter():
    return PageExporter()


def said(block):
    """Everything a block says."""
    return str(block.data())


@pytest.mark.parametrize("kind", samples.KINDS)
def test_every_section_has_a_form_for_every_kind_of_company(kind, exporter):
    nb = samples.report(TEMPLATE, kind)
    page = exporter.export(nb)
    doc = BeautifulSoup(page, "html.parser")
    assert len(doc.find_all("h1")) == 1 and len(doc.find_all("h2")) == 8
    assert "nan" not in doc.get_text().lower().split() and "None" not in doc.get_text()
    assert not re.search(r"\bXXX\b|NaT|\bnan%|<NA>", doc.get_text())
    assert len(page.encode()) < 150_000


@pytest.mark.parametrize("kind", ("three tables", "two reps", "ready panel"))
def test_what_is_not_recorded_is_named_and_never_zero(kind):
    desk = leadership.Desk(samples.pack(kind))
    for section, table in (("pace", "coaching"), ("quartiles", "quotas")):
        found = getattr(leadership, section)(desk)
        assert isinstance(found, Note)
        assert table in found.text or "activities" in found.text
    assert leadership.summary(desk).status == "unknown" and leadership.summary(desk).attainment is None


def test_the_answer_is_the_surest_finding(desk):
    rows = desk.pack.findings[desk.pack.findings["scope"] == "company"]
    claimed = rows[rows["grade"].isin(["A", "B"])].sort_values(["grade", "q_value"], kind="stable")
    assert len(claimed)
    assert leadership.answer(desk).sentence == claimed["sentence"].iloc[0]
    tile = leadership.tiles(desk).items[2]
    assert tile.value == str(len(claimed)) and str(len(rows)) in tile.note


def test_without_a_claim_nothing_is_advised(desk):
    none = replace(desk.pack, findings=desk.pack.findings.assign(grade="D"))
    bare = leadership.Desk(none)
    assert leadership.answer(bare).sentence.startswith("No activity predicts")
    assert leadership.answer(bare).next_step.startswith("Keep recording")
    assert isinstance(leadership.team_effects(bare), Note) and isinstance(leadership.delays(bare), Note)


def test_a_negative_effect_advises_less(desk):
    findings = desk.pack.findings.assign(grade="A", effect_relative=-0.02)
    assert "plan fewer" in leadership.answer(leadership.Desk(replace(desk.pack, findings=findings))).next_step


def test_amounts_stand_only_where_something_is_claimed_or_ruled_out(desk):
    table = leadership.verdicts(desk)
    for row, finding in zip(table.rows, desk.rows, strict=True):
        assert (row[2] == "–") == (finding["grade"] not in "ABE")
        if finding["grade"] in "AB":
            assert row[2].startswith(words.money(finding["effect"], "EUR"))


def test_page_pdf_notebook_and_findings_show_the_same_numbers(desk, exporter):
    nb = samples.report(TEMPLATE, "whole")
    text = BeautifulSoup(exporter.export(nb), "html.parser").get_text(" ")
    printed = pdf_text(pdf.export(nb))
    for row in desk.found:
        for name in ("effect", "conf_low", "conf_high"):
            shown = words.money(row[name], "EUR").removeprefix("EUR ")
            assert shown in text and shown in printed
    assert amounts(text) - amounts(printed) == set()


def test_teams_are_told_apart_only_where_the_study_says_so(desk):
    averages = {k: {**v, "q_p": 0.6, "tau2": 0.0} for k, v in desk.pack.details["averages_over_teams"].items()}
    same = leadership.Desk(replace(desk.pack, details={**desk.pack.details, "averages_over_teams": averages}))
    assert not any(teams_room.differing(same).values())
    assert "cannot be told apart" in said(leadership.differ(same))
    first = desk.found[0]["activity"]
    planted = averages | {first: {**averages[first], "mean": 0.05, "tau2": 0.02**2, "q_p": 1e-6}}
    other = leadership.Desk(replace(desk.pack, details={**desk.pack.details, "averages_over_teams": planted}))
    assert teams_room.differing(other)[first]
    low, high = (np.expm1(0.05 + side * 1.96 * 0.02) for side in (-1, 1))
    spoken = said(leadership.differ(other))
    assert f"Teams differ on {words.kinds_name(first)}" in spoken
    assert words.share(low) in spoken and words.share(high) in spoken


def test_one_hit_among_many_activities_is_no_difference(desk):
    averages = {k: {**v, "q_p": 0.9} for k, v in desk.pack.details["averages_over_teams"].items()}
    first = next(iter(averages))
    averages[first] = {**averages[first], "q_p": 0.04}
    lucky = leadership.Desk(replace(desk.pack, details={**desk.pack.details, "averages_over_teams": averages}))
    assert not teams_room.differing(lucky)[first]


def test_teams_stand_in_the_order_of_the_alphabet(desk):
    names = [row[0] for row in leadership.side_by_side(desk).rows]
    assert len(names) == 6
    assert names == by_name(names) and names != [row[0] for row in sorted_by_quota(desk)]


def sorted_by_quota(desk):
    """The same rows as a league table would have them."""
    return sorted(leadership.side_by_side(desk).rows, key=lambda row: -int(row[3].rstrip("%")))


def test_small_teams_are_left_out(desk):
    frame = desk.pack.panel.frame
    small = sorted(frame["team_id"].unique())[0]
    few = sorted(frame.loc[frame["team_id"] == small, "rep_id"].unique())[:4]
    kept = frame[(frame["team_id"] != small) | frame["rep_id"].isin(few)].reset_index(drop=True)
    cut = leadership.Desk(replace(desk.pack, panel=replace(desk.pack.panel, frame=kept)))
    table = leadership.side_by_side(cut)
    assert isinstance(table, Table) and len(table.rows) == 5 and "fewer than 5 reps" in table.note
    assert desk.team_names[small] not in said(table) and desk.team_names[small] not in said(
        leadership.team_effects(cut)
    )
    assert desk.team_names[small] in said(leadership.side_by_side(desk))  # the very same with its other reps


def test_many_teams_stay_a_page(desk):
    rows = desk.pack.findings[desk.pack.findings["scope"] == "team"].head(6)
    many = pd.concat([rows.assign(team_id=f"T{n:03}", effect_relative=n / 1000.0) for n in range(300)])
    many = many.drop_duplicates(["team_id", "activity"])
    assert len(teams_room.clearest(many[many["activity"] == many["activity"].iloc[0]])) == teams_room.MOST_TEAMS


def test_no_single_person_is_on_the_page(exporter):
    nb = samples.report(TEMPLATE, "whole")
    tables = samples.pack("whole").tables
    people = set(tables["reps"]["rep_id"]) | set(tables["reps"]["manager_id"].dropna())
    people |= set(tables["opportunities"]["opportunity_id"].head(500)) | set(tables["leads"]["lead_id"].head(500))
    everything = " ".join([str(nb), exporter.export(nb), pdf_text(pdf.export(nb))])
    found = {word for word in re.findall(r"[A-Za-z0-9_-]+", everything) if word in people}
    assert found == set()


def test_quartiles_are_managements_and_small_groups_are_blank(desk):
    figure = leadership.quartiles(desk)
    found = attainment_by_quartile(desk.book)
    assert isinstance(figure, Figure) or "told yet" in said(figure)
    tight = replace(desk.book, policy=replace(desk.book.policy, min_group=1000))
    hidden = leadership.Desk(desk.pack)
    hidden.__dict__["book"] = tight
    if isinstance(figure, Figure):
        assert [row[1] for row in figure.table.rows] == [words.share(v) for v in found["value"]]
        small = leadership.Desk(desk.pack)
        small.__dict__["quartiles"] = found.assign(value=np.nan, conf_low=np.nan, conf_high=np.nan)
        blank = leadership.quartiles(small)
        assert {row[1] for row in blank.table.rows} == {"–"} and "left blank" in blank.note
        one_each = leadership.quartiles(hidden)  # a quarter of so few managers would be one person
        assert isinstance(one_each, Note) and "Fewer than 1000 managers" in one_each.text
    few = leadership.pace(hidden)
    assert isinstance(few, Note) and "Fewer than 1000 managers" in few.text


def test_coaching_is_said_with_its_range_or_not_at_all(desk):
    block = leadership.effect(desk)
    assert isinstance(block, Points | Note)
    if isinstance(block, Points):
        found = desk.coaching.overall
        crosses = found.conf_low <= 0 <= found.conf_high
        assert ("cannot be told yet" in block.items[0]) == crosses
        assert "not about revenue" in block.items[-1]


def scored(*verdicts):
    """A ledger's table."""
    rows = [
        {"study": "s", "as_of": "2026-05-04", "activity": "demo", "grade": "A", "claimed": 0.05, "low": 0.02, "high": 0.08,
         "since": np.nan if v.startswith("too early") else 0.04, "since_low": 0.0, "since_high": 0.08, "verdict": v}
        for v in verdicts
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_earlier_claims_say_how_they_fared(desk):
    table = leadership.claims(leadership.Desk(desk.pack, scored("held", "contradicted", "too early: fewer than 13")))
    assert [row[4] for row in table.rows] == ["held", "contradicted", "too early to tell"]
    assert table.note == "1 of 2 claims that can be scored held."
    assert table.rows[0][2] == "5.1% (2% to 8.3%)"
    early = leadership.claims(leadership.Desk(desk.pack, scored("too early: fewer than 13")))
    assert early.note.startswith("None can be scored yet")


def test_every_verdict_of_the_ledger_has_words(desk):
    spoken = [verdict(desk, each) for each in VERDICTS]
    assert len(set(spoken)) == len(VERDICTS)


def test_a_ledger_that_cannot_be_read_is_said(desk):
    refused = pd.DataFrame([{"verdict": "no study.json here"}], columns=list(scored("held").columns))
    assert "no study.json here" in leadership.claims(leadership.Desk(desk.pack, refused)).text
    assert "No earlier report" in leadership.claims(leadership.Desk(desk.pack, scored("held").head(0))).text


def test_without_a_ledger_the_report_before_is_compared(desk):
    assert "first report" in leadership.claims(desk).text
    before = desk.pack.findings.assign(grade="A", effect_relative=0.5)
    table = leadership.claims(leadership.Desk(replace(desk.pack, previous=before, previous_as_of="2026-10-05")))
    assert "Oct 5, 2026" in table.caption and all(row[1].startswith("50%") for row in table.rows)
    assert len(table.rows) == len(desk.rows)


def test_what_changed_names_the_reason(desk):
    assert "first report of the company" in leadership.changes(desk).text
    before = desk.pack.findings.assign(grade="X", n_weeks=desk.pack.findings["n_weeks"] - 1)
    table = leadership.changes(leadership.Desk(replace(desk.pack, previous=before, previous_as_of="2026-10-05")))
    assert len(table.rows) == len(desk.rows)
    assert all(row[3].startswith("With 1 week more of data:") for row in table.rows)
    same = leadership.changes(leadership.Desk(replace(desk.pack, previous=desk.pack.findings)))
    assert "No verdict has changed" in same.text


def test_the_first_page_speaks_plainly(exporter):
    doc = BeautifulSoup(exporter.export(samples.report(TEMPLATE, "whole")), "html.parser")
    for part in [
        doc.h1,
        *doc.select(".title p, .answer, .tiles, figcaption, h2, .intro, caption, .points li, .note, th, td"),
    ]:
        said = part.get_text(" ")
        assert said == words.text("leadership.limit_cause") or not JARGON.search(said), said


def test_index_and_mail_speak_plainly_of_it(desk):
    said = mail.mail(leadership.summary(desk), "report.html")
    assert not JARGON.search(said.subject + said.text), said.text


def test_the_sections_are_blocks(desk):
    for name in SECTIONS:
        assert isinstance(getattr(leadership, name)(desk), Figure | Group | Note | Points | Table), name


def test_status_follows_the_last_complete_quarter(desk):
    share = desk.metric("quota_attainment")["value"].iloc[-1]
    expected = "on_track" if share >= 1 else "watch" if share >= 0.9 else "behind"
    assert leadership.summary(desk).status == expected
    assert leadership.summary(desk).attainment == pytest.approx(share)
