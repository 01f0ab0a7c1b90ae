"""Result and pipeline of the whole company, quarter by quarter."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from analysis import words
from analysis.management.book import NotRecorded
from analysis.management.metrics import metric_words
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Note, Table
from analysis.reporting.leadership.desk import Desk
from analysis.reporting.leadership.teams import at_least_none
from analysis.reporting.standing import panel_result

RATES = ("open_pipeline", "factored_pipeline", "coverage", "new_opportunities", "win_rate", "average_sale", "sales_cycle",
         "net_new_customers", "margin", "price_realisation")  # fmt: skip
STOCKS = ("open_pipeline", "factored_pipeline", "coverage")


def result(desk: Desk) -> Block:
    """Booked revenue by quarter against the quota."""
    if isinstance(desk.card, NotRecorded):
        return panel_result(desk)
    rows = desk.metric("revenue")
    if rows.empty:
        return Note(desk.text("no_quarter"), desk.text("result"))
    periods = pd.DataFrame(
        {
            "label": [words.date(day, style="QQQ ''yy", locale=desk.locale) for day in rows["period_start"]],
            "actual": rows["value"].to_numpy(float),
            "objective": rows["objective"].to_numpy(float),
        }
    )
    share = desk.metric("quota_attainment")["value"]
    return figures.result(
        periods,
        currency=desk.pack.currency,
        attainment=float(share.iloc[-1]) if len(share) else None,
        source=desk.source(),
        locale=desk.locale,
    )


def rates(desk: Desk) -> Block:
    """The numbers between opportunity and revenue: last complete quarter and the one before, with ranges."""
    if isinstance(desk.card, NotRecorded):
        told = desk.told(desk.card, desk.text("rates"))
        return told or Note("")
    titles = desk.card.drop_duplicates("metric").set_index("metric")
    rows = tuple(rate_row(desk, titles, metric) for metric in RATES if metric in titles.index)
    names = ("metric", "last_quarter", "quarter_before")
    columns = tuple(Column(desk.text(name), align="left" if name == "metric" else "right") for name in names)
    return Table(desk.text("rates_caption"), columns, rows, note=desk.text("rates_note"))


def rate_row(desk: Desk, titles: pd.DataFrame, metric: str) -> tuple[str, str, str]:
    """One metric: now, before; a stock only as it stands today."""
    title, write = (
        metric_words(metric, desk.locale)[0],
        writer(desk, str(titles.loc[metric, "unit"]), exact=metric in STOCKS),
    )
    if metric in STOCKS:
        value = desk.now(metric)
        return title, desk.none if value is None else desk.text("today_value", {"value": write(value)}), ""
    known = desk.metric(metric).tail(2).to_dict("records")
    shown = [desk.ranged(row["value"], floor(metric, row["conf_low"]), row["conf_high"], write) for row in known]
    before, now = [*[desk.none] * (2 - len(shown)), *shown]
    return title, now, before


def floor(metric: str, low: float) -> float:
    """The lower end of a range; nothing but a margin can be below zero."""
    return low if metric == "margin" else at_least_none(low)


def writer(desk: Desk, unit: str, *, exact: bool) -> Callable[[float], str]:
    """How values of a unit are written; exact: a sum, not an estimate."""
    if unit == "money":
        return desk.money if exact else desk.amount
    if unit == "share":
        return desk.share
    if unit == "days":
        return lambda value: words.count(round(value), "day", locale=desk.locale)
    return (lambda value: desk.text("times", {"n": desk.number(value)})) if unit == "ratio" else desk.count
