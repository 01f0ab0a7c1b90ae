# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""The fate of every activity: what needs other rows, other tables, or the day of the export.

Duplicates of two tools, bulk minutes, windows of deals and leads, planned and future rows; then one table `w_activities`
with the contract's columns and the three masks that say what was done to each row and why.
"""

from __future__ import annotations

from analysis.crm.importers.defects import mask
from analysis.crm.importers.job import Job

# A day inferred from the rows may lag behind the real one by a weekend.
INFERRED_GRACE_DAYS = 3


def judge_activities(job: Job) -> None:
    """Make `w_activities` from `a1`, once deals (`w_opportunities`) and leads (`w_leads`) are known."""
    defaults = job.config.base.activity_defaults
    as_of = f"DATE '{job.as_of}'" if job.as_of else "CAST(NULL AS DATE)"
    status = f"CASE WHEN status = 'by_time' THEN CASE WHEN {as_of} IS NULL OR occurred_on <= {as_of} THEN 'done' ELSE 'planned' END ELSE status END"
    job.make("bulk_minutes", bulk_sql(defaults.bulk_min_rows))
    contact_links(job)
    job.make(
        "a2",
        f"SELECT a.*, {status} AS state, a.account AS account_key, {deal_sql('a.opportunity')} AS deal, "
        f"coalesce(a.lead, l.lead_id) AS lead_key, coalesce(a.contact, a.lead) AS touched, "
        f"coalesce(b.n, 0) > 0 OR coalesce(date_diff('day', occurred_on, CAST(created_utc AS DATE)) > {defaults.backdated_days}, false) AS bulk "
        f"FROM a1 a LEFT JOIN contact_lead l ON l.contact = a.contact "
        "LEFT JOIN bulk_minutes b ON b.minute = date_trunc('minute', a.created_utc) AND b.creator IS NOT DISTINCT FROM a.creator",
        like="a1",
        what="activities",
    )
    job.make("twice", twice_sql(defaults.collapse_same_contact_minutes))
    job.make(
        "a3",
        "SELECT a.*, t._row IS NOT NULL AS twice FROM a2 a LEFT JOIN twice t USING (_src, _row)",
        like="a2",
        what="activities",
    )
    window(job)
    finish(job, as_of)
    job.run("DROP TABLE a2; DROP TABLE a3; DROP TABLE a4")


def bulk_sql(rows: int) -> str:
    """Creation minutes in which one account wrote more rows than a person could (D23)."""
    return (
        "SELECT date_trunc('minute', created_utc) AS minute, creator, count(*) AS n FROM a1 "
        f"WHERE created_utc IS NOT NULL AND _d = 0 GROUP BY 1, 2 HAVING count(*) >= {rows}"
    )


def deal_sql(text: str) -> str:
    """The deal an activity points to, merged deals followed to their survivor."""
    return f"coalesce((SELECT m.target FROM deal_merge m WHERE m.source = {text}), {text})"


def contact_links(job: Job) -> None:
    """contact_lead: a lead's contact after conversion, so that later touches still count for the lead."""
    job.make(
        "contact_lead",
        "SELECT contact AS contact, min(lead_id) AS lead_id FROM w_leads WHERE contact IS NOT NULL AND _d = 0 GROUP BY 1",
    )


def twice_sql(minutes: int) -> str:
    """Rows that repeat a richer row: same rep, contact and kind within minutes, or the same calendar entry or message (D17)."""
    rich = "(duration IS NOT NULL)::INT + (outcome IS NOT NULL)::INT + (deal IS NOT NULL)::INT + (account_key IS NOT NULL)::INT"
    live = "_d = 0 AND state = 'done' AND rep_id IS NOT NULL AND kind IS NOT NULL AND NOT ignored"
    return f"""
        WITH near AS (
            SELECT _src, _row, rep_id, touched, kind, moment, {rich} AS richness,
                coalesce(moment - lag(moment) OVER pair > INTERVAL {minutes} MINUTE, true) AS begins
            FROM a2 WHERE {live} AND moment IS NOT NULL AND touched IS NOT NULL AND {minutes} > 0
            WINDOW pair AS (PARTITION BY rep_id, touched, kind ORDER BY moment, _src, _row)),
        runs AS (
            SELECT *, sum(begins::INT) OVER (PARTITION BY rep_id, touched, kind ORDER BY moment, _src, _row) AS run FROM near),
        placed AS (
            SELECT _src, _row, row_number() OVER (PARTITION BY rep_id, touched, kind, run
                ORDER BY richness DESC, _src, _row) AS place FROM runs),
        keyed AS (
            SELECT _src, _row, row_number() OVER (PARTITION BY rep_id, touch_key, moment
                ORDER BY {rich} DESC, _src, _row) AS place
            FROM a2 WHERE {live} AND touch_key IS NOT NULL)
        SELECT DISTINCT _src, _row FROM (SELECT * FROM placed UNION ALL SELECT * FROM keyed) WHERE place > 1"""


def window(job: Job) -> None:
    """`a4`: links to deals and leads that are in the data; links outside the deal's or lead's own time are cut (D26)."""
    dead_lead = "l.lead_id IS NULL AND a.lead_key IS NOT NULL" if job.objects("leads") else "false"
    job.make(
        "a4",
        "SELECT a.*, o.rep_id AS deal_rep, o.closed_on AS deal_closed, o.account_id AS deal_account, "
        f"o.opportunity_id IS NULL AND a.deal IS NOT NULL AS dead_deal, {dead_lead} AS dead_lead, "
        "coalesce(a.occurred_on < o.created_on OR a.occurred_on > o.closed_on, false) AS outside_deal, "
        "coalesce(a.occurred_on < CAST(l.created_at AS DATE), false) AS outside_lead "
        "FROM a3 a LEFT JOIN (SELECT opportunity_id, rep_id, created_on, closed_on, account_id FROM w_opportunities WHERE _d = 0 AND _q = 0) o "
        "ON o.opportunity_id = a.deal "
        "LEFT JOIN (SELECT lead_id, created_at FROM w_leads WHERE _d = 0 AND _q = 0) l ON l.lead_id = a.lead_key",
        like="a3",
        what="activities",
    )


def origin_sql(job: Job) -> str:
    """What made the row; a rule's word first, then the CRM's, then the bulk minutes; a touch that is no attempt is no effort."""
    return (
        "CASE WHEN automated IS NOT NULL THEN automated WHEN origin IS NOT NULL THEN origin WHEN bulk THEN 'bulk' "
        "WHEN NOT attempt THEN 'unknown' ELSE 'human' END"
    )


def finish(job: Job, as_of: str) -> None:
    """`w_activities`: the contract's columns and the masks."""
    planned_is_talk = job.config.base.units.duration_is == "talk_time"
    is_planned_length = "false" if planned_is_talk else "(planned_length AND seconds IS NOT NULL)"
    if job.config.base.units.duration_is == "planned":
        is_planned_length = "(seconds IS NOT NULL)"
    limit = job.config.base.activity_defaults.max_call_hours * 3600
    shown = "coalesce(twice, false)"
    fixed = "_f | " + mask(
        ("D10", is_planned_length),
        ("D13", "outcome_word = '?'"),
        ("D14", f"({origin_sql(job)}) IN ('tracking', 'sequence')"),
        ("D15", "state = 'planned'"),
        ("D16", "meeting AND state = 'done' AND outcome_word IS NULL"),
        ("D23", f"({origin_sql(job)}) = 'bulk'"),
        ("D25", "logged_utc IS NOT NULL AND CAST(logged_utc AS DATE) > deal_closed"),
        ("D26", "outside_deal OR outside_lead"),
        ("D27", "NOT linked"),
        ("D29", "deal_rep <> rep_id"),
        ("dead_link", "dead_deal OR dead_lead"),
    )
    quarantined = mask(
        ("no_id", "id IS NULL"),
        ("no_date", "occurred_on IS NULL"),
        (
            "D24",
            f"state = 'done' AND occurred_on > {as_of} + {INFERRED_GRACE_DAYS if job.details.get('inferred_day') else 0}",
        ),
        ("D28", "rep_id IS NULL"),
        ("D31", "coalesce(held, false)"),
        ("D10", f"NOT {is_planned_length} AND NOT meeting AND seconds > {limit}"),
        ("bad_value", "seconds < 0 OR NOT isfinite(seconds)"),
        ("unclassified", "rule_no IS NULL"),
    )
    dropped = "_d | " + mask(
        ("D18", "series OR child"),
        ("private", "private"),
        ("excluded_user", "coalesce(excluded, false)"),
        ("ignored_rule", "ignored"),
        ("D17", shown),
    )
    level = "coalesce(level, c.contact_level)" if job.details.get("contact_levels") else "level"
    join = "LEFT JOIN contact_levels c ON c.contact = touched" if job.details.get("contact_levels") else ""
    job.make(
        "w_activities",
        f"SELECT _src, _row, ({fixed})::BIGINT AS _f, ({quarantined})::BIGINT AS _q, ({dropped})::BIGINT AS _d, "
        f"concat(prefix, id) AS activity_id, rep_id, kind, occurred_on, moment AS occurred_at, "
        f"CASE WHEN {is_planned_length} OR seconds < 0 THEN NULL ELSE try_cast(round(seconds) AS BIGINT) END AS duration_s, "
        "coalesce(direction, ruled_direction, 'unknown') AS direction, CASE WHEN outcome_word = '?' THEN 'unknown' ELSE outcome_word END AS outcome, "
        f"{level} AS contact_level, coalesce(ruled_meaningful, is_meaningful) AS is_meaningful, {origin_sql(job)} AS origin, state AS status, "
        "coalesce(account_key, deal_account) AS account_id, CASE WHEN dead_deal OR outside_deal THEN NULL ELSE deal END AS opportunity_id, "
        "CASE WHEN dead_lead OR outside_lead THEN NULL ELSE lead_key END AS lead_id, logged_utc AS logged_at, "
        "meaningful_half, meaningful_double, deal AS deal_before, team_id, meeting, child, linked, has_outcome, kind_a, kind_b, rule_no, touched, "
        f"outcome AS label, rep AS rep_raw, deal_closed, seconds FROM a4 {join}",
        like="a4",
        what="activities",
    )
