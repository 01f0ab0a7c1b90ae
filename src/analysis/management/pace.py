"""Quota pace: who is on the way to quota today, a new rep measured against what a new rep can do.

What should be booked by now follows the company's own past periods (bookings cluster at the end of a quarter), and a
ramping rep's quota counts by the ramp curve. The chance of getting there is simulated from the rep's own open deals,
own pace of new ones, and the team's conversions and deal sizes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.closings import rest_of_period, usual_by_now
from analysis.management.deals import timed_deals
from analysis.management.intervals import Floats
from analysis.management.managers import booked_within
from analysis.management.plan import Goal, chance_curve
from analysis.management.ramp import Ramp, ramp, ramp_share
from analysis.management.roster import Places, places, roster
from analysis.management.shrinkage import pooled
from analysis.management.survival import EVENT, OPEN
from analysis.management.targets import DRAWS, PACE_WEEKS, team_cases, team_model

SAY = words.Voice("management.pace")


def quota_pace(book: Book, *, draws: int = 300, seed: int = 0) -> pd.DataFrame | NotRecorded:
    """Every rep whose quota runs today.

    Columns: rep_id, team_id, period_start, period_end, quota, ramp (share of full productivity over the period),
    ramped_quota, booked, elapsed (share of the period's days), usual_by_now (share of a period's bookings made by
    now, company history), usual_low, usual_high (95 %), expected (ramped_quota x usual_by_now), gap (booked less
    expected), chance (of reaching the ramped quota; blank where the team has fewer than five wins), straight_line
    (what quota x elapsed would expect), note.
    """
    if gap := book.need("quotas"):
        return gap
    quotas = book.frame("quotas")
    running = quotas.loc[
        (quotas["level"] == "rep") & (quotas["period_start"] <= book.as_of) & (quotas["period_end"] > book.as_of)
    ]
    reps = book.frame("reps").set_index("rep_id")
    running = running.loc[running["owner_id"].isin(reps.index)]
    if running.empty:
        return NotRecorded((SAY.text("none_runs", {"day": book.as_of.date()}),))
    out = running.rename(columns={"owner_id": "rep_id", "amount": "quota"}).drop(columns="level").reset_index(drop=True)
    out.insert(1, "team_id", out["rep_id"].map(reps["team_id"]))
    out = out.assign(ramp=_ramp_over(out, reps, ramp(book)))
    out["ramped_quota"] = out["quota"] * out["ramp"]
    out["booked"] = booked_within(book, out["rep_id"], out)
    length = (out["period_end"] - out["period_start"]).dt.days
    out["elapsed"] = ((book.as_of - out["period_start"]).dt.days + 1) / length
    usual, low, high = usual_by_now(book, float(out["elapsed"].iloc[0]))
    out = out.assign(usual_by_now=usual, usual_low=low, usual_high=high)
    out["expected"] = out["ramped_quota"] * usual
    out["gap"] = out["booked"] - out["expected"]
    out["chance"] = _chances(book, out, draws, seed)
    out["straight_line"] = out["quota"] * out["elapsed"]
    out["note"] = np.where(out["ramp"] < 1, SAY.text("new_rep"), "")
    return out


def _ramp_over(rows: pd.DataFrame, reps: pd.DataFrame, found: Ramp | NotRecorded) -> Floats:
    """Mean share of full productivity over the quota period, by tenure (1 where the hire date is unknown)."""
    if "hired_on" not in reps or isinstance(found, NotRecorded):
        return np.ones(len(rows))
    hired = rows["rep_id"].map(reps["hired_on"])
    start = (rows["period_start"] - hired).dt.days.to_numpy(dtype=float) / 7
    weeks = (rows["period_end"] - rows["period_start"]).dt.days.to_numpy(dtype=float) / 7
    steps = np.linspace(0, 1, 14)[None, :]
    tenure = start[:, None] + steps * weeks[:, None]
    share = ramp_share(found, tenure.ravel()).reshape(tenure.shape)
    return np.where(np.isnan(start), 1.0, np.where(tenure < 0, 0.0, share).mean(axis=1))


def _chances(book: Book, rows: pd.DataFrame, draws: int, seed: int) -> Floats:
    out = np.full(len(rows), np.nan)
    people, team = roster(book), rows["team_id"].to_numpy(dtype=object)
    rep = places(rows["rep_id"], people.reps)
    left = ((rows["period_end"] - book.as_of).dt.days - 1).clip(lower=0).to_numpy(dtype=float) / 7
    money = rows[["ramped_quota", "booked"]].to_numpy(dtype=float)
    recent = book.as_of - pd.Timedelta(weeks=PACE_WEEKS)
    standing = _standings(timed_deals(book), places(rows["team_id"], people.teams), rep)
    for name in sorted({each for each in team if isinstance(each, str)}):
        mine = np.flatnonzero(team == name)
        cases, _ = team_cases(book, name)
        try:
            model = team_model(book, name, float(left[mine].max()), max(draws, DRAWS), seed).first(draws)
        except Refused:
            continue
        season = rest_of_period(book, float(rows["elapsed"].iloc[mine[0]]), draws, seed)
        noise = np.random.default_rng(seed).standard_normal((draws, len(mine)))
        factors = np.exp(standing[mine, 0] + standing[mine, 1] * noise) * season[:, None]
        days, end, amount, of_rep = (cases[column] for column in ("days", "end", "amount", "rep"))
        fresh = cases["start"] > recent
        for place, row in enumerate(mine):
            own = of_rep == rep[row]
            still = own & (end == OPEN)
            goal = Goal(money[row, 0], money[row, 1], left[row], days[still] / 7, amount[still])
            number = round(float((own & fresh).sum()) / PACE_WEEKS * left[row])
            curve = chance_curve(model, goal, max(number, 1), factor=factors[:, place], seed=seed + place)
            out[row] = curve.at(number)
    return out


def _standings(cases: pd.DataFrame, team: Places, rep: Places) -> Floats:
    """Per rep and the team he is in: log of his conversion over the team's, and its error; from the shrunk interval."""
    whose, who, end = (cases[name].to_numpy() for name in ("team", "rep", "end"))
    ended, reps = (end != OPEN) & (whose >= 0) & (who >= 0), int(max(who.max(initial=0), rep.max(initial=0))) + 1
    cell, mine = (whose * reps + who)[ended], np.where(team >= 0, team * reps + rep, 0)
    size = int(max(cell.max(initial=0), mine.max(initial=0))) + 1
    n, wins = (np.bincount(cell, each, size)[mine].astype(np.float64) for each in (None, end[ended] == EVENT))
    shrunk, low, high, mean = pooled(wins, n, team)[:, :4].T
    width = (high - low) / 3.92 / np.maximum(shrunk, 1e-3)
    centre = np.log(np.maximum(shrunk, 1e-3) / np.maximum(mean, 1e-3))
    return np.column_stack([centre, np.minimum(width, 0.7)])
