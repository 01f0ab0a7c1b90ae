"""The hand-off between marketing and sales: how fast each side is in business hours, and who never says what came of it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from analysis import words
from analysis.calendars import BusinessHours
from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats
from analysis.management.survival import EVENT, OPEN, conversion, median_days

SAY = words.Voice("management.handoff")
ALL = "everybody"
Clocks = dict[BusinessHours, list[str]]
SIDES = {
    "marketing": (SAY.text("marketing"), "qualified_at", "handed_off_at"),
    "first_touch": (SAY.text("first_touch"), "handed_off_at", "first_touch_at"),
    "feedback": (SAY.text("feedback"), "handed_off_at", "feedback_at"),
}


def lead_clock(book: Book) -> pd.DataFrame | NotRecorded:
    """Leads handed off, with team_id, rep_id, source, partner_id and, in business hours of the assigned rep's team:
    marketing_h, first_touch_h, feedback_h (blank = not yet) and waited_h (hand-off to today)."""
    if gap := book.need("leads", "handed_off_at"):
        return gap
    return book.shared("lead_clock", lambda: _lead_clock(book))


def _lead_clock(book: Book) -> pd.DataFrame:
    leads = book.frame("leads").dropna(subset=["handed_off_at"])
    rep = leads["assigned_rep_id"] if "assigned_rep_id" in leads else pd.Series(pd.NA, index=leads.index, dtype="str")
    team = rep.map(book.frame("reps").set_index("rep_id")["team_id"])
    out = pd.DataFrame({"lead_id": leads["lead_id"], "rep_id": rep, "team_id": team})
    for name in ("source", "partner_id", "opportunity_id", "handed_off_at"):
        if name in leads:
            out[name] = leads[name]
    now = (book.as_of + pd.Timedelta(days=1)).tz_localize("UTC")
    ends = {f"{side}_h": (leads[a], leads[b]) for side, (_, a, b) in SIDES.items() if a in leads and b in leads}
    ends["waited_h"] = (leads["handed_off_at"], pd.Series(now, index=leads.index))
    out = out.assign(**_hours(_clocks(book, team), team, ends))
    local = leads["handed_off_at"].dt.tz_localize(None) + _offset(book, team, leads["handed_off_at"])
    return out.assign(weekday=local.dt.day_of_week, hour=local.dt.hour)


def _zones(book: Book) -> dict[str, str]:
    if not book.has("teams", "timezone"):
        return {}
    teams = book.frame("teams").dropna(subset=["timezone"])
    return dict(zip(teams["team_id"], teams["timezone"], strict=True))


def _hours(clocks: Clocks, team: pd.Series, spans: dict[str, tuple[pd.Series, pd.Series]]) -> dict[str, Floats]:
    """Business hours of each span (name -> instants from, to) by the clock and holidays of each row's team."""
    out = np.full((len(spans), len(team)), np.nan)
    for clock, teams in clocks.items():
        rows = (team.isin(teams) | (team.isna() if "" in teams else False)).to_numpy()
        # All spans of a clock at once: to lay out its shifts costs more than to read them.
        starts, ends = (pd.concat([span[side].loc[rows] for span in spans.values()]) for side in (0, 1))
        out[:, rows] = clock.hours_between(starts, ends).to_numpy().reshape(len(spans), -1)
    return dict(zip(spans, np.maximum(out, 0.0), strict=True))


def _clocks(book: Book, team: pd.Series) -> Clocks:
    """Teams by their common opening hours; a clock is costly, and teams of one region share theirs. "" = no team."""
    zones, rules, holidays = _zones(book), book.rules.hours, _holidays(book)
    out: Clocks = {}
    for name in ["", *sorted(team.dropna().unique())]:
        zone, free = zones.get(name, rules.timezone), frozenset(holidays.get("", []) + holidays.get(name, []))
        out.setdefault(BusinessHours(zone, rules.opens, rules.closes, rules.weekdays, free), []).append(name)
    return out


def _holidays(book: Book) -> dict[str, list[date]]:
    """Days off by team; "" = of all."""
    if not book.has("holidays"):
        return {}
    table = book.frame("holidays")
    team = table["team_id"].fillna("") if "team_id" in table else pd.Series("", index=table.index)
    out: dict[str, list[date]] = {}
    for name, day in zip(team, table["date"].dt.date, strict=True):
        out.setdefault(str(name), []).append(day)
    return out


def _offset(book: Book, team: pd.Series, instants: pd.Series) -> pd.Series:
    """Local clock less UTC, by the team's zone."""
    zones = _zones(book)
    out = pd.Series(pd.Timedelta(0), index=instants.index).astype("timedelta64[us]")
    zone_of = team.map(zones).to_numpy(dtype=object)
    for zone in sorted(set(zones.values())):
        rows = zone_of == zone
        local = instants.loc[rows].dt.tz_convert(zone).dt.tz_localize(None)
        out.loc[rows] = (local - instants.loc[rows].dt.tz_localize(None)).astype("timedelta64[us]")
    return out


def hand_off(book: Book, weeks: int = 26) -> pd.DataFrame | NotRecorded:
    """Both sides of the hand-off for everybody, each team and each partner, leads handed off in the last weeks.

    Columns: side, title, group_kind (`everybody`, `team`, `partner`), group, n, running (still waiting and not yet
    late), within, conf_low, conf_high (share within the agreed hours, 95 %), limit_h, median_h (of all, waiting ones
    counted as running), naive (share of those that happened at all), bias, missing.
    """
    clock = lead_clock(book)
    if isinstance(clock, NotRecorded):
        return clock
    since = (book.as_of - pd.Timedelta(weeks=weeks)).tz_localize("UTC")
    recent = clock.loc[clock["handed_off_at"] > since]
    limits = {
        "marketing": book.rules.sla_hours,
        "first_touch": book.rules.sla_hours,
        "feedback": book.rules.feedback_hours,
    }
    parts = []
    for side, (title, start, end) in SIDES.items():
        gap = book.need("leads", start, end)
        if gap:
            parts.append(pd.DataFrame({"side": [side], "title": title, "missing": ", ".join(gap.missing)}))
            continue
        parts.append(_side(_groups(recent), f"{side}_h", limits[side]).assign(side=side, title=title, missing=""))
    front = ["side", "title", "group_kind", "group"]
    out = pd.concat(parts, ignore_index=True)
    return out[[*[c for c in front if c in out], *[c for c in out if c not in front]]]


def _groups(clock: pd.DataFrame) -> pd.DataFrame:
    """Every lead for everybody, for its team (unless a partner has it) and for its partner."""
    parts = [clock.assign(group_kind=ALL, group=ALL)]
    partner = clock["partner_id"].notna() if "partner_id" in clock else pd.Series(False, index=clock.index)
    parts.append(clock.loc[~partner & clock["team_id"].notna()].assign(group_kind="team", group=clock["team_id"]))
    if partner.any():
        parts.append(clock.loc[partner].assign(group_kind="partner", group=clock["partner_id"]))
    return pd.concat(parts, ignore_index=True)


def _side(rows: pd.DataFrame, column: str, limit: float) -> pd.DataFrame:
    done = rows[column].notna()
    cases = rows[["group_kind", "group"]].assign(
        days=rows[column].where(done, rows["waited_h"]), end=np.where(done, EVENT, OPEN)
    )
    keys = ["group_kind", "group"]
    out = conversion(cases, keys, limit)
    out = out.rename(columns={"conversion": "within"}).assign(limit_h=limit)
    half = median_days(cases, keys).rename(columns={"median_days": "median_h"})
    out = out.merge(half[[*keys, "median_h"]], on=keys)
    happened = cases.loc[done].assign(ok=cases["days"] <= limit).groupby(keys)["ok"].mean().rename("naive")
    out = out.merge(happened.reset_index(), on=keys, how="left")
    late = (out["n"] - out["reached"] - out["running"]).astype(int)
    out["bias"] = np.where(out["naive"] > out["within"] + 0.005, SAY.text("too_high"), "")
    return out.assign(late=late).drop(columns=["other", "effective_n", "followed_days"])


def no_feedback(book: Book) -> pd.DataFrame | NotRecorded:
    """Leads handed off longer ago than the agreed hours without any feedback, longest first.

    Columns: lead_id, source, partner_id, team_id, rep_id, handed_off_at, waited_h, touched.
    """
    if gap := book.need("leads", "feedback_at", "handed_off_at"):
        return gap
    clock = lead_clock(book)
    if isinstance(clock, NotRecorded):
        return clock
    silent = clock.loc[clock["feedback_h"].isna() & (clock["waited_h"] > book.rules.feedback_hours)]
    touched = silent["first_touch_h"].notna() if "first_touch_h" in silent else np.nan
    keep = ["lead_id", "source", "partner_id", "team_id", "rep_id", "handed_off_at", "waited_h"]
    out = silent[[name for name in keep if name in silent]].assign(touched=touched)
    return out.sort_values(["waited_h", "lead_id"], ascending=[False, True]).reset_index(drop=True)


def no_feedback_by_partner(book: Book) -> pd.DataFrame | NotRecorded:
    """Per partner: leads due for feedback, without any, the share, and whether the partner never answered at all."""
    silent, clock = no_feedback(book), lead_clock(book)
    if isinstance(silent, NotRecorded):
        return silent
    if isinstance(clock, NotRecorded) or not book.has("leads", "partner_id"):
        return NotRecorded(("leads.partner_id",))
    due = clock.loc[clock["partner_id"].notna() & (clock["waited_h"] > book.rules.feedback_hours)]
    out = due.groupby("partner_id").agg(due=("lead_id", "size"), told=("feedback_h", "count")).reset_index()
    out["without"] = out["due"] - out["told"]
    return out.assign(share=out["without"] / out["due"], never=out["told"] == 0).sort_values(
        ["share", "partner_id"], ascending=[False, True], ignore_index=True
    )
