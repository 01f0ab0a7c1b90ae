"""What changed since the report before, activity by activity, and why: new data, another definition, another grade."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Block, Column, Note, Table
from analysis.reporting.pack import TeamPack

Text = Callable[..., str]


def changes(pack: TeamPack, findings: pd.DataFrame, text: Text, locale: str = "en") -> Block:
    """Each activity of `findings` whose grade is another than in the report before.

    text: key and values -> a text of the report (first_report, nothing_changed, changes_caption).
    """
    before = pack.previous
    if before is None:
        return Note(text("first_report"))
    old = before[before["team_id"].fillna("") == pack.team_id].drop_duplicates("activity").set_index("activity")
    rows = tuple(_row(old, row, pack.panel.period, locale) for row in findings.to_dict("records") if _moved(old, row))
    day = words.date(pack.previous_as_of, locale=locale) if pack.previous_as_of else ""
    if not rows:
        return Note(text("nothing_changed", {"date": day}))
    columns = tuple(
        Column(words.capital(words.text(f"moves.{name}", locale=locale)))
        for name in ("activity", "before", "now", "why")
    )
    return Table(text("changes_caption", {"date": day}), columns, rows)


def _moved(old: pd.DataFrame, row: dict[Any, Any]) -> bool:
    return row["activity"] not in old.index or old.loc[row["activity"], "grade"] != row["grade"]


def _row(old: pd.DataFrame, row: dict[Any, Any], period: str, locale: str) -> tuple[str, ...]:
    """Activity, grade before, grade now, why."""
    kind = row["activity"]
    name = words.capital(words.kinds_name(kind, locale=locale))
    now = words.grade_word(row["grade"], locale=locale)
    if kind not in old.index:
        return (
            name,
            words.text("moves.not_tested", locale=locale),
            now,
            words.text("moves.newly_recorded", locale=locale),
        )
    was = old.loc[kind]
    return name, words.grade_word(was["grade"], locale=locale), now, _why(was, row, period, locale)


def _why(was: pd.Series, row: dict[Any, Any], period: str, locale: str) -> str:
    """The change of definition or of the amount of data, then the reason of the new grade."""
    reason = words.retold(str(row["reason"]), locale=locale)
    if (was["lag_from"], was["lag_to"], was["outcome"]) != (row["lag_from"], row["lag_to"], row["outcome"]):
        return f"{words.text('moves.why_definition', locale=locale)} {reason}"
    gap = int(row["n_weeks"]) - int(was["n_weeks"])
    if gap == 0:
        return reason
    values = {"weeks": words.count(abs(gap), period, locale=locale)}
    return f"{words.text('moves.why_more' if gap > 0 else 'moves.why_less', values, locale=locale)} {reason}"
