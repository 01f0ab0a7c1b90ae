"""Delays told in other ways: one delay at a time, which misleads, and named forms of carry-over, judged on unseen weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.models.absorb import absorber, layout
from analysis.models.carryover import compare_out_of_sample
from analysis.models.series import lag_scan
from analysis.models.within import net_vector
from analysis.reporting.blocks import Note
from analysis.reporting.research.book import SAY, Book
from analysis.reporting.research.delays import LEADS

NAIVE_Z = 1.96


def scan(book: Book) -> pd.DataFrame:
    """One delay at a time: correlation of each activity, so many periods earlier, with the outcome, and a naive test.

    Columns: activity, lag (negative: the activity comes later), value (mean over reps of the correlation of both, net of
    rep and team-by-period means), significant (beyond 1.96 / sqrt(pairs), as if pairs were independent).
    """
    sample = book.company
    stacked = np.column_stack([sample.counts, sample.outcomes[book.plan.outcome]])
    known = np.isfinite(stacked).all(axis=1)
    cells = sample.cells.take(known)
    net = net_vector(absorber(layout(cells)), stacked[known])
    rep, week = cells.unit, cells.time - cells.time.min()
    cube = np.full((rep.max() + 1, stacked.shape[1], week.max() + 1), np.nan)
    cube[rep, :, week] = net
    found = lag_scan(cube[:, :-1], cube[:, -1], book.plan.max_lag, -LEADS)
    lags = np.arange(-LEADS, book.plan.max_lag + 1)
    bound = NAIVE_Z / np.sqrt(known.sum())
    value = np.nanmean(found, axis=0)
    return pd.DataFrame(
        {
            "activity": np.repeat(sample.activities, lags.size),
            "lag": np.tile(lags, len(sample.activities)),
            "value": value.ravel(),
            "significant": (np.abs(value) > bound).ravel(),
        }
    )


def scan_reading(frame: pd.DataFrame, book: Book) -> Note:
    """What the scan would have said, beside what the joint test says."""
    hits = frame[frame["significant"]]
    never = hits[hits["lag"] <= 0]
    claimed = [str(row["activity"]) for row in book.claims]
    wrong = sorted(set(hits.loc[hits["lag"] > 0, "activity"]) - set(claimed))
    say = book.say
    values = {
        "hits": len(hits),
        "all": len(frame),
        "never": say.text("carry.never", {"n": len(never)}) if len(never) else "",
        "wrong": say.text("carry.wrong", {"activities": say.together(wrong)}) if wrong else "",
    }
    remain = {"activities": say.together(claimed)}
    joint = say.text("carry.joint", remain) if claimed else say.text("carry.joint_none")
    return Note(f"{say.text('carry.single', values)} {joint}", say.text("carry.title"), "warn")


def carry_over(book: Book, activity: str = "", teams: int = 0) -> pd.DataFrame:
    """Named forms of carry-over for one activity, each judged on the later half of the weeks.

    activity: default the surest one. teams: only so many teams, for speed; 0 for all. Columns: activity, form, columns,
    mean_lag_weeks, gain, p_value, against_polynomial; empty where it cannot be computed.
    """
    chosen = activity or (book.shown[0] if book.shown else "")
    sample = book.company
    columns = ["activity", "form", "columns", "mean_lag_weeks", "gain", "p_value", "against_polynomial"]
    if chosen not in sample.activities or not book.answered:
        return pd.DataFrame(columns=columns)
    k = sample.activities.index(chosen)
    rows = (sample.team_codes < teams) if teams else np.ones(sample.cells.n, bool)
    try:
        found = compare_out_of_sample(
            book.outcome()[rows],
            sample.counts[rows, k],
            sample.cells.take(rows),
            book.plan.max_lag,
            book.others(chosen)[rows],
            base=sample.season[rows],
        )
    except AnalysisError:
        return pd.DataFrame(columns=columns)
    return found.assign(activity=chosen)[columns]


def carry_over_reading(frame: pd.DataFrame, say: words.Voice = SAY) -> Note:
    """Whether any named form forecasts better than the smooth delay."""
    if frame.empty:
        return Note(say.text("carry.none"))
    named = frame[frame["form"] != "polynomial"]
    best = named.iloc[0]
    difference = float(best["against_polynomial"])
    values = {
        "activities": say.kinds(str(frame["activity"].iloc[0])),
        "form": best["form"],
        "weeks": say.number(best["mean_lag_weeks"], decimals=1),
        "share": say.share(abs(difference), decimals=2),
    }
    said = say.text("carry.less" if difference > 0 else "carry.more", values)
    return Note(f"{said} {say.text('carry.close')}" if abs(difference) < 0.01 else said)
