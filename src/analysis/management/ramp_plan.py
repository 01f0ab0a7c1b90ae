"""The first months' activity plan: what new reps who ramped did week by week, and whether early activity goes with it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import Refused
from analysis.management.book import Book
from analysis.management.intervals import mean_by
from analysis.management.ramp import BINS, Ramp, suppressed
from analysis.management.records import attempt_places, attempts, rep_weeks_worked
from analysis.management.roster import day_numbers, places, roster, texts
from analysis.management.survival import EVENT

SAY = words.Voice("management.refused")
MIN_EVENTS = 10  # events per tested activity below which no hazard ratio is estimated
_NEVER = 1 << 20  # a day no week lies after: not a new rep


def activity_plan(book: Book, found: Ramp) -> pd.DataFrame:
    """Attempts per worked week by kind and tenure, of new reps who reached quota pace sooner than most, and others.

    Columns: kind, from_week, to_week, group (`ramped` = at pace within the median time of those who got there,
    `others` = watched for as long without), value, conf_low, conf_high (95 %, reps as units), n, note. Groups of
    fewer than `policy.min_group` reps are suppressed.
    """
    hires = found.hires
    at_pace = hires.loc[hires["pace_end"] == EVENT, "pace_days"]
    limit = at_pace.median() if len(at_pace) else np.nan
    fast = (hires["pace_end"] == EVENT) & (hires["pace_days"] <= limit)
    known = hires.loc[fast | (hires["pace_days"] > limit)]
    group = np.where(fast.loc[known.index], "ramped", "others")
    rates = _rates(book, known.assign(group=group))
    if rates.empty:
        return pd.DataFrame(columns=["kind", "from_week", "group", "value"])
    out = mean_by(rates, ["kind", "bin", "group"], "rate")
    small = out["n"] < book.policy.min_group
    out.loc[small, ["value", "conf_low", "conf_high"]] = np.nan
    ends = np.append(BINS[1:], np.inf)
    out = out.assign(from_week=BINS[out["bin"]], to_week=ends[out["bin"]])
    out["note"] = np.where(small, suppressed(book), "")
    return out.drop(columns="bin")


def _rates(book: Book, hires: pd.DataFrame) -> pd.DataFrame:
    """One row per new rep, tenure bin and kind: attempts per worked week."""
    people, weeks, tried = roster(book), rep_weeks_worked(book), attempt_places(book)
    hired = np.full(len(people.reps), _NEVER)
    hired[places(hires["rep_id"], people.reps)] = day_numbers(hires["hired_on"])
    tenure = (weeks.monday - hired[weeks.rep]) / 7
    early = (tenure >= 0) & (tenure < BINS[-1])
    rep, monday, level = weeks.rep[early], weeks.monday[early], np.digitize(tenure[early], BINS) - 1
    shape = len(people.reps), len(BINS)
    worked = np.bincount(rep * len(BINS) + level, weeks.share[early], shape[0] * shape[1])
    # The tenure bin of each new rep in each week, to look up the one an attempt falls into.
    first, last = (int(monday.min()), int(monday.max())) if len(monday) else (0, 0)
    at = np.full((shape[0], (last - first) // 7 + 1), -1)
    at[rep, (monday - first) // 7] = level
    week = (tried.day - first) // 7
    inside = (tried.rep >= 0) & (tried.kind >= 0) & (week >= 0) & (week < at.shape[1])
    then = np.where(inside, at[tried.rep, np.clip(week, 0, at.shape[1] - 1)], -1)
    cell = (tried.rep * len(BINS) + then) * len(tried.kinds) + tried.kind
    counts = np.bincount(cell[then >= 0], minlength=len(worked) * len(tried.kinds)).reshape(len(worked), -1)
    known, kinds = np.flatnonzero(worked > 0), np.flatnonzero(counts.sum(axis=0))
    rates = (counts[known][:, kinds] / worked[known, None]).ravel()
    names = hires.set_index("rep_id")["group"].reindex(people.reps[known // len(BINS)]).to_numpy()
    out = {"kind": texts(np.tile(kinds, len(known)), tried.kinds), "bin": np.repeat(known % len(BINS), len(kinds))}
    return pd.DataFrame({**out, "group": np.repeat(names, len(kinds)), "rate": rates})


def early_activity(book: Book, found: Ramp, weeks: int = 8) -> pd.DataFrame:
    """Does more activity in the first weeks go with an earlier first deal? Cox regression from a landmark.

    Only reps still waiting at the end of week `weeks` are followed from there, so that nobody's activity is counted
    after the deal it should explain. One joint fit; per kind: kind, hazard_ratio per one more a week, conf_low,
    conf_high (95 %), p_value, n, events. Raises Refused below ten first deals per kind.
    """
    from statsmodels.duration.hazard_regression import PHReg

    start = weeks * 7
    hires = found.hires.loc[found.hires["first_deal_days"] > start]
    rates = _first_weeks(book, hires, weeks)
    rates = rates.loc[:, rates.std() > 0]
    events = int((hires["first_deal_end"] == EVENT).sum())
    if events < MIN_EVENTS * max(rates.shape[1], 1):
        needed = MIN_EVENTS * max(rates.shape[1], 1)
        raise Refused(SAY.text("few_first_deals", {"events": events, "week": weeks, "needed": needed}))
    time, status = hires["first_deal_days"].to_numpy() - start, (hires["first_deal_end"] == EVENT).to_numpy()
    fit = PHReg(time, rates.to_numpy(), status=status.astype(int), ties="efron").fit()
    bounds = np.exp(fit.conf_int())
    columns = {"kind": rates.columns, "hazard_ratio": np.exp(fit.params), "conf_low": bounds[:, 0]}
    return pd.DataFrame(
        {**columns, "conf_high": bounds[:, 1], "p_value": fit.pvalues, "n": len(hires), "events": events}
    )


def _first_weeks(book: Book, hires: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """Attempts a week per kind (columns) in the first weeks of each new rep (rows, in the order of hires)."""
    rows = attempts(book)
    rows = rows.loc[rows["rep_id"].isin(hires["rep_id"]), ["rep_id", "kind", "occurred_on"]]
    rows = rows.astype({"rep_id": "str", "kind": "str"}).merge(hires[["rep_id", "hired_on"]], on="rep_id")
    early = (rows["occurred_on"] - rows["hired_on"]).dt.days.between(0, 7 * weeks - 1)
    counts = rows.loc[early].groupby(["rep_id", "kind"], observed=True).size().unstack(fill_value=0)
    return counts.reindex(hires["rep_id"]).fillna(0.0) / weeks
