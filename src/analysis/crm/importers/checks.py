# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""What is judged over all rows: refusals of the import, metrics that must be switched off, and warnings a reader needs.

Every threshold stands here or in the configuration; every sentence says what was seen and what to do.
"""

from __future__ import annotations

import datetime as dt

from analysis.crm.importers.job import Job
from analysis.crm.importers.rules import quote

TALK_TIME_COVERAGE = 0.80
MEETING_UNKNOWN = 0.30
ORPHAN_WARNING = 0.20
INTEGRATION_SHARE = 0.50
INTEGRATION_MIN_REPS = 5
INTEGRATION_MIN_ROWS = 200
EMAIL_MIN_CALLS = 20
EMAIL_MIN_SHARE = 0.20
MOVED_SHARE = 0.10
ARCHIVE_DAYS = 365
LIVE = "_d = 0"
GOOD = "_d = 0 AND _q = 0"


def judge_import(job: Job) -> None:
    """All refusals that need the finished tables, raised together."""
    unclassified(job)
    unknown_reps(job)
    integration_user(job)
    archived(job)
    moved_deals(job)
    teams_of_today(job)
    job.ledger.settle()


def unclassified(job: Job) -> None:
    """Too many activities without a rule: the counts would mean nothing."""
    total = job.count("w_activities", LIVE)
    rows = job.count("w_activities", f"{LIVE} AND rule_no IS NULL")
    allowed = job.config.base.activity_defaults.unclassified_max_share
    job.details["unclassified_share"] = rows / total if total else 0.0
    if total and rows / total > allowed:
        by_object = ", ".join(
            f"{src} {n:,}"
            for src, n in job.rows(
                f"SELECT _src, count(*) FROM w_activities WHERE {LIVE} AND rule_no IS NULL GROUP BY 1 ORDER BY 2 DESC, 1"
            )
        )
        job.ledger.refuse(
            "D12", f"{rows:,} of {total:,} activities ({rows / total:.0%}) match no [[activity]] rule ({by_object}); "
            f"{allowed:.0%} is allowed. Add rules, or raise activity_defaults.unclassified_max_share.")  # fmt: skip


def unknown_reps(job: Job) -> None:
    """D28: rows nobody owns; above the threshold the import is refused."""
    allowed = job.config.base.people.unknown_rep_max_share
    for table in ("w_activities", "w_opportunities"):
        total = job.count(table, LIVE)
        rows = job.count(table, f"{LIVE} AND rep_id IS NULL")
        if total and rows / total > allowed:
            job.ledger.refuse("D28", f"{rows:,} rows of {table[2:]} ({rows / total:.0%}) have no known rep. Export all users, archived ones too, "
                                     "or raise people.unknown_rep_max_share.")  # fmt: skip


def integration_user(job: Job) -> None:
    """D30: one account that performs most of everything is no rep."""
    allowed = {u.lower() for u in job.config.base.people.allow_integration_users}
    found = job.rows(
        f"SELECT rep_id, min(rep_raw), count(*) FROM w_activities WHERE {GOOD} AND origin = 'human' GROUP BY 1 ORDER BY 3 DESC, 1"
    )
    total = sum(n for _, _, n in found)
    if len(found) < INTEGRATION_MIN_REPS or total < INTEGRATION_MIN_ROWS:
        return
    _, raw, rows = found[0]
    if rows > INTEGRATION_SHARE * total and str(raw).lower() not in allowed:
        job.ledger.refuse("D30", f"user {raw} looks like an integration: {rows:,} of {total:,} activities ({rows / total:.0%}). Map it with "
                                 "automated rules, exclude it in people.exclude_users, or name it in people.allow_integration_users.")  # fmt: skip


def archived(job: Job) -> None:
    """D21: Salesforce archives activities after a year; an export without them has a hole, not a quiet past."""
    answer = job.config.source.includes_archived
    if not job.mapping.archives_activities or answer == "yes" or job.as_of is None:
        return
    edge = job.as_of - dt.timedelta(days=ARCHIVE_DAYS)
    earlier_deals = job.count("w_opportunities", f"{LIVE} AND created_on < DATE '{edge}' - 30")
    earlier, total = (
        job.count("w_activities", f"{LIVE} AND occurred_on < DATE '{edge}'"),
        job.count("w_activities", LIVE),
    )
    if not earlier_deals or earlier or not total:
        return
    text = f"history before {edge:%Y-%m} looks archived: {earlier_deals:,} deals are older, no activity is. "
    if answer == "unknown":
        job.ledger.refuse("D21", text + "Export again with queryAll, or set source.includes_archived.")
    else:
        job.ledger.warn(
            "D21", "activities", earlier_deals, text + "The configuration says so; nothing before it can be analysed."
        )


def moved_deals(job: Job) -> None:
    """D35: won deals whose owner changed afterwards; without a history of owners, per-rep revenue is not to be had."""
    won = job.count("w_opportunities", f"{GOOD} AND status = 'won'")
    known = job.count("w_history", "field = 'owner' AND _d = 0") > 0
    if known or not won:
        return
    moved = job.one(
        f"SELECT count(*) FROM w_opportunities o LEFT JOIN (SELECT deal_before AS deal, min(rep_id) AS worker, count(DISTINCT rep_id) AS workers, "
        f"count(*) AS n FROM w_activities WHERE {GOOD} AND status = 'done' AND origin = 'human' AND deal_before IS NOT NULL AND (deal_closed IS NULL OR occurred_on <= deal_closed) "
        "GROUP BY 1) a ON a.deal = o.opportunity_id LEFT JOIN (SELECT rep_id, min(hired_on) AS hired_on FROM w_reps WHERE _d = 0 GROUP BY 1) r "
        f"ON r.rep_id = o.rep_id WHERE {' AND '.join('o.' + part for part in GOOD.split(' AND '))} AND o.status = 'won' AND "
        "(r.hired_on > o.closed_on OR CAST(o.assigned_utc AS DATE) > o.closed_on OR (a.workers = 1 AND a.n >= 3 AND a.worker <> o.rep_id))"
    )
    if moved / won <= MOVED_SHARE:
        return
    text = f"{moved:,} of {won:,} won deals ({moved / won:.0%}) now belong to somebody who did not win them, and the export has no owner history. "
    if job.config.base.money.credit == "owner_now":
        job.ledger.warn("D35", "opportunities", moved, text + "The configuration credits today's owner all the same.")
    else:
        job.ledger.refuse(
            "D35", text + 'Export the field history of the owner, give splits, or set money.credit = "owner_now".'
        )


def teams_of_today(job: Job) -> None:
    """D32: teams known only as of today cannot be compared in the past."""
    teams = job.count("t_teams")
    if teams < 2 or job.count("w_memberships", f"{GOOD} AND _src <> ''"):
        return
    since = job.config.base.people.teams_known_since
    if since is None:
        latest = job.one(f"SELECT max(occurred_on) FROM w_activities WHERE {GOOD}")
        when = f"before {job.as_of or latest}" if job.as_of or latest else "in the past"
        job.ledger.refuse("D32", f"membership history missing: per-team comparison {when} is not possible. Give memberships.csv, or set "
                                 "people.teams_known_since to the day since which today's teams hold.")  # fmt: skip
        return
    earlier = job.count("w_activities", f"{GOOD} AND occurred_on < DATE '{since}'")
    job.ledger.warn("D32", "activities", earlier, f"{earlier:,} activities lie before {since}, when today's teams are not known to hold; "
                                                  "per-team comparison before that day is not possible.")  # fmt: skip


def judge_metrics(job: Job) -> set[str]:
    """Columns that must not be written, as what they would say is not known; every one is noted as disabled."""
    off: set[str] = set()
    if not talk_time(job):
        off.add("duration_s")
    if not connect_rate(job):
        off.add("outcome")
    meetings(job)
    emails(job)
    orphans(job)
    typed_dates(job)
    conflicts(job)
    labels(job)
    return off


def calls_where() -> str:
    """SQL: a finished call by a person."""
    return f"{GOOD} AND status = 'done' AND origin = 'human' AND NOT meeting AND kind LIKE '%call%'"


def talk_time(job: Job) -> bool:
    """D09: whether talk time is known for enough calls."""
    calls = job.count("w_activities", calls_where())
    known = job.count("w_activities", f"{calls_where()} AND duration_s IS NOT NULL")
    job.ledger.note(
        "D09",
        "activities",
        "fixed",
        calls - known,
        f"{calls - known:,} calls without a recorded length stay null, not zero",
    )
    if calls and known / calls < TALK_TIME_COVERAGE:
        job.ledger.disable(
            "D09",
            "talk time",
            calls - known,
            f"talk time known for {known / calls:.0%} of calls; below {TALK_TIME_COVERAGE:.0%} it is not reported.",
        )
        return False
    return True


def connect_rate(job: Job) -> bool:
    """D11: whether any call has an outcome, from its field or from a rule."""
    calls = job.count("w_activities", calls_where())
    known = job.count("w_activities", f"{calls_where()} AND outcome IS NOT NULL")
    field_filled = job.count("w_activities", f"{calls_where()} AND has_outcome")
    if calls and not known:
        job.ledger.disable(
            "D11",
            "connect rate",
            calls,
            f"connect rate cannot be computed: the outcome is empty in {calls:,} of {calls:,} calls and no rule gives one.",
        )
        return job.count("w_activities", f"{GOOD} AND outcome IS NOT NULL") > 0
    if calls and not field_filled:
        job.ledger.note(
            "D11", "activities", "fixed", known, "the outcome field is empty throughout; outcomes come from the rules"
        )
    return True


def meetings(job: Job) -> None:
    """D16: held meetings cannot be counted when too many outcomes are unknown."""
    where = f"{GOOD} AND status = 'done' AND meeting"
    total = job.count("w_activities", where)
    unknown = job.count("w_activities", f"{where} AND (outcome IS NULL OR outcome = 'unknown')")
    if total and unknown / total > MEETING_UNKNOWN:
        job.ledger.disable(
            "D16",
            "held meetings",
            unknown,
            f"the outcome of {unknown:,} of {total:,} meetings ({unknown / total:.0%}) is not known.",
        )


def emails(job: Job) -> None:
    """D22: reps who call but never write: their e-mail is kept elsewhere and is missing, not zero."""
    found = job.rows(
        f"SELECT n_if(kind LIKE '%call%') AS calls, n_if(kind LIKE '%email%') AS emails FROM w_activities WHERE {GOOD} AND status = 'done' GROUP BY rep_id"
    )
    callers = [(calls, written) for calls, written in found if calls >= EMAIL_MIN_CALLS]
    silent = sum(1 for _, written in callers if not written)
    has_kind = any("email" in (rule.kind or "") for _, rule in job.details["rules"].values())
    if has_kind and callers and silent / len(callers) > EMAIL_MIN_SHARE:
        text = f"{silent} of {len(callers)} reps have no email rows; email is missing, not zero."
        job.ledger.warn("D22", "activities", silent, text)
        job.ledger.disable("D22", "email", silent, text)


def orphans(job: Job) -> None:
    """D27: touches linked to nobody count for the rep only."""
    total = job.count("w_activities", GOOD)
    rows = job.count("w_activities", f"{GOOD} AND NOT linked")
    if total and rows / total > ORPHAN_WARNING:
        job.ledger.warn(
            "D27",
            "activities",
            rows,
            f"{rows:,} of {total:,} activities ({rows / total:.0%}) are linked to nobody; they count in rep totals only.",
        )


def typed_dates(job: Job) -> None:
    """D37: closing dates taken from the typed field."""
    rows = job.count("w_opportunities", f"{GOOD} AND status <> 'open' AND recorded IS NULL")
    ends = job.count(
        "w_opportunities",
        f"{GOOD} AND status = 'won' AND recorded IS NULL AND (closed_on = last_day(closed_on) OR (month(closed_on) = 1 AND day(closed_on) = 1))",
    )
    job.ledger.warn(
        "D37",
        "opportunities",
        rows,
        f"{rows:,} closing dates are as typed, {ends:,} of the won ones on the last day of a month or on 1 January.",
    )


def conflicts(job: Job) -> None:
    """D12: rows whose two kind fields disagree, in a table of the values the rules name."""
    words = {
        str(v).lower()
        for _, rule in job.details["rules"].values()
        for c in rule.conditions()
        for v in (*(c.in_ or ()), *((c.eq,) if isinstance(c.eq, str) else ()))
    }
    listed = ", ".join(quote(w) for w in sorted(words)) or "''"
    shown = {
        c: f"CASE WHEN {c} IS NULL THEN '(empty)' WHEN lower({c}) IN ({listed}) THEN {c} ELSE '(other)' END"
        for c in ("kind_a", "kind_b")
    }
    found = job.rows(
        f"SELECT _src, {shown['kind_a']} AS a, {shown['kind_b']} AS b, count(*) FROM w_activities WHERE {LIVE} "
        "AND (kind_a IS NOT NULL OR kind_b IS NOT NULL) AND lower(kind_a) IS DISTINCT FROM lower(kind_b) GROUP BY 1, 2, 3 "
        "HAVING NOT (a IN ('(empty)', '(other)') AND b IN ('(empty)', '(other)')) ORDER BY 4 DESC, 1, 2, 3"
    )
    job.details["kind_conflicts"] = [{"object": s, "first": a, "second": b, "rows": n} for s, a, b, n in found]
    job.ledger.note(
        "D12",
        "activities",
        "fixed",
        sum(n for *_, n in found),
        "the kind fields disagree; the rules decide, see kind_conflicts",
    )


def labels(job: Job) -> None:
    """D13: outcome ids or labels nobody has mapped."""
    found = job.rows(
        f"SELECT label, count(*) FROM w_activities WHERE {LIVE} AND outcome = 'unknown' AND lower(label) <> 'unknown' AND label IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    if found:
        rows = sum(n for _, n in found)
        job.ledger.warn(
            "D13",
            "activities",
            rows,
            f"{len(found):,} disposition ids without label ({rows:,} calls): add them to [outcomes].",
        )
        guids = job.rows(
            "SELECT DISTINCT label FROM w_activities WHERE outcome = 'unknown' AND regexp_full_match(label, '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}') ORDER BY 1"
        )
        job.details["unlabelled_outcomes"] = [g for (g,) in guids]
