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
