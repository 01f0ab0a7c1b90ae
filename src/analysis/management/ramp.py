"""New reps: time to the first deal and to quota pace, the ramp curve, and what those who ramped did in their first weeks.

Only reps hired after the records begin are followed, from their first day; those without a first deal yet count as
still running. The curve compares each new rep with the same rep later, so that early leavers do not bend it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.intervals import Floats
from analysis.management.records import rep_weeks_worked, service, won_credit, worked_weeks
from analysis.management.roster import SPAN_DAYS, day_numbers, mondays, place_in, places, roster
from analysis.management.survival import EVENT, OPEN, median_days
from analysis.models.tails import t_quantile

PACE_WEEKS = 13
TENURED_WEEKS = 52
BINS = np.array([0, 4, 9, 13, 18, 26, 39, TENURED_WEEKS])  # tenure in weeks; the last bin is the reference
SAY = words.Voice("management.ramp")


@dataclass(frozen=True, slots=True)
class Ramp:
    """times: median days to the first deal and to quota pace per hire cohort. curve: productivity by tenure.

    hires: one row per followed rep; skipped: reps left out (hired before the records, or the day unknown).
    """

    times: pd.DataFrame
    curve: pd.DataFrame
    hires: pd.DataFrame
    skipped: int


def ramp(book: Book) -> Ramp | NotRecorded:
    """Ramp of the reps hired since the records began.

    times: cohort ("" = all), event (`first_deal`, `quota_pace`), n, events, median_days, conf_low, conf_high (95 %),
    naive_days (mean of those who got there), bias, note. curve: from_week, to_week, n_reps, share, conf_low, conf_high
    (wins as a share of the same rep's level after a year, 95 %), naive_share (those still here against tenured
    reps). hires: rep_id, team_id, hired_on, cohort, first_deal_days, first_deal_end, pace_days, pace_end.
    """
    return book.shared("ramp", lambda: _ramp(book))


def _ramp(book: Book) -> Ramp | NotRecorded:
    if gap := book.need("reps", "hired_on"):
        return gap
    people = service(book)
    opening = book.frame("activities")["occurred_on"].min()
    new = people.loc[people["hired_on"].notna() & (people["hired_on"] >= opening)]
    if new.empty:
        return NotRecorded((SAY.text("nobody_hired"),))
    weeks = rep_weeks(book)
    hires = _times(book, new.reset_index(drop=True), weeks)
    times = pd.concat([_medians(book, hires, "first_deal"), _medians(book, hires, "quota_pace")], ignore_index=True)
    return Ramp(times, _curve(book, hires, weeks), hires, len(people) - len(new))


def rep_weeks(book: Book) -> pd.DataFrame:
    """Complete weeks in service with credited wins and revenue: rep_id, team_id, week, worked_share, wins, revenue."""
    weeks, won, reps = rep_weeks_worked(book), won_credit(book), roster(book).reps
    day = day_numbers(won["closed_on"])
    key = places(won["rep_id"], reps) * SPAN_DAYS + mondays(day)
    at = place_in(weeks.rep * SPAN_DAYS + weeks.monday, key)
    here = np.flatnonzero(at >= 0)
    wins, revenue = (
        np.bincount(at[here], np.nan_to_num(won[name].to_numpy(dtype=float))[here], len(weeks.rep)).astype(np.float64)
        for name in ("share", "credit")
    )
    return worked_weeks(book).assign(wins=wins, revenue=revenue)


def _times(book: Book, new: pd.DataFrame, weeks: pd.DataFrame) -> pd.DataFrame:
    first = won_credit(book).groupby("rep_id")["closed_on"].min()
    deal = first.reindex(new["rep_id"]).set_axis(new.index)
    half = new["hired_on"].dt.year.astype(str) + " H" + ((new["hired_on"].dt.month > 6) + 1).astype(str)
    out = new[["rep_id", "team_id", "hired_on", "end"]].assign(cohort=half)
    watched = (new["end"] - new["hired_on"]).dt.days
    reached = deal.notna() & (deal <= new["end"])
    out["first_deal_days"] = (deal - new["hired_on"]).dt.days.where(reached, watched).clip(lower=0).astype(float)
    out["first_deal_end"] = np.where(reached, EVENT, OPEN)
    pace = _pace_day(book, weeks).reindex(new["rep_id"]).set_axis(new.index)
    at_pace = pace.notna() & (pace <= new["end"])
    out["pace_days"] = (pace - new["hired_on"]).dt.days.where(at_pace, watched).clip(lower=0).astype(float)
    out["pace_end"] = np.where(at_pace, EVENT, OPEN)
    return out.drop(columns="end")


def pace_target(book: Book, weeks: pd.DataFrame) -> pd.Series:
    """Weekly revenue that is quota pace, by rep: own quota per week, else the median of tenured reps in the company."""
    if book.has("quotas"):
        quotas = book.frame("quotas")
        quotas = quotas.loc[quotas["level"] == "rep"]
        days = (quotas["period_end"] - quotas["period_start"]).dt.days
        if len(quotas):
            per_week = (quotas["amount"] * 7 / days).groupby(quotas["owner_id"]).mean()
            return per_week.reindex(weeks["rep_id"].unique()).fillna(per_week.median())
    tenured = weeks.groupby("rep_id")["revenue"].agg(["mean", "size"])
    typical = tenured.loc[tenured["size"] >= TENURED_WEEKS, "mean"].median()
    return pd.Series(typical, index=weeks["rep_id"].unique())


def _pace_day(book: Book, weeks: pd.DataFrame) -> pd.Series:
    """Per rep: the last day of the first 13 weeks in a row whose revenue made 13 weeks of quota."""
    reps, rep = roster(book).reps, rep_weeks_worked(book).rep
    last = np.arange(PACE_WEEKS - 1, len(rep))
    last = last[rep[last] == rep[last - PACE_WEEKS + 1]]
    total = weeks["revenue"].to_numpy()[last[:, None] - np.arange(PACE_WEEKS)].sum(axis=1)
    target = pace_target(book, weeks).reindex(reps).to_numpy(dtype=float)[rep[last]] * PACE_WEEKS
    made = last[total >= target]
    who, first = np.unique(rep[made], return_index=True)
    return pd.Series(weeks["week"].to_numpy()[made[first]] + np.timedelta64(6, "D"), index=reps[who])


def suppressed(book: Book) -> str:
    """The remark beside a group that is smaller than the policy lets be shown."""
    return SAY.text("suppressed", {"reps": SAY.count(book.policy.min_group, "rep")})


def _medians(book: Book, hires: pd.DataFrame, event: str) -> pd.DataFrame:
    prefix = "first_deal" if event == "first_deal" else "pace"
    cases = hires[["cohort"]].assign(days=hires[f"{prefix}_days"], end=hires[f"{prefix}_end"])
    out = median_days(pd.concat([cases, cases.assign(cohort=COMPANY)]), ["cohort"])
    done = cases.loc[cases["end"] == EVENT]
    naive = pd.concat([done, done.assign(cohort=COMPANY)]).groupby("cohort")["days"].mean()
    out["naive_days"] = out["cohort"].map(naive)
    out.insert(1, "event", event)
    small = out["n"] < book.policy.min_group
    out.loc[small, ["median_days", "conf_low", "conf_high", "naive_days", "events"]] = np.nan
    out["note"] = np.where(small, suppressed(book), "")
    waiting = out["n"] - out["events"]
    out["bias"] = np.where(waiting > 0, SAY.text("too_short"), "")
    return out


def _curve(book: Book, hires: pd.DataFrame, weeks: pd.DataFrame) -> pd.DataFrame:
    held, reps = rep_weeks_worked(book), roster(book).reps
    hired = np.full(len(reps), np.nan)
    hired[places(hires["rep_id"], reps)] = day_numbers(hires["hired_on"])
    tenure = (held.monday - hired[held.rep]) / 7
    old, week = np.isnan(tenure), (held.monday - held.monday.min(initial=SPAN_DAYS)) // 7
    # What a tenured rep of the company made in the same week carries season and market.
    full, won = old | (tenure >= TENURED_WEEKS), weeks["wins"].to_numpy()
    made, worked = (np.bincount(week[full], part[full], int(week.max(initial=0)) + 1) for part in (won, held.share))
    with np.errstate(invalid="ignore"):
        usual = np.where(worked > 0, made / worked, np.nan)[week] * held.share
    level = np.digitize(np.where(old, -1, tenure), BINS) - 1
    mine = ~old & (level >= 0) & ~np.isnan(usual)
    out = pd.DataFrame({"from_week": BINS, "to_week": [*BINS[1:], np.inf]})
    if not mine.any():
        return out.assign(n_reps=0, share=np.nan, conf_low=np.nan, conf_high=np.nan, naive_share=np.nan)
    names, rep = np.unique(held.rep[mine], return_inverse=True)
    cell, shape = rep * len(BINS) + level[mine], (len(names), len(BINS))
    wins, expected = (
        np.bincount(cell, part[mine], shape[0] * shape[1]).astype(np.float64).reshape(shape) for part in (won, usual)
    )
    out["n_reps"] = (expected > 0).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        out["naive_share"] = wins.sum(axis=0) / expected.sum(axis=0)
    share, low, high = within_shares(wins, expected)
    out = out.assign(share=share, conf_low=low, conf_high=high)
    small = out["n_reps"] < book.policy.min_group
    out.loc[small, ["share", "conf_low", "conf_high", "naive_share"]] = np.nan
    return out


def within_shares(wins: Floats, expected: Floats, level: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Share of the own later level per tenure bin (reps x bins), the last bin being 1.

    Poisson with rep and bin effects (wins ~ rep x bin x expected); interval by leaving one rep out, log scale, t.
    """
    reps = len(wins)
    weights = np.vstack([np.ones(reps), 1 - np.eye(reps)])
    log = np.log(np.maximum(_bin_effects(wins, expected, weights), 1e-9))
    log = log - log[:, -1:]
    log[:, (wins.sum(axis=0) == 0) | (expected.sum(axis=0) == 0)] = np.nan
    error = np.sqrt((reps - 1) / reps * ((log[1:] - log[1:].mean(axis=0)) ** 2).sum(axis=0))
    half = t_quantile(0.5 + level / 2, max(reps - 1, 1)) * error
    if reps < 3:
        half = np.full_like(half, np.nan)
    return np.exp(log[0]), np.exp(log[0] - half), np.exp(log[0] + half)


def _bin_effects(wins: Floats, expected: Floats, weights: Floats) -> Floats:
    """Bin effects for each row of rep weights, by alternating the two exact conditions of the Poisson fit."""
    effect = np.ones((len(weights), wins.shape[1]))
    total = weights @ wins
    for _ in range(200):
        level = wins.sum(axis=1) / np.maximum(effect @ expected.T, 1e-12)
        new = total / np.maximum((weights * level) @ expected, 1e-12)
        new = new / np.maximum(new.max(axis=1, keepdims=True), 1e-12)
        if np.abs(new - effect).max() < 1e-8:
            break
        effect = new
    return effect


def ramp_share(found: Ramp | NotRecorded, tenure_weeks: Floats) -> Floats:
    """Share of full productivity to expect at this tenure: the curve's estimates, 1 where it is not known."""
    weeks = np.asarray(tenure_weeks, dtype=float)
    if isinstance(found, NotRecorded):
        return np.ones(len(weeks))
    share = np.append(found.curve["share"].fillna(1.0).clip(0.05, 1.0).to_numpy(), 1.0)
    place = np.digitize(np.nan_to_num(weeks, nan=1e6), BINS) - 1
    return np.where(place < 0, share[0], share[place])
