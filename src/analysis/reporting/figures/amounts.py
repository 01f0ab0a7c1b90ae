"""Amounts against what is needed: activity volume against the goal, pipeline against the gap."""

from typing import Any

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas

_LEFT, _RIGHT = 138.0, 118.0
_ROW = 44.0


def volume(activities: pd.DataFrame, *, period: str = "week", source: str = "", locale: str = "en") -> Figure:
    """How much of each activity is done per rep, beside what the goal needs.

    activities: `activity` (kind) or `name`, `actual` per rep and period; optional `need`, `need_low`, `need_high`.
    Activities differ in size by a hundred times, so each bar is drawn as a share of its own need; without any need
    recorded, bars show the counts themselves.
    """
    base.require(activities, ["actual"], "volume")
    frame = activities.copy()
    if "name" not in frame:
        frame["name"] = [words.capital(words.kinds_name(k, locale=locale)) for k in frame["activity"]]
    has_need = "need" in frame and bool(frame["need"].notna().any())
    frame["share"] = frame["actual"] / frame["need"] if has_need else frame["actual"]
    frame = frame.sort_values("share", kind="stable", ascending=has_need, na_position="last")
    rows = base.records(frame)
    canvas = _draw_volume(rows, has_need, locale)
    title = _volume_title(rows, has_need, locale)
    per = words.text(f"figure.per_rep_{period}", locale=locale)
    columns = ["actual"] + [c for c in ("need", "need_low", "need_high") if has_need and c in frame]
    heads = [(words.capital(words.text(f"figure.{_HEADS[c]}", locale=locale)), per) for c in columns]
    body = [[r["name"], *(_count(r[c], locale) for c in columns)] for r in rows]
    return base.finish(
        canvas,
        title,
        alt=[base.alt_row(r["name"], _said(r, has_need, locale), locale=locale) for r in rows],
        numbers=base.table(title, [(words.text("table.activity", locale=locale), ""), *heads], body),
        note=_volume_note(rows, has_need, per, locale),
        source=source,
    )


_HEADS = {"actual": "now", "need": "need", "need_low": "need_low", "need_high": "need_high"}


def _count(value: Any, locale: str) -> str:
    if not words.is_known(value):
        return words.text("number.none", locale=locale)
    shown = words.significant(float(value), 2)
    return words.number(shown, decimals=1 if 0.1 <= abs(shown) < 10 else None, locale=locale)


def _said(row: base.Row, has_need: bool, locale: str) -> str:
    said = f"{_count(row['actual'], locale)}"
    if has_need and words.is_known(row["need"]):
        said += f", {words.text('figure.need', locale=locale)} {_count(row['need'], locale)}"
        if words.is_known(row.get("need_low")):
            bounds = {"low": _count(row["need_low"], locale), "high": _count(row["need_high"], locale)}
            said += f" ({words.text('number.range', bounds, locale=locale)})"
    return said


def _volume_title(rows: list[base.Row], has_need: bool, locale: str) -> str:
    if not has_need:
        return words.text("figure.volume_unknown", locale=locale)
    if not _short(rows):
        known = all(words.is_known(row["need"]) for row in rows)
        return words.text("figure.volume_enough" if known else "figure.volume_enough_known", locale=locale)
    return words.text("figure.volume_short", {"Activities": rows[0]["name"]}, locale=locale)


def _volume_note(rows: list[base.Row], has_need: bool, per: str, locale: str) -> str:
    said = [words.text("figure.volume_note" if has_need else "figure.volume_note_plain", {"per": per}, locale=locale)]
    if has_need and any(words.is_known(row.get("need_low")) for row in rows):
        said.append(words.text("figure.volume_range", locale=locale))
    return " ".join(said)


def _short(rows: list[base.Row]) -> bool:
    """Whether the first row, the furthest below its need, is below it by what the figure shows."""
    if not rows or not words.is_known(rows[0]["share"]) or rows[0]["share"] >= 1:
        return False
    return words.significant(float(rows[0]["actual"])) != words.significant(float(rows[0]["need"]))


def _draw_volume(rows: list[base.Row], has_need: bool, locale: str) -> Canvas:
    bottom = 8 + _ROW * max(len(rows), 1)
    canvas = Canvas(base.WIDTH, bottom + (24 if has_need else 4))
    shares = [r["share"] for r in rows if words.is_known(r["share"])]
    highs = [r["need_high"] / r["need"] for r in rows if has_need and words.is_known(r.get("need_high"))]
    top = min(
        max([*shares, *(highs if has_need else []), 1.0 if has_need else 1e-9]), 2.5 if has_need else float("inf")
    )
    axis = base.Axis(0.0, top * 1.03, _LEFT, base.WIDTH - _RIGHT)
    if has_need:
        canvas.line(axis.at(1.0), 4, axis.at(1.0), bottom, "ink", width=1.5)
        label = words.text("figure.need_line", locale=locale)
        canvas.text(axis.at(1.0), bottom + 15, label, "mute", anchor="middle", size=SMALL)
    worst = next(
        (i for i, r in enumerate(rows) if has_need and words.is_known(r["share"]) and r["share"] < 0.995), None
    )
    for i, row in enumerate(rows):
        _volume_row(canvas, axis, 8 + _ROW * (i + 0.5), row, has_need, i == worst, locale)
    canvas.line(_LEFT, 4, _LEFT, bottom, "ink", width=1.2)
    return canvas


def _volume_row(
    canvas: Canvas, axis: base.Axis, y: float, row: base.Row, has_need: bool, worst: bool, locale: str
) -> None:
    base.name_label(canvas, _LEFT - 12, y, row["name"], _LEFT - 14, bold=worst)
    x, room = base.WIDTH - _RIGHT + 12, _RIGHT - 12
    if words.is_known(row["share"]):
        canvas.bar(_LEFT, y - 9, axis.at(row["share"]) - _LEFT, 18, "accent" if worst else "grey")
    if has_need and words.is_known(row.get("need_low")) and words.is_known(row["need"]):
        base.whisker(canvas, axis, y, row["need_low"] / row["need"], row["need_high"] / row["need"], "ink", width=1.6)
    canvas.text(x, y + (-2.5 if has_need else 4.5), _count(row["actual"], locale), bold=True, room=room)
    if has_need:
        need = words.text("figure.need_unknown", locale=locale)
        if words.is_known(row["need"]):
            need = f"{words.text('figure.need', locale=locale)} {_count(row['need'], locale)}"
        canvas.text(x, y + 12, need, "mute", size=SMALL, room=room)


def pipeline(
    amounts: pd.DataFrame,
    *,
    currency: str | None = None,
    gap: float | None = None,
    source: str = "",
    locale: str = "en",
) -> Figure:
    """What is in the pipeline, beside what is still missing to the objective.

    amounts: `name`, `value`; optional `low`, `high` (likely range), in currency. gap: what the objective still
    lacks; None when no objective is recorded. The first row is the open pipeline.
    """
    base.require(amounts, ["name", "value"], "pipeline")
    rows = base.records(amounts)
    canvas = _draw_pipeline(rows, gap, currency, locale)
    title = _pipeline_title(rows, gap, currency, locale)
    headers = [(words.text("table.name", locale=locale), "")]
    shown = [k for k in ("value", "low", "high") if any(words.is_known(r.get(k)) for r in rows)] or ["value"]
    headers += [(words.text(f"table.{k}", locale=locale), words.currency_code(currency)) for k in shown]
    none = words.text("number.none", locale=locale)
    body = [
        [
            r["name"],
            *(words.money(r[k], None, exact=True) if words.is_known(r.get(k)) else none for k in shown),
        ]
        for r in rows
    ]
    return base.finish(
        canvas,
        title,
        alt=[_pipeline_alt(r, currency, locale) for r in rows],
        numbers=base.table(title, headers, body),
        note=words.text("figure.pipeline_note", locale=locale),
        source=source,
    )


def _exact(value: Any, locale: str) -> str:
    known = words.is_known(value)
    return words.money(value, None, exact=True, locale=locale) if known else words.text("number.none", locale=locale)


def _pipeline_title(rows: list[base.Row], gap: float | None, currency: str | None, locale: str) -> str:
    value = float(rows[0]["value"]) if rows and words.is_known(rows[0]["value"]) else 0.0
    if gap is not None and gap > 0:
        if value >= gap:
            cover = words.number(value / gap, decimals=1, locale=locale)
            return words.text("figure.pipeline_enough", {"cover": cover}, locale=locale)
        cover = words.share(value / gap, decimals=0, locale=locale)
        return words.text("figure.pipeline_short", {"cover": cover}, locale=locale)
    key = "figure.pipeline_unknown" if gap is None else "figure.pipeline_reached"
    return words.text(key, {"value": words.money(value, currency, short=True, locale=locale)}, locale=locale)


def _pipeline_alt(row: base.Row, currency: str | None, locale: str) -> str:
    shown = {k: words.money(row.get(k), currency, locale=locale) for k in ("value", "low", "high")}
    if not words.is_known(row.get("low")):
        return base.alt_row(row["name"], shown["value"], locale=locale)
    return base.alt_row(row["name"], shown["value"], shown["low"], shown["high"], locale=locale)


def _draw_pipeline(rows: list[base.Row], gap: float | None, currency: str | None, locale: str) -> Canvas:
    bottom = 8 + 38.0 * max(len(rows), 1)
    canvas = Canvas(base.WIDTH, bottom + 24)
    values = [float(r[k]) for r in rows for k in ("value", "high") if words.is_known(r.get(k))]
    axis = base.Axis(0.0, max([*values, gap or 0.0, 1e-9]) * 1.03, _LEFT, base.WIDTH - _RIGHT)
    for i, row in enumerate(rows):
        y = 8 + 38.0 * (i + 0.5)
        base.name_label(canvas, _LEFT - 12, y, row["name"], _LEFT - 14)
        canvas.text(
            base.WIDTH - _RIGHT + 12, y + 4.5, words.money(row["value"], currency, short=True, locale=locale), bold=True
        )
        if words.is_known(row["value"]):
            canvas.bar(_LEFT, y - 10, axis.at(float(row["value"])) - _LEFT, 20, "accent" if i == 0 else "grey")
        if words.is_known(row.get("low")) and words.is_known(row.get("high")):
            base.whisker(canvas, axis, y, float(row["low"]), float(row["high"]), "ink", width=1.6)
    if gap is not None and gap > 0:
        canvas.line(axis.at(gap), 4, axis.at(gap), bottom, "ink", width=1.5, dash="5 3")
        label = words.text(
            "figure.gap", {"value": words.money(gap, currency, short=True, locale=locale)}, locale=locale
        )
        anchor = "end" if axis.at(gap) > base.WIDTH / 2 else "start"
        canvas.text(axis.at(gap), bottom + 15, label, "mute", anchor=anchor, size=SMALL)
    canvas.line(_LEFT, 4, _LEFT, bottom, "ink", width=1.2)
    return canvas
