# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""What came of the deals, by rep and week: wins, revenue, new deals, the open pipeline, the length of the cycle.

Sums run in whole units (a hundredth of a cent, a millionth of a deal), so that their last digit does not depend on the
order of the rows, the number of threads or the engine.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from analysis.crm import Crm, sql
from analysis.panel import pipeline
from analysis.panel.grid import MONEY_UNIT, SHARE_UNIT, frame, week_sql, whole_sum

if TYPE_CHECKING:
    import duckdb


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
            f"""
            SELECT min({week_sql("created_on")}), max(greatest(created_on, coalesce(closed_on, created_on))),
                quantile_cont(closed_on - created_on, 0.75) FILTER (status = 'won')
            FROM deals
            """,
        )
        return Deals(
            closed=_closed(database, crm),
            created=frame(
                database,
                f"SELECT rep_id, {week_sql('created_on')} AS week, count(*) AS new_opportunities "
                "FROM deals GROUP BY ALL ORDER BY ALL",
            ),
            pipeline=pipeline.open_changes(database),
            factored=pipeline.factored_changes(database, crm, as_of),
            first_week=first,
            last_day=last,
            cycle_days_p75=None if p75 is None else float(p75),
        )


def _view(database: "duckdb.DuckDBPyConnection", crm: Crm, as_of: date | None) -> None:
    """Table `deals`: the opportunities that existed by then; one closed later is still open."""
    there = crm.columns("opportunities")
    optional = {"closed_on": "DATE", "amount": "DOUBLE", "units": "DOUBLE", "margin": "DOUBLE", "probability": "DOUBLE"}
    held = ", ".join(name if name in there else f"CAST(NULL AS {kind}) AS {name}" for name, kind in optional.items())
    until = f"DATE '{as_of or date.max}'"
    database.execute(f"""
        CREATE TEMP TABLE deals AS
        SELECT opportunity_id, rep_id, stage, created_on, amount, units, margin, probability,
            CASE WHEN is_closed THEN status ELSE 'open' END AS status, CASE WHEN is_closed THEN closed_on END AS closed_on
        FROM (
            SELECT *, status <> 'open' AND closed_on <= {until} AS is_closed
            FROM (SELECT opportunity_id, rep_id, stage, status, created_on, {held}
                FROM read_parquet({sql.paths(crm.files("opportunities"))}))
        ) WHERE created_on <= {until}
    """)


def _closed(database: "duckdb.DuckDBPyConnection", crm: Crm) -> pd.DataFrame:
    extra = "".join(
        f", coalesce({whole_sum(f'd.{name} * coalesce(c.share, 1.0)', MONEY_UNIT)}, 0) AS {name}"
        for name in ("units", "margin")
        if filled(crm, name)
    )
    return frame(
        database,
        f"""
        SELECT coalesce(c.rep_id, d.rep_id) AS rep_id, {week_sql("d.closed_on")} AS week,
            {whole_sum("coalesce(c.share, 1.0)", SHARE_UNIT)} AS wins,
            coalesce({whole_sum("d.amount * coalesce(c.share, 1.0)", MONEY_UNIT)}, 0) AS revenue{extra}
        FROM deals d LEFT JOIN {_credits(crm)} c ON c.opportunity_id = d.opportunity_id
        WHERE d.status = 'won' GROUP BY ALL ORDER BY ALL
        """,
    )


def _credits(crm: Crm) -> str:
    if crm.has("credits"):
        return f"read_parquet({sql.paths(crm.files('credits'))})"
    return "(SELECT NULL AS opportunity_id, CAST(NULL AS VARCHAR) AS rep_id, CAST(NULL AS DOUBLE) AS share)"


def filled(crm: Crm, column: str) -> bool:
    """Whether any opportunity holds a value in the column."""
    held = crm.coverage
    share = held.loc[(held["table"] == "opportunities") & (held["column"] == column), "share"]
    return bool((share > 0).any())
