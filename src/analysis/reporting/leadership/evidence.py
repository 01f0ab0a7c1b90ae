"""Which activities predict revenue in the company, when it shows, how sure that is, what it is worth."""

from __future__ import annotations

from typing import Any

from analysis import words
from analysis.evidence.frames import kernel_frame
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Group, Mark, Note, Table, grade_mark
from analysis.reporting.leadership.desk import Desk

MOST_DELAYS = 4


def effects(desk: Desk) -> Block:
    """All activities with their likely ranges; a note where none could be estimated."""
    if desk.findings["effect_relative"].isna().all():
        return Note(desk.text("all_refused"), words.grade_word("X", locale=desk.locale))
    return figures.effects(
        desk.findings,
        currency=desk.pack.currency,
        period=desk.pack.panel.period,
        source=desk.source(),
        locale=desk.locale,
    )


def verdicts(desk: Desk) -> Table:
    """One row an activity: the verdict, what one extra goes with, when it shows, why no more can be said."""
    names = ("activity", "how_sure", "per_extra", "when", "why")
    columns = tuple(Column(desk.text(name), align="right" if name == "per_extra" else "left") for name in names)
    rows = tuple(verdict_row(desk, row) for row in desk.rows)
    return Table(desk.text("verdicts_caption"), columns, rows, note=desk.text("verdicts_note"))


def verdict_row(desk: Desk, row: dict[str, Any]) -> tuple[str | Mark, ...]:
    """Activity, mark, amount with range (only where something is claimed or ruled out), delay, reason."""
    name = words.capital(words.kinds_name(row["activity"], locale=desk.locale))
    return (
        name,
        grade_mark(row["grade"], locale=desk.locale),
        amount(desk, row),
        delay_words(desk, row),
        words.retold(str(row["reason"]), locale=desk.locale),
    )


def amount(desk: Desk, row: dict[str, Any]) -> str:
    """Money, or a share of the outcome where the panel holds no revenue."""
    if row["grade"] not in "ABE":
        return desk.none
    if words.is_known(row["effect"]) and "revenue" in desk.pack.panel.outcomes:
        return desk.ranged(row["effect"], row["conf_low"], row["conf_high"], desk.amount)
    return desk.ranged(row["effect_relative"], row["relative_low"], row["relative_high"], desk.share)


def delay_words(desk: Desk, row: dict[str, Any]) -> str:
    """When it shows; a dash where that is not established."""
    if not words.is_known(row["mean_lag_weeks"]):
        return desk.none
    return words.mean_delay(
        row["mean_lag_weeks"],
        period=desk.pack.panel.period,
        first=row["lag_from"],
        last=row["lag_to"],
        locale=desk.locale,
    )


def delays(desk: Desk) -> Block:
    """When the clearest activities show; a note where no delay is established."""
    shown = [found for row in desk.found[:MOST_DELAYS] if (found := delay(desk, row)) is not None]
    return Group(tuple(shown)) if shown else Note(desk.text("no_delay"))


def delay(desk: Desk, row: dict[str, Any]) -> Block | None:
    """The delays of one activity; None where they were not estimated."""
    has_money = "revenue" in desk.pack.panel.outcomes
    scale = float(desk.pack.panel.frame["revenue"].mean()) if has_money else 1.0
    frame = kernel_frame(desk.pack.details, row["activity"], "", scale)
    if frame.empty:
        return None
    return figures.delay(
        frame,
        row["activity"],
        currency=desk.pack.currency if has_money else None,
        mean_lag=row["mean_lag_weeks"],
        period=desk.pack.panel.period,
        source=desk.source(),
        locale=desk.locale,
    )
