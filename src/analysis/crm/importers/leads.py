# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Leads and campaigns: when a lead came, was qualified, handed off, first touched, answered; and what it cost.

Hand-off and qualification come from the lead's field history, as the configuration says which change means what. The first
touch is the first effort of the configured kinds on the lead after it came. Merged and deleted leads are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping

from analysis.crm.importers.defects import mask
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.privacy import scrub
from analysis.crm.importers.rules import quote
from analysis.crm.importers.sections import LeadMoment

VALUES = ("id", "created", "rep", "source", "status", "opportunity", "contact", "campaign", "merged", "partner", "qualified", "handed_off",
          "first_touch", "feedback_at", "feedback")  # fmt: skip
MOMENTS = ("created", "qualified", "handed_off", "first_touch", "feedback_at")


def build_leads(job: Job) -> None:
    """`w_leads` without the first touch, which needs the activities (see `first_touches`)."""
    raw_table(job, "l0", "leads", VALUES)
    stamps(job, "l0", MOMENTS)
    build_lead_history(job)
    settings = job.config.base.leads
    handed = moment_sql("handoff", settings.handoff)
    qualified = moment_sql("qualified", settings.qualified)
    words = " ".join(f"WHEN {quote(status.lower())} THEN {quote(word)}" for status, word in settings.feedback.items())
    word = f"CASE lower(coalesce(l.feedback, l.status)) {words} WHEN 'accepted' THEN 'accepted' WHEN 'rejected' THEN 'rejected' WHEN 'recycled' THEN 'recycled' END"
    source = source_sql(settings.sources)
    quarantined = mask(
        ("no_id", "id IS NULL"),
        ("no_date", "created_at IS NULL"),
        ("D28", "rep_unknown"),
        ("D31", "coalesce(held, false)"),
    )
    dropped = mask(("D40", "merged IS NOT NULL"))
    job.make(
        "w_leads",
        f"SELECT _src, _row, _d | {dropped} AS _d, CASE WHEN _d = 0 THEN {quarantined} ELSE 0 END AS _q, 0::BIGINT AS _f, * EXCLUDE (_src, _row, _d) FROM ("
        f"SELECT l._src, l._row, l._d, l.id AS lead_id, l.id, l.created_utc AS created_at, {source} AS source, "
        f"l.campaign AS campaign_id, l.partner AS partner_id, coalesce({qualified}, l.qualified_utc) AS qualified_at, "
        f"coalesce({handed}, l.handed_off_utc) AS handed_off_at, p.rep_id AS assigned_rep_id, l.first_touch_utc AS first_touch_at, "
        f"coalesce(CASE WHEN {word} IS NOT NULL THEN h.feedback_at END, l.feedback_at_utc) AS feedback_at, {word} AS feedback, "
        f"coalesce(m.target, l.opportunity) AS opportunity_id, l.contact, l.merged, p.held, false AS rep_unknown "
        f"FROM l0 l LEFT JOIN person p ON p.user_key = l.rep "
        f"LEFT JOIN deal_merge m ON m.source = l.opportunity LEFT JOIN lead_moments h ON h.lead = l.id)",
        like="l0",
        what="leads",
    )


def source_sql(labels: Mapping[str, str]) -> str:
    """SQL of a lead's source: a label the configuration lists, one of the canonical words, else `unknown`."""
    listed = [
        *labels,
        *(
            word
            for word in ("inbound", "outbound", "partner", "referral")
            if word not in {label.lower() for label in labels}
        ),
    ]
    cases = " ".join(f"WHEN {quote(label.lower())} THEN {quote(label)}" for label in listed)
    return f"CASE WHEN l.source IS NOT NULL THEN CASE lower(l.source) {cases} ELSE 'unknown' END END"


def moment_sql(name: str, moment: LeadMoment | None) -> str:
    """SQL of a moment from the lead's history, or a typed NULL."""
    return f"h.{name}_at" if moment is not None else "CAST(NULL AS TIMESTAMP)"


def build_lead_history(job: Job) -> None:
    """`w_lead_history` and lead_moments(lead, handoff_at, qualified_at, feedback_at)."""
    raw_table(job, "lh0", "lead_history", ("lead", "clock", "field", "old", "new"), None)
    stamps(job, "lh0", ("clock",))
    settings = job.config.base.leads
    handoff = changed(settings.handoff)
    qualified = changed(settings.qualified)
    listed = ", ".join(quote(status.lower()) for status in settings.feedback) or "''"
    answered = f"lower(field) IN ('status', 'lead status') AND lower(new) IN ({listed})"
    wanted = f"({handoff}) OR ({qualified}) OR ({answered})"
    job.make(
        "w_lead_history",
        f"SELECT _src, _row, lead AS lead, clock_utc AS at_utc, {handoff} AS is_handoff, {qualified} AS is_qualified, "
        f"{answered} AS is_answer, _d | {mask(('other_field', f'NOT coalesce({wanted}, false)'))} AS _d, 0::BIGINT AS _q, 0::BIGINT AS _f FROM lh0",
        like="lh0",
        what="lead history",
    )
    job.make(
        "lead_moments",
        "SELECT lead, min(at_utc) FILTER (is_handoff) AS handoff_at, min(at_utc) FILTER (is_qualified) AS qualified_at, "
        "min(at_utc) FILTER (is_answer) AS feedback_at FROM w_lead_history WHERE _d = 0 AND lead IS NOT NULL GROUP BY 1",
    )


def changed(moment: LeadMoment | None) -> str:
    """SQL: this change of a lead is the moment the configuration means."""
    if moment is None:
        return "false"
    field = moment.history_field.lower()
    names = {field, field.removesuffix("id")}
    tests = [f"lower(field) IN ({', '.join(quote(n) for n in sorted(names))})"]
    if moment.from_prefix:
        tests.append(f"starts_with(old, {quote(moment.from_prefix)})")
    if moment.to:
        tests.append(f"lower(new) IN ({', '.join(quote(t.lower()) for t in moment.to)})")
    return "(" + " AND ".join(tests) + ")"


def first_touches(job: Job) -> None:
    """Fill `first_touch_at` from the activities: the first effort of the configured kinds on the lead, not before it came."""
    kinds = ", ".join(quote(k) for k in job.config.base.leads.first_touch) or "''"
    job.make(
        "touched_leads",
        "SELECT a.lead_id, min(a.occurred_at) AS touched_at FROM w_activities a JOIN w_leads l ON l.lead_id = a.lead_id "
        f"WHERE a._d = 0 AND a._q = 0 AND a.kind IN ({kinds}) AND a.origin = 'human' AND a.status = 'done' AND a.direction <> 'in' "
        "AND a.occurred_at >= coalesce(l.handed_off_at, l.created_at) AND l._d = 0 GROUP BY 1",
    )
    job.make(
        "l1",
        "SELECT l.* REPLACE (coalesce(l.first_touch_at, t.touched_at) AS first_touch_at, CASE WHEN o.opportunity_id IS NULL THEN NULL "
        "ELSE l.opportunity_id END AS opportunity_id) FROM w_leads l LEFT JOIN touched_leads t ON t.lead_id = l.lead_id "
        "LEFT JOIN (SELECT opportunity_id FROM w_opportunities WHERE _d = 0 AND _q = 0) o ON o.opportunity_id = l.opportunity_id",
        like="w_leads",
        what="leads",
    )
    job.run("DROP TABLE w_leads; ALTER TABLE l1 RENAME TO w_leads")
    # The links between deals and leads must hold both ways.
    job.run(
        "UPDATE w_opportunities SET lead_id = NULL WHERE lead_id IS NOT NULL AND lead_id NOT IN (SELECT lead_id FROM w_leads WHERE _d = 0 AND _q = 0 AND lead_id IS NOT NULL)"
    )
    if job.objects("leads"):
        job.run(
            "UPDATE w_opportunities SET lead_id = f.lead_id FROM (SELECT opportunity_id, min(lead_id) AS lead_id FROM w_leads "
            "WHERE _d = 0 AND _q = 0 AND opportunity_id IS NOT NULL GROUP BY 1) f "
            "WHERE w_opportunities.opportunity_id = f.opportunity_id AND w_opportunities.lead_id IS NULL"
        )


def build_campaigns(job: Job) -> None:
    """`w_campaigns`: an organisation's own names, with anything that looks like an address or a number removed."""
    raw_table(job, "g0", "campaigns", ("id", "name", "channel", "cost"))
    job.make(
        "w_campaigns",
        f"SELECT _src, _row, _d, {mask(('no_id', 'id IS NULL'))} AS _q, 0::BIGINT AS _f, id AS campaign_id, "
        "coalesce(name, id) AS name, channel, try_cast(replace(cost, ',', '') AS DOUBLE) AS cost FROM g0",
    )
    for column in ("name", "channel"):
        for (text,) in job.rows(f"SELECT DISTINCT {column} FROM w_campaigns WHERE {column} IS NOT NULL ORDER BY 1"):
            if scrub(text) != text:
                job.con.execute(f"UPDATE w_campaigns SET {column} = ? WHERE {column} = ?", [scrub(text), text])
    job.run(
        "UPDATE w_leads SET campaign_id = NULL WHERE campaign_id IS NOT NULL AND campaign_id NOT IN "
        "(SELECT campaign_id FROM w_campaigns WHERE _d = 0 AND _q = 0 AND campaign_id IS NOT NULL)"
    )


def build_contacts(job: Job) -> None:
    """contact_levels(contact, contact_level): seniority by title pattern; the title itself goes no further."""
    patterns = job.config.base.contacts
    if not job.objects("contacts") or not (patterns.vp_or_above or patterns.manager or patterns.user):
        return
    raw_table(job, "k0", "contacts", ("id", "title"))
    cases = " ".join(
        f"WHEN lower(title) LIKE {quote(p.lower())} THEN '{level}'"
        for level in ("vp_or_above", "manager", "user")
        for p in getattr(patterns, level)
    )
    job.make(
        "contact_levels",
        f"SELECT id AS contact, min(CASE {cases} ELSE 'unknown' END) AS contact_level FROM k0 WHERE _d = 0 AND id IS NOT NULL GROUP BY 1",
    )
    job.details["contact_levels"] = True
