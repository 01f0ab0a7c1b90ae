"""The PDF: tagged, the same bytes each time, the same numbers as the page, names as text."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
import report_samples as samples
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_notebook, new_output
from pypdf import PdfReader
from pypdf.generic import ContentStream

from analysis.reporting import blocks, pdf
from analysis.reporting.page import PageExporter


def reader(nb):
    return PdfReader(io.BytesIO(pdf.export(nb)))


def flat(text):
    """Without white space, which line breaks move, and without the places where a long word may be broken."""
    return re.sub(r"[\s\u200b]+", "", text)


def text_of(nb):
    return flat("".join(page.extract_text() for page in reader(nb).pages))


@pytest.fixture(scope="module")
def made():
    return samples.notebook()


def test_it_is_tagged_titled_and_in_a_language(made):
    found = reader(made)
    root = found.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert "/StructTreeRoot" in root
    assert found.metadata.title == "North & Baltics: what predicts revenue"
    assert "pdfuaid:part" in found.xmp_metadata.stream.get_data().decode()


def test_drawings_carry_their_numbers_for_those_who_do_not_see_them(made):
    alts = []

    def walk(node):
        node = node.get_object()
        if isinstance(node, list):
            for child in node:
                walk(child)
        elif isinstance(node, dict):
            if "/Alt" in node:
                alts.append(str(node["/Alt"]))
            if "/K" in node and not isinstance(node["/K"], int):
                walk(node["/K"])

    walk(reader(made).trailer["/Root"]["/StructTreeRoot"]["/K"])
    assert len(alts) == 6
    assert any("Demos EUR 1,900 (EUR 910 to EUR 2,900, predicts)" in alt for alt in alts)


def test_same_bytes_each_time_and_in_another_process(made):
    first = pdf.export(made)
    assert pdf.export(made) == first
    code = "import report_samples as s, sys; from analysis.reporting import pdf; sys.stdout.buffer.write(pdf.export(s.notebook()))"
    here = str(Path(samples.__file__).parent)
    env = {"PYTHONHASHSEED": "7", "PYTHONPATH": here, "TZ": "Asia/Tokyo", "LC_ALL": "C", "OPENBLAS_NUM_THREADS": "1"}
    other = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
    assert other == first


def test_page_and_pdf_say_the_same(made):
    """Every sentence, tile, fact and table cell of the page stands in the PDF."""
    page = BeautifulSoup(PageExporter().export(made), "html.parser")
    said = text_of(made)
    parts = page.select(
        "h1, h2, .answer p, .tiles .label, .tiles .value, .card p, .card dt, .card dd, .note p, .points li"
    )
    parts += page.select("figcaption strong, th, td, caption, .checks li")
    assert len(parts) > 200
    for part in parts:
        for piece in part.stripped_strings:
            assert flat(piece) in said, piece


def test_that_comparison_can_fail(made):
    assert flat("EUR 1,901") not in text_of(made)


@pytest.mark.parametrize("name", samples.HOSTILE)
def test_markup_in_names_is_literal(name):
    said = text_of(samples.notebook(name, (name,)))
    assert said.count(flat(name)) >= 2


ALPHABETS = {  # a team's name -> the font that draws it
    "Équipe Łódź Ngữ": "DejaVuSans",
    "Отдел продаж": "DejaVuSans",
    "Ομάδα Αθήνα": "DejaVuSans",
    "فريق المبيعات": "DejaVuSans",
    "מכירות צפון": "DejaVuSans",
    "北部销售团队": "NotoSansCJK",
    "臺灣銷售團隊": "NotoSansCJK",
    "東京営業部": "NotoSansCJK",
    "한국 영업팀": "NotoSansCJK",
    "उत्तर बिक्री क्षेत्र": "NotoSansDevanagari",
    "ทีมขายเหนือ": "NotoSansThai",
    "தமிழ்": "NotoSansTamil",
    "বাংলা": "NotoSansBengali",
    "🚀 Rocket": "NotoEmoji",
    "北" * 60: "NotoSansCJK",
    "उत्तर" * 12: "NotoSansDevanagari",
    "<b>東京</b>": "NotoSansCJK",
}


def glyphs(found):
    """(font, glyph number) of every sign on the pages and in their drawings."""
    for page in found.pages:
        yield from _glyphs(page.get_contents(), page["/Resources"], found)


def _glyphs(stream, resources, found):
    forms, font = resources.get("/XObject", {}), ""
    for operands, operator in ContentStream(stream, found).operations:
        if operator == b"Tf":
            font = str(resources["/Font"][operands[0]]["/BaseFont"])
        elif operator in (b"Tj", b"TJ"):
            for piece in operands[0] if operator == b"TJ" else operands:
                if isinstance(piece, str | bytes):
                    raw = piece if isinstance(piece, bytes) else piece.original_bytes
                    yield from ((font, int.from_bytes(raw[i : i + 2])) for i in range(0, len(raw), 2))
        elif operator == b"Do" and forms[operands[0]].get("/Subtype") == "/Form":
            form = forms[operands[0]].get_object()
            yield from _glyphs(form, form["/Resources"], found)


def is_missing(font, number):
    """Whether the sign only says that there is none: number 0 of every font, any of the font of last resort."""
    return number == 0 or "LastResort" in font


@pytest.mark.parametrize("name", ALPHABETS)
def test_a_name_in_any_alphabet_is_drawn(name):
    """As heading, in tables and in drawings: no box, no sign for a missing one, and the font that has the letters."""
    found = reader(samples.notebook(name, (name,)))
    drawn = set(glyphs(found))
    assert len(drawn) > 100 and not any(is_missing(*sign) for sign in drawn)
    assert any(ALPHABETS[name] in font for font, _ in drawn)
    said = flat("".join(p.extract_text() for p in found.pages))
    assert pdf.BOX not in said and "U+" not in said
    if ALPHABETS[name] in ("DejaVuSans", "NotoSansCJK"):  # the words of right-to-left names may be read in visual order
        assert all(word in said for word in name.split())


def test_that_reading_of_glyphs_can_fail(monkeypatch):
    monkeypatch.setattr(pdf, "FONT_PACKAGES", ())
    monkeypatch.setattr(pdf, "_shown", lambda value, *_: value)
    assert any(is_missing(*sign) for sign in glyphs(reader(samples.notebook("北部", ("北部",)))))


def test_a_name_without_spaces_stays_inside_its_column():
    name = "W" * 60
    lines = "\n".join(page.extract_text() for page in reader(samples.notebook("North", (name,))).pages).split("\n")
    longest = max(len(found) for line in lines for found in re.findall(r"W+", line))
    assert 5 < longest < 50
    assert sum(len(found) for line in lines for found in re.findall(r"WW+", line)) >= 60


def test_letters_without_a_sign_are_boxes_and_named(monkeypatch):
    monkeypatch.setattr(pdf, "FONT_PACKAGES", ())
    nb = samples.notebook("北部 team", ("R-1",))
    said = text_of(nb)
    assert "□□team" in said
    assert "北部 team" in str(reader(nb).metadata.title)  # which no font draws
    assert "U+5317" in said and "U+90E8" in said


def test_a_font_of_ones_own_is_used(tmp_path, monkeypatch):
    """A folder named in the environment is searched; here it holds one of matplotlib's other fonts under a new name."""
    import matplotlib

    ttf = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "STIXGeneral.ttf"
    (tmp_path / "mine.ttf").write_bytes(ttf.read_bytes())
    letter = "\N{MATHEMATICAL BOLD CAPITAL A}"
    lacking = letter not in pdf._letters(pdf._font_folders())
    monkeypatch.setenv(pdf.FONTS_VARIABLE, str(tmp_path))
    assert "STIXGeneral" in pdf._engine(pdf._font_folders())[1]
    assert not lacking or letter in pdf._letters(pdf._font_folders())


def test_the_font_packages_hold_fonts_only_and_are_not_imported():
    assert len(pdf._installed()) == len(pdf.FONT_PACKAGES)
    code = "import sys; from analysis.reporting import pdf; pdf.get_ready(); print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "typst" in said and not set(pdf.FONT_PACKAGES) & set(said)


def test_without_one_nothing_outside_is_looked_at(monkeypatch):
    monkeypatch.setattr(pdf, "FONT_PACKAGES", ("no_such_font_package",))
    monkeypatch.delenv(pdf.FONTS_VARIABLE, raising=False)
    assert len(pdf._font_folders()) == 1 and "matplotlib" in pdf._font_folders()[0]


def test_the_files_date_is_the_reports_own():
    nb = new_notebook(cells=[samples.cell(blocks.Summary("North", "watch", "x", as_of="2026-11-01"))])
    assert reader(nb).metadata.creation_date.date().isoformat() == "2026-11-01"


def test_what_only_the_page_can_show_is_said():
    out = new_output("display_data", data={"text/html": "<table><tr><td>1</td></tr></table>"})
    said = text_of(new_notebook(cells=[new_code_cell("x", outputs=[out])]))
    assert flat("shown on the web page only") in said


def test_every_block_alone_can_be_set():
    for block in [*samples.report_blocks(), blocks.Card("x", blocks.grade_mark("X"), "y"), blocks.Points((), "x")]:
        assert pdf.export(new_notebook(cells=[samples.cell(block)])).startswith(b"%PDF")


def test_a_long_table_goes_over_pages_with_its_heading():
    table = blocks.Table(
        "Long", (blocks.Column("Rep"), blocks.Column("n", "", "right")), tuple((f"R-{i}", str(i)) for i in range(150))
    )
    found = reader(new_notebook(cells=[samples.cell(table)]))
    assert len(found.pages) > 1
    assert all("Rep" in p.extract_text() for p in found.pages)


def test_a_title_without_a_space_stays_on_the_page():
    name = "W" * 60
    page = reader(samples.notebook(name, (name,))).pages[0]
    ends = []

    def note(text, matrix, position, font, size):
        if text.count("W") > 1:
            ends.append(position[4] + 0.9 * size * text.count("W"))

    page.extract_text(visitor_text=note)
    assert ends and max(ends) < float(page.mediabox.width)
