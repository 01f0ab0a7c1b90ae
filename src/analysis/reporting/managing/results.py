"""Notebook 2, activities and results: the scorecard read from result to method, the funnel, reps beside their team."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management.book import COMPANY
from analysis.management.funnel import Funnel, funnel
from analysis.management.metrics import ACTIVITY, OBJECTIVE, RESULT
from analysis.management.scorecard import FALLING, RISING, scorecard, trends
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Figure, Note, Table
from analysis.reporting.managing.desk import BLANK, Desk, one, table
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.research.picture import Picture

FORMS = {"money": "money", "share": "share", "count": "count", "days": "count", "ratio": "number"}


def results_answer(desk: Desk, card: pd.DataFrame) -> Answer:
    """Where the result stands against its objective, and what moved."""
    mine = trends(card[card["team_id"] == desk.team_id]).set_index("metric")
    revenue = card[(card["team_id"] == desk.team_id) & (card["metric"] == "revenue") & card["complete"].eq(True)]
    if revenue.empty:
        return Answer("No complete period is on record yet.")
    last = revenue.iloc[-1]
    money = words.money(float(last["value"]), desk.book.currency)
    sentence = f"{money} were booked in the period from {words.date(last['period_start'])}"
    if words.is_known(last["objective"]):
        sentence += f", {words.share(last['value'] / last['objective'])} of the objective"
    titles = card.drop_duplicates("metric").set_index("metric")["title"]
    ways = mine["direction"].to_dict()
    moved = [f"{title} is {ways[metric]}." for metric, title in titles.items() if ways.get(metric) in (RISING, FALLING)]
    return Answer(sentence + ".", tuple(moved) or ("No metric shows a clear trend.",))


def card_table(desk: Desk, card: pd.DataFrame, metric_class: str) -> Table:
    """The newest complete period of one class of metrics: value, likely range, the period before, trend, meaning."""
    mine = trends(card[(card["team_id"] == desk.team_id) & (card["metric_class"] == metric_class)])
    about = card.drop_duplicates("metric").set_index("metric")[["title", "unit", "definition"]]
    rows = mine.join(about, on="metric") if len(mine) else mine.assign(title=[], unit=[], definition=[])
    shown = pd.DataFrame(
        {
            "title": rows["title"],
            "value": [_valued(row, desk) for row in rows.to_dict("records")],
            "before": [
                one(row["previous"], FORMS.get(row["unit"], "number"), desk.book.currency)
                for row in rows.to_dict("records")
            ],
            "trend": rows["direction"],
            "meaning": rows["definition"],
        }
    )
    names = {
        RESULT: "Results (lagging)",
        OBJECTIVE: "Pipeline and other objectives (leading)",
        ACTIVITY: "Activities (leading)",
    }
    heads = [
        ("title", "Metric", "text"),
        ("value", "Value", "text"),
        ("before", "Before", "text"),
        ("trend", "Trend", "text"),
    ]
    return table(names[metric_class], shown, [*heads, ("meaning", "Meaning", "text")], source=desk.source)


def _valued(row: dict, desk: Desk) -> str:
    form = FORMS.get(row["unit"], "number")
    value, low, high = (one(row[key], form, desk.book.currency) for key in ("value", "conf_low", "conf_high"))
    return value if BLANK in (low, high) else f"{value} ({low} to {high})"


def absent(desk: Desk, card: pd.DataFrame) -> Table | Note:
    """Metrics this data cannot give, and the table or column each waits for."""
    rows = card[~card["recorded"] & (card["team_id"] == COMPANY)]
    if rows.empty:
        return Note("Every metric of the scorecard is recorded.")
    heads = [("title", "Metric", "text"), ("missing", "Not recorded", "text"), ("definition", "It would say", "text")]
    return table("Not recorded", rows, heads)


def trend_table(desk: Desk, card: pd.DataFrame) -> Table:
    """Slope per period of every metric with its range."""
    rows = trends(card[card["team_id"] == desk.team_id]).dropna(subset=["slope"])
    rows = rows.assign(title=rows["metric"].map(card.drop_duplicates("metric").set_index("metric")["title"]))
    relative = rows[["slope", "slope_low", "slope_high"]].div(rows["value"].where(rows["value"] > 0), axis=0)
    rows[["slope", "slope_low", "slope_high"]] = relative
    heads = [
        ("title", "Metric", "text"),
        ("slope", "Change per period", "share:slope_low:slope_high"),
        ("direction", "Trend", "text"),
    ]
    return table("Trends, as a share of the newest value", rows, heads, source=desk.source)


def _steps(found: Funnel, desk: Desk) -> pd.DataFrame:
    steps = found.steps
    return steps[(steps["scope"] == "team") & (steps["team_id"] == desk.team_id)]


def funnel_figure(desk: Desk, found: Funnel) -> Figure | Note:
    """Conversion of every recorded step with its range, the company's rate beside it."""
    rows = _steps(found, desk)
    if rows.empty:
        return Note("No step of the funnel has a case in these weeks.")
    company = found.steps[found.steps["scope"] == "company"].set_index("step")["conversion"]
    steps = pd.DataFrame(
        {
            "step": rows["title"],
            "rate": rows["conversion"],
            "low": rows["conf_low"],
            "high": rows["conf_high"],
            "n": rows["n"],
        }
    )
    return figures.funnel(steps.assign(peer=rows["step"].map(company)), source=desk.source)


def conversions(desk: Desk, found: Funnel) -> Table:
    """The honest conversion beside the naive ones, with their bias in words, and the steps that are not recorded."""
    rows = _steps(found, desk)
    heads = [
        ("title", "Step", "text"),
        ("n", "Cases", "count"),
        ("conversion", "Conversion", "share:conf_low:conf_high"),
        ("naive_open_as_lost", "Open as lost", "share"),
        ("naive_ratio", "Ratio of totals", "share"),
        ("bias", "What counting gets wrong", "text"),
    ]
    missing = " ".join(f"{step.replace('_', ' ')}: {gap}." for step, gap in found.missing.items())
    return table("Conversions", rows, heads, note=missing, source=desk.source)


def peers(desk: Desk, found: Funnel, step: str = "opportunity_to_won") -> Picture | Note:
    """Each rep's conversion pulled toward the team, with its range; the plain rate hollow."""
    steps = found.steps
    rows = steps[(steps["scope"] == "rep") & (steps["team_id"] == desk.team_id) & (steps["step"] == step)]
    if rows.empty or "shrunk" not in rows:
        return Note(f"{step.replace('_', ' ').capitalize()}: no rep of the team has a case.")
    rows = rows.sort_values("shrunk", ascending=False).assign(label=[f"rep {n + 1}" for n in range(len(rows))])
    mean = float(
        steps.loc[
            (steps["scope"] == "team") & (steps["team_id"] == desk.team_id) & (steps["step"] == step), "conversion"
        ].iloc[0]
    )
    named = rows["standing"].isin(["above the team", "below the team"]).sum()
    title = f"{named} of {len(rows)} reps differ from the team by more than chance"
    return whiskers(
        rows, "label", "shrunk", ("shrunk_low", "shrunk_high"), title=title, axis=rows["title"].iloc[0].lower(),
        source=f"Vertical line: the team. {desk.source}", share=True, line=mean, other=("conversion", "the plain rate"),
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
