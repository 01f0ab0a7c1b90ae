"""Can we trust it: checks, forecasts, single reps, what could have been detected, and what would change our mind."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.details import check_frame
from analysis.reporting.blocks import Answer, Column, Note, Table, grade_mark
from analysis.reporting.research.book import Book, name, names, probability

FAR = 10  # times the data studied now: beyond it, waiting for more weeks is no plan


def trust_answer(book: Book) -> Answer:
    """How far the findings carry, by their weakest links."""
    rows = [f"{name(str(row['activity']))}: {row['reason']}" for row in book.rows]
    sure = [str(row["activity"]) for row in book.rows if row["grade"] == "A"]
    likely = [str(row["activity"]) for row in book.rows if row["grade"] == "B"]
    if sure:
        sentence = f"Every check passed for {names(sure)}, also on weeks the estimate had not seen."
    elif likely:
        sentence = f"Almost every check passed for {names(likely)}; nothing is beyond doubt yet."
    else:
        sentence = "Nothing here can be relied on yet: no activity passes every check."
    return Answer(sentence, tuple(rows), mark=grade_mark(str(book.rows[0]["grade"]) if book.rows else "D"))


def check_matrix(book: Book) -> pd.DataFrame:
    """Every check of every activity: activity, check, statement, measured, limit, state (1 passed, 0 failed, NaN not run)."""
    parts = []
    for row in book.rows:
        found = check_frame(book.details, str(row["activity"]))
        state = [np.nan if ok is None or ok != ok else float(ok) for ok in found["passed"]]
        said = [words.text(f"check.{check}") if words.has(f"check.{check}") else check for check in found["check"]]
        parts.append(found.assign(activity=row["activity"], state=state, statement=said).drop(columns="passed"))
    columns = ["activity", "check", "statement", "measured", "limit", "state"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def check_reading(frame: pd.DataFrame, book: Book) -> Note:
    """Which checks took a claim away from an activity that had passed the count."""
    failed = frame[frame["state"] == 0]
    counted = set(frame.loc[(frame["check"] == "counted") & (frame["state"] == 1), "activity"])
    vetoed = failed[failed["activity"].isin(counted)]
    if not counted:
        return Note("No activity is more than chance would show, so the other checks had nothing to take away.")
    if vetoed.empty:
        return Note(f"{words.capital(names(sorted(counted)))} pass the count, and no check speaks against them.")
    said = [
        f"{words.kinds_name(str(activity))}: {words.listed([text[0].lower() + text[1:] for text in group['statement']])}"
        for activity, group in vetoed.groupby("activity", sort=True)
    ]
    return Note(f"More than chance, but these statements do not hold. {words.capital('; '.join(said))}.", tone="warn")


def forecasts(book: Book) -> Table:
    """Out of sample: does knowing the activity improve forecasts of weeks not yet seen?"""
    none = words.text("number.none")
    rows = []
    for row in book.rows:
        known = words.is_known(row["oos_gain"])
        gain = words.share(row["oos_gain"], decimals=2) if known else none
        p = probability(row["oos_p"])
        verdict = "not run" if not known else "better" if row["oos_p"] <= book.plan.limits.forecast_p else "not shown"
        rows.append((name(str(row["activity"])), gain, p, verdict))
    company = book.details["scopes"]["company"]
    together = company.get("all_activities_forecast_gain")
    if together is not None:
        p = company["all_activities_forecast_p"]
        verdict = "better" if p <= book.plan.limits.forecast_p else "not shown"
        rows.append(("All together", words.share(together, decimals=2), probability(p), verdict))
    columns = (
        Column("Activity"),
        Column("Forecast error saved", align="right"),
        Column("p", align="right"),
        Column("Forecast"),
    )
    note = "Rolling origin over the later half; against the same forecast without the activity (Clark-West)."
    return Table("Forecasts of weeks not yet seen", columns, tuple(rows), note=note, source=book.source())


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
        return Note("Nothing is claimed, so no claim can hang on one rep.")
    turns = claimed[np.sign(claimed["least"]) != np.sign(claimed["most"])]
    if len(turns):
        return Note(f"Without one certain rep the direction turns for {names(list(turns['activity']))}.", tone="warn")
    largest = words.share(float(claimed["largest_rep"].max()), decimals=0)
    return Note(
        f"No claim changes direction whichever rep is left out; at most {largest} of one rests on a single rep."
    )


def detectable(book: Book) -> Table:
    """What this data could have shown, and how much more is needed for an effect worth acting on."""
    period = book.panel.period
    rows = []
    for row in book.rows:
        found = book.answered.get(str(row["activity"]))
        if found is None or not words.is_known(row["mde_relative"]):
            continue
        needed = found["weeks_needed"]
        enough = needed is not None and needed <= row["n_weeks"]
        within_reach = needed is not None and needed <= FAR * row["n_weeks"]
        more = "enough now" if enough else words.count(needed, period) if within_reach else "out of reach"
        volume = words.number(found["volume"], decimals=1)
        rows.append((name(str(row["activity"])), volume, words.share(words.significant(row["mde_relative"])), more))
    columns = (
        Column("Activity"),
        Column("Done", f"per rep and {period}", "right"),
        Column("Smallest detectable", f"per extra one a {period}", "right"),
        Column("Data needed in all", "for an effect worth acting on", "right"),
    )
    note = f"With 80 % power, by the same reps. Studied now: {words.count(book.company.n_weeks, period)}."
    return Table("What this data could have shown", columns, tuple(rows), note=note, source=book.source())


def change_mind(book: Book) -> Table:
    """What would change the verdict on each activity."""
    rows = tuple(
        (name(str(row["activity"])), grade_mark(str(row["grade"])), words.text(f"change_mind.{row['grade']}"))
        for row in book.rows
    )
    return Table(
        "What would change our mind", (Column("Activity"), Column("Verdict"), Column("What would change it")), rows
    )
