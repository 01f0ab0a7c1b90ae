# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""One team's rows of every table: who owned what on the day it happened, and nobody else's.

A row belongs to the team its rep was in on the row's own day. The team of a rep on a day is that of the spell begun
last by then; before the first spell, the first spell's; without spells, reps.team_id.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.crm import sql

Tables = Mapping[str, tuple[Sequence[Path], Sequence[str]]]  # files and columns, by table

_EVER = "DATE '0001-01-01'"
_NOW = "DATE '9999-12-31'"

# The rep who owns a row and the day that decides the team.
_OWNED = {
    "activities": ("rep_id", "occurred_on"),
    "opportunities": ("rep_id", f"CASE WHEN status = 'open' THEN {_NOW} ELSE closed_on END"),
    "coaching": ("rep_id", "occurred_on"),
    "absences": ("rep_id", "from_date"),
    "leads": ("assigned_rep_id", "CAST(coalesce({handed_off_at}, created_at) AS DATE)"),
}


def relation(tables: Tables, table: str) -> str:
    """A clean table as an SQL relation of its columns, in source order."""
    files, columns = tables[table]
    return f"(SELECT {', '.join(sql.name(c) for c in columns)} FROM read_parquet({sql.paths(list(files))}))"


def spells(tables: Tables) -> str:
    """Relation rep_id, team_id, valid_from (a date; the first spell of a rep reaches back for ever)."""
    reps = relation(tables, "reps")
    if "memberships" not in tables:
        return f"(SELECT rep_id, team_id, {_EVER} AS valid_from FROM {reps})"
    held = relation(tables, "memberships")
    return (
        f"(SELECT rep_id, team_id, CASE WHEN valid_from = min(valid_from) OVER (PARTITION BY rep_id) THEN {_EVER} "
        f"ELSE valid_from END AS valid_from FROM {held} UNION ALL "
        f"SELECT rep_id, team_id, {_EVER} FROM {reps} r WHERE NOT EXISTS "
        f"(SELECT 1 FROM {held} m WHERE m.rep_id = r.rep_id))"
    )


def query(tables: Tables, table: str, team_id: str | None) -> str:
    """The SQL that selects one table, or one team's rows of it, with the table's own columns in source order."""
    if team_id is None:
        return f"SELECT * FROM {relation(tables, table)}"
    files, columns = tables[table]
    listed = ", ".join(f"e.{sql.name(c)}" for c in columns)
    source = f"read_parquet({sql.paths(list(files))}, filename=true, file_row_number=true)"
    return (
        f"SELECT {listed} FROM {source} e {_condition(tables, table, team_id)} ORDER BY e.filename, e.file_row_number"
    )


def _condition(tables: Tables, table: str, team_id: str) -> str:
    team = sql.text(team_id)
    if table in _OWNED:
        rep, day = _OWNED[table]
        handed = "handed_off_at" if "handed_off_at" in tables[table][1] else "NULL"
        if rep not in tables[table][1]:
            return "WHERE false"
        return _in_team(tables, f"e.{rep}", day.format(handed_off_at=handed), team)
    if table == "quotas":
        own = f"e.level = 'team' AND e.owner_id = {team}"
        return (
            f"{_joined(tables, 'e.owner_id', 'period_start')} WHERE ({own}) OR (e.level = 'rep' AND s.team_id = {team})"
        )
    if table == "credits":
        deal = f"JOIN {relation(tables, 'opportunities')} o ON o.opportunity_id = e.opportunity_id "
        return deal + _in_team(tables, "e.rep_id", f"coalesce(o.closed_on, {_NOW})", team)
    return _simple(tables, table, team_id)


def _simple(tables: Tables, table: str, team_id: str) -> str:
    team = sql.text(team_id)
    if table == "reps":
        return f"WHERE e.rep_id IN (SELECT rep_id FROM {spells(tables)} WHERE team_id = {team})"
    if table == "stage_changes":
        return f"WHERE e.opportunity_id IN (SELECT opportunity_id FROM ({query(tables, 'opportunities', team_id)}))"
    if table == "campaigns":
        if "leads" not in tables or "campaign_id" not in tables["leads"][1]:
            return "WHERE false"
        return f"WHERE e.campaign_id IN (SELECT campaign_id FROM ({query(tables, 'leads', team_id)}))"
    if table == "holidays":
        everybody = "true" if "team_id" not in tables["holidays"][1] else f"e.team_id IS NULL OR e.team_id = {team}"
        return f"WHERE {everybody}"
    return f"WHERE e.team_id = {team}"  # teams, memberships


def _joined(tables: Tables, rep: str, day: str) -> str:
    return f"ASOF LEFT JOIN {spells(tables)} s ON {rep} = s.rep_id AND coalesce({day}, {_NOW}) >= s.valid_from"


def _in_team(tables: Tables, rep: str, day: str, team: str) -> str:
    return f"{_joined(tables, rep, day)} WHERE s.team_id = {team}"
