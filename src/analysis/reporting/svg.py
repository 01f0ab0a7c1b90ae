"""A small drawing surface that writes SVG directly: lines, bars, dots and text that stays text.

Report figures are drawn from a handful of finished numbers, hundreds of times a batch. Written straight to SVG one
costs about a millisecond and three kilobytes, carries no ids that could clash on one page, takes its colours from
the page (light, dark, print), and has the same bytes under every version of every library. Text from data is
escaped here, once.
"""

import math
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from xml.etree import ElementTree

from analysis.errors import DataError
from analysis.reporting import theme

Place = Callable[[float], float]
TEXT_SIZE = 13.0
SMALL = 11.5
_NAMESPACE = "http://www.w3.org/2000/svg"
_ELEMENTS = {"svg", "g", "line", "rect", "circle", "path", "text", "title", "style"}
_ATTRIBUTES = {
    *("viewBox", "class", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "d", "rx"),
    *("text-anchor", "font-size", "font-weight", "stroke-width", "stroke-dasharray", "stroke-linecap", "fill"),
}


def plain(words: str) -> str:
    """`words` without the control and direction-override characters that no page and no XML may carry."""
    if words.isprintable():  # none of the categories below, none of the overrides, no tab or line break
        return words
    kept = (c if c not in "\t\r\n" else " " for c in words)
    return "".join(c for c in kept if unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co") and c not in _OVERRIDES)


_OVERRIDES = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"


def text_width(words: str, size: float = TEXT_SIZE) -> float:
    """About how wide `words` are drawn in the widest of the usual fonts, rather too wide than too narrow."""
    return size * sum(_em(c) for c in words)


_WIDE, _NARROW = frozenset("mwMW@%&…"), frozenset("iljtfrI.,:;'|!()[] ")
BOLD = 1.15  # how much wider heavy letters are


@cache
def _em(letter: str) -> float:
    """Width of one letter in em: East Asian characters one, combining marks none."""
    if unicodedata.combining(letter):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.02
    if letter in _WIDE:
        return 1.0
    if "\u0400" <= letter <= "\u04ff":  # Cyrillic letters are wider than Latin ones
        return 0.78 if letter.isupper() else 0.68
    return 0.38 if letter in _NARROW else 0.7 if letter.isupper() else 0.6


def fit(words: str, width: float, size: float = TEXT_SIZE) -> str:
    """`words`, cut with an ellipsis where they would be wider than `width`."""
    words = plain(words)
    if text_width(words, size) <= width:
        return words
    while words and text_width(words + "…", size) > width:
        words = words[:-1]
    return words.rstrip() + "…"


def scale(low: float, high: float, start: float, end: float) -> Place:
    """The straight line that takes `low` to `start` and `high` to `end`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round values (steps of 1, 2 or 5) inside low..high, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round((first + k) * step, 12) for k in range(math.floor((high - first * step) / step + 1e-9) + 1)]


def _n(value: float) -> str:
    shown = f"{value:.1f}".removesuffix(".0")
    return "0" if shown == "-0" else shown


class Canvas:
    """An SVG being drawn; coordinates in units of the view box, y downwards. Roles are the names of theme.LIGHT."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []

    def line(
        self, x1: float, y1: float, x2: float, y2: float, role: str = "grey", *, width: float = 1.0, dash: str = ""
    ) -> None:
        """A straight line; `dash` as in SVG (``"3 3"``)."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<line class="s-{role}" x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" '
            f'stroke-width="{width:g}"{dashed}/>'
        )

    def bar(self, x: float, y: float, width: float, height: float, role: str = "grey") -> None:
        """A filled rectangle; a negative width is drawn to the left."""
        x, width = min(x, x + width), abs(width)
        self._parts.append(
            f'<rect class="f-{role}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"/>'
        )

    def dot(self, x: float, y: float, radius: float = 5.0, role: str = "accent", *, hollow: bool = False) -> None:
        """A round mark; hollow ones show the paper inside."""
        fill = f'class="f-paper s-{role}" stroke-width="2"' if hollow else f'class="f-{role}"'
        self._parts.append(f'<circle {fill} cx="{_n(x)}" cy="{_n(y)}" r="{radius:g}"/>')

    def curve(self, points: Sequence[tuple[float, float]], role: str = "accent", *, width: float = 2.0) -> None:
        """Straight pieces through `points`."""
        self._parts.append(
            f'<path class="s-{role}" fill="none" stroke-width="{width:g}" d="{_path(points)}"/>' if points else ""
        )

    def area(self, points: Sequence[tuple[float, float]], role: str = "band") -> None:
        """The filled outline through `points`."""
        self._parts.append(f'<path class="f-{role}" d="{_path(points)}Z"/>' if points else "")

    def text(
        self,
        x: float,
        y: float,
        words: str,
        role: str = "ink",
        *,
        anchor: str = "start",
        size: float = TEXT_SIZE,
        bold: bool = False,
        room: float | None = None,
    ) -> None:
        """Text with its baseline at `y`; `room` is the width it must fit, the whole stays as the hover title."""
        shown = plain(words) if room is None else fit(words, room / BOLD if bold else room, size)
        title = f"<title>{escape(plain(words))}</title>" if shown != plain(words) else ""
        extra = ("" if anchor == "start" else f' text-anchor="{anchor}"') + (' font-weight="600"' if bold else "")
        self._parts.append(
            f'<text class="f-{role}" x="{_n(x)}" y="{_n(y)}" font-size="{size:g}"{extra}>{title}{escape(shown)}</text>'
        )

    def svg(self) -> str:
        """The drawing; its colours come from the page's classes."""
        head = f'<svg xmlns="{_NAMESPACE}" viewBox="0 0 {_n(self.width)} {_n(self.height)}">'
        return head + "".join(self._parts) + "</svg>"


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points)


def standalone(svg: str, font: str = "'DejaVu Sans'") -> str:
    """The drawing with the light palette inside, for places that have no page around it."""
    rules = f"<style>{theme.svg_rules()} text{{font-family:{font}}}</style>"
    head, mark, rest = svg.partition(">")
    return head + mark + rules + rest


def checked(svg: str) -> str:
    """`svg` if it holds nothing but what `Canvas` draws; DataError otherwise. No script, link or style passes."""
    if "<!" in svg or "<?" in svg:
        raise DataError("a figure carries a declaration; only drawings made by the workbench are shown on a page")
    try:
        root = ElementTree.fromstring(svg)  # noqa: S314 - no declaration, hence no entities
    except ElementTree.ParseError as error:
        raise DataError(f"a figure is not well-formed SVG: {error}") from None
    for element in root.iter():
        name = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        foreign = [a for a in element.attrib if a not in _ATTRIBUTES]
        if name not in _ELEMENTS - {"style"} or foreign:
            raise DataError(f"a figure holds <{name} {' '.join(foreign)}>, which no figure of the workbench draws")
    return svg
