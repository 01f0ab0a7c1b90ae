"""A scope's result as plain rows and numbers: for study.json, the notebooks and the evidence cards."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis.evidence.assess import ScopeResult, measured
from analysis.models.inference import Estimate


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
    """One activity's own estimate, companions, delays and sensitivities."""
    e = result.estimates[k]
    return {
        "link": estimate_details(e.link),
        "p_bootstrap": plain(float(result.p_bootstrap[k])),
        "others": {name: estimate_details(other) for name, other in e.others.items()},
        "mean_lag": plain(e.kernel.mean_lag),
        "volume": plain(e.volume),
        "elasticity": plain(e.link.estimate * e.volume),
        "persistence": plain(e.persistence),
        "effective_clusters": plain(e.effective_clusters),
        "largest_share_of_one_rep": plain(e.max_cluster_share),
        "range_without_any_one_rep": [plain(float(np.min(e.without_one))), plain(float(np.max(e.without_one)))],
    }


def kernel_rows(result: ScopeResult) -> list[dict[str, Any]]:
    """One row per activity and delay."""
    return [
        {
            "scope": result.scope,
            "team_id": result.team_id,
            "activity": e.activity,
            "lag": int(lag),
            "estimate": float(point),
            "conf_low": float(low),
            "conf_high": float(high),
        }
        for e in result.estimates
        for lag, point, low, high in zip(
            e.kernel.lags, e.kernel.estimate, e.kernel.conf_low, e.kernel.conf_high, strict=True
        )
    ]


def check_rows(result: ScopeResult) -> list[dict[str, Any]]:
    """One row per activity and check: what was measured, against which limit, passed or not (None = not run)."""
    return [
        {"scope": result.scope, "team_id": result.team_id, "activity": e.activity, **check}
        for k, e in enumerate(result.estimates)
        for check in checks_of(result, k)
    ]


def checks_of(result: ScopeResult, k: int) -> list[dict[str, Any]]:
    """The checks of one activity, in the order a reader should meet them."""
    m, limits = measured(result, k), result.plan.limits
    veto = m.veto_p or {}
    table: list[tuple[str, float | None, float, bool | None]] = [
        ("counted", m.q_value, limits.claim_q, m.q_value <= limits.claim_q),
        (
            "bootstrap",
            m.p_bootstrap,
            limits.claim_q,
            None if m.p_bootstrap is None else m.p_bootstrap <= limits.claim_q,
        ),
    ]
    for name in ("placebo", "reverse", "drift"):
        p = veto.get(name)
        table.append((name, p, limits.veto_level, None if p is None else p > limits.veto_level))
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
