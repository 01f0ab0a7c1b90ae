"""How often would this grading claim something in this very data if nothing were there, and what would it find?

False claims: every rep's activities are rotated in time by a random offset, all together. Habits, persistence, seasons
and the link between activities stay as they are; only their timing against the outcome is lost. Whatever is graded A or B
then is false. Power: into such a rotated copy an effect of known size is planted, and the search is repeated.
A rotated copy is first searched with one Newton step and the cheapest errors; only what passes goes on to the fit, then
to its jackknife, then through the whole grading.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.assess import ScopeResult, assess, assess_links, measured
from analysis.evidence.estimate import check_vcov, fit_headline
from analysis.evidence.grades import grade
from analysis.evidence.onestep import NullModel, null_model
from analysis.evidence.plan import Plan, make_plan
from analysis.evidence.regimes import find_breaks, regime_units
from analysis.evidence.sample import Array, Sample, make_sample, make_scope
from analysis.evidence.teams import OWN, Shared, pool, team_measured
from analysis.models.design import lag_terms, make_cells
from analysis.models.inference import contrast
from analysis.models.multiplicity import benjamini_hochberg
from analysis.models.shift import shift_activities
from analysis.models.tails import t_two_sided
from analysis.panel import Panel

SAY = words.Voice("evidence.calibration")
TEAM_EVERY = 10  # every tenth rotated copy also goes through the teams, which are many
PLANTED_SHARES = (0.10, 0.20, 0.40)  # of the outcome, at the volume as it is
PLANTED_DRAWS = 20
SCREEN = 2.0  # times the level of a claim: room for the difference between one Newton step and the whole fit


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured. Rates with their counts, so that their own uncertainty can be told.

    company_claims: rotated copies with at least one A or B; company_a: with an A. team_rows: rows graded; team_claims:
    of them A or B. power: share, found, draws for each planted size. refused: why nothing could be measured, or "".
    """

    shifts: int
    company_claims: int
    company_a: int
    team_rows: int
    team_claims: int
    power: pd.DataFrame
    refused: str = ""

    def summary(self) -> list[str]:
        """What the user reads."""
        if self.refused:
            return [SAY.text("refused", {"why": self.refused})]
        lines = [SAY.text("if_nothing"), told("company", self.company_claims, self.shifts)]
        if self.team_rows:
            lines.append(told("teams", self.team_claims, self.team_rows))
        lines.append(SAY.text("planted"))
        for row in self.power.to_dict("records"):
            share = SAY.share(row["share"], decimals=0)
            lines.append(told("power", int(row["found"]), int(row["draws"]), share))
        return lines


def told(key: str, count: int, n: int, share: str = "") -> str:
    """One line of the summary: how many of how many, as a rate with its interval."""
    return SAY.text(key, {"count": SAY.number(count), "all": SAY.number(n), "band": band(count, n), "share": share})


def band(count: int, n: int) -> str:
    """A share with its 95 % Wilson interval, in words."""
    if n == 0:
        return SAY.text("no_draws")
    z, p = 1.96, count / n
    centre, spread = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (centre - spread) / (1 + z**2 / n), (centre + spread) / (1 + z**2 / n)
    rate, least, most = (SAY.share(value, decimals=1) for value in (p, max(low, 0.0), high))
    return SAY.text("band", {"rate": rate, "low": least, "high": most})


@dataclass(frozen=True, slots=True)
class Screen:
    """One Newton step for every copy from the model without activities, which is the same for all of them."""

    plan: Plan
    sample: Sample
    model: NullModel

    def lets_through(self, panel: Panel) -> bool:
        """Whether any activity's t, counted over all of them, comes anywhere near a claim."""
        s = self.sample
        terms = lag_terms(s.cells, panel.frame[list(s.activities)].to_numpy(float), s.basis, self.plan.lags)
        contrasts = np.array([s.weights(k) for k in range(len(s.activities))])
        t = self.model.t_values(np.hstack([terms, s.controls]), contrasts)
        p = t_two_sided(t, self.model.work.plan.clusters - 1)
        return bool((benjamini_hochberg(p) <= SCREEN * self.plan.limits.claim_q).any())


def make_screen(panel: Panel, plan: Plan, units: Array) -> Screen:
    """The screen of a panel. Raises Refused when its outcome never happens."""
    sample = make_sample(panel, plan, units=units)
    return Screen(plan, sample, null_model(sample.outcomes[plan.outcome], sample.cells, sample.keep, "multiplicative"))


@dataclass(frozen=True)
class Desk:
    """What every draw works on; a draw depends on it and on its own number only."""

    panel: Panel
    plan: Plan
    units: Array
    seed: int
    by_team: bool = True

    @cached_property
    def screen(self) -> Screen:
        """Finds the copies worth fitting."""
        return make_screen(self.panel, self.plan, self.units)

    def rotated(self, draw: int) -> Panel:
        """The panel with every rep's activities rotated."""
        names = list(self.plan.activities)
        rng = np.random.default_rng([self.seed, 1, draw])
        cells = replace(make_cells(self.panel.frame, period=_period(self.panel)), unit=self.units)
        moved = shift_activities(self.panel.frame[names].to_numpy(float), cells, rng)
        return replace(self.panel, frame=self.panel.frame.assign(**dict(zip(names, moved.T, strict=True))))

    def null_draw(self, draw: int) -> tuple[bool, bool, int, int]:
        """One rotated copy: any claim, any A, team rows graded, team claims."""
        panel = self.rotated(draw)
        letters = self._company_letters(panel)
        rows = claims = 0
        if self.by_team and draw % TEAM_EVERY == 0:
            rows, claims = self._team_claims(panel)
        return bool(letters & {"A", "B"}), "A" in letters, rows, claims

    def _company_letters(self, panel: Panel) -> set[str]:
        if not (
            self.screen.lets_through(panel)
            and may_claim(panel, self.plan, self.units)
            and still_claims(panel, self.plan, self.units)
        ):
            return set()
        return letters_of(assess(make_scope(panel, self.plan, units=self.units)))

    def _team_claims(self, panel: Panel) -> tuple[int, int]:
        """Rows graded and rows claimed over all teams; the whole grading only for teams that could claim something."""
        samples = (make_sample(panel, self.plan, team_id=t, units=self.units) for t in teams_of(panel))
        results = [assess_links(sample) for sample in samples]
        shared, _ = pool(results)
        possible = [r for r in results if r.team_id in shared and self._may_claim_for(shared[r.team_id])]
        claims = 0
        if possible:
            lenders = assess_links(make_sample(panel, self.plan, units=self.units))
            possible = [r for r in possible if self._may_claim_for(shared[r.team_id], lenders)]
        if possible:
            company = assess(make_scope(panel, self.plan, units=self.units))
            for result in possible:
                own = assess(make_scope(panel, self.plan, team_id=result.team_id, units=self.units))
                facts = team_measured(own, shared[result.team_id], company)
                claims += sum(grade(m, self.plan.limits)[0] in "AB" for m in facts)
        return sum(not r.refused for r in results) * len(self.plan.discretionary), claims

    def _may_claim_for(self, pooled: list[Shared], lenders: ScopeResult | None = None) -> bool:
        """Whether any row of a team passes the count, and (with lenders) whether a borrowed one rests on anything there."""
        level = self.plan.limits.claim_q
        counted = benjamini_hochberg([s.p_value for s in pooled]) <= level
        if lenders is None or lenders.refused:
            return bool(counted.any())
        # The lender's bootstrap must confirm a borrowed row; its t test is never far from that.
        backed = np.array([s.own_share >= OWN for s in pooled]) | (lenders.p_values <= SCREEN * level)
        return bool((counted & backed).any())

    def planted_draw(self, draw: int) -> tuple[int, bool]:
        """One rotated copy with one effect planted: index of its size, and whether it was found."""
        size = draw % len(PLANTED_SHARES)
        k = (draw // len(PLANTED_SHARES)) % len(self.plan.discretionary)
        panel = plant(self.rotated(10_000 + draw), self.plan, k, PLANTED_SHARES[size], [self.seed, 2, draw])
        q = quick_q(panel, self.plan, self.units)
        return size, bool(q is not None and q[k] <= self.plan.limits.claim_q)


def _period(panel: Panel) -> Any:
    return "month" if panel.period == "month" else "week"


def teams_of(panel: Panel) -> list[str]:
    """Team ids in order."""
    return sorted(panel.frame["team_id"].dropna().unique())


def quick_q(panel: Panel, plan: Plan, units: Array) -> Array | None:
    """q-values (k,) of the company's headline regression by the t test alone; None where it cannot be estimated."""
    sample = make_sample(panel, plan, units=units)
    try:
        fit = fit_headline(sample)
        vcov = check_vcov(fit)
        return benjamini_hochberg(
            [contrast(fit, sample.weights(k), vcov).p_value for k in range(len(sample.activities))]
        )
    except AnalysisError:
        return None


def may_claim(panel: Panel, plan: Plan, units: Array) -> bool:
    """Whether the whole grading could claim anything: with a little room, as it uses wider errors than this test."""
    q = quick_q(panel, plan, units)
    return q is not None and bool((q <= 1.5 * plan.limits.claim_q).any())


def still_claims(panel: Panel, plan: Plan, units: Array) -> bool:
    """Whether the grading's own t tests (jackknife, more cautious of reps and teams) leave anything to claim."""
    try:
        result = assess_links(make_sample(panel, plan, units=units))
    except AnalysisError:
        return False
    return not result.refused and bool((result.q_values <= 1.5 * plan.limits.claim_q).any())


def letters_of(result: ScopeResult) -> set[str]:
    """The grades of a scope."""
    return {grade(measured(result, k), result.plan.limits)[0] for k in range(len(result.estimates))}


def plant(panel: Panel, plan: Plan, k: int, share: float, seed: list[int]) -> Panel:
    """Add wins that follow activity k over the first half of the window, so that it is behind `share` of them.

    Each count is multiplied in expectation by exp(effect of the past activity, net of its mean): more by adding Poisson
    counts, less by thinning, so that counts stay counts.
    """
    rng = np.random.default_rng(seed)
    sample = make_sample(panel, plan)
    half = (plan.max_lag + 1) // 2
    weights = np.zeros(plan.max_lag)
    weights[:half] = 1 / half
    past = lag_terms(sample.cells, sample.counts[:, [k]], weights[:, None], plan.lags)[:, 0]
    link = np.log1p(share) / max(sample.volume(k), 1e-9)
    factor = np.exp(np.where(np.isfinite(past), link * (past - np.nanmean(past)), 0.0))
    y = panel.frame[plan.outcome].to_numpy(float)
    known = np.nan_to_num(y)
    if plan.outcome == "wins":
        grown = rng.binomial(known.astype(int), np.minimum(factor, 1.0)) + rng.poisson(
            known * np.maximum(factor - 1.0, 0.0)
        )
    else:
        grown = known * factor
    return replace(panel, frame=panel.frame.assign(**{plan.outcome: np.where(np.isfinite(y), grown, np.nan)}))


def calibrate(
    panel: Panel,
    *,
    shifts: int = 200,
    planted: int = PLANTED_DRAWS,
    seed: int = 0,
    jobs: int | None = None,
    by_team: bool = True,
) -> Calibration:
    """Measure false claims and power on a panel.

    shifts: rotated copies. planted: draws for each planted size. jobs: processes, default one per core; the result does not depend on it.
    by_team: whether some copies are graded team by team too, which takes longer than all the rest.
    """
    plan = make_plan(panel, seed=seed)
    units = regime_units(panel, find_breaks(panel, plan.activities))
    refused = make_sample(panel, plan, units=units).refused
    if refused:
        return Calibration(0, 0, 0, 0, 0, pd.DataFrame(columns=["share", "found", "draws"]), refused)
    nulls, draws = _work_off(Desk(panel, plan, units, seed, by_team), shifts, planted * len(PLANTED_SHARES), jobs)
    found = [[hit for size, hit in draws if size == i] for i in range(len(PLANTED_SHARES))]
    power = pd.DataFrame(
        [(share, sum(hits), len(hits)) for share, hits in zip(PLANTED_SHARES, found, strict=True)],
        columns=["share", "found", "draws"],
    )
    any_claim, any_a, rows, claims = (sum(column) for column in zip(*nulls, strict=True))
    return Calibration(shifts, any_claim, any_a, rows, claims, power)


def _work_off(desk: Desk, shifts: int, planted: int, jobs: int | None) -> tuple[list[Any], list[Any]]:
    """All rotated and all planted draws; each process is given the data once."""
    processes = jobs or os.cpu_count() or 1
    if processes == 1:
        return [desk.null_draw(i) for i in range(shifts)], [desk.planted_draw(i) for i in range(planted)]
    with ProcessPoolExecutor(processes, initializer=_sit_down, initargs=(desk,)) as pool_:
        nulls = pool_.map(_draw, [(False, i) for i in range(shifts)], chunksize=5)
        draws = pool_.map(_draw, [(True, i) for i in range(planted)], chunksize=5)
        return list(nulls), list(draws)


_SEAT: list[Desk] = []


def _sit_down(desk: Desk) -> None:
    _SEAT[:] = [desk]


def _draw(job: tuple[bool, int]) -> Any:
    planted, number = job
    return _SEAT[0].planted_draw(number) if planted else _SEAT[0].null_draw(number)
