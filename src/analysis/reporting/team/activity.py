"""Activities against what the goal needs, the method behind them, and the one thing each rep works on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Note, Table, not_recorded
from analysis.reporting.team.desk import Desk
from analysis.reporting.team.outcome import metric_table

RECENT_WEEKS = 13
QUALITY_METRICS = ("meaningful_share", "senior_share", "talk_time", "price_realisation")


def activities(desk: Desk) -> Block:
    """How much of each activity a rep does, beside what the goal needs of the admitted levers."""
    rows = desk.pack.panel.frame
    recent = rows[rows["week"] > rows["week"].max() - pd.Timedelta(weeks=RECENT_WEEKS)]
    need = needs(desk, recent["rep_id"].nunique())
    table = pd.DataFrame(
        {
            "activity": list(desk.pack.panel.activities),
            "actual": [float(recent[name].mean()) for name in desk.pack.panel.activities],
            "need": [need.get(name, np.nan) for name in desk.pack.panel.activities],
        }
    )
    return figures.volume(
        table.dropna(subset=["actual"]), period=desk.pack.panel.period, source=desk.source(), locale=desk.locale
    )


def needs(desk: Desk, n_reps: int) -> dict[str, float]:
    """Activities a rep and week with which the quota is likely reached; only where that is more than nothing shows."""
    found = desk.targets
    if isinstance(found, NotRecorded | AnalysisError) or not n_reps:
        return {}
    levers = found.levers[found.levers["admitted"].astype(bool) & (found.levers["basis"] == "study")]
    return {
        str(r["lever"]): float(r["per_week_70"]) / n_reps
        for r in levers.to_dict("records")
        if shows(float(r["per_week_70"]))
    }


def shows(per_week: float) -> bool:
    """Whether a number a week is known and more than the zero that one decimal would show."""
    return round(per_week, 1) > 0 if per_week == per_week else False


def plan(desk: Desk) -> Block:
    """What the goal needs: the sentence, and each lever's numbers beside the naive ones."""
    found = desk.targets
    if isinstance(found, NotRecorded):
        return not_recorded(desk.text("plan"), list(found.missing), locale=desk.locale)
    if isinstance(found, AnalysisError):
        return Note(str(found), desk.text("plan"))
    admitted = found.levers[found.levers["admitted"].astype(bool)]
    rows = tuple(lever_row(desk, row) for row in admitted.to_dict("records"))
    headings = ("lever", "now", "for_half", "for_likely", "naive")
    columns = tuple(Column(desk.text(name), align="left" if name == "lever" else "right") for name in headings)
    return Table(desk.text("plan_caption"), columns, rows, note=found.sentence)


def lever_row(desk: Desk, row: dict[str, Any]) -> tuple[str, ...]:
    """One lever: now, and what would give an even and a likely chance, a week and team."""
    numbers = (row["now_per_week"], row["per_week_50"], row["per_week_70"], row["naive_per_week"])
    now, *needed = (float(n) for n in numbers)
    shown = [words.number(now, decimals=1, locale=desk.locale), *(need_words(desk, n) for n in needed)]
    return (words.capital(words.kinds_name(str(row["lever"]), locale=desk.locale)), *shown)


def need_words(desk: Desk, per_week: float) -> str:
    """What is needed a week; in words where the goal is reached without any more."""
    if per_week != per_week:
        return words.text("number.none", locale=desk.locale)
    return words.number(per_week, decimals=1, locale=desk.locale) if shows(per_week) else desk.text("none_needed")


def method(desk: Desk) -> Block:
    """How well the work is carried out: conversion by step."""
    found = desk.funnel
    if isinstance(found, NotRecorded):
        return not_recorded(desk.text("section_method"), list(found.missing), locale=desk.locale)
    if isinstance(found, AnalysisError):
        return Note(str(found), desk.text("section_method"))
    steps = found.steps[(found.steps["scope"] == "team") & found.steps["conversion"].notna()]
    if steps.empty:
        return Note(desk.text("not_yet"), desk.text("section_method"))
    shape = pd.DataFrame(
        {
            "step": steps["title"],
            "rate": steps["conversion"],
            "low": steps["conf_low"],
            "high": steps["conf_high"],
            "n": steps["n"],
        }
    )
    return figures.funnel(shape, source=desk.source(), locale=desk.locale)


def quality(desk: Desk) -> Block:
    """Meaningful share, senior contacts, talk time, price kept."""
    if isinstance(desk.card, NotRecorded):
        return not_recorded(desk.text("section_quality"), list(desk.card.missing), locale=desk.locale)
    return metric_table(desk, QUALITY_METRICS, desk.text("method_caption"))


def one_thing(desk: Desk) -> Block:
    """One thing per rep this month, or none; reps by pseudonym."""
    if isinstance(desk.book, NotRecorded):
        return not_recorded(desk.text("section_one_thing"), list(desk.book.missing), locale=desk.locale)
    from analysis.management.coaching import one_thing as choose

    book = desk.book
    found = Desk.attempt(lambda: choose(book, months=1))
    if isinstance(found, NotRecorded | AnalysisError):
        return Note(str(found), desk.text("section_one_thing"))
    rows = tuple((str(row["rep_id"]), str(row["status"]), str(row["sentence"])) for row in found.to_dict("records"))
    columns = (Column(desk.text("rep")), Column(desk.text("standing")), Column(desk.text("the_thing")))
    return Table(desk.text("one_thing_caption"), columns, rows, note=desk.text("one_thing_note"))
