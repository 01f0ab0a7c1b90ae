# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Activities: from every object that records a touch to one table, classified by the rules and read with their zones.

Three steps, each a table on disk with as many rows as the one before: `a0` text, person and rule; `a1` times, lengths,
outcomes; `a2` what needs the other rows (duplicates of two tools, bulk minutes, windows of deals), with the fate of each row.
"""

from __future__ import annotations

import typing
from collections.abc import Callable

from analysis.crm.importers import clock
from analysis.crm.importers.defects import mask
from analysis.crm.importers.job import Job, drops, value_sql
from analysis.crm.importers.landing import Staged
from analysis.crm.importers.mappings import LABELS
from analysis.crm.importers.moments import stamps
from analysis.crm.importers.rules import Column, Rule, choose_sql, matches_sql, quote, scaled, seconds_from_text
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.sections import Outcome

TEXTS = ("id", "prefix", "rep", "creator", "created", "clock", "due_at", "ends", "day", "status", "duration", "unit", "direction", "outcome",
         "opportunity", "account", "lead", "contact", "origin", "touch_key", "kind_a", "kind_b", "kind_name", "level")  # fmt: skip
FLAGS = ("planned_length", "linked", "series", "child", "private", "meeting", "has_outcome", "is_meaningful")
UNITS = {"s": 1.0, "ms": 0.001, "min": 60.0}


def build_activities(job: Job) -> None:
    """`a0` and `a1`: classified and parsed. The export day and the windows come later, in `judge_activities`."""
    rules = numbered_rules(job)
    job.details["rules"] = rules
    for staged in job.objects("activities"):
        drops(job, staged, "id")
    selects = [object_sql(job, staged, rules) for staged in job.objects("activities")]
    job.make("a0", " UNION ALL BY NAME ".join(selects) if selects else empty_sql())
    job.same_rows(sum(s.rows for s in job.objects("activities")), "a0", "activities")
    add_links(job)
    parse(job)


def numbered_rules(job: Job) -> dict[int, tuple[str | None, Rule]]:
    """Every rule of the base and of each team under one number: (team or None, rule)."""
    listed: list[tuple[str | None, Rule]] = [(None, rule) for rule in job.config.base.activity]
    for team_id, file in job.config.teams.items():
        listed += [(team_id, rule) for rule in file.activity]
    return dict(enumerate(listed))


def object_sql(job: Job, staged: Staged, rules: dict[int, tuple[str | None, Rule]]) -> str:
    """The object's rows with canonical texts, the person, and what the first matching rule says."""
    o, column = staged.object, staged.column
    texts = ", ".join(f"{value_sql(job, staged, v)}::VARCHAR AS {quoted(v)}" for v in TEXTS)
    texts += f", {o.sql('rep', column)}::VARCHAR AS rep_typed"
    flags = ", ".join(
        f"coalesce(({o.sql(v, column)})::BOOLEAN, false) AS {quoted(v)}" for v in FLAGS if v != "is_meaningful"
    )
    flags += f", ({o.sql('is_meaningful', column)})::BOOLEAN AS is_meaningful"
    key = job.id_sql(o.sql("rep", column))
    inner = (
        f"SELECT s.*, x._d, p.rep_id AS _rep, p.team_id AS _team, p.tz AS _tz, p.excluded AS _excluded, p.held AS _held, {choose_by_team(rules, o.name, column)} AS _rule "
        f"FROM {quoted(staged.table)} s JOIN {quoted('x_' + o.name)} x USING (_row) LEFT JOIN person p ON p.user_key = {key}"
    )
    return (
        f"SELECT {quote(o.name)} AS _src, s._row, s._d, s._rep AS rep_id, s._team AS team_id, s._tz AS tz, s._excluded AS excluded, s._held AS held, s._rule AS rule_no, {texts}, {flags}, "
        f"{by_rule(rules, lambda r: meaningful_sql(r, column), 'BOOLEAN')} AS ruled_meaningful, "
        f"{by_rule(rules, lambda r: meaningful_sql(scaled(r, 0.5), column), 'BOOLEAN')} AS meaningful_half, "
        f"{by_rule(rules, lambda r: meaningful_sql(scaled(r, 2.0), column), 'BOOLEAN')} AS meaningful_double, "
        f"{by_rule(rules, lambda r: outcome_sql(r, column), 'VARCHAR')} AS ruled_outcome, "
        f"{by_rule(rules, lambda r: seconds_from_text(r, column), 'DOUBLE')} AS text_seconds FROM ({inner}) s"
    )


def empty_sql() -> str:
    """The shape of `a0` with no rows, for an export without activities."""
    texts = ", ".join(f"''::VARCHAR AS {quoted(v)}" for v in (*TEXTS, "rep_typed"))
    flags = ", ".join(f"false AS {quoted(v)}" for v in FLAGS)
    return (
        f"SELECT '' AS _src, 0::BIGINT AS _row, 0::BIGINT AS _d, '' AS rep_id, '' AS team_id, '' AS tz, false AS excluded, false AS held, "
        f"0 AS rule_no, {texts}, {flags}, false AS ruled_meaningful, false AS meaningful_half, false AS meaningful_double, "
        f"'' AS ruled_outcome, 0.0::DOUBLE AS text_seconds WHERE false"
    )


def choose_by_team(rules: dict[int, tuple[str | None, Rule]], object_name: str, column: Column) -> str:
    """The number of the first matching rule: of the team's own list where it has one, else of the base."""
    by_team: dict[str | None, dict[int, Rule]] = {None: {}}
    for number, (team_id, rule) in rules.items():
        by_team.setdefault(team_id, {})[number] = rule
    base = choose_sql(by_team.pop(None), object_name, column)
    if not by_team:
        return f"({base})"
    cases = [f"WHEN {quote(str(team))} THEN {choose_sql(own, object_name, column)}" for team, own in by_team.items()]
    return f"(CASE p.team_id {' '.join(cases)} ELSE {base} END)"


def by_rule(rules: dict[int, tuple[str | None, Rule]], sql_of: Callable[[Rule], str | None], kind: str) -> str:
    """CASE over the rule's number of a per-rule expression; NULL where no rule has one."""
    cases = [f"WHEN {n} THEN {sql}" for n, (_, rule) in rules.items() if (sql := sql_of(rule)) is not None]
    return f"CAST(CASE s._rule {' '.join(cases)} END AS {kind})" if cases else f"CAST(NULL AS {kind})"


def meaningful_sql(rule: Rule, column: Column) -> str | None:
    """The rule's test of a meaningful touch."""
    return None if rule.meaningful is None else matches_sql(rule.meaningful, column)


def outcome_sql(rule: Rule, column: Column) -> str | None:
    """The outcome a rule reads from its tests, in their order; else its constant one."""
    cases = [f"WHEN {matches_sql(test, column)} THEN {quote(word)}" for word, test in rule.outcomes.items()]
    constant = quote(rule.outcome) if rule.outcome else "NULL"
    if not cases:
        return constant if rule.outcome else None
    return f"CASE {' '.join(cases)} ELSE {constant} END"


def add_links(job: Job) -> None:
    """Associations that lie in tables of their own (HubSpot): at most one target an activity, so that no row is doubled (D19)."""
    if job.objects("engagement_base"):
        add_base(job)
    for staged in job.objects("links"):
        o, column = staged.object, staged.column
        what = o.values["what"].strip("'")
        activity, target = job.id_sql(o.sql("activity", column)), job.id_sql(o.sql("target", column))
        job.make(
            "_links",
            f"SELECT {activity} AS activity, min({target}) AS target, count(DISTINCT {target}) AS n FROM {quoted(staged.table)} s "
            f"WHERE {activity} IS NOT NULL AND NOT coalesce(yes({column('_fivetran_deleted')}), false) GROUP BY 1",
        )
        several = job.count("_links", "n > 1")
        job.ledger.warn(
            "D19",
            "activities",
            several,
            f"{several:,} activities have several {what} links; the first was kept, no row doubled.",
        )
        job.make(
            "a0_linked",
            f"SELECT a.* REPLACE (coalesce(a.{what}, l.target) AS {what}, a.linked OR l.target IS NOT NULL AS linked) "
            f"FROM a0 a LEFT JOIN _links l ON l.activity = a.id",
            like="a0",
            what="activities",
        )
        job.run("DROP TABLE a0; ALTER TABLE a0_linked RENAME TO a0; DROP TABLE _links")


def add_base(job: Job) -> None:
    """HubSpot's older landing keeps owner and time in a base table of engagements."""
    staged = job.objects("engagement_base")[0]
    o, column = staged.object, staged.column
    values = ", ".join(f"max({o.sql(v, column)}) AS {v}" for v in ("rep", "clock", "created"))
    job.make(
        "_base", f"SELECT {job.id_sql(o.sql('id', column))} AS id, {values} FROM {quoted(staged.table)} s GROUP BY 1"
    )
    job.make(
        "a0_based",
        "SELECT a.* REPLACE (coalesce(a.rep, b.rep) AS rep, coalesce(a.clock, b.clock) AS clock, coalesce(a.created, b.created) AS created, "
        "coalesce(a.rep_id, p.rep_id) AS rep_id, coalesce(a.team_id, p.team_id) AS team_id, coalesce(a.tz, p.tz) AS tz, "
        "coalesce(a.excluded, p.excluded) AS excluded, coalesce(a.held, p.held) AS held) "
        "FROM a0 a LEFT JOIN _base b ON b.id = a.id LEFT JOIN person p ON p.user_key = b.rep",
        like="a0",
        what="activities",
    )
    job.run("DROP TABLE a0; ALTER TABLE a0_based RENAME TO a0; DROP TABLE _base")


def parse(job: Job) -> None:
    """`a1`: moments in UTC and days in the rep's zone, seconds of talk, outcome, origin, kind; row-level fixes in `_f`."""
    stamps(job, "a0", ("clock", "due_at", "ends", "created", "day"))
    check_durations(job)
    rules = job.details["rules"]
    # A done activity ticked off long after it was due happened when it was due; the tick says when that was written down.
    late = f"(due_given AND clock_utc > coalesce(due_at_utc, day_utc) + INTERVAL {job.config.base.activity_defaults.done_late_days} DAY)"
    when = f"CASE WHEN {late} THEN due_at_utc WHEN day_only THEN NULL ELSE coalesce(clock_utc, CASE WHEN NOT day_is_day THEN day_utc END) END"
    local = clock.to_local_sql("moment", "coalesce(tz, 'UTC')", job.zones, job.years)
    day = f"CASE WHEN moment IS NOT NULL THEN CAST({local} AS DATE) WHEN {late} OR clock_utc IS NULL THEN CAST(day_utc AS DATE) ELSE CAST(clock_utc AS DATE) END"
    job.make(
        "a0_when",
        f"SELECT *, {when} AS moment, {late} AS late FROM (SELECT *, coalesce(due_at, CASE WHEN _src IN {due_objects(job)} THEN day END) "
        f"IS NOT NULL AS due_given, "
        f"coalesce(clock_is_day AND {whole_days_sql(job)}, false) AS day_only FROM a0)",
    )
    fixes = mask(
        (
            "D01",
            f"moment IS NULL AND (regexp_full_match(day, '{clock.FORMS['midnight']}') OR (day_only AND length(clock) > 10))",
        ),
        ("D02", "clock_odd OR day_odd OR due_at_odd"),
        ("D04", "clock_sentinel OR day_sentinel"),
        ("D06", f"{unit_sql(job)} = 'ms' AND duration IS NOT NULL"),
        ("D07", f"{unit_sql(job)} LIKE '%:%' AND duration LIKE '%:%'"),
        ("D08", "duration IS NULL AND text_seconds IS NOT NULL"),
        ("D25", "coalesce(late, false)"),
        ("D31", "coalesce(rep <> rep_typed, false)"),
    )
    job.make(
        "a1",
        f"SELECT *, {day} AS occurred_on, {seconds_sql(job)} AS seconds, {label_sql(job)} AS outcome_word, {rule_word(rules, 'kind')} AS kind, "
        f"{rule_word(rules, 'automated')} AS automated, {rule_flag(rules, 'attempt')} AS attempt, {rule_flag(rules, 'ignore')} AS ignored, "
        f"{rule_word(rules, 'direction')} AS ruled_direction, CASE WHEN late THEN clock_utc ELSE created_utc END AS logged_utc, {fixes} AS _f FROM a0_when",
        like="a0",
        what="activities",
    )
    job.run("DROP TABLE a0_when; DROP TABLE a0")


def due_objects(job: Job) -> str:
    """SQL list of the objects whose day is a due day."""
    named = [s.object.name for s in job.objects("activities") if "due_at" in s.object.values]
    return "(" + ", ".join(quote(n) for n in [*named, ""]) + ")"


def whole_days_sql(job: Job) -> str:
    """SQL: the object's `at` column never has a clock time, so its midnights are days (D01)."""
    days = []
    for staged in job.objects("activities"):
        found = clock.profile(job.con, f"a0 WHERE _src = {quote(staged.object.name)}", "clock::VARCHAR")
        if found.filled and found.forms["day"] + found.forms["midnight"] + found.forms["numeric_day"] == found.filled:
            days.append(quote(staged.object.name))
    return f"_src IN ({', '.join(days)})" if days else "false"


def rule_word(rules: dict[int, tuple[str | None, Rule]], attribute: str) -> str:
    """CASE over the rule's number of one of its words."""
    cases = [f"WHEN {n} THEN {quote(value)}" for n, (_, rule) in rules.items() if (value := getattr(rule, attribute))]
    return f"CASE rule_no {' '.join(cases)} END" if cases else "CAST(NULL AS VARCHAR)"


def rule_flag(rules: dict[int, tuple[str | None, Rule]], attribute: str) -> str:
    """CASE over the rule's number of one of its truth values."""
    cases = [f"WHEN {n} THEN {str(getattr(rule, attribute)).lower()}" for n, (_, rule) in rules.items()]
    return f"coalesce(CASE rule_no {' '.join(cases)} END, false)" if cases else "false"


def unit_sql(job: Job) -> str:
    """SQL of the unit of a duration: the object's own, else the configured one, else seconds."""
    configured = job.config.base.units.duration
    return f"CASE WHEN unit IS NULL OR unit = 'ask' THEN {quote(configured or 's')} ELSE unit END"


def seconds_sql(job: Job) -> str:
    """SQL of a length in seconds, from a number, a clock text, prose, or start and end."""
    unit = unit_sql(job)
    number = "try_cast(replace(duration, ',', '.') AS DOUBLE)"
    first, second, third = (f"try_cast(split_part(duration, ':', {n}) AS DOUBLE)" for n in (1, 2, 3))
    units = " ".join(f"WHEN '{name}' THEN {factor}" for name, factor in UNITS.items())
    return (
        f"CASE WHEN duration LIKE '%:%:%' THEN {first} * 3600 + {second} * 60 + {third} "
        f"WHEN duration LIKE '%:%' AND {unit} IN ('hh:mm', 'hh:mm:ss') THEN {first} * 3600 + {second} * 60 "
        f"WHEN duration LIKE '%:%' THEN {first} * 60 + {second} "
        f"WHEN duration IS NOT NULL THEN {number} * CASE {unit} {units} ELSE 1 END "
        f"WHEN text_seconds IS NOT NULL THEN text_seconds "
        f"WHEN ends_utc > clock_utc THEN epoch(ends_utc - clock_utc) END"
    )


def check_durations(job: Job) -> None:
    """Refuse lengths whose unit would be a guess (D06, D07)."""
    if job.config.base.units.duration is not None:
        return
    for src, example, clocks, median in job.rows(
        "SELECT _src, min(duration) FILTER (duration LIKE '%:%' AND NOT duration LIKE '%:%:%'), "
        "n_if(duration LIKE '%:%' AND NOT duration LIKE '%:%:%'), median(try_cast(duration AS DOUBLE)) "
        "FROM a0 WHERE unit = 'ask' GROUP BY 1 ORDER BY 1"
    ):
        file = job.staged[src].files[0]["file"]
        if clocks:
            job.ledger.refuse(
                "D07", f'{file}: duration "{example[:12]}" in {clocks:,} rows: say mm:ss or hh:mm in units.duration.'
            )
        if median is not None and median > 4 * 3600:
            job.ledger.refuse(
                "D06", f"{file}: durations look like milliseconds (median {median:,.0f}). Set units.duration."
            )


def label_sql(job: Job) -> str:
    """SQL of the canonical outcome: the rule's, else the label's; null where nothing was recorded, `?` where the label is unknown."""
    labels = {**LABELS, **job.mapping.outcomes, **{k.lower(): v for k, v in job.config.base.outcomes.items()}}
    assert set(labels.values()) <= set(typing.get_args(Outcome))
    cases = " ".join(f"WHEN {quote(label)} THEN {quote(word)}" for label, word in labels.items())
    return f"coalesce(ruled_outcome, CASE WHEN outcome IS NOT NULL THEN CASE lower(outcome) {cases} ELSE '?' END END)"
