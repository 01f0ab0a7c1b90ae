# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Deals: one table of opportunities with the date they were really won, whoever owned them then, and an amount one can add.

Dates and owners come from history where there is one; a typed closing date and today's owner are stand-ins that are counted
and told. Merged deals follow the survivor, test rows are dropped, amounts that cannot be used go to quarantine.
"""

from __future__ import annotations

from analysis.crm.importers import clock, money, stages
from analysis.crm.importers.defects import mask
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.rules import quote

VALUES = ("id", "rep", "account", "name", "amount", "closed", "stage", "created", "type", "source", "pipeline", "currency", "state", "won_at",
          "first_won_at", "assigned", "campaign", "lead", "partner", "list_amount", "units", "margin", "invoiced", "paid")  # fmt: skip
FLAGS = ("is_won", "is_closed", "deleted_state", "probability")


def build_deals(job: Job) -> None:
    """`deal_merge`, `w_history` and `w_opportunities` (with the masks); `w_credits` comes with money.build_credits."""
    merges(job)
    money.with_fields(job)
    raw_table(job, "o0", "opportunities", (*VALUES, *FLAGS))
    stamps(job, "o0", ("closed", "created", "won_at", "first_won_at", "assigned", "invoiced", "paid"))
    ids = ", ".join(f"{v} AS {v}_key" for v in ("id", "account", "lead", "partner"))
    job.make(
        "o1",
        f"SELECT o.*, {ids}, p.rep_id AS owner_rep, p.team_id, coalesce(p.tz, 'UTC') AS tz, p.excluded, p.held "
        f"FROM o0 o LEFT JOIN person p ON p.user_key = o.rep",
        like="o0",
        what="opportunities",
    )
    dropped_early(job)
    stages.build_history(job)
    stages.map_stages(job)
    dates(job)
    money.parse_amounts(job)
    finish(job)


def merges(job: Job) -> None:
    """deal_merge(source, target): merged deals and where they ended up, chains followed to the end (D40)."""
    raw_table(job, "w_merges", "merges", ("from", "to", "what"), None)
    pairs = dict(
        job.rows(
            'SELECT "from", min("to") FROM w_merges '
            'WHERE what = \'deal\' AND "from" IS NOT NULL AND "to" IS NOT NULL GROUP BY 1 ORDER BY 1'
        )
    )
    resolved = []
    for source in pairs:
        target, seen = source, {source}
        while target in pairs and pairs[target] not in seen:
            target = pairs[target]
            seen.add(target)
        if target != source:
            resolved.append((source, target))
    job.run("CREATE OR REPLACE TABLE deal_merge (source VARCHAR, target VARCHAR)")
    if resolved:
        job.con.executemany("INSERT INTO deal_merge VALUES (?, ?)", resolved)


def dropped_early(job: Job) -> None:
    """`o2`: the deals that are no sales, marked before anybody asks for their stage."""
    deals = job.config.base.deals
    tests = " OR ".join(f"lower(name) LIKE {quote(p.lower())}" for p in deals.test_patterns) or "false"
    types = in_list("type", deals.ignore_types)
    pipelines = in_list("pipeline", pipeline_marks(job, deals.ignore_pipelines))
    out = mask(
        ("D40", f"coalesce({tests}, false) OR id_key IN (SELECT source FROM deal_merge)"),
        ("ignored_deal", f"{types} OR {pipelines}"),
        ("excluded_user", "coalesce(excluded, false)"),
        ("deleted", "coalesce(deleted_state::BOOLEAN, false)"),
    )
    job.make("o2", f"SELECT * REPLACE (_d | {out} AS _d) FROM o1", like="o1", what="opportunities")


def in_list(column: str, values: tuple[str, ...]) -> str:
    """SQL: the column is one of the values, case ignored."""
    listed = ", ".join(quote(v.lower()) for v in values)
    return f"coalesce(lower({column}) IN ({listed}), false)" if values else "false"


def pipeline_marks(job: Job, named: tuple[str, ...]) -> tuple[str, ...]:
    """The names and the ids of pipelines named either way."""
    labels = stages.pipeline_labels(job)
    lowered = {n.lower() for n in named}
    return tuple(sorted(lowered | {pid for pid, label in labels.items() if label.lower() in lowered}))


def dates(job: Job) -> None:
    """`o4`: when it was won or lost, and who owned it then.

    From `w_history`: the first or last entry into the won stage, the last into a lost one; else the source's own won time;
    else the typed date. The owner at that moment comes from owner history (D35).
    """
    first = job.config.base.money.win_of_reopened == "first"
    use_history = job.config.base.money.won_date == "history"
    job.make(
        "moments",
        "SELECT deal, min(at_utc) FILTER (stage_as = 'won') AS first_won, max(at_utc) FILTER (stage_as = 'won') AS last_won, "
        "max(at_utc) FILTER (stage_as = 'lost') AS last_lost FROM w_history WHERE field = 'stage' AND _d = 0 AND _q = 0 GROUP BY 1",
    )
    won = "coalesce(m.first_won, o.first_won_at_utc, o.won_at_utc)" if first else "coalesce(m.last_won, o.won_at_utc)"
    recorded = (
        f"CASE status WHEN 'won' THEN {won} WHEN 'lost' THEN m.last_lost END"
        if use_history
        else "CAST(NULL AS TIMESTAMP)"
    )
    typed_day = (
        f"CASE WHEN closed_is_day THEN CAST(closed_utc AS DATE) ELSE CAST({local(job, 'closed_utc')} AS DATE) END"
    )
    created_day = (
        f"CASE WHEN created_is_day THEN CAST(created_utc AS DATE) ELSE CAST({local(job, 'created_utc')} AS DATE) END"
    )
    job.make(
        "o4",
        f"SELECT *, {created_day} AS created_on, {typed_day} AS typed_on, CASE WHEN status = 'open' THEN NULL "
        f"WHEN recorded IS NOT NULL THEN CAST({local(job, 'recorded')} AS DATE) ELSE {typed_day} END AS closed_on "
        f"FROM (SELECT o.*, {recorded} AS recorded FROM o3 o LEFT JOIN moments m ON m.deal = o.id_key)",
        like="o3",
        what="opportunities",
    )
    owners(job)


def local(job: Job, utc: str) -> str:
    """SQL of a moment on the owner's clock."""
    return clock.to_local_sql(utc, "tz", job.zones, job.years)


def owners(job: Job) -> None:
    """`o5`: the owner when the deal closed: the last owner change before that moment, else the old value of the first after it."""
    job.make(
        "owner_changes",
        f"SELECT deal, at_utc, {job.id_sql('old')} AS old_owner, {job.id_sql('new')} AS new_owner FROM w_history "
        "WHERE field = 'owner' AND _d = 0 AND _q = 0 AND at_utc IS NOT NULL",
    )
    job.make(
        "owner_then",
        "SELECT o._src, o._row, arg_max(c.new_owner, c.at_utc) FILTER (c.at_utc <= o.moment) AS before_it, "
        "arg_min(c.old_owner, c.at_utc) FILTER (c.at_utc > o.moment) AS after_it FROM "
        "(SELECT _src, _row, id_key, coalesce(recorded, closed_utc + INTERVAL 1 DAY) AS moment FROM o4 WHERE status <> 'open') o "
        "JOIN owner_changes c ON c.deal = o.id_key GROUP BY 1, 2",
    )
    at_close = "coalesce(t.before_it, t.after_it)"
    job.make(
        "o5",
        f"SELECT o.*, p.rep_id AS rep_then, {at_close} IS NOT NULL AS owner_known FROM o4 o LEFT JOIN owner_then t USING (_src, _row) "
        f"LEFT JOIN person p ON p.user_key = {at_close}",
        like="o4",
        what="opportunities",
    )


def finish(job: Job) -> None:
    """`w_opportunities`: the contract's columns and the masks."""
    rep = "owner_rep" if job.config.base.money.credit == "owner_now" else "coalesce(rep_then, owner_rep)"
    placeholder = ", ".join(repr(a) for a in job.config.base.money.placeholder_amounts) or "NULL"
    outlier = job.details.get("outlier_limit")
    # Without a creation day the day it closed is the only one known; a contract row needs one.
    closed = "status <> 'open'"
    fixed = "_f | " + mask(
        ("D04", "closed_sentinel OR created_sentinel"),
        ("D31", "coalesce(rep <> rep_typed, false)"),
        ("D35", f"{rep} <> owner_rep"),
        ("D37", f"{closed} AND recorded IS NOT NULL AND typed_on IS NOT NULL AND typed_on <> closed_on"),
    )
    quarantined = "_q | " + mask(
        ("no_id", "id_key IS NULL"),
        ("no_date", f"created_on IS NULL OR ({closed} AND closed_on IS NULL)"),
        ("D28", f"{rep} IS NULL"),
        ("D31", "coalesce(held, false)"),
        ("D37", f"{closed} AND closed_on < created_on"),
        (
            "D39",
            f"(status = 'won' AND (money IS NULL OR money IN ({placeholder}) OR money < 0)) OR (amount IS NOT NULL AND money IS NULL)",
        ),
        ("D39", f"coalesce(money > {outlier!r}, false)" if outlier else "false"),
    )
    source = money.words_case("source", job.config.base.leads.sources)
    job.make(
        "w_opportunities",
        f"SELECT _src, _row, ({fixed})::BIGINT AS _f, ({quarantined})::BIGINT AS _q, _d, id_key AS opportunity_id, {rep} AS rep_id, "
        f"account_key AS account_id, created_on, stage_name AS stage, status, closed_on, money AS amount, list_money AS list_amount, units_number AS units, "
        f"margin_money AS margin, CASE WHEN probability::DOUBLE BETWEEN 0 AND 1 THEN probability::DOUBLE END AS probability, lead_key::VARCHAR AS lead_id, "
        f"{source} AS source, partner_key AS partner_id, CAST(invoiced_utc AS DATE) AS invoiced_on, CAST(paid_utc AS DATE) AS paid_on, "
        "owner_rep, owner_known, recorded, created_utc, assigned_utc, team_id FROM o6",
        like="o6",
        what="opportunities",
    )
