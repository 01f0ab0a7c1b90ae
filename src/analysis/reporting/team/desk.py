"""A team's desk: its pack opened, with everything the sections share computed once and only when first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import Book, NotRecorded, last_day
from analysis.reporting.pack import TeamPack, load_pack
from analysis.reporting.places import data_folder
from analysis.reporting.sources import team_pack

STRONG = ("A", "B")
STOCKS = ("open_pipeline", "factored_pipeline", "coverage")  # known as they stand today


@dataclass(frozen=True)
class Desk:
    """One team's pack with what the sections read from it; amounts in pack.currency, locale as BCP 47 language."""

    pack: TeamPack
    locale: str = "en"

    @cached_property
    def findings(self) -> pd.DataFrame:
        """This team's rows, the surest first."""
        rows = self.pack.findings[self.pack.findings["scope"] == "team"]
        order = {grade: place for place, grade in enumerate(words.GRADES)}
        keys = rows["grade"].map(order)
        return rows.assign(_order=keys).sort_values(["_order", "q_value"], kind="stable").drop(columns="_order")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The same rows, one by one."""
        return [{str(key): value for key, value in row.items()} for row in self.findings.to_dict("records")]

    @cached_property
    def company(self) -> pd.DataFrame:
        """The company's rows."""
        return self.pack.findings[self.pack.findings["scope"] == "company"]

    @cached_property
    def claims(self) -> list[dict[str, Any]]:
        """The team's rows graded A or B, the surest first."""
        return [row for row in self.rows if row["grade"] in STRONG]

    @cached_property
    def book(self) -> Book | NotRecorded:
        """The team's tables; NotRecorded when the report is made from a ready panel.

        A team that has done nothing yet has a book too: as of the report's day.
        """
        if not {"reps", "activities", "opportunities"} <= set(self.pack.tables):
            return NotRecorded(("activities", "opportunities"))
        last = self.attempt(lambda: last_day(self.pack.tables))
        day = pd.Timestamp(self.pack.as_of) if isinstance(last, AnalysisError) else last
        return Book(self.pack.tables, day, self.pack.currency, self.pack.findings)

    @cached_property
    def card(self) -> pd.DataFrame | NotRecorded:
        """The month's scorecard, team rows only."""
        from analysis.management.scorecard import scorecard

        if isinstance(self.book, NotRecorded):
            return self.book
        table = scorecard(self.book, "month")
        return table[table["team_id"] == self.pack.team_id]

    @cached_property
    def funnel(self) -> Any:
        """Conversions of the last year, or why there are none."""
        from analysis.management.funnel import funnel

        return self.book if isinstance(self.book, NotRecorded) else self.attempt(lambda: funnel(self.book))

    @cached_property
    def targets(self) -> Any:
        """What the running quota needs, or why that cannot be said."""
        from analysis.management.targets import targets

        if isinstance(self.book, NotRecorded):
            return self.book
        return self.attempt(lambda: targets(self.book, self.pack.team_id))

    @cached_property
    def _by_metric(self) -> dict[str, list[dict[str, Any]]]:
        """The card's recorded rows by metric, oldest first; asked dozens of times a report."""
        found: dict[str, list[dict[str, Any]]] = {}
        if not isinstance(self.card, NotRecorded):
            known = self.card[self.card["recorded"]]
            for values in zip(*(known[name].tolist() for name in known), strict=True):
                row = dict(zip(map(str, known), values, strict=True))
                found.setdefault(row["metric"], []).append(row)
        return found

    def value(self, metric: str, column: str = "value") -> float | None:
        """The latest value of a scorecard metric, of a complete month unless it is a stock; None when not recorded.

        column: another column of the very row that holds that value, such as a bound of its range.
        """
        rows = self._by_metric.get(metric, ())
        known = [row for row in rows if (metric in STOCKS or row["complete"] is True) and row["value"] == row["value"]]
        return float(known[-1][column]) if known and known[-1][column] == known[-1][column] else None

    def text(self, key: str, values: Mapping[str, object] | None = None) -> str:
        """A text of the team report in the desk's language."""
        return words.text(f"team.{key}", values, locale=self.locale)

    def money(self, value: float) -> str:
        """A sum in the report's currency, three significant digits."""
        return words.money(value, self.pack.currency, short=True, locale=self.locale)

    def estimate(self, value: float) -> str:
        """An estimated amount: two significant digits."""
        return words.money(value, self.pack.currency, locale=self.locale)

    def source(self, what: str = "panel") -> str:
        """The line under a figure: what it rests on."""
        return self.text(f"source_{what}", self._extent)

    @cached_property
    def _extent(self) -> dict[str, str]:
        rows = self.pack.panel.frame
        return {
            "reps": words.count(rows["rep_id"].nunique(), "rep", locale=self.locale),
            "weeks": words.count(rows["week"].nunique(), self.pack.panel.period, locale=self.locale),
            "until": words.date(self.pack.panel.last_day, locale=self.locale),
        }

    def why(self, found: NotRecorded | AnalysisError) -> str:
        """Why something is not answered, in the desk's language."""
        return words.retold(str(found), locale=self.locale, under="management")

    @staticmethod
    def attempt(compute: Any) -> Any:
        """The result, or the workbench's own refusal as a value to be said."""
        try:
            return compute()
        except AnalysisError as refusal:
            return refusal


def open_desk(pack: str = "", data: str = "", team: str = "", locale: str = "en") -> Desk:
    """The desk of a pack's folder. Without one: of a team of a data folder (the first if not named), studied now.

    data: a folder, a URL, or empty for the one JupyterLab was opened with, else the demo.
    """
    if pack:
        return Desk(load_pack(pack), locale)
    return Desk(team_pack(data if "://" in data else data_folder(data), team), locale)
