"""What teams share: each team's own estimate pulled towards the others as far as the data say that teams agree.

The pooled estimate is what a team's row states. A team whose row is mostly its own data answers its own checks; one that
mostly borrows answers the company's. Nothing is borrowed where fewer than three teams have an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from analysis.evidence.assess import ScopeResult, measured
from analysis.evidence.grades import Measured
from analysis.models.multiplicity import benjamini_hochberg
from analysis.models.pooling import Pooling, paule_mandel, shrink
from analysis.models.power import mde_after
from analysis.models.tails import t_two_sided

MIN_TEAMS = 3
OWN = 0.5  # from this share on a team answers its own checks


@dataclass(frozen=True, slots=True)
class Shared:
    """A team's pooled estimate of one activity, on the log scale: interval, t test, share of own data."""

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    df: float
    p_value: float
    own_share: float


def own_only(result: ScopeResult, k: int) -> Shared:
    """The team's estimate as it is."""
    e = result.estimates[k].link
    return Shared(e.estimate, e.std_error, e.conf_low, e.conf_high, e.df, float(result.p_values[k]), 1.0)


def pool(results: list[ScopeResult]) -> tuple[dict[str, list[Shared]], dict[str, Pooling]]:
    """Pooled estimates by team (in the plan's order of activities), and the average over teams by activity."""
    answered = [r for r in results if not r.refused]
    shared: dict[str, list[Shared]] = {r.team_id: [] for r in answered}
    averages: dict[str, Pooling] = {}
    for k, activity in enumerate(answered[0].plan.activities if answered else ()):
        links = [r.estimates[k].link for r in answered]
        if len(links) < MIN_TEAMS:
            for r in answered:
                shared[r.team_id].append(own_only(r, k))
            continue
        values, errors = [e.estimate for e in links], [e.std_error for e in links]
        averages[activity] = paule_mandel(values, errors)
        table = shrink(values, errors, [e.df for e in links], averages[activity])
        rows = table[["estimate", "std_error", "low", "high", "own_share"]].to_numpy(float)
        for r, e, (estimate, error, low, high, own) in zip(answered, links, rows, strict=True):
            df = min(e.df, len(links) - 1)
            p = float(t_two_sided(estimate / error, df))
            shared[r.team_id].append(Shared(estimate, error, low, high, df, p, min(own, 1.0)))
    return shared, averages


def team_measured(result: ScopeResult, shared: list[Shared], company: ScopeResult) -> list[Measured]:
    """What the grades of one team's activities turn on, with the pooled estimates in place of its own."""
    q_values = benjamini_hochberg([s.p_value for s in shared])
    out = []
    for k, pooled in enumerate(shared):
        own = measured(result, k)
        base = own if pooled.own_share >= OWN or company.refused else measured(company, k)
        whole = 1.0 if company.checks is None else company.checks.confounded()
        out.append(
            replace(
                base,
                confounded_p=min(base.confounded_p, whole),
                estimate=pooled.estimate,
                conf_low=pooled.conf_low,
                conf_high=pooled.conf_high,
                p_value=pooled.p_value,
                q_value=float(q_values[k]),
                p_bootstrap=own.p_bootstrap if pooled.own_share >= OWN else base.p_bootstrap,
                mde=float(mde_after(pooled.std_error, pooled.df)),
                useful=own.useful,
                volume=own.volume,
                elasticity=pooled.estimate * own.volume,
                own_share=pooled.own_share,
            )
        )
    return out
