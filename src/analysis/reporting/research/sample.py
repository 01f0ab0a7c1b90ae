"""What a notebook rests on, what it cannot say, and which notebooks a data folder can feed."""

from __future__ import annotations

from analysis import words
from analysis.errors import AnalysisError
from analysis.reporting.blocks import Block, Column, Note, Points, Table, Tile, Tiles
from analysis.reporting.research.book import Book
from analysis.reporting.research.places import data_folder

NEEDS = {
    "Data health": ("activities", "opportunities"),
    "Activities and results": ("activities", "opportunities"),
    "How long until revenue": (),
    "What predicts revenue": (),
    "Can we trust it": (),
    "Targets from quota": ("quotas", "opportunities"),
    "Leads and marketing": ("leads",),
    "Coaching and ramp": ("coaching",),
}
READY_PANEL = ("panel.parquet", "panel.csv")


def sample(book: Book) -> Tiles:
    """Reps, teams, periods and results that everything here rests on."""
    frame = book.panel.frame
    outcome = book.plan.outcome
    total = words.compact(float(frame[outcome].sum()))
    until = f"{words.date(frame['week'].min())} to {words.date(frame['week'].max())}"
    usable = f"{words.number(int(book.company.keep.sum()))} usable {book.panel.period}s of a rep"
    return Tiles(
        (
            Tile(
                "Reps", words.number(frame["rep_id"].nunique()), f"in {words.count(frame['team_id'].nunique(), 'team')}"
            ),
            Tile(words.capital(f"{book.panel.period}s"), words.number(frame["week"].nunique()), until),
            Tile(words.capital(words.outcome_name(outcome)), total, usable),
            Tile(
                "Activities tested",
                words.number(len(book.plan.activities)),
                f"of {len(book.panel.activities)} recorded",
            ),
        )
    )


def notes(book: Book) -> Block:
    """What a reader must know before the numbers: gaps filled, activities left out, logging that changed, refusals."""
    said = [*book.panel.notes, *(str(line) for line in book.details["warnings"])]
    said += [f"{scope}: {why}" for scope, why in book.details["refusals"].items()]
    if not said:
        return Note("Nothing had to be left out, masked or refused in this data.")
    return Points(tuple(said), "Before the numbers")


def limits() -> Points:
    """What no study of records can say."""
    return Points(
        (
            words.text("team.limit_cause"),
            words.text("team.limit_demand"),
            words.text("team.limit_logged"),
            words.text("team.limit_small"),
        )
    )


def overview(data: str = "") -> Block:
    """Each research notebook and whether this data folder holds what it reads."""
    try:
        folder = data_folder(data)
    except AnalysisError as refusal:
        return Note(str(refusal), "No data yet", "warn")
    held = {path.name.split(".")[0] for path in folder.iterdir()}
    is_panel = any((folder / each).exists() for each in READY_PANEL)
    rows = tuple((title, _readiness(needs, held, is_panel)) for title, needs in NEEDS.items())
    return Table(
        f"What {folder.name} can answer",
        (Column("Notebook"), Column("On this data")),
        rows,
        note="A ready panel answers the questions of evidence; funnel, leads and coaching need the tables.",
    )


def _readiness(needs: tuple[str, ...], held: set[str], is_panel: bool) -> str:
    lacking = [table for table in needs if table not in held]
    if lacking:
        return f"not recorded: {words.listed(lacking)}"
    if not needs and not is_panel and not {"activities", "opportunities"} <= held:
        return "needs activities and opportunities, or a ready panel"
    return "ready"
