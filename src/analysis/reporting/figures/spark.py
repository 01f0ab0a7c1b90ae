"""A small line of recent values for one row of a table: same scale in every row, the last value marked."""

from collections.abc import Sequence

from analysis import words
from analysis.reporting.svg import Canvas, scale

_WIDTH, _HEIGHT = 120.0, 30.0


def spark(values: Sequence[float], *, high: float | None = None, low: float = 0.0) -> str:
    """The SVG of a sparkline from `low` (a faint base line) to `high` (default: the largest value)."""
    known = [(i, float(v)) for i, v in enumerate(values) if words.is_known(v)]
    canvas = Canvas(_WIDTH, _HEIGHT)
    top = high if high is not None else max((v for _, v in known), default=1.0)
    x, y = scale(0, max(len(values) - 1, 1), 3, _WIDTH - 5), scale(low, max(top, low + 1e-9), _HEIGHT - 3, 4)
    canvas.line(3, y(low), _WIDTH - 3, y(low), "faint")
    canvas.curve([(x(i), y(min(v, top))) for i, v in known], "grey", width=1.6)
    if known:
        canvas.dot(x(known[-1][0]), y(min(known[-1][1], top)), 3, "accent")
    return canvas.svg()


def spark_alt(values: Sequence[float], unit: str = "", *, locale: str = "en") -> str:
    """The sparkline in words."""
    known = [float(v) for v in values if words.is_known(v)]
    if not known:
        return words.text("number.unknown", locale=locale)
    first, last, low, high = (with_unit(v, unit, locale=locale) for v in (known[0], known[-1], min(known), max(known)))
    said = {"n": len(known), "first": first, "last": last, "low": low, "high": high}
    return words.text("figure.spark_alt", said, locale=locale)


def with_unit(value: float, unit: str, *, locale: str = "en") -> str:
    """``EUR 599K`` for a currency code, ``12 deals`` for another unit."""
    code, _, rest = unit.partition(" ")
    if len(code) == 3 and code.isalpha() and code.isupper():
        return words.money(value, code, short=True, locale=locale) + (f" {rest}" if rest else "")
    return f"{words.compact(value, locale=locale)} {unit}".rstrip()
