"""What the desks of the company's reports share: the pack opened as a book, a scorecard by quarter, names, words.

Everything is computed once and only when first asked for. What the data cannot carry is a value of its own
(`NotRecorded`, or the workbench's refusal), which `told` turns into the section's "not recorded" form.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import COMPANY, Book, NotRecorded, last_day
from analysis.reporting.blocks import Note, not_recorded
from analysis.reporting.pack import TeamPack

FREQUENCY = "quarter"


@dataclass(frozen=True)
class CompanyDesk:
    """The company's pack. claims: earlier claims beside the weeks since, None without a ledger; locale: BCP 47.

    `texts` names the section of texts/*.toml that `text` reads.
    """

    pack: TeamPack
    claims: pd.DataFrame | None = None
    locale: str = "en"
    texts: ClassVar[str] = "company"

    @cached_property
    def book(self) -> Book | NotRecorded:
        """All tables; NotRecorded when the report is made from a ready panel."""
        if not {"reps", "activities", "opportunities"} <= set(self.pack.tables):
            return NotRecorded(("activities", "opportunities"))
        return Book(self.pack.tables, last_day(self.pack.tables), self.pack.currency, self.pack.findings)

    @cached_property
    def card(self) -> pd.DataFrame | NotRecorded:
        """The scorecard by quarter, company and teams."""
        from analysis.management.scorecard import scorecard

        return self.book if isinstance(self.book, NotRecorded) else scorecard(self.book, FREQUENCY)

    @cached_property
    def team_names(self) -> dict[str, str]:
        """team_id -> what the team is called."""
        if "teams" not in self.pack.tables:
            return {}
        teams = self.pack.tables["teams"]
        return {str(team): str(name) for team, name in zip(teams["team_id"], teams["name"], strict=True)}

    @cached_property
    def team_sizes(self) -> dict[str, int]:
        """team_id -> reps in the last quarter of a year of the panel."""
        rows = self.pack.panel.frame
        recent = rows[rows["week"] > rows["week"].max() - pd.Timedelta(weeks=13)]
        return {str(team): int(n) for team, n in recent.groupby("team_id")["rep_id"].nunique().items()}

    @property
    def min_group(self) -> int:
        """People below which nothing is shown of a group."""
        from analysis.management.book import Policy

        return Policy().min_group if isinstance(self.book, NotRecorded) else self.book.policy.min_group

    def metric(self, name: str, team_id: str = COMPANY) -> pd.DataFrame:
        """Complete quarters of a scorecard metric with a value, oldest first; empty where it is not recorded."""
        if isinstance(self.card, NotRecorded):
            return pd.DataFrame(columns=["value", "conf_low", "conf_high", "objective", "period_start"])
        rows = self.card[(self.card["metric"] == name) & (self.card["team_id"] == team_id) & self.card["recorded"]]
        return rows[rows["complete"].eq(True)].dropna(subset=["value"])

    def now(self, name: str, team_id: str = COMPANY) -> float | None:
        """Today's value of a metric that is known as it stands (open pipeline, cover)."""
        if isinstance(self.card, NotRecorded):
            return None
        rows = self.card[(self.card["metric"] == name) & (self.card["team_id"] == team_id) & self.card["recorded"]]
        rows = rows.dropna(subset=["value"])
        return None if rows.empty else float(rows["value"].iloc[-1])

    def ask(self, question: Callable[[Book], Any]) -> Any:
        """The answer of the book; NotRecorded or the workbench's own refusal as a value."""
        if isinstance(self.book, NotRecorded):
            return self.book
        try:
            return question(self.book)
        except AnalysisError as refusal:
            return refusal

    def told(self, found: Any, what: str) -> Note | None:
        """The form a section takes without its data: what is missing, or why it cannot be told; None when it is there."""
        if isinstance(found, NotRecorded) and not any("(" in name for name in found.missing):
            return not_recorded(what, list(found.missing), locale=self.locale)
        if isinstance(found, NotRecorded | AnalysisError):
            reason = "; ".join(found.missing) if isinstance(found, NotRecorded) else self.why(found).rstrip(".")
            values = {"what": what, "why": words.capital(reason)}
            title = words.text("company.cannot_tell_yet", locale=self.locale)
            return Note(words.text("company.cannot_tell", values, locale=self.locale), title, "mute")
        return None

    def why(self, refusal: AnalysisError) -> str:
        """Why something cannot be told, in the desk's language."""
        return words.retold(str(refusal), locale=self.locale, under="management")

    def text(self, key: str, values: Mapping[str, object] | None = None) -> str:
        """A text of this report in the desk's language."""
        return words.text(f"{self.texts}.{key}", values, locale=self.locale)

    def money(self, value: float) -> str:
        """An amount in the report's currency, three significant digits."""
        return words.money(value, self.pack.currency, short=True, locale=self.locale)

    def share(self, value: float | None) -> str:
        """A share as per cent, a dash where it is not known."""
        return words.share(value, locale=self.locale) if words.is_known(value) else self.none

    def amount(self, value: float) -> str:
        """An estimated amount: two significant digits."""
        return words.money(value, self.pack.currency, locale=self.locale)

    def bare(self, value: float) -> str:
        """An amount without its currency, for columns that name it."""
        return words.money(value, None, locale=self.locale)

    def number(self, value: float) -> str:
        """A ratio with one decimal."""
        return words.number(value, decimals=1, locale=self.locale)

    def hours(self, value: float) -> str:
        """Hours, one decimal below ten; a dash where they are not known."""
        if not words.is_known(value):
            return self.none
        shown = round(float(value), 1) if abs(value) < 10 else round(float(value))
        return words.count(shown, "hour", locale=self.locale)

    def ranged(self, value: Any, low: Any, high: Any, write: Callable[[float], str]) -> str:
        """A value with its likely range; the bare value where there is no range, a dash where there is no value.

        What stands before or behind all three numbers alike (EUR, days) is written once.
        """
        if not words.is_known(value):
            return self.none
        if not (words.is_known(low) and words.is_known(high)):
            return write(value)
        shown, least, most = write(value), write(low), write(high)
        if shown == least == most:
            return shown
        values = {"value": shown, "low": _without(least, shown), "high": _without(most, shown)}
        return words.text("number.ranged", values, locale=self.locale)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known before any amount is read: that no currency is recorded."""
        named = words.currency_code(self.pack.currency)
        return () if named else (words.text("company.no_currency", locale=self.locale),)

    @property
    def none(self) -> str:
        """What stands where nothing is known."""
        return words.text("number.none", locale=self.locale)

    def count(self, value: float) -> str:
        """A whole number."""
        return words.number(value, decimals=0, locale=self.locale)

    def source(self) -> str:
        """The line under a figure: what it rests on."""
        rows = self.pack.panel.frame
        values = {
            "reps": words.count(rows["rep_id"].nunique(), "rep", locale=self.locale),
            "teams": words.count(rows["team_id"].nunique(), "team", locale=self.locale),
            "weeks": words.count(rows["week"].nunique(), self.pack.panel.period, locale=self.locale),
            "until": words.date(self.pack.panel.last_day, locale=self.locale),
        }
        return words.text("company.source", values, locale=self.locale)

    @property
    def as_of(self) -> str:
        """The last day looked at, as the reader writes dates."""
        return words.date(pd.Timestamp(self.pack.as_of), locale=self.locale)


def _without(bound: str, value: str) -> str:
    """A bound without the currency code in front or the unit behind that the value already carries."""
    code, _, rest = value.partition(" ")
    if rest and code.isalpha():
        return bound.removeprefix(f"{code} ")
    unit = value.rpartition(" ")[2] if " " in value else ""
    return bound.removesuffix(f" {unit}") if unit.isalpha() else bound


def by_name(names: Iterable[str]) -> list[str]:
    """Names in the order of the alphabet, letters with an accent beside those without."""
    return sorted(names, key=lambda name: (unicodedata.normalize("NFKD", name.casefold()), name))
