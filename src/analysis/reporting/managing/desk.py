"""The desk of a managing notebook: the book of one data folder, the study's findings, and one team in view."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import pandas as pd

from analysis import words
from analysis.crm import read
from analysis.errors import AnalysisError, ParameterError
from analysis.evidence import run_study
from analysis.management.book import Book, NotRecorded, book_from
from analysis.panel import load
from analysis.reporting.blocks import Column, Note, Table, not_recorded
from analysis.reporting.research.places import data_folder

Answer = TypeVar("Answer")
BLANK = "–"


@dataclass(frozen=True, slots=True)
class Desk:
    """book: the whole company as known on its day; team_id: the team the notebook looks at; teams: all of them."""

    book: Book
    team_id: str
    teams: tuple[str, ...]

    @property
    def source(self) -> str:
        """What stands below every table: team, day and reps."""
        reps = (self.book.frame("reps")["team_id"] == self.team_id).sum()
        return f"Team {self.team_id}, {reps} reps, as of {words.date(self.book.as_of)}."


def open_desk(data: str = "", team_id: str = "", as_of: str = "", study: bool = True) -> Desk:
    """Read the data folder, run the study if asked, and choose the team (default the first).

    Raises InputError for a folder that cannot be read, ParameterError for a team that does not exist.
    """
    folder = data_folder(data)
    crm = read(folder)
    book = book_from(crm, as_of or None, findings=_findings(str(folder)) if study else None)
    teams = tuple(sorted(book.frame("reps")["team_id"].dropna().unique()))
    if team_id and team_id not in teams:
        raise ParameterError(f"team {team_id!r} is not in {folder.name}; it has {', '.join(teams)}")
    return Desk(book, team_id or teams[0], teams)


def about(desk: Desk) -> Note:
    """What the notebook looks at, and whether a study backs its levers."""
    study = desk.book.findings
    backed = "No study was run." if study is None else f"The study tested {study['activity'].nunique()} activities."
    return Note(f"{desk.source} {backed}")


def _findings(folder: str) -> pd.DataFrame | None:
    """The findings, or None where the data refuse a study: activities are then no levers."""
    try:
        return run_study(load(folder)).findings
    except AnalysisError:
        return None


def ask(question: Callable[[], Answer | NotRecorded], what: str) -> Answer | Note:
    """The answer, or the note that says what is not recorded or why the data refuse it."""
    try:
        found = question()
    except AnalysisError as refusal:
        return Note(f"{words.capital(what)}: {refusal}.", tone="plain")
    return not_recorded(what, found.missing) if isinstance(found, NotRecorded) else found


def table(
    caption: str,
    frame: pd.DataFrame,
    columns: Sequence[tuple[str, str, str]],
    *,
    note: str = "",
    source: str = "",
    currency: str = "",
) -> Table:
    """A block from a frame; columns: (column, heading, form) with form text, share, money, number, count or date.

    A form may name a range: "share:conf_low:conf_high" shows the value with its likely range behind it.
    """
    heads = tuple(Column(head, align="left" if form in ("text", "date") else "right") for _, head, form in columns)
    rows = tuple(
        tuple(_cell(row, name, form, currency) for name, _, form in columns) for row in frame.to_dict("records")
    )
    return Table(caption, heads, rows, note=note, source=source)


def _cell(row: dict, name: str, form: str, currency: str) -> str:
    kind, *bounds = form.split(":")
    shown = one(row[name], kind, currency)
    if not bounds or shown == BLANK:
        return shown
    low, high = (one(row[bound], kind, currency) for bound in bounds)
    return f"{shown} (no range: too few)" if BLANK in (low, high) else f"{shown} ({low} to {high})"


def one(value: Any, kind: str, currency: str = "") -> str:
    """One value as text; unknown is a dash, never zero."""
    if kind == "text":
        return BLANK if value is None or value != value or value == "" else str(value)
    if kind == "date":
        return BLANK if value is None or pd.isna(value) else words.date(value)
    if not words.is_known(value):
        return BLANK
    if kind == "share":
        return words.share(float(value))
    if kind == "money":
        return words.money(words.significant(float(value), 3), currency)
    return words.number(float(value), decimals=0 if kind == "count" else 1)
