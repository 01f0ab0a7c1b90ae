"""Every text of the reports stands in texts/*.toml, where another language can be put beside it."""

import ast
import json
import re
import tomllib

import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from report_samples import cell

from analysis import words
from analysis.reporting import blocks, cards
from analysis.reporting.document import read_document
from analysis.words import catalogue

ROOMS = ("team", "leadership", "alignment", "managing", "research", "figures")
PAGES = (
    "data_health",
    "cards",
    "moves",
    "standing",
    "index",
    "mail",
    "company_desk",
    "document",
    "page",
    "blocks",
    "pdf",
)
FLOORS = ("evidence", "management")
IDENTIFIERS = {  # values that other rooms write into their frames and files; they are looked up, never shown
    "all sources", "all together", "not told", "revenue, additive", "not confirmed", "weaker than claimed",
    "stronger than claimed", "too early", "DejaVu Sans", "Report page",
    "revenue, multiplicative", "rep_id kind direction outcome contact_level account_id opportunity_id",
    "occurred_on duration_s is_meaningful", "too few peers to compare", "above the team", "below the team",
    "like the team", "own conversions", "never contacted", "first of a month",
}  # fmt: skip
SHOWN_BY = {"Answer", "Note", "Points", "Table", "Column", "Tile", "Title", "Section", "empty", "finish", "set_title",
            "set_ylabel", "set_xlabel"}  # fmt: skip
SENTENCE = re.compile(r"[^\W\d_]{2,}[^\W\d_]*,? +[^\W\d_]{2,}")
MARKUP = re.compile(r"[<>{};\\]|^[MQ]+ |=|\.\+|\(\?")


def modules(root):
    """Every module that makes something to read; places.py only says what is wrong with a folder."""
    home = root / "src" / "analysis" / "reporting"
    rooms = [path for room in ROOMS for path in sorted((home / room).glob("*.py")) if path.stem != "places"]
    floors = [path for floor in FLOORS for path in sorted((root / "src" / "analysis" / floor).glob("*.py"))]
    panel = root / "src" / "analysis" / "panel"
    return [*rooms, *(home / f"{name}.py" for name in PAGES), *floors, panel / "build.py", panel / "ready.py"]


def skipped(tree):
    """Ids of the strings that no reader of a report sees: docstrings, errors for a programmer, representations, keys."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) or (isinstance(node, ast.FunctionDef) and node.name == "__repr__"):
            found |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(id(node.value))
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "shared":  # by what a result is kept
            found |= {id(inner) for inner in ast.walk(node.args[0])}
    return found


def sentences(source):
    """(line, text) of English that a module says itself: two words or more anywhere, one word handed to what shows it."""
    tree = ast.parse(source)
    unseen = skipped(tree)
    said = []
    for node in ast.walk(tree):
        if id(node) in unseen:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            known = node.value in IDENTIFIERS or words.has(f"codes.{node.value.replace(' ', '_')}")
            if SENTENCE.search(node.value) and not MARKUP.search(node.value) and not known:
                said.append((node.lineno, node.value))
        elif isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            handed = node.args[:2] if called == "Tile" else node.args[:1]
            said += [
                (part.lineno, part.value)
                for part in handed
                if called in SHOWN_BY and isinstance(part, ast.Constant) and str(part.value).strip() and part.value != 0
            ]
    return sorted(set(said))


def test_no_section_says_anything_that_is_not_in_the_texts(root):
    found = {str(path.relative_to(root)): said for path in modules(root) if (said := sentences(path.read_text()))}
    assert not found


@pytest.mark.parametrize(
    "planted",
    [
        'Note("Nothing is recorded here.")',
        'x = f"Leads from {source} convert best"',
        'Column("Remark")',
        'axis.set_title("Leads")',
        'text += " It depends" + " on the coach"',
        'heads = [("n", "Deals with an ask", "count")]',
        'f"{n} reps of the team, {m} of them new"',
    ],
)
def test_an_english_text_in_a_section_is_seen(planted):
    assert sentences(f"def section():\n    {planted}\n")


def refusals_in_code(source):
    """Lines that refuse with English of their own: a refusal is shown where the answer would stand."""
    raised = [node.exc for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)]
    return [
        call.lineno
        for call in raised
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "Refused"
        and isinstance(call.args[0], ast.Constant | ast.JoinedStr)
    ]


def test_what_management_refuses_is_said_in_the_texts(root):
    paths = sorted((root / "src" / "analysis" / "management").glob("*.py"))
    assert not {path.name: found for path in paths if (found := refusals_in_code(path.read_text()))}
    assert refusals_in_code('raise Refused(f"{n} deals are too few")') == [1]


@pytest.mark.parametrize(
    "allowed",
    ['"""One sentence about it."""', 'raise DataError("this column is missing")', 'x = "share:low:high"', 'Note("")'],
)
def test_what_no_reader_sees_is_left_alone(allowed):
    assert not sentences(f"def section():\n    {allowed}\n")


def keys(source):
    """Keys that a module asks its voice or its desk for, as far as they are written out"""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("text", "plural"):
            first = node.args[0] if node.args else None
            options = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            yield from (o.value for o in options if isinstance(o, ast.Constant) and isinstance(o.value, str))


SECTIONS = {"managing": "managing", "research": "research", "data_health": "health", "team": "team",
            "leadership": "leadership", "alignment": "alignment"}  # fmt: skip


BORROWED = {"managing": ("alignment.",)}  # notebook 7 tells of response times in the alignment report's words


@pytest.mark.parametrize("room", SECTIONS)
def test_every_key_that_is_asked_for_is_there(root, room):
    asked = {key for path in modules(root) if room in (path.parent.name, path.stem) for key in keys(path.read_text())}
    assert len(asked) > 10
    assert not {
        key
        for key in asked
        if not any(words.has(f"{place}{key}") for place in (f"{SECTIONS[room]}.", "", *BORROWED.get(room, ())))
    }


def floor_keys(root, floor):
    """(section, key) of every text that a floor says of itself, as far as the key is written out."""
    for path in sorted((root / "src" / "analysis" / floor).glob("*.py")):
        source = path.read_text()
        if bound := re.search(r'^SAY = (?:words\.)?Voice\("(.+)"\)', source, re.MULTILINE):
            named = set(keys(source)) | set(re.findall(r'reason\("(\w+)"', source))
            yield from ((bound[1], key) for key in named)


WRITTEN_BY_PERIOD = re.compile(r"_(week|month)$")


@pytest.mark.parametrize("floor", FLOORS)
def test_every_text_of_a_floor_is_there_and_none_is_left_over(root, floor):
    asked = set(floor_keys(root, floor))
    assert len(asked) > 20 and not {pair for pair in asked if not words.has(".".join(pair))}
    sources = {path.stem: path.read_text() for path in (root / "src" / "analysis" / floor).glob("*.py")}
    written = set(re.findall(r'"(\w+)"', "".join(sources.values())))
    for section, texts in words.entry(floor).items():
        known = {key for place, key in asked if place == f"{floor}.{section}"} | written
        left = {key for key in texts if key not in known and not WRITTEN_BY_PERIOD.search(key)}
        assert not {key for key in left if not key.startswith("vetoed_")}


def template_texts(root):
    for path in sorted((root / "notebooks" / "reports").glob("*.ipynb")):
        for each in json.loads(path.read_text(encoding="utf-8"))["cells"][1:]:
            if each["cell_type"] == "markdown":
                yield each["id"], "".join(each["source"])


def test_the_templates_own_text_is_in_the_texts_too(root):
    listed = tomllib.loads((root / "src/analysis/texts/en.toml").read_text(encoding="utf-8"))["templates"]
    assert dict(template_texts(root)) == listed


@pytest.fixture
def latin(monkeypatch):
    """A second language, as a file beside en.toml would give it."""
    made = {"templates": {"team-result": "## Res\n\nQuid actum sit."}, "page": {"failed_cell": "Pars deest."},
            "managing": {"levers": {"caption": "Quid opus sit"}},
            "evidence": {"reasons": {"clusters": "Pauci ferunt: {effective} aequales."},
                         "refused": {"wins": "{wins} tantum; {needed} desunt."},
                         "warnings": {"logging_break": {"one": "x", "other": "{activity} ({n}) mutata {week}."}}},
            "finding": {"unclear": "{Activities} et {outcome} simul."}}  # fmt: skip
    own = catalogue._texts
    monkeypatch.setattr(catalogue, "_texts", lambda name: made if name == "la" else own(name))
    catalogue._entry.cache_clear()
    yield "la"
    catalogue._entry.cache_clear()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Few reps carry it: as much evidence as 6.4 equal reps.", "Pauci ferunt: 6.4 aequales."),
        ("12 wins in all; at least 30 are needed.", "12 wins tantum; 30 desunt."),
        (
            "Logged demo changed by a factor of 2.1 for 7 reps around 2026-03-02: the time before and after is not compared.",
            "demo (7) mutata 2026-03-02.",
        ),
        ("Every check passed.", "Every check passed."),  # not translated
        ("Something an analyst wrote.", "Something an analyst wrote."),
    ],
)
def test_what_a_study_wrote_is_told_in_the_readers_language(latin, said, told):
    assert words.retold(said, locale=latin) == told
    assert words.retold(said, locale="en_GB") == said


def test_every_reason_of_a_grade_is_recognised(latin, monkeypatch):
    """Each English text, its gaps filled, is found again as itself: no text hides behind another one."""
    everything = {"evidence": catalogue.entry("evidence")}
    marked = json.loads(
        json.dumps(everything), object_hook=lambda t: {k: f"§{v}" if isinstance(v, str) else v for k, v in t.items()}
    )
    own = catalogue._texts
    monkeypatch.setattr(catalogue, "_texts", lambda name: marked if name == "la" else own(name))
    catalogue._entry.cache_clear()
    for section in ("reasons", "refused", "warnings", "shapes"):
        for key, text in everything["evidence"][section].items():
            for form in text.values() if isinstance(text, dict) else [text]:
                filled = re.sub(r"\{\w+\}", "7 weeks", form)
                assert words.retold(filled, locale="la") == f"§{filled}", (section, key)


def test_the_card_of_a_finding_speaks_the_readers_language(latin):
    row = {
        "activity": "demo",
        "grade": "C",
        "outcome": "wins",
        "reason": "Few reps carry it: as much evidence as 6.4 equal reps.",
    }
    made = cards.evidence_card(row, locale=latin)
    assert made.reason == "Pauci ferunt: 6.4 aequales." and made.sentence == "Demos et wins simul."


def headed(lang):
    title = cell(blocks.Title("Team", lang=lang))
    result, pipeline = (new_markdown_cell(f"## {name.title()}", id=f"team-{name}") for name in ("result", "pipeline"))
    return read_document(new_notebook(cells=[title, result, pipeline])).contents


def test_another_language_reaches_the_headings_of_the_template(latin):
    assert [text for _, text in headed(latin)] == ["Res", "Pipeline"]  # what is not translated stays English
    assert [text for _, text in headed("en_GB")] == ["Result", "Pipeline"]


def test_a_voice_speaks_the_language_it_is_given(latin):
    assert words.Voice("managing", latin).text("levers.caption") == "Quid opus sit"
    assert words.Voice("managing", latin).text("levers.note") == words.Voice("managing").text("levers.note")
    german = words.Voice("managing", "de")
    assert german.number(1234.5, decimals=1) == "1.234,5" and german.share(0.125, decimals=1) == "12,5\xa0%"
