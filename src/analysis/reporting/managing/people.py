"""Notebook 8, coaching and ramp: the one thing per rep, what coaching goes with, how new reps ramp."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management import coaching as things_room
from analysis.management.coaching_effect import CoachingEffect, coaching_effect
from analysis.management.gaps import CONVERSIONS
from analysis.management.managers import attainment_by_quartile, manager_activity
from analysis.management.ramp import Ramp, ramp
from analysis.management.ramp_plan import activity_plan
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import Desk, ask, table
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.research.picture import Picture


def people_answer(desk: Desk, months: int = 6) -> tuple[pd.DataFrame, Answer]:
    """The one thing of every rep over the last months, and how many have one now."""
    found = things_room.one_thing(desk.book, months)
    now = found[(found["month"] == found["month"].max()) & (found["team_id"] == desk.team_id)]
    active = now[now["status"].isin([things_room.NEW, things_room.OPEN])]
    sentence = (
        f"{len(active)} of {len(now)} reps of the team have one thing to work on; for the others nothing stands out."
    )
    if now["status"].eq(things_room.FEW).all():
        sentence = "The team is too small to compare its reps with each other."
    return found, Answer(sentence, tuple(active["sentence"]))


def _labels(frame: pd.DataFrame) -> pd.Series:
    names = {rep: f"rep {number + 1}" for number, rep in enumerate(sorted(frame["rep_id"].unique()))}
    return frame["rep_id"].map(names)


def things(desk: Desk, found: pd.DataFrame) -> Table:
    """This month's one thing per rep."""
    mine = found[found["team_id"] == desk.team_id].assign(label=_labels)
    now = mine[mine["month"] == mine["month"].max()]
    now = now.assign(thing=[CONVERSIONS.get(name, name.replace("_", " ")) for name in now["thing"]])
    heads = [
        ("label", "Rep", "text"),
        ("thing", "The one thing", "text"),
        ("status", "Status", "text"),
        ("sentence", "Why", "text"),
    ]
    return table("One thing per rep", now, heads, source=desk.source)


def trend_of_things(desk: Desk, found: pd.DataFrame) -> Table:
    """How the things moved from month to month, all teams together."""
    counts = found.groupby(["month", "status"]).size().unstack(fill_value=0).reset_index()
    heads = [
        ("month", "Month to", "date"),
        *[(name, name.capitalize(), "count") for name in counts.columns if name != "month"],
    ]
    return table("Month by month, all teams", counts, heads)


def coaching_note(desk: Desk) -> tuple[CoachingEffect | Note, Note]:
    """What a coaching session goes with, whether that depends on the coach, and the placebo."""
    found = ask(lambda: coaching_effect(desk.book), "coaching and later improvement")
    if isinstance(found, Note):
        return found, found
    low, high = (100 * found.overall.conf_low, 100 * found.overall.conf_high)
    text = f"Over all managers a session goes with {100 * found.overall.estimate:+.1f} % of the coached activity in the next six weeks ({low:+.1f} to {high:+.1f} %)."
    if found.by_skill is not None:
        clear = found.by_skill.p_value < 0.05
        text += f" It {'depends' if clear else 'does not clearly depend'} on the coach (measured by the {found.skill})."
    text += (
        f" Sessions still to come explain nothing (p = {found.placebo.p_value:.2f})."
        if found.placebo.p_value > 0.1
        else (" Sessions still to come seem to explain the past: coaching may follow the numbers, not lead them.")
    )
    return found, Note(f"{text} A plain before-after comparison says {100 * found.naive:+.1f} %.")


def coaching_by_manager(desk: Desk, found: CoachingEffect | Note) -> Picture | Note:
    """Each manager's slope, pulled toward the others."""
    if isinstance(found, Note):
        return found
    rows = found.by_manager.sort_values("shrunk", ascending=False)
    rows = rows.assign(label=[f"manager {number + 1}" for number in range(len(rows))])
    clear = ((rows["shrunk_low"] > 0) | (rows["shrunk_high"] < 0)).sum()
    return whiskers(
        rows, "label", "shrunk", ("shrunk_low", "shrunk_high"), share=True, other=("estimate", "the manager's own data alone"),
        title=f"The coaching of {clear} of {len(rows)} managers goes with a change", axis="change of the coached activity per session",
    )  # fmt: skip


def manager_table(desk: Desk) -> Table | Note:
    """What the team's manager does, per kind."""
    found = ask(lambda: manager_activity(desk.book), "manager activity")
    if isinstance(found, Note):
        return found
    reps = desk.book.frame("reps")
    mine = reps.loc[reps["team_id"] == desk.team_id, "manager_id"].dropna().unique()
    rows = found[found["manager_id"].isin(mine)]
    heads = [("title", "What", "text"), ("unit", "Unit", "text"), ("sessions", "Sessions", "count")]
    return table(
        "The manager's own activity", rows, [*heads, ("value", "Pace", "number:conf_low:conf_high")], source=desk.source
    )


def quartiles(desk: Desk) -> Table | Note:
    """Quota attainment by how much managers coach."""
    found = ask(lambda: attainment_by_quartile(desk.book), "attainment by manager quartile")
    if isinstance(found, Note):
        return found
    heads = [
        ("quartile", "Quartile (4 coaches most)", "count"),
        ("managers", "Managers", "count"),
        ("reps", "Reps", "count"),
    ]
    heads += [
        ("sessions_per_rep_month", "Sessions per rep and month", "number"),
        ("value", "Attainment", "share:conf_low:conf_high"),
    ]
    note = "It describes: managers may coach more where it goes badly, or have time for it where it goes well."
    return table("Quota attainment by manager quartile", found, [*heads, ("note", "Remark", "text")], note=note)


def ramp_times(desk: Desk) -> tuple[Ramp | Note, Table | Note]:
    """Time to the first deal and to quota pace, per hire cohort."""
    found = ask(lambda: ramp(desk.book), "ramp of new reps")
    if isinstance(found, Note):
        return found, found
    rows = found.times.assign(
        cohort=found.times["cohort"].replace("", "all new reps"), event=found.times["event"].str.replace("_", " ")
    )
    heads = [
        ("cohort", "Hired", "text"),
        ("event", "Until", "text"),
        ("n", "Reps", "count"),
        ("events", "Got there", "count"),
    ]
    heads += [
        ("median_days", "Median days", "count:conf_low:conf_high"),
        ("naive_days", "Mean of those who did", "count"),
    ]
    note = f"{found.skipped} reps were hired before the records begin, or nobody knows when, and are not followed."
    return found, table("How long new reps take", rows, [*heads, ("note", "Remark", "text")], note=note)


def ramp_curve(desk: Desk, found: Ramp | Note) -> Picture | Note:
    """Productivity by tenure as a share of the same rep's level after a year."""
    if isinstance(found, Note):
        return found
    rows = found.curve.iloc[:-1].assign(
        label=[f"weeks {int(a)} to {int(b)}" for a, b in found.curve.iloc[:-1][["from_week", "to_week"]].to_numpy()]
    )
    known = rows.dropna(subset=["share"])
    below = known[known["conf_high"] < 1]
    title = "No stretch of the first year is clearly below full strength"
    if len(below):
        title = f"New reps are clearly below full strength until week {int(below['to_week'].max())}"
    return whiskers(
        rows, "label", "share", ("conf_low", "conf_high"), share=True, line=1.0, other=("naive_share", "those still here against tenured reps"),
        title=title, axis="wins as a share of the same rep's level after a year",
    )  # fmt: skip


def ramp_plan_table(desk: Desk, found: Ramp | Note) -> Table | Note:
    """What those who ramped did in their first months, beside the others."""
    if isinstance(found, Note):
        return found
    plan = activity_plan(desk.book, found)
    if plan.empty:
        return Note("Nobody has reached quota pace yet: there is no example to follow.")
    wide = plan[plan["from_week"] < 26].assign(
        weeks=lambda f: [f"{int(a)} to {int(b)}" for a, b in f[["from_week", "to_week"]].to_numpy()]
    )
    rows = wide[wide["group"] == "ramped"].merge(
        wide.loc[wide["group"] == "others", ["kind", "weeks", "value"]].rename(columns={"value": "others"}),
        on=["kind", "weeks"],
        how="left",
    )
    rows = rows.assign(kind=[words.capital(words.kinds_name(kind)) for kind in rows["kind"]])
    heads = [
        ("kind", "Activity", "text"),
        ("weeks", "Weeks in the job", "text"),
        ("value", "A week, those who ramped", "number:conf_low:conf_high"),
    ]
    return table(
        "A plan from those who ramped", rows, [*heads, ("others", "Others", "number"), ("note", "Remark", "text")]
    )
