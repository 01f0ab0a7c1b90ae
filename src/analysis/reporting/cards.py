"""The evidence card of one activity: its findings row in words, check by check.

Made from the columns of findings.csv; the checks come from the study's own table of checks where it is at hand, else
from the columns. A check that was not made is said to be "not run", never left out.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import words
from analysis.reporting.blocks import Card, Check, grade_mark

VETO_LEVEL = 0.10
CLAIM_LEVEL = 0.05
CLAIMS = ("A", "B")
TAKE_AWAY = ("placebo", "reverse", "drift", "confounded", "marker", "same_sign", "one_out", "too_good")


def evidence_card(
    row: Mapping[str, Any],
    *,
    currency: str | None = None,
    period: str = "week",
    checks: pd.DataFrame | None = None,
    change_mind: str = "",
    company_checks: pd.DataFrame | None = None,
    locale: str = "en",
) -> Card:
    """The card of one findings row.

    checks: the activity's checks as evidence.frames.check_frame gives them (check, measured, limit, passed); None:
    those that the row's own columns allow. change_mind: what would change the verdict; empty: said from the grade.
    company_checks: the same activity's checks across the company; where one of those that can take a claim away failed,
    the card says so, since the team's own thin data would not show it.
    """
    kind, grade = str(row["activity"]), str(row["grade"])
    listed = _listed(checks, locale) if checks is not None and len(checks) else _from_columns(row, locale)
    marker = checks is not None and bool(((checks["check"] == "marker") & (checks["passed"] == False)).any())  # noqa: E712
    return Card(
        heading=words.capital(words.kinds_name(kind, locale=locale)),
        mark=grade_mark(grade, locale=locale),
        sentence=words.finding_sentence(row, currency=currency, period=period, locale=locale),
        facts=_facts(row, currency, period, locale),
        checks=() if grade == "X" else listed,
        reason=words.retold(str(row.get("reason") or ""), locale=locale) or words.grade_meaning(grade, locale=locale),
        change_mind=change_mind or words.text(f"change_mind.{grade}", locale=locale),
        warning=words.text("page.stage_marker", locale=locale) if marker else failed_across(company_checks, locale),
        labels=(_label("checks", locale), _label("reason", locale), _label("change_mind", locale)),
    )


def failed_across(checks: pd.DataFrame | None, locale: str = "en") -> str:
    """The company's failed checks in words; empty where none failed."""
    if checks is None:
        return ""
    failed = checks.loc[checks["check"].isin(TAKE_AWAY) & (checks["passed"] == False), "check"]  # noqa: E712
    said = [
        words.text("page.quoted", {"text": check(str(name), None, locale=locale).question}, locale=locale)
        for name in failed
    ]
    return (
        words.text("page.company_failed", {"checks": words.listed(said, locale=locale)}, locale=locale) if said else ""
    )


def _label(key: str, locale: str) -> str:
    return words.text(f"page.{key}", locale=locale)


def _facts(row: Mapping[str, Any], currency: str | None, period: str, locale: str) -> tuple[tuple[str, str], ...]:
    """What was tested, the effect with its interval, the delay, how much is the team's own; only what is known."""
    tested = [words.count(row.get(k), n, locale=locale) for k, n in _COUNTS.items() if words.is_known(row.get(k))]
    facts = [(words.text("card.rests_on", locale=locale), words.listed(tested, locale=locale))]
    effect = _effect(row, currency, locale)
    if effect:
        facts.append((words.text("card.effect", locale=locale), effect))
    if words.is_known(row.get("lag_from")) and words.is_known(row.get("lag_to")):
        window = {
            "from": words.number(row["lag_from"], locale=locale),
            "to": words.number(row["lag_to"], locale=locale),
        }
        facts.append(
            (words.text("card.window", locale=locale), words.text(f"card.window_{period}", window, locale=locale))
        )
    own = row.get("own_share")
    if row.get("scope") == "team" and words.is_known(own):
        facts.append((words.text("table.own", locale=locale), words.share(own, decimals=0, locale=locale)))
    return tuple(fact for fact in facts if fact[1])


_COUNTS = {"n_reps": "rep", "n_weeks": "week", "n_wins": "win"}


def _effect(row: Mapping[str, Any], currency: str | None, locale: str) -> str:
    keys = ("effect", "conf_low", "conf_high") if currency else ("effect_relative", "relative_low", "relative_high")
    if row["grade"] == "X" or not all(words.is_known(row.get(k)) for k in keys):
        return ""
    value, low, high = (float(row[k]) for k in keys)
    if row["grade"] not in CLAIMS:
        value = words.beside(value, low, high)
    value, low, high = (words.significant(number) for number in (value, low, high))
    if currency:
        shown = [words.money(v, c, locale=locale) for v, c in ((value, currency), (low, None), (high, None))]
    else:
        shown = [words.share(v, locale=locale) for v in (value, low, high)]
    return words.text("card.effect_range", dict(zip(("value", "low", "high"), shown, strict=True)), locale=locale)


def _listed(checks: pd.DataFrame, locale: str) -> tuple[Check, ...]:
    """The study's own checks; one that texts/*.toml does not name is shown by its identifier."""
    made = []
    for name, passed in zip(checks["check"], checks["passed"], strict=True):
        verdict = None if passed is None or passed != passed else bool(passed)
        made.append(check(str(name), verdict, locale=locale))
    return tuple(made)


def _from_columns(row: Mapping[str, Any], locale: str) -> tuple[Check, ...]:
    def below(key: str, level: float) -> bool | None:
        return bool(row[key] <= level) if words.is_known(row.get(key)) else None

    placebo, reverse = below("placebo_p", VETO_LEVEL), below("reverse_p", VETO_LEVEL)
    verdicts = {
        "counted": below("q_value", CLAIM_LEVEL),
        "placebo": None if placebo is None else not placebo,
        "reverse": None if reverse is None else not reverse,
        "forecast": below("oos_p", CLAIM_LEVEL),
    }
    return tuple(check(name, verdict, locale=locale) for name, verdict in verdicts.items())


def check(name: str, passed: bool | None, *, found: str = "", locale: str = "en") -> Check:
    """A check by its name in texts/*.toml, with its verdict as a word."""
    said = words.text(f"check.{name}", locale=locale) if words.has(f"check.{name}", locale) else name.replace("_", " ")
    word = "status.not_run" if passed is None else "status.passed" if passed else "status.not_passed"
    return Check(said, passed, found, words.text(word, locale=locale))
