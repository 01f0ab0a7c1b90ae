"""The questions, fixed before any outcome is set against any activity.

A plan says what is tested, over which delays, against which outcome, and which limits decide. It may look at how long
deals take, how many reps, weeks and wins there are and how often each activity happens; it never looks at how activity
and outcome go together. The plan is the multiplicity family: one test per activity, all of them counted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from analysis import words
from analysis.errors import InputError
from analysis.panel import Panel

SAY = words.Voice("evidence.excluded")
MAX_LAG_WEEKS = 13
MAX_LAG_MONTHS = 3
LAG_TERMS = 3  # degrees of freedom an activity's delays may use: joint tests of more do not hold their size
EVENTS_PER_PARAMETER = 10
DEFAULT_CYCLE_WEEKS = 8  # where no closed deal tells how long deals take


@dataclass(frozen=True, slots=True)
class Limits:
    """Every number a grade turns on, in one place.

    Levels are probabilities, shares are of the baseline outcome. Where a value is a judgement docs/methods.md says so.
    """

    claim_q: float = 0.05  # false discovery rate a claim may run
    hint_q: float = 0.10  # moves together
    veto_level: float = 0.03  # of an activity's placebo, reverse and drift together (Holm)
    confounded_level: float = 0.02  # of all placebo and drift tests of a scope together
    forecast_p: float = 0.05  # Clark-West
    min_reps: int = 5
    min_weeks: int = 40
    min_months: int = 24
    min_wins: int = 30
    max_dropped_share: float = 0.90
    max_rep_share: float = 0.50  # of the variation the estimate rests on
    strong_clusters: float = 8.0  # effective clusters for an A
    weak_clusters: float = 5.0  # and for a B
    max_persistence: float = 0.90  # lag-1 autocorrelation above which delays cannot be told apart
    useful_share: float = 0.10  # of the outcome, at the volume as it is
    useful_each: float = 0.05  # of the outcome, per one extra a week
    refuse_mde_share: float = 1.00  # smallest detectable effect, at the volume as it is
    elasticity_suspect: float = 1.70  # five times the .34 of Albers, Mantrala & Sridhar (2010)
    marker_share: float = 0.50  # of an activity that follows an advanced stage
    late_share: float = 0.50  # of an activity that was logged after the outcome it is set against


@dataclass(frozen=True, slots=True)
class Plan:
    """What a study will test; written into study.json before anything is estimated.

    lags: periods (weeks or months) tested jointly, 1..max_lag. terms: smooth terms each activity's delays are given.
    activities: the family, stage markers last. markers: activities that follow an advanced stage; each is estimated beside
    the others but never among their controls. excluded: activities left out of the family, with the reason.
    """

    outcome: str
    activities: tuple[str, ...]
    max_lag: int
    terms: int
    period: str
    effects: str
    draws: int
    seed: int
    limits: Limits = field(default_factory=Limits)
    markers: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()

    @property
    def discretionary(self) -> tuple[str, ...]:
        """The activities a rep can choose to do more of: the family without its stage markers."""
        return tuple(name for name in self.activities if name not in self.markers)

    @property
    def lags(self) -> range:
        """Delays in periods, 1..max_lag."""
        return range(1, self.max_lag + 1)

    def as_dict(self) -> dict[str, Any]:
        """For study.json."""
        return asdict(self)


def window(panel: Panel, max_lag: int | None = None) -> int:
    """How many periods back an activity may act: the 75th percentile of created-to-closed, capped.

    At most 13 weeks (3 months) and an eighth of the periods observed. An explicit max_lag is taken as it is when the
    data has four times as many periods. Raises InputError when it has not.
    """
    periods = int(panel.frame["week"].nunique())
    if max_lag is not None:
        if periods < 4 * max_lag:
            raise InputError(
                f"--max-lag {max_lag} needs at least {4 * max_lag} {panel.period}s of data; there are {periods}. "
                f"Take {max(1, periods // 4)} or less."
            )
        return max_lag
    days = 7.0 if panel.period == "week" else 30.44
    typical = DEFAULT_CYCLE_WEEKS * 7.0 if panel.cycle_days_p75 is None else panel.cycle_days_p75
    cap = MAX_LAG_WEEKS if panel.period == "week" else MAX_LAG_MONTHS
    return int(np.clip(round(typical / days), 1, max(1, min(cap, periods // 8))))


def headline_outcome(panel: Panel) -> str:
    """`wins` where recorded, else `revenue`, else the panel's own first outcome."""
    for name in ("wins", "revenue", *panel.outcomes):
        if name in panel.outcomes:
            return name
    raise InputError("The panel names no outcome: add `outcomes = [...]` to panel.toml.")


def lag_terms_for(n_wins: float | None, n_activities: int) -> int:
    """Three smooth terms an activity, or one (the plain average over the window) where events are few."""
    if n_wins is None or n_wins >= EVENTS_PER_PARAMETER * LAG_TERMS * n_activities:
        return LAG_TERMS
    return 1


def choose_activities(panel: Panel, wanted: list[str] | None) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """The family to test, and what is left out with the reason. Raises InputError for a name that does not exist."""
    if wanted is not None and (unknown := sorted(set(wanted) - set(panel.activities))):
        raise InputError(f"No activity named {', '.join(unknown)}; the data has {', '.join(panel.activities)}.")
    tested: list[str] = []
    excluded: list[tuple[str, str]] = []
    for name in panel.activities:
        counts = panel.frame[name]
        if wanted is not None and name not in wanted:
            excluded.append((name, SAY.text("not_asked_for")))
        elif counts.notna().mean() < 0.5:
            excluded.append((name, SAY.text("rarely_recorded")))
        elif not counts.fillna(0).any():
            excluded.append((name, SAY.text("never_happened")))
        else:
            tested.append(name)
    return tuple(tested), tuple(excluded)


def make_plan(
    panel: Panel, *, max_lag: int | None = None, activities: list[str] | None = None, seed: int = 0, draws: int = 9_999
) -> Plan:
    """Fix the study of a panel. Raises InputError when nothing can be tested."""
    tested, excluded = choose_activities(panel, activities)
    if not tested:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in excluded) or SAY.text("no_activity")
        raise InputError(f"No activity can be tested ({reasons}).")
    markers = tuple(name for name in tested if panel.advanced.get(name, 0.0) >= Limits().marker_share)
    return Plan(
        outcome=headline_outcome(panel),
        activities=tuple(name for name in tested if name not in markers) + markers,
        max_lag=window(panel, max_lag),
        terms=LAG_TERMS,
        period=panel.period,
        effects="team_week",
        draws=draws,
        seed=seed,
        markers=markers,
        excluded=excluded,
    )
