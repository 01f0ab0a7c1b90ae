"""The metrics of the scorecard: what each is called, what class it belongs to, what it means and what it needs.

Classes: an *activity* can be controlled, an *objective* can be influenced, a *result* follows (lagging).
"""

from __future__ import annotations

from dataclasses import dataclass

ACTIVITY, OBJECTIVE, RESULT = "activity", "objective", "result"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the scorecard. needs: "table" or "table.column" names without which it is not recorded.

    unit: `money` (reporting currency), `count`, `per_week` (per worked rep-week), `hours_per_week`, `share`, `ratio`
    or `days`. timing: leading metrics move before revenue, lagging ones with it.
    """

    key: str
    title: str
    metric_class: str
    timing: str
    unit: str
    definition: str
    needs: tuple[str, ...]


def _activity(key: str, title: str, unit: str, definition: str, *needs: str) -> Metric:
    return Metric(key, title, ACTIVITY, "leading", unit, definition, needs or ("activities",))


def _objective(key: str, title: str, unit: str, definition: str, *needs: str) -> Metric:
    return Metric(key, title, OBJECTIVE, "leading", unit, definition, needs or ("opportunities",))


def _result(key: str, title: str, unit: str, definition: str, *needs: str) -> Metric:
    return Metric(key, title, RESULT, "lagging", unit, definition, needs or ("opportunities",))


METRICS: tuple[Metric, ...] = (
    _result("revenue", "Revenue", "money", "booked amount of deals won in the period, split by credit"),
    _result("wins", "Deals won", "count", "deals won in the period, by closing date"),
    _result(
        "quota_attainment",
        "Quota attainment",
        "share",
        "revenue as a share of quota; a quota that spans the period in part counts by its days in it",
        "quotas",
    ),
    _result("average_sale", "Average sale", "money", "mean booked amount of a deal won in the period"),
    _result("sales_cycle", "Sales cycle", "days", "median days from creation to closing of deals won in the period"),
    _result(
        "net_new_customers",
        "Net new customers",
        "count",
        "accounts whose first recorded won deal closed in the period",
        "opportunities.account_id",
    ),
    _result("units", "Units sold", "count", "units on deals won in the period", "opportunities.units"),
    _result(
        "price_realisation",
        "Price realisation",
        "share",
        "booked amount as a share of list amount, deals won in the period with both recorded",
        "opportunities.list_amount",
    ),
    _result(
        "margin",
        "Margin",
        "share",
        "margin as a share of booked amount, deals won in the period with margin recorded",
        "opportunities.margin",
    ),
    _objective(
        "open_pipeline",
        "Open pipeline",
        "money",
        "amount of deals open at the end of the period; deals open today without an amount count with the average "
        "sale of their team",
    ),
    _objective(
        "factored_pipeline",
        "Factored pipeline",
        "money",
        "open amount times the recorded chance to win; known for today only, as past chances are not kept",
        "opportunities.probability",
    ),
    _objective(
        "coverage",
        "Pipeline coverage",
        "ratio",
        "open pipeline divided by what is still missing to the quota of the running quota period; today only",
        "quotas",
    ),
    _objective("new_opportunities", "New opportunities", "count", "deals created in the period"),
    _objective(
        "qualified_leads",
        "Qualified leads",
        "count",
        "leads qualified in the period by the agreed definition",
        "leads.qualified_at",
    ),
    _objective(
        "win_rate",
        "Win rate",
        "share",
        "chance that a deal created in the period is won within the time most deals need; deals still open count "
        "up to their age, not as lost",
    ),
    _objective(
        "meaningful_share",
        "Meaningful share",
        "share",
        "attempts that moved the prospect forward as a share of attempts",
        "activities.is_meaningful",
    ),
    _objective(
        "senior_share",
        "Senior contact share",
        "share",
        "attempts that reached a vice president or above as a share of attempts whose level is known",
        "activities.contact_level",
    ),
    _activity("attempts", "Attempts", "per_week", "attempts by people, none by machines, per worked rep-week"),
    _activity(
        "meaningful",
        "Meaningful attempts",
        "per_week",
        "attempts that moved the prospect forward, per worked rep-week",
        "activities.is_meaningful",
    ),
    _activity(
        "talk_time",
        "Talk time",
        "hours_per_week",
        "hours of recorded talk time per worked rep-week",
        "activities.duration_s",
    ),
    _activity(
        "accounts_touched",
        "Accounts touched",
        "per_week",
        "different accounts with an attempt in the period, counted once per rep, per worked rep-week",
        "activities.account_id",
    ),
)

BY_KEY = {metric.key: metric for metric in METRICS}


def kind_metric(kind: str) -> Metric:
    """The metric of one configured activity kind: attempts of that kind per worked rep-week."""
    plain = kind.replace("_", " ")
    return _activity(f"kind:{kind}", plain.capitalize(), "per_week", f"attempts of kind {plain} per worked rep-week")
