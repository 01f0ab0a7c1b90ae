"""Does one more still help? The fitted response of each activity, drawn and read."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.evidence.shapes import shape_sentence, shapes
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import Book


def shape_curves(book: Book) -> pd.DataFrame:
    """The response of the activities worth a closer look, and of every one that saturates.

    Columns: activity, count (a period, kept up over the window), effect, low, high (log points against none),
    turning_point (NaN where none is told), sentence. Empty when the company was refused.
    """
    columns = ["activity", "count", "effect", "low", "high", "turning_point", "sentence"]
    if not book.answered:
        return pd.DataFrame(columns=columns)
    parts = []
    for shape in shapes(book.company):
        if shape.response is None or not (shape.saturates or shape.activity in book.shown):
            continue
        parts.append(
            shape.response.curve.assign(
                activity=shape.activity,
                turning_point=shape.response.turning_point if shape.saturates else float("nan"),
                sentence=shape_sentence(shape, book.panel.period),
            )[columns]
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def shape_reading(book: Book) -> Note:
    """Which activities stop helping, which answer straight, and for which no shape can be told."""
    told = {str(kind): found for kind, found in book.details["shapes"].items()}
    bent = [
        words.retold(str(found["sentence"]), locale=book.say.locale) for found in told.values() if found["sentence"]
    ]
    said = list(bent)
    for shape in ("straight", "none", "not told"):
        named = book.say.together([kind for kind, found in told.items() if found["shape"] == shape])
        if named:
            sentence = book.say.text(f"shapes.{shape.replace(' ', '_')}", {"activities": named})
            said.append(words.capital(sentence))
    return Note(" ".join(said) or book.say.text("shapes.nothing"))
