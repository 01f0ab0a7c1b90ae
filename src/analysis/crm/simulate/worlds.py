"""The simulated companies: what truly drives wins in each, and what only looks as if it did.

A world is data, not code: which activities there are, how large and how late their effects are, and which disturbance
(feedback, drifting demand, a logging tool, turnover ...) the process adds. Sizes are log effects on the rate of wins.
"""

from dataclasses import dataclass, replace

from analysis.crm.simulate.kernels import triangular
from analysis.errors import ParameterError

EARLY = triangular(1, 4, 2)
MIDDLE = triangular(1, 7, 4)
LATE = triangular(2, 8, 5)

MANAGEMENT = frozenset({"coaching", "dark", "gaps", "ramp", "sla"})


@dataclass(frozen=True, slots=True)
class Activity:
    """One kind of selling activity and what it does.

    log_effect: log points of the win rate per one extra activity a week, summed over the kernel's lags.
    log_sd: within-rep spread of the weekly rate (AR 0.6); shared: share of that spread common to all kinds of a rep.
    skill, territory: loadings on the rep's fixed skill and on drifting demand.
    turning_point: weekly count where a saturating effect peaks (None = proportional throughout).
    push: reaction of the rate to the last weeks' wins (negative = pushed after weak weeks).
    """

    kind: str
    per_week: float
    role: str = "none"
    log_effect: float = 0.0
    kernel: tuple[float, ...] = ()
    log_sd: float = 0.5
    shared: float = 0.35
    level_sd: float = 0.3
    skill: float = 0.0
    territory: float = 0.0
    turning_point: float | None = None
    push: float = 0.0
    teams_differ: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """A company's data-generating process; rates are per rep and week, spreads in log points."""

    name: str
    activities: tuple[Activity, ...]
    wins_per_week: float = 0.38
    stage_marker: str | None = None
    team_shock_sd: float = 0.2
    demand_sd: float = 0.0
    demand_memory: float = 0.8
    logging_break: str | None = None
    turnover: bool = False
    new_rep_share: float = 0.0
    absence_cut: float = 0.0
    largest_weeks: int | None = None
    largest_reps: int | None = None
    management: frozenset[str] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind the company records, the stage marker last."""
        own = tuple(activity.kind for activity in self.activities)
        return own if self.stage_marker is None else (*own, self.stage_marker)


CALL = Activity("call", 13.0, log_sd=0.55, skill=0.25)
EMAIL = Activity("email", 9.0, log_sd=0.55, skill=0.15)
MEETING = Activity("meeting", 4.0, log_sd=0.6, skill=0.2)
DEMO = Activity("demo", 2.5, log_sd=0.65, skill=0.1)
VISIT = Activity("visit", 3.0, log_sd=0.65)
ROI = Activity("roi_presentation", 1.2, log_sd=0.6)

NOTHING = (CALL, EMAIL, MEETING, DEMO, VISIT, ROI)
THREE_MATTER = (
    replace(CALL, role="correlates", skill=0.5),
    replace(EMAIL, role="correlates", skill=0.4),
    replace(MEETING, role="matters", log_effect=0.08, kernel=MIDDLE),
    replace(DEMO, role="matters", log_effect=0.095, kernel=EARLY),
    replace(VISIT, role="matters", log_effect=0.085, kernel=LATE),
)


def _demo(name: str, management: frozenset[str] = MANAGEMENT) -> World:
    return World(name, THREE_MATTER, stage_marker="proposal", new_rep_share=0.22, management=management)


_ALL = (
    _demo("demo"),
    _demo("null_management", frozenset()),
    World("null", NOTHING),
    World(
        "small",
        (
            replace(CALL, per_week=26.0, role="matters", log_effect=0.006, kernel=MIDDLE, log_sd=0.45),
            replace(EMAIL, role="correlates", skill=0.4),
            replace(MEETING, role="matters", log_effect=0.08, kernel=MIDDLE),
            replace(DEMO, role="matters", log_effect=0.095, kernel=EARLY),
            VISIT,
            ROI,
        ),
    ),
    World(
        "reverse",
        (
            replace(CALL, role="correlates", push=-1.0),
            replace(EMAIL, role="correlates", push=0.7),
            MEETING,
            DEMO,
            VISIT,
            ROI,
        ),
        demand_sd=0.45,
        demand_memory=0.9,
    ),
    World(
        "territory",
        (
            replace(CALL, role="correlates", territory=0.5),
            replace(EMAIL, role="correlates", territory=0.4),
            replace(MEETING, role="correlates", territory=0.5),
            DEMO,
            VISIT,
            ROI,
        ),
        demand_sd=0.5,
        demand_memory=0.98,
    ),
    World("logging_break", (replace(CALL, role="correlates"), *NOTHING[1:]), logging_break="call"),
    World("turnover", THREE_MATTER, stage_marker="proposal", turnover=True, new_rep_share=0.25, absence_cut=0.4),
    World(
        "saturation",
        (
            CALL,
            EMAIL,
            replace(MEETING, role="matters", log_effect=0.14, kernel=MIDDLE, per_week=5.0, turning_point=9.0),
            DEMO,
            VISIT,
            ROI,
        ),
    ),
    World(
        "heterogeneous",
        tuple(replace(spec, teams_differ=spec.role == "matters") for spec in THREE_MATTER),
        stage_marker="proposal",
    ),
    World("thin", THREE_MATTER, stage_marker="proposal", wins_per_week=0.06, largest_weeks=48, largest_reps=3),
)
WORLDS: dict[str, World] = {world.name: world for world in _ALL}


def world_named(name: str) -> World:
    """The world of that name. Raises ParameterError naming every world when there is none."""
    if name not in WORLDS:
        raise ParameterError(f"There is no world called {name!r}; choose one of: {', '.join(WORLDS)}.")
    return WORLDS[name]
