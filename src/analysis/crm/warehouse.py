"""The contract's tables where they already lie, in a database, read through Ibis: select, group and window only.

Needs the optional extra `warehouse`. What comes back are sums by rep and week and the small tables, never events.
A connection that is cut is opened again a bounded number of times. Sessions should run in UTC; PostgreSQL is told to,
and to refuse writing.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pandas as pd

from analysis.crm.contract import TABLES
from analysis.crm.sql import no_progress_bar
from analysis.crm.staging import contract_frame
from analysis.errors import AnalysisError, DataError

if TYPE_CHECKING:
    from ibis.backends import BaseBackend
    from ibis.expr.types import Table, Value

Answer = TypeVar("Answer")
MONEY_UNIT, SHARE_UNIT = 10_000, 1_000_000  # sums run in whole units, so that their order does not matter
_SENIOR = "vp_or_above"
_COUNTS = {"n", "meaningful", "meaningful_known", "senior", "senior_known", "talk_s", "talk_known", "late"}
_POSTGRES_OPTIONS = "-c default_transaction_read_only=on -c TimeZone=UTC"


class WarehouseError(AnalysisError):
    """The database could not be reached, or went away and did not come back."""


@dataclass
class Warehouse:
    """A database that holds the contract's tables.

    opener: makes a new Ibis connection. wait_s: seconds before each further attempt. named: shown in messages (no
    secret in it).
    """

    opener: Callable[[], "BaseBackend"]
    named: str = "the warehouse"
    wait_s: Sequence[float] = (1.0, 4.0)
    _backend: "BaseBackend | None" = field(default=None, repr=False)
    _columns: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)

    def attempt(self, task: "Callable[[BaseBackend], Answer]") -> "Answer":
        """Run a task on the connection, opening it again where it is lost.

        Raises WarehouseError after the last attempt; a wrong query is not tried again.
        """
        for wait in (*self.wait_s, None):
            try:
                if self._backend is None:
                    self._backend = self.opener()
                return task(self._backend)
            except _lost_connection() as error:
                self._backend = None
                if wait is None:
                    raise WarehouseError(
                        f"{self.named} was cut off {len(self.wait_s) + 1} times ({type(error).__name__}); nothing was "
                        "written, try again when it is back"
                    ) from error
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def ask(self, query: "Callable[[BaseBackend], Table]") -> Any:
        """The answer of an expression as an Arrow table, with the same attempts."""
        return self.attempt(lambda backend: query(backend).to_pyarrow())

    def columns(self, table: str) -> tuple[str, ...]:
        """The contract's columns that the table has; empty where there is no such table."""
        if table not in self._columns:
            held = self.attempt(lambda backend: _held(backend, table))
            self._columns[table] = tuple(name for name in TABLES[table].columns if name in held)
        return self._columns[table]

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether the table, or that column of it, is there."""
        held = self.columns(table)
        return bool(held) if column is None else column in held

    def frame(self, table: str) -> pd.DataFrame:
        """A whole (small) table with contract dtypes."""
        columns = self.columns(table)
        rows = self.ask(lambda backend: backend.table(table).select(*columns))
        return contract_frame(rows, TABLES[table])

    def require(self) -> None:
        """Raises DataError where a required table or column is missing."""
        for name, table in TABLES.items():
            held = self.columns(name)
            missing = [column for column in table.required_columns if column not in held]
            if missing and (table.required or held):
                raise DataError(f"{self.named}: table {name} lacks {', '.join(missing)}; see docs/data-contract.md")


def open_warehouse(url: str) -> Warehouse:
    """A warehouse by URL, such as postgres://user@host/database. Raises DataError where Ibis cannot read the URL."""
    try:
        import ibis
    except ImportError as error:
        raise DataError("a warehouse needs the extra: pip install 'sales-activity-workbench[warehouse]'") from error
    parts = urlsplit(url)
    if not parts.scheme:
        raise DataError("a warehouse is given as a URL, such as postgres://user@host/database")
    named = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"

    def opener() -> "BaseBackend":
        if parts.scheme in ("postgres", "postgresql"):
            return ibis.connect(url, options=_POSTGRES_OPTIONS)
        backend = ibis.connect(url, **({"read_only": True} if parts.scheme == "duckdb" else {}))
        if backend.name == "duckdb":
            backend.raw_sql("SET TimeZone = 'UTC'")
            no_progress_bar(backend.con)
        return backend

    return Warehouse(opener, named)


def _held(backend: "BaseBackend", table: str) -> tuple[str, ...]:
    from ibis.common.exceptions import TableNotFound

    try:
        return tuple(backend.table(table).columns)
    except TableNotFound:
        return ()


def _lost_connection() -> tuple[type[Exception], ...]:
    """What drivers raise when a connection is refused or cut (never for a wrong query)."""
    lost: list[type[Exception]] = [ConnectionError, TimeoutError]
    try:
        import psycopg
    except ImportError:
        return tuple(lost)
    return (*lost, psycopg.OperationalError, psycopg.InterfaceError)


# ---- the panel's sums as expressions ------------------------------------------------------------------------------------


def effort(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame:
    """Done, human activities: rep_id, week (Monday), kind, n, and where recorded meaningful(_known), senior(_known),
    talk_s and talk_known."""
    held = warehouse.columns("activities")

    def query(backend: "BaseBackend") -> "Table":
        rows = _counted(backend.table("activities"), held, as_of)
        sums: dict[str, Value] = {"n": rows.count()}
        if "is_meaningful" in held:
            sums["meaningful"] = rows.count(where=rows.is_meaningful)
            sums["meaningful_known"] = rows.is_meaningful.count()
        if "contact_level" in held:
            sums["senior"] = rows.count(where=rows.contact_level == _SENIOR)
            sums["senior_known"] = rows.count(where=rows.contact_level != "unknown")
        if "duration_s" in held:
            sums["talk_s"] = rows.duration_s.sum().cast("int64")
            sums["talk_known"] = rows.duration_s.count()
        return rows.group_by(rep_id=rows.rep_id, week=rows.occurred_on.truncate("W"), kind=rows.kind).aggregate(**sums)

    return _sorted(warehouse.ask(query), ["rep_id", "week", "kind"])


def accounts(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame:
    """Distinct accounts: rep_id, week, n."""
    held = warehouse.columns("activities")

    def query(backend: "BaseBackend") -> "Table":
        rows = _counted(backend.table("activities"), held, as_of)
        by_week = rows.group_by(rep_id=rows.rep_id, week=rows.occurred_on.truncate("W"))
        return by_week.aggregate(n=rows.account_id.nunique())

    return _sorted(warehouse.ask(query), ["rep_id", "week"])


def late(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame | None:
    """Activities written after their deal had closed: rep_id, week, kind, late, meaningful, senior; None if unknown."""
    held = warehouse.columns("activities")
    if not {"logged_at", "opportunity_id"} <= set(held) or not warehouse.has("opportunities", "closed_on"):
        return None

    def query(backend: "BaseBackend") -> "Table":
        import ibis

        rows = _counted(backend.table("activities"), held, as_of)
        closed = _deals(backend, warehouse, as_of).filter(lambda deal: deal.is_closed)
        closed = closed.select("opportunity_id", closed_day=closed.closed_on)
        rows = rows.join(closed, "opportunity_id").filter(lambda row: row.logged_at.date() > row.closed_day)
        return rows.group_by(rep_id=rows.rep_id, week=rows.occurred_on.truncate("W"), kind=rows.kind).aggregate(
            late=rows.count(),
            meaningful=rows.count(where=rows.is_meaningful) if "is_meaningful" in held else ibis.literal(0),
            senior=rows.count(where=rows.contact_level == _SENIOR) if "contact_level" in held else ibis.literal(0),
        )

    return _sorted(warehouse.ask(query), ["rep_id", "week", "kind"])


def closed(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame:
    """Won deals by the rep credited: rep_id, week, wins, revenue and, where recorded, units and margin."""
    held = warehouse.columns("opportunities")
    extra = [name for name in ("units", "margin") if name in held]

    def query(backend: "BaseBackend") -> "Table":
        won = _deals(backend, warehouse, as_of).filter(lambda deal: deal.is_closed & (deal.status == "won"))
        rows = won.mutate(share=1.0)
        if warehouse.has("credits"):
            split = backend.table("credits").select("opportunity_id", credited="rep_id", part="share")
            rows = won.left_join(split, "opportunity_id").mutate(share=lambda row: row.part.fill_null(1.0))
            rows = rows.mutate(rep_id=rows.credited.fill_null(rows.rep_id))
        sums = {"wins": _whole(rows.share, SHARE_UNIT), "revenue": _whole(rows.amount * rows.share, MONEY_UNIT)}
        sums |= {name: _whole(rows[name] * rows.share, MONEY_UNIT) for name in extra}
        return rows.group_by(rep_id=rows.rep_id, week=rows.closed_on.truncate("W")).aggregate(**sums)

    found = _sorted(warehouse.ask(query), ["rep_id", "week"])
    empty = [name for name in extra if found[name].isna().all()]
    units = {"wins": SHARE_UNIT, **dict.fromkeys(("revenue", *extra), MONEY_UNIT)}
    return found.drop(columns=empty).assign(
        **{name: found[name].astype("float64").fillna(0.0) / unit for name, unit in units.items() if name not in empty}
    )


def created(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame:
    """New deals: rep_id, week, new_opportunities."""

    def query(backend: "BaseBackend") -> "Table":
        rows = _deals(backend, warehouse, as_of)
        by_week = rows.group_by(rep_id=rows.rep_id, week=rows.created_on.truncate("W"))
        return by_week.aggregate(new_opportunities=rows.count())

    return _sorted(warehouse.ask(query), ["rep_id", "week"])


def stock_changes(warehouse: Warehouse, as_of: date | None) -> pd.DataFrame:
    """What entered (came) and left (went) the open pipeline in each week: rep_id, week, change (money)."""

    def query(backend: "BaseBackend") -> "Table":
        rows = _deals(backend, warehouse, as_of)
        worth = rows.mutate(value=rows.amount)
        came = worth.select("rep_id", "value", week=worth.created_on.truncate("W"))
        gone = worth.filter(worth.is_closed)
        went = gone.select("rep_id", value=-gone.value, week=gone.closed_on.truncate("W"))
        both = came.union(went).filter(lambda row: row.value.notnull())
        return both.group_by("rep_id", "week").aggregate(change=_whole(both.value, MONEY_UNIT))

    found = _sorted(warehouse.ask(query), ["rep_id", "week"])
    return found.assign(change=found["change"].astype("float64") / MONEY_UNIT)


def facts(warehouse: Warehouse, as_of: date | None) -> dict[str, Any]:
    """first_day, last_day of any deal; amounts_known, share of deals not won that have an amount; cycle_days by count."""

    def query(backend: "BaseBackend") -> "Table":
        rows = _deals(backend, warehouse, as_of)
        unknown = rows.count(where=rows.amount.isnull() & ~(rows.is_closed & (rows.status == "won")))
        return rows.aggregate(
            first_day=rows.created_on.min(),
            last_created=rows.created_on.max(),
            last_closed=rows.closed_on.max(where=rows.is_closed),
            not_won=rows.count(where=~(rows.is_closed & (rows.status == "won"))),
            unknown=unknown,
        )

    def cycles(backend: "BaseBackend") -> "Table":
        won = _deals(backend, warehouse, as_of).filter(lambda deal: deal.is_closed & (deal.status == "won"))
        return won.group_by(days=won.closed_on.delta(won.created_on, unit="day")).aggregate(n=won.count())

    row = warehouse.ask(query).to_pylist()[0]
    return {**row, "cycle_days": _sorted(warehouse.ask(cycles), ["days"])}


def last_activity_day(warehouse: Warehouse, as_of: date | None) -> date | None:
    """The last day on which an activity counts."""
    held = warehouse.columns("activities")

    def query(backend: "BaseBackend") -> "Table":
        rows = _counted(backend.table("activities"), held, as_of)
        return rows.aggregate(last=rows.occurred_on.max())

    return warehouse.ask(query).to_pylist()[0]["last"]


def _counted(rows: "Table", held: tuple[str, ...], as_of: date | None) -> "Table":
    """Activities that are effort: done, by a human, done and written by as_of."""
    for name, word in (("status", "done"), ("origin", "human")):
        if name in held:
            rows = rows.filter(rows[name].fill_null(word) == word)
    if as_of is None:
        return rows
    rows = rows.filter(rows.occurred_on <= as_of)
    if "logged_at" in held:
        end = datetime.combine(as_of, datetime.min.time(), UTC) + timedelta(days=1)
        rows = rows.filter(rows.logged_at.isnull() | (rows.logged_at < end))
    return rows


def _deals(backend: "BaseBackend", warehouse: Warehouse, as_of: date | None) -> "Table":
    """Deals that existed by as_of, with is_closed: closed by then."""
    import ibis

    rows = backend.table("opportunities")
    held = warehouse.columns("opportunities")
    until = as_of or date(9999, 12, 31)
    for name, kind in (("closed_on", "date"), ("amount", "float64")):
        if name not in held:
            rows = rows.mutate(**{name: ibis.null().cast(kind)})
    rows = rows.filter(rows.created_on <= until).mutate(amount=rows.amount.cast("float64"))
    return rows.mutate(is_closed=((rows.status != "open") & (rows.closed_on <= until)).fill_null(False))


def _whole(value: "Value", unit: int) -> "Value":
    """Sum in whole units, halves up: the same in every engine and order."""
    return (value.cast("float64") * unit + 0.5).floor().cast("int64").sum().cast("int64")


def _sorted(answer: Any, by: list[str]) -> pd.DataFrame:
    """The answer as a frame in a fixed order. A count of nothing is 0 (Spark gives NULL)."""
    rows = answer.to_pandas(date_as_object=False)
    for name in ("rep_id", "kind"):
        if name in rows:
            rows[name] = rows[name].astype("str")
    if "week" in rows:
        rows["week"] = pd.to_datetime(rows["week"]).astype("datetime64[us]")
    counts = [name for name in rows if name in _COUNTS]
    return rows.fillna(dict.fromkeys(counts, 0)).sort_values(by, ignore_index=True)
