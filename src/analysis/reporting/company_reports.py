"""The reports about the whole company in a batch: one more job each, made and published like a team's.

They are made from the company's pack, which holds every team's rows and therefore goes to these jobs only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.reporting.manifest import COMPANY, OF_COMPANY
from analysis.reporting.plan import Plan, TaskMaker
from analysis.reporting.publish import Store
from analysis.reporting.sources import Source
from analysis.reporting.template import read_template

REPORTS = {"leadership": "leadership_report", "alignment": "alignment_report"}  # folder -> template
NEEDS = "company_pack"  # what a source must offer for them


@dataclass(frozen=True, slots=True)
class CompanySource:
    """A source of one pack: the company's."""

    source: Any
    name: str
    studied: Callable[[], None]

    @property
    def key(self) -> str:
        """That of the teams' source: the company's pack is made from the same data."""
        return str(self.source.key)

    def teams(self) -> Mapping[str, str]:
        """The company, under its blank id."""
        return {COMPANY: self.name}

    def study_files(self, kept: Callable[[str], bytes | None]) -> Mapping[str, bytes]:
        """Nothing of its own: the study is made and written once for the whole batch."""
        self.studied()
        return {}

    def pack(self, team_id: str) -> Mapping[str, bytes]:
        """The company's pack as files."""
        assert team_id == COMPANY
        made: Mapping[str, bytes] = self.source.company_pack()
        return made

    def as_of(self) -> str:
        """The last day looked at."""
        return str(self.source.as_of())

    def close(self) -> None:
        """Nothing to let go of."""


def wanted(plan: Plan, source: Source, teams: object, asked: bool | None) -> bool:
    """Whether a batch makes them: when asked to, else with every run of all teams' own reports."""
    usual = teams is None and plan.template.name == "team_report"
    return (usual if asked is None else asked) and hasattr(source, NEEDS)


def makers(
    plan: Plan, source: Source, store: Store, earlier: Mapping[str, Any], studied: Callable[[], None]
) -> dict[str, TaskMaker]:
    """A maker a report, by folder. earlier: the manifest of the run before; studied: makes the company's study."""
    from analysis import words

    out = {}
    for slug, template in REPORTS.items():
        chosen = read_template(template)
        known = {parameter.name for parameter in chosen.parameters}
        given = {name: value for name, value in plan.parameters.items() if name in known and name != "pack"}
        one = CompanySource(source, words.text(f"{slug}.title"), studied)
        before = [row for row in earlier.get("company", ()) if row["slug"] == slug]
        own = replace(plan, template=chosen, parameters=chosen.bind(given))
        out[slug] = TaskMaker(own, one, store, {"teams": before}, kind=OF_COMPANY)
    return out
