# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Rules between rows and between tables: doubled keys, rows that point nowhere, overlapping spells, shares of a deal.

Runs in DuckDB over the staged files, so that no table has to fit into memory. A row that fails one rule is out of
the way of the next: an activity of a quarantined rep is an orphan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from analysis.crm import sql
from analysis.crm.contract import TABLES
from analysis.crm.rules import REASONS
from analysis.crm.staging import StagedTable

if TYPE_CHECKING:
    import duckdb

_SHARE_TOLERANCE = 0.005  # of a deal; a third is written as 0.33
_PARENTS_FIRST = ("teams", "reps", "campaigns", "opportunities", "leads")


@dataclass
class Removed:
    """Rows taken out so far, in the database's table `removed`: tbl, path, row, code, reason; code `repeat` is dropped."""

    database: "duckdb.DuckDBPyConnection"
    tables: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.database.execute(
            "CREATE TEMP TABLE removed (tbl VARCHAR, path VARCHAR, row BIGINT, code VARCHAR, reason VARCHAR)"
        )

    def add(self, table: str, rows: str) -> None:
        """Take out the rows an SQL query names: path, row, code, reason."""
        before = self._size()
        self.database.execute(f"INSERT INTO removed SELECT {sql.text(table)}, path, row, code, reason FROM ({rows})")
        if self._size() > before:
            self.tables.add(table)

    def _size(self) -> int:
        return int(sql.one(self.database, "SELECT count(*) FROM removed")[0])


def every(staged: StagedTable) -> str:
    """All rows of a staged table as a relation: its columns, and the `path` and `row` of the file they stand in."""
    columns = ", ".join(sql.name(name) for name in staged.columns)
    paths = sql.paths([file.path for file in staged.files])
    return (
        f"(SELECT {columns}, filename AS path, file_row_number AS row "
        f"FROM read_parquet({paths}, filename=true, file_row_number=true))"
    )


def live(staged: StagedTable, removed: Removed) -> str:
    """The rows of a staged table that no rule has taken out yet, as a relation like `every`."""
    if staged.table not in removed.tables:
        return every(staged)
    gone = f"(SELECT path, row FROM removed WHERE tbl = {sql.text(staged.table)})"
    return f"(SELECT a.* FROM {every(staged)} a ANTI JOIN {gone} g ON a.path = g.path AND a.row = g.row)"


def check(database: "duckdb.DuckDBPyConnection", tables: Mapping[str, StagedTable]) -> tuple[Removed, tuple[str, ...]]:
    """Take out every row that breaks a rule; return what was taken out, and warnings on optional references."""
    removed = Removed(database)
    ordered = [name for name in (*_PARENTS_FIRST, *TABLES) if name in tables]
    for name in dict.fromkeys(ordered):
        staged = tables[name]
        _add_row_faults(removed, staged)
        _repeats(removed, staged)
        for column in staged.columns:
            needs = TABLES[name].columns[column].needs
            if needs and needs[0] in tables and TABLES[name].columns[column].required:
                _orphans(removed, staged, column, tables[needs[0]], needs[1])
    if "memberships" in tables:
        _overlaps(removed, tables["memberships"])
    if "credits" in tables:
        _credit_sums(removed, tables["credits"])
    return removed, tuple(_dangling(removed, tables))


def _add_row_faults(removed: Removed, staged: StagedTable) -> None:
    if len(staged.faults):
        removed.database.register("row_faults", staged.faults[["path", "row", "code", "reason"]])
        removed.add(staged.table, "SELECT path, row, code, reason FROM row_faults")
        removed.database.unregister("row_faults")


def _repeats(removed: Removed, staged: StagedTable) -> None:
    """A key seen before: the first row stays; an identical row is dropped, a different one quarantined."""
    table = TABLES[staged.table]
    everything = ", ".join(sql.name(name) for name in staged.columns)
    key = sql.name(table.key) if table.key else everything
    rows = live(staged, removed)
    database = removed.database
    database.execute(
        f"CREATE OR REPLACE TEMP TABLE twice AS SELECT h FROM (SELECT hash({key}) AS h FROM {rows}) "
        "GROUP BY h HAVING count(*) > 1"
    )
    if sql.one(database, "SELECT count(*) FROM twice") == (0,):
        return
    ranked = (
        f"SELECT path, row, row_number() OVER w AS nth, "
        f"row({everything}) IS NOT DISTINCT FROM first_value(row({everything})) OVER w AS same "
        f"FROM {rows} WHERE hash({key}) IN (SELECT h FROM twice) WINDOW w AS (PARTITION BY {key} ORDER BY path, row)"
    )
    reason = sql.text(f"{table.key}: {REASONS['duplicate_key']}")
    removed.add(
        staged.table,
        f"SELECT path, row, CASE WHEN same THEN 'repeat' ELSE 'duplicate_key' END AS code, "
        f"CASE WHEN same THEN '' ELSE {reason} END AS reason FROM ({ranked}) WHERE nth > 1",
    )


def _orphans(removed: Removed, staged: StagedTable, column: str, parent: StagedTable, parent_column: str) -> None:
    removed.add(
        staged.table,
        f"SELECT path, row, 'orphan' AS code, {sql.text(_points_nowhere(column, parent.table))} AS reason "
        f"FROM {_unmatched(removed, staged, column, parent, parent_column)}",
    )


def _unmatched(removed: Removed, staged: StagedTable, column: str, parent: StagedTable, parent_column: str) -> str:
    here, there = sql.name(column), sql.name(parent_column)
    return (
        f"(SELECT c.* FROM {live(staged, removed)} c ANTI JOIN {live(parent, removed)} p ON c.{here} = p.{there} "
        f"WHERE c.{here} IS NOT NULL)"
    )


def _points_nowhere(column: str, parent: str) -> str:
    return f"{column}: {REASONS['orphan']} (no such row in {parent})"


def _overlaps(removed: Removed, staged: StagedTable) -> None:
    """Of two overlapping spells of a rep the one that starts later is taken out."""
    has_end = "valid_to" in staged.columns
    spells = removed.database.execute(
        f"SELECT rep_id, valid_from, {'valid_to' if has_end else 'NULL'} AS valid_to, path, row "
        f"FROM {live(staged, removed)} ORDER BY rep_id, valid_from, path, row"
    ).fetchall()
    broken, previous_rep, open_until = [], None, None
    for rep_id, valid_from, valid_to, path, row in spells:
        if rep_id == previous_rep and (open_until is None or valid_from < open_until):
            broken.append((path, row))
            continue
        previous_rep, open_until = rep_id, valid_to
    if broken:
        removed.database.register("overlapping", pd.DataFrame(broken, columns=["path", "row"]))
        reason = sql.text(REASONS["overlapping_membership"])
        removed.add(
            staged.table, f"SELECT path, row, 'overlapping_membership' AS code, {reason} AS reason FROM overlapping"
        )
        removed.database.unregister("overlapping")


def _credit_sums(removed: Removed, staged: StagedTable) -> None:
    rows = live(staged, removed)
    removed.add(
        staged.table,
        f"SELECT path, row, 'credits_do_not_sum' AS code, 'share: the shares of the deal sum to ' || "
        f"printf('%.4g', total) || ', not 1' AS reason FROM {rows} JOIN (SELECT opportunity_id, sum(share) AS total "
        f"FROM {rows} GROUP BY opportunity_id HAVING abs(sum(share) - 1) > {_SHARE_TOLERANCE}) USING (opportunity_id)",
    )


def _dangling(removed: Removed, tables: Mapping[str, StagedTable]) -> list[str]:
    """Optional references that point nowhere: the rows count, the link does not."""
    warnings = []
    for name, staged in tables.items():
        for column in staged.columns:
            spec = TABLES[name].columns[column]
            if spec.needs is None or spec.required or spec.needs[0] not in tables:
                continue
            unmatched = _unmatched(removed, staged, column, tables[spec.needs[0]], spec.needs[1])
            counted = sql.one(removed.database, f"SELECT count(*) FROM {unmatched}")
            if counted[0]:
                warnings.append(
                    f"{name}.{column}: {counted[0]:,} rows point to no row of {spec.needs[0]}; "
                    "the rows are kept, the link is not used"
                )
    return warnings
