"""The answer sheet: which activities matter, when and by how much, computed from the process that was run."""

from typing import Any

import numpy as np

from analysis.crm.simulate.kernels import mean_lag
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.worlds import Activity

Truth = dict[str, Any]


def study_truth(process: Process) -> Truth:
    """Sizes of the company and, for each kind, its role, delay and effect; per team where teams differ.

    `log_effect` is the log change of the win rate by one extra activity a week, summed over the lags; `effect_relative`
    the same as a share of the baseline; `effect_revenue` the expected change of revenue, in reporting currency, by one
    extra activity once (the average marginal effect over the rep-weeks of the data).
    """
    calendar, world = process.calendar, process.world
    here = process.roster.employed[calendar.first : calendar.stop]
    wins = process.wins[calendar.first : calendar.stop]
    activities = {spec.kind: _activity(process, column, spec) for column, spec in enumerate(world.activities)}
    if world.stage_marker is not None:
        marker = Activity(world.stage_marker, 0.0, role="stage_marker")
        activities[world.stage_marker] = _activity(process, None, marker)
    return {
        "world": world.name,
        "seed": process.seed,
        "teams": process.roster.n_teams,
        "reps": int(here.any(axis=0).sum()),
        "weeks": calendar.stop - calendar.first,
        "first_week": calendar.mondays[calendar.first].isoformat(),
        "as_of": calendar.end.isoformat(),
        "currency": "EUR",
        "wins": int(wins.sum()),
        "wins_per_rep_week": float(wins.sum() / here.sum()),
        "mean_deal": float(
            np.average(process.deal_mean, weights=process.rate[calendar.first : calendar.stop].sum(axis=0))
        ),
        "activities": activities,
    }


def _activity(process: Process, column: int | None, spec: Activity) -> Truth:
    entry: Truth = {
        "role": spec.role,
        "log_effect": 0.0,
        "effect_relative": 0.0,
        "effect_revenue": 0.0,
        "kernel": [],
        "mean_lag_weeks": None,
        "turning_point": spec.turning_point,
        "teams": {},
    }
    if column is None or spec.log_effect == 0.0:
        return entry
    entry["kernel"] = [
        {"lag_weeks": lag, "weight": weight, "log_effect": weight * spec.log_effect}
        for lag, weight in enumerate(spec.kernel, start=1)
    ]
    entry["mean_lag_weeks"] = mean_lag(spec.kernel)
    everybody = np.arange(process.roster.home.size)
    entry |= _effect(process, column, spec, everybody)
    if spec.teams_differ:
        for team in range(process.roster.n_teams):
            entry["teams"][team_id(team)] = _effect(process, column, spec, np.flatnonzero(process.roster.home == team))
    return entry


def _effect(process: Process, column: int, spec: Activity, reps: np.ndarray) -> Truth:
    """Average effect over the rep-weeks of those reps (plain average, and the average weighted by wins)."""
    window = slice(process.calendar.first, process.calendar.stop)
    rate = process.rate[window][:, reps]
    here = process.roster.employed[window][:, reps]
    marginal = _marginal(process.counts[window][:, reps, column], spec) * process.log_effect[reps, column]
    plain = float(marginal[here].mean())
    shares = np.asarray(spec.kernel)
    lift = sum(np.expm1(marginal * share) for share in shares)
    money = float((lift * rate * process.deal_mean[reps])[here].mean())
    return {
        "log_effect": plain,
        "effect_relative": float(np.expm1(plain)),
        "effect_revenue": money,
        "log_effect_by_wins": float(np.average(marginal[here], weights=rate[here])),
    }


def _marginal(counts: np.ndarray, spec: Activity) -> np.ndarray:
    """What one more activity adds in each rep-week, in units of the first one: 1 unless it saturates."""
    if spec.turning_point is None:
        return np.ones(counts.shape)
    limit = 2.0 * spec.turning_point
    now, more = np.minimum(counts, limit), np.minimum(counts + 1, limit)
    return (more - now) - (more**2 - now**2) / limit


def team_id(team: int) -> str:
    """Identifier of a team number."""
    return f"T{team + 1:03d}"


def rep_id(rep: int) -> str:
    """Identifier of a rep number."""
    return f"R{rep + 1:05d}"
