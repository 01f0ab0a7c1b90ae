"""When an activity shows in the result: the effect over the weeks after it, with its band."""

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Figure
from analysis.reporting.figures import base
from analysis.reporting.svg import SMALL, Canvas, Place, scale, ticks

_VALUES = ("estimate", "conf_low", "conf_high")
_LEFT, _TOP, _BOTTOM = 52.0, 16.0, 190.0


def delay(
    kernel: pd.DataFrame,
    activity: str,
    *,
    outcome: str = "revenue",
    currency: str | None = None,
    mean_lag: float | None = None,
    period: str = "week",
    source: str = "",
    locale: str = "en",
) -> Figure:
    """The estimate of every week after one extra activity, with its band and its mean delay.

    kernel: one row a week (or month): `lag` (periods after the activity), `estimate`, `conf_low`, `conf_high`, in
    currency, or as shares of the outcome where `currency` is None. mean_lag: in the same periods; None: the title says that the
    delay is not established, and nothing is drawn in the accent colour.
    """
    base.require(kernel, ["lag", "estimate", "conf_low", "conf_high"], "delay")
    frame = kernel.sort_values("lag")
    write = base.amount(currency, as_share=currency is None, locale=locale)
    canvas = _draw(frame, mean_lag, period, currency is None, locale)
    kinds = words.kinds_name(activity, locale=locale)
    code, per = words.currency_code(currency), words.kind_name(period, locale=locale)
    known = words.is_known(mean_lag)
    names = _names(frame, kinds, outcome, mean_lag, period, locale)
    title = words.text("figure.delay_title" if known else "figure.delay_none", names, locale=locale)
    rows = [(int(r["lag"]), [write(r[k]) for k in _VALUES]) for r in base.records(frame)]
    headers = [(words.text("table.delay", locale=locale), words.text(_axis_key(period), locale=locale))]
    headers += [(words.text(f"table.{k}", locale=locale), "") for k in ("value", "low", "high")]
    return base.finish(
        canvas,
        title,
        alt=[base.alt_row(words.count(n, period, locale=locale), *said, locale=locale) for n, said in rows],
        numbers=base.table(title, headers, [[str(n), *said] for n, said in rows]),
        note=words.text(
            f"figure.delay_note{'_money' if code else ''}", {"period": per, "currency": code}, locale=locale
        ),
        source=source,
    )


def _names(
    frame: pd.DataFrame, kinds: str, outcome: str, mean_lag: float | None, period: str, locale: str
) -> dict[str, str]:
    names = {"activities": kinds, "Activities": words.capital(kinds)}
    names["outcome"] = words.outcome_name(outcome, locale=locale)
    if words.is_known(mean_lag):
        first, last = frame["lag"].min(), frame["lag"].max()
        names["delay"] = words.mean_delay(mean_lag, period=period, first=first, last=last, locale=locale)
    return names


def _axis_key(period: str) -> str:
    return "figure.delay_axis" if period == "week" else "figure.delay_axis_month"


def _draw(frame: pd.DataFrame, mean_lag: float | None, period: str, as_share: bool, locale: str) -> Canvas:
    canvas = Canvas(base.WIDTH, _BOTTOM + 44)
    low, high = min(0.0, frame["conf_low"].min()), max(0.0, frame["conf_high"].max())
    y = scale(low, high, _BOTTOM, _TOP)
    x = scale(frame["lag"].min(), frame["lag"].max(), _LEFT + 8, base.WIDTH - 16)
    _frame(canvas, frame, x, y, low, high, as_share, locale)
    points = list(zip(frame["lag"].map(x), frame["estimate"].map(y), strict=True))
    upper = list(zip(frame["lag"].map(x), frame["conf_high"].map(y), strict=True))
    lower = list(zip(frame["lag"].map(x), frame["conf_low"].map(y), strict=True))
    known = words.is_known(mean_lag)
    canvas.area(upper + lower[::-1], "band" if known else "faint")
    canvas.line(_LEFT, y(0.0), base.WIDTH - 8, y(0.0), "ink", width=1.2)
    canvas.curve(points, "accent" if known else "grey", width=2.5)
    if words.is_known(mean_lag):
        at = min(max(x(mean_lag), x(frame["lag"].min())), x(frame["lag"].max()))
        canvas.line(at, _TOP, at, _BOTTOM, "accent", width=1.2, dash="4 3")
        label = words.text(
            f"figure.delay_mean_{period}", {"n": words.number(mean_lag, decimals=1, locale=locale)}, locale=locale
        )
        side = "end" if at > base.WIDTH * 0.7 else "start"
        canvas.text(at + (-6 if side == "end" else 6), _TOP + 6, label, "accent", anchor=side, size=SMALL, bold=True)
    canvas.text(_LEFT, _BOTTOM + 36, words.text(_axis_key(period), locale=locale), "mute", size=SMALL)
    return canvas


def _frame(
    canvas: Canvas, frame: pd.DataFrame, x: Place, y: Place, low: float, high: float, as_share: bool, locale: str
) -> None:
    for value in ticks(low, high, 3):
        canvas.line(_LEFT, y(value), base.WIDTH - 8, y(value), "faint")
        text = base.axis_label(value, as_share=as_share, locale=locale)
        canvas.text(_LEFT - 7, y(value) + 4, text, "mute", anchor="end", size=SMALL)
    step = 1 if len(frame) <= 14 else 2
    for lag in frame["lag"].iloc[::step]:
        canvas.text(x(lag), _BOTTOM + 17, str(int(lag)), "mute", anchor="middle", size=SMALL)
