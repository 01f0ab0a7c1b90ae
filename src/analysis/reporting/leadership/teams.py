"""Teams side by side, never ranked by chance: do they differ at all, in what, and what each booked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import NotRecorded
from analysis.models.multiplicity import benjamini_hochberg
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Group, Note, Points, Table
from analysis.reporting.company_desk import by_name
from analysis.reporting.leadership.desk import Desk

MOST_ACTIVITIES, MOST_TEAMS, MOST_ROWS = 2, 20, 40
DIFFER_LEVEL = 0.05


def differing(desk: Desk) -> dict[str, bool]:
    """activity -> whether teams differ in it by more than chance, counting every activity looked at."""
    averages = desk.pack.details.get("averages_over_teams", {})
    names = [name for name in averages if words.is_known(averages[name].get("q_p"))]
    if not names:
        return {}
    adjusted = benjamini_hochberg([float(averages[name]["q_p"]) for name in names])
    return {name: bool(q <= DIFFER_LEVEL) for name, q in zip(names, adjusted, strict=True)}


def differ(desk: Desk) -> Block:
    """One sentence an activity that predicts: whether teams differ, and by how much."""
    found, averages = differing(desk), desk.pack.details.get("averages_over_teams", {})
    if not found:
        return Note(desk.text("too_few_teams"))
    kinds = [row["activity"] for row in desk.found if row["activity"] in found] or list(found)
    same = [kind for kind in kinds if not found[kind]]
    said = [spread(desk, kind, averages[kind]) for kind in kinds if found[kind]]
    if same:
        names = words.listed([words.kinds_name(kind, locale=desk.locale) for kind in same], locale=desk.locale)
        said.append(desk.text("teams_alike", {"activities": names}))
    return Points((*said, desk.text("teams_caution")))


def spread(desk: Desk, kind: str, average: dict[str, Any]) -> str:
    """How far apart teams are: the middle nineteen of twenty teams by the spread between them."""
    half = 1.96 * float(np.sqrt(average["tau2"]))
    low, high = (float(np.expm1(average["mean"] + side * half)) for side in (-1, 1))
    values = {
        "activities": words.kinds_name(kind, locale=desk.locale),
        "activity": words.kind_name(kind, locale=desk.locale),
    }
    return desk.text("teams_differ", {**values, "low": desk.share(low), "high": desk.share(high)})


def effects(desk: Desk) -> Block:
    """Every team on the clearest activities, on one scale with intervals."""
    kinds = [row["activity"] for row in desk.found][:MOST_ACTIVITIES]
    if not kinds:
        return Note(desk.text("no_claims_teams"))
    if desk.by_team.empty or desk.by_team["team_id"].nunique() < 2:
        return Note(desk.text("small_teams", {"n": desk.min_group}))
    found = differing(desk)
    drawn = tuple(
        figures.teams(
            clearest(desk.by_team[desk.by_team["activity"] == kind]),
            desk.team_names,
            kind,
            differ=found.get(kind),
            currency=desk.pack.currency,
            period=desk.pack.panel.period,
            source=desk.source(),
            locale=desk.locale,
        )
        for kind in kinds
    )
    return Group(drawn)


def clearest(rows: pd.DataFrame) -> pd.DataFrame:
    """At most MOST_TEAMS teams: those whose range lies furthest from the middle of all estimates."""
    if len(rows) <= MOST_TEAMS:
        return rows
    middle = rows["effect_relative"].median()
    away = pd.concat([rows["relative_low"] - middle, middle - rows["relative_high"]], axis=1).max(axis=1)
    return rows.iloc[(-away.to_numpy(float)).argsort(kind="stable")[:MOST_TEAMS]]


def last_quarter(desk: Desk) -> pd.DataFrame:
    """Team rows of the scorecard in the company's last complete quarter; empty where there is none."""
    whole = desk.metric("revenue")
    if isinstance(desk.card, NotRecorded) or whole.empty:
        return pd.DataFrame(columns=["team_id", "metric", "value", "conf_low", "conf_high", "objective"])
    rows = desk.card[(desk.card["period_start"] == whole["period_start"].iloc[-1]) & desk.card["team_id"].ne("")]
    return rows[rows["recorded"]]


def below_quota(desk: Desk) -> tuple[int, int] | None:
    """How many teams booked less than their quota last quarter, of how many with one; None without team quotas."""
    rows = last_quarter(desk)
    shares = rows.loc[rows["metric"] == "quota_attainment", "value"].dropna()
    return None if shares.empty else (int((shares < 1).sum()), len(shares))


def side_by_side(desk: Desk) -> Block:
    """What each team booked, its share of the quota, win rate and average sale with ranges, in alphabetical order."""
    if told := desk.told(desk.card if isinstance(desk.card, NotRecorded) else None, desk.text("side_by_side")):
        return told
    rows = last_quarter(desk)
    if rows.empty:
        return Note(desk.text("no_quarter"), desk.text("side_by_side"))
    large = [team for team in rows["team_id"].unique() if desk.team_sizes.get(team, 0) >= desk.min_group]
    small = rows["team_id"].nunique() - len(large)
    if not large:
        return Note(desk.text("small_teams", {"n": desk.min_group}), desk.text("side_by_side"))
    shown = furthest(rows, large)
    called = {f"{desk.team_names.get(team, team)} {team}": team for team in shown}
    ordered = [called[name] for name in by_name(called)]
    body = tuple(team_row(desk, rows[rows["team_id"] == team].set_index("metric"), team) for team in ordered)
    names = ("team", "reps", "booked", "of_quota", "win_rate", "average_sale")
    columns = tuple(Column(desk.text(name), align="left" if name == "team" else "right") for name in names)
    notes = [desk.text("side_note")]
    if small:
        notes.append(desk.text("small_left_out", {"n": desk.count(small), "least": desk.min_group}))
    if len(large) > len(shown):
        notes.append(desk.text("rows_left_out", {"n": desk.count(len(large) - len(shown))}))
    start = words.date(desk.metric("revenue")["period_start"].iloc[-1], locale=desk.locale)
    return Table(desk.text("side_caption", {"date": start}), columns, body, note=" ".join(notes))


def furthest(rows: pd.DataFrame, teams: list[str]) -> list[str]:
    """At most MOST_ROWS teams: those furthest below their quota."""
    if len(teams) <= MOST_ROWS:
        return teams
    shares = rows[rows["metric"] == "quota_attainment"].set_index("team_id")["value"].reindex(teams)
    return list(shares.sort_values(kind="stable").index[:MOST_ROWS])


def at_least_none(low: Any) -> float:
    """The lower end of a range of what cannot be negative."""
    return max(float(low), 0.0) if words.is_known(low) else float("nan")


def team_row(desk: Desk, known: pd.DataFrame, team: str) -> tuple[str, ...]:
    """One team's numbers of the quarter."""

    def cell(metric: str, write: Any) -> str:
        if metric not in known.index:
            return desk.none
        row = known.loc[metric]
        return desk.ranged(row["value"], at_least_none(row["conf_low"]), row["conf_high"], write)

    return (
        desk.team_names.get(team, team),
        desk.count(desk.team_sizes.get(team, 0)),
        cell("revenue", desk.money),
        cell("quota_attainment", desk.share),
        cell("win_rate", desk.share),
        cell("average_sale", desk.amount),
    )
