"""The process as a rep-week panel, without writing a single event: what Monte Carlo runs use."""

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate import process as process_room
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.season import LAST_WEEK
from analysis.crm.simulate.truth import Truth, rep_id, study_truth, team_id
from analysis.crm.simulate.worlds import world_named

Floats = NDArray[np.float64]


def simulate_panel(
    world: str = "demo",
    seed: int = 0,
    teams: int = 12,
    reps_per_team: int = 8,
    weeks: int = 104,
    last_week: date = LAST_WEEK,
) -> tuple[pd.DataFrame, Truth]:
    """One company as a panel and its truth, in milliseconds.

    The panel is sorted by rep_id and week (Monday), gap-free from joining to leaving: rep_id, team_id, week, a count
    per activity kind, wins (by credit), revenue (reporting currency), worked_share (0..1). The same seed gives the same
    counts as the events that `simulate` writes. Raises ParameterError for an unknown world or an impossible size.
    """
    drawn = process_room.run(world_named(world), seed, teams, reps_per_team, weeks, last_week)
    return frame(drawn), study_truth(drawn)


def frame(process: Process) -> pd.DataFrame:
    """The drawn weeks of the data (neither warm-up nor aftermath) as one row a rep and week."""
    first, stop = process.calendar.first, process.calendar.stop
    rep, week = np.nonzero(process.roster.employed[first:stop].T)
    week = week + first
    mondays = np.array(process.calendar.mondays, dtype="datetime64[us]")
    reps = np.array([rep_id(number) for number in range(process.roster.home.size)])
    teams = np.array([team_id(number) for number in range(process.roster.n_teams)])
    columns: dict[str, object] = {
        "rep_id": pd.array(reps[rep], dtype="str"),
        "team_id": pd.array(teams[process.roster.team[week, rep]], dtype="str"),
        "week": mondays[week],
    }
    for column, kind in enumerate(process.world.kinds):
        columns[kind] = process.counts[week, rep, column]
    wins, revenue = credited(process)
    columns["wins"] = wins[week, rep]
    columns["revenue"] = revenue[week, rep]
    columns["worked_share"] = process.roster.worked[week, rep]
    return pd.DataFrame(columns)


def credited(process: Process) -> tuple[Floats, Floats]:
    """Wins and booked revenue by closing week, weeks x reps, split deals credited by share (so wins can be fractions)."""
    deals, shape = process.deals, process.wins.shape
    won, shared = np.flatnonzero(deals.won), np.flatnonzero(deals.won & (deals.partner >= 0))
    row = np.concatenate([won, shared])
    rep = np.concatenate([deals.rep[won], deals.partner[shared]])
    part = np.concatenate([deals.share[won], 1.0 - deals.share[shared]])
    cell = deals.closed_day[row] // 7 * shape[1] + rep
    size = shape[0] * shape[1]
    wins, revenue = (np.bincount(cell, weights=w, minlength=size) for w in (part, part * deals.amount[row]))
    return wins.reshape(shape).astype(np.float64), revenue.reshape(shape).astype(np.float64)
