"""What predicts the outcome: the plan, the findings, the evidence on each activity, and the other outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.evidence.frames import check_frame
from analysis.reporting import figures
from analysis.reporting.blocks import Answer, Column, Figure, Group, Note, Table, grade_mark
from analysis.reporting.cards import evidence_card
from analysis.reporting.research.book import Book, probability

FITS = {"": "fit", "revenue": "fit_revenue", "revenue, additive": "fit_additive"}


def findings_answer(book: Book) -> Answer:
    """Which activities predict the outcome, and for which that cannot be said."""
    claims = [sentence(book, row) for row in book.claims]
    unclear = [str(row["activity"]) for row in book.rows if row["grade"] in ("C", "D", "X")]
    none = [str(row["activity"]) for row in book.rows if row["grade"] == "E"]
    details = claims[1:]
    if unclear:
        details.append(book.say.text("findings.still_open", {"activities": book.say.together(unclear)}))
    if none:
        details.append(book.say.text("findings.no_effect", {"activities": book.say.together(none)}))
    first = claims[0] if claims else book.say.text("findings.answer_none")
    grade = str(book.claims[0]["grade"]) if claims else "D"
    return Answer(first, tuple(details), mark=grade_mark(grade, locale=book.say.locale))


def sentence(book: Book, row: Mapping[Any, Any]) -> str:
    """What one row says, in the notebook's language."""
    return words.finding_sentence(row, currency=book.panel.currency, period=book.panel.period, locale=book.say.locale)


def plan(book: Book) -> Table:
    """What is tested and how, fixed before any outcome is set against any activity."""
    chosen, period, say = book.plan, book.plan.period, book.say
    left_out = [
        say.text("findings.left_out_why", {"activities": say.kinds(kind), "why": words.retold(why, locale=say.locale)})
        for kind, why in chosen.excluded
    ]
    counted = {"n": len(chosen.activities), "share": say.share(chosen.limits.claim_q)}
    fixed = {
        "outcome": words.outcome_name(chosen.outcome, locale=say.locale),
        "in_one": say.together(chosen.discretionary),
        "beside": say.together(chosen.markers) or say.none,
        "left_out": say.listed(left_out) or say.none,
        f"delays.{period}": say.text("findings.window", {"last": chosen.max_lag}),
        "taken_out": say.text(f"findings.levels.{period}"),
        "chance": say.text("findings.reshuffles", {"n": say.number(chosen.draws)}),
        "counted": say.text("findings.one_each", counted),
    }
    rows = tuple((say.text(f"findings.{key}"), value) for key, value in fixed.items())
    columns = (Column(say.text("findings.question")), Column(say.text("findings.fixed_as")))
    return Table(say.text("findings.plan"), columns, rows)


def findings_table(book: Book) -> Table:
    """The company's findings, one row an activity."""
    say = book.say
    texts = (
        "activity",
        "verdict",
        "per_extra",
        "findings.range",
        "findings.mean_delay",
        "findings.q",
        "findings.smallest",
    )
    columns = tuple(Column(say.text(key), align="left" if place < 2 else "right") for place, key in enumerate(texts))
    outcome = words.outcome_name(book.plan.outcome, locale=say.locale)
    return Table(
        say.text("findings.caption"),
        columns,
        tuple(_finding_row(book, row) for row in book.rows),
        note=say.text(f"findings.note.{book.panel.period}", {"outcome": outcome}),
        source=book.source(),
    )


def _finding_row(book: Book, row: dict[str, Any]) -> tuple[Any, ...]:
    keys = (
        ("effect", "conf_low", "conf_high") if book.currency else ("effect_relative", "relative_low", "relative_high")
    )
    say = book.say
    value, low, high = (_amount(book, row[key]) for key in keys)
    low, high = (end.removeprefix(f"{book.currency} ") for end in (low, high))
    delay = say.number(row["mean_lag_weeks"], decimals=1) if words.is_known(row["mean_lag_weeks"]) else say.none
    smallest = say.share(row["mde_relative"]) if words.is_known(row["mde_relative"]) else say.none
    mark = grade_mark(str(row["grade"]), locale=say.locale)
    q = probability(row["q_value"], say)
    return (say.label(str(row["activity"])), mark, value, say.between(low, high), delay, q, smallest)


def _amount(book: Book, value: Any) -> str:
    if not words.is_known(value):
        return book.say.none
    return book.say.money(value, book.currency) if book.currency else book.say.share(words.significant(value))


def effects(book: Book) -> Figure:
    """All activities with their likely ranges."""
    return figures.effects(
        book.findings,
        currency=book.currency,
        period=book.panel.period,
        source=book.source(),
        locale=book.say.locale,
    )


def cards(book: Book) -> Group:
    """One evidence card an activity, the surest first."""
    return Group(
        tuple(
            evidence_card(
                row,
                currency=book.currency,
                period=book.panel.period,
                checks=check_frame(book.details, str(row["activity"])),
                locale=book.say.locale,
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
            outcome = words.outcome_name(book.plan.outcome, locale=book.say.locale)
            fit = book.say.text(f"findings.{FITS[key]}", {"outcome": outcome}) if key in FITS else key
            rows.append((str(row["activity"]), fit, *shares))
    return pd.DataFrame(rows, columns=["activity", "fit", "estimate", "low", "high"])


def other_outcomes_reading(frame: pd.DataFrame, book: Book) -> Note:
    """Whether the outcomes agree about the direction of what is claimed."""
    claimed = frame[frame["activity"].isin([row["activity"] for row in book.claims])]
    if claimed.empty:
        return Note(book.say.text("findings.no_claim"))
    signs = claimed.groupby("activity")["estimate"].agg(lambda values: len(set(np.sign(values))) == 1)
    split = [str(activity) for activity in signs.index[~signs]]
    if split:
        return Note(book.say.text("findings.disagree", {"activities": book.say.together(split)}), tone="warn")
    return Note(book.say.text("findings.agree", {"activities": book.say.together(list(signs.index))}))
