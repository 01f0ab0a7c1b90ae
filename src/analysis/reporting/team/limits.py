"""What this report cannot tell, what the data do not hold, and what changed since the last one."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Block, Column, Group, Note, Points, Table
from analysis.reporting.team.desk import Desk


def limits(desk: Desk) -> Group:
    """The standing limits, the study's own warnings, and every metric that is not recorded."""
    standing = [desk.text(f"limit_{name}") for name in ("cause", "demand", "logged", "small")]
    warned = [str(line) for line in desk.pack.details.get("warnings", ())]
    blocks: list[Block] = [Points(tuple(standing + warned))]
    lacking = desk.pack.capabilities
    if lacking is not None and len(lacking := lacking[~lacking["available"].astype(bool)]):
        rows = tuple((str(row["metric"]), str(row["missing"])) for row in lacking.to_dict("records"))
        columns = (Column(desk.text("metric")), Column(desk.text("missing")))
        blocks.append(Table(desk.text("lacking_caption"), columns, rows))
    return Group(tuple(blocks))


def changes(desk: Desk) -> Block:
    """Each activity whose grade moved since the last report, with the reason."""
    before = desk.pack.previous
    if before is None:
        return Note(desk.text("first_report"))
    old = before[before["team_id"] == desk.pack.team_id].set_index("activity")
    rows = tuple(change_row(desk, old, row) for row in desk.findings.to_dict("records") if moved(old, row))
    day = words.date(desk.pack.previous_as_of, locale=desk.locale) if desk.pack.previous_as_of else ""
    if not rows:
        return Note(desk.text("nothing_changed", {"date": day}))
    columns = tuple(Column(words.capital(desk.text(name))) for name in ("activity", "before", "now", "why"))
    return Table(desk.text("changes_caption", {"date": day}), columns, rows)


def moved(old: pd.DataFrame, row: dict) -> bool:
    """Whether an activity is new or its grade is another."""
    return row["activity"] not in old.index or old.loc[row["activity"], "grade"] != row["grade"]


def change_row(desk: Desk, old: pd.DataFrame, row: dict) -> tuple[str, ...]:
    """Activity, grade before, grade now, why: more data, another definition, or the reason of the grade."""
    kind = row["activity"]
    name = words.capital(words.kinds_name(kind, locale=desk.locale))
    now = words.grade_word(row["grade"], locale=desk.locale)
    if kind not in old.index:
        return name, desk.text("not_tested"), now, desk.text("newly_recorded")
    was = old.loc[kind]
    why = str(row["reason"])
    if (was["lag_from"], was["lag_to"], was["outcome"]) != (row["lag_from"], row["lag_to"], row["outcome"]):
        why = desk.text("why_definition") + " " + why
    elif row["n_weeks"] != was["n_weeks"]:
        more = words.count(abs(int(row["n_weeks"]) - int(was["n_weeks"])), desk.pack.panel.period, locale=desk.locale)
        why = desk.text("why_data", {"weeks": more}) + " " + why
    return name, words.grade_word(was["grade"], locale=desk.locale), now, why
