# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""A first configuration, written from what an export holds: kinds, stages and labels with their counts, and what to ask.

Only the values of picklists are looked at (kinds, stages, outcomes, sources), never a subject or a name. The draft is
complete: it loads as it is, and what could not be decided is a comment that says what was seen.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from analysis.crm.importers import clock, landing
from analysis.crm.importers.config import Config
from analysis.crm.importers.draft_rules import MAX_LISTED, activity_lines, by_words, comment, text, values_of
from analysis.crm.importers.landing import Staged
from analysis.crm.importers.mappings import LABELS, Mapping, mapping_of
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.sections import CRMS, File, Source
from analysis.crm.importers.sources import SourceTable, discover
from analysis.errors import InputError

STAGE_WORDS = (
    ("won", ("won", "signed", "closed won")), ("lost", ("lost", "disqualified", "dead", "no decision")), ("contract", ("contract", "negotiat", "verbal", "commit", "legal")),
    ("proposal", ("proposal", "quote", "offer", "pricing")), ("qualified", ("qualif", "discovery", "needs", "analysis")),
)  # fmt: skip
SOURCE_WORDS = (("inbound", ("web", "inbound", "webinar", "content", "ad", "search", "organic", "event")), ("partner", ("partner",)), ("referral", ("referral",)),
                ("outbound", ("outbound", "prospect", "cold", "list")))  # fmt: skip


def draft_config(source: str | Path, crm: str | None = None) -> str:
    """A first configuration (TOML) for an export.

    source: a folder or database URL. crm: guessed from the objects when not given. Raises InputError when nothing is
    recognised, DataError for a damaged file.
    """
    settings = Source(crm="csv")
    tables, unopened = discover(source, settings)
    crm = crm or guess(tables)
    if crm not in CRMS:
        raise InputError(f"{crm!r} is no CRM this importer knows: {', '.join(CRMS)}.")
    mapping = mapping_of(crm)
    config = Config(File(schema=1, source=Source(crm=crm)), {}, "", (), "draft")  # type: ignore[arg-type]
    found, others = landing.recognise(tables, mapping, config)
    if not found:
        raise InputError(
            f"none of the {len(tables)} tables is one of {crm}'s; give the CRM's name, or rename the files."
        )
    with tempfile.TemporaryDirectory(prefix="workbench-draft-") as folder:
        con = landing.open_engine(Path(folder))
        try:
            staged = {
                name: landing.stage(con, mapping.object(name), own, config, set())
                for name, own in sorted(found.items())
                if mapping.object(name).role not in ("contacts", "lead_history")
            }
            return write(con, crm, mapping, staged, others, unopened)
        finally:
            con.close()


def guess(tables: list[SourceTable]) -> str:
    """The CRM whose objects and fields fit the export best."""
    scores: dict[str, float] = {}
    for crm in CRMS:
        mapping = mapping_of(crm)
        config = Config(File(schema=1, source=Source(crm=crm)), {}, "", (), "draft")  # type: ignore[arg-type]
        found, _ = landing.recognise(tables, mapping, config)
        own = [(mapping.object(name), t) for name, listed in found.items() for t in listed]
        scores[crm] = sum(
            len(landing.choose_columns(o, t, config, set())) / len(o.fields)
            for o, t in own
            if o.role in ("activities", "opportunities", "users")
        )
    best = max(CRMS, key=lambda crm: scores[crm])
    if scores[best] == 0:
        raise InputError("no table looks like a CRM's activities, deals or users; name the CRM, or rename the files.")
    return best


def write(
    con: Any, crm: str, mapping: Mapping, staged: dict[str, Staged], others: list[SourceTable], unopened: list[str]
) -> str:
    """The configuration's sections in the order people read them."""
    lines = [
        f"# First configuration for a {crm} export, drafted from what is there. Counts are rows of this export.",
        "schema = 1",
        "",
    ]
    lines += source_lines(con, crm, mapping, staged)
    lines += team_lines(con, staged)
    lines += stage_lines(con, mapping, staged)
    lines += activity_lines(con, staged)
    lines += outcome_lines(con, mapping, staged)
    lines += lead_lines(con, mapping, staged)
    lines += people_lines(con, mapping, staged)
    lines += rest_lines(staged, others, unopened)
    return "\n".join(lines) + "\n"


def source_lines(con: Any, crm: str, mapping: Mapping, staged: dict[str, Staged]) -> list[str]:
    """[source], with the questions that times raise."""
    lines = ["[source]", f"crm = {text(crm)}"]
    if mapping.archives_activities:
        lines.append(
            'includes_archived = "unknown"  # yes | no: does the export hold activities older than a year (queryAll)?'
        )
    local, ambiguous = [], []
    for s in staged.values():
        for value in ("clock", "day", "created", "closed"):
            if s.has(value):
                found = clock.profile(con, f"{quoted(s.table)} s", f"({s.object.sql(value, s.column)})::VARCHAR")
                if (
                    found.forms["local"] - found.forms["midnight"] + found.forms["numeric_clock"] > 0
                    and s.object.zone is None
                ):
                    local.append(f"{s.object.name}.{value} ({found.filled:,})")
                if found.both_fit and not (found.first_over_12 or found.second_over_12):
                    ambiguous.append(f"{s.object.name}.{value} ({found.both_fit:,})")
    if local:
        lines.append(f'timezone = "UTC"               # ASK: clock times without a zone in {", ".join(local)}')
    if ambiguous:
        lines.append(f'# date_order = "dmy"           # ASK: dates that fit d-m-y and m-d-y in {", ".join(ambiguous)}')
    return lines


def team_lines(con: Any, staged: dict[str, Staged]) -> list[str]:
    """[team] with the currency most deals name, and the question of the others' rates."""
    counts: dict[str, int] = defaultdict(int)
    for s in (s for s in staged.values() if s.object.role == "opportunities"):
        for code, rows in values_of(con, s, "currency"):
            if re.fullmatch("[A-Z]{3}", code.upper()):
                counts[code.upper()] += rows
    codes = sorted(counts, key=lambda code: (-counts[code], code)) or ["EUR"]
    seen = f"{counts[codes[0]]:,} deals" if counts else "change it if deals are booked in another currency"
    lines = [
        "",
        "[team]",
        'timezone = "UTC"              # the reps\' own zone: days and weeks follow it',
        f'reporting_currency = "{codes[0]}"    # {seen}',
    ]
    if len(codes) > 1:
        others = ", ".join(f"{counts[code]:,} deals in {code}" for code in codes[1:])
        rates = ", ".join(f"{code} = 1.0" for code in codes[1:])
        lines += ["", "[money]", f"# rates = {{ {rates} }}   # ASK: {codes[0]} per unit; {others}"]
    return lines


def stage_lines(con: Any, mapping: Mapping, staged: dict[str, Staged]) -> list[str]:
    """[stages.default] with what each stage probably means."""
    labels: dict[str, str] = {}
    counts: dict[str, int] = defaultdict(int)
    meaning: dict[str, str] = {}
    for s in staged.values():
        if s.object.role == "stages":
            sql = ", ".join(f"({s.object.sql(v, s.column)})::VARCHAR" for v in ("id", "label", "won", "closed"))
            for stage, label, won, closed in con.execute(f"SELECT {sql} FROM {quoted(s.table)} s").fetchall():
                if stage:
                    labels[stage] = label or stage
                    if closed == "true":
                        meaning[stage] = "won" if won == "true" else "lost"
        if s.object.role == "opportunities":
            for stage, rows in values_of(con, s, "stage"):
                counts[stage] += rows
            meaning |= flags(con, s)
        if s.object.role == "deal_history":
            field, new = s.object.sql("field", s.column), s.object.sql("new", s.column)
            for (stage,) in con.execute(
                f"SELECT DISTINCT {new} FROM {quoted(s.table)} s WHERE {field} = 'stage' AND {new} IS NOT NULL ORDER BY 1 LIMIT 500"
            ).fetchall():
                counts[stage] += 0
    lines = [
        "",
        "[stages.default]               # check what each stage means: open | qualified | proposal | contract | won | lost",
    ]
    for order, stage in enumerate(
        sorted(counts, key=lambda k: (rank(meaning.get(k) or by_words(labels.get(k) or k, STAGE_WORDS, "open")), k)), 1
    ):
        word = meaning.get(stage) or by_words(labels.get(stage, stage), STAGE_WORDS, "open")
        label = f" {labels[stage]!r}," if labels.get(stage, stage) != stage else ""
        lines.append(f'{text(stage)} = {{ order = {order}, as = "{word}" }}   #{label} {counts[stage]:,} deals')
    if not counts:
        lines.append("# no stage was found in this export")
    return lines


def flags(con: Any, s: Staged) -> dict[str, str]:
    """Stages whose deals the CRM itself calls won or lost."""
    if not (s.has("is_won") and s.has("stage")):
        return {}
    stage, won, closed = (s.object.sql(v, s.column) for v in ("stage", "is_won", "is_closed"))
    rows = con.execute(
        f"SELECT {stage}, bool_and({won}), bool_and({closed}) FROM {quoted(s.table)} s WHERE {stage} IS NOT NULL GROUP BY 1"
    ).fetchall()
    return {name: "won" if is_won else "lost" for name, is_won, is_closed in rows if is_closed}


def rank(word: str) -> int:
    """The usual order of what stages mean."""
    return ("open", "qualified", "proposal", "contract", "won", "lost").index(word)


def outcome_lines(con: Any, mapping: Mapping, staged: dict[str, Staged]) -> list[str]:
    """[outcomes] still to be labelled; rare values may be free text and are only counted."""
    known = {**LABELS, **mapping.outcomes}
    lines, hidden = [], 0
    for s in (s for s in staged.values() if s.object.role == "activities"):
        for value, rows in values_of(con, s, "outcome"):
            if value.lower() not in known:
                if rows >= 5 and len(value) <= 60:
                    lines.append(
                        f'# {text(value)} = "connected"   # {rows:,} rows: connected | voicemail | no_answer | busy | wrong_number | bounced | held | no_show'
                    )
                else:
                    hidden += 1
    if hidden:
        lines.append(f"# and {hidden:,} rarer labels, which count as unknown")
    return ["[outcomes]", *lines, ""] if lines else []


def lead_lines(con: Any, mapping: Mapping, staged: dict[str, Staged]) -> list[str]:
    """[leads.sources] from the leads' and deals' sources."""
    counts: dict[str, int] = defaultdict(int)
    for s in (s for s in staged.values() if s.object.role in ("leads", "opportunities")):
        for value, rows in values_of(con, s, "source"):
            if rows >= 5 and len(value) <= 60:
                counts[value] += rows
    if not counts:
        return []
    lines = ["[leads.sources]                # what a source counts as: inbound | outbound | partner | referral"]
    for value in sorted(counts, key=lambda v: (-counts[v], v))[:MAX_LISTED]:
        word = by_words(value, SOURCE_WORDS, "")
        lines.append(f'{"" if word else "# "}{text(value)} = "{word or "inbound"}"   # {counts[value]:,} rows')
    return [*lines, ""]


def people_lines(con: Any, mapping: Mapping, staged: dict[str, Staged]) -> list[str]:
    """[people], with the questions about users and teams."""
    users = [s for s in staged.values() if s.object.role == "users" and s.rows]
    teams = sum(s.rows for s in staged.values() if s.object.role == "teams")
    lines = ["[people]"]
    if not users:
        lines.append('users = "owners"               # the export lists no users: whoever owns a row counts as a rep')
    if teams > 1 and "memberships" not in staged:
        lines.append(
            f"# teams_known_since = 2025-01-01   # ASK: since when do today's {teams:,} teams hold? Or give memberships.csv"
        )
    lines += [
        '# exclude_users = ["integration@"]  # ASK: accounts that are no persons',
        '# hire_dates = "hris.csv"          # employee_number, hire_date',
        "",
    ]
    return lines


def rest_lines(staged: dict[str, Staged], others: list[SourceTable], unopened: list[str]) -> list[str]:
    """What was read and what was not, as comments."""
    lines = ["# Read:"]
    lines += [
        f"#   {name}: {s.rows:,} rows from {len(s.files)} file{'s' if len(s.files) != 1 else ''}"
        for name, s in staged.items()
    ]
    if others:
        lines += [
            "# Not recognised (name them in [source.files] if they matter):",
            *(f"#   {comment(t.name)}" for t in others),
        ]
    if unopened:
        lines += [
            "# Not opened (no CSV, parquet or JSON lines):",
            *(f"#   {comment(n)}" for n in unopened[:MAX_LISTED]),
        ]
    return lines
