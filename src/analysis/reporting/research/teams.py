"""Do teams differ? Each team's own link beside the one that borrows from the others, and the test of their spread."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.models.multiplicity import benjamini_hochberg
from analysis.reporting.blocks import Block, Column, Note, Table
from analysis.reporting.research.book import Book, probability

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
        return Note(book.say.text("teams.too_few"))
    rows = tuple(_row(book.say, activity, found) for activity, found in averages.items())
    texts = ("activity", "teams.average", "teams.range", "teams.spread", "teams.beyond", "teams.p")
    columns = tuple(Column(book.say.text(key), align="right" if place else "left") for place, key in enumerate(texts))
    return Table(book.say.text("teams.caption"), columns, rows, note=book.say.text("teams.note"), source=book.source())


def _row(say: words.Voice, activity: str, found: dict[str, float]) -> tuple[str, ...]:
    mean, low, high = (
        say.share(words.significant(float(np.expm1(found[key])))) for key in ("mean", "mean_low", "mean_high")
    )
    return (
        say.label(activity),
        mean,
        say.between(low, high),
        say.share(float(np.sqrt(found["tau2"]))),
        say.share(found["i2"], decimals=0),
        probability(found["q_p"], say),
    )


def team_reading(book: Book) -> Note:
    """Where teams differ, and what that means for reading one team's row."""
    averages = book.details["averages_over_teams"]
    if not averages:
        return Note(book.say.text("teams.own"))
    counted = benjamini_hochberg([found["q_p"] for found in averages.values()])
    differ = [kind for kind, q in zip(averages, counted, strict=True) if q <= DIFFER_Q]
    same = [kind for kind in averages if kind not in differ]
    said = []
    if differ:
        said.append(book.say.text("teams.differ", {"activities": book.say.together(differ)}))
    if same:
        said.append(book.say.text("teams.same", {"activities": book.say.together(same)}))
    return Note(" ".join(said))
