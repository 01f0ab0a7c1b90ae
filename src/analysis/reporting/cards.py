"""The evidence card of one activity: its findings row in words, check by check.

Reads only the columns of findings.csv, so that a card can be made of any findings file; checks a row does not carry
are said to be "not run", never left out.
"""

from collections.abc import Mapping
from typing import Any

from analysis import words
from analysis.reporting.blocks import Card, Check, grade_mark

PLACEBO_LEVEL = 0.10
OUT_OF_SAMPLE_LEVEL = 0.05
STAGE_MARKERS = ("proposal", "quote", "contract")


def evidence_card(
    row: Mapping[str, Any],
    *,
    currency: str | None = None,
    period: str = "week",
    stage_marker: bool | None = None,
    change_mind: str = "",
    extra_checks: tuple[Check, ...] = (),
    locale: str = "en",
) -> Card:
    """The card of one findings row.

    stage_marker: whether the activity follows an advanced deal; None: by its name (proposals, quotes, contracts).
    change_mind: what would change the verdict; empty: said from the grade. extra_checks are listed after the row's own.
    """
    kind, grade = str(row["activity"]), str(row["grade"])
    marker = kind in STAGE_MARKERS if stage_marker is None else stage_marker
    return Card(
        heading=words.capital(words.kinds_name(kind, locale=locale)),
        mark=grade_mark(grade, locale=locale),
        sentence=words.finding_sentence(row, currency=currency, period=period, locale=locale),
        facts=_facts(row, currency, period, locale),
        checks=(*_checks(row, locale), *extra_checks),
        reason=str(row.get("reason") or words.grade_meaning(grade, locale=locale)),
        change_mind=change_mind or words.text(f"change_mind.{grade}", locale=locale),
        warning=words.text("page.stage_marker", locale=locale) if marker else "",
        labels=(_label("checks", locale), _label("reason", locale), _label("change_mind", locale)),
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
    if not all(words.is_known(row.get(k)) for k in keys):
        return ""
    value, low, high = (words.significant(float(row[k])) for k in keys)
    if currency:
        shown = [words.money(v, c, locale=locale) for v, c in ((value, currency), (low, None), (high, None))]
    else:
        shown = [words.share(v, locale=locale) for v in (value, low, high)]
    return words.text("card.effect_range", dict(zip(("value", "low", "high"), shown, strict=True)), locale=locale)


def _checks(row: Mapping[str, Any], locale: str) -> tuple[Check, ...]:
    def passed(key: str, above: bool, level: float) -> bool | None:
        if not words.is_known(row.get(key)):
            return None
        return bool(row[key] > level) if above else bool(row[key] <= level)

    verdicts = {
        "chance": passed("q_value", False, 0.05),
        "future": passed("placebo_p", True, PLACEBO_LEVEL),
        "reverse": passed("reverse_p", True, PLACEBO_LEVEL),
        "unseen": passed("oos_p", False, OUT_OF_SAMPLE_LEVEL),
    }
    return tuple(check(f"check.{name}", verdict, locale=locale) for name, verdict in verdicts.items())


def check(key: str, passed: bool | None, *, found: str = "", locale: str = "en") -> Check:
    """A check of texts/*.toml with its verdict as a word."""
    word = "status.not_run" if passed is None else "status.passed" if passed else "status.not_passed"
    return Check(words.text(key, locale=locale), passed, found, words.text(word, locale=locale))
