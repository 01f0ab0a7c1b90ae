"""The hand-off: how fast each side is in business hours, team by team, partner by partner, and who never answers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from analysis import words
from analysis.calendars import BusinessHours
from analysis.management.book import Book
from analysis.reporting import figures
from analysis.reporting.alignment.desk import ABSENT, SIDES, Desk
from analysis.reporting.blocks import Block, Column, Note, Table
from analysis.reporting.company_desk import by_name

MOST_TEAMS, MOST_LEADS, NEW_WEEKS = 20, 10, 13


def sides(desk: Desk) -> Block:
    """Both sides for everybody: share within the agreed hours with its range, half of the leads, still waiting."""
    if told := desk.told(desk.handoff, desk.text("handoff")):
        return told
    body = []
    for side in SIDES:
        row = desk.sides.get(side)
        if row is None:
            body.append((desk.text(f"side_{side}"), *[desk.none] * 4, desk.text("side_missing")))
            continue
        body.append(
            (
                desk.text(f"side_{side}"),
                desk.count(row["n"]),
                desk.hours(row["limit_h"]),
                desk.ranged(row["within"], row["conf_low"], row["conf_high"], desk.share),
                desk.hours(row["median_h"]),
                desk.text("side_naive", {"share": desk.share(row["naive"])}),
            )
        )
    names = ("side", "leads", "agreed", "in_time", "half", "remark")
    columns = tuple(Column(desk.text(name), align="left" if name in ("side", "remark") else "right") for name in names)
    return Table(desk.text("handoff_caption"), columns, tuple(body), note=desk.text("handoff_note"))


def by_team(desk: Desk) -> Block:
    """First touch in time by team, in the order of the alphabet, everybody as a line across."""
    rows = group_rows(desk, "team", "first_touch")
    whole = desk.sides.get("first_touch")
    if rows is None or whole is None:
        return desk.told(desk.handoff, desk.text("by_team")) or Note(desk.text("no_touch"), desk.text("by_team"))
    sizes = desk.team_sizes
    large = rows[[sizes.get(str(team), 0) >= desk.min_group for team in rows["group"]]]
    small = len(rows) - len(large)
    if large.empty:
        return Note(desk.text("all_small", {"n": desk.min_group}), desk.text("by_team"))
    shown = clearest(large, float(whole["within"]))
    names = [desk.team_names.get(str(team), str(team)) for team in shown["group"]]
    order = {name: place for place, name in enumerate(by_name(names))}
    frame = figure_rows(shown.assign(name=names)).sort_values("name", key=lambda n: n.map(order), ignore_index=True)
    clear = int(((frame["low"] > whole["within"]) | (frame["high"] < whole["within"])).sum())
    title = desk.text("by_team_title" if clear else "by_team_title_none", {"n": desk.count(clear)})
    notes = [desk.text("by_team_note", {"share": desk.share(whole["within"]), "hours": desk.hours(whole["limit_h"])})]
    if small:
        notes.append(desk.text("small_left_out", {"n": desk.count(small), "least": desk.min_group}))
    if len(large) > len(shown):
        notes.append(desk.text("teams_left_out", {"n": desk.count(len(large) - len(shown))}))
    return figures.rates(
        frame,
        title=title,
        first=words.text("index.team", locale=desk.locale),
        note=" ".join(notes),
        reference=float(whole["within"]),
        source=desk.source(),
        locale=desk.locale,
    )


def group_rows(desk: Desk, kind: str, side: str) -> pd.DataFrame | None:
    """The rows of one side for teams or partners; None where the side or the groups are not recorded."""
    if isinstance(desk.handoff, ABSENT) or side not in desk.sides:
        return None
    rows = desk.handoff[(desk.handoff["group_kind"] == kind) & (desk.handoff["side"] == side)]
    rows = rows.dropna(subset=["within"])
    return None if rows.empty else rows


def clearest(rows: pd.DataFrame, centre: float) -> pd.DataFrame:
    """At most MOST_TEAMS rows: those whose range lies furthest from the whole."""
    away = pd.concat([rows["conf_low"] - centre, centre - rows["conf_high"]], axis=1).max(axis=1)
    return (
        rows.assign(away=away).sort_values(["away", "group"], ascending=[False, True], kind="stable").head(MOST_TEAMS)
    )


def figure_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns as figures.rates takes them."""
    kept = {"within": "value", "conf_low": "low", "conf_high": "high"}
    return rows.rename(columns=kept)[["name", "value", "low", "high", "n"]]


def partners(desk: Desk) -> Block:
    """Each partner: leads, first touch and feedback in time, leads due without any feedback."""
    if told := desk.told(desk.partners, desk.text("partners")):
        return told
    touch, feedback = (keyed(group_rows(desk, "partner", side)) for side in ("first_touch", "feedback"))
    body = tuple(
        (
            str(row["partner_id"]),
            share_of(desk, touch, row["partner_id"]),
            share_of(desk, feedback, row["partner_id"]),
            desk.count(row["due"]),
            desk.count(row["without"]),
            desk.text("never_answered") if row["never"] else desk.share(row["share"]),
        )
        for row in desk.partners.sort_values("partner_id").to_dict("records")
    )
    names = ("partner", "touch_in_time", "feedback_in_time", "due", "without", "share_without")
    columns = tuple(Column(desk.text(name), align="left" if i == 0 else "right") for i, name in enumerate(names))
    return Table(desk.text("partners_caption"), columns, body, note=desk.text("partners_note"))


def keyed(rows: pd.DataFrame | None) -> dict[str, Any]:
    """Rows by group."""
    return {} if rows is None else {str(row["group"]): row for row in rows.to_dict("records")}


def share_of(desk: Desk, rows: dict[str, Any], group: Any) -> str:
    """A group's share in time with its range, a dash where there is none."""
    row = rows.get(str(group))
    return desk.none if row is None else desk.ranged(row["within"], row["conf_low"], row["conf_high"], desk.share)


def waiting(desk: Desk) -> Block:
    """Recent leads nobody has reported back on, longest wait first; how many there are in all."""
    if told := desk.told(desk.waiting, desk.text("waiting")):
        return told
    since = (pd.Timestamp(desk.pack.as_of) - pd.Timedelta(weeks=NEW_WEEKS)).tz_localize("UTC")
    recent = desk.waiting[desk.waiting["handed_off_at"] > since]
    values = {"all": desk.count(len(desk.waiting)), "recent": desk.count(len(recent)), "weeks": NEW_WEEKS}
    if recent.empty:
        return Note(desk.text("waiting_none", values), desk.text("waiting"))
    body = tuple(waiting_row(desk, row) for row in recent.head(MOST_LEADS).to_dict("records"))
    names = ("lead", "source", "who", "handed_off", "waited", "touched")
    columns = tuple(Column(desk.text(name), align="right" if name == "waited" else "left") for name in names)
    return Table(desk.text("waiting_caption"), columns, body, note=desk.text("waiting_note", values))


def waiting_row(desk: Desk, row: dict[str, Any]) -> tuple[str, ...]:
    """One waiting lead: where it came from, who has it, since when, whether anybody called."""
    partner, team = row.get("partner_id"), str(row.get("team_id"))
    if isinstance(partner, str) and partner:
        who = partner
    else:
        who = desk.team_names.get(team, team) if desk.team_sizes.get(team, 0) >= desk.min_group else desk.none
    touched = desk.text("yes" if row["touched"] else "no") if row["touched"] == row["touched"] else desk.none
    source = words.capital(str(row.get("source") or desk.none).replace("_", " "))
    day = words.date(row["handed_off_at"], locale=desk.locale)
    waited = words.count(round(row["waited_h"] / hours_a_day(desk)), "business_day", locale=desk.locale)
    return str(row["lead_id"]), source, who, day, waited, touched


def hours_a_day(desk: Desk) -> float:
    """Business hours of one working day by the company's rules."""
    rules = desk.book.rules.hours if isinstance(desk.book, Book) else BusinessHours()
    opens, closes = (clock.hour + clock.minute / 60 for clock in (rules.opens, rules.closes))
    return closes - opens
