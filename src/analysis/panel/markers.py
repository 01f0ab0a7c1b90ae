# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Which activities mostly follow a deal that is already going well, and so mark sales rather than making them.

A stage is advanced when deals that reached it were won clearly more often than deals in general. An activity whose
records mostly sit on deals in such a stage on that day (proposals, contracts) is a consequence of the sale's progress.
"""

from datetime import date

from analysis.crm import Crm, sql

WIN_LIFT = 1.25  # a stage is advanced from this multiple of the overall win rate on
MIN_CLOSED = 50  # closed deals below which no stage is judged


def advanced_share(crm: Crm, as_of: date | None) -> dict[str, float]:
    """kind -> share of its records (0..1) done on deals in an advanced stage; empty where the data cannot tell.

    Done by a human, up to `as_of`. A record without a deal counts as not advanced. Counted in DuckDB.
    """
    if not crm.has("stage_changes") or "opportunity_id" not in crm.columns("activities"):
        return {}
    until = f"DATE '{as_of or date.max}'"
    held = crm.columns("activities")
    human = "".join(
        f" AND coalesce(a.{name}, {sql.text(word)}) = {sql.text(word)}"
        for name, word in (("status", "done"), ("origin", "human"))
        if name in held
    )
    with sql.connection() as database:
        for name in ("activities", "opportunities", "stage_changes"):
            database.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({sql.paths(crm.files(name))})")
        rows = database.execute(
            f"WITH closed AS (SELECT opportunity_id, status = 'won' AS won FROM opportunities "
            f"WHERE status <> 'open' AND closed_on <= {until}), "
            "reached AS (SELECT DISTINCT opportunity_id, to_stage FROM stage_changes), "
            "lift AS (SELECT to_stage, avg(won::INT) AS rate, count(*) AS n FROM reached JOIN closed USING (opportunity_id) "
            "GROUP BY ALL), "
            f"advanced AS (SELECT to_stage FROM lift WHERE n >= {MIN_CLOSED} AND rate < 1 "
            f"AND rate >= {WIN_LIFT} * (SELECT avg(won::INT) FROM closed)), "
            f"done AS (SELECT a.kind, a.opportunity_id, a.occurred_on FROM activities a WHERE a.occurred_on <= {until}{human}), "
            "linked AS (SELECT row_number() OVER () AS i, kind, opportunity_id, "
            "CAST(occurred_on + 1 AS TIMESTAMP) AS day_end FROM done WHERE opportunity_id IS NOT NULL), "
            "moves AS (SELECT opportunity_id, CAST(changed_at AT TIME ZONE 'UTC' AS TIMESTAMP) AS at, to_stage "
            "FROM stage_changes), "
            "held AS (SELECT l.kind, m.to_stage FROM linked l ASOF JOIN moves m "
            "ON l.opportunity_id = m.opportunity_id AND l.day_end > m.at) "
            "SELECT kind, count(*) AS n, (SELECT count(*) FROM held h WHERE h.kind = d.kind "
            "AND h.to_stage IN (SELECT to_stage FROM advanced)) FROM done d GROUP BY kind ORDER BY kind"
        ).fetchall()
    return {kind: late / n for kind, n, late in rows}
