"""An executed notebook as the document a leader reads: the blocks its cells displayed and its own prose.

Code, logs and plain-text output never enter. A cell tagged `notebook-only` stays in the notebook. Prose is read by
a Markdown parser into plain nodes, so raw HTML inside it is text like everything else. The web page and the PDF are
both made from this one document.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from analysis import words
from analysis.reporting.blocks import MIME

HIDE_TAG = "notebook-only"
_PICTURES = ("image/png", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class Document:
    """Title block, blocks before the first section, the rest, and the sections' (id, text)."""

    heading: dict[str, Any]
    lead: tuple[dict[str, Any], ...]
    body: tuple[dict[str, Any], ...]
    contents: tuple[tuple[str, str], ...]
    summary: dict[str, Any] | None

    @property
    def title(self) -> str:
        return str(self.heading["text"])

    @property
    def lang(self) -> str:
        return str(self.heading.get("lang") or "en").replace("_", "-")

    @property
    def direction(self) -> str:
        from babel import Locale

        return str(Locale.parse(self.lang, sep="-").text_direction)

    @property
    def blocks(self) -> tuple[dict[str, Any], ...]:
        return self.lead + self.body


def read_document(nb: Mapping[str, Any]) -> Document:
    """The document in a notebook (an nbformat node or its JSON)."""
    found = list(_blocks(nb, _language(nb)))
    heading = next((b for b in found if b["block"] == "title"), None) or _own_title(found, nb)
    summary = next((b for b in found if b["block"] == "summary"), None)
    shown = [b for b in found if b["block"] not in ("title", "summary")]
    contents = _number(shown)
    first = next((i for i, b in enumerate(shown) if _opens_section(b)), len(shown))
    return Document(heading, tuple(shown[:first]), tuple(shown[first:]), tuple(contents), summary)


def _own_title(found: list[dict[str, Any]], nb: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook without a title block: its first top heading, which then leaves the prose."""
    for block in found:
        for node in block.get("nodes", ()):
            if node["kind"] == "heading" and node["level"] == 1:
                block["nodes"].remove(node)
                return {"block": "title", "text": _text_of(node["runs"]), "lines": [], "lang": "en"}
    title = (nb.get("metadata") or {}).get("title")
    return {"block": "title", "text": str(title or words.text("page.report")), "lines": [], "lang": "en"}


def _opens_section(block: Mapping[str, Any]) -> bool:
    return any(level <= 2 for _, level in _headings(block))


def _headings(block: Mapping[str, Any]) -> list[tuple[dict[str, Any], int]]:
    """The headings in a block with their wanted levels: the page's own is 1, sections 2, cards and lists 3."""
    kind = block["block"]
    if kind == "group":
        return [found for item in block["items"] for found in _headings(item)]
    if kind == "section":
        return [(block, 2)]  # type: ignore[list-item]
    if kind == "card" or (kind == "points" and block["title"]):
        return [(block, 3)]  # type: ignore[list-item]
    return [(n, max(2, min(n["level"], 3))) for n in block.get("nodes", ()) if n["kind"] == "heading"]


def _number(blocks: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Give every heading a level that skips none, and every section an id made of its place only, never of data."""
    contents: list[tuple[str, str]] = []
    above = 1
    for block in blocks:
        for heading, wanted in _headings(block):
            above = heading["level"] = min(wanted, above + 1)
            if wanted == 2:
                heading["id"] = f"s{len(contents) + 1}"
                contents.append((heading["id"], heading["text"] if "text" in heading else _text_of(heading["runs"])))
    return contents


def _language(nb: Mapping[str, Any]) -> str:
    """The locale that the title block names."""
    outputs = (output for cell in nb["cells"] for output in cell.get("outputs", ()))
    shown = ((output.get("data") or {}).get(MIME) for output in outputs)
    return next((str(block["lang"]) for block in shown if block and block["block"] == "title"), words.ENGLISH)


def _own_words(cell: Mapping[str, Any], locale: str) -> str:
    """A text cell's Markdown: as it stands in English, else the entry of its id in that language's texts."""
    key = f"templates.{cell.get('id')}"
    english = locale.split("_")[0] == words.ENGLISH
    return _joined(cell["source"]) if english or not words.has(key, locale) else words.text(key, locale=locale)


def _blocks(nb: Mapping[str, Any], locale: str) -> Iterator[dict[str, Any]]:
    for cell in nb["cells"]:
        if HIDE_TAG in cell.get("metadata", {}).get("tags", ()):
            continue
        if cell["cell_type"] == "markdown":
            nodes = prose(_own_words(cell, locale))
            if nodes:
                yield {"block": "prose", "nodes": nodes}
        elif cell["cell_type"] == "code":
            for output in cell.get("outputs", ()):
                yield from _shown(output, locale)


def _shown(output: Mapping[str, Any], locale: str) -> Iterator[dict[str, Any]]:
    """What one output contributes: a block, a picture, reduced foreign HTML; of an error only that there was one."""
    if output["output_type"] == "error":
        yield {"block": "note", "text": words.text("page.failed_cell", locale=locale), "title": "", "tone": "warn"}
    data = output.get("data") or {}
    if MIME in data:
        yield _own(data[MIME])
        return
    for kind in _PICTURES:
        if kind in data:
            alt = (output.get("metadata") or {}).get(kind, {}).get("alt", "")
            yield {"block": "picture", "type": kind, "data": _base64(kind, _joined(data[kind])), "alt": alt}
            return
    if "text/html" in data and "application/javascript" not in data:
        yield {
            "block": "foreign",
            "html": _joined(data["text/html"]),
            "label": words.text("page.scroll_hint", locale=locale),
        }


def _own(data: Mapping[str, Any]) -> dict[str, Any]:
    """A copy to number headings in: the notebook is read, not changed."""
    return dict(data) | ({"items": [_own(i) for i in data["items"]]} if data["block"] == "group" else {})


def _base64(kind: str, content: str) -> str:
    from base64 import b64encode

    return "".join(content.split()) if kind == "image/png" else b64encode(content.encode()).decode()


def _joined(source: str | list[str]) -> str:
    return source if isinstance(source, str) else "".join(source)


def prose(markdown: str) -> list[dict[str, Any]]:
    """Markdown as nodes: headings, paragraphs, lists; each a list of runs (text, strong, emphasis, code)."""
    return [node for token in _parser()(markdown) for node in _node(token)]


@cache
def _parser() -> Callable[[str], Any]:
    import mistune

    return mistune.create_markdown(renderer=None)


def _node(token: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = token["type"]
    if kind == "heading":
        yield {"kind": "heading", "level": token["attrs"]["level"], "runs": _runs(token["children"])}
    elif kind in ("paragraph", "block_text"):
        yield {"kind": "paragraph", "runs": _runs(token["children"])}
    elif kind == "list":
        items = [_item(item) for item in token["children"]]
        yield {"kind": "list", "ordered": token["attrs"].get("ordered", False), "items": items}
    elif kind == "block_quote":
        for child in token["children"]:
            yield from _node(child)
    elif kind in ("block_code", "block_html"):
        yield {"kind": "paragraph", "runs": [{"kind": "code", "text": token["raw"].rstrip()}]}


def _item(token: dict[str, Any]) -> list[dict[str, Any]]:
    return [run for part in token["children"] for run in _runs(part.get("children", []))]


def _runs(tokens: list[dict[str, Any]]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for token in tokens:
        kind = token["type"]
        if kind in ("strong", "emphasis"):
            runs.append({"kind": kind, "runs": _runs(token["children"])})
        elif kind == "codespan":
            runs.append({"kind": "code", "text": token["raw"]})
        elif kind in ("softbreak", "linebreak"):
            runs.append({"kind": "text", "text": " "})
        elif "children" in token:
            runs.extend(_runs(token["children"]))
        else:
            runs.append({"kind": "text", "text": token.get("raw", "")})
    return runs


def _text_of(runs: list[dict[str, Any]]) -> str:
    return "".join(_text_of(r["runs"]) if "runs" in r else r["text"] for r in runs)
