"""Which activities go with revenue here, after how long, how sure that is, and how much of it is borrowed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis import words
from analysis.evidence.frames import check_frame, kernel_frame
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Card, Group, Note
from analysis.reporting.cards import evidence_card
from analysis.reporting.team.desk import Desk

MOST_DELAYS = 2
BORROWED_BELOW = 0.5
REFUSED = "X"


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


def delays(desk: Desk) -> Block:
    """When the clearest activities show; a note where no delay is established."""
    shown = [delay(desk, row) for row in desk.claims[:MOST_DELAYS]]
    return Group(tuple(shown)) if shown else Note(desk.text("no_delay"))


def delay(desk: Desk, row: dict[str, Any]) -> Block:
    """One activity's delays: the team's own where it stands on its own data, else the company's."""
    borrowed = borrows(row)
    rows = desk.pack.panel.frame
    scale = float(rows["revenue"].mean()) if "revenue" in desk.pack.panel.outcomes else 1.0
    frame = kernel_frame(desk.pack.details, row["activity"], "" if borrowed else desk.pack.team_id, scale)
    if frame.empty:
        return Note(desk.text("no_delay"))
    return figures.delay(
        frame,
        row["activity"],
        currency=desk.pack.currency if "revenue" in desk.pack.panel.outcomes else None,
        mean_lag=row["mean_lag_weeks"],
        period=desk.pack.panel.period,
        source=desk.source("company" if borrowed else "panel"),
        locale=desk.locale,
    )


def cards(desk: Desk) -> Group:
    """One evidence card an activity, the surest first; one for all that were refused for the same reason."""
    shown = [card(desk, row) for row in desk.rows if row["grade"] != REFUSED]
    by_reason: dict[str, list[dict[str, Any]]] = {}
    for row in desk.rows:
        if row["grade"] == REFUSED:
            by_reason.setdefault(str(row["reason"]), []).append(row)
    return Group((*shown, *(refused(desk, rows) for rows in by_reason.values())))


def refused(desk: Desk, rows: Sequence[dict[str, Any]]) -> Card:
    """The card of activities that share what they lack."""
    made = card(desk, rows[0])
    if len(rows) == 1:
        return made
    named = words.listed(
        [words.kinds_name(str(row["activity"]), locale=desk.locale) for row in rows], locale=desk.locale
    )
    sentence = words.text("finding.refused", {"activities": named}, locale=desk.locale)
    return replace(made, heading=words.capital(named), sentence=sentence)


def card(desk: Desk, row: dict[str, Any]) -> Card:
    """The evidence on one activity with every check the study ran."""
    checks = check_frame(desk.pack.details, row["activity"], "" if borrows(row) else desk.pack.team_id)
    across = check_frame(desk.pack.details, row["activity"], "") if row["grade"] in "DE" else None
    return evidence_card(
        row,
        currency=desk.pack.currency,
        period=desk.pack.panel.period,
        checks=checks,
        company_checks=across,
        locale=desk.locale,
    )


def borrows(row: dict[str, Any]) -> bool:
    """Whether a row is mostly the company's evidence."""
    return bool(row["own_share"] < BORROWED_BELOW)
