"""What other assumptions would have said: own past, calendars, baselines of the forecast, deal size, and quality beside quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis import words
from analysis.reporting.blocks import Column, Note, Table
from analysis.reporting.research.book import Book, probability

ALL_TOGETHER = "all together"  # as the study names the forecast with every activity
BASELINES = ("rep_season", "own_past", "pipeline")


def assumptions(book: Book) -> Table:
    """Every activity's link as studied, and under each other assumption, as a share of the outcome per one extra."""
    found, say = book.details["sensitivity"].get("links", {}), book.say
    rows: list[tuple[str, ...]] = []
    for activity, others in found.items():
        studied = _interval(say, book.answered[activity]["link"])
        rows.append((say.label(activity), say.text("assumptions.as_studied"), studied, ""))
        for one in others:
            said = say.text(f"assumptions.{one['assumption']}")
            rows.append((say.label(activity), said, _interval(say, one), probability(one["change_p"], say)))
    columns = (
        Column(say.text("activity")),
        Column(say.text("assumptions.assumption")),
        Column(say.text("per_extra"), say.text("likely_range"), "right"),
        Column(say.text("assumptions.change_p"), align="right"),
    )
    caption, note = say.text("assumptions.caption"), say.text("assumptions.note")
    return Table(caption, columns, tuple(rows), note=note, source=book.source())


def baselines(book: Book) -> Table:
    """Forecast error saved over what was known without the activity, for three kinds of knowledge."""
    found, say = book.details["sensitivity"].get("forecasts", {}), book.say
    shown = [baseline for baseline in BASELINES if found.get(baseline)]
    activities = list(found[shown[0]]) if shown else []
    rows = tuple(
        (_label(say, activity), *(_gain(say, found[baseline].get(activity)) for baseline in shown))
        for activity in activities
    )
    known = (Column(say.text(f"baselines.{baseline}"), say.text("baselines.unit"), "right") for baseline in shown)
    note = say.text("baselines.note")
    if "pipeline" not in shown:
        note += " " + say.text("baselines.no_pipeline")
    columns = (Column(say.text("activity")), *known)
    return Table(say.text("baselines.caption"), columns, rows, note=note, source=book.source())


def quality(book: Book) -> Table | Note:
    """Whether one that was meaningful, or reached a senior person, predicts more than one that was not."""
    found, say = book.details["sensitivity"].get("quality", {}), book.say
    rows = tuple(
        (
            say.label(activity),
            one["quality"],
            say.share(one["share"], decimals=0),
            _interval(say, one),
            probability(one["q_value"], say),
        )
        for activity, each in found.items()
        for one in each
    )
    if not rows:
        return Note(say.text("quality.none"))
    columns = (
        Column(say.text("activity")),
        Column(say.text("quality.quality")),
        Column(say.text("quality.share"), align="right"),
        Column(say.text("quality.on_top"), say.text("likely_range"), "right"),
        Column(say.text("quality.q"), align="right"),
    )
    return Table(say.text("quality.caption"), columns, rows, note=say.text("quality.note"), source=book.source())


def deal_size(book: Book) -> Table | Note:
    """Whether deals are larger after more of an activity: log revenue per win."""
    found, say = book.details["sensitivity"].get("deal_size", {}), book.say
    if not found:
        return Note(say.text("deal_size.none"))
    rows = tuple(
        (say.label(activity), _interval(say, one), probability(one["p_value"], say)) for activity, one in found.items()
    )
    columns = (
        Column(say.text("activity")),
        Column(say.text("deal_size.size"), say.text("likely_range"), "right"),
        Column(say.text("deal_size.p"), align="right"),
    )
    return Table(say.text("deal_size.caption"), columns, rows, note=say.text("deal_size.note"), source=book.source())


def _label(say: words.Voice, activity: str) -> str:
    return say.text("all_together") if activity == ALL_TOGETHER else say.label(activity)


def _interval(say: words.Voice, link: Mapping[str, Any]) -> str:
    values = [link["estimate"], link["conf_low"], link["conf_high"]]
    if not all(words.is_known(value) for value in values):
        return say.none
    point, low, high = (say.share(float(np.expm1(value)), decimals=1) for value in values)
    return say.ranged(point, low, high)


def _gain(say: words.Voice, gain: Mapping[str, Any] | None) -> str:
    if gain is None or not words.is_known(gain["gain"]):
        return say.none
    values = {"share": say.share(gain["gain"], decimals=2), "p": probability(gain["p_value"], say)}
    return say.text("baselines.gain", values)
