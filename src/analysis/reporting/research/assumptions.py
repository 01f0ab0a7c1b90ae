"""What other assumptions would have said: own past, calendars, baselines of the forecast, deal size, and quality beside quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import words
from analysis.reporting.blocks import Column, Note, Table
from analysis.reporting.research.book import Book, name, probability

ASSUMPTIONS = {
    "own_past": "A rep's own recent results held constant",
    "rep_quarter_ends": "Each rep's own level at quarter ends (incentives)",
    "no_calendar": "No week effects at all",
}
BASELINES = {
    "rep_season": "rep and season",
    "own_past": "and own recent results",
    "pipeline": "and open pipeline",
}


def assumptions(book: Book) -> Table:
    """Every activity's link as studied, and under each other assumption, as a share of the outcome per one extra."""
    found = book.details["sensitivity"].get("links", {})
    rows: list[tuple[str, ...]] = []
    for activity, others in found.items():
        rows.append((name(activity), "As studied", _interval(book.answered[activity]["link"]), ""))
        rows += [
            (name(activity), ASSUMPTIONS[one["assumption"]], _interval(one), probability(one["change_p"]))
            for one in others
        ]
    columns = (
        Column("Activity"),
        Column("Assumption"),
        Column("Per extra one", "likely range", "right"),
        Column("p of the change", align="right"),
    )
    note = "Own results are moved by activities too, so that row is another estimate, not a better one; the last is what an analysis without a calendar says."
    return Table("Under other assumptions", columns, tuple(rows), note=note, source=book.source())


def baselines(book: Book) -> Table:
    """Forecast error saved over what was known without the activity, for three kinds of knowledge."""
    found = book.details["sensitivity"].get("forecasts", {})
    shown = [baseline for baseline in BASELINES if found.get(baseline)]
    activities = list(found[shown[0]]) if shown else []
    rows = tuple(
        (_label(activity), *(_gain(found[baseline].get(activity)) for baseline in shown)) for activity in activities
    )
    columns = (Column("Activity"), *(Column(words.capital(BASELINES[b]), "error saved, p", "right") for b in shown))
    missing = "" if "pipeline" in shown else " The pipeline is not recorded."
    note = f"What works through the pipeline is in it already; a gain there is knowledge the pipeline does not hold.{missing}"
    return Table("Forecasts, against what one knew already", columns, rows, note=note, source=book.source())


def quality(book: Book) -> Table | Note:
    """Whether one that was meaningful, or reached a senior person, predicts more than one that was not."""
    found = book.details["sensitivity"].get("quality", {})
    rows = tuple(
        (
            name(activity),
            one["quality"],
            words.share(one["share"], decimals=0),
            _interval(one),
            probability(one["q_value"]),
        )
        for activity, each in found.items()
        for one in each
    )
    if not rows:
        return Note(
            "Whether activities were meaningful or reached senior people is not recorded, or is always the same."
        )
    columns = (
        Column("Activity"),
        Column("Quality"),
        Column("Share of all", align="right"),
        Column("On top of the plain one", "likely range", "right"),
        Column("q", align="right"),
    )
    note = (
        "All of these are counted together. An interval around nought says that the number matters more than the kind."
    )
    return Table("Does quality add to quantity?", columns, rows, note=note, source=book.source())


def deal_size(book: Book) -> Table | Note:
    """Whether deals are larger after more of an activity: log revenue per win."""
    found = book.details["sensitivity"].get("deal_size", {})
    if not found:
        return Note("There are too few deals with an amount to say whether their size follows any activity.")
    rows = tuple((name(activity), _interval(one), probability(one["p_value"])) for activity, one in found.items())
    columns = (
        Column("Activity"),
        Column("Deal size per extra one", "likely range", "right"),
        Column("p", align="right"),
    )
    note = "Among weeks with a win; uncounted, and no part of a grade."
    return Table("Are deals larger afterwards?", columns, rows, note=note, source=book.source())


def _label(activity: str) -> str:
    return "All together" if activity == "all together" else name(activity)


def _interval(link: Mapping[str, Any]) -> str:
    values = [link["estimate"], link["conf_low"], link["conf_high"]]
    if not all(words.is_known(value) for value in values):
        return words.text("number.none")
    point, low, high = (words.share(float(np.expm1(value)), decimals=1) for value in values)
    return f"{point} ({low} to {high})"


def _gain(gain: Mapping[str, Any] | None) -> str:
    if gain is None or not words.is_known(gain["gain"]):
        return words.text("number.none")
    return f"{words.share(gain['gain'], decimals=2)}, {probability(gain['p_value'])}"
