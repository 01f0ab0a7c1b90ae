"""What predicts the outcome: the plan, the findings, the evidence on each activity, and the other outcomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.details import check_frame
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Column, Figure, Group, Note, Table, grade_mark
from analysis.reporting.cards import evidence_card
from analysis.reporting.research.book import Book, name, names, probability

FITS = {"": "{outcome}, multiplicative", "revenue": "revenue, multiplicative", "revenue, additive": "revenue, additive"}


def findings_answer(book: Book) -> Answer:
    """Which activities predict the outcome, and for which that cannot be said."""
    claims = [str(row["sentence"]) for row in book.claims]
    unclear = [str(row["activity"]) for row in book.rows if row["grade"] in ("C", "D", "X")]
    none = [str(row["activity"]) for row in book.rows if row["grade"] == "E"]
    details = claims[1:] + ([f"Still open for {names(unclear)}."] if unclear else [])
    details += [f"No material effect of {names(none)}."] if none else []
    first = claims[0] if claims else words.text("team.answer_none").replace(" here", "")
    return Answer(first, tuple(details), mark=grade_mark(str(book.claims[0]["grade"]) if claims else "D"))


def plan(book: Book) -> Table:
    """What is tested and how, fixed before any outcome is set against any activity."""
    chosen, period = book.plan, book.plan.period
    left_out = [f"{words.kinds_name(kind)} ({why})" for kind, why in chosen.excluded]
    rows = (
        ("Outcome the grade rests on", words.outcome_name(chosen.outcome)),
        ("Activities, all in one regression", names(list(chosen.discretionary))),
        ("Tested beside them, never a control", names(list(chosen.markers)) or words.text("number.none")),
        ("Left out", words.listed(left_out) or words.text("number.none")),
        (f"Delays tested together, {period}s", f"1 to {chosen.max_lag}"),
        ("Taken out", f"each rep's own level, and each {period} of each team"),
        ("Chance measured by", f"leaving out whole reps, and {words.number(chosen.draws)} reshuffles"),
        (
            "Tests counted",
            f"{len(chosen.activities)}, one an activity; at most {words.share(chosen.limits.claim_q)} false claims",
        ),
    )
    return Table("The plan", (Column("Question"), Column("Fixed as")), rows)


def findings_table(book: Book) -> Table:
    """The company's findings, one row an activity."""
    headings = ("Activity", "Verdict", "Per extra one", "Likely range", "Mean delay", "q", "Smallest detectable")
    columns = tuple(Column(text, align="left" if place < 2 else "right") for place, text in enumerate(headings))
    unit = f"the {book.panel.period}'s usual {words.outcome_name(book.plan.outcome)}"
    return Table(
        "What each activity goes with",
        columns,
        tuple(_finding_row(book, row) for row in book.rows),
        note=f"Smallest detectable: as a share of {unit}, per extra one a {book.panel.period}.",
        source=book.source(),
    )


def _finding_row(book: Book, row: dict[str, Any]) -> tuple[Any, ...]:
    keys = (
        ("effect", "conf_low", "conf_high") if book.currency else ("effect_relative", "relative_low", "relative_high")
    )
    value, low, high = (_amount(book, row[key]) for key in keys)
    low, high = (end.removeprefix(f"{book.currency} ") for end in (low, high))
    delay = words.number(row["mean_lag_weeks"], decimals=1) if words.is_known(row["mean_lag_weeks"]) else "–"
    q = probability(row["q_value"])
    between = words.text("number.range", {"low": low, "high": high})
    smallest = words.share(row["mde_relative"]) if words.is_known(row["mde_relative"]) else "–"
    return (name(str(row["activity"])), grade_mark(str(row["grade"])), value, between, delay, q, smallest)


def _amount(book: Book, value: Any) -> str:
    if not words.is_known(value):
        return words.text("number.none")
    return words.money(value, book.currency) if book.currency else words.share(words.significant(value))


def effects(book: Book) -> Figure:
    """All activities with their likely ranges."""
    return figures.effects(book.findings, currency=book.currency, period=book.panel.period, source=book.source())


def cards(book: Book) -> Group:
    """One evidence card an activity, the surest first."""
    return Group(
        tuple(
            evidence_card(
                row,
                currency=book.currency,
                period=book.panel.period,
                checks=check_frame(book.details, str(row["activity"])),
            )
            for row in book.rows
        )
    )


def other_outcomes(book: Book) -> pd.DataFrame:
    """The link of every activity (stage markers apart) with every outcome, in one unit.

    Columns: activity, fit, estimate, low, high: change per one extra activity, summed over the window, as a share of
    the usual outcome (additive fits divided by mean revenue). Empty when the company was refused.
    """
    money = float(book.panel.frame["revenue"].mean()) if "revenue" in book.panel.outcomes else np.nan
    rows = []
    for row in book.rows:
        found = book.answered.get(str(row["activity"]))
        if found is None or row["activity"] not in book.plan.discretionary:
            continue
        for key, link in {"": found["link"], **found["others"]}.items():
            values = np.array([link[part] for part in ("estimate", "conf_low", "conf_high")], float)
            shares = values / money if key.endswith("additive") else np.expm1(values)
            fit = FITS.get(key, key).format(outcome=words.outcome_name(book.plan.outcome))
            rows.append((str(row["activity"]), fit, *shares))
    return pd.DataFrame(rows, columns=["activity", "fit", "estimate", "low", "high"])


def other_outcomes_reading(frame: pd.DataFrame, book: Book) -> Note:
    """Whether the outcomes agree about the direction of what is claimed."""
    claimed = frame[frame["activity"].isin([row["activity"] for row in book.claims])]
    if claimed.empty:
        return Note("No activity is claimed, so there is nothing for the other outcomes to contradict.")
    signs = claimed.groupby("activity")["estimate"].agg(lambda values: len(set(np.sign(values))) == 1)
    split = [str(activity) for activity in signs.index[~signs]]
    if split:
        return Note(f"The outcomes disagree about the direction for {names(split)}.", tone="warn")
    return Note(f"For {names(list(signs.index))} every outcome points the same way; revenue has the wider ranges.")
