"""Notebook 6, targets from quota: what the goal needs, with which probability, and what the usual product would say."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.errors import Refused
from analysis.management.pace import quota_pace
from analysis.management.targets import Targets, hindsight, targets
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.goals import goal_sentence
from analysis.reporting.managing.desk import SAY, Desk
from analysis.reporting.managing.plots import chance_curves
from analysis.reporting.managing.tables import table
from analysis.reporting.research.picture import Picture

LEVERS = {
    "lever": "text",
    "now_per_week": "number",
    "per_week_50": "number",
    "per_week_70": "number",
    "per_week_90": "number",
    "naive_per_week": "number",
    "naive_chance": "share",
    "remark": "text",
}
PACE = {
    "label": "text",
    "quota": "money",
    "ramp": "share",
    "booked": "money",
    "expected": "money",
    "gap": "money",
    "chance": "share",
    "note": "text",
}


def goals_answer(desk: Desk, draws: int = 2000, seed: int = 0) -> tuple[Targets | Note, Answer | Note]:
    """The targets of the team in view, and their one-sentence answer."""
    found = desk.ask(lambda: targets(desk.book, desk.team_id, draws=draws, seed=seed), "targets")
    if isinstance(found, Note):
        return found, found
    levers = found.levers
    admitted = levers.loc[levers["admitted"] & (levers["basis"] == "study"), "lever"].tolist()
    shown = {"activities": desk.say.together(admitted)}
    extra = desk.say.text("goals.admitted", shown) if admitted else desk.say.text("goals.no_lever")
    return found, Answer(goal_sentence(found, desk.book.currency, locale=desk.say.locale), (extra,))


def levers(desk: Desk, found: Targets | Note) -> Table | Note:
    """Every lever: today's pace, what the chances need, what the product of averages says, what is refused and why."""
    if isinstance(found, Note):
        return found
    refused = [desk.say.text("goals.refused", {"why": why}) for why in found.levers["refusal"]]
    rows = found.levers.assign(
        lever=found.levers["lever"].str.replace("_", " "),
        remark=np.where(found.levers["admitted"], found.levers["warning"], refused),
    )
    return table(desk.say, "levers", rows, LEVERS, note=desk.say.text("levers.note"), source=desk.source)


def chances(desk: Desk, found: Targets | Note) -> Picture | Note:
    """The chance of reaching quota by lever."""
    if isinstance(found, Note):
        return found
    now = dict(zip(found.levers["lever"], found.levers["now_per_week"], strict=True))
    chance = words.chance(found.chance_as_is, locale=desk.say.locale)
    title = desk.say.text("goals.chances", {"chance": chance})
    return chance_curves(desk.say, found.curves, now, title=title, source=desk.source)


def pace(desk: Desk) -> Table | Note:
    """Quota pace of the team's reps: a new rep by the ramp curve, the chance from own deals and pace."""
    found = desk.ask(lambda: quota_pace(desk.book), "pace")
    if isinstance(found, Note):
        return found
    rows = found[found["team_id"] == desk.team_id].reset_index(drop=True)
    rows = rows.assign(label=[desk.say.text("rep", {"n": number + 1}) for number in range(len(rows))])
    return table(desk.say, "pace", rows, PACE, source=desk.source, currency=desk.book.currency)


def hindsight_note(closed: int, asked: int, needed: int, say: words.Voice = SAY) -> Note:
    """What number of asks would have given the deals that were needed."""
    try:
        return Note(hindsight(closed, asked, needed))
    except Refused as refusal:
        return Note(say.text("goals.hindsight_refused", {"why": refusal}))


def frame(found: Targets) -> pd.DataFrame:
    """The levers as a frame for further work."""
    return found.levers
