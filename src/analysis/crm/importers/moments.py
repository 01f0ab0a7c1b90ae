# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Columns of times read once and for all: every text column of a raw table becomes a UTC moment with what was odd about it.

A column is profiled before it is read, per object of the source, as each may write its own way; what cannot be read without
guessing is refused there (D02, D03, D05). See clock.py for the forms and the zones.
"""

from __future__ import annotations

import re

from analysis.crm.importers import clock
from analysis.crm.importers.job import Job
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.rules import quote


def stamps(job: Job, table: str, values: tuple[str, ...]) -> None:
    """Add to a raw table, per value: `_utc` (moment, null for sentinels), `_is_day`, `_odd` (D02) and `_sentinel` (D04)."""
    sources = [src for (src,) in job.rows(f"SELECT DISTINCT _src FROM {table} ORDER BY 1")]
    naive, finished = [], []
    for value in values:
        parse, form, utc, odd = [], [], [], []
        for src in sources:
            found = clock.profile(job.con, f"{table} WHERE _src = {quote(src)}", f"{quoted(value)}::VARCHAR")
            if found.filled:
                judge(job, src, value, found)
                order = job.config.source.date_order or decided_order(found)
                parse.append(f"WHEN {quote(src)} THEN {clock.parse_sql(quoted(value), order, found)}")
                form.append(f"WHEN {quote(src)} THEN {clock.form_sql(quoted(value), found)}")
                zone = job.zone_of(job.mapping.object(src)) or "UTC"
                if zone != "UTC" and found.unzoned:
                    utc.append(f"WHEN {quote(src)} THEN {clock.to_utc_sql(value + '_naive', zone, job.years)}")
                    odd.append(f"WHEN {quote(src)} THEN {clock.odd_hour_sql(value + '_naive', zone, job.years)}")
        naive += [
            f"{cases(parse, 'CAST(NULL AS TIMESTAMP)')} AS {value}_naive",
            f"{cases(form, quote('none'))} AS {value}_form",
        ]
        finished += finished_sql(value, cases(utc, f"{value}_naive"), cases(odd, "false"))
    helpers = ", ".join(f"{v}_naive, {v}_form" for v in values)
    job.make(
        f"{table}_timed",
        f"SELECT * EXCLUDE ({helpers}), {', '.join(finished)} FROM (SELECT *, {', '.join(naive)} FROM {table})",
        like=table,
        what=table,
    )
    job.run(f"DROP TABLE {table}; ALTER TABLE {table}_timed RENAME TO {table}")


def cases(whens: list[str], otherwise: str) -> str:
    """CASE over the object of the source, or the constant when no object has anything to say."""
    return f"CASE _src {' '.join(whens)} ELSE {otherwise} END" if whens else otherwise


def finished_sql(value: str, utc: str, odd: str) -> list[str]:
    """The columns that `stamps` adds for one value, over its naive timestamp and form."""
    sentinel = f"coalesce({clock.sentinel_sql(value + '_naive')}, false)"
    local = f"{value}_form = 'local'"
    return [
        f"CASE WHEN {sentinel} THEN NULL WHEN {local} THEN {utc} ELSE {value}_naive END AS {value}_utc",
        f"{value}_form = 'day' AS {value}_is_day",
        f"coalesce({local} AND {odd}, false) AS {value}_odd",
        f"{sentinel} AS {value}_sentinel",
    ]


def decided_order(found: clock.Profile) -> str | None:
    """The order of day and month that the values themselves decide, or None."""
    return "dmy" if found.first_over_12 else "mdy" if found.second_over_12 else None


def source_field(job: Job, src: str, value: str) -> str:
    """The column behind a value, as the export spells its API name, for messages."""
    template = job.staged[src].object.values.get(value, value)
    named = [f for f in re.findall(r"\{(\w+)\}", template) if f in job.staged[src].present]
    return named[0] if named else value


def judge(job: Job, src: str, value: str, found: clock.Profile) -> None:
    """Refuse what cannot be read without guessing."""
    file, field_name = job.staged[src].files[0]["file"], source_field(job, src, value)
    if found.forms["fragment"] and found.forms["fragment"] * 2 >= found.filled:
        job.ledger.refuse(
            "D05", f"{file}: {field_name}: {found.forms['fragment']:,} of {found.filled:,} values are clock fragments such as 00:00.0. "
            "Export again and do not open the file in a spreadsheet.")  # fmt: skip
    if found.unzoned and job.zone_of(job.mapping.object(src)) is None:
        job.ledger.refuse("D02", f"{file}: the column {field_name} has no time zone. Set source.timezone.")
    if (
        found.numeric
        and job.config.source.date_order is None
        and found.both_fit
        and not (found.first_over_12 or found.second_over_12)
    ):
        refuse_order(job, file, field_name, found)
    if found.first_over_12 and found.second_over_12:
        job.ledger.refuse(
            "D03", f"{file}: {field_name}: some values fit only d-m-y, some only m-d-y. Repair the export."
        )


def refuse_order(job: Job, file: str, field_name: str, found: clock.Profile) -> None:
    """D03, in numbers."""
    job.ledger.refuse(
        "D03",
        f"{file}: {field_name}: {found.both_fit:,} of {found.filled:,} values fit both d-m-y and m-d-y. Set source.date_order.",
    )
