"""The desk of the leadership report: the company's findings, the teams beside each other, the managers' coaching."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from analysis import words
from analysis.reporting import alignment
from analysis.reporting.company import open_company
from analysis.reporting.company_desk import CompanyDesk

STRONG = ("A", "B")


@dataclass(frozen=True)
class Desk(CompanyDesk):
    """The company's pack with what the leadership report reads from it."""

    texts: ClassVar[str] = "leadership"

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The company's rows, the surest first."""
        rows = self.pack.findings[self.pack.findings["scope"] == "company"]
        keys = rows["grade"].map({grade: place for place, grade in enumerate(words.GRADES)})
        return rows.assign(_order=keys).sort_values(["_order", "q_value"], kind="stable").drop(columns="_order")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The same rows, one by one."""
        return [{str(key): value for key, value in row.items()} for row in self.findings.to_dict("records")]

    @cached_property
    def found(self) -> list[dict[str, Any]]:
        """The company's rows graded A or B, the surest first."""
        return [row for row in self.rows if row["grade"] in STRONG]

    @cached_property
    def by_team(self) -> pd.DataFrame:
        """Findings rows of the teams that are large enough to be shown."""
        rows = self.pack.findings[self.pack.findings["scope"] == "team"]
        return rows[[self.team_sizes.get(str(team), 0) >= self.min_group for team in rows["team_id"]]]

    @cached_property
    def coaching(self) -> Any:
        """Coaching against the later level of what was coached."""
        from analysis.management.coaching_effect import coaching_effect

        return self.ask(coaching_effect)

    @cached_property
    def manager_pace(self) -> Any:
        """Coaching sessions of every manager by kind."""
        from analysis.management.managers import manager_activity

        return self.ask(manager_activity)

    @cached_property
    def quartiles(self) -> Any:
        """Quota attainment by how much managers coach."""
        from analysis.management.managers import attainment_by_quartile

        return self.ask(attainment_by_quartile)

    @property
    def market(self) -> alignment.Desk:
        """The same pack at the desk of marketing and sales."""
        return alignment.Desk(self.pack, None, self.locale)


def open_desk(pack: str = "", data: str = "", locale: str = "en", ledger: str = "") -> Desk:
    """The desk of a company pack's folder; without one, made now from a data folder and a ledger of earlier studies."""
    opened, claims = open_company(pack, data, ledger)
    return Desk(opened, claims, locale)
