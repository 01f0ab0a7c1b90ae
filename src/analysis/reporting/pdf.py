"""The PDF of a report: the same blocks as the web page, set by typst, tagged for screen readers.

The notebook's blocks travel as JSON through `sys_inputs`, so no name in them can be read as markup. The fonts are those
of installed packages, never the machine's, and the time stamp is the report's own date: equal input gives equal bytes.
Latin, Greek, Cyrillic, Arabic and Hebrew come with matplotlib, the other scripts from FONT_PACKAGES. A character that
none of them has is shown as a box and listed at the end, unless a folder named in WORKBENCH_FONTS has a font with it.
"""

import datetime as dt
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from analysis import words
from analysis.reporting import svg, theme
from analysis.reporting.document import Document, read_document
from analysis.reporting.html import template_text

FONT = "DejaVu Sans"
FONTS_VARIABLE = "WORKBENCH_FONTS"
FONT_PACKAGES = (  # both hold nothing but Noto fonts under the SIL Open Font License
    "noto_cjk_sans_jp_regular",  # Chinese, Japanese and Korean, in one weight
    "manimgx_fonts",  # eighteen more scripts, among them those of India, Thai, Georgian and Ethiopic; emoji
)
FIRST_DAY = dt.date(2020, 1, 1)
BOX = "□"
_LONG_CELL = 24
_WIDEST = 4


def export(nb: Mapping[str, Any], *, locale: str = "en") -> bytes:
    """The PDF/UA-1 of an executed notebook."""
    document = read_document(nb)
    return _compiled(_content(document, locale), _stamp(document))


def _stamp(document: Document) -> dt.datetime:
    """The report's own date as the file's, so that the clock is not in it."""
    as_of = (document.summary or {}).get("as_of")
    day = dt.date.fromisoformat(as_of) if as_of else FIRST_DAY
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def get_ready() -> None:
    """Read the fonts and build the compiler, without setting anything: typst's threads do not outlive a fork."""
    _engine(_font_folders())
    _letters(_font_folders())


def _compiled(content: Mapping[str, Any], stamp: dt.datetime) -> bytes:
    compiler, _ = _engine(_font_folders())
    inputs = {"document": json.dumps(content, ensure_ascii=False), "colours": json.dumps(dict(theme.LIGHT))}
    made = compiler.compile(
        template_text("report.typ").encode(), format="pdf", sys_inputs=inputs, pdf_standards=["ua-1"], timestamp=stamp
    )
    return bytes(made)


def _font_folders() -> tuple[str, ...]:
    import matplotlib

    own = [folder for folder in os.environ.get(FONTS_VARIABLE, "").split(os.pathsep) if folder]
    return (*own, *_installed(), str(Path(matplotlib.get_data_path()) / "fonts" / "ttf"))


def _installed() -> tuple[str, ...]:
    """Folders of the font packages that are installed; they are looked for, never imported."""
    found = (find_spec(name) for name in FONT_PACKAGES)
    return tuple(place for spec in found if spec is not None for place in spec.submodule_search_locations or ())


@cache
def _engine(folders: tuple[str, ...]) -> tuple[Any, tuple[str, ...]]:
    """The compiler and its font families, ours first; built once a process."""
    import typst

    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=list(folders))
    extra = sorted({f.family for f in fonts.fonts() if f.path and not _is_ours(f.path, folders)})
    return typst.Compiler(font_paths=fonts, ignore_system_fonts=True), (FONT, *extra)


def _is_ours(path: str, folders: Sequence[str]) -> bool:
    return Path(path).is_relative_to(folders[-1])


@cache
def _letters(folders: tuple[str, ...]) -> frozenset[str]:
    """Every character that the fonts in use can show."""
    from matplotlib.ft2font import FT2Font

    files = [Path(folders[-1]) / "DejaVuSans.ttf"]
    files += [
        p for f in folders[:-1] for p in sorted(Path(f).rglob("*")) if p.suffix.lower() in (".ttf", ".otf", ".ttc")
    ]
    return frozenset(chr(code) for file in files for code in FT2Font(str(file)).get_charmap())


def _content(document: Document, locale: str) -> dict[str, Any]:
    folders = _font_folders()
    missing: set[str] = set()
    content = {
        "title": document.title,
        "author": "",
        "lines": document.heading.get("lines", []),
        "lang": document.lang.split("-")[0],
        "fonts": list(_engine(folders)[1]),
        "blocks": [_block(b, locale) for b in document.blocks],
        "tables": list(_tables(document.blocks)),
        "words": {
            "next_step": words.text("page.next_step", locale=locale),
            "numbers": words.text("page.table_of_all", locale=locale),
            "made_by": words.text("page.made_by", locale=locale),
        },
    }
    shown = _shown(content, _letters(folders), missing)
    characters = " ".join(f"U+{ord(c):04X}" for c in sorted(missing))
    note = words.text("page.glyphs", {"characters": characters}, locale=locale) if missing else ""
    # The name in the file's properties is read by programs, which need no font for it.
    return {**shown, "missing": note, "name": document.title}


def _block(block: Mapping[str, Any], locale: str) -> dict[str, Any]:
    """A block as the template takes it: drawings with their colours inside, tables with column widths."""
    kind = block["block"]
    if kind == "figure":
        return {**block, "svg": svg.standalone(svg.checked(block["svg"]), f"'{FONT}'"), "table": None}
    if kind == "group":
        return {**block, "items": [_block(b, locale) for b in block["items"]]}
    if kind == "table":
        return {**block, "widths": _widths(block)}
    if kind in ("picture", "foreign"):
        return {"block": "note", "tone": "plain", "title": "", "text": words.text("page.only_web", locale=locale)}
    return dict(block)


def _widths(block: Mapping[str, Any]) -> list[int]:
    """0 for columns as wide as their content; for those whose text must wrap their part of what is left."""
    longest = [0] * len(block["columns"])
    for row in block["rows"]:
        for i, cell in enumerate(row):
            longest[i] = max(longest[i], len(cell["word"] if isinstance(cell, dict) else str(cell)))
    return [min(-(-n // _LONG_CELL), _WIDEST) if n > _LONG_CELL else 0 for n in longest]


def _tables(blocks: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The tables behind the figures, for the end of the PDF."""
    for block in blocks:
        if block["block"] == "group":
            yield from _tables(block["items"])
        elif block["block"] == "figure" and block["table"]:
            yield {**block["table"], "widths": _widths(block["table"])}


def _shown(value: Any, letters: frozenset[str], missing: set[str]) -> Any:
    """`value` with every character that has no sign in the fonts replaced by a box and noted in `missing`."""
    if isinstance(value, str):
        clean = svg.plain(value)
        lacking = {c for c in set(clean) - letters if not c.isspace()}
        missing |= lacking
        return "".join(BOX if c in lacking else c for c in clean) if lacking else clean
    if isinstance(value, dict):
        return {k: _shown(v, letters, missing) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(v, letters, missing) for v in value]
    return value
