"""A frame as a table block: caption and headings from the texts, cells as the reader's language writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Column, Table


def table(
    say: words.Voice,
    name: str,
    frame: pd.DataFrame,
    forms: Mapping[str, str],
    *,
    heads: Mapping[str, str] | None = None,
    caption: str = "caption",
    note: str = "",
    source: str = "",
    currency: str = "",
) -> Table:
    """The frame's columns in the order of `forms`; name: the section of texts that holds the caption and a heading each.

    forms: column -> text, code, date, share, money, number or count; a form may name a range: "share:conf_low:conf_high" shows
    the value with its likely range behind it. heads: headings that are no text of the section, by column.
    """
    given = heads or {}
    columns = tuple(
        Column(
            given.get(column) or say.text(f"{name}.{column}"),
            align="left" if form in ("text", "code", "date") else "right",
        )
        for column, form in forms.items()
    )
    rows = tuple(
        tuple(cell(say, row, column, form, currency) for column, form in forms.items())
        for row in frame.to_dict("records")
    )
    return Table(say.text(f"{name}.{caption}"), columns, rows, note=note, source=source)


def cell(say: words.Voice, row: Mapping[Any, Any], column: str, form: str, currency: str) -> str:
    """One cell: the value, with its range where the form names one."""
    kind, *bounds = form.split(":")
    shown = one(say, row[column], kind, currency)
    if not bounds or shown == say.none:
        return shown
    low, high = (one(say, row[bound], kind, currency) for bound in bounds)
    if say.none in (low, high):
        return words.text("number.no_range", {"value": shown}, locale=say.locale)
    return say.ranged(shown, low, high)


def one(say: words.Voice, value: Any, kind: str, currency: str = "") -> str:
    """One value as text; unknown is a dash, never zero."""
    if kind == "text":
        return say.none if value is None or value != value or value == "" else str(value)
    if kind == "code":
        return say.code(str(value))
    if kind == "date":
        return say.none if value is None or pd.isna(value) else say.date(value)
    if not words.is_known(value):
        return say.none
    if kind == "share":
        return say.share(float(value))
    if kind == "money":
        return say.money(words.significant(float(value), 3), currency)
    return say.number(float(value), decimals=0 if kind == "count" else 1)
