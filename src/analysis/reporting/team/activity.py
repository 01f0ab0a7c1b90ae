"""Activities against what the goal needs, the method behind them, and the one thing each rep works on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.management.coaching import FEW, MET
from analysis.management.funnel_cases import step_title
from analysis.management.gaps import CONVERSIONS, gap_name
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Note, Table, not_recorded
from analysis.reporting.goals import goal_sentence
from analysis.reporting.team.desk import Desk
from analysis.reporting.team.outcome import metric_table

RECENT_WEEKS = 13
QUALITY_METRICS = ("meaningful_share", "senior_share", "talk_time", "price_realisation")


def activities(desk: Desk) -> Block:
    """How much of each activity a rep does, beside what the goal needs of the admitted levers."""
    rows = desk.pack.panel.frame
    recent = rows[rows["week"] > rows["week"].max() - pd.Timedelta(weeks=RECENT_WEEKS)]
    if not recent[list(desk.pack.panel.activities)].gt(0).to_numpy().any():
        return Note(desk.text("no_activity"), desk.text("section_activities"), "mute")
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
        return Note(desk.why(found), desk.text("plan"))
    admitted = found.levers[found.levers["admitted"].astype(bool)]
    rows = tuple(lever_row(desk, row) for row in admitted.to_dict("records"))
    headings = ("lever", "now", "for_half", "for_likely", "naive")
    columns = tuple(Column(desk.text(name), align="left" if name == "lever" else "right") for name in headings)
    note = goal_sentence(found, desk.pack.currency, locale=desk.locale)
    if admitted[["per_week_50", "per_week_70"]].isna().any(axis=None):
        note += " " + desk.text("plan_unreached")
    return Table(desk.text("plan_caption"), columns, rows, note=note)


def lever_row(desk: Desk, row: dict[str, Any]) -> tuple[str, ...]:
    """One lever: now, and what would give an even and a likely chance, a week and team."""
    numbers = (row["now_per_week"], row["per_week_50"], row["per_week_70"], row["naive_per_week"])
    now, *needed = (float(n) for n in numbers)
    shown = [words.number(now, decimals=1, locale=desk.locale), *(need_words(desk, n, now) for n in needed)]
    return (words.capital(words.kinds_name(str(row["lever"]), locale=desk.locale)), *shown)


def need_words(desk: Desk, per_week: float, now: float) -> str:
    """What is needed a week; in words where the goal is reached without any, or with as many as now."""
    if per_week != per_week:
        return words.text("number.none", locale=desk.locale)
    if shows(per_week) and round(per_week, 1) == round(now, 1):
        return desk.text("as_now")
    return words.number(per_week, decimals=1, locale=desk.locale) if shows(per_week) else desk.text("none_needed")


def method(desk: Desk) -> Block:
    """How well the work is carried out: conversion by step."""
    found = desk.funnel
    if isinstance(found, NotRecorded):
        return not_recorded(desk.text("section_method"), list(found.missing), locale=desk.locale)
    if isinstance(found, AnalysisError):
        return Note(desk.why(found), desk.text("section_method"))
    steps = found.steps[found.steps["scope"] == "team"]
    if steps.empty or steps["conversion"].isna().all():
        return Note(desk.text("not_yet"), desk.text("section_method"))
    steps = steps.dropna(subset=["conversion"])
    shape = pd.DataFrame(
        {
            "step": [step_title(step, desk.locale) for step in steps["step"]],
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
        return Note(desk.why(found), desk.text("section_one_thing"))
    return things(desk, found)


def things(desk: Desk, found: pd.DataFrame) -> Block:
    """The reps who have one; those for whom nothing stands out in one sentence below."""
    chosen = found if found.empty else found[found["thing"].ne("")]
    if chosen.empty:
        few = found.empty or found["status"].eq(FEW).all()
        return Note(desk.text("too_few_peers" if few else "nothing_stands_out"), desk.text("section_one_thing"))
    say = words.Voice("team", desk.locale)
    rows = tuple(
        (str(row["rep_id"]), say.code(str(row["status"])), thing(desk, row)) for row in chosen.to_dict("records")
    )
    columns = (Column(desk.text("rep")), Column(desk.text("standing")), Column(desk.text("the_thing")))
    note = desk.text("one_thing_note")
    if others := sorted(found.loc[found["thing"].eq(""), "rep_id"].astype(str)):
        note = f"{desk.text('others', {'reps': words.listed(others, locale=desk.locale)})} {note}"
    return Table(desk.text("one_thing_caption"), columns, rows, note=note)


def thing(desk: Desk, row: Mapping[Any, Any]) -> str:
    """One thing with its gap to the peers and what closing it goes with; management's own words where no gap is known."""
    if not words.is_known(row.get("gap")):
        return words.retold(str(row["sentence"]), locale=desk.locale, under="management")
    metric = str(row["thing"])
    is_share = metric in CONVERSIONS
    key = "thing_share" if is_share else "thing_pace"
    number = words.share if is_share else lambda value, locale: words.number(value, decimals=1, locale=locale)
    far, near = (number(abs(row[bound]), locale=desk.locale) for bound in ("conf_low", "conf_high"))
    values = {
        "what": words.capital(gap_name(metric, desk.locale)),
        "value": number(row["value"], locale=desk.locale),
        "peers": number(row["peers"], locale=desk.locale),
        "gap": words.span(near, far, locale=desk.locale),
    }
    said = [desk.text(key, values)]
    if row["status"] == MET:
        said.append(desk.text("thing_met"))
    elif words.is_known(row["money_per_week"]) and row["money_per_week"] > 0:
        said.append(desk.text("thing_money", {"amount": desk.estimate(row["money_per_week"])}))
    return " ".join(said)
