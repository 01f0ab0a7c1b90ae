"""Result against objective, pipeline, and leads: what came out and what is on its way."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Table, not_recorded
from analysis.reporting.standing import panel_result
from analysis.reporting.team.desk import Desk

MONTHS = 13
PIPELINE_METRICS = (
    "open_pipeline",
    "factored_pipeline",
    "coverage",
    "new_opportunities",
    "win_rate",
    "sales_cycle",
    "average_sale",
)


def result(desk: Desk) -> Block:
    """Booked revenue by month against the quota."""
    if isinstance(desk.card, NotRecorded):
        return panel_result(desk)
    rows = desk.card[
        (desk.card["metric"] == "revenue") & desk.card["recorded"] & (desk.card["complete"].eq(True))
    ].tail(MONTHS)
    if rows.empty:
        return not_recorded(desk.text("section_result"), "opportunities.amount", locale=desk.locale)
    labels = [words.date(day, style="MMM ''yy", locale=desk.locale) for day in rows["period_start"]]
    periods = pd.DataFrame(
        {"label": labels, "actual": rows["value"].to_numpy(float), "objective": rows["objective"].to_numpy(float)}
    )
    found = desk.targets
    attainment = pace = None
    if not isinstance(found, NotRecorded | AnalysisError):
        attainment = found.goal.booked / found.goal.quota
        pace = elapsed(desk)
    return figures.result(
        periods, currency=desk.pack.currency, attainment=attainment, pace=pace, source=desk.source(), locale=desk.locale
    )


def elapsed(desk: Desk) -> float | None:
    """Share of the running quota period that has passed."""
    if isinstance(desk.book, NotRecorded) or desk.book.need("quotas") is not None:
        return None
    quotas, today = desk.book.frame("quotas"), desk.book.as_of
    running = quotas[(quotas["period_start"] <= today) & (quotas["period_end"] > today)]
    if running.empty:
        return None
    start, end = running["period_start"].min(), running["period_end"].max()
    return float((today - start) / (end - start))


def pipeline(desk: Desk) -> Block:
    """What is open, beside what is still missing."""
    if isinstance(desk.card, NotRecorded):
        return not_recorded(desk.text("section_pipeline"), list(desk.card.missing), locale=desk.locale)
    named = (("open", "open_pipeline"), ("factored", "factored_pipeline"))
    rows = [(desk.text(name), value) for name, metric in named if (value := desk.value(metric)) is not None]
    if not rows:
        return not_recorded(desk.text("section_pipeline"), "opportunities.amount", locale=desk.locale)
    found = desk.targets
    gap = None if isinstance(found, NotRecorded | AnalysisError) else max(found.goal.quota - found.goal.booked, 0.0)
    amounts = pd.DataFrame(rows, columns=["name", "value"])
    return figures.pipeline(amounts, currency=desk.pack.currency, gap=gap, source=desk.source(), locale=desk.locale)


def rates(desk: Desk) -> Block:
    """The numbers that turn opportunities into revenue."""
    if isinstance(desk.card, NotRecorded):
        return not_recorded(desk.text("section_rates"), list(desk.card.missing), locale=desk.locale)
    return metric_table(desk, PIPELINE_METRICS, desk.text("pipeline_caption"))


def metric_table(desk: Desk, metrics: tuple[str, ...], caption: str) -> Table:
    """Latest complete month of some metrics: value, likely range, meaning; "not recorded" where it is not."""
    rows = []
    for metric in metrics:
        known = desk.card[desk.card["metric"] == metric]  # type: ignore[index]
        if known.empty:
            continue
        line = known.iloc[0]
        value = desk.value(metric)
        if value is None:
            missing = str(line["missing"]) or desk.text("not_yet")
            rows.append((str(line["title"]), words.text("number.none", locale=desk.locale), missing))
            continue
        low, high = desk.value(metric, "conf_low"), desk.value(metric, "conf_high")
        spread = (
            ""
            if low is None or high is None
            else desk.text("between", {"low": shown(desk, line["unit"], low), "high": shown(desk, line["unit"], high)})
        )
        rows.append((str(line["title"]), shown(desk, line["unit"], value), spread or str(line["definition"])))
    columns = (
        Column(desk.text("metric")),
        Column(desk.text("last_month"), align="right"),
        Column(desk.text("range_or_meaning")),
    )
    return Table(caption, columns, tuple(rows))


def shown(desk: Desk, unit: str, value: float) -> str:
    """A metric's value as its unit is written."""
    if unit == "money":
        return desk.money(words.significant(value, 3))
    if unit == "share":
        return words.share(value, decimals=0, locale=desk.locale)
    if unit == "days":
        return words.count(round(value), "day", locale=desk.locale)
    number = words.number(value, decimals=0 if abs(value) >= 20 or value == int(value) else 1, locale=desk.locale)
    return desk.text(f"unit_{unit}", {"number": number}) if unit in ("per_week", "hours_per_week") else number


def leads(desk: Desk) -> Block:
    """Qualified leads by month; how they were answered is in the alignment report."""
    if isinstance(desk.book, NotRecorded) or desk.book.need("leads") is not None:
        return not_recorded(desk.text("section_leads"), "leads", locale=desk.locale)
    return metric_table(desk, ("qualified_leads", "new_opportunities"), desk.text("leads_caption"))
