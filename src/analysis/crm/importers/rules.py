"""Activity rules: which rows are a call, a demo, a tracking click; first match wins.

A rule names fields and fixed operators, nothing else: there is no expression language and nothing is evaluated. Rules
compile to SQL over staged text columns; every value travels as a quoted literal. Patterns run in RE2 (inside DuckDB), which
is linear in the text and cannot be made to hang.
"""

from __future__ import annotations

import dataclasses
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any, Literal

KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
MAX_PATTERN = 400

Origin = Literal["human", "sequence", "bulk", "tracking", "system"]
Outcome = Literal["connected", "voicemail", "no_answer", "busy", "wrong_number", "bounced", "held", "no_show"]


OUTCOMES: tuple[str, ...] = typing.get_args(Outcome)


def quote(value: str) -> str:
    """A SQL text literal."""
    return "'" + value.replace("'", "''") + "'"


def name(identifier: str) -> str:
    """A SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one field; exactly one operator. Texts compare without case except in `eq_exact` and `matches`."""

    field: str
    eq: Any = None
    ne: Any = None
    in_: tuple[Any, ...] | None = dataclasses.field(default=None, metadata={"key": "in"})
    not_in: tuple[Any, ...] | None = None
    like: str | None = None
    prefix: str | None = None
    suffix: str | None = None
    contains: str | None = None
    matches: str | None = None
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None
    is_null: bool | None = None
    not_null: bool | None = None

    def __post_init__(self) -> None:
        used = [f.name for f in fields(self) if f.name != "field" and getattr(self, f.name) is not None]
        if len(used) != 1:
            raise ValueError(f"a condition on {self.field!r} needs exactly one operator, found {len(used)}")
        for value in [self.eq, self.ne, *(self.in_ or ()), *(self.not_in or ())]:
            if value is not None and not isinstance(value, str | int | float | bool):
                raise ValueError(f"a condition on {self.field!r} compares with texts, numbers or truth values only")
        if self.matches is not None:
            check_pattern(self.matches)

    @property
    def operator(self) -> str:
        """The operator's attribute name."""
        return next(f.name for f in fields(self) if f.name != "field" and getattr(self, f.name) is not None)


@dataclass(frozen=True, slots=True)
class Test:
    """Conditions joined by any (or) or all (and); with neither key, none."""

    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.any) == bool(self.all):
            raise ValueError("a test needs either any = [...] or all = [...]")


@dataclass(frozen=True, slots=True)
class FromText:
    """A duration hidden in prose: a pattern with the named groups h, m, s (any of them)."""

    field: str
    pattern: str

    def __post_init__(self) -> None:
        check_pattern(self.pattern)
        compiled = re.compile(self.pattern)
        if not set(compiled.groupindex) & {"h", "m", "s"} or compiled.groups != len(compiled.groupindex):
            raise ValueError("the pattern needs named groups only, at least one of (?P<h>..), (?P<m>..), (?P<s>..)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of activity. `when`: any condition suffices; `when_all`: all must hold; both given: both must hold."""

    id: str
    kind: str | None = None
    when_object: str | None = None
    when: tuple[Condition, ...] = ()
    when_all: tuple[Condition, ...] = ()
    ignore: bool = False
    automated: Origin | None = None
    attempt: bool = True
    direction: Literal["out", "in", "internal"] | None = None
    meaningful: Test | None = None
    outcome: Outcome | None = None
    outcomes: dict[str, Test] = dataclasses.field(default_factory=dict)
    duration_from_text: FromText | None = None

    def __post_init__(self) -> None:
        if bool(self.kind) == self.ignore:
            raise ValueError(f"rule {self.id!r} needs a kind, or ignore = true, and not both")
        if self.kind and not KIND.fullmatch(self.kind):
            raise ValueError(
                f"kind {self.kind!r} must be lower-case letters, digits and _ (40 at most), as in roi_presentation"
            )
        if not (self.when or self.when_all or self.when_object):
            raise ValueError(f"rule {self.id!r} matches everything; give it when = [...] or when_object")
        unknown = set(self.outcomes) - set(OUTCOMES)
        if unknown:
            raise ValueError(f"rule {self.id!r}: outcome {sorted(unknown)[0]!r} is not known: {', '.join(OUTCOMES)}")

    def conditions(self) -> Iterator[Condition]:
        """Every condition of the rule, for checks of field names."""
        yield from (*self.when, *self.when_all)
        for test in [self.meaningful, *self.outcomes.values()]:
            if test is not None:
                yield from (*test.any, *test.all)

    def fields(self) -> set[str]:
        """Every field the rule reads."""
        named = {condition.field for condition in self.conditions()}
        return named | ({self.duration_from_text.field} if self.duration_from_text else set())


def check_pattern(pattern: str) -> None:
    """Refuse patterns that are too long, do not compile, or use what RE2 does not have."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"the pattern does not compile: {error}") from error
    if re.search(r"\(\?(?!P<|:|i\))|\\[1-9]|\(\?P=", pattern):
        raise ValueError("the pattern may use groups and (?i), but no look-around and no back-references")
    refusal = re2_refusal(pattern)
    if refusal is not None:
        raise ValueError(f"the pattern does not compile in RE2: {refusal}")


@cache
def re2_refusal(pattern: str) -> str | None:
    """Why the engine's RE2 does not take a pattern, or None: it knows no possessive quantifiers and no huge repeats."""
    import duckdb

    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        try:
            engine.execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
        except duckdb.Error as error:
            return (str(error).splitlines() or [type(error).__name__])[0][:160]
    return None


Column = Callable[[str], str]


def condition_sql(condition: Condition, column: Column) -> str:
    """The condition as SQL that is true or false, never null. `column`: field name -> SQL of a text value."""
    text = column(condition.field)
    operator, value = condition.operator, getattr(condition, condition.operator)
    if operator in ("is_null", "not_null"):
        wants_null = (operator == "is_null") == bool(value)
        return f"({text} IS {'' if wants_null else 'NOT '}NULL)"
    if operator in ("gt", "gte", "lt", "lte"):
        sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[operator]
        return f"coalesce(try_cast({text} AS DOUBLE) {sign} {value!r}, false)"
    if operator in ("eq", "ne"):
        return f"{'NOT ' if operator == 'ne' else ''}({equals(text, value)})"
    if operator in ("in_", "not_in"):
        tests = " OR ".join(equals(text, item) for item in value) or "false"
        return f"{'NOT ' if operator == 'not_in' else ''}({tests})"
    if operator == "matches":
        return f"coalesce(regexp_matches({text}, {quote(value)}), false)"
    return f"coalesce({like_sql(operator, value, text)}, false)"


def equals(text: str, value: Any) -> str:
    """Equality as people mean it: texts without case, numbers by value, truth values by any of their spellings."""
    if isinstance(value, bool):
        words = "('true','1','t','yes')" if value else "('false','0','f','no')"
        return f"coalesce(lower({text}) IN {words}, false)"
    if isinstance(value, int | float):
        return f"coalesce(try_cast({text} AS DOUBLE) = {value!r}, false)"
    return f"coalesce(lower({text}) = lower({quote(value)}), false)"


def like_sql(operator: str, value: str, text: str) -> str:
    """Text tests without case; `%` and `_` are wildcards in `like` only."""
    if operator == "like":
        return f"lower({text}) LIKE lower({quote(value)})"
    function = {"prefix": "starts_with", "suffix": "ends_with", "contains": "contains"}[operator]
    return f"{function}(lower({text}), lower({quote(value)}))"


def matches_sql(test: Test, column: Column) -> str:
    """A test as SQL, true or false."""
    joiner, conditions = (" OR ", test.any) if test.any else (" AND ", test.all)
    return "(" + joiner.join(condition_sql(condition, column) for condition in conditions) + ")"


def rule_sql(rule: Rule, object_name: str, column: Column) -> str:
    """Whether a row of this object matches the rule, as SQL."""
    if rule.when_object and rule.when_object.lower() != object_name.lower():
        return "false"
    parts = []
    if rule.when:
        parts.append("(" + " OR ".join(condition_sql(c, column) for c in rule.when) + ")")
    parts += [condition_sql(c, column) for c in rule.when_all]
    return "(" + " AND ".join(parts) + ")" if parts else "true"


def choose_sql(rules: Mapping[int, Rule], object_name: str, column: Column) -> str:
    """The number of the first rule that matches, or null: CASE in the order of the rules."""
    cases = [f"WHEN {rule_sql(rule, object_name, column)} THEN {number}" for number, rule in rules.items()]
    return f"CASE {' '.join(cases)} END" if cases else "NULL"


def scaled(rule: Rule, factor: float) -> Rule:
    """The same rule with every numeric threshold of `meaningful` multiplied: how much hangs on the threshold?"""
    if rule.meaningful is None:
        return rule
    changed = {
        part: tuple(scale_condition(condition, factor) for condition in getattr(rule.meaningful, part))
        for part in ("any", "all")
    }
    return replace(rule, meaningful=Test(**changed))


def scale_condition(condition: Condition, factor: float) -> Condition:
    """A condition with its lower threshold scaled; others unchanged."""
    if condition.gt is not None:
        return replace(condition, gt=condition.gt * factor)
    if condition.gte is not None:
        return replace(condition, gte=condition.gte * factor)
    return condition


def seconds_from_text(rule: Rule, column: Column) -> str | None:
    """SQL of the seconds a rule finds in prose, null where its pattern does not match; None without a pattern."""
    found = rule.duration_from_text
    if found is None:
        return None
    groups = list(re.compile(found.pattern).groupindex)
    names = ", ".join(quote(group) for group in groups)
    text = column(found.field)
    parts = [
        f"coalesce(try_cast(nullif(regexp_extract({text}, {quote(found.pattern)}, [{names}])['{group}'], '') AS DOUBLE), 0) * {factor}"
        for group, factor in (("h", 3600), ("m", 60), ("s", 1))
        if group in groups
    ]
    return f"CASE WHEN regexp_matches({text}, {quote(found.pattern)}) THEN {' + '.join(parts)} END"
