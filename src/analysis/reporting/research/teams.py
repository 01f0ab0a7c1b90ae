"""Do teams differ? Each team's own link beside the one that borrows from the others, and the test of their spread."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.models.multiplicity import benjamini_hochberg
from analysis.reporting.blocks import Block, Column, Note, Table
from analysis.reporting.research.book import Book, name, names, probability

DIFFER_Q = 0.05  # counting the activities tested


def team_links(book: Book) -> pd.DataFrame:
    """Own and pooled link of every team for the activities worth a closer look.

    Columns: activity, team_id, kind ("own", "pooled"), estimate, low, high (share of the outcome per extra one),
    own_share. Teams without an estimate are left out.
    """
    rows = []
    pooled = book.study.findings[book.study.findings["scope"] == "team"]
    for activity in book.shown:
        for row in pooled[pooled["activity"] == activity].to_dict("records"):
            scope = book.details["scopes"][row["team_id"]]
            found = scope.get("activities", {}).get(activity)
            if found is None:
                continue
            own = np.expm1([found["link"][part] for part in ("estimate", "conf_low", "conf_high")])
            shared = [row[part] for part in ("effect_relative", "relative_low", "relative_high")]
            rows.append((activity, row["team_id"], "own", *own, row["own_share"]))
            rows.append((activity, row["team_id"], "pooled", *shared, row["own_share"]))
    return pd.DataFrame(rows, columns=["activity", "team_id", "kind", "estimate", "low", "high", "own_share"])


def team_table(book: Book) -> Block:
    """Average over teams and the test of "all teams share one effect", activity by activity."""
    averages = book.details["averages_over_teams"]
    if not averages:
        return Note("Fewer than three teams have an estimate: nothing is pooled and no spread can be tested.")
    rows = tuple(_row(activity, found) for activity, found in averages.items())
    headings = (
        "Activity",
        "Average over teams",
        "Likely range",
        "Spread of the teams",
        "Share of scatter beyond chance",
        "p (no difference)",
    )
    columns = tuple(Column(text, align="right" if place else "left") for place, text in enumerate(headings))
    return Table(
        "Do teams differ?", columns, rows, note="Change of the outcome per one extra a period.", source=book.source()
    )


def _row(activity: str, found: dict[str, float]) -> tuple[str, ...]:
    low, high = (words.share(words.significant(float(np.expm1(found[key])))) for key in ("mean_low", "mean_high"))
    return (
        name(activity),
        words.share(words.significant(float(np.expm1(found["mean"])))),
        words.text("number.range", {"low": low, "high": high}),
        words.share(float(np.sqrt(found["tau2"]))),
        words.share(found["i2"], decimals=0),
        probability(found["q_p"]),
    )


def team_reading(book: Book) -> Note:
    """Where teams differ, and what that means for reading one team's row."""
    averages = book.details["averages_over_teams"]
    if not averages:
        return Note("Every team that has an estimate keeps its own: there is nobody to borrow from.")
    counted = benjamini_hochberg([found["q_p"] for found in averages.values()])
    differ = [kind for kind, q in zip(averages, counted, strict=True) if q <= DIFFER_Q]
    same = [kind for kind in averages if kind not in differ]
    said = []
    if differ:
        said.append(f"Teams differ in what {names(differ)} go with: read each team's own row.")
    if same:
        said.append(
            f"For {names(same)} the spread of the teams is no larger than chance gives: do not rank teams by it."
        )
    return Note(" ".join(said))
