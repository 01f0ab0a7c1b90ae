# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""The tables no CRM records: histories of teams, absences, holidays, coaching, hire dates; and the final list of reps.

Spells that overlap are refused (D33); hire dates that are the go-live day of the system are no hire dates (D34).
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

from analysis.crm.importers.defects import bit, mask
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.people import People, team_row
from analysis.crm.importers.privacy import pseudonym
from analysis.crm.importers.rules import quote

GO_LIVE_SHARE = 0.5
GO_LIVE_MIN = 10
COACHING_KINDS = ("field_day", "call_review", "email_review", "one_to_one", "training")


def build_memberships(job: Job, people: People) -> None:
    """`w_memberships` from a table of one's own, else one spell a rep since the day today's teams are known (D32)."""
    raw_table(job, "m0", "memberships", ("rep", "team", "manager", "start", "end"), None)
    stamps(job, "m0", ("start", "end"))
    job.run("CREATE OR REPLACE TABLE team_mark (mark VARCHAR, team_id VARCHAR)")
    marks = {**{t.lower(): t for t in people.teams}, **people.team_keys}
    if marks:
        job.con.executemany("INSERT INTO team_mark VALUES (?, ?)", sorted(marks.items()))
    job.make(
        "w_memberships",
        f"SELECT _src, _row, _d, {mask(('D28', 'rep_id IS NULL'), ('no_date', 'valid_from IS NULL OR valid_to <= valid_from'), ('bad_value', 'team_id IS NULL'))} "
        f"AS _q, 0::BIGINT AS _f, * EXCLUDE (_src, _row, _d) FROM (SELECT m._src, m._row, m._d, p.rep_id, t.team_id, m.manager, "
        f"CAST(start_utc AS DATE) AS valid_from, CAST(end_utc AS DATE) AS valid_to "
        f"FROM m0 m LEFT JOIN person p ON p.user_key = m.rep LEFT JOIN team_mark t ON t.mark = lower(m.team))",
        like="m0",
        what="memberships",
    )
    for (team_id,) in job.rows("SELECT DISTINCT team_id FROM w_memberships WHERE team_id IS NOT NULL ORDER BY 1"):
        people.teams.setdefault(team_id, team_row(job, team_id, None))
    refuse_overlaps(job)


def refuse_overlaps(job: Job) -> None:
    """D33: one rep in two teams on one day."""
    for rep_id, begins, ends in job.rows(
        "SELECT rep_id, valid_from, before FROM (SELECT rep_id, valid_from, "
        "max(coalesce(valid_to, DATE '9999-01-01')) OVER (PARTITION BY rep_id ORDER BY valid_from, valid_to, _row "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM w_memberships WHERE _d = 0 AND _q = 0) "
        "WHERE before > valid_from ORDER BY 1, 2 LIMIT 10"
    ):
        until = "today" if ends.year == 9999 else str(ends - dt.timedelta(days=1))
        job.ledger.refuse("D33", f"{rep_id} is in two teams at once from {begins} to {until}. Repair the memberships.")


def build_absences(job: Job) -> None:
    """`w_absences`, `w_holidays` and `w_coaching`."""
    raw_table(job, "b0", "absences", ("rep", "start", "end"), None)
    stamps(job, "b0", ("start", "end"))
    job.make(
        "w_absences",
        f"SELECT _src, _row, _d, {mask(('D28', 'rep_id IS NULL'), ('no_date', 'from_date IS NULL OR to_date IS NULL OR to_date <= from_date'))} AS _q, "
        "0::BIGINT AS _f, rep_id, from_date, to_date FROM (SELECT b.*, p.rep_id, "
        f"CAST(start_utc AS DATE) AS from_date, CAST(end_utc AS DATE) AS to_date FROM b0 b "
        f"LEFT JOIN person p ON p.user_key = b.rep)",
    )
    raw_table(job, "y0", "holidays", ("day", "team"), None)
    stamps(job, "y0", ("day",))
    job.make(
        "w_holidays",
        f"SELECT y._src, y._row, y._d, {mask(('no_date', 'day_utc IS NULL'), ('bad_value', 'y.team IS NOT NULL AND t.team_id IS NULL'))} AS _q, 0::BIGINT AS _f, "
        f"CAST(day_utc AS DATE) AS date, t.team_id FROM y0 y "
        f"LEFT JOIN team_mark t ON t.mark = lower(y.team)",
        like="y0",
        what="holidays",
    )
    build_coaching(job)


def build_coaching(job: Job) -> None:
    """`w_coaching`: the focus only where it is a word of the configuration or a kind of activity; other text stays out."""
    raw_table(job, "z0", "coaching", ("id", "manager", "rep", "kind", "day", "duration", "focus", "met"))
    stamps(job, "z0", ("day",))
    words = sorted({*job.config.base.coaching.focus, *(r.kind for r in job.config.base.activity if r.kind)})
    focus = " ".join(f"WHEN {quote(w.lower())} THEN {quote(w)}" for w in words)
    kinds = ", ".join(quote(k) for k in COACHING_KINDS)
    kind = "replace(replace(lower(kind), ' ', '_'), '-', '_')"
    job.make(
        "w_coaching",
        f"SELECT _src, _row, _d, {mask(('no_id', 'id IS NULL'), ('D28', 'rep_id IS NULL OR manager IS NULL'), ('no_date', 'day_utc IS NULL'), ('bad_value', f'{kind} IS NULL OR {kind} NOT IN ({kinds})'))} "
        f"AS _q, 0::BIGINT AS _f, id AS coaching_id, manager, rep_id, {kind} AS kind, CAST(day_utc AS DATE) AS occurred_on, "
        f"try_cast(duration AS BIGINT) AS duration_s, {'CASE lower(focus) ' + focus + ' END' if focus else 'CAST(NULL AS VARCHAR)'} AS focus, met::BOOLEAN AS focus_met "
        f"FROM (SELECT z.*, p.rep_id FROM z0 z LEFT JOIN person p ON p.user_key = z.rep)",
        like="z0",
        what="coaching",
    )


def hire_dates(job: Job, people: People) -> dict[str, tuple[dt.date | None, dt.date | None]]:
    """Person -> (hired, left). From the table of hires, or the reps' own columns; a go-live day is no hire date (D34)."""
    raw_table(job, "i0", "hires", ("employee", "hired", "left_day"), None)
    stamps(job, "i0", ("hired", "left_day"))
    by_employee = {(u.get("employee") or "").lower(): u.person for u in people.users if u.person and u.get("employee")}
    job.run("CREATE OR REPLACE TABLE w_hires AS SELECT _src, _row, _d, 0::BIGINT AS _q, 0::BIGINT AS _f FROM i0")
    found: dict[str, tuple[dt.date | None, dt.date | None]] = {}
    for row, employee, hired, left in job.rows(
        "SELECT _row, employee, CAST(hired_utc AS DATE), CAST(left_day_utc AS DATE) FROM i0 WHERE _d = 0 ORDER BY _row"
    ):
        person = by_employee.get((employee or "").lower()) or people.keys.get(employee or "")
        if person is None:
            job.run(f"UPDATE w_hires SET _q = {bit('orphan')} WHERE _row = {row}")
        else:
            found[person] = (hired, left)
    stamps(job, "w_users", ("hired", "left_day"))
    for src, row, hired, left in job.rows(
        "SELECT _src, _row, CAST(hired_utc AS DATE), CAST(left_day_utc AS DATE) FROM w_users ORDER BY _src, _row"
    ):
        user = next(u for u in people.users if u.src == src and u.row == row) if hired or left else None
        if user is not None and user.person:
            found.setdefault(user.person, (hired, left))
    return without_go_live(job, found, len(set(people.keys.values())))


def without_go_live(
    job: Job, found: dict[str, tuple[dt.date | None, dt.date | None]], persons: int
) -> dict[str, tuple[dt.date | None, dt.date | None]]:
    """Null the hire dates that are one and the same day for half the people: that is when the system went live (D34)."""
    days = Counter(hired for hired, _ in found.values() if hired)
    for day, count in days.items():
        if count >= GO_LIVE_MIN and count >= GO_LIVE_SHARE * sum(days.values()):
            job.ledger.note(
                "D34",
                "reps",
                "fixed",
                count,
                f"{count:,} of {persons:,} hire dates are {day}, the day the system went live; set to unknown",
            )
            found = {p: (None if hired == day else hired, left) for p, (hired, left) in found.items()}
    if not any(hired for hired, _ in found.values()):
        job.ledger.disable(
            "D34",
            "ramp",
            persons,
            "no hire dates; the ramp chapter is skipped. Give hris.csv with employee_number and hire_date.",
        )
    return found


def manager_pseudonym(job: Job, people: People, raw: str | None) -> str | None:
    """A manager's pseudonym, whether or not the manager is a rep."""
    return pseudonym(job.key, people.keys.get(raw, raw)) if raw else None


def write_reps(job: Job, people: People) -> None:
    """`w_reps` (one row a user account, the first of a person kept) and `w_team_rows`; users who own nothing are dropped."""
    hires = hire_dates(job, people)
    used = {r for (r,) in job.rows(used_sql()) if r}
    seen: set[str] = set()
    rows: list[tuple[Any, ...]] = []
    roles = {k.lower(): v for k, v in job.config.base.people.roles.items()}
    for user in people.users:
        rep_id = pseudonym(job.key, user.person) if user.person else None
        dropped = user.dropped
        if not dropped and rep_id not in used and not user.quarantined:
            dropped |= bit("unused_user")
        first = rep_id not in seen and not dropped
        if first and rep_id:
            seen.add(rep_id)
        same = bit("D31") if not first and not dropped else 0
        hired, left = hires.get(user.person, (None, None))
        role = roles.get((user.get("title") or "").lower()) or roles.get((user.get("team") or "").lower())
        name = user.get("name") if job.config.base.privacy.rep_names else None
        rows.append((user.src, user.row, user.fixed, user.quarantined, dropped | same, rep_id, people.team.get(user.person), name, role,
                     manager_pseudonym(job, people, user.get("manager")), hired, left))  # fmt: skip
    job.run(
        "CREATE OR REPLACE TABLE w_reps (_src VARCHAR, _row BIGINT, _f BIGINT, _q BIGINT, _d BIGINT, rep_id VARCHAR, team_id VARCHAR, name VARCHAR, "
        "role VARCHAR, manager_id VARCHAR, hired_on DATE, left_on DATE)"
    )
    if rows:
        job.con.executemany(f"INSERT INTO w_reps VALUES ({', '.join('?' * 12)})", rows)
    write_teams(job, people)


def used_sql() -> str:
    """The pseudonyms of everybody who owns anything, or has a history of teams."""
    tables = (("w_activities", "rep_id"), ("w_opportunities", "rep_id"), ("w_credits", "rep_id"), ("w_quotas", "owner_id"), ("w_leads", "assigned_rep_id"),
              ("w_coaching", "rep_id"), ("w_absences", "rep_id"), ("w_memberships", "rep_id"))  # fmt: skip
    return " UNION ".join(f"SELECT DISTINCT {column} FROM {table} WHERE _d = 0 AND _q = 0" for table, column in tables)


def write_teams(job: Job, people: People) -> None:
    """`t_teams`: the teams somebody is or was in."""
    used = {
        t
        for (t,) in job.rows(
            "SELECT team_id FROM w_reps WHERE _d = 0 AND _q = 0 UNION SELECT team_id FROM w_memberships WHERE _d = 0 AND _q = 0"
        )
    }
    job.run(
        "CREATE OR REPLACE TABLE t_teams (team_id VARCHAR, name VARCHAR, region VARCHAR, timezone VARCHAR, currency VARCHAR)"
    )
    rows = [tuple(people.teams[t].values()) for t in sorted(people.teams) if t in used]
    if rows:
        job.con.executemany("INSERT INTO t_teams VALUES (?, ?, ?, ?, ?)", rows)
