"""Honest uncertainty for few clusters: covariances, intervals, joint tests, and who the estimate rests on.

Everything is computed from cluster scores and the jackknife of a `Fit`, never by running a library again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from analysis.errors import ParameterError, Refused
from analysis.models.design import Codes, Floats
from analysis.models.fit import Fit, net_regressor, score_sums
from analysis.models.jackknife import leave_out, leave_out_each
from analysis.models.tails import f_upper, t_quantile, t_two_sided

Vcov = Literal["crv3", "crv1", "classical"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One contrast of coefficients: 95 % interval and two-sided p from t with df degrees of freedom."""

    estimate: float
    std_error: float
    df: int
    t: float
    p_value: float
    conf_low: float
    conf_high: float


@dataclass(frozen=True, slots=True)
class JointTest:
    """A test that several contrasts are all zero: F with (df_num, df_den) degrees of freedom."""

    statistic: float
    df_num: int
    df_den: int
    p_value: float


def classical(fit: Fit) -> Floats:
    """Covariance (p, p) under independent errors of equal spread (ols), or of a true Poisson outcome (ppml)."""
    if fit.family == "ppml":
        return fit.bread
    return fit.bread * fit.objective / (fit.n_obs - fit.n_coef - fit.system.work.plan.absorbed)


def crv1(fit: Fit, codes: ArrayLike | None = None) -> Floats:
    """Cluster-robust covariance (p, p), Liang & Zeger with the usual small-sample factor.

    G/(G-1) * (N-1)/(N-K); effects that lie within clusters do not count in K (Cameron & Miller 2015, section VI.B).
    codes: other clusters for the rows used (n_obs,), else those of the fit.
    """
    if codes is None:
        return fit.bread @ (fit.scores.T @ fit.scores) @ fit.bread * _small_sample(fit, fit.n_clusters)
    scores = score_sums(fit, np.unique(np.asarray(codes), return_inverse=True)[1])
    return fit.bread @ (scores.T @ scores) @ fit.bread * _small_sample(fit, scores.shape[0])


def _small_sample(fit: Fit, clusters: int) -> float:
    require_clusters(clusters)
    return clusters / (clusters - 1) * (fit.n_obs - 1) / (fit.n_obs - parameters(fit))


def parameters(fit: Fit) -> int:
    """Parameters that count against the sample: regressors, and effects that are not within clusters."""
    plan = fit.system.work.plan
    if plan.unit_nested and plan.effect_nested:
        return fit.n_coef + 1
    if plan.unit_nested:
        return fit.n_coef + plan.effects
    if plan.effect_nested:
        return fit.n_coef + plan.units
    return fit.n_coef + plan.absorbed


def require_clusters(clusters: int) -> None:
    """Refuse inference from a single cluster."""
    if clusters < 2:
        raise Refused("one cluster only: between-rep variation cannot be measured; use more reps")


def crv3(fit: Fit) -> Floats:
    """Jackknife covariance (p, p): (G-1)/G times the sum of squares of the leave-one-cluster-out changes.

    NaN where a coefficient cannot be estimated without one of the clusters (Bell & McCaffrey 2002; MacKinnon, Nielsen
    & Webb 2023).
    """
    return crv3_each([fit])[0]


def crv3_each(fits: Sequence[Fit]) -> list[Floats]:
    """The same for several outcomes of one regression (`linear.fit_ols_many`), at little more than one's cost."""
    require_clusters(fits[0].n_clusters)
    return [jackknife_covariance(changes) for changes in leave_out_each(fits)]


def jackknife_covariance(changes: Floats) -> Floats:
    """Covariance (p, p) from the changes (G, p) without each cluster."""
    return changes.T @ changes * (changes.shape[0] - 1) / changes.shape[0]


def crv_two_way(fit: Fit, first: ArrayLike, second: ArrayLike) -> Floats:
    """Covariance (p, p) robust to dependence within either grouping (Cameron, Gelbach & Miller 2011).

    Each of the three parts takes its own small-sample factor.
    """
    left = np.unique(np.asarray(first), return_inverse=True)[1]
    right = np.unique(np.asarray(second), return_inverse=True)[1]
    both = left * (int(right.max()) + 1) + right
    return crv1(fit, left) + crv1(fit, right) - crv1(fit, both)


def driscoll_kraay(fit: Fit, bandwidth: int) -> Floats:
    """Covariance (p, p) robust to dependence across units and over `bandwidth` periods (Driscoll & Kraay 1998).

    Bartlett weights on the sums of scores by period, no small-sample factor.
    """
    sums = score_sums(fit, np.unique(fit.system.cells.time, return_inverse=True)[1])
    meat = sums.T @ sums
    for lag in range(1, bandwidth + 1):
        cross = sums[lag:].T @ sums[:-lag]
        meat += (1 - lag / (bandwidth + 1)) * (cross + cross.T)
    return fit.bread @ meat @ fit.bread


def covariance(fit: Fit, vcov: Vcov | Floats = "crv3") -> Floats:
    """A covariance by name, or the one given."""
    if isinstance(vcov, np.ndarray):
        return vcov
    makers = {"crv3": crv3, "crv1": crv1, "classical": classical}
    if vcov not in makers:
        raise ParameterError(f"vcov must be one of {', '.join(makers)}, not {vcov}")
    return makers[vcov](fit)


def contrast(fit: Fit, weights: ArrayLike, vcov: Vcov | Floats = "crv3") -> Estimate:
    """Estimate of weights' coef with a 95 % interval and t(G-1).

    weights: (p,); vcov: a name, or a covariance (p, p) computed once for many contrasts. Raises Refused when the
    contrast cannot be estimated without one of the clusters, or there is one cluster only.
    """
    require_clusters(fit.n_clusters)
    direction = np.asarray(weights, np.float64)
    chosen = direction != 0
    matrix = covariance(fit, vcov)[np.ix_(chosen, chosen)]
    variance = float(direction[chosen] @ matrix @ direction[chosen])
    if np.isnan(variance):
        raise Refused("the effect rests on one cluster alone: without it, it cannot be estimated")
    return estimate_from(float(direction @ fit.coef), float(np.sqrt(variance)), fit.n_clusters - 1)


def estimate_from(value: float, std_error: float, df: int) -> Estimate:
    """Interval and p-value of a value with its standard error."""
    reach = float(t_quantile(0.975, df)) * std_error
    t = value / std_error if std_error > 0 else float("nan")
    return Estimate(value, std_error, df, t, float(t_two_sided(t, df)), value - reach, value + reach)


def hotelling(fit: Fit, restrictions: ArrayLike, vcov: Vcov | Floats = "crv3") -> JointTest:
    """Test that q contrasts are all zero: T2 (G-q)/((G-1)q) against F(q, G-q).

    restrictions: (q, p). Few clusters make the usual F(q, G-1) reject far too often; Hotelling's reference pays for
    estimating a q x q covariance from G clusters. Raises Refused with q clusters or fewer.
    """
    matrix = np.atleast_2d(np.asarray(restrictions, np.float64))
    q, clusters = matrix.shape[0], fit.n_clusters
    if clusters <= q:
        raise Refused(f"{clusters} clusters cannot carry a joint test of {q} coefficients; more reps are needed")
    chosen = (matrix != 0).any(axis=0)
    spread = matrix[:, chosen] @ covariance(fit, vcov)[np.ix_(chosen, chosen)] @ matrix[:, chosen].T
    if np.isnan(spread).any():
        raise Refused("the effect rests on one cluster alone: without it, it cannot be estimated")
    value = matrix @ fit.coef
    statistic = float(value @ np.linalg.solve(spread, value)) * (clusters - q) / ((clusters - 1) * q)
    return JointTest(statistic, q, clusters - q, float(f_upper(statistic, q, clusters - q)))


def within_shares(fit: Fit, weights: ArrayLike) -> Floats:
    """Each cluster's share (G,) of the variation that the contrast is estimated from; sums to one."""
    net = net_regressor(fit, np.asarray(weights, np.float64))
    weight = np.ones(fit.n_obs) if fit.system.weight is None else fit.system.weight
    sums = np.bincount(fit.system.cells.cluster, weight * net**2, fit.n_clusters)
    return sums / sums.sum()


def effective_clusters(fit: Fit, weights: ArrayLike) -> float:
    """1 / sum of squared shares of within-variance: G when all clusters weigh the same, near 1 when one dominates."""
    return float(1 / (within_shares(fit, weights) ** 2).sum())


def largest_share(fit: Fit, weights: ArrayLike) -> float:
    """The largest share of within-variance that one cluster holds."""
    return float(within_shares(fit, weights).max())


def leave_one_out(fit: Fit, weights: ArrayLike, changes: Floats | None = None) -> Floats:
    """The contrast (G,) without each cluster; NaN where it cannot be estimated then.

    changes: `jackknife.leave_out(fit)` if at hand, to save computing it again.
    """
    direction = np.asarray(weights, np.float64)
    chosen = direction != 0
    moved = (leave_out(fit) if changes is None else changes)[:, chosen] @ direction[chosen]
    return float(direction @ fit.coef) + moved


def period_codes(fit: Fit) -> Codes:
    """Codes of the periods of the rows used, for two-way clustering."""
    return np.unique(fit.system.cells.time, return_inverse=True)[1].astype(np.int64)
