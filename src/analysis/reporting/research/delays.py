"""How long until an activity shows: the window, the smooth kernel, the check without a form, and company totals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.details import kernel_frame
from analysis.evidence.plan import DEFAULT_CYCLE_WEEKS, MAX_LAG_MONTHS, MAX_LAG_WEEKS
from analysis.models.projections import local_projections
from analysis.models.series import prewhitened_ccf
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Block, Column, Group, Note, Table, grade_mark
from analysis.reporting.research.book import Book, names

LEADS = 4  # periods shown in which the activity comes after the result


def delay_answer(book: Book) -> Answer:
    """When the activities that predict the outcome show in it, or that no delay is established."""
    told = [row for row in book.claims if words.is_known(row["mean_lag_weeks"])]
    if not told:
        return Answer("No delay is established here: no activity predicts the outcome clearly enough to time it.")
    said = [
        f"{words.kinds_name(row['activity'])} show "
        f"{words.mean_delay(row['mean_lag_weeks'], period=book.panel.period, first=1, last=row['lag_to'])}"
        for row in sorted(told, key=lambda row: float(row["mean_lag_weeks"]))
    ]
    open_ = [str(row["activity"]) for row in book.rows if row["grade"] not in ("A", "B")]
    silent = (f"For {names(open_)} no delay is told: their link itself is not established.",) if open_ else ()
    return Answer(words.capital(f"{words.listed(said)}."), silent, mark=grade_mark(str(told[-1]["grade"])))


def window(book: Book) -> Table:
    """The rule that fixed the longest delay before any effect was looked at, step by step."""
    panel, period = book.panel, book.panel.period
    cap = MAX_LAG_WEEKS if period == "week" else MAX_LAG_MONTHS
    periods = int(panel.frame["week"].nunique())
    days = panel.cycle_days_p75
    typical = (
        f"{words.number(days)} days" if days is not None else f"not recorded; {DEFAULT_CYCLE_WEEKS} weeks are assumed"
    )
    chosen = "asked for in the parameters" if book.max_lag else "the cycle, within both limits"
    rows = (
        ("Three quarters of won deals close within", typical),
        ("Never longer than", words.count(cap, period)),
        ("Never longer than an eighth of the data", words.count(periods // 8, period)),
        (f"Delays tested together ({chosen})", f"1 to {words.count(book.plan.max_lag, period)}"),
    )
    return Table("The window, fixed before looking", (Column("Step"), Column("Value", align="right")), rows)


def delays(book: Book) -> Block:
    """The smooth delay of every activity that predicts the outcome, with its band."""
    scale = float(book.panel.frame["revenue"].mean()) if book.currency else 1.0
    shown: list[Block] = [
        figures.delay(
            kernel_frame(book.details, row["activity"], scale=scale),
            row["activity"],
            currency=book.currency,
            mean_lag=row["mean_lag_weeks"],
            period=book.panel.period,
            source=book.source(),
        )
        for row in book.claims
        if row["activity"] in book.answered
    ]
    return Group(tuple(shown)) if shown else Note("No activity is claimed, so no delay is drawn.")


def projections(book: Book) -> pd.DataFrame:
    """Smooth kernel and local projections side by side for the activities worth a closer look.

    Columns: activity, lag, kernel, kernel_low, kernel_high, estimate, low, high (95 % for all lags together), outside.
    Change of the log outcome per one extra activity that many periods earlier. Empty when the company was refused.
    """
    tested = [activity for activity in book.shown if activity in book.answered and activity in book.plan.discretionary]
    parts = [_projected(book, activity) for activity in tested]
    columns = ["activity", "lag", "kernel", "kernel_low", "kernel_high", "estimate", "low", "high", "outside"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _projected(book: Book, activity: str) -> pd.DataFrame:
    sample, k = book.company, book.company.activities.index(activity)
    free = local_projections(
        book.outcome(), sample.counts[:, k], sample.cells, book.plan.max_lag, book.others(activity)
    ).responses
    smooth = kernel_frame(book.details, activity)
    return pd.DataFrame(
        {
            "activity": activity,
            "lag": smooth["lag"].astype(int),
            "kernel": smooth["estimate"],
            "kernel_low": smooth["conf_low"],
            "kernel_high": smooth["conf_high"],
            "estimate": free["estimate"],
            "low": free["band_low"],
            "high": free["band_high"],
            "outside": (smooth["estimate"] < free["band_low"]) | (smooth["estimate"] > free["band_high"]),
        }
    )


def projection_reading(frame: pd.DataFrame) -> Note:
    """Whether the smooth kernel stays inside the band of the free one."""
    if frame.empty:
        return Note("Nothing to compare: the company's regression was refused.")
    outside = frame[frame["outside"]]
    if outside.empty:
        return Note(
            f"For {names(list(frame['activity'].unique()))} the smooth delay stays inside the band that no form bends."
        )
    where = [
        f"{words.kinds_name(str(a))} at {words.listed([str(lag) for lag in g['lag']])}"
        for a, g in outside.groupby("activity")
    ]
    return Note(
        f"The smooth delay leaves the free band for {words.listed(where)}: read its form there with care.", tone="warn"
    )


def correlations(book: Book) -> pd.DataFrame:
    """Prewhitened cross-correlation of the company's weekly totals, activity by activity.

    Columns: activity, lag (negative: the activity comes later), value, band (Bonferroni over all lags), outside.
    Activities whose totals have gaps or are too short are left out.
    """
    totals = book.panel.frame.groupby("week")[[*book.plan.activities, book.plan.outcome]].mean()
    parts = []
    for activity in book.plan.activities:
        known = totals[[activity, book.plan.outcome]].dropna()
        try:
            # Means a rep, so that a company that grows does not correlate everything with everything.
            found = prewhitened_ccf(known[activity], known[book.plan.outcome], book.plan.max_lag, -LEADS)
        except AnalysisError:
            continue
        parts.append(
            pd.DataFrame(
                {
                    "activity": activity,
                    "lag": found.lags,
                    "value": found.values,
                    "band": found.band,
                    "outside": found.significant,
                }
            )
        )
    columns = ["activity", "lag", "value", "band", "outside"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def correlation_reading(frame: pd.DataFrame) -> Note:
    """What company totals alone would show."""
    if frame.empty:
        return Note("The company's totals are too short, or have gaps: no cross-correlation is drawn.")
    seen = frame[frame["outside"]]
    ahead = seen[seen["lag"] > 0]
    if ahead.empty:
        said = "In the company's totals no activity stands out ahead of the result"
    else:
        where = [
            f"{words.kinds_name(str(a))} at {words.listed([str(v) for v in g['lag']])}"
            for a, g in ahead.groupby("activity")
        ]
        said = f"In the company's totals these stand out ahead of the result: {words.listed(where)}"
    later = np.unique(seen.loc[seen["lag"] <= 0, "activity"])
    also = f" Together with the result, or after it: {names(list(later))}." if later.size else ""
    return Note(
        f"{said}. One series of totals holds far less than all reps apart, so silence here is no verdict.{also}"
    )
