# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Which activities mostly follow a deal that is already going well, and so mark sales rather than making them.

A stage is advanced when deals that reached it were won clearly more often than deals in general. An activity whose
records mostly sit on deals in such a stage on that day (proposals, contracts) is a consequence of the sale's progress.
"""

from datetime import date

from analysis.crm import Crm, sql
from analysis.panel.hindsight import effort

WIN_LIFT = 1.25  # a stage is advanced from this multiple of the overall win rate on
MIN_CLOSED = 50  # closed deals below which no stage is judged


def advanced_share(crm: Crm, as_of: date | None) -> dict[str, float]:
    """kind -> share of its records (0..1) done on deals in an advanced stage; empty where the data cannot tell.

    Done by a human, up to `as_of`. A record without a deal counts as not advanced. Counted in DuckDB.
    """
    if not crm.has("stage_changes") or "opportunity_id" not in crm.columns("activities"):
        return {}
    until = f"DATE '{as_of or date.max}'"
    with sql.connection() as database:
        for name in ("activities", "opportunities", "stage_changes"):
            database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({sql.paths(crm.files(name))})")
        rows = database.execute(f"""
            WITH closed AS (
                SELECT opportunity_id, status = 'won' AS won FROM opportunities
                WHERE status <> 'open' AND closed_on <= {until}
            ), reached AS (
                SELECT DISTINCT opportunity_id, to_stage FROM stage_changes
            ), advanced AS (
                SELECT to_stage FROM reached JOIN closed USING (opportunity_id) GROUP BY to_stage
                HAVING count(*) >= {MIN_CLOSED} AND avg(won::INT) < 1
                AND avg(won::INT) >= {WIN_LIFT} * (SELECT avg(won::INT) FROM closed)
            ), spells AS (
                SELECT opportunity_id, to_stage, changed_at AS begins,
                    lead(changed_at) OVER (PARTITION BY opportunity_id ORDER BY changed_at) AS ends FROM stage_changes
            ), held AS (
                SELECT * FROM spells WHERE to_stage IN (SELECT to_stage FROM advanced)
            ), done AS (
                SELECT a.kind, a.opportunity_id, CAST(a.occurred_on + 1 AS TIMESTAMPTZ) AS day_end
                FROM activities a WHERE a.occurred_on <= {until} AND {effort(crm)}
            ), marked AS (
                SELECT d.kind, count(*) AS n FROM done d JOIN held h ON d.opportunity_id = h.opportunity_id
                AND d.day_end > h.begins AND (h.ends IS NULL OR d.day_end <= h.ends) GROUP BY d.kind
            )
            SELECT t.kind, t.n, coalesce(m.n, 0) FROM (SELECT kind, count(*) AS n FROM done GROUP BY kind) t
            LEFT JOIN marked m USING (kind) ORDER BY t.kind
        """).fetchall()
    return {kind: marked / n for kind, n, marked in rows}
