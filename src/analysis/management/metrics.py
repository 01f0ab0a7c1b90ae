"""The metrics of the scorecard: what each is called, what class it belongs to, what it means and what it needs.

Classes: an *activity* can be controlled, an *objective* can be influenced, a *result* follows (lagging).
"""

from __future__ import annotations

from dataclasses import dataclass

from analysis import words

KIND = "kind:"  # before the name of a kind of activity, the key of its metric
ACTIVITY, OBJECTIVE, RESULT = "activity", "objective", "result"


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the scorecard. needs: "table" or "table.column" names without which it is not recorded.

    unit: `money` (reporting currency), `count`, `per_week` (per worked rep-week), `hours_per_week`, `share`, `ratio`
    or `days`. timing: leading metrics move before revenue, lagging ones with it.
    """

    key: str
    metric_class: str
    timing: str
    unit: str
    needs: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it is called."""
        return metric_words(self.key)[0]

    @property
    def definition(self) -> str:
        """What it means, in half a sentence."""
        return metric_words(self.key)[1]


def metric_words(key: str, locale: str = words.ENGLISH) -> tuple[str, str]:
    """Title and definition of a metric, by its key, as a reader of the language is told them."""
    say = words.Voice("management.metrics", locale)
    if not key.startswith(KIND):
        return say.text(f"{key}.title"), say.text(f"{key}.definition")
    kind = key.removeprefix(KIND)
    return say.label(kind), say.text("kind.definition", {"activities": say.kinds(kind)})


def _activity(key: str, unit: str, *needs: str) -> Metric:
    return Metric(key, ACTIVITY, "leading", unit, needs or ("activities",))


def _objective(key: str, unit: str, *needs: str) -> Metric:
    return Metric(key, OBJECTIVE, "leading", unit, needs or ("opportunities",))


def _result(key: str, unit: str, *needs: str) -> Metric:
    return Metric(key, RESULT, "lagging", unit, needs or ("opportunities",))


METRICS: tuple[Metric, ...] = (
    _result("revenue", "money"),
    _result("wins", "count"),
    _result("quota_attainment", "share", "quotas"),
    _result("average_sale", "money"),
    _result("sales_cycle", "days"),
    _result("net_new_customers", "count", "opportunities.account_id"),
    _result("units", "count", "opportunities.units"),
    _result("price_realisation", "share", "opportunities.list_amount"),
    _result("margin", "share", "opportunities.margin"),
    _objective("open_pipeline", "money"),
    _objective("factored_pipeline", "money", "opportunities.probability"),
    _objective("coverage", "ratio", "quotas"),
    _objective("new_opportunities", "count"),
    _objective("qualified_leads", "count", "leads.qualified_at"),
    _objective("win_rate", "share"),
    _objective("meaningful_share", "share", "activities.is_meaningful"),
    _objective("senior_share", "share", "activities.contact_level"),
    _activity("attempts", "per_week"),
    _activity("meaningful", "per_week", "activities.is_meaningful"),
    _activity("talk_time", "hours_per_week", "activities.duration_s"),
    _activity("accounts_touched", "per_week", "activities.account_id"),
)

BY_KEY = {metric.key: metric for metric in METRICS}


def kind_metric(kind: str) -> Metric:
    """The metric of one configured activity kind: attempts of that kind per worked rep-week."""
    return _activity(f"{KIND}{kind}", "per_week")
