"""Which activities may be used as levers: those that the study grades A or B, with what one more of them brings."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book
from analysis.management.plan import Effect

ADMITTED = ("A", "B")
SAY = words.Voice("management.levers")
NO_STUDY = SAY.text("no_study")
UNTESTED = SAY.text("untested")


_ASKED = (
    "scope",
    "activity",
    "grade",
    "reason",
    "effect",
    "conf_low",
    "conf_high",
    "mean_lag_weeks",
    "lag_from",
    "lag_to",
)


def levers(book: Book, team_id: str) -> dict[str, Effect | str]:
    """What the book's study says of every activity for a team; see `lever_effects`."""
    rows = book.shared("lever_rows", lambda: _rows(book.findings))
    return book.shared(f"levers of {team_id}", lambda: _effects(rows, team_id))


def lever_effects(findings: pd.DataFrame | None, team_id: str) -> dict[str, Effect | str]:
    """Per activity of the study: its effect where graded A or B for the team or the company, else why it is no lever.

    The team's own row counts first; the company's may admit what the team's own data are too thin to tell.
    """
    return _effects(_rows(findings), team_id)


def _rows(findings: pd.DataFrame | None) -> dict[str, list[dict]]:
    """What is asked of the findings, by team_id (blank = the company)."""
    out: dict[str, list[dict]] = {}
    columns = [] if findings is None else [findings[name].tolist() for name in ("team_id", *_ASKED)]
    for team, *values in zip(*columns, strict=True):
        row = dict(zip(_ASKED, values, strict=True))
        out.setdefault(COMPANY if row["scope"] == "company" else team, []).append(row)
    return out


def _effects(rows: dict[str, list[dict]], team_id: str) -> dict[str, Effect | str]:
    own = rows.get(team_id, []) if team_id != COMPANY else []
    out: dict[str, Effect | str] = {}
    for row in own + rows.get(COMPANY, []):
        known = out.get(row["activity"])
        if isinstance(known, Effect):
            continue
        if row["grade"] in ADMITTED:
            out[row["activity"]] = _effect(row)
        elif known is None:
            out[row["activity"]] = SAY.text("graded", {"grade": row["grade"], "reason": row["reason"]})
    return out


def _effect(row: dict) -> Effect:
    lag = row["mean_lag_weeks"]
    weeks = float(lag) if pd.notna(lag) else (float(row["lag_from"]) + float(row["lag_to"])) / 2
    return Effect(float(row["effect"]), float(row["conf_high"] - row["conf_low"]) / 3.92, weeks)
