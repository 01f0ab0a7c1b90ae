# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Stages: every stage of the data has a meaning in the configuration, or the import is refused (D38).

History rows that change nothing are collapsed; a reopened deal keeps all its entries, so that its first and its last win can
both be seen.
"""

from __future__ import annotations

import re
from collections import defaultdict

from analysis.crm.importers.defects import bit, mask
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.rules import quote
from analysis.crm.importers.sections import Stage
from analysis.crm.importers.strict import nearest

HISTORY = ("deal", "clock", "field", "old", "new", "bulk")
DEFAULT = "default"


def pipeline_labels(job: Job) -> dict[str, str]:
    """Pipeline id (lower case) -> its name in the CRM."""
    if not job.objects("pipelines"):
        return {}
    raw_table(job, "w_pipelines", "pipelines", ("id", "label"))
    return {
        i.lower(): n
        for i, n in job.rows("SELECT id, label FROM w_pipelines WHERE _d = 0 AND id IS NOT NULL AND label IS NOT NULL")
    }


def stage_labels(job: Job) -> dict[str, str]:
    """Stage id (lower case) -> its name in the CRM."""
    if not job.objects("stages"):
        return {}
    raw_table(job, "w_stages", "stages", ("id", "label"))
    return {
        i.lower(): n
        for i, n in job.rows(
            "SELECT clean_id(id), label FROM w_stages WHERE _d = 0 AND id IS NOT NULL AND label IS NOT NULL"
        )
    }


def build_history(job: Job) -> None:
    """`h1`: stage and owner changes of deals that are in the data, merged deals followed; other rows dropped or in quarantine."""
    raw_table(job, "h0", "deal_history", HISTORY, None)
    stamps(job, "h0", ("clock",))
    key = "h.deal"
    job.make(
        "h1",
        f"SELECT h.*, clock_utc AS at_utc, coalesce(m.target, {key}) AS deal_key FROM h0 h LEFT JOIN deal_merge m ON m.source = {key}",
        like="h0",
        what="stage history",
    )


def map_stages(job: Job) -> None:
    """`o3` (deals with stage_name, stage_as, status) and `w_history` (changes with the same); unmapped stages are refused."""
    pipelines, labels = pipeline_labels(job), stage_labels(job)
    stage_id = "clean_id(stage)"
    seen = job.rows(
        f"SELECT team_id, pipeline, coalesce({stage_id}, ''), count(*) FROM o2 WHERE _d = 0 GROUP BY ALL "
        f"UNION ALL SELECT o.team_id, o.pipeline, clean_id(h.new), 0 FROM h1 h JOIN o2 o ON o.id_key = h.deal_key "
        "WHERE h.field = 'stage' AND h._d = 0 AND o._d = 0 AND h.new IS NOT NULL GROUP BY ALL"
    )
    resolved: dict[tuple[str | None, str | None, str], tuple[str, str, int]] = {}
    missing: dict[str, int] = defaultdict(int)
    for team_id, pipeline, stage, deals in seen:
        found = resolve(job, team_id, pipeline, stage, pipelines, labels)
        if found is None and stage:
            missing[labels.get(stage.lower(), stage)] += deals
        elif found is not None:
            resolved[(team_id, pipeline, stage)] = found
    refuse_missing(job, missing)
    job.run(
        "CREATE OR REPLACE TABLE stage_map (team_id VARCHAR, pipeline VARCHAR, stage VARCHAR, stage_as VARCHAR, stage_name VARCHAR, stage_order INTEGER)"
    )
    if resolved:
        job.con.executemany(
            "INSERT INTO stage_map VALUES (?, ?, ?, ?, ?, ?)", [(*k, *v) for k, v in sorted(resolved.items(), key=str)]
        )
    stage_deals(job)
    stage_changes(job)


def refuse_missing(job: Job, missing: dict[str, int]) -> None:
    """D38 for every stage without a meaning, with the nearest configured one."""
    configured = {name for pipeline in job.config.base.stages.values() for name in pipeline}
    for stage, deals in sorted(missing.items()):
        job.ledger.refuse(
            "D38",
            f'stage "{stage[:60]}" is not mapped ({deals:,} deals). Add it to [stages].{nearest(stage, configured)}',
        )


def resolve(
    job: Job, team_id: str | None, pipeline: str | None, stage: str, pipelines: dict[str, str], labels: dict[str, str]
) -> tuple[str, str, int] | None:
    """(as, name, order) of a stage: by the team's settings, the pipeline's table or the default one, by id or by label.

    The stage "" stands for deals without one; a configuration that does not list it sends them to quarantine.
    """
    settings = job.config.of(team_id).stages
    tables = {name.lower(): table for name, table in settings.items()}
    for pipeline_mark in ((pipeline or "").lower(), pipelines.get((pipeline or "").lower(), "").lower(), DEFAULT):
        table = {name.lower(): (name, entry) for name, entry in tables.get(pipeline_mark, {}).items()}
        for stage_mark in (stage.lower(), labels.get(stage.lower(), stage).lower()):
            if stage_mark in table:
                name, entry = table[stage_mark]
                return entry.as_, stage_word(name, entry), entry.order
    return None


def stage_word(name: str, entry: Stage) -> str:
    """What the stage is called in the data folder: its configured name, its meaning, or for open ones the label as a word."""
    if entry.name:
        return entry.name
    if entry.as_ != "open":
        return entry.as_
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "open"


def stage_deals(job: Job) -> None:
    """`o3`: the deal's stage and status. A state the CRM keeps apart from the stage (Pipedrive, Dynamics) rules over it."""
    # A deal whose own row has no stage takes the last one of its history (Fivetran's older HubSpot landing).
    stage_id = "coalesce(clean_id(o.stage), l.stage, '')"
    job.make(
        "last_stage",
        "SELECT deal_key, arg_max(clean_id(new), at_utc) AS stage FROM h1 WHERE field = 'stage' AND _d = 0 GROUP BY 1",
    )
    status = (
        "coalesce(state, CASE WHEN stage_as IN ('won', 'lost') THEN stage_as WHEN stage_as IS NOT NULL THEN 'open' END)"
    )
    word = "CASE WHEN state IN ('won', 'lost') THEN state ELSE coalesce(stage_name, state) END"
    quarantined = mask(("D38", f"({status}) IS NULL"))
    job.make(
        "o3",
        f"SELECT * EXCLUDE (stage_name, stage_as), stage_as, {word} AS stage_name, {status} AS status, {quarantined} AS _q, 0::BIGINT AS _f FROM ("
        f"SELECT o.*, s.stage_as, s.stage_name FROM o2 o LEFT JOIN last_stage l ON l.deal_key = o.id_key LEFT JOIN stage_map s "
        f"ON s.team_id IS NOT DISTINCT FROM o.team_id AND s.pipeline IS NOT DISTINCT FROM o.pipeline AND s.stage = {stage_id})",
        like="o2",
        what="opportunities",
    )


def stage_changes(job: Job) -> None:
    """`w_history`: changes with their meaning; runs of the same stage collapsed (D38), loose rows in quarantine."""
    minimum = job.config.base.activity_defaults.bulk_min_rows
    job.make(
        "h2",
        "SELECT h.*, o.id_key AS deal_id, o._d AS deal_dropped, s.stage_as, s.stage_name, n.n AS same_minute "
        "FROM h1 h LEFT JOIN (SELECT id_key, team_id, pipeline, _d FROM o3 WHERE _d = 0 AND id_key IS NOT NULL) o ON o.id_key = h.deal_key "
        "LEFT JOIN stage_map s ON h.field = 'stage' AND s.team_id IS NOT DISTINCT FROM o.team_id AND s.pipeline IS NOT DISTINCT FROM o.pipeline "
        "AND s.stage = clean_id(h.new) "
        "LEFT JOIN (SELECT date_trunc('minute', at_utc) AS minute, count(*) AS n FROM h1 WHERE field = 'stage' GROUP BY 1) n "
        "ON n.minute = date_trunc('minute', h.at_utc)",
        like="h1",
        what="stage history",
    )
    live = "field = 'stage' AND _d = 0 AND deal_id IS NOT NULL AND at_utc IS NOT NULL AND stage_name IS NOT NULL"
    quarantined = mask(
        ("orphan", "field IS NOT NULL AND deal_id IS NULL"), ("no_date", "field IS NOT NULL AND at_utc IS NULL")
    )
    job.make(
        "h3",
        f"SELECT *, {live} AS live, CASE WHEN {live} THEN lag(stage_name) OVER (PARTITION BY deal_id, ({live}) ORDER BY at_utc, _src, _row) END "
        "AS before_name FROM h2",
        like="h2",
        what="stage history",
    )
    job.make(
        "w_history",
        f"SELECT _src, _row, _d | CASE WHEN field IS NULL THEN {bit('other_field')} ELSE 0 END "
        f"| CASE WHEN field = 'stage' AND new IS NULL AND _d = 0 THEN {bit('D38')} ELSE 0 END "
        f"| CASE WHEN live AND before_name = stage_name THEN {bit('D38')} ELSE 0 END AS _d, "
        f"CASE WHEN _d = 0 AND field IS NOT NULL THEN {quarantined} ELSE 0 END AS _q, 0::BIGINT AS _f, "
        "deal_id AS deal, field, at_utc, before_name AS from_stage, stage_name AS to_stage, stage_as, old, new, "
        f"coalesce(bulk::BOOLEAN, false) OR coalesce(same_minute >= {minimum}, false) AS is_bulk FROM h3",
        like="h3",
        what="stage history",
    )
    job.run("DROP TABLE h2; DROP TABLE h3")


def has_stage_tables(job: Job) -> bool:
    """Whether the export lists its stages."""
    return bool(job.objects("stages"))


def history_given(job: Job) -> bool:
    """Whether the export has any stage history."""
    return job.count("w_history", f"field = {quote('stage')}") > 0
