"""Blocks: JSON and HTML of the same content, text escaped exactly once, refusals of what would mislead."""

import html as htmllib
import json

import pytest
import report_samples as samples
from bs4 import BeautifulSoup

from analysis.errors import DataError
from analysis.reporting import blocks, cards
from analysis.reporting.html import block_html, notebook_stylesheet, sanitised

MIME = blocks.MIME


def soup(block):
    return BeautifulSoup(str(block_html(block.data())), "html.parser")


def test_every_block_gives_html_and_json_that_survive_a_notebook():
    for block in samples.report_blocks():
        bundle = block._repr_mimebundle_()
        assert set(bundle) == {"text/html", MIME, "text/plain"}
        assert json.loads(json.dumps(bundle[MIME])) == bundle[MIME]
        assert bundle[MIME]["block"] == block.name


def test_displaying_in_ipython_uses_both_views():
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(blocks.Note("text"))
    assert set(data) == {"text/html", MIME, "text/plain"}
    assert data["text/plain"] == "[note]"


@pytest.mark.parametrize("name", [*samples.HOSTILE, *samples.FOREIGN])
def test_names_come_out_as_text_escaped_once(name):
    table = blocks.Table(name, (blocks.Column(name, name), blocks.Column("b")), ((name, name),), note=name, source=name)
    made = [
        blocks.Title(name, (name,)),
        blocks.Section(name, name),
        blocks.Answer(name, (name,), name, blocks.Mark(name, "●")),
        blocks.Tiles((blocks.Tile(name, name, name, blocks.Mark(name, "●")),)),
        table,
        blocks.Figure(name, '<svg xmlns="http://www.w3.org/2000/svg"></svg>', name, name, name, table),
        blocks.Card(name, blocks.Mark(name, "●"), name, ((name, name),), (blocks.Check(name, True, name, name),), name),
        blocks.Note(name, name),
        blocks.Points((name,), name),
        blocks.Group((blocks.Note(name),)),
    ]
    for block in made:
        page = soup(block)
        assert not page.find(["script", "img"]), block.name
        assert not [t for t in page.find_all(True) if any(a.startswith("on") for a in t.attrs)], block.name
        assert name in page.get_text() or name in str(page.find(attrs={"aria-label": True}))
        assert htmllib.escape(htmllib.escape(name)) not in str(page) or htmllib.escape(name) == name


def test_markdown_in_data_is_not_read():
    assert "<strong>" not in str(block_html(blocks.Note("**bold** <b>x</b>").data()))


def test_tables_have_a_caption_scopes_units_and_aligned_numbers():
    table = blocks.Table("Deals", (blocks.Column("Rep"), blocks.Column("Booked", "EUR", "right")), (("R-1", "1,900"),))
    page = soup(table)
    assert page.caption.get_text() == "Deals"
    assert [th["scope"] for th in page.find_all("th")] == ["col", "col", "row"]
    assert page.find_all("th")[1].get_text(" ", strip=True) == "Booked EUR"
    assert page.td["class"] == ["r"]


def test_a_ragged_table_is_refused():
    with pytest.raises(DataError, match="row 2 has 1 cells, not 2"):
        blocks.Table("T", (blocks.Column("a"), blocks.Column("b")), (("1", "2"), ("1",)))


def test_a_figure_without_words_is_refused():
    with pytest.raises(DataError, match="alternative text"):
        blocks.Figure("T", "<svg></svg>", " ")


def test_statuses_and_tones_that_do_not_exist_are_refused():
    with pytest.raises(DataError, match="'great'"):
        blocks.status_mark("great")
    with pytest.raises(DataError, match="'pink'"):
        blocks.Mark("x", "●", "pink")
    with pytest.raises(DataError, match="'great'"):
        blocks.Summary("North", "great", "answer")


def test_grades_and_statuses_differ_by_shape_and_word_not_only_by_colour():
    for marks in ([blocks.grade_mark(g) for g in "ABCDEX"], [blocks.status_mark(s) for s in blocks.STATUS_SHAPES]):
        assert len({m.word for m in marks}) == len(marks)
    assert len({blocks.grade_mark(g).shape for g in "ABCDEX"}) == 6


def test_what_is_not_recorded_names_the_table():
    note = blocks.not_recorded("Lead follow-up", ["leads.first_touch_at", "leads.handed_off_at"])
    assert "Not recorded in this data: leads.first_touch_at and leads.handed_off_at." in note.text


@pytest.mark.parametrize("grade", list("ABCDEX"))
def test_an_evidence_card_says_verdict_reason_and_what_would_change_it(grade):
    row = samples.findings().set_index("grade", drop=False).loc[grade].to_dict()
    page = soup(cards.evidence_card(row, currency="EUR"))
    said = page.get_text(" ", strip=True)
    assert blocks.grade_mark(grade).word in said
    assert row["sentence"] in said
    assert row["reason"] in said
    assert "What would change our mind" in said
    assert len(page.find_all("li")) == (0 if grade == "X" else 4)


def test_a_card_takes_the_studys_own_checks_and_warns_of_a_stage_marker():
    import pandas as pd

    checks = pd.DataFrame(
        {"check": ["counted", "marker", "forecast", "brand_new"], "passed": [True, False, None, True]}
    ).assign(measured=0.1, limit=0.05)
    card = cards.evidence_card(samples.findings().iloc[0].to_dict(), currency="EUR", checks=checks)
    assert [c.word for c in card.checks] == ["passed", "failed", "not run", "passed"]
    assert card.checks[3].question == "brand new"
    assert "not a lever" in card.warning


def test_foreign_html_keeps_its_table_and_loses_everything_that_runs():
    dirty = '<table onclick="x()"><tr><td style="background:url(http://x)">1<script>y</script></td></tr></table><iframe src=x>'
    clean = str(sanitised(dirty))
    assert "<td>1</td>" in clean
    assert not any(bad in clean for bad in ("onclick", "script", "iframe", "style", "http"))


def test_the_notebooks_style_is_small_and_asks_for_nothing():
    assert len(notebook_stylesheet()) < 7000
    assert "url(" not in notebook_stylesheet() and "@import" not in notebook_stylesheet()
