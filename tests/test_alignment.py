"""The alignment report: both departments' numbers as management computes them, and every "not recorded" form."""

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
from analysis.management import handoff, leads
from analysis.management.response import response_effect
from analysis.reporting import alignment, mail, pdf
from analysis.reporting.alignment import change, hand_off
from analysis.reporting.alignment.desk import shares_of_a_whole
from analysis.reporting.blocks import Figure, Group, Note, Points, Table
from analysis.reporting.page import PageExporter

TEMPLATE = "alignment_report"
SECTIONS = ("definition", "volume", "conversion", "inbound", "campaigns", "sides", "by_team", "partners", "waiting",
            "classes", "effect", "limits", "changes", "glance")  # fmt: skip


@pytest.fixture(scope="module")
def desk():
    return alignment.Desk(samples.pack("whole"))


@pytest.fixture(scope="module")
def exporter():
    return PageExporter()


def said(block):
    return str(block.data())


def without(desk, table, *columns):
    """The same company where a table or some of its columns were never recorded."""
    tables = dict(desk.pack.tables)
    tables[table] = tables[table].drop(columns=list(columns)) if columns else tables.pop(table).iloc[:0]
    if not columns:
        del tables[table]
    return alignment.Desk(replace(desk.pack, tables=tables))


@pytest.mark.parametrize("kind", samples.KINDS)
def test_every_section_has_a_form_for_every_kind_of_company(kind, exporter):
    page = exporter.export(samples.report(TEMPLATE, kind))
    doc = BeautifulSoup(page, "html.parser")
    assert len(doc.find_all("h1")) == 1 and len(doc.find_all("h2")) == 8
    assert "None" not in doc.get_text() and not re.search(r"\bXXX\b|NaT|\bnan\b|<NA>", doc.get_text())
    assert len(page.encode()) < 150_000


@pytest.mark.parametrize("kind", ("three tables", "two reps", "ready panel"))
def test_without_leads_nothing_is_claimed_about_them(kind):
    desk = alignment.Desk(samples.pack(kind))
    assert "cannot be told" in alignment.answer(desk).sentence and alignment.summary(desk).status == "unknown"
    assert alignment.answer(desk).next_step.startswith("Record for each lead")
    for section in ("volume", "conversion", "campaigns", "sides", "by_team", "partners", "waiting", "classes"):
        assert isinstance(getattr(alignment, section)(desk), Note), section
    assert [tile.value for tile in alignment.tiles(desk).items][:3] == ["–"] * 3


def test_volume_counts_every_qualified_lead_once(desk):
    found = leads.lead_volume(desk.book, "quarter", 5)
    complete = found[found["complete"]]
    table = alignment.volume(desk)
    total = [int(cell.replace(",", "")) for cell in table.rows[-1][1:-1]]
    assert total == list(complete.groupby("period_start")["qualified"].sum())
    assert len(table.rows) == complete["source"].nunique() + 1


def test_conversion_is_managements_and_named_best_only_where_it_is(desk):
    found = leads.lead_conversion(desk.book)
    figure = alignment.conversion(desk)
    shown = {row[0].lower(): row[1] for row in figure.table.rows}
    assert shown == {row["source"]: words.share(row["conversion"]) for row in found.iloc[1:].to_dict("records")}
    level = desk.conversion.assign(conversion=0.2, conf_low=0.1, conf_high=0.3)
    other = alignment.Desk(desk.pack)
    other.__dict__["conversion"] = level
    assert alignment.conversion(other).title == "No single source clearly converts best"


def test_both_sides_of_the_hand_off_are_shown_with_their_ranges(desk):
    found = handoff.hand_off(desk.book)
    whole = found[found["group_kind"] == "everybody"].set_index("side")
    rows = alignment.sides(desk).rows
    for side, row in zip(("marketing", "first_touch", "feedback"), rows, strict=True):
        low, value, high = (words.share(whole.loc[side, name]) for name in ("conf_low", "within", "conf_high"))
        assert row[3] == (value if low == high else f"{value} ({low} to {high})")


def test_a_side_nobody_records_is_named(desk):
    bare = without(desk, "leads", "feedback_at")
    rows = {row[0]: row for row in alignment.sides(bare).rows}
    assert rows["Sales: handed off to feedback"][1:] == ("–",) * 4 + ("not recorded",)
    assert isinstance(alignment.waiting(bare), Note) and "leads.feedback_at" in alignment.waiting(bare).text
    assert "feedback" not in alignment.answer(bare).sentence.lower()


@pytest.mark.parametrize("section", ["partners", "campaigns", "classes"])
def test_missing_columns_switch_off_their_section_only(desk, section):
    gone = {"partners": ("leads", "partner_id"), "campaigns": ("campaigns",), "classes": ("leads", "first_touch_at")}
    bare = without(desk, *gone[section])
    assert isinstance(getattr(alignment, section)(bare), Note)
    assert isinstance(alignment.volume(bare), Table)


def test_a_partner_who_never_answered_is_named(desk):
    silent = desk.partners.loc[desk.partners["never"], "partner_id"]
    for partner in silent:
        assert partner in alignment.answer(desk).details[-1]
    table = alignment.partners(desk)
    by_partner = {row[0]: row for row in table.rows}
    for row in desk.partners.to_dict("records"):
        last = by_partner[row["partner_id"]][-1]
        assert last == ("all: never answered" if row["never"] else words.share(row["share"]))


def test_the_response_classes_keep_the_leads_never_contacted(desk):
    effect = response_effect(desk.book)
    figure = alignment.classes(desk)
    assert sum(int(row[-1].replace(",", "")) for row in figure.table.rows) == effect.n
    assert figure.table.rows[-1][0] == "never contacted"
    equal, plain = alignment.effect(desk).items[:2]
    assert f"says {doubled(effect, effect.naive_per_doubling)}:" in plain
    assert f"where {doubled(effect, 0.0)} become" in equal
    if effect.conf_high < 0:
        low, high = (doubled(effect, bound) for bound in (effect.conf_low, effect.conf_high))
        assert f"{doubled(effect, effect.per_doubling)} do when" in equal
        assert f"(likely range {low} to {high})" in equal


def doubled(effect, slope):
    """The share of leads after a change in log odds, written out from the counts."""
    won, n = effect.bins["converted"].sum(), effect.n
    odds = won / (n - won) * np.exp(slope)
    return words.share(odds / (1 + odds), decimals=1)


def test_an_effect_that_may_be_nothing_is_not_claimed(desk):
    other = alignment.Desk(desk.pack)
    other.__dict__["response"] = replace(desk.response, per_doubling=-0.02, conf_low=-0.1, conf_high=0.06)
    assert "cannot be told" in alignment.effect(other).items[0]
    other.__dict__["response"] = replace(desk.response, per_doubling=0.1, conf_low=0.05, conf_high=0.15)
    said = alignment.effect(other).items[0]
    assert doubled(desk.response, 0.1) in said and "cannot be told" not in said


def test_the_waiting_list_names_no_rep_and_no_small_team(desk):
    table = alignment.waiting(desk)
    assert isinstance(table, Table) and 0 < len(table.rows) <= hand_off.MOST_LEADS
    reps = set(desk.pack.tables["reps"]["rep_id"])
    assert not [cell for row in table.rows for cell in row if cell in reps]
    alone = alignment.Desk(desk.pack)
    alone.__dict__["team_sizes"] = dict.fromkeys(desk.team_sizes, 4)
    partners = set(desk.pack.tables["leads"]["partner_id"].dropna())
    assert {row[2] for row in alignment.waiting(alone).rows} <= partners | {"–"}
    assert "fewer than 5 reps" in alignment.by_team(alone).text


def test_one_small_team_is_left_out_of_the_picture(desk):
    small = next(iter(desk.team_sizes))
    cut = alignment.Desk(desk.pack)
    cut.__dict__["team_sizes"] = desk.team_sizes | {small: 4}
    assert desk.team_names[small] in said(alignment.by_team(desk))
    figure = alignment.by_team(cut)
    assert desk.team_names[small] not in said(figure) and "left out: 1" in figure.note


def test_many_teams_stay_a_picture():
    rows = pd.DataFrame({"group": [f"T{n:03}" for n in range(300)], "within": 0.5, "conf_low": 0.4, "conf_high": 0.6})
    rows.loc[7, ["conf_low", "conf_high"]] = [0.7, 0.9]
    shown = hand_off.clearest(rows, 0.5)
    assert len(shown) == hand_off.MOST_TEAMS and shown["group"].iloc[0] == "T007"


def test_changes_compare_weeks_that_do_not_overlap(desk):
    table = alignment.changes(desk)
    assert isinstance(table, Table) and len(table.rows) == 4
    now = handoff.hand_off(desk.book, change.WEEKS)
    then = handoff.hand_off(desk.book.rewind(desk.book.as_of - pd.Timedelta(weeks=change.WEEKS)), change.WEEKS)
    for frame, place in ((then, 1), (now, 2)):
        whole = frame[(frame["group_kind"] == "everybody") & (frame["side"] == "first_touch")].iloc[0]
        assert table.rows[2][place].startswith(words.share(whole["within"]))


@pytest.mark.parametrize(
    ("then", "now", "word"),
    [((0.5, 0.48, 0.52), (0.6, 0.58, 0.62), "higher"), ((0.6, 0.58, 0.62), (0.5, 0.48, 0.52), "lower"),
     ((0.5, 0.4, 0.6), (0.55, 0.45, 0.65), "no clear change")],
)  # fmt: skip
def test_a_change_is_said_only_beyond_chance(desk, then, now, word):
    assert change.verdict(desk, change.Measured(*then), change.Measured(*now)) == word


def test_false_changes_are_as_rare_as_stated(desk):
    from analysis.management.intervals import wilson

    rng = np.random.default_rng(5)
    n, runs = 60, 2000
    drawn = rng.binomial(n, 0.35, size=(runs, 2))
    low, high = wilson(drawn, n)
    said_changed = 0
    for k in range(runs):
        then, now = (change.Measured(drawn[k, i] / n, low[k, i], high[k, i]) for i in (0, 1))
        said_changed += change.verdict(desk, then, now) != "no clear change"
    assert said_changed / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_page_pdf_and_notebook_show_the_same_numbers(exporter):
    nb = samples.report(TEMPLATE, "whole")
    text = BeautifulSoup(exporter.export(nb), "html.parser").get_text(" ")
    assert amounts(text) - amounts(pdf_text(pdf.export(nb))) == set()


def test_no_single_person_is_on_the_page(exporter):
    nb = samples.report(TEMPLATE, "whole")
    tables = samples.pack("whole").tables
    people = set(tables["reps"]["rep_id"]) | set(tables["reps"]["manager_id"].dropna())
    everything = " ".join([str(nb), exporter.export(nb), pdf_text(pdf.export(nb))])
    assert not {word for word in re.findall(r"[A-Za-z0-9_-]+", everything) if word in people}


def test_the_first_page_speaks_plainly(exporter):
    doc = BeautifulSoup(exporter.export(samples.report(TEMPLATE, "whole")), "html.parser")
    for part in [
        doc.h1,
        *doc.select(".title p, .answer, .tiles, figcaption, h2, .intro, caption, .points li, .note, th, td"),
    ]:
        said = part.get_text(" ")
        assert said == words.text("leadership.limit_cause") or not JARGON.search(said), said


def test_index_and_mail_speak_plainly_of_it(desk):
    said = mail.mail(alignment.summary(desk), "report.html")
    assert not JARGON.search(said.subject + said.text), said.text


def test_the_sections_are_blocks(desk):
    for name in SECTIONS:
        assert isinstance(getattr(alignment, name)(desk), Figure | Group | Note | Points | Table), name


def test_status_is_that_of_the_weakest_side(desk):
    weakest = min(side["within"] for side in desk.sides.values())
    expected = "on_track" if weakest >= 0.9 else "watch" if weakest >= 0.7 else "behind"
    assert alignment.summary(desk).status == expected


def test_a_share_of_closed_business_is_never_below_none_or_above_all():
    wide = pd.DataFrame({"share": [0.26, 0.66], "conf_low": [-0.1, -0.92], "conf_high": [0.63, 2.23]})
    cut = shares_of_a_whole(wide)
    assert cut["conf_low"].tolist() == [0.0, 0.0] and cut["conf_high"].tolist() == [0.63, 1.0]
    assert cut["share"].equals(wide["share"])
    thin = alignment.Desk(samples.pack("two reps"))
    assert "−" not in str(alignment.inbound(thin)) and "inbound" in str(alignment.inbound(thin))
