# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Activity rules proposed from the kinds an export holds: one rule a kind, with the rows it would take."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

from analysis.crm.importers.landing import Staged
from analysis.crm.importers.mappings import Object
from analysis.crm.importers.naming import singular
from analysis.crm.importers.rules import Condition, Rule, choose_sql
from analysis.crm.importers.rules import name as quoted

KIND_WORDS = (
    ("demo", ("demo",)), ("visit", ("visit", "onsite", "on-site", "field day")), ("proposal", ("proposal", "quote", "offer")),
    ("call", ("call", "phone")), ("email", ("email", "e-mail", "mail")), ("meeting", ("meeting", "appointment", "event", "lunch")),
    ("message", ("linkedin", "sms", "whatsapp", "message", "communication", "chat")), ("task", ("task", "todo", "to do", "deadline", "follow")),
)  # fmt: skip
IGNORED = ("note", "opportunityclose")
AUTOMATED = {"listemail": "sequence", "cadence": "sequence"}
MAX_LISTED = 40


def values_of(con: Any, s: Staged, value: str) -> list[tuple[str, int]]:
    """Distinct values of a canonical value with their rows, most frequent first."""
    sql = s.object.sql(value, s.column)
    if sql == "NULL":
        return []
    return list(
        con.execute(
            f"SELECT ({sql})::VARCHAR AS v, count(*) FROM {quoted(s.table)} s WHERE v IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 500"
        ).fetchall()
    )


def by_words(label: str, words: tuple[tuple[str, tuple[str, ...]], ...], otherwise: str) -> str:
    """The first meaning one of whose words is in the label."""
    low = label.lower()
    return next((meaning for meaning, marks in words if any(mark in low for mark in marks)), otherwise)


def activity_lines(con: Any, staged: dict[str, Staged]) -> list[str]:
    """[[activity]] rules from the kind fields, with the rows each would take, and the values no rule takes."""
    rules = [*automated_rules(con, staged), *kind_rules(con, staged)]
    taken: dict[int, int] = defaultdict(int)
    missed: list[str] = []
    for s in (s for s in staged.values() if s.object.role == "activities"):
        chosen = choose_sql(dict(enumerate(rules)), s.object.name, s.column)
        for number, rows in con.execute(
            f"SELECT {chosen} AS n, count(*) FROM {quoted(s.table)} s GROUP BY 1"
        ).fetchall():
            if number is None:
                missed += unmatched(con, s, chosen, rows)
            else:
                taken[number] += rows
    lines = [""]
    for number, rule in enumerate(rules):
        lines += rule_lines(rule, taken[number])
    if missed:
        lines += ["# Not matched by any rule above:", *missed]
    return lines


def unmatched(con: Any, s: Staged, chosen: str, rows: int) -> list[str]:
    """What the rows without a rule hold in their kind fields."""
    kinds = [s.object.sql(v, s.column) for v in ("kind_a", "kind_b", "kind_name")]
    shown = "concat_ws(' / ', " + ", ".join(f"({k})::VARCHAR" for k in kinds) + ")"
    found = con.execute(
        f"SELECT {shown}, count(*) FROM {quoted(s.table)} s WHERE ({chosen}) IS NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MAX_LISTED}"
    ).fetchall()
    return [
        f"#   {s.object.name}: {rows:,} rows",
        *(f"#     {comment(value) or '(empty)'}: {n:,}" for value, n in found),
    ]


def automated_rules(con: Any, staged: dict[str, Staged]) -> list[Rule]:
    """Rules for kinds that a tool performs."""
    found = []
    for s in (s for s in staged.values() if s.object.role == "activities" and s.has("kind_b")):
        values = [v for v, _ in values_of(con, s, "kind_b") if v.lower() in AUTOMATED]
        if values:
            found.append(
                Rule(
                    f"{s.object.name.lower()}_automated",
                    kind="email",
                    when=(Condition(field_of(s, "kind_b"), in_=tuple(values)),),
                    automated="sequence",
                )
            )
    return found


def kind_rules(con: Any, staged: dict[str, Staged]) -> list[Rule]:
    """One rule a kind over all objects and kind fields; objects without a kind field get a rule of their own."""
    tests: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    own: list[Rule] = []
    for s in (s for s in staged.values() if s.object.role == "activities"):
        fields = [v for v in ("kind_a", "kind_b", "kind_name") if s.has(v)]
        listed = [(field_of(s, v), value) for v in fields for value, _ in values_of(con, s, v)[:MAX_LISTED]]
        if not listed or (
            "meeting" in s.object.values
            and s.object.values["meeting"] == "true"
            and s.object.role == "activities"
            and not fields
        ):
            own.append(object_rule(s.object))
            continue
        for name, value in listed:
            kind = by_words(value, KIND_WORDS, slug(value))
            if value.lower() not in AUTOMATED and value not in tests[kind][name]:
                tests[kind][name].append(value)
        if s.object.values.get("meeting") == "true":
            own.append(object_rule(s.object))
    ordered = [kind for kind, _ in KIND_WORDS if kind in tests] + sorted(set(tests) - {kind for kind, _ in KIND_WORDS})
    found = []
    for kind in ordered:
        when = tuple(Condition(name, in_=tuple(values)) for name, values in tests[kind].items())
        ignored = any(mark in kind for mark in IGNORED)
        found.append(Rule(kind, kind=None if ignored else kind, when=when, ignore=ignored))
    return found + own


def object_rule(o: Object) -> Rule:
    """A rule for everything of one object."""
    ignored = any(mark in o.name.lower() for mark in IGNORED)
    kind = by_words(o.name, KIND_WORDS, slug(singular(o.name)))
    return Rule(f"all_{o.name.lower()}", kind=None if ignored else kind, when_object=o.name, ignore=ignored)


def field_of(s: Staged, value: str) -> str:
    """The API field behind a kind value."""
    return next((f for f in re.findall(r"\{(\w+)\}", s.object.values[value]) if f in s.present), value)


def slug(value: str) -> str:
    """A value as the name of a kind."""
    return re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")[:39].lstrip("0123456789_") or "other"


def rule_lines(rule: Rule, rows: int) -> list[str]:
    """A rule as TOML."""
    lines = ["[[activity]]", f"id = {text(rule.id)}{' ' * 12}# {rows:,} rows"]
    if rule.when_object:
        lines.append(f"when_object = {text(rule.when_object)}")
    if rule.when:
        tests = ", ".join(
            f"{{ field = {text(c.field)}, in = [{', '.join(text(str(v)) for v in c.in_ or ())}] }}" for c in rule.when
        )
        lines.append(f"when = [{tests}]")
    lines.append("ignore = true" if rule.ignore else f"kind = {text(rule.kind or '')}")
    if rule.automated:
        lines.append(f"automated = {text(rule.automated)}")
    if rule.kind in ("call", "meeting", "demo", "visit") and not rule.automated:
        lines.append('# meaningful = { any = [{ field = "...", gt = 120 }] }   # say what moves a prospect forward')
    return [*lines, ""]


def text(value: str) -> str:
    """A TOML string."""
    escaped = "".join(
        f"\\u{ord(c):04X}" if ord(c) < 32 or ord(c) == 127 else {'"': '\\"', "\\": "\\\\"}.get(c, c) for c in value
    )
    return f'"{escaped}"'


def comment(value: str | None) -> str:
    """A value on one line of a comment."""
    return re.sub(r"[\x00-\x1f\x7f\u2028\u2029]", " ", value or "")[:80]
