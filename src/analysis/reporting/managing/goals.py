"""Notebook 6, targets from quota: what the goal needs, with which probability, and what the usual product would say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import Refused
from analysis.management.pace import quota_pace
from analysis.management.targets import Targets, hindsight, targets
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import Desk, ask, table
from analysis.reporting.managing.plots import chance_curves
from analysis.reporting.research.picture import Picture


def goals_answer(desk: Desk, draws: int = 2000, seed: int = 0) -> tuple[Targets | Note, Answer | Note]:
    """The targets of the team in view, and their one-sentence answer."""
    found = ask(lambda: targets(desk.book, desk.team_id, draws=draws, seed=seed), "targets from quota")
    if isinstance(found, Note):
        return found, found
    levers = found.levers
    admitted = levers.loc[levers["admitted"] & (levers["basis"] == "study"), "lever"].tolist()
    shown = words.listed([words.kinds_name(kind) for kind in admitted])
    extra = (
        f"Activities that may be used as levers: {shown}."
        if admitted
        else "No activity is proven enough to be a lever."
    )
    return found, Answer(found.sentence, (extra,))


def levers(desk: Desk, found: Targets | Note) -> Table | Note:
    """Every lever: today's pace, what the chances need, what the product of averages says, what is refused and why."""
    if isinstance(found, Note):
        return found
    rows = found.levers.assign(
        lever=found.levers["lever"].str.replace("_", " "),
        remark=np.where(found.levers["admitted"], found.levers["warning"], "no lever: " + found.levers["refusal"]),
    )
    heads = [("lever", "Lever", "text"), ("now_per_week", "Now a week", "number")]
    heads += [(f"per_week_{p}", f"For {p} %", "number") for p in (50, 70, 90)]
    heads += [("naive_per_week", "Product of averages", "number"), ("naive_chance", "which reaches it in", "share")]
    note = "Blank: not reached by any number tried, or no lever."
    return table("What the goal needs", rows, [*heads, ("remark", "Remark", "text")], note=note, source=desk.source)


def chances(desk: Desk, found: Targets | Note) -> Picture | Note:
    """The chance of reaching quota by lever."""
    if isinstance(found, Note):
        return found
    now = dict(zip(found.levers["lever"], found.levers["now_per_week"], strict=True))
    title = f"At today's pace the chance of reaching quota is {words.chance(found.chance_as_is)}"
    return chance_curves(found.curves, now, title=title, source=desk.source)


def pace(desk: Desk) -> Table | Note:
    """Quota pace of the team's reps: a new rep by the ramp curve, the chance from own deals and pace."""
    found = ask(lambda: quota_pace(desk.book), "quota pace")
    if isinstance(found, Note):
        return found
    rows = found[found["team_id"] == desk.team_id].reset_index(drop=True)
    rows = rows.assign(label=[f"rep {number + 1}" for number in range(len(rows))])
    heads = [
        ("label", "Rep", "text"),
        ("quota", "Quota", "money"),
        ("ramp", "Ramp", "share"),
        ("booked", "Booked", "money"),
    ]
    heads += [
        ("expected", "Usual by now", "money"),
        ("gap", "Gap", "money"),
        ("chance", "Chance", "share"),
        ("note", "Remark", "text"),
    ]
    return table("Quota pace", rows, heads, source=desk.source, currency=desk.book.currency)


def hindsight_note(closed: int, asked: int, needed: int) -> Note:
    """What number of asks would have given the deals that were needed."""
    try:
        return Note(hindsight(closed, asked, needed))
    except Refused as refusal:
        return Note(f"{refusal}.")


def frame(found: Targets) -> pd.DataFrame:
    """The levers as a frame for further work."""
    return found.levers
