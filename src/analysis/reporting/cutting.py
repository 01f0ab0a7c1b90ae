# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Cuts a whole company's tables into teams in one pass: each table once sorted by team, each team then one short read.

`crm.frame(table, team_id)` answers for one team by reading the whole table, which for hundreds of teams is hundreds of
whole tables. The rules are the same (a row belongs to the team that its rep was in on the row's own day), and a test
holds the two to the same rows. Events never lie in memory all at once: DuckDB sorts within its limit and spills.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from analysis.crm import slicing, sql
from analysis.errors import DataError
from analysis.reporting.arrow import arrow, contract_table

TEAM = "cut for team"  # the added column; no contract column has spaces
ROWS_A_GROUP = 8192
NOW = "DATE '9999-12-31'"
CLOSED = f"CASE WHEN e.status = 'open' THEN {NOW} ELSE e.closed_on END"
OWNED = {  # the rep who owns a row and the day that decides the team
    "activities": ("e.rep_id", "e.occurred_on"),
    "opportunities": ("e.rep_id", CLOSED),
    "coaching": ("e.rep_id", "e.occurred_on"),
    "absences": ("e.rep_id", "e.from_date"),
    "leads": ("e.assigned_rep_id", "CAST(coalesce({handed_off_at}, e.created_at) AS DATE)"),
}


class Cutter:
    """The tables of a checked data folder, sorted by team into `work` (a private folder) when first asked for."""

    def __init__(self, crm: Any, work: Path) -> None:
        self._crm, self._work, self._ready = crm, work, False
        self._tables: slicing.Tables = {name: (crm.files(name), crm.columns(name)) for name in crm.tables()}
        self._numbers: dict[str, int] = {}

    def tables(self, team_id: str) -> dict[str, bytes]:
        """The team's rows of every table as an Arrow file, in the contract's columns and source order.

        Raises DataError for a team that no rep was ever in.
        """
        import pyarrow.parquet as pq

        if not self._ready:
            self._sort()
        if team_id not in self._numbers:
            raise DataError(f"No rep was ever in team {team_id!r}; there is nothing to report on.")
        cut = {}
        for name in self._tables:
            only = [(TEAM, "==", self._numbers[team_id])]
            rows = pq.read_table(self._work / f"{name}.parquet", filters=only, use_threads=False).drop_columns([TEAM])
            cut[name] = arrow(contract_table(name, rows.replace_schema_metadata(None)))
        return cut

    def _sort(self) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        with sql.connection(spill=self._work / "spill") as database:
            database.execute(f"CREATE TABLE spells AS SELECT * FROM {slicing.spells(self._tables)}")
            database.execute(
                "CREATE TABLE numbers AS SELECT team_id, CAST(row_number() OVER (ORDER BY team_id) AS INTEGER) AS number "
                "FROM (SELECT DISTINCT team_id FROM spells)"
            )
            self._numbers = dict(database.execute("SELECT team_id, number FROM numbers").fetchall())
            for name, (_, columns) in self._tables.items():
                listed = ", ".join(f"r.{sql.name(column)}" for column in columns)
                database.execute(
                    f"COPY (SELECT {listed}, n.number AS {sql.name(TEAM)} FROM ({self._owned(name)}) r "
                    "JOIN numbers n ON n.team_id = r.of_team ORDER BY n.number, r.filename, r.file_row_number) "
                    f"TO {sql.text(str(self._work / f'{name}.parquet'))} "
                    f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROWS_A_GROUP})"
                )
        self._ready = True

    def _rows(self, name: str) -> str:
        return f"read_parquet({sql.paths(list(self._tables[name][0]))}, filename=true, file_row_number=true) e"

    def _owned(self, name: str) -> str:
        """Every row of a table with the team (or teams) it belongs to, as `of_team`."""
        rows = self._rows(name)
        if name in OWNED:
            rep, day = OWNED[name]
            if rep.removeprefix("e.") not in self._tables[name][1]:
                return f"SELECT e.*, NULL AS of_team FROM {rows} WHERE false"
            handed = "e.handed_off_at" if "handed_off_at" in self._tables[name][1] else "NULL"
            return f"SELECT e.*, s.team_id AS of_team FROM {rows} {_spell(rep, day.format(handed_off_at=handed))}"
        if name == "holidays":
            has_team = "team_id" in self._tables[name][1]
            condition = "e.team_id IS NULL OR e.team_id = n.team_id" if has_team else "true"
            return f"SELECT e.*, n.team_id AS of_team FROM {rows} JOIN numbers n ON {condition}"
        if name in ("teams", "memberships"):
            return f"SELECT e.*, e.team_id AS of_team FROM {rows}"
        return self._through(name, rows)

    def _through(self, name: str, rows: str) -> str:
        """Tables whose rows belong to a team through another table."""
        if name == "reps":
            ever = "(SELECT DISTINCT rep_id, team_id FROM spells)"
            return f"SELECT e.*, s.team_id AS of_team FROM {rows} JOIN {ever} s USING (rep_id)"
        if name == "stage_changes":
            deals = f"(SELECT DISTINCT opportunity_id, of_team FROM ({self._owned('opportunities')}))"
            return f"SELECT e.*, d.of_team FROM {rows} JOIN {deals} d USING (opportunity_id)"
        if name == "credits":
            deal = f"JOIN {slicing.relation(self._tables, 'opportunities')} o USING (opportunity_id) "
            return f"SELECT e.*, s.team_id AS of_team FROM {rows} {deal}{_spell('e.rep_id', 'o.closed_on')}"
        if name == "quotas":
            team = "CASE WHEN e.level = 'team' THEN e.owner_id ELSE s.team_id END"
            return f"SELECT e.*, {team} AS of_team FROM {rows} {_spell('e.owner_id', 'e.period_start')}"
        if name == "campaigns":
            if "leads" not in self._tables or "campaign_id" not in self._tables["leads"][1]:
                return f"SELECT e.*, NULL AS of_team FROM {rows} WHERE false"
            used = f"(SELECT DISTINCT campaign_id, of_team FROM ({self._owned('leads')}))"
            return f"SELECT e.*, u.of_team FROM {rows} JOIN {used} u USING (campaign_id)"
        raise AssertionError(f"no rule says which team a row of {name} belongs to")


def _spell(rep: str, day: str) -> str:
    return f"ASOF LEFT JOIN spells s ON {rep} = s.rep_id AND coalesce({day}, {NOW}) >= s.valid_from"
