# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Activities written only after the deal they served had closed: effort, but no predictor of that deal."""

from datetime import date

import pandas as pd

from analysis.crm import Crm, sql
from analysis.panel.grid import frame, week_sql


def late(crm: Crm, as_of: date | None) -> pd.DataFrame | None:
    """Such activities by rep_id, week, kind: late, and of these meaningful and senior. None where data cannot tell.

    Counted in DuckDB: only the deals are held in memory.
    """
    held = crm.columns("activities")
    if "logged_at" not in held or "opportunity_id" not in held or "closed_on" not in crm.columns("opportunities"):
        return None
    until = f"DATE '{as_of or date.max}'"
    meaningful = "count(*) FILTER (a.is_meaningful)" if "is_meaningful" in held else "0"
    senior = "count(*) FILTER (a.contact_level = 'vp_or_above')" if "contact_level" in held else "0"
    with sql.connection() as database:
        return frame(
            database,
            f"""
            SELECT a.rep_id, {week_sql("a.occurred_on")} AS week, a.kind, count(*) AS late,
                {meaningful} AS meaningful, {senior} AS senior
            FROM read_parquet({sql.paths(crm.files("activities"))}) a
            JOIN read_parquet({sql.paths(crm.files("opportunities"))}) d USING (opportunity_id)
            WHERE d.status <> 'open' AND d.closed_on <= {until} AND CAST(a.logged_at AS DATE) > d.closed_on
                AND a.occurred_on <= {until} AND CAST(a.logged_at AS DATE) <= {until} AND {effort(crm)}
            GROUP BY ALL ORDER BY ALL
            """,
        )


def effort(crm: Crm) -> str:
    """SQL condition on activities `a`: done, by a human; empty cells and missing columns mean just that."""
    held = crm.columns("activities")
    tests = [
        f"coalesce(a.{name}, '{word}') = '{word}'"
        for name, word in (("status", "done"), ("origin", "human"))
        if name in held
    ]
    return " AND ".join(["true", *tests])
