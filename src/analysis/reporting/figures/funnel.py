"""The way from attempt to order: how many of each step reach the next, with intervals."""

from typing import Any

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas

_LEFT, _RIGHT, _ROW = 208.0, 82.0, 42.0


def funnel(steps: pd.DataFrame, *, source: str = "", locale: str = "en") -> Figure:
    """Conversion of each step into the next, with its likely range and, where given, the peers' rate.

    steps: one row a step in order: `step` (name), `rate` (share of the step before that got here, 0..1), `low`,
    `high`, `n` (how many started this step); optional `peer` (share). The step that loses most is accented.
    """
    base.require(steps, ["step", "rate", "low", "high", "n"], "funnel")
    rows = base.records(steps)
    known = [i for i, r in enumerate(rows) if words.is_known(r["rate"])]
    worst = min(known, key=lambda i: rows[i]["rate"]) if known else None
    title = words.text("figure.funnel_none", locale=locale)
    if worst is not None:
        title = words.text(
            "figure.funnel_title",
            {"step": _within(rows[worst]["step"]), "share": _share(rows[worst]["rate"], locale)},
            locale=locale,
        )
    note = words.text("figure.funnel_note", locale=locale)
    if "peer" in steps:
        note += " " + words.text("figure.funnel_peer", locale=locale)
    return base.finish(
        _draw(rows, worst, locale),
        title,
        alt=[_alt(r, locale) for r in rows],
        numbers=_table(rows, title, locale),
        note=note,
        source=source,
    )


def _within(step: str) -> str:
    """A step's name inside a sentence."""
    return step[:1].lower() + step[1:]


def _share(value: Any, locale: str) -> str:
    return words.share(value, locale=locale) if words.is_known(value) else words.text("number.none", locale=locale)


def _alt(row: base.Row, locale: str) -> str:
    if not words.is_known(row["rate"]):
        return base.alt_row(row["step"], words.text("number.unknown", locale=locale), locale=locale)
    low, high = _share(row["low"], locale), _share(row["high"], locale)
    return base.alt_row(row["step"], _share(row["rate"], locale), low, high, locale=locale)


def _table(rows: list[base.Row], title: str, locale: str) -> Any:
    keys = ["rate", "low", "high"] + (["peer"] if rows and "peer" in rows[0] else [])
    headers = [(words.text("table.step", locale=locale), "")]
    headers += [(words.text(f"table.{k}", locale=locale), "") for k in (*keys, "of")]
    body = [[r["step"], *(_share(r[k], locale) for k in keys), words.number(r["n"], locale=locale)] for r in rows]
    return base.table(title, headers, body)


def _draw(rows: list[base.Row], worst: int | None, locale: str) -> Canvas:
    bottom = 6 + _ROW * max(len(rows), 1)
    canvas = Canvas(base.WIDTH, bottom + 22)
    top = max((float(r[k]) for r in rows for k in ("rate", "high", "peer") if words.is_known(r.get(k))), default=1.0)
    axis = base.Axis(0.0, min(1.0, top * 1.05), _LEFT, base.WIDTH - _RIGHT)
    base.draw_axis(canvas, axis, 4, bottom, as_share=True, locale=locale)
    for i, row in enumerate(rows):
        y = 6 + _ROW * (i + 0.5)
        base.name_label(canvas, _LEFT - 12, y, row["step"], _LEFT - 14, bold=i == worst)
        x, room = base.WIDTH - _RIGHT + 12, _RIGHT - 12
        canvas.text(x, y - 2.5, _share(row["rate"], locale), bold=True, room=room)
        of = words.text("figure.funnel_of", {"n": words.number(row["n"], locale=locale)}, locale=locale)
        canvas.text(x, y + 12, of, "mute", size=SMALL, room=room)
        if not words.is_known(row["rate"]):
            continue
        canvas.bar(_LEFT, y - 10, axis.at(row["rate"]) - _LEFT, 20, "accent" if i == worst else "grey")
        if words.is_known(row["low"]) and words.is_known(row["high"]):
            base.whisker(canvas, axis, y, float(row["low"]), float(row["high"]), "ink", width=1.6)
        if words.is_known(row.get("peer")):
            at = axis.at(float(row["peer"]))
            canvas.line(at, y - 15, at, y + 15, "paper", width=5)
            canvas.line(at, y - 15, at, y + 15, "ink", width=2, dash="2 2")
    return canvas
