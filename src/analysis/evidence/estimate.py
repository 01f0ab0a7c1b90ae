"""Estimates of one scope: the headline fit and its companions, read as effects, delays and smallest detectable sizes.

Headline: Poisson pseudo-likelihood of the outcome with rep and team-by-week effects, every activity with its smooth lag
terms in one regression. Companions: the same on revenue, and least squares on revenue as the additive check.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import AnalysisError
from analysis.evidence.sample import Array, Sample
from analysis.models.absorb import absorber, layout
from analysis.models.bootstrap import score_bootstrap
from analysis.models.fit import Fit
from analysis.models.inference import (
    Estimate,
    contrast,
    crv1,
    crv3_each,
    jackknife_covariance,
    leave_one_out,
    within_shares,
)
from analysis.models.jackknife import leave_out
from analysis.models.linear import fit_ols
from analysis.models.power import mde_after
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_quantile
from analysis.models.within import net_vector

MANY_CLUSTERS = 30
MIN_TEAMS_AS_CLUSTERS = 10  # from here on shocks shared by a team are allowed for, if that is the more cautious


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fit with its jackknife, computed once: changes (G, p) without each cluster, vcov (p, p) CRV3."""

    fit: Fit
    changes: Array
    vcov: Array


@dataclass(frozen=True, slots=True)
class Fits:
    """The regressions of one scope; by_team: the headline clustered by team, where there are enough teams; companions: name
    -> fit and its covariance (p, p), "revenue" by Poisson regression and "revenue, additive" by least squares."""

    headline: Fitted
    by_team: Fitted | None
    companions: dict[str, tuple[Fit, Array]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """How the link spreads over the delays, per one extra activity on the log scale; arrays (L,), with 95 % bands.

    mean_lag: average delay in periods, weighted by the part of the link that points where its sum points; NaN for no link.
    """

    lags: Array
    estimate: Array
    conf_low: Array
    conf_high: Array
    mean_lag: float


@dataclass(frozen=True, slots=True)
class ActivityEstimate:
    """One activity in one scope.

    link: change of the log outcome per one extra activity a period, summed over the window. money: revenue per one
    extra activity (average marginal effect) with its 95 % interval, NaN where revenue is not recorded. others:
    outcome -> its own link ("revenue": Poisson; "revenue, additive": currency per activity). without_one: the link
    without each cluster in turn. volume: mean count a period. persistence: lag-1 autocorrelation net of effects.
    """

    activity: str
    link: Estimate
    money: tuple[float, float, float]
    kernel: Kernel
    effective_clusters: float
    max_cluster_share: float
    without_one: Array
    mde: float
    volume: float
    persistence: float
    others: dict[str, Estimate]


def with_jackknife(fit: Fit) -> Fitted:
    """The fit with its leave-one-cluster-out changes and their covariance."""
    changes = leave_out(fit)
    return Fitted(fit, changes, jackknife_covariance(changes))


def check_vcov(fit: Fit) -> Array:
    """Covariance for companions and checks: CRV3, or CRV1 from thirty clusters on, where the two agree."""
    return check_vcovs([fit])[0]


def check_vcovs(fits: Sequence[Fit]) -> list[Array]:
    """The same for several outcomes of one regression."""
    return crv3_each(fits) if fits[0].n_clusters < MANY_CLUSTERS else [crv1(fit) for fit in fits]


def fit_headline(sample: Sample, *, by_team: bool = False) -> Fit:
    """The headline regression of a scope, clustered by rep or by team."""
    cells = replace(sample.cells, cluster=sample.team_codes) if by_team else sample.cells
    return fit_ppml(sample.y, sample.design, cells.take(sample.keep))


def fit_all(sample: Sample) -> Fits:
    """Headline and companions; a companion that cannot be fitted is left out, the headline must."""
    n_teams = np.unique(sample.team_codes[sample.keep]).size
    by_team = with_jackknife(fit_headline(sample, by_team=True)) if n_teams >= MIN_TEAMS_AS_CLUSTERS else None
    return Fits(with_jackknife(fit_headline(sample)), by_team, _companions(sample))


def _companions(sample: Sample) -> dict[str, tuple[Fit, Array]]:
    if sample.plan.outcome == "revenue" or "revenue" not in sample.outcomes:
        return {}
    money, cells = sample.outcomes["revenue"][sample.keep], sample.cells.take(sample.keep)
    design = sample.design
    fits = {"revenue, additive": fit_ols(money, design, cells)}
    with suppress(AnalysisError):  # revenue that is zero in every row, say: the additive one stands alone
        fits = {"revenue": fit_ppml(np.maximum(money, 0.0), design, cells)} | fits
    return {name: (fit, check_vcov(fit)) for name, fit in fits.items()}


def link(fits: Fits, weights: Array) -> Estimate:
    """The effect summed over the window; at company scope the more cautious of rep and team clustering."""
    by_rep = contrast(fits.headline.fit, weights, fits.headline.vcov)
    if fits.by_team is None:
        return by_rep
    by_team = contrast(fits.by_team.fit, weights, fits.by_team.vcov)
    return by_team if by_team.p_value > by_rep.p_value else by_rep


def kernel(fitted: Fitted, weights: Array, lags: range) -> Kernel:
    """weights: (L, p), coefficients to the link at each delay."""
    estimate = weights @ fitted.fit.coef
    error = np.sqrt(np.maximum(np.einsum("lp,pq,lq->l", weights, fitted.vcov, weights), 0.0))
    half = t_quantile(0.975, fitted.fit.n_clusters - 1) * error
    delays = np.asarray(lags, float)
    return Kernel(delays, estimate, estimate - half, estimate + half, mean_delay(delays, estimate))


def mean_delay(delays: Array, estimate: Array) -> float:
    """Average delay, weighted by the part of the estimate (L,) that points where its sum points; NaN where the sum is zero.

    A smooth curve through a short link dips below zero where there is none; those dips, taken as they are, pull the average
    away from the link and double its variance (docs/methods.md has the measurement).
    """
    same_way = np.maximum(np.sign(estimate.sum()) * estimate, 0.0)
    return float(delays @ same_way / same_way.sum()) if same_way.any() else float("nan")


def mean_revenue(sample: Sample) -> tuple[float, float]:
    """Mean revenue per rep and period in the kept rows, and its standard error (compound Poisson)."""
    if "revenue" not in sample.outcomes:
        return np.nan, np.nan
    money = sample.outcomes["revenue"][sample.keep]
    return float(np.nanmean(money)), float(np.sqrt(np.nansum(money**2)) / money.size)


def in_money(sample: Sample, estimate: float, std_error: float, df: float) -> tuple[float, float, float]:
    """Average marginal effect: revenue per one extra activity, with a 95 % delta-method interval."""
    mean, error = mean_revenue(sample)
    point = estimate * mean
    half = t_quantile(0.975, df) * np.sqrt((mean * std_error) ** 2 + (estimate * error) ** 2)
    return float(point), float(point - half), float(point + half)


def persistences(sample: Sample) -> Array:
    """Lag-1 autocorrelation (k,) of each activity net of rep and period effects, within reps."""
    known = np.isfinite(sample.counts).all(axis=1)
    cells = sample.cells.take(known)
    net = net_vector(absorber(layout(cells)), sample.counts[known])
    joined = (np.diff(cells.unit) == 0) & (np.diff(cells.time) == 1)
    total = np.einsum("nk,nk->k", net, net)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, np.einsum("nk,nk->k", net[1:][joined], net[:-1][joined]) / total, 1.0)


def estimate(sample: Sample, fits: Fits, k: int, persistence: float) -> ActivityEstimate:
    """Everything the regressions say about activity k."""
    weights = sample.weights(k)
    found = link(fits, weights)
    shares = within_shares(fits.headline.fit, weights)
    return ActivityEstimate(
        activity=sample.activities[k],
        link=found,
        money=in_money(sample, found.estimate, found.std_error, found.df),
        kernel=kernel(fits.headline, sample.kernel_map(k), sample.plan.lags),
        effective_clusters=float(1 / (shares**2).sum()),
        max_cluster_share=float(shares.max()),
        without_one=leave_one_out(fits.headline.fit, weights, fits.headline.changes),
        mde=float(mde_after(found.std_error, found.df)),
        volume=sample.volume(k),
        persistence=persistence,
        others={name: contrast(fit, weights, vcov) for name, (fit, vcov) in fits.companions.items()},
    )


def bootstrap_p(sample: Sample, fits: Fits, k: int) -> float:
    """p of the restricted score bootstrap for activity k's sum of lags; its seed depends on the plan and k only."""
    seed = int(np.random.SeedSequence([sample.plan.seed, k]).generate_state(1)[0])
    return float(score_bootstrap(fits.headline.fit, sample.weights(k), draws=sample.plan.draws, seed=seed).p_value)
