"""Shares side by side on one scale, each with its likely range: sources, response classes, the sides of a hand-off."""

from collections.abc import Sequence

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure, Table
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas

_LEFT, _RIGHT, _ROW = 150.0, 82.0, 34.0


def rates(
    frame: pd.DataFrame,
    *,
    title: str,
    first: str,
    note: str = "",
    reference: float | None = None,
    source: str = "",
    locale: str = "en",
) -> Figure:
    """A share per row as a dot on its likely range, in the order given.

    frame: `name`, `value`, `low`, `high` (shares, 0 and up; not known: the row says so), optional `n` (how many it rests
    on). title: the finding in words. first: heading of the names in the table below. reference: a share drawn as a line
    across, which `note` must explain. Rows whose range lies clear of the reference are accented.
    """
    base.require(frame, ["name", "value", "low", "high"], "rates")
    rows = base.records(frame)
    return base.finish(
        _draw(rows, reference, locale),
        title,
        alt=[_alt(row, locale) for row in rows],
        numbers=_table(rows, title, first, locale),
        note=note,
        source=source,
    )


def _share(value: object, locale: str) -> str:
    none = words.text("number.none", locale=locale)
    return words.share(value, locale=locale) if words.is_known(value) else none


def _has_range(row: base.Row) -> bool:
    return words.is_known(row["low"]) and words.is_known(row["high"])


def _alt(row: base.Row, locale: str) -> str:
    if not words.is_known(row["value"]):
        return base.alt_row(str(row["name"]), words.text("number.unknown", locale=locale), locale=locale)
    low, high = (_share(row[key], locale) if _has_range(row) else "" for key in ("low", "high"))
    return base.alt_row(str(row["name"]), _share(row["value"], locale), low, high, locale=locale)


def _table(rows: Sequence[base.Row], title: str, first: str, locale: str) -> Table:
    counted = bool(rows) and "n" in rows[0]
    headers = [(first, ""), *((words.text(f"table.{key}", locale=locale), "") for key in ("rate", "low", "high"))]
    body = [[str(row["name"]), *(_share(row[key], locale) for key in ("value", "low", "high"))] for row in rows]
    if counted:
        headers.append((words.text("table.of", locale=locale), ""))
        body = [
            [*cells, words.number(row["n"], decimals=0, locale=locale)] for cells, row in zip(body, rows, strict=True)
        ]
    return base.table(title, headers, body)


def _draw(rows: Sequence[base.Row], reference: float | None, locale: str) -> Canvas:
    bottom = 6 + _ROW * max(len(rows), 1)
    canvas = Canvas(base.WIDTH, bottom + 22)
    known = [float(row[key]) for row in rows for key in ("value", "high") if words.is_known(row[key])]
    top = max([*known, reference or 0.0, 0.01])
    axis = base.Axis(0.0, min(top * 1.05, 1.0) if top <= 1 else top * 1.05, _LEFT, base.WIDTH - _RIGHT)
    base.draw_axis(canvas, axis, 4, bottom, as_share=True, locale=locale)
    if reference is not None:
        canvas.line(axis.at(reference), 4, axis.at(reference), bottom, "ink", width=1.4, dash="5 3")
    for i, row in enumerate(rows):
        _draw_row(canvas, axis, 6 + _ROW * (i + 0.5), row, reference, locale)
    return canvas


def _draw_row(canvas: Canvas, axis: base.Axis, y: float, row: base.Row, reference: float | None, locale: str) -> None:
    clear = reference is not None and _has_range(row) and not row["low"] <= reference <= row["high"]
    role = "accent" if clear else "grey"
    base.name_label(canvas, _LEFT - 12, y, str(row["name"]), _LEFT - 14, bold=clear)
    x, room = base.WIDTH - _RIGHT + 12, _RIGHT - 12
    canvas.text(x, y - 2.5 if "n" in row else y + 4.5, _share(row["value"], locale), bold=clear, room=room)
    if "n" in row:
        of = words.text("figure.funnel_of", {"n": words.number(row["n"], decimals=0, locale=locale)}, locale=locale)
        canvas.text(x, y + 12, of, "mute", size=SMALL, room=room)
    if not words.is_known(row["value"]):
        return
    if _has_range(row):
        base.whisker(canvas, axis, y, float(row["low"]), float(row["high"]), role)
    canvas.dot(axis.at(float(row["value"])), y, 5.0, role)
