"""The company's people on paper: teams, reps, memberships, absences, holidays, quotas and what managers coach."""

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.crm.simulate import names
from analysis.crm.simulate.clock import TIMEZONES
from analysis.crm.simulate.planted import FOCUS_WEEKS
from analysis.crm.simulate.process import Process, stream
from analysis.crm.simulate.roster import STILL_HERE
from analysis.crm.simulate.season import REGIONS, holidays
from analysis.crm.simulate.tables import labelled, numbered, rep_label, team_label
from analysis.crm.simulate.truth import team_id

Ints = NDArray[np.int64]

CURRENCY = "EUR"
COACHING_KINDS = ("field_day", "call_review", "email_review", "one_to_one", "training")
_COACHING_SHARES = (0.15, 0.3, 0.15, 0.35, 0.05)
_COACHING_HOURS = np.array([6.0, 0.5, 0.4, 0.5, 2.0])
_QUOTA_STEP = 1000.0


def teams(process: Process) -> pd.DataFrame:
    """The contract's teams."""
    count, region = process.roster.n_teams, process.roster.region
    return pd.DataFrame(
        {
            "team_id": team_label(process, np.arange(count)),
            "name": names.team_names(count),
            "region": labelled(region, REGIONS),
            "timezone": labelled(region, [TIMEZONES[place] for place in REGIONS]),
            "currency": CURRENCY,
        }
    )


def reps(process: Process) -> pd.DataFrame:
    """The contract's reps: everybody employed in any week of the data."""
    people, calendar = process.roster, process.calendar
    here = seen(process)
    rng = stream(process.seed, "people")
    last_team = np.where(people.moved_day < calendar.stop * 7, people.team[calendar.stop - 1], people.home)
    role = rng.choice(2, size=people.home.size, p=[0.82, 0.18])
    known_names = names.rep_names(people.region[people.home], rng)
    unknown_hire = (rng.random(people.home.size) < 0.04) & (people.hired_day < 0)
    hired = np.where(unknown_hire, STILL_HERE, people.hired_day)
    left = np.where(people.left_day < calendar.stop * 7, people.left_day, STILL_HERE)
    frame = pd.DataFrame(
        {
            "rep_id": rep_label(process, np.arange(people.home.size)),
            "team_id": team_label(process, last_team),
            "name": known_names,
            "role": labelled(role, ("ae", "am")),
            "manager_id": manager_label(process, last_team),
            "hired_on": dates(process, hired),
            "left_on": dates(process, left),
        }
    )
    return frame.loc[here].reset_index(drop=True)


def seen(process: Process) -> NDArray[np.bool_]:
    """Who worked in any week of the data."""
    return np.asarray(process.roster.employed[process.calendar.first : process.calendar.stop].any(axis=0))


def manager_label(process: Process, team: Ints) -> pd.Categorical:
    """The manager of a team; they are not reps themselves."""
    return labelled(team, [f"M{number + 1:03d}" for number in range(process.roster.n_teams)])


def dates(process: Process, day: Ints) -> NDArray[np.datetime64]:
    """Calendar dates of day numbers; STILL_HERE is null."""
    known = np.datetime64(process.calendar.origin, "D") + np.where(day == STILL_HERE, 0, day).astype("timedelta64[D]")
    return np.where(day == STILL_HERE, np.datetime64("NaT", "D"), known)


def memberships(process: Process) -> pd.DataFrame:
    """Spells in teams, from joining to moving or leaving."""
    people, end = process.roster, process.calendar.stop * 7
    rep = np.flatnonzero(seen(process))
    moved = people.moved_day[rep] < end
    leaves = np.where(people.left_day[rep] < end, people.left_day[rep] + 1, STILL_HERE)
    first = pd.DataFrame({"rep": rep, "team": people.home[rep], "start": people.hired_day[rep], "stop": leaves})
    first["stop"] = np.where(moved, people.moved_day[rep], leaves)
    second = pd.DataFrame(
        {"rep": rep, "team": people.team[-1][rep], "start": people.moved_day[rep], "stop": leaves}
    ).loc[moved]
    spells = pd.concat([first, second]).sort_values(["rep", "start"], kind="stable")
    team = spells["team"].to_numpy()
    return pd.DataFrame(
        {
            "rep_id": rep_label(process, spells["rep"].to_numpy()),
            "team_id": team_label(process, team),
            "manager_id": manager_label(process, team),
            "valid_from": dates(process, spells["start"].to_numpy()),
            "valid_to": dates(process, spells["stop"].to_numpy()),
        }
    )


def absences(process: Process) -> pd.DataFrame:
    """Days away that fall into the data."""
    first, end = process.calendar.first * 7, process.calendar.stop * 7
    rep, start, stop = process.roster.absences.T
    inside = (stop > first) & (start < end)
    return pd.DataFrame(
        {
            "rep_id": rep_label(process, rep[inside]),
            "from_date": dates(process, start[inside]),
            "to_date": dates(process, stop[inside]),
        }
    )


def holiday_table(process: Process) -> pd.DataFrame:
    """Holidays of the data's years: one row for everybody, one a team where only its region is closed."""
    calendar = process.calendar
    start, end = calendar.mondays[calendar.first], calendar.end
    years = range(start.year, end.year + 1)
    by_region = [[day for day in holidays(place, years) if start <= day < end] for place in REGIONS]
    everywhere = sorted(set.intersection(*(set(days) for days in by_region)))
    rows: list[tuple[date, int]] = [(day, -1) for day in everywhere]
    for team, region in enumerate(process.roster.region.tolist()):
        rows += [(day, team) for day in by_region[region] if day not in everywhere]
    when = np.array([day for day, _ in rows], dtype="datetime64[D]")
    return pd.DataFrame({"date": when, "team_id": team_label(process, np.array([team for _, team in rows]))})


def quotas(process: Process) -> pd.DataFrame:
    """Quarterly quotas of reps and teams; teams stand at different distances from theirs."""
    factor = quota_factor(process)
    parts = []
    for start, stop in quarters(process):
        expected = _expected(process, start, stop)
        at_start = process.roster.team[max(process.calendar.day(start) // 7, process.calendar.first)]
        own = np.round(expected * factor[at_start] / _QUOTA_STEP) * _QUOTA_STEP
        rep = np.flatnonzero(own > 0)
        of_team = np.bincount(at_start, weights=own, minlength=factor.size) * 1.03
        team = np.flatnonzero(of_team > 0)
        labels = [*rep_label(process, rep), *(team_id(int(number)) for number in team)]
        amounts = np.concatenate([own[rep], np.round(of_team[team] / _QUOTA_STEP) * _QUOTA_STEP])
        level = labelled(np.repeat([0, 1], [rep.size, team.size]), ("rep", "team"))
        parts.append(
            pd.DataFrame(
                {"owner_id": labels, "level": level, "period_start": start, "period_end": stop, "amount": amounts}
            )
        )
    return pd.concat(parts, ignore_index=True).astype(
        {"period_start": "datetime64[us]", "period_end": "datetime64[us]"}
    )


def quota_factor(process: Process) -> NDArray[np.float64]:
    """Quota as a multiple of what the team's people may expect to book, by team."""
    spread = np.linspace(0.82, 1.35, max(process.roster.n_teams, 2))[: process.roster.n_teams]
    return stream(process.seed, "quotas").permutation(spread)


def quarters(process: Process) -> list[tuple[date, date]]:
    """Calendar quarters that the data touch, the running one included."""
    first, last = process.calendar.mondays[process.calendar.first], process.calendar.end
    start = date(first.year, first.month - (first.month - 1) % 3, 1)
    found = []
    while start < last:
        stop = date(start.year + (start.month == 10), (start.month + 2) % 12 + 1, 1)
        found.append((start, stop))
        start = stop
    return found


def _expected(process: Process, start: date, stop: date) -> NDArray[np.float64]:
    """Revenue each rep may expect in a quarter: the long-run rate times the employed weeks."""
    calendar = process.calendar
    weeks = slice(max(calendar.day(start) // 7, 0), calendar.day(stop) // 7)
    employed = process.roster.employed
    usual = (process.rate * employed).sum(axis=0) / np.maximum(employed.sum(axis=0), 1)
    return usual * process.deal_mean * employed[weeks].sum(axis=0)


def coaching(process: Process) -> pd.DataFrame:
    """The managers' sessions with their reps."""
    rng = stream(process.seed, "coaching")
    calendar, people = process.calendar, process.roster
    sessions = process.plants.sessions[calendar.first : calendar.stop] * (
        people.worked[calendar.first : calendar.stop] > 0
    )
    rep, week = np.nonzero(sessions.T)
    rep, week = (np.repeat(side, sessions.T[rep, week]) for side in (rep, week))
    week = week + calendar.first
    days = np.argsort(~people.work_days[week, rep], axis=1, kind="stable")
    worked = people.work_days[week, rep].sum(axis=1)
    day = week * 7 + days[np.arange(rep.size), (rng.random(rep.size) * worked).astype(np.int64)]
    kind = rng.choice(len(COACHING_KINDS), size=rep.size, p=_COACHING_SHARES)
    focus = process.plants.focus[week, rep]
    late = week % FOCUS_WEEKS >= FOCUS_WEEKS - 4
    met = _standard_met(process)[week // FOCUS_WEEKS, rep]
    frame = pd.DataFrame(
        {
            "coaching_id": numbered("K", np.arange(rep.size) + 1, 6),
            "manager_id": manager_label(process, people.team[week, rep]),
            "rep_id": rep_label(process, rep),
            "kind": labelled(kind, COACHING_KINDS),
            "occurred_on": dates(process, day),
            "duration_s": np.round(_COACHING_HOURS[kind] * rng.uniform(0.7, 1.4, rep.size) * 3600).astype(np.int64),
            "focus": labelled(focus, process.world.kinds),
            "focus_met": pd.array(met, dtype="boolean"),
        }
    )
    frame.loc[~late, "focus_met"] = pd.NA
    return frame


def _standard_met(process: Process) -> NDArray[np.bool_]:
    """By focus period and rep: the coached kind reached the company's median of that period in its last six weeks."""
    focus, counts = process.plants.focus, process.counts
    blocks = -(-focus.shape[0] // FOCUS_WEEKS)
    met = np.zeros((blocks, focus.shape[1]), dtype=bool)
    for block in range(blocks):
        weeks = slice(block * FOCUS_WEEKS + FOCUS_WEEKS - 6, min((block + 1) * FOCUS_WEEKS, focus.shape[0]))
        kind = focus[min(block * FOCUS_WEEKS, focus.shape[0] - 1)]
        if counts[weeks].shape[0] == 0:
            continue
        usual = counts[weeks].mean(axis=0)
        met[block] = usual[np.arange(kind.size), kind] >= np.median(usual, axis=0)[kind]
    return met
