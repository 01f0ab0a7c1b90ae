"""A whole study: plan, company, teams, pooling, grades, findings. Same panel, same parameters, same bytes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from analysis.evidence.assess import ScopeResult, assess, measured
from analysis.evidence.details import plain, scope_details, sensitivity_details
from analysis.evidence.findings import tabulate
from analysis.evidence.grades import Measured, grade
from analysis.evidence.plan import Plan, make_plan
from analysis.evidence.regimes import Break, find_breaks, regime_units
from analysis.evidence.sample import Sample, Scope, make_sample, make_scope
from analysis.evidence.sensitivity import sensitivities
from analysis.evidence.shapes import shape_sentence, shapes
from analysis.evidence.teams import Shared, own_only, pool, team_measured
from analysis.panel import Panel
from analysis.words import Voice, finding_sentence

SAY = Voice("evidence.warnings")
Mapper = Callable[[Callable[[Scope], ScopeResult], Iterable[Scope]], Iterable[ScopeResult]]


@dataclass(frozen=True, slots=True)
class Study:
    """What a study found.

    findings: one row per scope and activity (analysis.evidence.findings.COLUMNS). details: plan, seed, versions, data
    fingerprint, and by scope (a team's id, blank for the company) warnings, refusals, and the delays and checks of every
    activity: what study.json holds.
    """

    findings: pd.DataFrame
    details: dict[str, Any]
    currency: str
    period: str

    def summary(self) -> list[str]:
        """The company's findings, one sentence each, the surest first."""
        company = self.findings[self.findings["scope"] == "company"].sort_values(["grade", "q_value"], kind="stable")
        return [f"{row['grade']}  {row['sentence']}" for row in company.to_dict("records")]


def run_study(
    panel: Panel,
    *,
    max_lag: int | None = None,
    activities: list[str] | None = None,
    seed: int = 0,
    mapper: Mapper = map,
    by_team: bool = True,
) -> Study:
    """Study the company and every team of a panel.

    max_lag: delays tested, in periods; default by the rule of the plan. activities: the family; default all.
    mapper: how the scopes are worked off, `map` or an executor's. by_team: False for the company alone. Raises InputError when nothing can be tested.
    """
    plan = make_plan(panel, max_lag=max_lag, activities=activities, seed=seed)
    breaks = find_breaks(panel, plan.activities)
    units = regime_units(panel, breaks)
    team_ids = sorted(panel.frame["team_id"].dropna().unique()) if by_team else []
    scopes: list[str | None] = [None, *team_ids]
    coming = iter(mapper(assess, (make_scope(panel, plan, team_id=t, units=units) for t in scopes)))
    company, main = next(coming), make_sample(panel, plan, units=units)
    # What only the company is asked is worked out here while an executor still works on the teams.
    shaped, otherwise = shape_details(main, company), other_assumptions(panel, main, company)
    teams = list(coming)
    shared, averages = pool(teams)
    rows = finding_rows(company, None, None, panel)
    for result in teams:
        rows += finding_rows(result, shared.get(result.team_id), company, panel)
    details = {
        "versions": versions(),
        "seed": seed,
        "data": panel.fingerprint,
        "first_week": str(panel.frame["week"].min().date()),
        "last_week": str(panel.frame["week"].max().date()),
        "currency": panel.currency,
        "period": panel.period,
        "plan": plan.as_dict(),
        "warnings": warnings(plan, breaks, [company, *teams]),
        "refusals": {r.team_id: r.refused for r in (company, *teams) if r.refused},
        "logging_breaks": [asdict(b) for b in breaks],
        "averages_over_teams": {name: asdict(a) for name, a in averages.items()},
        "shapes": shaped,
        "sensitivity": otherwise,
        "scopes": {r.team_id: scope_details(r) for r in (company, *teams)},
    }
    return Study(
        findings=tabulate(rows),
        details=details,
        currency=panel.currency,
        period=panel.period,
    )


def shape_details(main: Sample, company: ScopeResult) -> dict[str, Any]:
    """Shape of every activity's answer at company scope, with the sentence for those that saturate."""
    if company.refused:
        return {}
    return {
        s.activity: {
            "shape": "not told" if s.response is None else s.response.shape,
            "joint_p": None if s.response is None else plain(s.response.joint_p),
            "curvature_q": plain(s.curvature_q),
            "turning_point": plain(s.response.turning_point) if s.response is not None and s.saturates else None,
            "sentence": shape_sentence(s, main.plan.period),
        }
        for s in shapes(main)
    }


def other_assumptions(panel: Panel, main: Sample, company: ScopeResult) -> dict[str, Any]:
    """What the company's links become under other assumptions; empty where the company was refused."""
    if company.refused:
        return {}
    return sensitivity_details(sensitivities(panel, main, company.forecast))


def versions() -> dict[str, str]:
    """What computed this: Python and the packages numbers depend on."""
    names = ("sales-activity-workbench", "numpy", "pandas", "scipy", "duckdb")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def warnings(plan: Plan, breaks: tuple[Break, ...], results: list[ScopeResult]) -> dict[str, list[str]]:
    """What a reader must know before the numbers, by scope."""
    out = [SAY.text("excluded", {"activity": SAY.kinds(name), "why": why}) for name, why in plan.excluded]
    out += [SAY.text("marker", {"activity": SAY.kinds(name)}) for name in plan.markers]
    for b in breaks:
        values = {"activity": SAY.kinds(b.activity), "factor": SAY.number(b.ratio, decimals=1), "week": b.week}
        out.append(SAY.plural("logging_break", len(b.rep_ids), values))
    by_scope = {r.team_id: list(r.notes) for r in results if r.notes}
    return by_scope | {"": out + by_scope.get("", [])}


def finding_rows(
    result: ScopeResult, shared: list[Shared] | None, company: ScopeResult | None, panel: Panel
) -> list[dict[str, Any]]:
    """The findings rows of one scope. shared None: the scope's own estimates (company, or a team alone)."""
    if result.refused:
        return [refused_row(result, activity, panel) for activity in result.plan.activities]
    if shared is None or company is None:
        shared = [own_only(result, k) for k in range(len(result.estimates))]
        facts = [
            measured(result, k, late_share=panel.late.get(result.plan.activities[k], 0.0)) for k in range(len(shared))
        ]
    else:
        facts = team_measured(result, shared, company)
    return [finding_row(result, k, shared[k], facts[k], company, panel) for k in range(len(shared))]


def base_row(result: ScopeResult, activity: str) -> dict[str, Any]:
    """What every row has, answered or refused."""
    return {
        "scope": result.scope,
        "team_id": result.team_id,
        "activity": activity,
        "outcome": result.plan.outcome,
        "n_reps": result.n_reps,
        "n_weeks": result.n_weeks,
        "n_wins": None if np.isnan(result.n_wins) else int(result.n_wins),
        "lag_from": 1,
        "lag_to": result.plan.max_lag,
    }


def refused_row(result: ScopeResult, activity: str, panel: Panel) -> dict[str, Any]:
    """A row that says why there is no answer."""
    row = base_row(result, activity) | {"grade": "X", "reason": result.refused}
    return row | {"sentence": finding_sentence(row, currency=panel.currency, period=panel.period)}


def finding_row(
    result: ScopeResult, k: int, shared: Shared, facts: Measured, company: ScopeResult | None, panel: Panel
) -> dict[str, Any]:
    """One answered row."""
    e, gain = result.estimates[k], result.forecast.get(result.plan.activities[k])
    letter, why = grade(facts, result.plan.limits)
    borrowed = company is not None and not company.refused and shared.own_share < 0.5
    source = company.estimates[k] if borrowed and company is not None else e
    scale = e.money[0] / e.link.estimate if e.link.estimate else np.nan
    told = letter in "AB" and facts.persistence <= result.plan.limits.max_persistence
    row = base_row(result, e.activity) | {
        "effective_clusters": e.effective_clusters,
        "effect": shared.estimate * scale,
        "conf_low": shared.conf_low * scale,
        "conf_high": shared.conf_high * scale,
        "effect_relative": np.expm1(shared.estimate),
        "relative_low": np.expm1(shared.conf_low),
        "relative_high": np.expm1(shared.conf_high),
        "p_value": facts.p_value,
        "q_value": facts.q_value,
        "mean_lag_weeks": source.kernel.mean_lag if told else np.nan,
        "placebo_p": np.nan if result.checks is None else result.checks.placebo[k],
        "reverse_p": np.nan if result.checks is None else result.checks.reverse[k],
        "oos_gain": np.nan if gain is None else gain.gain,
        "oos_p": np.nan if gain is None else gain.p_value,
        "mde_relative": np.expm1(facts.mde),
        "own_share": shared.own_share if result.scope == "team" else 1.0,
        "grade": letter,
        "reason": why,
    }
    if company is None:
        row |= dict(zip(("effect", "conf_low", "conf_high"), e.money, strict=True))
    return row | {"sentence": finding_sentence(row, currency=panel.currency, period=panel.period)}
