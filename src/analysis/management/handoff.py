"""The hand-off between marketing and sales: how fast each side is in business hours, and who never says what came of it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import words
from analysis.calendars import BusinessHours
from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Cells, Floats
from analysis.management.roster import Places, numbered, places, roster, texts
from analysis.management.survival import EVENT, OPEN, cell_conversions, cell_curves, cell_medians_of

SAY = words.Voice("management.handoff")
ALL = "everybody"
Clocks = dict[BusinessHours, list[int]]  # opening hours -> the teams (places in the roster) that keep them
Instants = NDArray[np.datetime64]
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
    people = roster(book)
    who = places(rep, people.reps)
    team = np.where(who >= 0, people.now[who], -1) if len(people.now) else who
    names = texts(team, people.teams).set_axis(leads.index)
    out = pd.DataFrame({"lead_id": leads["lead_id"], "rep_id": rep, "team_id": names})
    for name in ("source", "partner_id", "opportunity_id", "handed_off_at"):
        if name in leads:
            out[name] = leads[name]
    at = {name: _utc(leads[name]) for _, *pair in SIDES.values() for name in pair if name in leads}
    ends = {f"{side}_h": (at[a], at[b]) for side, (_, a, b) in SIDES.items() if a in at and b in at}
    now = (book.as_of + pd.Timedelta(days=1)).to_datetime64()
    ends["waited_h"] = (at["handed_off_at"], np.full(len(leads), now, dtype="datetime64[us]"))
    out = out.assign(**_hours(_clocks(book, team), team, ends))
    local = pd.DatetimeIndex(_local(book, team, at["handed_off_at"]))
    return out.assign(weekday=local.day_of_week, hour=local.hour)


def _utc(instants: pd.Series) -> Instants:
    return instants.to_numpy(dtype="datetime64[us]")


def _zones(book: Book) -> dict[str, str]:
    if not book.has("teams", "timezone"):
        return {}
    teams = book.frame("teams").dropna(subset=["timezone"])
    return dict(zip(teams["team_id"], teams["timezone"], strict=True))


def _hours(clocks: Clocks, team: Places, spans: dict[str, tuple[Instants, Instants]]) -> dict[str, Floats]:
    """Business hours of each span (name -> instants from, to) by the clock and holidays of each row's team."""
    out = np.full((len(spans), len(team)), np.nan)
    for clock, teams in clocks.items():
        rows = np.isin(team, teams)
        # All spans of a clock at once: to lay out its shifts costs more than to read them.
        starts, ends = (pd.Series(np.concatenate([span[side][rows] for span in spans.values()])) for side in (0, 1))
        out[:, rows] = clock.hours_between(starts, ends).to_numpy().reshape(len(spans), -1)
    return dict(zip(spans, np.maximum(out, 0.0), strict=True))


def _clocks(book: Book, team: Places) -> Clocks:
    """Teams by their common opening hours; a clock is costly, and teams of one region share theirs. -1 = no team."""
    zones, rules, holidays = _zones(book), book.rules.hours, _holidays(book)
    out: Clocks = {}
    for place in [-1, *np.flatnonzero(np.bincount(team[team >= 0]))]:
        name = str(roster(book).teams[place]) if place >= 0 else ""
        zone, free = zones.get(name, rules.timezone), frozenset(holidays.get("", []) + holidays.get(name, []))
        out.setdefault(BusinessHours(zone, rules.opens, rules.closes, rules.weekdays, free), []).append(int(place))
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


def _local(book: Book, team: Places, instants: Instants) -> Instants:
    """Wall-clock time in the team's zone; UTC where it has none."""
    zones, out = _zones(book), instants.copy()
    zone_of = np.array([*(zones.get(str(name), "") for name in roster(book).teams), ""])[team]
    for zone in sorted(set(zones.values())):
        rows = zone_of == zone
        here = pd.DatetimeIndex(instants[rows], tz="UTC").tz_convert(zone)
        out[rows] = here.tz_localize(None).to_numpy(dtype="datetime64[us]")
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
    parts, groups = [], _groups(recent)
    for side, (title, start, end) in SIDES.items():
        gap = book.need("leads", start, end)
        if gap:
            parts.append(pd.DataFrame({"side": [side], "title": title, "missing": ", ".join(gap.missing)}))
            continue
        parts.append(_side(recent, *groups, f"{side}_h", limits[side]).assign(side=side, title=title, missing=""))
    front = ["side", "title", "group_kind", "group"]
    out = pd.concat(parts, ignore_index=True)
    return out[[*[c for c in front if c in out], *[c for c in out if c not in front]]]


def _groups(clock: pd.DataFrame) -> tuple[Cells, pd.DataFrame]:
    """Number of the cell of each lead, twice over: for everybody, and for its partner or else its team (-1 = neither);
    and group_kind and group of each cell."""
    every = np.zeros(len(clock), dtype=np.int64)
    partner, partners = (
        numbered(clock["partner_id"]) if "partner_id" in clock else (every - 1, np.zeros(0, dtype=object))
    )
    team, teams = numbered(clock["team_id"])
    # Those whose every lead went to a partner have no row of their own.
    held = np.flatnonzero(np.bincount(team[(partner < 0) & (team >= 0)], minlength=len(teams)))
    of_team = np.searchsorted(held, team) + 1 + len(partners)
    own = np.where(partner >= 0, partner + 1, np.where(team >= 0, of_team, -1))
    whole = [ALL] * min(len(clock), 1)
    kind = [*whole, *["partner"] * len(partners), *["team"] * len(held)]
    group = [*whole, *partners, *teams[held]]
    return np.concatenate([every, own]), pd.DataFrame({"group_kind": kind, "group": group}, dtype="str")


def _side(clock: pd.DataFrame, cell: Cells, names: pd.DataFrame, column: str, limit: float) -> pd.DataFrame:
    hours = clock[column].to_numpy()
    done = ~np.isnan(hours)
    days, done = np.tile(np.where(done, hours, clock["waited_h"]), 2), np.tile(done, 2)
    end = np.where(done, EVENT, OPEN)
    curve = cell_curves(cell, days, end)
    found = cell_conversions(cell, days, end, limit, curve).set_index("cell")
    out = names.join(found).rename(columns={"conversion": "within"}).assign(limit_h=limit)
    out["median_h"] = cell_medians_of(curve).set_index("cell")["median_days"]
    happened = (cell >= 0) & done
    with np.errstate(invalid="ignore"):
        out["naive"] = np.bincount(cell[happened], days[happened] <= limit, len(out)) / np.bincount(
            cell[happened], minlength=len(out)
        )
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
    if gap := book.need("leads", "feedback_at", "handed_off_at"):
        return gap
    clock = lead_clock(book)
    if isinstance(clock, NotRecorded) or not book.has("leads", "partner_id"):
        return NotRecorded(("leads.partner_id",))
    due = clock.loc[clock["partner_id"].notna() & (clock["waited_h"] > book.rules.feedback_hours)]
    out = due.groupby("partner_id").agg(due=("lead_id", "size"), told=("feedback_h", "count")).reset_index()
    out["without"] = out["due"] - out["told"]
    return out.assign(share=out["without"] / out["due"], never=out["told"] == 0).sort_values(
        ["share", "partner_id"], ascending=[False, True], ignore_index=True
    )
