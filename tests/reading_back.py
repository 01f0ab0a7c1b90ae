"""Reads the numbers of a report back out of its page, its PDF and its notebook."""

from __future__ import annotations

import io
import re
import unicodedata
from typing import Any

NUMBER = re.compile(r"(?<![\w.,])[−-]?\d[\d,]*(?:\.\d+)?(?:%|[KMB]\b)?")


def amounts(text: str) -> set[str]:
    """Every number in a text as it is written, thousands and signs as they stand."""
    return set(NUMBER.findall(unicodedata.normalize("NFKC", text)))


def pdf_text(content: bytes) -> str:
    """The text of a PDF, ligatures and line breaks undone."""
    import pypdf

    pages = pypdf.PdfReader(io.BytesIO(content)).pages
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", " ".join(page.extract_text() for page in pages)))


def notebook_text(nb: Any) -> str:
    """What the blocks of an executed notebook say, as text."""
    from bs4 import BeautifulSoup

    shown = [o["data"].get("text/html", "") for cell in nb.cells for o in cell.get("outputs", ()) if "data" in o]
    return " ".join(BeautifulSoup(html, "html.parser").get_text(" ") for html in shown)


def disagreements(findings: Any, texts: dict[str, str], xlsx: bytes, currency: str = "EUR") -> list[str]:
    """Where a claim's amount is missing from a text, or a number in the workbook is not that of the findings."""
    from analysis import words

    found = []
    for row in findings[findings["grade"].isin(["A", "B"])].to_dict("records"):
        for name in ("effect", "conf_low", "conf_high"):
            shown = words.money(row[name], currency).removeprefix(f"{currency} ")
            found += [
                f"{where}: {row['activity']} {name} {shown}"
                for where, text in texts.items()
                if shown not in amounts(text)
            ]
    return found + unlike(findings, xlsx)


def unlike(findings: Any, xlsx: bytes) -> list[str]:
    """Where a number in the workbook is not that of the findings."""
    found, table = [], sheet(xlsx)
    for name in findings.select_dtypes("number").columns:
        for mine, theirs in zip(findings[name], table[name], strict=True):
            known = mine == mine and mine is not None
            if (theirs is None) == bool(known) or (
                known and abs(float(theirs) - float(mine)) > 1e-12 * abs(float(mine))
            ):
                found.append(f"xlsx: {name} {theirs} is not {mine}")
    return found


def table_rows(page: str) -> dict[str, set[str]]:
    """The numbers of every table of a page by its row's first cell; rows of one name in several tables together."""
    from bs4 import BeautifulSoup

    found: dict[str, set[str]] = {}
    for row in BeautifulSoup(page, "html.parser").select("tbody tr"):
        first, *others = (cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"]))
        found.setdefault(first, set()).update(amounts(" ".join(others)))
    return found


def sheet(content: bytes) -> dict[str, list[Any]]:
    """The first sheet of a workbook by column, units in the headings left out."""
    import openpyxl

    rows = list(openpyxl.load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True))
    names = [str(head).split(" [")[0] for head in rows[0]]
    return {name: [row[i] for row in rows[1:]] for i, name in enumerate(names)}
