"""Would other, equally defensible choices have said the same? One activity's link under each, and all of them tested at once."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.specifications import COLUMNS, CurveTest, curve_test, specification_curve
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import Book


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


def specification_reading(frame: pd.DataFrame, test: CurveTest | None = None) -> Note:
    """How many of the choices point the same way, their middle, and how often chance alone looks like that."""
    if frame.empty:
        return Note("No other choices can be tried: the company's regression was refused.")
    middle = float(frame["estimate"].median())
    same = int((np.sign(frame["estimate"]) == np.sign(middle)).sum())
    clear = int(((frame["low"] > 0) | (frame["high"] < 0)).sum())
    kinds = words.kinds_name(str(frame["activity"].iloc[0]))
    said = (
        f"For {kinds}, {same} of {len(frame)} equivalent choices point the same way; the middle one is "
        f"{words.share(words.significant(middle))} per extra one, and {clear} are clear on their own."
    )
    return Note(said if test is None else f"{said} {_tested(test)}")


def _tested(test: CurveTest) -> str:
    if not test.copies:
        return "All of them together could not be tested."
    counts = [round(p * (test.copies + 1)) - 1 for p in (test.p_median, test.p_largest)]
    return (
        f"Of {test.copies} copies of the data with the timing lost, {_copies(counts[0])} a middle choice as far from nought, and "
        f"{_copies(counts[1])} a single choice as clear as the clearest here."
    )


def _copies(count: int) -> str:
    return {0: "none shows", 1: "one shows"}.get(count, f"{count} show")
