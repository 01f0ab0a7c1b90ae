"""The desk of a managing notebook: the book of one data folder, the study's findings, and one team in view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pandas as pd

from analysis import words
from analysis.crm import read
from analysis.errors import AnalysisError, ParameterError
from analysis.evidence import run_study
from analysis.management.book import Book, NotRecorded, book_from
from analysis.panel import load
from analysis.reporting.blocks import Note, not_recorded
from analysis.reporting.places import data_folder

Answer = TypeVar("Answer")
SAY = words.Voice("managing")


@dataclass(frozen=True, slots=True)
class Desk:
    """book: the whole company as known on its day; team_id: the team the notebook looks at; teams: all of them.

    say: the notebook's texts in the reader's language.
    """

    book: Book
    team_id: str
    teams: tuple[str, ...]
    say: words.Voice = field(default=SAY)

    @property
    def source(self) -> str:
        """What stands below every table: team, day and reps."""
        reps = int((self.book.frame("reps")["team_id"] == self.team_id).sum())
        values = {"team": self.team_id, "reps": self.say.count(reps, "rep"), "date": self.say.date(self.book.as_of)}
        return self.say.text("source", values)

    def ask(self, question: Callable[[], Answer | NotRecorded], what: str) -> Answer | Note:
        """The answer, or the note that says what is not recorded or why the data refuse it; what: a key of managing.what."""
        called = self.say.text(f"what.{what}")
        try:
            found = question()
        except AnalysisError as refusal:
            return Note(self.say.text("cannot", {"what": words.capital(called), "why": refusal}), tone="plain")
        if isinstance(found, NotRecorded):
            return not_recorded(called, found.missing, locale=self.say.locale)
        return found


def open_desk(data: str = "", team_id: str = "", as_of: str = "", study: bool = True, locale: str = "en") -> Desk:
    """Read the data folder, run the study if asked, and choose the team (default the first).

    Raises InputError for a folder that cannot be read, ParameterError for a team that does not exist.
    """
    folder = data_folder(data)
    crm = read(folder)
    book = book_from(crm, as_of or None, findings=_findings(str(folder)) if study else None)
    teams = tuple(sorted(book.frame("reps")["team_id"].dropna().unique()))
    if team_id and team_id not in teams:
        raise ParameterError(f"team {team_id!r} is not in {folder.name}; it has {', '.join(teams)}")
    return Desk(book, team_id or teams[0], teams, words.Voice("managing", locale))


def about(desk: Desk) -> Note:
    """What the notebook looks at, and whether a study backs its levers."""
    study = desk.book.findings
    backed = desk.say.text("no_study") if study is None else desk.say.plural("study", study["activity"].nunique())
    return Note(f"{desk.source} {backed}")


def _findings(folder: str) -> pd.DataFrame | None:
    """The findings, or None where the data refuse a study: activities are then no levers."""
    try:
        return run_study(load(folder)).findings
    except AnalysisError:
        return None
