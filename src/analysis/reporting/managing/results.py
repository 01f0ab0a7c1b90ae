"""Notebook 2, activities and results: the scorecard read from result to method, the funnel, reps beside their team."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management.book import COMPANY
from analysis.management.funnel import ABOVE, BELOW, Funnel, funnel
from analysis.management.funnel_cases import step_title
from analysis.management.metrics import metric_words
from analysis.management.scorecard import FALLING, RISING, scorecard, trends
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Figure, Note, Table
from analysis.reporting.managing.desk import Desk
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.managing.tables import one, table
from analysis.reporting.research.picture import Picture

FORMS = {"money": "money", "share": "share", "count": "count", "days": "count", "ratio": "number"}
CARD = {"title": "text", "value": "text", "before": "text", "trend": "code", "meaning": "text"}
ABSENT = dict.fromkeys(("title", "missing", "definition"), "text")
TRENDS = {"title": "text", "slope": "share:slope_low:slope_high", "direction": "code"}
CONVERSIONS = {
    "title": "text",
    "n": "count",
    "conversion": "share:conf_low:conf_high",
    "naive_open_as_lost": "share",
    "naive_ratio": "share",
    "bias": "text",
}


def results_answer(desk: Desk, card: pd.DataFrame) -> Answer:
    """Where the result stands against its objective, and what moved."""
    mine = trends(card[card["team_id"] == desk.team_id]).set_index("metric")
    revenue = card[(card["team_id"] == desk.team_id) & (card["metric"] == "revenue") & card["complete"].eq(True)]
    if revenue.empty:
        return Answer(desk.say.text("results.no_period"))
    last = revenue.iloc[-1]
    values = {
        "money": desk.say.money(float(last["value"]), desk.book.currency),
        "date": desk.say.date(last["period_start"]),
    }
    if known := words.is_known(last["objective"]):
        values["share"] = desk.say.share(last["value"] / last["objective"])
    ways = mine["direction"].to_dict()
    moved = [
        desk.say.text(
            "results.moved",
            {"metric": metric_words(metric, desk.say.locale)[0], "direction": desk.say.code(ways[metric])},
        )
        for metric in card["metric"].drop_duplicates()
        if ways.get(metric) in (RISING, FALLING)
    ]
    sentence = desk.say.text("results.booked_of" if known else "results.booked", values)
    return Answer(sentence, tuple(moved) or (desk.say.text("results.nothing_moved"),))


def card_table(desk: Desk, card: pd.DataFrame, metric_class: str) -> Table:
    """The newest complete period of one class of metrics: value, likely range, the period before, trend, meaning."""
    mine = trends(card[(card["team_id"] == desk.team_id) & (card["metric_class"] == metric_class)])
    about = card.drop_duplicates("metric").set_index("metric")[["unit"]]
    rows = mine.join(about, on="metric") if len(mine) else mine.assign(unit=[])
    shown = pd.DataFrame(
        {
            "title": [metric_words(metric, desk.say.locale)[0] for metric in rows["metric"]],
            "value": [_valued(row, desk) for row in rows.to_dict("records")],
            "before": [_written(row, "previous", desk) for row in rows.to_dict("records")],
            "trend": rows["direction"],
            "meaning": [metric_words(metric, desk.say.locale)[1] for metric in rows["metric"]],
        }
    )
    return table(desk.say, "card", shown, CARD, caption=f"caption_{metric_class}", source=desk.source)


def _written(row: dict, column: str, desk: Desk) -> str:
    return one(desk.say, row[column], FORMS.get(row["unit"], "number"), desk.book.currency)


def _valued(row: dict, desk: Desk) -> str:
    value, low, high = (_written(row, column, desk) for column in ("value", "conf_low", "conf_high"))
    return value if desk.say.none in (low, high) else desk.say.ranged(value, low, high)


def absent(desk: Desk, card: pd.DataFrame) -> Table | Note:
    """Metrics this data cannot give, and the table or column each waits for."""
    rows = card[~card["recorded"] & (card["team_id"] == COMPANY)]
    if rows.empty:
        return Note(desk.say.text("results.all_recorded"))
    said = [metric_words(metric, desk.say.locale) for metric in rows["metric"]]
    rows = rows.assign(title=[title for title, _ in said], definition=[meaning for _, meaning in said])
    return table(desk.say, "absent", rows, ABSENT)


def trend_table(desk: Desk, card: pd.DataFrame) -> Table:
    """Slope per period of every metric with its range."""
    rows = trends(card[card["team_id"] == desk.team_id]).dropna(subset=["slope"])
    rows = rows.assign(title=[metric_words(metric, desk.say.locale)[0] for metric in rows["metric"]])
    relative = rows[["slope", "slope_low", "slope_high"]].div(rows["value"].where(rows["value"] > 0), axis=0)
    rows[["slope", "slope_low", "slope_high"]] = relative
    return table(desk.say, "trends", rows, TRENDS, source=desk.source)


def _steps(found: Funnel, desk: Desk) -> pd.DataFrame:
    steps = found.steps
    return steps[(steps["scope"] == "team") & (steps["team_id"] == desk.team_id)]


def funnel_figure(desk: Desk, found: Funnel) -> Figure | Note:
    """Conversion of every recorded step with its range, the company's rate beside it."""
    rows = _steps(found, desk)
    if rows.empty:
        return Note(desk.say.text("results.no_step"))
    company = found.steps[found.steps["scope"] == "company"].set_index("step")["conversion"]
    steps = pd.DataFrame(
        {
            "step": [step_title(step, desk.say.locale) for step in rows["step"]],
            "rate": rows["conversion"],
            "low": rows["conf_low"],
            "high": rows["conf_high"],
            "n": rows["n"],
        }
    )
    peer = rows["step"].map(company)
    return figures.funnel(steps.assign(peer=peer), source=desk.source, locale=desk.say.locale)


def conversions(desk: Desk, found: Funnel) -> Table:
    """The honest conversion beside the naive ones, with their bias in words, and the steps that are not recorded."""
    gaps = [
        desk.say.text("results.missing_step", {"step": step_title(step, desk.say.locale), "gap": gap})
        for step, gap in found.missing.items()
    ]
    rows = _steps(found, desk)
    rows = rows.assign(title=[step_title(step, desk.say.locale) for step in rows["step"]])
    return table(desk.say, "conversions", rows, CONVERSIONS, note=" ".join(gaps), source=desk.source)


def peers(desk: Desk, found: Funnel, step: str = "opportunity_to_won") -> Picture | Note:
    """Each rep's conversion pulled toward the team, with its range; the plain rate hollow."""
    steps = found.steps[(found.steps["team_id"] == desk.team_id) & (found.steps["step"] == step)]
    rows = steps[steps["scope"] == "rep"]
    if rows.empty or "shrunk" not in rows:
        return Note(desk.say.text("results.no_case", {"step": step_title(step, desk.say.locale)}))
    labels = [desk.say.text("rep", {"n": n + 1}) for n in range(len(rows))]
    rows = rows.sort_values("shrunk", ascending=False).assign(label=labels)
    mean = float(steps.loc[steps["scope"] == "team", "conversion"].iloc[0])
    named = rows["standing"].isin([ABOVE, BELOW]).sum()
    return whiskers(
        desk.say, rows, "label", "shrunk", ("shrunk_low", "shrunk_high"), share=True, line=mean,
        title=desk.say.text("results.peers", {"named": named, "all": len(rows)}), axis=step_title(step, desk.say.locale).lower(),
        source=desk.say.text("results.peers_line", {"source": desk.source}),
        other=("conversion", desk.say.text("results.plain_rate")),
    )  # fmt: skip


__all__ = [
    "absent",
    "card_table",
    "conversions",
    "funnel",
    "funnel_figure",
    "peers",
    "results_answer",
    "scorecard",
    "trend_table",
]
