"""Can we trust it: checks, forecasts, single reps, what could have been detected, and what would change our mind."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.frames import check_frame
from analysis.reporting.blocks import Answer, Column, Note, Table, grade_mark
from analysis.reporting.research.book import Book, probability

FAR = 10  # times the data studied now: beyond it, waiting for more weeks is no plan


def trust_answer(book: Book) -> Answer:
    """How far the findings carry, by their weakest links."""
    say = book.say
    rows = [
        say.text(
            "trust.reason",
            {
                "activity": say.label(str(row["activity"])),
                "reason": words.retold(str(row["reason"]), locale=say.locale),
            },
        )
        for row in book.rows
    ]
    sure = [str(row["activity"]) for row in book.rows if row["grade"] == "A"]
    likely = [str(row["activity"]) for row in book.rows if row["grade"] == "B"]
    if sure:
        sentence = say.text("trust.sure", {"activities": say.together(sure)})
    elif likely:
        sentence = say.text("trust.likely", {"activities": say.together(likely)})
    else:
        sentence = say.text("trust.nothing")
    grade = str(book.rows[0]["grade"]) if book.rows else "D"
    return Answer(sentence, tuple(rows), mark=grade_mark(grade, locale=say.locale))


def check_matrix(book: Book) -> pd.DataFrame:
    """Every check of every activity: activity, check, statement, measured, limit, state (1 passed, 0 failed, NaN not run)."""
    parts = []
    for row in book.rows:
        found = check_frame(book.details, str(row["activity"]))
        state = [np.nan if ok is None or ok != ok else float(ok) for ok in found["passed"]]
        said = [
            words.text(f"check.{check}", locale=book.say.locale) if words.has(f"check.{check}") else check
            for check in found["check"]
        ]
        parts.append(found.assign(activity=row["activity"], state=state, statement=said).drop(columns="passed"))
    columns = ["activity", "check", "statement", "measured", "limit", "state"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def check_reading(frame: pd.DataFrame, book: Book) -> Note:
    """Which checks took a claim away from an activity that had passed the count."""
    failed = frame[frame["state"] == 0]
    counted = set(frame.loc[(frame["check"] == "counted") & (frame["state"] == 1), "activity"])
    vetoed = failed[failed["activity"].isin(counted)]
    if not counted:
        return Note(book.say.text("trust.none_counted"))
    if vetoed.empty:
        named = words.capital(book.say.together(sorted(counted)))
        return Note(book.say.text("trust.none_vetoed", {"activities": named}))
    said = []
    for activity, group in vetoed.groupby("activity", sort=True):
        statements = book.say.listed([text[0].lower() + text[1:] for text in group["statement"]])
        values = {"activity": book.say.kinds(str(activity)), "reason": statements}
        said.append(book.say.text("trust.reason", values))
    return Note(book.say.text("trust.vetoed", {"which": words.capital("; ".join(said))}), tone="warn")


def forecasts(book: Book) -> Table:
    """Out of sample: does knowing the activity improve forecasts of weeks not yet seen?"""
    say = book.say
    rows = [_forecast(book, say.label(str(row["activity"])), row["oos_gain"], row["oos_p"]) for row in book.rows]
    company = book.details["scopes"][""]
    together = company.get("all_activities_forecast_gain")
    if together is not None:
        rows.append(_forecast(book, say.text("all_together"), together, company["all_activities_forecast_p"]))
    columns = (
        Column(say.text("activity")),
        Column(say.text("trust.saved"), align="right"),
        Column(say.text("trust.p"), align="right"),
        Column(say.text("trust.forecast")),
    )
    note = say.text("trust.forecasts_note")
    return Table(say.text("trust.forecasts"), columns, tuple(rows), note=note, source=book.source())


def _forecast(book: Book, label: str, gain: float | None, p: float | None) -> tuple[str, ...]:
    """What knowing saves, whether that is more than chance, and the word for it."""
    known = words.is_known(gain)
    shown = book.say.share(gain, decimals=2) if known else book.say.none
    better = words.is_known(p) and p <= book.plan.limits.forecast_p
    return (
        label,
        shown,
        probability(p, book.say),
        book.say.text("not_run" if not known else "better" if better else "not_shown"),
    )


def one_rep_out(book: Book) -> pd.DataFrame:
    """The link with its interval, and its range when any one rep is left out.

    Stage markers are left out: they are never a claim. Columns: activity, estimate, low, high, least, most (share of the outcome per extra one), largest_rep (share of the
    information that one rep holds).
    """
    rows = []
    for activity, found in book.answered.items():
        if activity not in book.plan.discretionary:
            continue
        link = np.expm1([found["link"][part] for part in ("estimate", "conf_low", "conf_high")])
        without = np.expm1(np.array(found["range_without_any_one_rep"], float))
        rows.append((activity, *link, *without, found["largest_share_of_one_rep"]))
    return pd.DataFrame(rows, columns=["activity", "estimate", "low", "high", "least", "most", "largest_rep"])


def one_rep_out_reading(frame: pd.DataFrame, book: Book) -> Note:
    """Whether any claim hangs on one rep."""
    claimed = frame[frame["activity"].isin([row["activity"] for row in book.claims])]
    if claimed.empty:
        return Note(book.say.text("trust.no_claim"))
    turns = claimed[np.sign(claimed["least"]) != np.sign(claimed["most"])]
    if len(turns):
        named = book.say.together(list(turns["activity"]))
        return Note(book.say.text("trust.turns", {"activities": named}), tone="warn")
    largest = book.say.share(float(claimed["largest_rep"].max()), decimals=0)
    return Note(book.say.text("trust.stays", {"share": largest}))


def detectable(book: Book) -> Table:
    """What this data could have shown, and how much more is needed for an effect worth acting on."""
    period, say = book.panel.period, book.say
    rows = []
    for row in book.rows:
        found = book.answered.get(str(row["activity"]))
        if found is None or not words.is_known(row["mde_relative"]):
            continue
        volume = say.number(found["volume"], decimals=1)
        smallest = say.share(words.significant(row["mde_relative"]))
        more = _needed(book, found["weeks_needed"], row["n_weeks"])
        rows.append((say.label(str(row["activity"])), volume, smallest, more))
    columns = (
        Column(say.text("activity")),
        Column(say.text("trust.done"), say.text(f"trust.per_rep.{period}"), "right"),
        Column(say.text("trust.smallest"), say.text(f"trust.per_extra.{period}"), "right"),
        Column(say.text("trust.needed"), say.text("trust.worth"), "right"),
    )
    note = say.text("trust.power_note", {"studied": say.count(book.company.n_weeks, period)})
    return Table(say.text("trust.detectable"), columns, tuple(rows), note=note, source=book.source())


def _needed(book: Book, needed: float | None, held: float) -> str:
    """Periods in all, or that there are enough, or that waiting is no plan."""
    if needed is None or needed > FAR * held:
        return book.say.text("trust.out_of_reach")
    return book.say.text("trust.enough") if needed <= held else book.say.count(needed, book.panel.period)


def change_mind(book: Book) -> Table:
    """What would change the verdict on each activity."""
    say = book.say
    rows = tuple(
        (
            say.label(str(row["activity"])),
            grade_mark(str(row["grade"]), locale=say.locale),
            words.text(f"change_mind.{row['grade']}", locale=say.locale),
        )
        for row in book.rows
    )
    columns = tuple(Column(say.text(key)) for key in ("activity", "verdict", "trust.would_change"))
    return Table(say.text("trust.change_mind"), columns, rows)
