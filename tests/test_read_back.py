"""One source of numbers: page, PDF, notebook, workbook and findings of a report agree, read back from the finished files."""

import io
from dataclasses import replace
from functools import cache

import company_samples as samples
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from reading_back import amounts, disagreements, notebook_text, pdf_text, table_rows, unlike

from analysis import words
from analysis.crm import read
from analysis.evidence.findings import findings_csv
from analysis.management import handoff, leads
from analysis.management.book import book_from
from analysis.management.response import response_effect
from analysis.reporting import exports, pdf
from analysis.reporting.pack import unpack
from analysis.reporting.page import PageExporter
from analysis.reporting.sources import DataFolder


def team_files():
    """The pack of one team, from the study that is already made."""
    source = DataFolder(samples.data("whole"), study=lambda _: samples.studied("whole")[2])
    try:
        source.study_files(lambda _: None)
        return source.pack(min(source.teams()))
    finally:
        source.close()


@cache
def finished(name):
    """(findings of a report's scope, its texts by where they stand, its workbook, its page)."""
    if name != "team":
        opened, nb = samples.pack("whole"), samples.report(f"{name}_report", "whole")
        findings = opened.findings[opened.findings["scope"] == "company"]
    else:
        files = team_files()
        folder = samples.written(files, samples.home() / "pack-of-a-team")
        opened, nb = unpack(files), samples.carried_out("reports/team_report", f"pack = {str(folder)!r}")
        findings = opened.findings[opened.findings["scope"] == "team"]
    findings = findings.reset_index(drop=True)
    page = PageExporter().export(nb)
    said = BeautifulSoup(page, "html.parser").get_text(" ")
    texts = {"page": said, "pdf": pdf_text(pdf.export(nb)), "notebook": notebook_text(nb)}
    fields = {"findings": exports.findings_fields("EUR")}
    return findings, texts, exports.xlsx_bytes({"findings": findings}, fields), page


@pytest.fixture(params=["leadership", "alignment", "team"])
def made(request):
    """Every report."""
    return finished(request.param)


@pytest.fixture(params=["leadership", "team"])
def claiming(request):
    """The reports that show claims; the alignment report shows what management counts, which is read back below."""
    return finished(request.param)


def test_page_pdf_notebook_workbook_and_findings_agree(claiming):
    findings, texts, xlsx, _ = claiming
    assert findings["grade"].isin(["A", "B"]).any()
    assert disagreements(findings, texts, xlsx) == []


def test_the_workbook_holds_the_findings(made):
    findings, _, xlsx, _ = made
    assert unlike(findings, xlsx) == []


def test_every_number_of_the_page_is_in_the_pdf_and_in_the_notebook(made):
    _, texts, _, _ = made
    assert len(amounts(texts["page"])) > 50
    assert amounts(texts["page"]) - amounts(texts["pdf"]) == set()
    assert amounts(texts["page"]) - amounts(texts["notebook"]) <= {"1"}  # the page numbers nothing but its own links


def test_csv_and_parquet_hold_the_findings_unrounded(made):
    findings, *_ = made
    numbers = findings.select_dtypes("number").columns
    csv = pd.read_csv(io.BytesIO(findings_csv(findings)))
    table = pd.read_parquet(io.BytesIO(exports.parquet_bytes(findings, None)))
    for name in numbers:
        assert csv[name].astype("float64").equals(findings[name].astype("float64"))
        assert table[name].astype("float64").equals(findings[name].astype("float64"))


@pytest.mark.parametrize("where", ["page", "pdf", "notebook"])
def test_one_changed_number_is_seen(claiming, where):
    findings, texts, xlsx, _ = claiming
    claim = findings[findings["grade"].isin(["A", "B"])].iloc[0]
    moved = findings.assign(effect=findings["effect"].where(findings.index != claim.name, claim["effect"] * 7.37))
    seen = disagreements(moved, {where: texts[where]}, xlsx)
    assert any(line.startswith(where) for line in seen) and any(line.startswith("xlsx: effect") for line in seen)


def management_says(book):
    """(a row's first cell, a number as it is written) of what management computes from the data for the alignment report."""
    volume = leads.lead_volume(book, "quarter", 5)
    for row in volume[volume["complete"]].to_dict("records"):
        yield row["source"].capitalize(), f"{row['qualified']:,}"
    for row in leads.lead_conversion(book).iloc[1:].to_dict("records"):
        yield from (
            (row["source"].capitalize(), words.share(row[name])) for name in ("conversion", "conf_low", "conf_high")
        )
    for row in leads.campaigns(book).head(12).to_dict("records"):
        yield from ((row["name"], words.compact(row[name])) for name in ("cost", "closed"))
        yield row["name"], f"{row['qualified']:,}"
        yield row["name"], words.number(row["return_closed"], decimals=1)
    for row in leads.inbound(book).to_dict("records"):
        first = words.date(row["period_start"]) + ("" if row["complete"] else " (running)")
        yield from ((first, f"{row[name]:,}") for name in ("created", "created_inbound"))
        yield from ((first, words.compact(row[name])) for name in ("closed", "closed_inbound"))
        yield first, words.share(row["share"])
    handed = handoff.hand_off(book)
    for row in handed[handed["group_kind"] == "everybody"].to_dict("records"):
        title = row["title"]
        yield from (
            (title, shown) for shown in (f"{row['n']:,}", words.share(row["within"]), words.share(row["naive"]))
        )
    for row in handoff.no_feedback_by_partner(book).to_dict("records"):
        yield from ((row["partner_id"], f"{row[name]:,}") for name in ("due", "without"))
    for row in response_effect(book).bins.to_dict("records"):
        yield row["response"], f"{row['n']:,}"
        yield from ((row["response"], words.share(row[name])) for name in ("share", "conf_low", "conf_high"))


def misstated(book, texts, page):
    """What management says that a row of the page, the PDF or the notebook does not say."""
    rows, said = table_rows(page), {name: amounts(text) for name, text in texts.items()}
    for first, number in management_says(book):
        if number not in rows.get(first, ()):
            yield f"row {first}: {number}"
        yield from (f"{where}: {number}" for where, numbers in said.items() if number not in numbers)


def test_the_alignment_report_says_what_management_computes_from_the_data():
    _, texts, _, page = finished("alignment")
    book = book_from(read(samples.data("whole")))
    assert len(list(management_says(book))) > 150
    assert list(misstated(book, texts, page)) == []


def test_one_lead_more_is_seen():
    """One qualified lead, one deal and one answer less in the data, and the report no longer agrees with them."""
    _, texts, _, page = finished("alignment")
    book = book_from(read(samples.data("whole")))
    changed = book.tables["leads"].copy()
    known = changed.index[changed["qualified_at"].notna() & changed["partner_id"].notna()]
    changed.loc[known[:200], "qualified_at"] = pd.NaT
    seen = list(misstated(replace(book, tables={**book.tables, "leads": changed}), texts, page))
    assert any(line.startswith("row Partner") for line in seen) and len(seen) < 200
