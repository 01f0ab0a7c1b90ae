# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Every row read is answered for: read = kept + fixed + quarantined + dropped, per object of the source.

The fate of a row follows from its masks, dropped before quarantined before fixed; the sums are asserted, never assumed.
"""

from __future__ import annotations

from typing import Any

from analysis.crm.importers.defects import bit, decode, meaning
from analysis.crm.importers.job import Job
from analysis.crm.importers.landing import Staged
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.rules import quote

# role -> (work table, contract table, column naming the row). Roles that only label or link other rows are not listed.
HOMES = {
    "activities": ("w_activities", "activities", "activity_id"),
    "opportunities": ("w_opportunities", "opportunities", "opportunity_id"),
    "deal_history": ("w_history", "stage_changes", "deal"),
    "users": ("w_reps", "reps", "rep_id"),
    "splits": ("w_credits", "credits", "deal_key"),
    "quotas": ("w_quotas", "quotas", "owner_id"),
    "leads": ("w_leads", "leads", "lead_id"),
    "lead_history": ("w_lead_history", "leads", "lead"),
    "campaigns": ("w_campaigns", "campaigns", "campaign_id"),
    "memberships": ("w_memberships", "memberships", "rep_id"),
    "absences": ("w_absences", "absences", "rep_id"),
    "holidays": ("w_holidays", "holidays", "date"),
    "coaching": ("w_coaching", "coaching", "coaching_id"),
    "hires": ("w_hires", "reps", "_row"),
}
FATE = "CASE WHEN _d <> 0 THEN 'dropped' WHEN _q <> 0 THEN 'quarantined' WHEN _f <> 0 THEN 'fixed' ELSE 'kept' END"


def account(job: Job) -> list[dict[str, Any]]:
    """One entry an object: rows read and what became of them. Raises AssertionError if a single row is not answered for."""
    found = []
    for staged in job.staged.values():
        fates = {"kept": 0, "fixed": 0, "quarantined": 0, "dropped": 0} | fates_of(job, staged)
        entry = {
            "object": staged.object.name,
            "table": table_of(staged),
            "read": staged.rows,
            **fates,
            "files": staged.files,
        }
        if staged.rows != sum(fates.values()):
            raise AssertionError(f"{staged.object.name}: {staged.rows:,} rows read, but {fates}")
        found.append(entry)
    return found


def table_of(staged: Staged) -> str:
    """The contract table an object's rows go to, or `lookup`."""
    home = HOMES.get(staged.object.role)
    return home[1] if home else "lookup"


def fates_of(job: Job, staged: Staged) -> dict[str, int]:
    """Rows by fate; rows of labels and links are kept unless their loader marked them as gone."""
    home = HOMES.get(staged.object.role)
    if home:
        return dict(
            job.rows(f"SELECT {FATE}, count(*) FROM {home[0]} WHERE _src = {quote(staged.object.name)} GROUP BY 1")
        )
    table = quoted("x_" + staged.object.name)
    if not job.one(f"SELECT count(*) FROM duckdb_tables() WHERE table_name = {quote('x_' + staged.object.name)}"):
        return {"kept": staged.rows}
    return dict(job.rows(f"SELECT CASE WHEN _d <> 0 THEN 'dropped' ELSE 'kept' END, count(*) FROM {table} GROUP BY 1"))


def note_masks(job: Job) -> None:
    """Write the masks' counts into the ledger: per code, table and action."""
    present = {staged.object.role for staged in job.staged.values()}
    for role, (work, table, _) in HOMES.items():
        if role not in present:
            continue
        tests = {
            "fixed": ("_f", "_d = 0 AND _q = 0"),
            "quarantined": ("_q", "_d = 0"),
            "dropped": ("_d", "true"),
        }
        for action, (column, where) in tests.items():
            codes = codes_in(job, work, column)
            if not codes:
                continue
            counts = ", ".join(f"n_if({column} & {bit(code)} <> 0)" for code in codes)
            for code, rows in zip(codes, job.rows(f"SELECT {counts} FROM {work} WHERE {where}")[0], strict=True):
                job.ledger.note(code, table, action, rows)


def codes_in(job: Job, work: str, column: str) -> list[str]:
    """The codes that occur in a table's mask."""
    return decode(int(job.one(f"SELECT coalesce(bit_or({column}), 0) FROM {work}")))


def quarantine_sql(job: Job) -> str:
    """SQL of quarantine.parquet: table, file, row (line of the file), source_id, code, reason. Ids and codes only, no contents."""
    selects = []
    for staged in job.staged.values():
        home = HOMES.get(staged.object.role)
        if home is None:
            continue
        present = codes_in(job, home[0], "_q")
        if not present:
            continue
        codes = " ".join(f"WHEN w._q & {bit(code)} <> 0 THEN {quote(code)}" for code in present)
        reasons = ", ".join(f"CASE WHEN w._q & {bit(code)} <> 0 THEN {quote(meaning(code))} END" for code in present)
        files = " ".join(f"WHEN {n} THEN {quote(f['file'])}" for n, f in enumerate(staged.files))
        selects.append(
            f'SELECT {quote(home[1])} AS "table", CASE s._file {files} END AS file, s._line AS row, CAST(w.{home[2]} AS VARCHAR) AS source_id, '
            f"CASE {codes} END AS code, concat_ws('; ', {reasons}) AS reason FROM {home[0]} w JOIN {quoted(staged.table)} s USING (_row) "
            f"WHERE w._src = {quote(staged.object.name)} AND w._d = 0 AND w._q <> 0"
        )
    empty = "SELECT ''::VARCHAR AS \"table\", ''::VARCHAR AS file, 0::BIGINT AS row, ''::VARCHAR AS source_id, ''::VARCHAR AS code, ''::VARCHAR AS reason WHERE false"
    return " UNION ALL ".join(selects) or empty
