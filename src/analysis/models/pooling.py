"""What teams share: a random-effects mean over team estimates, and how far each team's own estimate is pulled to it.

Teams are never forced to share an answer. The between-team variance tau2 is estimated (Paule & Mandel 1982); where
teams differ a lot each keeps its own number, where they do not they borrow from one another, and `own_share` says how
much. The mean's interval is Hartung-Knapp-Sidik-Jonkman with a floor (Knapp & Hartung 2003; Roever et al. 2015)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.models.tails import chi2_upper, t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pooling:
    """The average over teams and how much teams differ, in the unit of the estimates.

    mean, mean_se, mean_low, mean_high: random-effects mean, 95 % t interval with k - 1 degrees of freedom (NaN
    interval for one team). tau2: variance between teams (unit squared). q, q_p: Cochran's heterogeneity test, null
    "all teams share one effect". i2: share of the scatter beyond sampling error, 0..1. k: number of teams.
    """

    mean: float
    mean_se: float
    mean_low: float
    mean_high: float
    tau2: float
    q: float
    q_p: float
    i2: float
    k: int


@dataclass(frozen=True, slots=True)
class RandomSlopes:
    """Partial pooling straight from the rows: y = (a + a_i) + (b + b_i) x + e, fitted by REML.

    intercept, slope and their standard errors: the average unit. sd_intercept, sd_slope, correlation, sd_residual:
    how units differ. reml_criterion: -2 log restricted likelihood. units: one row per unit with its shrunken
    `intercept` and `slope`.
    """

    intercept: float
    intercept_se: float
    slope: float
    slope_se: float
    sd_intercept: float
    sd_slope: float
    correlation: float
    sd_residual: float
    reml_criterion: float
    units: pd.DataFrame


def paule_mandel(estimates: ArrayLike, std_errors: ArrayLike) -> Pooling:
    """Random-effects mean with tau2 where the generalised Q equals k - 1.

    estimates, std_errors: (k,) one per team, finite, std_errors > 0. Raises InputError otherwise.
    Source: Paule & Mandel (1982); interval see the module.
    """
    y, v = _checked(estimates, std_errors)
    return _pool(y, v, _paule_mandel_tau2(y, v))


def dersimonian_laird(estimates: ArrayLike, std_errors: ArrayLike) -> Pooling:
    """The same mean with the moment estimate of tau2, kept for comparison with published meta-analyses.

    Arguments and errors as `paule_mandel`. Source: DerSimonian & Laird (1986).
    """
    y, v = _checked(estimates, std_errors)
    w = 1 / v
    spread = w.sum() - (w**2).sum() / w.sum()
    excess = _cochran_q(y, v, 0.0) - (y.size - 1)
    return _pool(y, v, max(0.0, excess / spread) if y.size > 1 else 0.0)


def shrink(estimates: ArrayLike, std_errors: ArrayLike, df: ArrayLike, pooling: Pooling) -> pd.DataFrame:
    """Each team's estimate pulled towards the mean by how noisy it is.

    estimates, std_errors: (k,) as given to `paule_mandel`; df: (k,) or one number, degrees of freedom of each
    team's standard error; pooling: its result. Returns one row per team: estimate, low, high (95 %, t with
    min(df, k - 1) degrees of freedom), std_error, own_share (weight of the team's own data in its estimate,
    counting its part in the mean; 1 = all). One team alone keeps its own estimate and its own df.
    Source: empirical Bayes (Morris 1983) carrying the uncertainty of the mean and, after Kackar & Harville (1984),
    of the weight itself: with few teams tau2 is poorly known, and plugging it in alone covers 88 % instead of 95 %.
    """
    y, v = _checked(estimates, std_errors)
    degrees = np.broadcast_to(np.asarray(df, dtype=float), y.shape)
    if y.size != pooling.k:
        raise InputError(f"{y.size} team estimates but the pooling rests on {pooling.k}: pass the same teams to both")
    if pooling.k == 1:
        weight, variance = np.ones(1), v
    else:
        weight = pooling.tau2 / (pooling.tau2 + v)
        degrees = np.minimum(degrees, pooling.k - 1)
        variance = (
            weight * v
            + (1 - weight) ** 2 * pooling.mean_se**2
            + _weight_variance(v, pooling.tau2) * (y - pooling.mean) ** 2
        )
    in_mean = (1 / (v + pooling.tau2)) / np.sum(1 / (v + pooling.tau2))
    centre = weight * y + (1 - weight) * pooling.mean
    half = t_quantile(0.975, degrees) * np.sqrt(variance)
    return pd.DataFrame(
        {
            "estimate": centre,
            "low": centre - half,
            "high": centre + half,
            "std_error": np.sqrt(variance),
            "own_share": weight + (1 - weight) * in_mean,
        }
    )


def random_slopes(y: ArrayLike, x: ArrayLike, unit: ArrayLike) -> RandomSlopes:
    """One straight line per unit, partly pooled, by REML (statsmodels MixedLM).

    y, x: (n,) floats; unit: (n,) labels. Raises InputError when the fit does not converge.
    Source: Laird & Ware (1982); random intercepts and slopes with free correlation.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    design = np.column_stack([np.ones(np.shape(x)[0]), np.asarray(x, dtype=float)])
    fit = MixedLM(np.asarray(y, dtype=float), design, groups=np.asarray(unit), exog_re=design).fit(reml=True)
    if not fit.converged:
        raise InputError(
            "random slopes: the likelihood did not converge; pool team estimates with paule_mandel instead"
        )
    sd = np.sqrt(np.diag(fit.cov_re))
    effects = pd.DataFrame({u: np.asarray(e) for u, e in fit.random_effects.items()}, index=["intercept", "slope"]).T
    return RandomSlopes(
        intercept=float(fit.fe_params[0]),
        intercept_se=float(fit.bse_fe[0]),
        slope=float(fit.fe_params[1]),
        slope_se=float(fit.bse_fe[1]),
        sd_intercept=float(sd[0]),
        sd_slope=float(sd[1]),
        correlation=float(fit.cov_re[0, 1] / (sd[0] * sd[1])),
        sd_residual=float(np.sqrt(fit.scale)),
        reml_criterion=float(-2 * fit.llf),
        units=effects + np.asarray(fit.fe_params),
    )


def _pool(y: Floats, v: Floats, tau2: float) -> Pooling:
    w = 1 / (v + tau2)
    mean, k = float(w @ y / w.sum()), y.size
    q = _cochran_q(y, v, 0.0)
    # The floor at one: teams that happen to agree more than chance allows must not shrink the interval.
    scale = max(1.0, _cochran_q(y, v, tau2) / (k - 1)) if k > 1 else 1.0
    se = float(np.sqrt(scale / w.sum()))
    half = float(t_quantile(0.975, k - 1)) * se if k > 1 else float("nan")
    return Pooling(
        mean=mean,
        mean_se=se,
        mean_low=mean - half,
        mean_high=mean + half,
        tau2=tau2,
        q=q,
        q_p=float(chi2_upper(q, k - 1)) if k > 1 else float("nan"),
        i2=max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0,
        k=k,
    )


def _weight_variance(v: Floats, tau2: float) -> Floats:
    tau2_variance = 2 / np.sum((v + tau2) ** -2.0)
    return (v / (v + tau2) ** 2) ** 2 * tau2_variance


def _cochran_q(y: Floats, v: Floats, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(w @ (y - w @ y / w.sum()) ** 2)


def _paule_mandel_tau2(y: Floats, v: Floats) -> float:
    from scipy.optimize import brentq

    if y.size < 2 or _cochran_q(y, v, 0.0) <= y.size - 1:
        return 0.0
    # Q falls in tau2 and is below k - 1 once tau2 exceeds the largest possible spread.
    upper = float(np.sum((y - y.mean()) ** 2))
    return float(brentq(lambda tau2: _cochran_q(y, v, tau2) - (y.size - 1), 0.0, upper, xtol=1e-14 * upper, rtol=1e-12))


def _checked(estimates: ArrayLike, std_errors: ArrayLike) -> tuple[Floats, Floats]:
    y, se = np.asarray(estimates, dtype=float), np.asarray(std_errors, dtype=float)
    if y.ndim != 1 or y.shape != se.shape or y.size == 0:
        raise InputError("pooling needs one estimate and one standard error for each of at least one team")
    if not (np.isfinite(y).all() and np.isfinite(se).all() and (se > 0).all()):
        raise InputError("pooling needs finite estimates and positive standard errors: leave out teams without one")
    return y, se**2
