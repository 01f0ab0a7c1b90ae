# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""The open pipeline and the factored pipeline, as changes by rep and week: what came in, what went out.

A deal counts at the start of a week where it was created before that Monday and not closed before it.
"""

from datetime import date
from typing import TYPE_CHECKING

import pandas as pd

from analysis.crm import Crm, sql
from analysis.panel.grid import MONEY_UNIT, frame, week_sql, whole_sum

if TYPE_CHECKING:
    import duckdb

AMOUNTS_NEEDED = 0.9  # share of open and lost deals with an amount; below it the pipeline shows only later wins
CHANCES_NEEDED = 0.9  # share of stage spells whose chance is known


def open_changes(database: "duckdb.DuckDBPyConnection") -> pd.DataFrame | None:
    """Changes of the open pipeline from the table `deals`; None where amounts come with the win only."""
    known = sql.one(database, "SELECT avg((amount IS NOT NULL)::INT) FROM deals WHERE status <> 'won'")[0]
    if known is None or known < AMOUNTS_NEEDED:
        return None
    return _changes(database, "SELECT rep_id, amount AS value, created_on AS begins, closed_on AS ends FROM deals")


def factored_changes(database: "duckdb.DuckDBPyConnection", crm: Crm, as_of: date | None) -> pd.DataFrame | None:
    """The same, each deal weighed by the chance of the stage it then stood in.

    The chance of a stage is the mean probability of the deals now open in it. None without stage history, or where
    the chance of more than a tenth of the stage spells is not known.
    """
    if not crm.has("stage_changes") or sql.one(database, "SELECT count(probability) FROM deals") == (0,):
        return None
    _stage_spells(database, crm, as_of)
    database.execute("""
        CREATE TEMP TABLE weighed AS
        SELECT d.rep_id, d.amount * c.chance AS value, c.chance, greatest(s.begins, d.created_on) AS begins,
            CASE WHEN s.ends IS NULL OR s.ends > d.closed_on THEN d.closed_on ELSE s.ends END AS ends
        FROM stage_spells s JOIN deals d USING (opportunity_id) LEFT JOIN (
            SELECT stage, avg(probability) AS chance FROM deals
            WHERE status = 'open' AND probability IS NOT NULL GROUP BY stage
        ) c ON c.stage = s.stage
        WHERE (d.closed_on IS NULL OR s.begins < d.closed_on) AND (s.ends IS NULL OR s.ends > s.begins)
    """)
    known = sql.one(database, "SELECT avg((chance IS NOT NULL)::INT) FROM weighed")[0]
    if known is None or known < CHANCES_NEEDED:
        return None
    return _changes(database, "SELECT rep_id, value, begins, ends FROM weighed")


def _stage_spells(database: "duckdb.DuckDBPyConnection", crm: Crm, as_of: date | None) -> None:
    """Table `stage_spells`: opportunity_id, stage, begins, ends (NULL: until now), from the moves up to as_of.

    Before its first move a deal stood in the stage it left; a deal that never moved stands where it stands.
    """
    left = "from_stage" if "from_stage" in crm.columns("stage_changes") else "NULL"
    database.execute(f"""
        CREATE TEMP TABLE stage_spells AS
        WITH moves AS (
            SELECT opportunity_id, CAST(changed_at AS DATE) AS day, to_stage AS stage, {left} AS origin, changed_at
            FROM read_parquet({sql.paths(crm.files("stage_changes"))})
            WHERE CAST(changed_at AS DATE) <= DATE '{as_of or date.max}'
        ), firsts AS (
            SELECT opportunity_id, arg_min(coalesce(origin, stage), changed_at) AS stage FROM moves GROUP BY ALL
        ), every AS (
            SELECT d.opportunity_id, d.created_on AS day, coalesce(f.stage, d.stage) AS stage, NULL AS changed_at
            FROM deals d LEFT JOIN firsts f USING (opportunity_id)
            UNION ALL SELECT opportunity_id, day, stage, changed_at FROM moves
        )
        SELECT opportunity_id, stage, day AS begins,
            lead(day) OVER (PARTITION BY opportunity_id ORDER BY changed_at NULLS FIRST) AS ends
        FROM every
    """)


def _changes(database: "duckdb.DuckDBPyConnection", spells: str) -> pd.DataFrame:
    """Spells (rep_id, value, begins, ends) as the change of the stock at the start of each week: rep_id, week, change."""
    return frame(
        database,
        f"""
        WITH spells AS ({spells})
        SELECT rep_id, week, {whole_sum("change", MONEY_UNIT)} AS change FROM (
            SELECT rep_id, {week_sql("begins")} + 1 AS week, value AS change FROM spells
            UNION ALL SELECT rep_id, {week_sql("ends")} + 1, -value FROM spells WHERE ends IS NOT NULL
        ) WHERE change IS NOT NULL GROUP BY ALL ORDER BY ALL
        """,
    )
