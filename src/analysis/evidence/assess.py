"""One scope from arrays to measured evidence: fits, counted tests, vetoes, forecasts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.checks import Vetoes, vetoes
from analysis.evidence.estimate import (
    ActivityEstimate,
    Fits,
    bootstrap_p,
    estimate,
    fit_all,
    fit_headline,
    persistences,
    with_jackknife,
)
from analysis.evidence.forecasts import forecasts
from analysis.evidence.grades import Measured
from analysis.evidence.plan import LAG_TERMS, Plan
from analysis.evidence.sample import Array, Sample, Scope
from analysis.models.forecast import Gain
from analysis.models.multiplicity import benjamini_hochberg

SAY = words.Voice("evidence.refused")


@dataclass(frozen=True, slots=True)
class ScopeResult:
    """Everything measured in one scope; refused says why there is nothing, or is "".

    estimates: one per activity of the plan. p_bootstrap, p_values, q_values: (k,). p_values are the larger of t and
    bootstrap; q counts every activity tested here. forecast: activity -> out-of-sample gain; "" = all together.
    """

    scope: str
    team_id: str
    plan: Plan
    n_reps: int
    n_weeks: int
    n_wins: float
    refused: str = ""
    estimates: tuple[ActivityEstimate, ...] = ()
    p_bootstrap: Array = field(default_factory=lambda: np.empty(0))
    p_values: Array = field(default_factory=lambda: np.empty(0))
    q_values: Array = field(default_factory=lambda: np.empty(0))
    checks: Vetoes | None = None
    forecast: dict[str, Gain] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def blank(sample: Sample, refused: str) -> ScopeResult:
    """A scope that cannot be answered, with the counts that say why."""
    wins = sample.outcomes.get("wins")
    return ScopeResult(
        scope=sample.scope,
        team_id=sample.team_id,
        plan=sample.plan,
        n_reps=sample.n_reps,
        n_weeks=sample.n_weeks,
        n_wins=np.nan if wins is None else float(np.nansum(wins[sample.keep])),
        refused=refused,
    )


def assess(scope: Scope) -> ScopeResult:
    """Fit, test and check one scope. Never raises for thin data: it says why in `refused`."""
    sample = scope.main
    if sample.refused:
        return blank(sample, sample.refused)
    try:
        fits = fit_all(sample)
        estimates = [estimate(sample, fits, k, float(r)) for k, r in enumerate(persistences(sample))]
        marked = [assess_marker(beside) for beside in scope.markers]
    except AnalysisError as error:
        return blank(sample, SAY.text("regression", {"why": error}))
    if fits.headline.fit.dropped.share > sample.plan.limits.max_dropped_share:
        share = SAY.share(fits.headline.fit.dropped.share, decimals=0)
        return blank(sample, SAY.text("uninformative", {"share": share}))
    p_bootstrap = np.array([bootstrap_p(sample, fits, k) for k in range(len(estimates))] + [p for _, p in marked])
    estimates += [found for found, _ in marked]
    p_values = np.maximum(p_bootstrap, [e.link.p_value for e in estimates])
    gains, notes = forecasts(sample)
    return replace(
        blank(sample, ""),
        estimates=tuple(estimates),
        p_bootstrap=p_bootstrap,
        p_values=p_values,
        q_values=benjamini_hochberg(p_values),
        checks=safe_vetoes(sample, fits, len(marked)),
        forecast=gains,
        notes=notes,
    )


def assess_links(sample: Sample) -> ScopeResult:
    """The estimates alone, with t tests: what pooling needs, without bootstrap, vetoes, forecasts and stage markers."""
    if sample.refused:
        return blank(sample, sample.refused)
    try:
        fits = Fits(with_jackknife(fit_headline(sample)), None, {})
        estimates = tuple(estimate(sample, fits, k, 0.0) for k in range(len(sample.activities)))
    except AnalysisError as error:
        return blank(sample, SAY.text("regression", {"why": error}))
    p_values = np.array([e.link.p_value for e in estimates])
    bare = replace(sample.plan, activities=sample.activities, markers=())
    return replace(
        blank(sample, ""), plan=bare, estimates=estimates, p_values=p_values, q_values=benjamini_hochberg(p_values)
    )


def assess_marker(sample: Sample) -> tuple[ActivityEstimate, float]:
    """A stage marker beside the other activities: its estimate and bootstrap p; it can never be a claim."""
    fits, last = fit_all(sample), len(sample.activities) - 1
    return estimate(sample, fits, last, float(persistences(sample)[last])), bootstrap_p(sample, fits, last)


def safe_vetoes(sample: Sample, fits: Fits, n_markers: int) -> Vetoes | None:
    """The vetoes, or None where the data cannot carry them (a claim is then not possible); NaN for stage markers."""
    try:
        found, none = vetoes(sample, fits.headline), np.full(n_markers, np.nan)
    except AnalysisError:
        return None
    each = (found.placebo, found.reverse, found.drift, found.now, found.now_p)
    return Vetoes(*(np.append(values, none) for values in each))


def measured(result: ScopeResult, k: int, *, late_share: float = 0.0) -> Measured:
    """What the grade of activity k turns on, from its own scope alone."""
    e, limits = result.estimates[k], result.plan.limits
    signs = [np.sign(o.estimate) == np.sign(e.link.estimate) for n, o in e.others.items() if n == "revenue"]
    useful = min(np.log1p(limits.useful_share) / max(e.volume, 1e-9), np.log1p(limits.useful_each))
    gain = result.forecast.get(e.activity)
    return Measured(
        estimate=e.link.estimate,
        conf_low=e.link.conf_low,
        conf_high=e.link.conf_high,
        p_value=float(result.p_values[k]),
        q_value=float(result.q_values[k]),
        p_bootstrap=float(result.p_bootstrap[k]),
        veto_p=None if result.checks is None else result.checks.adjusted(k),
        confounded_p=1.0 if result.checks is None else result.checks.confounded(),
        forecast_p=None if gain is None else gain.p_value,
        same_sign=all(signs) if signs else None,
        sign_stable=bool(np.all(np.sign(e.without_one) == np.sign(e.link.estimate))),
        effective_clusters=e.effective_clusters,
        max_rep_share=e.max_cluster_share,
        persistence=e.persistence,
        mde=e.mde,
        useful=float(useful),
        volume=e.volume,
        elasticity=e.link.estimate * e.volume,
        late_share=late_share,
        few_events=result.plan.terms < min(LAG_TERMS, result.plan.max_lag),
        is_marker=e.activity in result.plan.markers,
    )
