"""Which metrics a data folder can give, and which table or column is missing for the others.

A metric that is not listed as available is "not recorded" on every page; it is never shown as zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

# metric: the columns it cannot do without. A column counts as there when at least one row fills it.
METRICS: Mapping[str, tuple[str, ...]] = {
    "activity counts": ("activities.kind", "activities.occurred_on"),
    "wins and revenue": ("opportunities.closed_on", "opportunities.amount"),
    "meaningful attempts": ("activities.is_meaningful",),
    "senior contacts": ("activities.contact_level",),
    "talk time": ("activities.duration_s",),
    "accounts touched": ("activities.account_id",),
    "connect rate": ("activities.outcome",),
    "effort by hand apart from sequences": ("activities.origin",),
    "planned apart from done": ("activities.status",),
    "late logging": ("activities.logged_at", "activities.opportunity_id"),
    "activity by hour": ("activities.occurred_at", "teams.timezone"),
    "team history": ("memberships.rep_id",),
    "worked days": ("absences.rep_id",),
    "holidays": ("holidays.date",),
    "split deals": ("credits.share",),
    "sales cycle": ("opportunities.created_on", "opportunities.closed_on"),
    "open pipeline": ("opportunities.amount",),
    "factored pipeline over time": ("opportunities.probability", "stage_changes.to_stage"),
    "funnel": ("stage_changes.changed_at", "stage_changes.to_stage"),
    "price realisation": ("opportunities.list_amount", "opportunities.amount"),
    "margin": ("opportunities.margin",),
    "units": ("opportunities.units",),
    "net new customers": ("opportunities.account_id", "opportunities.closed_on"),
    "booked to invoiced to paid": ("opportunities.invoiced_on", "opportunities.paid_on"),
    "quota attainment": ("quotas.amount", "quotas.period_end"),
    "targets from quota": ("quotas.amount", "opportunities.closed_on"),
    "ramp of new reps": ("reps.hired_on",),
    "coaching load": ("coaching.kind", "coaching.occurred_on"),
    "coaching focus": ("coaching.focus", "coaching.focus_met"),
    "manager history": ("memberships.manager_id",),
    "lead volume": ("leads.created_at", "leads.source"),
    "qualified leads": ("leads.qualified_at",),
    "hand-off and first touch": ("leads.handed_off_at", "leads.first_touch_at"),
    "lead feedback": ("leads.feedback_at",),
    "closed business from inbound": ("leads.opportunity_id", "opportunities.closed_on"),
    "campaign cost per lead": ("campaigns.cost", "leads.campaign_id"),
    "partner hand-off": ("leads.partner_id",),
    "dark accounts": ("activities.account_id", "opportunities.account_id"),
}


@dataclass(frozen=True, slots=True)
class Capability:
    """One metric: whether the data can give it, and the table.column names it lacks."""

    metric: str
    available: bool
    missing: tuple[str, ...]


def capabilities(filled: Mapping[str, Mapping[str, int]]) -> tuple[Capability, ...]:
    """Every metric of METRICS against what the data fill. filled: cells with a value, by table and column."""
    found = []
    for metric, needs in METRICS.items():
        missing = tuple(_lacking(need, filled) for need in needs if not _has(need, filled))
        found.append(Capability(metric, not missing, tuple(dict.fromkeys(missing))))
    return tuple(found)


def as_table(found: tuple[Capability, ...]) -> pd.DataFrame:
    """Capabilities as a frame: metric, available, missing (names joined by comma)."""
    rows = [(c.metric, c.available, ", ".join(c.missing)) for c in found]
    return pd.DataFrame(rows, columns=["metric", "available", "missing"]).astype({"missing": "str"})


def _has(need: str, filled: Mapping[str, Mapping[str, int]]) -> bool:
    table, column = need.split(".")
    return filled.get(table, {}).get(column, 0) > 0


def _lacking(need: str, filled: Mapping[str, Mapping[str, int]]) -> str:
    table = need.split(".")[0]
    return need if table in filled else f"{need} (no table {table})"
