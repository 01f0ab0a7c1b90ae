"""Notebook 8, coaching and ramp: the one thing per rep, what coaching goes with, how new reps ramp."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management import coaching as things_room
from analysis.management.coaching_effect import CoachingEffect, coaching_effect
from analysis.management.gaps import gap_name
from analysis.management.managers import attainment_by_quartile, manager_activity
from analysis.management.ramp import Ramp, ramp
from analysis.management.ramp_plan import activity_plan
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import Desk
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.managing.tables import table
from analysis.reporting.research.picture import Picture

THINGS = {"label": "text", "thing": "text", "status": "code", "sentence": "text"}
MANAGER = {"title": "text", "unit": "text", "sessions": "count", "value": "number:conf_low:conf_high"}
QUARTILES = {
    "quartile": "count",
    "managers": "count",
    "reps": "count",
    "sessions_per_rep_month": "number",
    "value": "share:conf_low:conf_high",
    "remark": "text",
}
RAMP_TIMES = {
    "cohort": "text",
    "event": "text",
    "n": "count",
    "events": "count",
    "median_days": "count:conf_low:conf_high",
    "naive_days": "count",
    "remark": "text",
}
RAMP_PLAN = {
    "kind": "text",
    "weeks": "text",
    "value": "number:conf_low:conf_high",
    "others": "number",
    "remark": "text",
}


def people_answer(desk: Desk, months: int = 6) -> tuple[pd.DataFrame, Answer]:
    """The one thing of every rep over the last months, and how many have one now."""
    found = things_room.one_thing(desk.book, months)
    now = found[(found["month"] == found["month"].max()) & (found["team_id"] == desk.team_id)]
    active = now[now["status"].isin([things_room.NEW, things_room.OPEN])]
    sentence = desk.say.text("people.answer", {"active": len(active), "all": len(now)})
    if now["status"].eq(things_room.FEW).all():
        sentence = desk.say.text("people.too_small")
    return found, Answer(sentence, tuple(active["sentence"]))


def things(desk: Desk, found: pd.DataFrame) -> Table:
    """This month's one thing per rep."""
    mine = found[found["team_id"] == desk.team_id]
    numbers = {rep: desk.say.text("rep", {"n": place + 1}) for place, rep in enumerate(sorted(mine["rep_id"].unique()))}
    now = mine[mine["month"] == mine["month"].max()]
    called = [gap_name(name, desk.say.locale) if name else "" for name in now["thing"]]
    rows = now.assign(label=now["rep_id"].map(numbers), thing=called)
    return table(desk.say, "things", rows, THINGS, source=desk.source)


def trend_of_things(desk: Desk, found: pd.DataFrame) -> Table:
    """How the things moved from month to month, all teams together."""
    counts = found.groupby(["month", "status"]).size().unstack(fill_value=0).reset_index()
    heads = {str(name): words.capital(desk.say.code(str(name))) for name in counts.columns if name != "month"}
    return table(desk.say, "things_trend", counts, {"month": "date", **dict.fromkeys(heads, "count")}, heads=heads)


def coaching_note(desk: Desk) -> tuple[CoachingEffect | Note, Note]:
    """What a coaching session goes with, whether that depends on the coach, and the placebo."""
    found = desk.ask(lambda: coaching_effect(desk.book), "coaching")
    if isinstance(found, Note):
        return found, found
    overall = found.overall
    ends = {"change": overall.estimate, "low": overall.conf_low, "high": overall.conf_high}
    values = {name: _signed(desk, value) for name, value in ends.items()}
    said = [desk.say.text("people.session", values)]
    if found.by_skill is not None:
        key = "people.depends" if found.by_skill.p_value < 0.05 else "people.depends_not"
        said.append(desk.say.text(key, {"skill": found.skill}))
    fine = found.placebo.p_value > 0.1
    said.append(desk.say.text("people.placebo_fine" if fine else "people.placebo_bad", {"p": f"{found.placebo.p_value:.2f}"}))  # fmt: skip
    said.append(desk.say.text("people.plain", {"change": _signed(desk, found.naive)}))
    return found, Note(" ".join(said))


def _signed(desk: Desk, change: float) -> str:
    """A change in per cent with its sign."""
    return ("+" if change > 0 else "") + desk.say.share(change, decimals=1)


def coaching_by_manager(desk: Desk, found: CoachingEffect | Note) -> Picture | Note:
    """Each manager's slope, pulled toward the others."""
    if isinstance(found, Note):
        return found
    rows = found.by_manager.sort_values("shrunk", ascending=False)
    rows = rows.assign(label=[desk.say.text("manager", {"n": number + 1}) for number in range(len(rows))])
    clear = ((rows["shrunk_low"] > 0) | (rows["shrunk_high"] < 0)).sum()
    return whiskers(
        desk.say, rows, "label", "shrunk", ("shrunk_low", "shrunk_high"), share=True,
        other=("estimate", desk.say.text("people.own_data")), axis=desk.say.text("people.by_manager_axis"),
        title=desk.say.text("people.by_manager", {"clear": clear, "all": len(rows)}),
    )  # fmt: skip


def manager_table(desk: Desk) -> Table | Note:
    """What the team's manager does, per kind."""
    found = desk.ask(lambda: manager_activity(desk.book), "manager")
    if isinstance(found, Note):
        return found
    reps = desk.book.frame("reps")
    mine = reps.loc[reps["team_id"] == desk.team_id, "manager_id"].dropna().unique()
    rows = found[found["manager_id"].isin(mine)]
    return table(desk.say, "manager_activity", rows, MANAGER, source=desk.source)


def quartiles(desk: Desk) -> Table | Note:
    """Quota attainment by how much managers coach."""
    found = desk.ask(lambda: attainment_by_quartile(desk.book), "quartiles")
    if isinstance(found, Note):
        return found
    rows = found.rename(columns={"note": "remark"})
    return table(desk.say, "quartiles", rows, QUARTILES, note=desk.say.text("quartiles.note"))


def ramp_times(desk: Desk) -> tuple[Ramp | Note, Table | Note]:
    """Time to the first deal and to quota pace, per hire cohort."""
    found = desk.ask(lambda: ramp(desk.book), "ramp")
    if isinstance(found, Note):
        return found, found
    rows = found.times.rename(columns={"note": "remark"}).assign(
        cohort=found.times["cohort"].replace("", desk.say.text("people.all_new")),
        event=found.times["event"].map(desk.say.code),
    )
    note = desk.say.text("people.skipped", {"n": found.skipped})
    return found, table(desk.say, "ramp_times", rows, RAMP_TIMES, note=note)


def ramp_curve(desk: Desk, found: Ramp | Note) -> Picture | Note:
    """Productivity by tenure as a share of the same rep's level after a year."""
    if isinstance(found, Note):
        return found
    stretches = found.curve.iloc[:-1][["from_week", "to_week"]].to_numpy()
    labels = [desk.say.text("weeks", {"first": int(first), "last": int(last)}) for first, last in stretches]
    rows = found.curve.iloc[:-1].assign(label=labels)
    known = rows.dropna(subset=["share"])
    below = known[known["conf_high"] < 1]
    title = desk.say.text("people.curve_whole")
    if len(below):
        title = desk.say.text("people.curve_below", {"week": int(below["to_week"].max())})
    return whiskers(
        desk.say, rows, "label", "share", ("conf_low", "conf_high"), share=True, line=1.0, title=title,
        other=("naive_share", desk.say.text("people.curve_naive")), axis=desk.say.text("people.curve_axis"),
    )  # fmt: skip


def ramp_plan_table(desk: Desk, found: Ramp | Note) -> Table | Note:
    """What those who ramped did in their first months, beside the others."""
    if isinstance(found, Note):
        return found
    plan = activity_plan(desk.book, found)
    if plan.empty:
        return Note(desk.say.text("people.nobody"))
    early = plan[plan["from_week"] < 26]
    spans = early[["from_week", "to_week"]].to_numpy()
    wide = early.assign(weeks=[desk.say.between(str(int(first)), str(int(last))) for first, last in spans])
    others = wide.loc[wide["group"] == "others", ["kind", "weeks", "value"]].rename(columns={"value": "others"})
    rows = wide[wide["group"] == "ramped"].merge(others, on=["kind", "weeks"], how="left")
    rows = rows.rename(columns={"note": "remark"}).assign(kind=[desk.say.label(kind) for kind in rows["kind"]])
    return table(desk.say, "ramp_plan", rows, RAMP_PLAN)
