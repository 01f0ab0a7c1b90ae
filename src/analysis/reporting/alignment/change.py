"""What changed since the quarter before: the same questions asked of the last thirteen weeks and of those before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.management.book import Book, NotRecorded
from analysis.reporting.alignment.desk import EVERYBODY, SIDES, Desk
from analysis.reporting.blocks import Block, Column, Note, Table

WEEKS = 13


class Measured(NamedTuple):
    """A share with its 95 % interval."""

    value: float
    low: float
    high: float


def changes(desk: Desk) -> Block:
    """Conversion and both sides of the hand-off, then and now, each with its range and whether they differ."""
    if isinstance(desk.book, NotRecorded):
        return desk.told(desk.book, desk.text("changes")) or Note("")
    now, then = asked(desk, desk.book), asked(desk, desk.book.rewind(desk.book.as_of - pd.Timedelta(weeks=WEEKS)))
    both = [name for name in now if name in then]
    if not both:
        return Note(desk.text("nothing_to_compare"), desk.text("changes"))
    rows = tuple((desk.text(name), shown(desk, then[name]), shown(desk, now[name]), verdict(desk, then[name], now[name])) for name in both)  # fmt: skip
    columns = tuple(
        Column(desk.text(name), align="left" if name in ("measure", "verdict") else "right")
        for name in ("measure", "then", "now", "verdict")
    )
    return Table(desk.text("changes_caption", {"weeks": WEEKS}), columns, rows, note=desk.text("changes_note"))


def asked(desk: Desk, book: Book) -> dict[str, Measured]:
    """The shares that a book can answer for its last WEEKS weeks, by text key."""
    from analysis.errors import AnalysisError
    from analysis.management.handoff import hand_off
    from analysis.management.leads import lead_conversion

    def attempt(question: Callable[[Book, int], Any]) -> Any:
        try:
            return question(book, WEEKS)
        except AnalysisError:
            return NotRecorded(())

    rates, sides = attempt(lead_conversion), attempt(hand_off)
    found: dict[str, Measured] = {}
    if isinstance(rates, pd.DataFrame):
        found["conversion"] = measured(rates.iloc[0], "conversion")
    if isinstance(sides, pd.DataFrame) and "group_kind" in sides:
        whole = sides[sides["group_kind"].eq(EVERYBODY)].dropna(subset=["within"]).set_index("side")
        found |= {f"side_{side}": measured(whole.loc[side], "within") for side in SIDES if side in whole.index}
    return found


def measured(row: Any, name: str) -> Measured:
    """A share and its bounds from a row."""
    return Measured(float(row[name]), float(row["conf_low"]), float(row["conf_high"]))


def shown(desk: Desk, found: Measured) -> str:
    """A share with its range."""
    return desk.ranged(found.value, found.low, found.high, desk.share)


def verdict(desk: Desk, then: Measured, now: Measured) -> str:
    """Higher or lower where the difference is more than chance (95 %, the two intervals combined), else unclear.

    The interval of a difference of independent estimates from their own bounds: Newcombe (1998), method 10.
    """
    gap = now.value - then.value
    low = gap - np.hypot(now.value - now.low, then.high - then.value)
    high = gap + np.hypot(now.high - now.value, then.value - then.low)
    return desk.text("verdict_higher" if low > 0 else "verdict_lower" if high < 0 else "verdict_unclear")
