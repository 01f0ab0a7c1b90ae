"""The process as a rep-week panel, without writing a single event: what Monte Carlo runs use."""

from datetime import date

import numpy as np
import pandas as pd

from analysis.crm.simulate import process as process_room
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.season import LAST_WEEK
from analysis.crm.simulate.truth import Truth, rep_id, study_truth, team_id
from analysis.crm.simulate.worlds import world_named


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
    per activity kind, wins, revenue (reporting currency), worked_share (0..1). The same seed gives the same counts as
    the events that `simulate` writes. Raises ParameterError for an unknown world or an impossible size.
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
    columns["wins"] = process.wins[week, rep]
    columns["revenue"] = revenue(process)[week, rep]
    columns["worked_share"] = process.roster.worked[week, rep]
    return pd.DataFrame(columns)


def revenue(process: Process) -> np.ndarray:
    """Booked revenue by closing week, weeks x reps, split deals credited by share."""
    deals, shape = process.deals, process.wins.shape
    won = deals.won
    week, amount, share = deals.closed_day[won] // 7, deals.amount[won], deals.share[won]
    shared = deals.partner[won] >= 0
    cell = np.concatenate([week * shape[1] + deals.rep[won], (week * shape[1] + deals.partner[won])[shared]])
    money = np.concatenate([amount * share, (amount * (1.0 - share))[shared]])
    return np.bincount(cell, weights=money, minlength=shape[0] * shape[1]).reshape(shape)
