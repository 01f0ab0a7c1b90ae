"""One source of numbers: page, PDF, notebook, workbook and findings of a report agree, read back from the finished files."""

import io

import company_samples as samples
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from reading_back import amounts, disagreements, notebook_text, pdf_text

from analysis.evidence.findings import findings_csv
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


@pytest.fixture(scope="module", params=["leadership", "team"])
def made(request, tmp_path_factory):
    """(findings a report shows, its texts by where they stand, its workbook)."""
    if request.param == "leadership":
        opened, nb = samples.pack("whole"), samples.report("leadership_report", "whole")
        findings = opened.findings[opened.findings["scope"] == "company"]
    else:
        files = team_files()
        folder = samples.written(files, tmp_path_factory.mktemp("pack"))
        opened, nb = unpack(files), samples.carried_out("reports/team_report", f"pack = {str(folder)!r}")
        findings = opened.findings[opened.findings["scope"] == "team"]
    findings = findings.reset_index(drop=True)
    page = BeautifulSoup(PageExporter().export(nb), "html.parser").get_text(" ")
    texts = {"page": page, "pdf": pdf_text(pdf.export(nb)), "notebook": notebook_text(nb)}
    fields = {"findings": exports.findings_fields("EUR")}
    return findings, texts, exports.xlsx_bytes({"findings": findings}, fields)


def test_page_pdf_notebook_workbook_and_findings_agree(made):
    findings, texts, xlsx = made
    assert findings["grade"].isin(["A", "B"]).any()
    assert disagreements(findings, texts, xlsx) == []


def test_every_number_of_the_page_is_in_the_pdf_and_in_the_notebook(made):
    _, texts, _ = made
    assert amounts(texts["page"]) - amounts(texts["pdf"]) == set()
    assert amounts(texts["page"]) - amounts(texts["notebook"]) <= {"1"}  # the page numbers nothing but its own links


def test_csv_and_parquet_hold_the_findings_unrounded(made):
    findings, _, _ = made
    numbers = findings.select_dtypes("number").columns
    csv = pd.read_csv(io.BytesIO(findings_csv(findings)))
    table = pd.read_parquet(io.BytesIO(exports.parquet_bytes(findings, None)))
    for name in numbers:
        assert csv[name].astype("float64").equals(findings[name].astype("float64"))
        assert table[name].astype("float64").equals(findings[name].astype("float64"))


@pytest.mark.parametrize("where", ["page", "pdf", "notebook"])
def test_one_changed_number_is_seen(made, where):
    findings, texts, xlsx = made
    claim = findings[findings["grade"].isin(["A", "B"])].iloc[0]
    moved = findings.assign(effect=findings["effect"].where(findings.index != claim.name, claim["effect"] * 7.37))
    seen = disagreements(moved, {where: texts[where]}, xlsx)
    assert any(line.startswith(where) for line in seen) and any(line.startswith("xlsx: effect") for line in seen)
