"""The management part of the answer sheet: conversion, quotas, gaps, ramp, response time, coaching, accounts gone dark."""

from datetime import date, timedelta
from math import log

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate import deals as deal_room
from analysis.crm.simulate import leads, people, planted
from analysis.crm.simulate.events import Facts
from analysis.crm.simulate.process import Process
from analysis.crm.simulate.truth import Truth, rep_id, team_id

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def management_truth(process: Process, facts: Facts) -> Truth:
    """What each question about managing by activity should find; effects the world lacks are stated as absent."""
    return {
        "funnel": _funnel(process),
        "quotas": _quotas(process),
        "gaps": [
            {"rep_id": rep_id(rep), "team_id": team_id(int(process.roster.home[rep])), "what": what, "factor": factor}
            for rep, what, factor in process.plants.gaps
        ],
        "ramp": _ramp(process),
        "sla": _sla(process, facts),
        "coaching": _coaching(process),
        "dark": facts.dark,
    }


def _funnel(process: Process) -> Truth:
    """Chance that a created deal is won, whenever that is, beside the two naive shares of the data as they stand."""
    deals, calendar = process.deals, process.calendar
    created = (deals.created_day >= calendar.first * 7) & (deals.created_day < calendar.stop * 7)
    rep = np.arange(process.roster.home.size)
    return {
        "created_to_won": {
            "company": _conversion(process, created),
            "teams": {
                team_id(team): _conversion(process, created & (process.roster.home[deals.rep] == team))
                for team in range(process.roster.n_teams)
            },
            "reps": {rep_id(int(r)): float(process.chance[r]) for r in rep[people.seen(process)]},
        },
        "days_to_won": {"median": deal_room.WON_MEDIAN_DAYS, "log_sd": deal_room.WON_LOG_SD},
        "days_to_lost": {"median": deal_room.LOST_MEDIAN_DAYS, "log_sd": deal_room.LOST_LOG_SD},
    }


def _conversion(process: Process, chosen: Bools) -> Truth:
    deals, end = process.deals, process.calendar.stop * 7
    closed = chosen & (deals.closed_day < end)
    won = closed & deals.won
    return {
        "probability": _share(process.chance[deals.rep], chosen),
        "eventually_won": _share(deals.won, chosen),
        "naive_open_as_lost": _share(won, chosen),
        "naive_closed_only": _share(won, closed),
        "created": int(chosen.sum()),
        "still_open": int((chosen & ~closed).sum()),
    }


def _share(values: Floats | Bools, chosen: Bools) -> float | None:
    return float(values[chosen].mean()) if chosen.any() else None


def _quotas(process: Process) -> list[Truth]:
    """Every quota with what was booked in its whole period, which for the running one lies beyond the data."""
    table = people.quotas(process)
    by_period = {start: booked(process, start, stop) for start, stop in people.quarters(process)}
    columns = (table[name].tolist() for name in ("owner_id", "level", "period_start", "period_end", "amount"))
    rows = []
    for owner, level, start, stop, quota in zip(*columns, strict=True):
        total = float(by_period[start.date()][level == "team"][int(owner[1:]) - 1])
        rows.append(
            {
                "owner_id": owner,
                "level": level,
                "period_start": start.date().isoformat(),
                "quota": quota,
                "booked": total,
                "reached": total >= quota,
                "complete": stop.date() <= process.calendar.end,
            }
        )
    return rows


def booked(process: Process, start: date, stop: date) -> tuple[Floats, Floats]:
    """Revenue credited in a period, by rep and by team (the team each rep was in when the deal closed)."""
    deals, people_of = process.deals, process.roster
    first, last = process.calendar.day(start), process.calendar.day(stop)
    inside = deals.won & (deals.closed_day >= first) & (deals.closed_day < last)
    shared = inside & (deals.partner >= 0)
    rep = np.concatenate([deals.rep[inside], deals.partner[shared]])
    money = np.concatenate([(deals.amount * deals.share)[inside], (deals.amount * (1.0 - deals.share))[shared]])
    week = np.concatenate([deals.closed_day[inside], deals.closed_day[shared]]) // 7
    team = people_of.team[week, rep]
    by_rep = np.bincount(rep, weights=money, minlength=people_of.home.size)
    by_team = np.bincount(team, weights=money, minlength=people_of.n_teams)
    return by_rep.astype(np.float64), by_team.astype(np.float64)


def _ramp(process: Process) -> Truth:
    present = "ramp" in process.world.management
    window = process.calendar
    fresh = people.seen(process) & (process.roster.hired_day >= window.first * 7)
    return {
        "present": present,
        "starting_share": planted.RAMP_START if present else 1.0,
        "time_constant_weeks": planted.RAMP_WEEKS if present else None,
        "weeks_to_90_percent": planted.RAMP_WEEKS * log((1 - planted.RAMP_START) / 0.1) if present else None,
        "new_reps": {
            rep_id(int(rep)): (window.origin + timedelta(days=int(process.roster.hired_day[rep]))).isoformat()
            for rep in np.flatnonzero(fresh)
        },
    }


def _sla(process: Process, facts: Facts) -> Truth:
    """Slope of the log odds of conversion per doubling of the response time: the true one, and the one without source."""
    hours, source, converted = (np.concatenate(parts) for parts in zip(*facts.answered, strict=True))
    present = "sla" in process.world.management
    doublings = np.log2(hours)
    by_source = np.equal.outer(source, np.arange(1, len(leads.LEAD_SOURCES))).astype(np.float64)
    true = leads.SLA_LOG_ODDS if present else 0.0
    return {
        "present": present,
        "log_odds_per_doubling": true,
        "log_odds_per_log_hour": true / log(2.0),
        "naive_log_odds_per_doubling": _logistic(np.column_stack([np.ones(hours.size), doublings]), converted)[1],
        "with_source_log_odds_per_doubling": _logistic(
            np.column_stack([np.ones(hours.size), doublings, by_source]), converted
        )[1],
        "answered_leads": int(hours.size),
        "converted": int(converted.sum()),
    }


def _logistic(design: Floats, outcome: Bools) -> list[float]:
    """Maximum-likelihood coefficients by Newton's method."""
    beta = np.zeros(design.shape[1])
    if not 0 < outcome.sum() < outcome.size:
        return [float("nan")] * design.shape[1]
    for _ in range(25):
        fitted = 1.0 / (1.0 + np.exp(-design @ beta))
        weight = np.maximum(fitted * (1.0 - fitted), 1e-9)
        step = np.linalg.lstsq(design.T @ (design * weight[:, None]), design.T @ (outcome - fitted), rcond=None)[0]
        beta = beta + step
        if np.abs(step).max() < 1e-10:
            break
    return [float(value) for value in beta]


def _coaching(process: Process) -> Truth:
    present = "coaching" in process.world.management
    plants, calendar = process.plants, process.calendar
    effect = np.where(plants.skilled, planted.SKILLED_EFFECT, planted.OTHER_EFFECT) * present
    team = process.roster.team[calendar.first : calendar.stop]
    sessions = plants.sessions[calendar.first : calendar.stop]
    return {
        "present": present,
        "log_rate_of_focus_per_session": {"skilled": planted.SKILLED_EFFECT, "others": planted.OTHER_EFFECT}
        if present
        else {"skilled": 0.0, "others": 0.0},
        "weeks_it_lasts": planted.COACHING_WEEKS,
        "naive_all_managers": float(np.average(effect[team], weights=sessions)) if sessions.any() else 0.0,
        "managers": {
            f"M{number + 1:03d}": {
                "skilled": bool(plants.skilled[number]),
                "log_rate_per_session": float(effect[number]),
            }
            for number in range(process.roster.n_teams)
        },
    }
