# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Money: amounts as numbers in one currency, shares of split deals, quotas on the fiscal calendar.

An amount that cannot be used is never replaced: the row goes to quarantine (D39), a second currency without rates is
refused. Splits of a deal that do not sum to one are set aside whole (D36). Quota periods that drifted by a few days are
snapped to the fiscal start they mean; further off is refused (D40).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Literal

from analysis.calendars import FiscalCalendar
from analysis.crm.importers.defects import bit, mask
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.mappings import Object
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.naming import field_key
from analysis.crm.importers.privacy import safe_id
from analysis.crm.importers.rules import quote
from analysis.crm.importers.strict import nearest
from analysis.errors import ConfigError

SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}
SNAP_DAYS = 5
PATTERNS: dict[str, Literal["months", "4-4-5", "4-5-4", "5-4-4"]] = {
    "months": "months",
    "445": "4-4-5",
    "454": "4-5-4",
    "544": "5-4-4",
}
FIELD_KEYS = {"field": "amount", "list_field": "list_amount", "units_field": "units", "margin_field": "margin"}


def with_fields(job: Job) -> None:
    """Let the configured money fields replace the mapping's, in every object of deals. Refuses a field the export lacks."""
    settings = job.config.base.money
    for key, value in FIELD_KEYS.items():
        wanted = getattr(settings, key)
        if wanted is None:
            continue
        for staged in job.objects("opportunities"):
            column = staged.present.get(wanted) or staged.present.get(field_key(wanted))
            if column is None:
                have = sorted(set(staged.present.values()))
                raise ConfigError(
                    f"{job.config.base_name}: money.{key}: {staged.object.name} has no field {wanted!r}.{nearest(wanted, have)}"
                )
            o = staged.object
            staged.object = Object(
                o.name, o.role, o.names, o.fields, {**o.values, value: f"{{{column}}}"}, o.version, o.zone
            )


def number_sql(job: Job, text: str) -> str:
    """SQL of a number as the configuration writes decimals; NULL for what is no number. Currency signs and codes are removed."""
    bare = f"regexp_replace({text}, '[€$£¥\\s\\x{{00A0}}\\x{{202F}}]|^[A-Z]{{3}}|[A-Z]{{3}}$', '', 'g')"
    if job.config.base.money.decimal == ",":
        fits = f"regexp_full_match({bare}, '-?(\\d+|\\d{{1,3}}([.]\\d{{3}})+)(,\\d+)?|-?\\d+[.]\\d{{1,2}}')"
        plain = f"CASE WHEN regexp_full_match({bare}, '-?\\d+[.]\\d{{1,2}}') THEN {bare} ELSE replace(replace({bare}, '.', ''), ',', '.') END"
    else:
        fits = f"regexp_full_match({bare}, '-?(\\d+|\\d{{1,3}}(,\\d{{3}})+)([.]\\d+)?([eE][+]?\\d+)?')"
        plain = f"replace({bare}, ',', '')"
    return f"CASE WHEN {fits} THEN try_cast({plain} AS DOUBLE) END"


def currency_sql(text: str) -> str:
    """SQL of the currency an amount's own text names, or NULL."""
    cases = " ".join(f"WHEN contains({text}, '{sign}') THEN '{code}'" for sign, code in SYMBOLS.items())
    code = f"nullif(regexp_extract({text}, '^([A-Z]{{3}})\\b|\\b([A-Z]{{3}})$'), '')"
    return f"coalesce({code}, CASE {cases} END)"


def parse_amounts(job: Job) -> None:
    """`o6`: amounts in the reporting currency; refuses two currencies without a code or without rates (D39)."""
    reporting = job.config.base.team.reporting_currency
    refuse_mixed(job, reporting)
    job.make("rates", rates_sql(job))
    code = f"upper(coalesce(nullif(trim(currency), ''), {currency_sql('amount')}, {quote(reporting)}))"
    month = "strftime(coalesce(closed_on, created_on), '%Y-%m')"
    job.make(
        "o5_rated",
        f"SELECT o.*, CASE WHEN o.code = {quote(reporting)} OR length(o.code) <> 3 THEN 1.0 ELSE coalesce(r.rate, f.rate) END AS rate "
        f"FROM (SELECT *, {code} AS code, {month} AS close_month FROM o5) o "
        "LEFT JOIN (SELECT * FROM rates WHERE month IS NOT NULL) r ON r.currency = o.code AND r.month = o.close_month "
        "LEFT JOIN (SELECT * FROM rates WHERE month IS NULL) f ON f.currency = o.code",
        like="o5",
        what="opportunities",
    )
    for currency, deals in job.rows(
        "SELECT code, count(*) FROM o5_rated WHERE rate IS NULL AND _d = 0 AND amount IS NOT NULL GROUP BY 1 ORDER BY 1"
    ):
        job.ledger.refuse(
            "D39",
            f"no rate from {str(currency)[:3]} to {reporting} for {deals:,} deals. Set money.rates or money.rates_file.",
        )
    job.make(
        "o6",
        f"SELECT *, {number_sql(job, 'amount')} * rate AS money, {number_sql(job, 'list_amount')} * rate AS list_money, "
        f"{number_sql(job, 'units')} AS units_number, {number_sql(job, 'margin')} * rate AS margin_money FROM o5_rated",
        like="o5",
        what="opportunities",
    )
    median = job.one("SELECT median(money) FROM o6 WHERE status = 'won' AND money > 1 AND _d = 0")
    count = job.count("o6", "status = 'won' AND money > 1 AND _d = 0")
    job.details["outlier_limit"] = (
        median * job.config.base.money.outlier_times_median if median and count >= 10 else None
    )


def refuse_mixed(job: Job, reporting: str) -> None:
    """D39: amounts in several currencies and no column that says which."""
    found = job.rows(
        f"SELECT {currency_sql('amount')} AS code, count(*) FROM o5 WHERE _d = 0 AND currency IS NULL AND amount IS NOT NULL GROUP BY 1 "
        "HAVING code IS NOT NULL ORDER BY 1"
    )
    if len(found) > 1 or (found and found[0][0] != reporting and not job.config.base.money.rates):
        listed = ", ".join(f"{code} ({n:,})" for code, n in found)
        job.ledger.refuse(
            "D39",
            f"{'two currencies' if len(found) > 1 else 'another currency'} and no code column: {listed}. Export the currency field.",
        )


def rates_sql(job: Job) -> str:
    """currency, month (null = any), rate; from the configuration and its file."""
    settings = job.config.base.money
    rows: list[tuple[str, str | None, float]] = [(c.upper(), None, r) for c, r in sorted(settings.rates.items())]
    rows += job.details.get("rates_file", [])
    for currency, _, rate in rows:
        if not rate > 0 or len(currency) != 3:
            raise ConfigError(f"{job.config.base_name}: money.rates: {currency} = {rate} is no rate.")
    listed = ", ".join(f"({quote(c)}, {quote(m) if m else 'NULL'}, {r!r})" for c, m, r in rows)
    empty = "SELECT ''::VARCHAR AS currency, ''::VARCHAR AS month, 0.0::DOUBLE AS rate WHERE false"
    return f"SELECT * FROM (VALUES {listed}) v(currency, month, rate)" if rows else empty


def words_case(column: str, words: Mapping[str, str]) -> str:
    """SQL of a configured word for a label, `unknown` for a label without one; NULL stays NULL."""
    cases = " ".join(f"WHEN {quote(label.lower())} THEN {quote(word)}" for label, word in words.items())
    known = "WHEN 'inbound' THEN 'inbound' WHEN 'outbound' THEN 'outbound' WHEN 'partner' THEN 'partner' WHEN 'referral' THEN 'referral'"
    return f"CASE WHEN {column} IS NOT NULL THEN CASE lower({column}) {cases} {known} ELSE 'unknown' END END"


def build_credits(job: Job) -> None:
    """`w_credits`: shares of split deals; a deal whose shares do not sum to one is set aside whole (D36)."""
    raw_table(job, "c0", "splits", ("deal", "rep", "share", "type", "percent"), None)
    wanted = job.config.base.money.split_type
    share = "CASE WHEN coalesce(percent::BOOLEAN, false) THEN try_cast(replace(share, '%', '') AS DOUBLE) / 100 ELSE share(share) END"
    other = f"coalesce(lower(type) <> {quote(wanted.lower())}, true)" if wanted else "false"
    deal = "c.deal"
    job.make(
        "c1",
        f"SELECT c.*, coalesce(m.target, {deal}) AS deal_key, o.opportunity_id, p.rep_id, {share} AS part, {other} AS other, "
        "coalesce(p.excluded OR p.held, false) AS barred FROM c0 c "
        f"LEFT JOIN deal_merge m ON m.source = {deal} LEFT JOIN person p ON p.user_key = c.rep "
        "LEFT JOIN (SELECT opportunity_id FROM w_opportunities WHERE _d = 0 AND _q = 0) o "
        f"ON o.opportunity_id = coalesce(m.target, {deal})",
        like="c0",
        what="credits",
    )
    job.make("sums", "SELECT deal_key, sum(part) AS total, count(*) AS n FROM c1 WHERE _d = 0 AND NOT other GROUP BY 1")
    bad = "(s.total IS NULL OR abs(s.total - 1) > 0.005)"
    quarantined = mask(
        ("D36", f"NOT other AND opportunity_id IS NOT NULL AND ({bad} OR part IS NULL OR part <= 0 OR part > 1)"),
        ("orphan", "NOT other AND opportunity_id IS NULL"),
        ("D28", "NOT other AND (rep_id IS NULL OR barred)"),
    )
    job.make(
        "w_credits",
        f"SELECT c._src, c._row, c._d | {mask(('other_type', 'other'))} AS _d, {quarantined} AS _q, 0::BIGINT AS _f, opportunity_id, rep_id, "
        "round(part / nullif(s.total, 0), 6) AS share, c.deal_key, s.total FROM c1 c LEFT JOIN sums s USING (deal_key)",
        like="c1",
        what="credits",
    )
    # One bad row spoils its deal's split: the others must not be left with shares that no longer sum to one.
    job.run(
        f"UPDATE w_credits SET _q = _q | {bit('D36')} WHERE _d = 0 AND _q = 0 AND deal_key IN (SELECT deal_key FROM w_credits WHERE _d = 0 AND _q <> 0)"
    )
    # A rep named twice on one deal is one credit.
    for deal_key, total in job.rows(
        f"SELECT deal_key, max(total) FROM w_credits WHERE _d = 0 AND _q & {bit('D36')} <> 0 GROUP BY 1 ORDER BY 1 LIMIT 5"
    ):
        job.ledger.warn(
            "D36", "credits", 1, f"deal {safe_id(job.key, deal_key)}: revenue splits sum to {total or 0:.2f}"
        )


def build_quotas(job: Job) -> None:
    """`w_quotas`: periods snapped to the fiscal calendar (D40), amounts in the reporting currency."""
    raw_table(job, "q0", "quotas", ("owner", "level", "start", "end", "amount", "currency", "type"), None)
    stamps(job, "q0", ("start", "end"))
    wanted = job.config.base.money.quota_type
    other = f"coalesce(lower(type) <> {quote(wanted.lower())}, true)" if wanted else "false"
    job.make(
        "q1",
        f"SELECT q.*, CAST(start_utc AS DATE) AS start_day, CAST(end_utc AS DATE) AS end_day, {number_sql(job, 'amount')} AS money, "
        f"p.rep_id, {other} AS other, lower(q.owner) AS owner_mark FROM q0 q LEFT JOIN person p ON p.user_key = q.owner",
        like="q0",
        what="quotas",
    )
    snap = snap_table(
        job,
        {
            d
            for row in job.rows("SELECT DISTINCT start_day, end_day FROM q1 WHERE _d = 0 AND NOT other")
            for d in row
            if d
        },
    )
    job.run("CREATE OR REPLACE TABLE snapped (typed DATE, fiscal DATE)")
    if snap:
        job.con.executemany("INSERT INTO snapped VALUES (?, ?)", sorted(snap.items()))
    teams = job.details["team_keys"]
    job.run("CREATE OR REPLACE TABLE team_key (mark VARCHAR, team_id VARCHAR)")
    if teams:
        job.con.executemany("INSERT INTO team_key VALUES (?, ?)", sorted(teams.items()))
    finish_quotas(job)


def finish_quotas(job: Job) -> None:
    """The contract's columns of quotas; an end given as the last day becomes the first day after."""
    start = "coalesce(a.fiscal, start_day)"
    end = f"coalesce(b.fiscal, end_day, CAST({start} + INTERVAL 1 MONTH AS DATE))"
    owner = "CASE WHEN level = 'team' THEN t.team_id ELSE rep_id END"
    quarantined = mask(
        ("D28", f"{owner} IS NULL"),
        ("no_date", f"start_day IS NULL OR {end} <= {start}"),
        ("D39", "money IS NULL OR money < 0"),
    )
    job.make(
        "w_quotas",
        f"SELECT _src, _row, _d | {mask(('other_type', 'other'))} AS _d, {quarantined} AS _q, "
        f"{mask(('D40', f'{start} <> start_day'))} AS _f, {owner} AS owner_id, CASE WHEN level = 'team' THEN 'team' ELSE 'rep' END AS level, "
        f"{start} AS period_start, {end} AS period_end, money AS amount FROM q1 LEFT JOIN snapped a ON a.typed = start_day "
        "LEFT JOIN snapped b ON b.typed = end_day LEFT JOIN team_key t ON t.mark = owner_mark",
        like="q1",
        what="quotas",
    )


def snap_table(job: Job, days: set[dt.date]) -> dict[dt.date, dt.date]:
    """Each typed day -> the fiscal month start within five days; further off is refused (D40)."""
    found: dict[dt.date, dt.date] = {}
    settings = job.config.base.fiscal
    calendar = FiscalCalendar(PATTERNS[settings.kind], settings.start_month)
    adrift = []
    for day in sorted(days):
        starts = [
            start
            for year in (day.year - 2, day.year - 1, day.year, day.year + 1)
            for start in calendar.period_starts(year)
        ]
        near = min(starts, key=lambda start: (abs((start - day).days), start))
        if abs((near - day).days) <= SNAP_DAYS:
            found[day] = near
        else:
            adrift.append(day)
    if adrift:
        listed = ", ".join(str(d) for d in adrift[:3])
        job.ledger.refuse(
            "D40",
            f"quota dates {listed} are more than {SNAP_DAYS} days from any fiscal start. Set [fiscal], or repair the quotas.",
        )
    return found
