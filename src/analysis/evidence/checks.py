"""What could explain a link away: later activity, past results, slow drift; each a regression on the scope's own rows.

placebo: the mean of the activity one to four periods *later*, beside its lags and its own week. A link from the future
cannot be an effect. reverse: the activity on the results of the four periods before, beside the past of every activity.
drift: the link again with a level for every rep and half-year, so that demand which moves slowly in a territory is taken
out; compared with the headline by the jackknife of their difference. An activity's three are judged at one stated level
(Holm). Placebo and drift of all activities together also say whether slow demand moves this scope as a whole: then no
link in it can be trusted, as a confounded activity bends the estimates of its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.evidence.estimate import Fitted, check_vcov, check_vcovs, with_jackknife
from analysis.evidence.sample import Array, Sample
from analysis.models.design import lag_terms
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols_many
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_upper

NEAR = 4  # periods before or after that placebo and reverse look at
OWN_LAGS = 2  # free lags of every activity in the reverse test, for its persistence
SMALLEST, LARGEST = 1e-15, 0.99  # p-values of the combination are kept between these
BLOCK = 26  # periods of one level in the drift check (6 in a monthly panel)


@dataclass(frozen=True, slots=True)
class Vetoes:
    """p-values (k,) of the three checks; NaN where one could not be run.

    now, now_p: the link with the activity's own period (log scale per one extra) and its p, beside lags and leads. It is
    told apart and never part of a claim: within one period nobody can say what came first.
    """

    placebo: Array
    reverse: Array
    drift: Array
    now: Array
    now_p: Array

    def confounded(self) -> float:
        """p that slow demand moves no activity of this scope: placebo and drift of all activities by the Cauchy combination.

        It nearly keeps its level whatever their dependence (at 2 % at most a few tenths of a point too often), and many
        middling p-values count for more than the smallest alone. Those near one are cut off, or a link that
        grows would hide the others (Liu & Xie 2020; Fang, Chang, Park & Tseng 2023).
        """
        found = np.concatenate([self.placebo, self.drift])
        ran = found[np.isfinite(found)]
        if not ran.size:
            return 1.0
        cauchy = np.tan((0.5 - np.clip(ran, SMALLEST, LARGEST)) * np.pi)
        return float(np.arctan2(1.0, cauchy.mean()) / np.pi)  # the upper tail of Cauchy's distribution

    def adjusted(self, k: int) -> dict[str, float]:
        """Holm-adjusted p of each check that ran, for activity k."""
        found = {"placebo": self.placebo[k], "reverse": self.reverse[k], "drift": self.drift[k]}
        ran = {name: float(p) for name, p in found.items() if np.isfinite(p)}
        running, out = 0.0, {}
        for rank, name in enumerate(sorted(ran, key=ran.__getitem__)):
            running = max(running, min(1.0, (len(ran) - rank) * ran[name]))
            out[name] = running
        return out


def mean_over(sample: Sample, series: Array, lags: range) -> Array:
    """(n, columns): mean of the series over these lags (negative = leads) of the same rep; NaN without all of them."""
    return lag_terms(sample.cells, series, np.full((len(lags), 1), 1 / len(lags)), list(lags))


def placebo(sample: Sample) -> tuple[Array, Array, Array]:
    """p (k,) of the mean activity in the periods after, beside its lags and its own period; and that period's own link."""
    ahead = mean_over(sample, sample.counts, range(-1, -NEAR - 1, -1))
    extra = np.hstack([sample.terms, sample.controls, sample.counts, ahead])
    keep = sample.keep & np.isfinite(extra).all(axis=1)
    fit = fit_ppml(sample.outcomes[sample.plan.outcome][keep], extra[keep], sample.cells.take(keep))
    k, vcov = sample.counts.shape[1], check_vcov(fit)
    each = [contrast(fit, row, vcov) for row in np.eye(fit.coef.size)[-2 * k :]]
    return (
        np.array([e.p_value for e in each[k:]]),
        np.array([e.estimate for e in each[:k]]),
        np.array([e.p_value for e in each[:k]]),
    )


def reverse(sample: Sample) -> Array:
    """p (k,) of past results in a regression of each activity on them and on the past of every activity."""
    y = sample.outcomes[sample.plan.outcome]
    past = mean_over(sample, y, range(1, NEAR + 1))
    own = lag_terms(sample.cells, sample.counts, np.eye(OWN_LAGS), range(1, OWN_LAGS + 1))
    design = np.hstack([past, own, sample.terms, sample.controls])
    keep = sample.keep & np.isfinite(design).all(axis=1) & np.isfinite(sample.counts).all(axis=1)
    cells = sample.cells.take(keep)
    first = np.zeros(design.shape[1])
    first[0] = 1.0
    fits = fit_ols_many(sample.counts[keep], design[keep], cells)
    return np.array([contrast(fit, first, vcov).p_value for fit, vcov in zip(fits, check_vcovs(fits), strict=True)])


def drift(sample: Sample, headline: Fitted) -> Array:
    """p (k,) that the link fades within half-years of each rep; one-sided, as a link that grows is no doubt."""
    length = BLOCK if sample.plan.period == "week" else 6
    blocks = (sample.cells.time - sample.cells.time.min()) // length
    unit = np.unique(sample.cells.unit * (blocks.max() + 1) + blocks, return_inverse=True)[1]
    cells = replace(sample.cells, unit=unit.astype(np.int64)).take(sample.keep)
    within = with_jackknife(fit_ppml(sample.y, sample.design, cells))
    out = np.full(sample.counts.shape[1], np.nan)
    if within.fit.n_clusters != headline.fit.n_clusters:
        return out
    for k in range(out.size):
        weights = sample.weights(k)
        change = (headline.changes - within.changes) @ weights
        point = weights @ (headline.fit.coef - within.fit.coef)
        error = np.sqrt((change.size - 1) / change.size * np.sum(change**2))
        out[k] = t_upper(np.sign(weights @ headline.fit.coef) * point / error, change.size - 1)
    return out


def vetoes(sample: Sample, headline: Fitted) -> Vetoes:
    """All three checks of a scope."""
    ahead, now, now_p = placebo(sample)
    return Vetoes(ahead, reverse(sample), drift(sample, headline), now, now_p)
