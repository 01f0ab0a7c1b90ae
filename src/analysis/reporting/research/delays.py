"""How long until an activity shows: the window, the smooth kernel, the check without a form, and company totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.frames import kernel_frame
from analysis.evidence.plan import DEFAULT_CYCLE_WEEKS, MAX_LAG_MONTHS, MAX_LAG_WEEKS
from analysis.models.projections import local_projections
from analysis.models.series import prewhitened_ccf
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Block, Column, Group, Note, Table, grade_mark
from analysis.reporting.research.book import SAY, Book

LEADS = 4  # periods shown in which the activity comes after the result


def delay_answer(book: Book) -> Answer:
    """When the activities that predict the outcome show in it, or that no delay is established."""
    told = [row for row in book.claims if words.is_known(row["mean_lag_weeks"])]
    if not told:
        return Answer(book.say.text("delays.none"))
    ordered = sorted(told, key=lambda row: float(row["mean_lag_weeks"]))
    said = book.say.text("delays.told", {"delays": book.say.listed([_delay_of(book, row) for row in ordered])})
    unsure = [str(row["activity"]) for row in book.rows if row["grade"] not in ("A", "B")]
    silent = (book.say.text("delays.silent", {"activities": book.say.together(unsure)}),) if unsure else ()
    return Answer(words.capital(said), silent, mark=grade_mark(str(told[-1]["grade"]), locale=book.say.locale))


def _delay_of(book: Book, row: Mapping[str, Any]) -> str:
    delay = words.mean_delay(
        row["mean_lag_weeks"], period=book.panel.period, first=1, last=row["lag_to"], locale=book.say.locale
    )
    return book.say.text("delays.shows", {"activities": book.say.kinds(row["activity"]), "delay": delay})


def window(book: Book) -> Table:
    """The rule that fixed the longest delay before any effect was looked at, step by step."""
    panel, period, say = book.panel, book.panel.period, book.say
    cap = MAX_LAG_WEEKS if period == "week" else MAX_LAG_MONTHS
    periods = int(panel.frame["week"].nunique())
    days = panel.cycle_days_p75
    assumed = say.text("delays.assumed", {"weeks": DEFAULT_CYCLE_WEEKS})
    rule = say.text("delays.asked" if book.max_lag else "delays.ruled")
    rows = (
        (say.text("delays.three_quarters"), assumed if days is None else say.count(days, "day")),
        (say.text("delays.never_longer"), say.count(cap, period)),
        (say.text("delays.eighth"), say.count(periods // 8, period)),
        (
            say.text("delays.together", {"rule": rule}),
            say.text("delays.first_to", {"last": say.count(book.plan.max_lag, period)}),
        ),
    )
    columns = (Column(say.text("delays.step")), Column(say.text("delays.value"), align="right"))
    return Table(say.text("delays.caption"), columns, rows)


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
            locale=book.say.locale,
        )
        for row in book.claims
        if row["activity"] in book.answered
    ]
    return Group(tuple(shown)) if shown else Note(book.say.text("delays.no_claim"))


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


def projection_reading(frame: pd.DataFrame, say: words.Voice = SAY) -> Note:
    """Whether the smooth kernel stays inside the band of the free one."""
    if frame.empty:
        return Note(say.text("delays.refused"))
    outside = frame[frame["outside"]]
    if outside.empty:
        return Note(say.text("delays.inside", {"activities": say.together(list(frame["activity"].unique()))}))
    return Note(say.text("delays.outside", {"places": _places(outside, say)}), tone="warn")


def _places(frame: pd.DataFrame, say: words.Voice) -> str:
    """``demos at 2 and 3, calls at 4``: the delays of a frame, activity by activity."""
    said = [
        say.text(
            "delays.at", {"activities": say.kinds(str(kind)), "lags": say.listed([str(lag) for lag in rows["lag"]])}
        )
        for kind, rows in frame.groupby("activity")
    ]
    return say.listed(said)


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


def correlation_reading(frame: pd.DataFrame, say: words.Voice = SAY) -> Note:
    """What company totals alone would show."""
    if frame.empty:
        return Note(say.text("delays.no_totals"))
    seen = frame[frame["outside"]]
    ahead = seen[seen["lag"] > 0]
    said = [
        say.text("delays.ahead", {"places": _places(ahead, say)}) if len(ahead) else say.text("delays.nothing_ahead")
    ]
    said.append(say.text("delays.silence"))
    later = sorted(seen.loc[seen["lag"] <= 0, "activity"].unique())
    if later:
        said.append(say.text("delays.with_or_after", {"activities": say.together(later)}))
    return Note(" ".join(said))
