"""What a report is made of: frozen blocks that a notebook cell displays.

Each block gives a notebook two views of the same content: HTML for the analyst's screen and a small JSON under the
type `application/vnd.workbench.block+json`, from which the web page, the PDF and the tests are made. Numbers are
formatted once, when the block is built, so that no two of these can disagree. Text is kept as text: it is escaped
once, when HTML is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from analysis import words
from analysis.errors import DataError

MIME = "application/vnd.workbench.block+json"
TONES = ("plain", "accent", "good", "warn", "bad", "mute")


class Block:
    """Base of all blocks: the JSON of its fields, and the notebook's views of it."""

    __slots__ = ()
    name: ClassVar[str] = ""
    shows_all: ClassVar[bool] = True  # a notebook need not look for more than `_repr_mimebundle_` gives

    def data(self) -> dict[str, Any]:
        """The block as JSON-ready plain data, `block` naming its kind."""
        return {"block": self.name} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        from analysis.reporting.html import notebook_html

        data = self.data()
        return {"text/html": notebook_html(data), MIME: data, "text/plain": f"[{self.name}]"}


def _plain(value: Any) -> Any:
    if isinstance(value, Block):
        return value.data()
    if isinstance(value, Mark):
        return {"word": value.word, "shape": value.shape, "tone": value.tone}
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, Column):
        return {"header": value.header, "unit": value.unit, "align": value.align}
    return value


@dataclass(frozen=True, slots=True)
class Mark:
    """A status or grade as a word and a shape, never as a colour alone."""

    word: str
    shape: str
    tone: str = "plain"

    def __post_init__(self) -> None:
        if self.tone not in TONES:
            raise DataError(f"mark {self.word!r}: tone {self.tone!r} is none of {', '.join(TONES)}")


def grade_mark(grade: str, *, locale: str = "en") -> Mark:
    """The mark of a grade: ``● Predicts``."""
    tone = {"A": "accent", "B": "accent", "C": "warn"}.get(grade, "mute")
    return Mark(words.grade_word(grade, locale=locale), words.grade_shape(grade), tone)


STATUS_SHAPES = {
    "on_track": ("●", "good"),
    "watch": ("▲", "warn"),
    "behind": ("◆", "bad"),
    "unknown": ("○", "mute"),
    "stale": ("◔", "warn"),
    "failed": ("✕", "bad"),
    "refused": ("✕", "warn"),
}


def status_mark(status: str, *, locale: str = "en") -> Mark:
    """The mark of a team's status: ``◆ Behind``."""
    if status not in STATUS_SHAPES:
        raise DataError(f"status {status!r} is none of {', '.join(STATUS_SHAPES)}")
    shape, tone = STATUS_SHAPES[status]
    return Mark(words.text(f"status.{status}", locale=locale), shape, tone)


@dataclass(frozen=True, slots=True)
class Title(Block):
    """The page's one heading, with the lines under it: team, dates, what it rests on."""

    name: ClassVar[str] = "title"
    text: str
    lines: tuple[str, ...] = ()
    lang: str = "en"


@dataclass(frozen=True, slots=True)
class Section(Block):
    """A heading inside the page, with one sentence that says what the section answers."""

    name: ClassVar[str] = "section"
    text: str
    intro: str = ""


@dataclass(frozen=True, slots=True)
class Answer(Block):
    """The answer first: one sentence, what supports it, one thing to do next."""

    name: ClassVar[str] = "answer"
    sentence: str
    details: tuple[str, ...] = ()
    next_step: str = ""
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Tile(Block):
    """One number with its name; `note` says against what."""

    name: ClassVar[str] = "tile"
    label: str
    value: str
    note: str = ""
    mark: Mark | None = None


@dataclass(frozen=True, slots=True)
class Tiles(Block):
    """Numbers side by side, all of one height."""

    name: ClassVar[str] = "tiles"
    items: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: heading, unit (shown in the heading), alignment."""

    header: str
    unit: str = ""
    align: str = "left"


@dataclass(frozen=True, slots=True)
class Table(Block):
    """Rows of finished text; the first cell of a row is its heading. Cells are texts or marks."""

    name: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | Mark, ...], ...]
    note: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise DataError(f"table {self.caption!r}: row {number} has {len(row)} cells, not {len(self.columns)}")


@dataclass(frozen=True, slots=True)
class Figure(Block):
    """A drawing with its finding as title, the numbers as alternative text and as a table, source below."""

    name: ClassVar[str] = "figure"
    title: str
    svg: str
    alt: str
    note: str = ""
    source: str = ""
    table: Table | None = None

    def __post_init__(self) -> None:
        if not self.alt.strip():
            raise DataError(f"figure {self.title!r} has no alternative text")


@dataclass(frozen=True, slots=True)
class Check(Block):
    """One check of a finding in words; `passed` None means it was not run."""

    name: ClassVar[str] = "check"
    question: str
    passed: bool | None
    found: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Card(Block):
    """The evidence on one activity: the sentence, the facts, the checks, the reason, what would change our mind."""

    name: ClassVar[str] = "card"
    heading: str
    mark: Mark
    sentence: str
    facts: tuple[tuple[str, str], ...] = ()
    checks: tuple[Check, ...] = ()
    reason: str = ""
    change_mind: str = ""
    warning: str = ""
    labels: tuple[str, ...] = field(
        default_factory=lambda: tuple(words.text(f"page.{key}") for key in ("checks", "reason", "change_mind"))
    )


@dataclass(frozen=True, slots=True)
class Note(Block):
    """A remark set apart; tone 'warn' for what must not be overlooked."""

    name: ClassVar[str] = "note"
    text: str
    title: str = ""
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Points(Block):
    """A list of short statements."""

    name: ClassVar[str] = "points"
    items: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Group(Block):
    """Blocks side by side on a wide screen, one below the other on a narrow one."""

    name: ClassVar[str] = "group"
    items: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Summary(Block):
    """What the index and the e-mail say of a report; shown nowhere on the page itself.

    status: a key of STATUS_SHAPES. attainment: share of the objective reached, None when not known.
    trend: recent values, oldest first, in `trend_unit`. evidence: count of claims, for sorting.
    """

    name: ClassVar[str] = "summary"
    team: str
    status: str
    answer: str
    result: str = ""
    attainment: float | None = None
    trend: tuple[float, ...] = ()
    trend_unit: str = ""
    evidence: str = ""
    claims: int = 0
    next_step: str = ""
    limits: str = ""
    as_of: str = ""
    lang: str = "en"

    def __post_init__(self) -> None:
        status_mark(self.status)


@dataclass(frozen=True, slots=True)
class Prose(Block):
    """Text of the notebook itself: headings, paragraphs and lists (see document.prose)."""

    name: ClassVar[str] = "prose"
    nodes: list[dict[str, Any]] = field(default_factory=list)


def not_recorded(metric: str, missing: str | Sequence[str], *, locale: str = "en") -> Note:
    """The form a section takes when its data are absent: names the table (or ``table.column``) that is missing."""
    names = [missing] if isinstance(missing, str) else list(missing)
    values = {"metric": metric, "missing": words.listed(names, locale=locale)}
    title = words.text("page.not_recorded", locale=locale)
    return Note(words.text("page.not_recorded_text", values, locale=locale), title, "mute")
