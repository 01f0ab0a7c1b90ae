# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""What came of the deals, by rep and week: wins, revenue, new deals, the open pipeline, the length of the cycle.

Sums of money run on one thread in source order, so that their last digit is the same on every machine.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.crm import Crm, sql
from analysis.panel.roster import Axes

if TYPE_CHECKING:
    import duckdb

_AMOUNTS_NEEDED = 0.9  # share of open and lost deals with an amount; below it the pipeline shows only later wins
_WEEK = "(({day} - DATE '1970-01-01') + 3) // 7"


def week_sql(day: str) -> str:
    """SQL for the week number of a date expression."""
    return _WEEK.format(day=day)


@dataclass(frozen=True, slots=True)
class Deals:
    """Sums by rep and week number, one row each that is not empty.

    closed: rep_id, week, wins, revenue and, where recorded, units and margin; shares of a deal as credited.
    created: rep_id, week, new_opportunities. pipeline: rep_id, week, change of pipeline_open at the start of that
    week; None where amounts of open and lost deals are not recorded. factored: the same weighed by the chance of the
    stage then held; None without stage history. first_week: of any deal. cycle_days_p75: None without a won deal.
    """

    closed: pd.DataFrame
    created: pd.DataFrame
    pipeline: pd.DataFrame | None
    factored: pd.DataFrame | None
    first_week: int | None
    last_day: date | None
    cycle_days_p75: float | None


def deals(crm: Crm, as_of: date | None) -> Deals:
    """Everything the panel needs to know of opportunities, as known at the end of `as_of`."""
    with sql.connection(threads=1) as database:
        _view(database, crm, as_of)
        first, last, p75 = sql.one(
            database,
            f"SELECT min({week_sql('created_on')}), max(greatest(created_on, coalesce(closed_on, created_on))), "
            "quantile_cont(closed_on - created_on, 0.75) FILTER (status = 'won') FROM deals",
        )
        return Deals(
            closed=_closed(database, crm),
            created=_frame(
                database,
                f"SELECT rep_id, {week_sql('created_on')} AS week, count(*) AS new_opportunities "
                "FROM deals GROUP BY ALL ORDER BY ALL",
            ),
            pipeline=_pipeline(database),
            factored=_factored(database, crm, as_of),
            first_week=first,
            last_day=last,
            cycle_days_p75=None if p75 is None else float(p75),
        )


def _view(database: "duckdb.DuckDBPyConnection", crm: Crm, as_of: date | None) -> None:
    """Table `deals`: the opportunities that existed by then; one closed later is still open."""
    columns = crm.columns("opportunities")
    optional = {"closed_on": "DATE", "amount": "DOUBLE", "units": "DOUBLE", "margin": "DOUBLE", "probability": "DOUBLE"}
    held = [sql.name(c) if c in columns else f"CAST(NULL AS {kind}) AS {c}" for c, kind in optional.items()]
    until = f"DATE '{as_of or date.max}'"
    database.execute(
        f"CREATE TEMP TABLE deals AS SELECT opportunity_id, rep_id, stage, created_on, amount, units, margin, "
        f"probability, CASE WHEN status <> 'open' AND closed_on <= {until} THEN status ELSE 'open' END AS status, "
        f"CASE WHEN status <> 'open' AND closed_on <= {until} THEN closed_on END AS closed_on "
        f"FROM (SELECT opportunity_id, rep_id, stage, status, created_on, {', '.join(held)} "
        f"FROM read_parquet({sql.paths(crm.files('opportunities'))})) WHERE created_on <= {until}"
    )


def _frame(database: "duckdb.DuckDBPyConnection", query: str) -> pd.DataFrame:
    return database.sql(query).to_arrow_table().to_pandas()


def _closed(database: "duckdb.DuckDBPyConnection", crm: Crm) -> pd.DataFrame:
    credits = "SELECT opportunity_id, rep_id, share FROM (VALUES (NULL, NULL, NULL)) v(opportunity_id, rep_id, share)"
    if crm.has("credits"):
        credits = f"SELECT opportunity_id, rep_id, share FROM read_parquet({sql.paths(crm.files('credits'))})"
    extra = "".join(
        f", sum({name} * coalesce(c.share, 1)) AS {name}" for name in ("units", "margin") if _filled(crm, name)
    )
    return _frame(
        database,
        f"SELECT coalesce(c.rep_id, d.rep_id) AS rep_id, {week_sql('d.closed_on')} AS week, "
        f"sum(coalesce(c.share, 1.0)) AS wins, sum(d.amount * coalesce(c.share, 1.0)) AS revenue{extra} "
        f"FROM deals d LEFT JOIN ({credits}) c ON c.opportunity_id = d.opportunity_id "
        "WHERE d.status = 'won' GROUP BY ALL ORDER BY ALL",
    )


def _filled(crm: Crm, name: str) -> bool:
    held = crm.coverage.query("table == 'opportunities' and column == @name")["share"]
    return bool(len(held)) and float(held.iloc[0]) > 0


def _pipeline(database: "duckdb.DuckDBPyConnection") -> pd.DataFrame | None:
    known = sql.one(database, "SELECT avg((amount IS NOT NULL)::INT) FROM deals WHERE status <> 'won'")
    if known[0] is None or known[0] < _AMOUNTS_NEEDED:
        return None
    return _frame(
        database,
        f"SELECT rep_id, week, sum(change) AS change FROM ("
        f"SELECT rep_id, {week_sql('created_on')} + 1 AS week, amount AS change FROM deals UNION ALL "
        f"SELECT rep_id, {week_sql('closed_on')} + 1, -amount FROM deals WHERE closed_on IS NOT NULL) "
        "WHERE change IS NOT NULL GROUP BY ALL ORDER BY ALL",
    )


def _factored(database: "duckdb.DuckDBPyConnection", crm: Crm, as_of: date | None) -> pd.DataFrame | None:
    """Changes of the factored pipeline: each deal counts with the chance of the stage it stood in at that time.

    The chance of a stage is the mean probability of the deals open in it now. None without stage history, or where
    more than a tenth of the stage spells have no known chance.
    """
    if not crm.has("stage_changes") or not _filled(crm, "probability"):
        return None
    until = f"DATE '{as_of or date.max}'"
    database.execute(
        "CREATE TEMP TABLE spells AS WITH moves AS (SELECT opportunity_id, CAST(changed_at AS DATE) AS day, to_stage AS "
        "stage, "
        + ("from_stage" if "from_stage" in crm.columns("stage_changes") else "NULL")
        + f" AS before, changed_at FROM read_parquet({sql.paths(crm.files('stage_changes'))}) "
        f"WHERE CAST(changed_at AS DATE) <= {until}), "
        "starts AS (SELECT d.opportunity_id, d.created_on AS day, coalesce(first(m.before ORDER BY m.changed_at), "
        "first(m.stage ORDER BY m.changed_at), any_value(d.stage)) AS stage, TIMESTAMPTZ '0001-01-02 00:00:00+00' AS "
        "changed_at FROM deals d LEFT JOIN moves m USING (opportunity_id) GROUP BY ALL) "
        "SELECT opportunity_id, stage, day AS begins, lead(day) OVER (PARTITION BY opportunity_id ORDER BY changed_at) "
        "AS ends FROM (SELECT opportunity_id, day, stage, changed_at FROM starts UNION ALL "
        "SELECT opportunity_id, day, stage, changed_at FROM moves)"
    )
    database.execute(
        "CREATE TEMP TABLE weighed AS SELECT d.rep_id, d.amount * c.chance AS value, c.chance, "
        "greatest(s.begins, d.created_on) AS begins, least(coalesce(s.ends, d.closed_on), d.closed_on, s.ends) AS ends "
        "FROM spells s JOIN deals d USING (opportunity_id) LEFT JOIN (SELECT stage, avg(probability) AS chance "
        "FROM deals WHERE status = 'open' AND probability IS NOT NULL GROUP BY stage) c ON c.stage = s.stage "
        "WHERE d.closed_on IS NULL OR s.begins < d.closed_on"
    )
    known = sql.one(database, "SELECT avg((chance IS NOT NULL)::INT) FROM weighed")
    if known[0] is None or known[0] < _AMOUNTS_NEEDED:
        return None
    return _frame(
        database,
        f"SELECT rep_id, week, sum(change) AS change FROM ("
        f"SELECT rep_id, {week_sql('begins')} + 1 AS week, value AS change FROM weighed UNION ALL "
        f"SELECT rep_id, {week_sql('ends')} + 1, -value FROM weighed WHERE ends IS NOT NULL) "
        "WHERE change IS NOT NULL GROUP BY ALL ORDER BY ALL",
    )


def late(crm: Crm, as_of: date | None) -> pd.DataFrame | None:
    """Activities written after the deal they served had closed: rep_id, week, kind, late, meaningful, senior.

    None where the data cannot tell. Counted in DuckDB: only deals are held in memory.
    """
    held = crm.columns("activities")
    if "logged_at" not in held or "opportunity_id" not in held or "closed_on" not in crm.columns("opportunities"):
        return None
    until = f"DATE '{as_of or date.max}'"
    human = "".join(
        f" AND coalesce(a.{name}, {sql.text(word)}) = {sql.text(word)}"
        for name, word in (("status", "done"), ("origin", "human"))
        if name in held
    )
    meaningful = "count(*) FILTER (a.is_meaningful)" if "is_meaningful" in held else "0"
    senior = "count(*) FILTER (a.contact_level = 'vp_or_above')" if "contact_level" in held else "0"
    with sql.connection() as database:
        return _frame(
            database,
            f"SELECT a.rep_id, {week_sql('a.occurred_on')} AS week, a.kind, count(*) AS late, "
            f"{meaningful} AS meaningful, {senior} AS senior FROM read_parquet({sql.paths(crm.files('activities'))}) a "
            f"JOIN read_parquet({sql.paths(crm.files('opportunities'))}) d USING (opportunity_id) "
            f"WHERE d.status <> 'open' AND d.closed_on <= {until} AND CAST(a.logged_at AS DATE) > d.closed_on "
            f"AND a.occurred_on <= {until} AND CAST(a.logged_at AS DATE) <= {until}{human} GROUP BY ALL ORDER BY ALL",
        )


def lay(axes: Axes, rows: pd.DataFrame, value: str) -> tuple[np.ndarray, float]:
    """Sums by rep and week laid on the grid (float64, 0 where nothing), and the total that lies outside it."""
    rep = axes.places(rows["rep_id"])
    week = rows["week"].to_numpy(dtype=np.int64) - axes.first_week
    inside = (rep >= 0) & (week >= 0) & (week < axes.weeks)
    grid = np.zeros(axes.shape)
    values = rows[value].to_numpy(dtype="float64", na_value=0.0)
    np.add.at(grid, (rep[inside], week[inside]), values[inside])
    return grid, float(values[~inside].sum())


def lay_stock(axes: Axes, changes: pd.DataFrame) -> np.ndarray:
    """Changes laid on the grid and summed over time: what stands open at the start of each week, in money."""
    early = changes["week"].clip(lower=axes.first_week)
    grid, _ = lay(axes, changes.assign(week=early), "change")
    return np.round(np.cumsum(grid, axis=1), 2) + 0.0
