# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""One import under way: the engine, the configuration, what is staged, and the helpers every step uses.

Rows are never lost between steps: each step makes a new table from the one before and proves that it has as many rows.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.crm.importers import clock
from analysis.crm.importers.config import Config
from analysis.crm.importers.defects import Ledger, bit
from analysis.crm.importers.landing import Staged
from analysis.crm.importers.mappings import Mapping, Object
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.rules import quote
from analysis.errors import DataError

# Values that are ids of the source; they are normalised once, when a raw table is made.
IDS = {"id", "second_id", "rep", "account", "opportunity", "lead", "contact", "deal", "manager", "team", "user", "owner", "from", "to", "campaign",
       "partner", "employee"}  # fmt: skip
Progress = Callable[[str, float], None]


@dataclass(slots=True)
class Job:
    """Everything an import's steps share. as_of: the day the export was made, once known."""

    con: Any
    config: Config
    mapping: Mapping
    key: bytes
    folder: Path
    staged: dict[str, Staged] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    zones: set[str] = field(default_factory=lambda: {"UTC"})
    years: tuple[int, int] = (1995, 2045)
    as_of: dt.date | None = None
    details: dict[str, Any] = field(default_factory=dict)
    short_ids: bool = False
    latest_version: dt.datetime | None = None
    progress: Progress | None = None

    def run(self, sql: str) -> None:
        """Execute SQL for its effect."""
        self.con.execute(sql)

    def one(self, sql: str) -> Any:
        """The single value of a query."""
        return self.con.execute(sql).fetchall()[0][0]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a small result."""
        return list(self.con.execute(sql).fetchall())

    def count(self, table: str, where: str = "true") -> int:
        """Rows of a table."""
        return int(self.one(f"SELECT count(*) FROM {table} WHERE {where}"))

    def tell(self, what: str, share: float) -> None:
        """Report progress, where somebody listens."""
        if self.progress is not None:
            self.progress(what, share)

    def objects(self, role: str) -> list[Staged]:
        """The staged objects of a role."""
        return [self.staged[o.name] for o in self.mapping.of_role(role) if o.name in self.staged]

    def present(self, role: str, value: str) -> bool:
        """Whether the export has the fields behind a value, in any object of the role."""
        return any(s.has(value) for s in self.objects(role))

    def id_sql(self, text: str) -> str:
        """An id normalised as this CRM needs it (D31); the longer form only where the export holds short ids at all."""
        return f"{self.mapping.id_macro}(clean_id({text}))" if self.short_ids else f"clean_id({text})"

    def same_rows(self, before: int, table: str, what: str) -> None:
        """Prove that a join has neither multiplied nor lost rows (D19)."""
        after = self.count(table)
        if after != before:
            word = f"added {after - before:,} rows to" if after > before else f"lost {before - after:,} rows of"
            raise DataError(f"D19 a join {word} {what}; the keys of the joined table are not unique.")

    def make(self, table: str, select: str, like: str | None = None, what: str | None = None) -> None:
        """Create a table from a query; with `like`, it must have as many rows as that table."""
        self.run(f"CREATE OR REPLACE TABLE {table} AS {select}")
        if like is not None:
            self.same_rows(self.count(like), table, what or table)

    def zone_of(self, obj: Object) -> str | None:
        """The zone of an object's clock times that carry none: the configured one, else the vendor's documented one."""
        configured = self.config.source.timezone
        if configured or self.config.source.landing == "ui_csv":
            return configured
        return obj.zone


def raw_table(job: Job, table: str, role: str, values: tuple[str, ...], id_value: str | None = "id") -> None:
    """UNION ALL of the role's objects: `_src`, `_row`, `_d` (deleted, older version, footer), and the canonical values as text.

    An empty table of the same shape where the export has no such object.
    """
    selects = []
    for staged in job.objects(role):
        drops(job, staged, id_value)
        listed = "".join(f", {value_sql(job, staged, v)} AS {quoted(v)}" for v in values)
        if "rep" in values:
            listed += f", {staged.object.sql('rep', staged.column)} AS rep_typed"
        selects.append(
            f"SELECT {quote(staged.object.name)} AS _src, s._row, x._d{listed} "
            f"FROM {quoted(staged.table)} s JOIN {quoted('x_' + staged.object.name)} x USING (_row)"
        )
    if not selects:
        listed = "".join(f", CAST(NULL AS VARCHAR) AS {quoted(v)}" for v in (*values, "rep_typed"))
        selects = [f"SELECT '' AS _src, 0::BIGINT AS _row, 0::BIGINT AS _d{listed} WHERE false"]
    job.make(table, " UNION ALL BY NAME ".join(selects))
    job.same_rows(sum(s.rows for s in job.objects(role)), table, table)


def value_sql(job: Job, staged: Staged, value: str) -> str:
    """SQL of a canonical value of an object, ids normalised."""
    sql = staged.object.sql(value, staged.column)
    return job.id_sql(sql) if value in IDS and sql != "NULL" else sql


def drops(job: Job, staged: Staged, id_value: str | None) -> None:
    """x_<object>(_row, _d): why a row is dropped before anything looks at it: footer, deleted by the loader, older version (D20)."""
    column = staged.column
    deleted = f"coalesce(yes({column('_fivetran_deleted')}), false) OR {column('_sdc_deleted_at')} IS NOT NULL"
    if "deleted" in staged.object.values:
        deleted += f" OR coalesce({staged.object.sql('deleted', column)}, false)"
    inactive = (
        f"coalesce(NOT yes({column('_fivetran_active')}), false)" if staged.object.role != "deal_history" else "false"
    )
    simple = f"CASE WHEN s._footer THEN {bit('footer')} WHEN {deleted} THEN {bit('deleted')} WHEN {inactive} THEN {bit('D20')} ELSE 0 END"
    target = quoted("x_" + staged.object.name)
    if id_value is None or id_value not in staged.object.values:
        job.make(target, f"SELECT s._row, ({simple})::BIGINT AS _d FROM {quoted(staged.table)} s")
        return
    key = job.id_sql(staged.object.sql(id_value, column))
    moments = [
        f"epoch_us({clock.parse_sql(column(f), None)})"
        for f in ("_fivetran_start", *staged.object.version, "_fivetran_synced", "_sdc_received_at")
    ]
    version = f"coalesce(try_cast({column('_sdc_sequence')} AS HUGEINT), {', '.join(moments)}, 0)"
    job.make(
        "_ids",
        f"SELECT s._row, {key} AS id, ({simple})::BIGINT AS _d, {version} AS version FROM {quoted(staged.table)} s",
    )
    if staged.object.role in ("activities", "opportunities"):
        latest = job.one(f"SELECT max(greatest({', '.join(moments)})) FROM {quoted(staged.table)} s")
        if latest is not None:
            moment = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=latest)
            job.latest_version = max(moment, job.latest_version or moment)
    job.make("_twice", "SELECT id FROM _ids WHERE id IS NOT NULL AND _d = 0 GROUP BY id HAVING count(*) > 1")
    job.make(
        target,
        f"WITH ranked AS (SELECT _row, row_number() OVER (PARTITION BY id ORDER BY version DESC, _row DESC) AS place "
        f"FROM _ids JOIN _twice USING (id) WHERE _d = 0) "
        f"SELECT _row, CASE WHEN place > 1 THEN {bit('D20')} ELSE _d END::BIGINT AS _d FROM _ids LEFT JOIN ranked USING (_row)",
        like="_ids",
        what=staged.object.name,
    )
    job.run("DROP TABLE _ids; DROP TABLE _twice")
