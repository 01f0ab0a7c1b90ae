"""The result against its objective: booked revenue by period, the objective as a tick across each bar."""

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas, Place, scale, text_width, ticks

_LEFT, _TOP, _BOTTOM = 52.0, 24.0, 200.0


def result(
    periods: pd.DataFrame,
    *,
    currency: str | None = None,
    attainment: float | None = None,
    pace: float | None = None,
    source: str = "",
    locale: str = "en",
) -> Figure:
    """Booked amount by period beside the objective, and where the year is usually at that point.

    periods: one row a period, oldest first: `label`, `actual`; optional `objective`, `expected_low`, `expected_high`
    (the usual range of that season). attainment: share of the current objective reached; pace: share that should
    have been reached by now.
    """
    base.require(periods, ["label", "actual"], "result")
    title = _title(attainment, pace, str(periods["label"].iloc[-1]) if len(periods) else "", locale)
    canvas = _draw(periods, words.currency_code(currency), locale)
    has_objective = "objective" in periods and periods["objective"].notna().any()
    columns = ["actual"] + [c for c in ("objective", "expected_low", "expected_high") if c in periods]
    names = {
        "actual": words.text("figure.booked", locale=locale),
        "objective": words.text("figure.objective", locale=locale),
        "expected_low": words.text("figure.usual_low", locale=locale),
        "expected_high": words.text("figure.usual_high", locale=locale),
    }
    rows = [
        [str(r["label"]), *(words.money(r[c], None, exact=True, locale=locale) for c in columns)]
        for r in base.records(periods)
    ]
    headers = [(words.text("table.period", locale=locale), "")] + [
        (words.capital(names[c]), words.currency_code(currency)) for c in columns
    ]
    alt = [base.alt_row(str(r["label"]), _alt_value(r, currency, locale), locale=locale) for r in base.records(periods)]
    note = words.text("figure.result_note" if has_objective else "figure.result_note_plain", locale=locale)
    if "expected_low" in periods:
        note += " " + words.text("figure.result_usual", locale=locale)
    return base.finish(canvas, title, alt=alt, numbers=base.table(title, headers, rows), note=note, source=source)


def _title(attainment: float | None, pace: float | None, last: str, locale: str) -> str:
    if not words.is_known(attainment):
        return words.text("figure.result_unknown", locale=locale)
    values = {"value": words.share(attainment, decimals=0, locale=locale), "period": last}
    if not words.is_known(pace):
        return words.text("figure.result_reached", values, locale=locale)
    gap = attainment - pace
    points = round(abs(gap) * 100)
    values["gap"] = words.plural("figure.points", points, {"n": words.number(points, locale=locale)}, locale=locale)
    key = "figure.result_even" if points == 0 else "figure.result_ahead" if gap > 0 else "figure.result_behind"
    return words.text(key, values, locale=locale)


def _alt_value(row: base.Row, currency: str | None, locale: str) -> str:
    said = words.money(row["actual"], currency, locale=locale)
    if words.is_known(row.get("objective")):
        said += f" ({words.text('figure.objective', locale=locale)} {words.money(row['objective'], currency, locale=locale)})"
    return said


def _draw(periods: pd.DataFrame, unit: str, locale: str) -> Canvas:
    canvas = Canvas(base.WIDTH, _BOTTOM + 30)
    canvas.text(_LEFT - 7, 10, unit, "mute", anchor="end", size=SMALL)
    numeric = [c for c in ("actual", "objective", "expected_low", "expected_high") if c in periods]
    high = float(periods[numeric].max().max()) if len(periods) else 1.0
    low = min(0.0, float(periods["actual"].min())) if len(periods) else 0.0
    y = scale(low, high * 1.04 or 1.0, _BOTTOM, _TOP)
    for value in ticks(low, high, 3):
        canvas.line(_LEFT, y(value), base.WIDTH - 8, y(value), "faint")
        canvas.text(_LEFT - 7, y(value) + 4, words.compact(value, locale=locale), "mute", anchor="end", size=SMALL)
    step = (base.WIDTH - 8 - _LEFT) / max(len(periods), 1)
    width = min(step * 0.64, 46.0)
    for i, row in enumerate(base.records(periods)):
        _bar(canvas, row, _LEFT + step * (i + 0.5), width, y, last=i == len(periods) - 1)
    _labels(canvas, [str(v) for v in periods["label"]], step)
    canvas.line(_LEFT, y(0.0), base.WIDTH - 8, y(0.0), "ink", width=1.2)
    return canvas


def _bar(canvas: Canvas, row: base.Row, centre: float, width: float, place: Place, *, last: bool) -> None:
    if words.is_known(row.get("expected_low")) and words.is_known(row.get("expected_high")):
        low, high = place(float(row["expected_low"])), place(float(row["expected_high"]))
        canvas.bar(centre - width / 2 - 4, high, width + 8, low - high, "faint")
    if words.is_known(row["actual"]):
        top, zero = place(float(row["actual"])), place(0.0)
        canvas.bar(centre - width / 2, min(top, zero), width, abs(zero - top), "accent" if last else "grey")
    if words.is_known(row.get("objective")):
        at = place(float(row["objective"]))
        canvas.line(centre - width / 2 - 5, at, centre + width / 2 + 5, at, "paper", width=5)
        canvas.line(centre - width / 2 - 5, at, centre + width / 2 + 5, at, "ink", width=2.5)


def _labels(canvas: Canvas, labels: list[str], step: float) -> None:
    """Every period's label where there is room, else every second or third, always the last."""
    widest = max((text_width(label, SMALL) for label in labels), default=0.0) + 6
    every = max(1, -(-int(widest) // max(int(step), 1)))
    for i, label in enumerate(labels):
        if (len(labels) - 1 - i) % every == 0:
            x = _LEFT + step * (i + 0.5)
            inside = x + text_width(label, SMALL) / 2 <= base.WIDTH
            place, anchor = (x, "middle") if inside else (base.WIDTH - 1, "end")
            canvas.text(place, _BOTTOM + 18, label, "mute", anchor=anchor, size=SMALL, room=step * every)
