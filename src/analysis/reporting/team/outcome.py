"""Result against objective, pipeline, and leads: what came out and what is on its way."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.management.metrics import metric_words
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Note, Table, not_recorded
from analysis.reporting.standing import panel_result
from analysis.reporting.team.desk import STOCKS, Desk

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
        return absent(desk, "revenue", desk.text("section_result"))
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


def absent(desk: Desk, metric: str, what: str) -> Note:
    """A section without its metric: which column is missing, or that nothing of the kind has happened yet."""
    if isinstance(desk.card, NotRecorded):
        return not_recorded(what, list(desk.card.missing), locale=desk.locale)
    missing = desk.card.loc[desk.card["metric"] == metric, "missing"]
    if missing.isin(["", words.text("management.scorecard.no_case")]).all():
        return Note(desk.text("no_case"), what, "mute")
    return not_recorded(what, "opportunities.amount", locale=desk.locale)


def pipeline(desk: Desk) -> Block:
    """What is open, beside what is still missing."""
    if isinstance(desk.card, NotRecorded):
        return not_recorded(desk.text("section_pipeline"), list(desk.card.missing), locale=desk.locale)
    named = (("open", "open_pipeline"), ("factored", "factored_pipeline"))
    rows = [(desk.text(name), value) for name, metric in named if (value := desk.value(metric)) is not None]
    if not rows:
        return absent(desk, "open_pipeline", desk.text("section_pipeline"))
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
    found = [(metric, desk.card[desk.card["metric"] == metric]) for metric in metrics]  # type: ignore[index]
    rows = tuple(metric_row(desk, metric, known.iloc[0]) for metric, known in found if len(known))
    columns = (
        Column(desk.text("metric")),
        Column(desk.text("last_month"), align="right"),
        Column(desk.text("range_or_meaning")),
    )
    return Table(caption, columns, rows)


def metric_row(desk: Desk, metric: str, line: pd.Series) -> tuple[str, str, str]:
    """One metric: what it is called, its value, and its likely range or else its meaning."""
    (title, meaning), value = metric_words(metric, desk.locale), desk.value(metric)
    if value is None:
        missing = str(line["missing"])
        recorded = missing in ("", words.text("management.scorecard.no_case"))
        why = desk.text("not_yet") if recorded else desk.text("waits_for", {"missing": missing})
        return title, words.text("number.none", locale=desk.locale), why
    low, high = desk.value(metric, "conf_low"), desk.value(metric, "conf_high")
    if low is None or high is None:
        written = shown(desk, line["unit"], value, exact=True)
        return (
            title,
            desk.text("today_value", {"value": written}) if metric in STOCKS else written,
            meaning,
        )
    bounds = (shown(desk, line["unit"], bound) for bound in (max(low, 0.0), high))  # none of these can be negative
    return title, shown(desk, line["unit"], value), words.span(*bounds, locale=desk.locale)


def shown(desk: Desk, unit: str, value: float, *, exact: bool = False) -> str:
    """A metric's value as its unit is written; exact: a sum or a count, not an estimate."""
    if unit == "money":
        return desk.money(value) if exact else desk.estimate(value)
    if unit == "share":
        return words.share(value, decimals=0, locale=desk.locale)
    if unit == "days":
        return words.count(round(value), "day", locale=desk.locale)
    number = words.number(value, decimals=0 if abs(value) >= 20 or value == int(value) else 1, locale=desk.locale)
    return desk.text(f"unit_{unit}", {"number": number}) if words.has(f"team.unit_{unit}", desk.locale) else number


def leads(desk: Desk) -> Block:
    """Qualified leads by month; how they were answered is in the alignment report."""
    if isinstance(desk.book, NotRecorded) or desk.book.need("leads") is not None:
        return not_recorded(desk.text("section_leads"), "leads", locale=desk.locale)
    return metric_table(desk, ("qualified_leads", "new_opportunities"), desk.text("leads_caption"))
