"""What the company's links become under other assumptions: told beside the headline, never part of a grade.

own_past: a rep's own recent results are held constant (they are themselves moved by activities, so this understates).
rep_quarter_ends: every rep has a level of their own at the end of quota periods (two weeks of a quarter, one of a month;
calendar quarters where no quotas are recorded), when incentives bite.
no_calendar: what an analysis without week effects would have said. Beside them: the size of deals, and whether
meaningful and senior activities predict more than others of their kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.errors import AnalysisError
from analysis.evidence.estimate import Fitted, check_vcov, fit_headline, with_jackknife
from analysis.evidence.forecasts import BASELINES, forecasts
from analysis.evidence.sample import Array, Sample, in_scope
from analysis.models.design import cells_from_codes, lag_terms
from analysis.models.forecast import Gain, recent_mean
from analysis.models.inference import Estimate, contrast
from analysis.models.linear import fit_ols
from analysis.models.multiplicity import benjamini_hochberg
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_two_sided
from analysis.panel import Panel

OWN_PAST = (4, 13)  # periods over which a rep's own results are averaged
QUALITIES = ("meaningful", "senior")
MIN_DEALS = 100


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A link (log scale per one extra) under one other assumption; change_p: that it is the headline's but for chance
    (jackknife of the difference; NaN where the two do not share their clusters)."""

    assumption: str
    link: Estimate
    change_p: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Extra link of one activity of a kind that is meaningful (or senior), beside the plain count; q counts all tested."""

    quality: str
    share: float
    extra: Estimate
    q_value: float


@dataclass(frozen=True, slots=True)
class Sensitivities:
    """By activity. deal_size: log revenue per win, per one extra activity; absent where there are too few deals.

    forecasts: baseline -> activity ("" = all together) -> gain over it.
    """

    links: dict[str, tuple[Sensitivity, ...]]
    deal_size: dict[str, Estimate]
    quality: dict[str, tuple[Quality, ...]]
    forecasts: dict[str, dict[str, Gain]]


def sensitivities(panel: Panel, sample: Sample, gains: dict[str, Gain]) -> Sensitivities:
    """All of it for the discretionary activities of a scope that was not refused; what cannot be estimated is left out.

    gains: those over the baseline "own_past", which the grading has computed already.
    """
    headline = with_jackknife(fit_headline(sample))
    links: dict[str, list[Sensitivity]] = {name: [] for name in sample.activities}
    for assumption, refit in (("own_past", own_past), ("rep_quarter_ends", quarter_ends), ("no_calendar", no_calendar)):
        try:
            fitted = refit(sample)
        except AnalysisError:
            continue
        for k, name in enumerate(sample.activities):
            links[name].append(compare(assumption, sample.weights(k), fitted, headline))
    return Sensitivities(
        links={name: tuple(found) for name, found in links.items()},
        deal_size=deal_size(sample),
        quality=qualities(panel, sample),
        forecasts={b: gains if b == "own_past" else forecasts(sample, b)[0] for b in BASELINES},
    )


def compare(assumption: str, weights: Array, fitted: Fitted, headline: Fitted) -> Sensitivity:
    """weights (p,) of the headline's columns, which stand first in the other fit too."""
    wide = np.pad(weights, (0, fitted.fit.n_coef - weights.size))
    change_p = np.nan
    if fitted.changes.shape[0] == headline.changes.shape[0]:
        change = fitted.changes @ wide - headline.changes @ weights
        error = np.sqrt((change.size - 1) / change.size * np.sum(change**2))
        point = wide @ fitted.fit.coef - weights @ headline.fit.coef
        change_p = float(t_two_sided(point / error, change.size - 1)) if error > 0 else 1.0
    return Sensitivity(assumption, contrast(fitted.fit, wide, fitted.vcov), change_p)


def own_past(sample: Sample) -> Fitted:
    """The headline with the rep's own recent results as controls, on the log scale."""
    y = sample.outcomes[sample.plan.outcome]
    means = [recent_mean(np.nan_to_num(y), sample.rep_codes, sample.cells.time, w) for w in OWN_PAST]
    scale = float(np.nanmean(np.abs(y))) or 1.0
    past = np.log1p(np.maximum(np.nan_to_num(np.column_stack(means)), 0.0) / scale)[sample.keep]
    return with_jackknife(fit_ppml(sample.y, np.hstack([sample.design, past]), sample.cells.take(sample.keep)))


def quarter_ends(sample: Sample) -> Fitted:
    """The headline with a second level of every rep for the last weeks of quota periods."""
    ends = sample.season[:, -1].astype(np.int64)[sample.keep]
    cells = sample.cells.take(sample.keep)
    order = np.lexsort((cells.time, ends, cells.unit))
    level = np.unique(2 * cells.unit.astype(np.int64) + ends, return_inverse=True)[1]
    sorted_cells = replace(cells.take(order), unit=level[order])
    return with_jackknife(fit_ppml(sample.y[order], sample.design[order], sorted_cells))


def no_calendar(sample: Sample) -> Fitted:
    """The headline with rep effects only."""
    cells = sample.cells.take(sample.keep)
    plain = cells_from_codes(cells.unit, cells.time, None, cells.cluster)
    return with_jackknife(fit_ppml(sample.y, sample.design, plain))


def deal_size(sample: Sample) -> dict[str, Estimate]:
    """Log revenue per win in the rep-periods with a win, with rep and team-by-period effects."""
    if not {"wins", "revenue"} <= set(sample.outcomes):
        return {}
    wins, revenue = sample.outcomes["wins"], sample.outcomes["revenue"]
    rows = sample.keep & (np.nan_to_num(wins) > 0) & (np.nan_to_num(revenue) > 0)
    if rows.sum() < MIN_DEALS:
        return {}
    design = np.hstack([sample.terms, sample.controls])[rows]
    try:
        fit = fit_ols(np.log(revenue[rows] / wins[rows]), design, sample.cells.take(rows))
        vcov = check_vcov(fit)
    except AnalysisError:
        return {}
    return {name: contrast(fit, sample.weights(k), vcov) for k, name in enumerate(sample.activities)}


def qualities(panel: Panel, sample: Sample) -> dict[str, tuple[Quality, ...]]:
    """Every activity's meaningful and senior part beside its plain count, where recorded and neither none nor all."""
    rows = panel.frame[in_scope(panel, sample.team_id)]
    found: list[tuple[str, str, float, Estimate]] = []
    for k, name in enumerate(sample.activities):
        for quality in QUALITIES:
            column = f"{name}__{quality}"
            if column not in rows:
                continue
            part = rows[column].to_numpy(float)
            known = sample.keep & np.isfinite(part)
            share = float(part[known].sum() / max(sample.counts[known, k].sum(), 1.0))
            extra = quality_link(sample, part) if 0.02 <= share <= 0.98 else None
            if extra is not None:
                found.append((name, quality, share, extra))
    q: Array = benjamini_hochberg([extra.p_value for *_, extra in found]) if found else np.empty(0)
    out: dict[str, tuple[Quality, ...]] = {}
    for (name, quality, share, extra), counted in zip(found, q, strict=True):
        out[name] = (*out.get(name, ()), Quality(quality, share, extra, float(counted)))
    return out


def quality_link(sample: Sample, part: Array) -> Estimate | None:
    """The link of one extra of this part, all else (and the plain count) the same; None where it cannot be told."""
    terms = lag_terms(sample.cells, part, sample.basis, sample.plan.lags)
    design = np.hstack([terms, sample.terms, sample.controls])
    keep = sample.keep & np.isfinite(terms).all(axis=1)
    weights = np.zeros(design.shape[1])
    weights[: sample.basis.shape[1]] = sample.basis.sum(axis=0)
    y = np.maximum(sample.outcomes[sample.plan.outcome][keep], 0.0)
    try:
        fit = fit_ppml(y, design[keep], sample.cells.take(keep))
        return contrast(fit, weights, check_vcov(fit))
    except AnalysisError:
        return None
