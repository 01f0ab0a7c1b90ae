"""What every figure shares: its words, its axis, its finished form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis import words
from analysis.errors import DataError
from analysis.reporting.blocks import Column, Figure, Table
from analysis.reporting.svg import BOLD, SMALL, Canvas, scale, text_width, ticks

WIDTH = 480.0
TITLE_LENGTH = 60
Format = Callable[[float], str]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal scale low..high drawn between two x positions."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The x position of `value`, kept inside the drawing."""
        return scale(self.low, self.high, self.start, self.end)(min(max(value, self.low), self.high))


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame as dictionaries by column name."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def require(frame: pd.DataFrame, columns: Sequence[str], figure: str) -> None:
    """Refuse a frame that lacks what the figure draws."""
    missing = [c for c in columns if c not in frame.columns]
    if missing:
        raise DataError(f"figure {figure!r}: columns {missing} are missing; found {list(frame.columns)}")


def amount(currency: str | None, *, as_share: bool = False, locale: str = "en") -> Format:
    """How a figure writes its values: share, money, or bare number."""
    if as_share:
        return lambda value: words.share(words.significant(value), locale=locale)
    return lambda value: words.money(value, currency, locale=locale)


def axis_label(value: float, *, as_share: bool, locale: str) -> str:
    """A tick's text: short, without the currency that the axis title names."""
    return words.share(value, locale=locale) if as_share else words.compact(value, locale=locale)


def draw_axis(canvas: Canvas, axis: Axis, top: float, bottom: float, *, as_share: bool, locale: str) -> None:
    """Faint lines at round values with their text below; zero as a strong line."""
    for value in ticks(axis.low, axis.high, 4):
        x = axis.at(value)
        zero = value == 0
        canvas.line(x, top, x, bottom, "ink" if zero else "faint", width=1.2 if zero else 1)
        canvas.text(
            x, bottom + 15, axis_label(value, as_share=as_share, locale=locale), "mute", anchor="middle", size=SMALL
        )


def name_label(canvas: Canvas, x: float, y: float, name: str, room: float, *, bold: bool = False) -> None:
    """A row's name, right-aligned before `x` around `y`: on one line, two or three, cut only beyond that."""
    fits = room / BOLD if bold else room
    first, second = halves(name, fits)
    if not second:
        canvas.text(x, y + 4.5, name, anchor="end", room=room, bold=bold)
        return
    second, third = halves(second, fits)
    up = 7.0 if third else 0.0
    canvas.text(x, y - 2.5 - up, first, anchor="end", bold=bold)
    canvas.text(x, y + 12 - up, second, anchor="end", room=room, bold=bold)
    if third:
        canvas.text(x, y + 26.5 - up, third, anchor="end", room=room, bold=bold)


def halves(name: str, room: float) -> tuple[str, str]:
    """`name` split at a space where one line is not enough; the first part fits, the second may be cut later."""
    parts = name.split(" ")
    if text_width(name) <= room or len(parts) == 1:
        return name, ""
    taken = max((i for i in range(1, len(parts)) if text_width(" ".join(parts[:i])) <= room), default=0)
    return (" ".join(parts[:taken]), " ".join(parts[taken:])) if taken else (name, "")


def whisker(canvas: Canvas, axis: Axis, y: float, low: float, high: float, role: str, *, width: float = 2.5) -> None:
    """An interval; an arrow head where it goes on beyond the scale."""
    start, end = axis.at(low), axis.at(high)
    canvas.line(start, y, end, y, role, width=width)
    if low < axis.low:
        canvas.curve([(start + 5, y - 4), (start, y), (start + 5, y + 4)], role, width=1.6)
    if high > axis.high:
        canvas.curve([(end - 5, y - 4), (end, y), (end - 5, y + 4)], role, width=1.6)


def table(caption: str, headers: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]]) -> Table:
    """The numbers behind a figure; `headers` are (heading, unit), all but the first column right-aligned."""
    columns = tuple(Column(h, unit, "left" if i == 0 else "right") for i, (h, unit) in enumerate(headers))
    return Table(headline(caption), columns, tuple(tuple(row) for row in rows))


def headline(title: str) -> str:
    """A title as it is shown: a capital first, at most 60 characters."""
    return words.shorten(words.capital(title), TITLE_LENGTH)


def finish(
    canvas: Canvas, title: str, *, alt: Sequence[str], numbers: Table, note: str = "", source: str = ""
) -> Figure:
    """The figure block; the title is cut to 60 characters, the alternative text carries title and numbers."""
    return Figure(
        title=headline(title),
        svg=canvas.svg(),
        alt=f"{title}. " + "; ".join(alt) + ".",
        note=note,
        source=source,
        table=numbers,
    )


def alt_row(name: str, value: str, low: str = "", high: str = "", word: str = "", *, locale: str = "en") -> str:
    """One mark of a figure in words."""
    key = "figure.alt_row" if word else "figure.alt_row_range" if low else "figure.alt_row_plain"
    return words.text(
        key, {"name": name, "value": value, "low": low, "high": high, "word": word.lower()}, locale=locale
    )
