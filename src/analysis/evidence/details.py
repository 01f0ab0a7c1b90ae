"""A scope's result as plain numbers, for study.json and the packs; `evidence.frames` reads them back."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.evidence.assess import ScopeResult, measured
from analysis.evidence.frames import KERNEL
from analysis.evidence.sensitivity import Sensitivities
from analysis.models.inference import Estimate
from analysis.models.power import weeks_needed


def plain(value: float | None) -> float | None:
    """A float that JSON can hold; None for what is not known."""
    return None if value is None or not np.isfinite(value) else float(value)


def estimate_details(e: Estimate) -> dict[str, float | None]:
    """An estimate with its interval and degrees of freedom."""
    names = ("estimate", "std_error", "conf_low", "conf_high", "df", "p_value")
    return {name: plain(getattr(e, name)) for name in names}


def scope_details(result: ScopeResult) -> dict[str, Any]:
    """Everything about one scope that the findings table has no column for."""
    if result.refused:
        return {"refused": result.refused}
    out: dict[str, Any] = {"n_reps": result.n_reps, "n_weeks": result.n_weeks, "n_wins": plain(result.n_wins)}
    together = result.forecast.get("")
    out["all_activities_forecast_gain"] = None if together is None else plain(together.gain)
    out["all_activities_forecast_p"] = None if together is None else plain(together.p_value)
    out["activities"] = {e.activity: activity_details(result, k) for k, e in enumerate(result.estimates)}
    return out


def activity_details(result: ScopeResult, k: int) -> dict[str, Any]:
    """One activity's own estimate, delays, companions, checks and sensitivities."""
    e = result.estimates[k]
    bands = (e.kernel.lags, e.kernel.estimate, e.kernel.conf_low, e.kernel.conf_high)
    return {
        "link": estimate_details(e.link),
        "p_bootstrap": plain(float(result.p_bootstrap[k])),
        "kernel": {name: [plain(x) for x in values] for name, values in zip(KERNEL, bands, strict=True)},
        "mean_lag": plain(e.kernel.mean_lag),
        "same_period": {
            "estimate": None if result.checks is None else plain(result.checks.now[k]),
            "p_value": None if result.checks is None else plain(result.checks.now_p[k]),
        },
        "checks": checks_of(result, k),
        "others": {name: estimate_details(other) for name, other in e.others.items()},
        "volume": plain(e.volume),
        "weeks_needed": needed(result, k),
        "elasticity": plain(e.link.estimate * e.volume),
        "persistence": plain(e.persistence),
        "largest_share_of_one_rep": plain(e.max_cluster_share),
        "range_without_any_one_rep": [plain(float(np.min(e.without_one))), plain(float(np.max(e.without_one)))],
    }


def needed(result: ScopeResult, k: int) -> float | None:
    """Periods of data, in all, until an effect worth acting on would be found by the same reps; None when never."""
    e = result.estimates[k].link
    return plain(float(weeks_needed(measured(result, k).useful, e.std_error, int(e.df), result.n_weeks)))


def sensitivity_details(found: Sensitivities) -> dict[str, Any]:
    """What other assumptions say, by activity; forecasts by baseline."""
    return {
        "links": {
            name: [
                estimate_details(s.link) | {"assumption": s.assumption, "change_p": plain(s.change_p)} for s in links
            ]
            for name, links in found.links.items()
        },
        "deal_size": {name: estimate_details(e) for name, e in found.deal_size.items()},
        "quality": {
            name: [
                estimate_details(q.extra) | {"quality": q.quality, "share": plain(q.share), "q_value": plain(q.q_value)}
                for q in each
            ]
            for name, each in found.quality.items()
        },
        "forecasts": {
            baseline: {
                name or "all together": {"gain": plain(g.gain), "p_value": plain(g.p_value)}
                for name, g in gains.items()
            }
            for baseline, gains in found.forecasts.items()
        },
    }


def checks_of(result: ScopeResult, k: int) -> list[dict[str, Any]]:
    """The checks of one activity in reading order: what was measured, against which limit, passed (None = not run)."""
    m, limits = measured(result, k), result.plan.limits
    veto = m.veto_p or {}
    boot = None if m.p_bootstrap is None else m.p_bootstrap <= limits.claim_q
    table: list[tuple[str, float | None, float, bool | None]] = [
        ("counted", m.q_value, limits.claim_q, m.q_value <= limits.claim_q),
        ("bootstrap", m.p_bootstrap, limits.claim_q, boot),
    ]
    for name in ("placebo", "reverse", "drift"):
        p = veto.get(name)
        table.append((name, p, limits.veto_level, None if p is None else p > limits.veto_level))
    shared = None if result.checks is None else m.confounded_p
    table.append(
        ("confounded", shared, limits.confounded_level, None if shared is None else shared > limits.confounded_level)
    )
    sign = None if m.same_sign is None else float(m.same_sign)
    forecast = None if m.forecast_p is None else m.forecast_p <= limits.forecast_p
    table += [
        ("same_sign", sign, 1.0, m.same_sign),
        ("one_out", float(m.sign_stable), 1.0, m.sign_stable),
        ("clusters", m.effective_clusters, limits.weak_clusters, m.effective_clusters >= limits.weak_clusters),
        ("marker", float(m.is_marker), 0.0, not m.is_marker),
        ("too_good", abs(m.elasticity), limits.elasticity_suspect, abs(m.elasticity) <= limits.elasticity_suspect),
        ("forecast", m.forecast_p, limits.forecast_p, forecast),
    ]
    return [{"check": name, "measured": plain(x), "limit": limit, "passed": ok} for name, x, limit, ok in table]
