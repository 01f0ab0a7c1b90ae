"""The book a research notebook opens first: panel, study, and what several sections share, each computed once."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import InputError
from analysis.evidence.plan import Plan, make_plan
from analysis.evidence.regimes import find_breaks, regime_units
from analysis.evidence.sample import Array, Sample, make_sample
from analysis.evidence.study import Study, run_study
from analysis.panel import Panel, load
from analysis.reporting.places import data_folder

CLAIMS = ("A", "B")
LEAST_P = 0.001
SAY = words.Voice("research")


@dataclass(frozen=True, repr=False)
class Book:
    """A panel with its study, by the parameters of a notebook; max_lag in periods, None for the plan's own rule.

    say: the notebook's texts in the reader's language. by_team: whether teams are studied beside the company.
    """

    panel: Panel
    max_lag: int | None = None
    activities: tuple[str, ...] = ()
    seed: int = 0
    say: words.Voice = SAY
    by_team: bool = True

    def __repr__(self) -> str:
        return f"Book({len(self.panel.frame)} rows, {len(self.panel.activities)} activities, seed {self.seed})"

    @cached_property
    def study(self) -> Study:
        """The study: the company and, unless it is asked alone, every team; a process for each core."""
        with ProcessPoolExecutor() as pool:
            return run_study(
                self.panel,
                max_lag=self.max_lag,
                activities=list(self.activities) or None,
                seed=self.seed,
                mapper=pool.map,
                by_team=self.by_team,
            )

    @cached_property
    def plan(self) -> Plan:
        """What is tested, fixed before any outcome is looked at."""
        return make_plan(self.panel, max_lag=self.max_lag, activities=list(self.activities) or None, seed=self.seed)

    @cached_property
    def units(self) -> Array:
        """Stretches of a rep's weeks that one logging regime covers."""
        return regime_units(self.panel, find_breaks(self.panel, self.plan.activities))

    @cached_property
    def company(self) -> Sample:
        """The company's rows as arrays."""
        return make_sample(self.panel, self.plan, units=self.units)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """The company's findings, the surest first."""
        rows = self.study.findings[self.study.findings["scope"] == "company"]
        order = rows["grade"].map({grade: place for place, grade in enumerate(words.GRADES)})
        return rows.assign(_order=order).sort_values(["_order", "q_value"], kind="stable").drop(columns="_order")

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The same, one by one."""
        return [{str(key): value for key, value in row.items()} for row in self.findings.to_dict("records")]

    @property
    def claims(self) -> list[dict[str, Any]]:
        """The company's rows graded A or B."""
        return [row for row in self.rows if row["grade"] in CLAIMS]

    @property
    def details(self) -> Mapping[str, Any]:
        """What study.json holds."""
        return self.study.details

    @property
    def answered(self) -> Mapping[str, Mapping[str, Any]]:
        """Details by activity at company scope; empty when the company was refused."""
        return self.details["scopes"][""].get("activities", {})

    @property
    def shown(self) -> list[str]:
        """Activities worth a closer look: those claimed, else the surest one."""
        named = [str(row["activity"]) for row in self.claims]
        return named or [str(row["activity"]) for row in self.rows[:1]]

    @property
    def currency(self) -> str | None:
        """Currency of the revenue, None where the panel has none."""
        return self.panel.currency if "revenue" in self.panel.outcomes else None

    def outcome(self) -> Array:
        """The headline outcome (n,), NaN in rows the study does not use."""
        return np.where(self.company.keep, self.company.outcomes[self.plan.outcome], np.nan)

    def others(self, activity: str) -> Array:
        """(n, q) smooth lags of every activity but this one, with the controls."""
        k, width = self.company.activities.index(activity), self.company.basis.shape[1]
        rest = np.delete(self.company.terms, slice(k * width, (k + 1) * width), axis=1)
        return np.hstack([rest, self.company.controls])

    def source(self) -> str:
        """The line under every picture: what it rests on."""
        frame = self.panel.frame
        values = {
            "reps": self.say.count(frame["rep_id"].nunique(), "rep"),
            "periods": self.say.count(frame["week"].nunique(), self.panel.period),
            "date": self.say.date(self.panel.last_day),
        }
        return self.say.text("source", values)


def open_book(
    data: str = "",
    *,
    as_of: str = "",
    max_lag: int = 0,
    activities: list[str] | None = None,
    seed: int = 0,
    locale: str = "en",
    by_team: bool = True,
) -> Book:
    """Open a data folder for research.

    data: see data_folder. as_of: look at nothing later than this day; empty: everything. max_lag: longest delay in
    periods, 0 for the plan's rule. locale: language of the texts, BCP 47. by_team: False where only the company is asked,
    which is half the work. Raises InputError for a folder or a day that is none, and what loading raises.
    """
    day = None
    if as_of:
        try:
            day = pd.Timestamp(as_of).normalize()
        except ValueError:
            raise InputError(f"`as_of` {as_of!r} is not a date: write it as 2026-11-16.") from None
    panel = load(data_folder(data), as_of=day)
    return Book(panel, max_lag or None, tuple(activities or ()), seed, words.Voice("research", locale), by_team)


def probability(value: float | None, say: words.Voice = SAY) -> str:
    """A p- or q-value with three digits, never as nought."""
    if not words.is_known(value):
        return say.none
    if value < LEAST_P:
        return words.text("number.under", {"value": say.number(LEAST_P, decimals=3)}, locale=say.locale)
    return say.number(value, decimals=3)
