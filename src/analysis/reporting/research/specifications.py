"""Would other, equally defensible choices have said the same? One activity's link under each, and all of them tested at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.specifications import COLUMNS, CurveTest, curve_test, specification_curve
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import SAY, Book


def specifications(book: Book, activity: str = "") -> pd.DataFrame:
    """The link of one activity (default the surest) under every combination of equivalent choices, smallest first.

    See analysis.evidence.specifications.specification_curve. Empty when the company was refused.
    """
    chosen = _chosen(book, activity)
    if not chosen:
        return pd.DataFrame(columns=COLUMNS)
    return specification_curve(book.panel, book.company, chosen)


def specification_test(book: Book, activity: str = "", copies: int = 199) -> CurveTest | None:
    """The whole curve of that activity against rotated copies of the data; None when the company was refused."""
    chosen = _chosen(book, activity)
    return curve_test(book.panel, book.company, chosen, copies=copies, seed=book.seed) if chosen else None


def _chosen(book: Book, activity: str) -> str:
    chosen = activity or (book.shown[0] if book.shown else "")
    return chosen if book.answered and chosen in book.company.activities else ""


def specification_reading(frame: pd.DataFrame, test: CurveTest | None = None, say: words.Voice = SAY) -> Note:
    """How many of the choices point the same way, their middle, and how often chance alone looks like that."""
    if frame.empty:
        return Note(say.text("specifications.refused"))
    middle = float(frame["estimate"].median())
    same = int((np.sign(frame["estimate"]) == np.sign(middle)).sum())
    clear = int(((frame["low"] > 0) | (frame["high"] < 0)).sum())
    values = {
        "activities": say.kinds(str(frame["activity"].iloc[0])),
        "same": same,
        "all": len(frame),
        "middle": say.share(words.significant(middle)),
        "clear": clear,
    }
    said = say.text("specifications.said", values)
    return Note(said if test is None else f"{said} {_tested(test, say)}")


def _tested(test: CurveTest, say: words.Voice) -> str:
    if not test.copies:
        return say.text("specifications.untested")
    middle, largest = (_copies(round(p * (test.copies + 1)) - 1, say) for p in (test.p_median, test.p_largest))
    return say.text("specifications.tested", {"copies": test.copies, "middle": middle, "largest": largest})


def _copies(count: int, say: words.Voice) -> str:
    return say.plural("specifications.copies", count) if count else say.text("specifications.no_copies")
