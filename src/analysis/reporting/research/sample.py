"""What a notebook rests on, what it cannot say, and which notebooks a data folder can feed."""

from __future__ import annotations

from analysis import words
from analysis.errors import AnalysisError
from analysis.reporting.blocks import Block, Column, Note, Points, Table, Tile, Tiles
from analysis.reporting.places import data_folder
from analysis.reporting.research.book import SAY, Book

NEEDS = {
    "health": ("activities", "opportunities"),
    "results": ("activities", "opportunities"),
    "delays": (),
    "predicts": (),
    "trust": (),
    "targets": ("quotas", "opportunities"),
    "market": ("leads",),
    "people": ("coaching",),
}
READY_PANEL = ("panel.parquet", "panel.csv")


def sample(book: Book) -> Tiles:
    """Reps, teams, periods and results that everything here rests on."""
    frame, say, period = book.panel.frame, book.say, book.panel.period
    outcome = book.plan.outcome
    teams = say.text("sample.in_teams", {"teams": say.count(frame["team_id"].nunique(), "team")})
    until = say.between(say.date(frame["week"].min()), say.date(book.panel.last_day))
    total = words.compact(float(frame[outcome].sum()), locale=say.locale)
    usable = say.text(f"sample.usable.{period}", {"n": say.number(int(book.company.keep.sum()))})
    recorded = say.text("sample.of_recorded", {"n": len(book.panel.activities)})
    return Tiles(
        (
            Tile(say.text("sample.reps"), say.number(frame["rep_id"].nunique()), teams),
            Tile(words.capital(say.text(f"plural_period.{period}")), say.number(frame["week"].nunique()), until),
            Tile(words.capital(words.outcome_name(outcome, locale=say.locale)), total, usable),
            Tile(say.text("sample.tested"), say.number(len(book.plan.activities)), recorded),
        )
    )


def notes(book: Book) -> Block:
    """What a reader must know before the numbers: gaps filled, activities left out, logging that changed, refusals."""
    company = book.say.text("sample.company")
    warned = {scope: lines for scope, lines in book.details["warnings"].items() if scope}
    said = [words.retold(note, locale=book.say.locale, under="panel") for note in book.panel.notes]
    said += [*(words.retold(line, locale=book.say.locale) for line in book.details["warnings"][""])]
    said += [
        f"{scope}: {words.retold(line, locale=book.say.locale)}" for scope, lines in warned.items() for line in lines
    ]
    said += [
        book.say.text(
            "sample.scope_refused", {"scope": scope or company, "why": words.retold(why, locale=book.say.locale)}
        )
        for scope, why in book.details["refusals"].items()
    ]
    if not said:
        return Note(book.say.text("sample.nothing"))
    return Points(tuple(words.capital(line) for line in said), book.say.text("sample.notes"))


def limits(say: words.Voice = SAY) -> Points:
    """What no study of records can say."""
    named = ("cause", "demand", "logged", "small")
    return Points(tuple(words.text(f"team.limit_{name}", locale=say.locale) for name in named))


def overview(data: str = "", say: words.Voice = SAY) -> Block:
    """Each research notebook and whether this data folder holds what it reads."""
    try:
        folder = data_folder(data)
    except AnalysisError as refusal:
        return Note(str(refusal), say.text("sample.no_data"), "warn")
    held = {path.name.split(".")[0] for path in folder.iterdir()}
    is_panel = any((folder / each).exists() for each in READY_PANEL)
    rows = tuple((say.text(f"notebooks.{name}"), _readiness(say, need, held, is_panel)) for name, need in NEEDS.items())
    return Table(
        say.text("sample.caption", {"folder": folder.name}),
        (Column(say.text("sample.notebook")), Column(say.text("sample.on_this_data"))),
        rows,
        note=say.text("sample.panel_note"),
    )


def _readiness(say: words.Voice, needs: tuple[str, ...], held: set[str], is_panel: bool) -> str:
    lacking = [table for table in needs if table not in held]
    if lacking:
        return say.text("sample.not_recorded", {"tables": say.listed(lacking)})
    if not needs and not is_panel and not {"activities", "opportunities"} <= held:
        return say.text("sample.needs")
    return say.text("sample.ready")
