"""From a findings row to the one plain sentence a leader reads.

The grammar has one form per grade. Only A and B state an amount; C says what is unclear, D what would have been
seen, E what can be ruled out, X what is missing. The sentence says "goes with", which is all that is known.
"""

from collections.abc import Mapping
from typing import Any

from analysis.errors import DataError
from analysis.words import names, numbers
from analysis.words.catalogue import DEFAULT_LOCALE, entry, text

OWN_SHARE_SAID_BELOW = 0.995


def finding_sentence(
    row: Mapping[str, Any], *, currency: str | None = None, period: str | None = None, locale: str = DEFAULT_LOCALE
) -> str:
    """The plain sentence of one findings row (columns of findings.csv; missing ones are taken as not known).

    currency: ISO code of `effect`, `conf_low`, `conf_high`; None: the row's own `currency`, else the effect is
    said as a share of the outcome. period: 'week' or 'month'; None: the row's own `period`, else 'week'.
    Raises DataError for a grade that does not exist.
    """
    grade = row.get("grade")
    if grade not in names.SHAPES:
        raise DataError(
            f"findings row for {row.get('activity')!r}: grade {grade!r} is none of {', '.join(names.GRADES)}"
        )
    currency = currency or _text(row, "currency")
    period = period or _text(row, "period") or "week"
    if grade in "AB":
        return _claim(row, currency, period, locale)
    write = {"C": _unclear, "D": _cannot_tell, "E": _no_effect, "X": _refused}[str(grade)]
    return write(row, period, locale)


def _claim(row: Mapping[str, Any], currency: str | None, period: str, locale: str) -> str:
    effect, low, high, outcome, shown = _amounts(row, currency, locale)
    direction = _direction(effect, outcome, locale)
    change = text(f"finding.{direction}", {"amount": shown(abs(effect)), "outcome": outcome}, locale=locale)
    brackets = [part for part in (_range(low, high, direction, shown, locale), _borrowed(row, locale)) if part]
    words = {
        "activity": names.kind_name(str(row["activity"]), locale=locale),
        "per": text(f"finding.per_{period}", locale=locale),
        "verb": text("finding.goes" if row["grade"] == "A" else "finding.probably", locale=locale),
        "change": change,
        "delay": _delay(row, period, locale),
        "brackets": "; ".join(brackets),
    }
    return text("finding.claim", words, locale=locale).replace(" ()", "")


def _amounts(row: Mapping[str, Any], currency: str | None, locale: str) -> tuple[Any, ...]:
    """Effect and interval with the outcome they are of and how they are written: money, else share, else number."""
    money = tuple(_known(row, key) for key in ("effect", "conf_low", "conf_high"))
    relative = tuple(_known(row, key) for key in ("effect_relative", "relative_low", "relative_high"))
    own = names.outcome_name(_text(row, "outcome") or "revenue", locale=locale)
    if money[0] is not None and currency:
        revenue = names.outcome_name("revenue", locale=locale)
        return *money, revenue, lambda value: numbers.money(value, currency, locale=locale)
    if relative[0] is not None:
        return *relative, own, lambda value: numbers.share(numbers.significant(value), locale=locale)
    if money[0] is not None:
        return *money, own, lambda value: numbers.money(value, None, locale=locale)
    raise DataError(f"findings row for {row.get('activity')!r}: grade {row['grade']} without an effect")


def _direction(effect: float, outcome: str, locale: str) -> str:
    if effect >= 0:
        return "more"
    return "fewer" if outcome in entry("finding.countable_outcomes", locale) else "less"


def _range(low: float | None, high: float | None, direction: str, shown: Any, locale: str) -> str:
    """The interval in words; the amounts of a negative effect are said as so much less, from small to large."""
    if low is None or high is None:
        return ""
    if low < 0 < high:
        return text("finding.likely_range_mixed", {"low": shown(-low), "high": shown(high)}, locale=locale)
    key = "finding.likely_range" if direction == "more" else f"finding.likely_range_{direction}"
    near, far = sorted((abs(low), abs(high)))
    return text(key, {"low": shown(near), "high": _without_code(shown(near), shown(far))}, locale=locale)


def _without_code(first: str, second: str) -> str:
    """``EUR 900``, ``EUR 2,900`` -> ``2,900``: the code is said once in a range."""
    code, _, rest = second.partition(" ")
    return rest if rest and code.isalpha() and code.isupper() and first.startswith(code + " ") else second


def _delay(row: Mapping[str, Any], period: str, locale: str) -> str:
    mean = _known(row, "mean_lag_weeks")
    if mean is None:
        return ""
    words = numbers.mean_delay(
        mean, period=period, first=_known(row, "lag_from"), last=_known(row, "lag_to"), locale=locale
    )
    return text("finding.later", {"delay": words}, locale=locale)


def _borrowed(row: Mapping[str, Any], locale: str) -> str:
    own = _known(row, "own_share")
    if _text(row, "scope") != "team" or own is None or own >= OWN_SHARE_SAID_BELOW:
        return ""
    if own < 0.005:
        return text("finding.borrowed_all", locale=locale)
    return text("finding.borrowed", {"share": numbers.share(1 - own, decimals=0, locale=locale)}, locale=locale)


def _nouns(row: Mapping[str, Any], period: str, locale: str) -> dict[str, str]:
    kind = str(row["activity"])
    return {
        "activity": names.kind_name(kind, locale=locale),
        "activities": names.kinds_name(kind, locale=locale),
        "outcome": names.outcome_name(_text(row, "outcome") or "revenue", locale=locale),
        "per": text(f"finding.per_{period}", locale=locale),
        "Activities": names.capital(names.kinds_name(kind, locale=locale)),
    }


def _unclear(row: Mapping[str, Any], period: str, locale: str) -> str:
    return text("finding.unclear", _nouns(row, period, locale), locale=locale)


def _cannot_tell(row: Mapping[str, Any], period: str, locale: str) -> str:
    words, mde = _nouns(row, period, locale), _known(row, "mde_relative")
    if mde is None or mde > 1:
        return text("finding.cannot_tell", words, locale=locale)
    words["mde"] = numbers.share(numbers.significant(abs(mde)), locale=locale)
    return text("finding.cannot_tell_size", words, locale=locale)


def _no_effect(row: Mapping[str, Any], period: str, locale: str) -> str:
    words = _nouns(row, period, locale)
    bounds = [abs(b) for b in (_known(row, "relative_low"), _known(row, "relative_high")) if b is not None]
    if not bounds:
        return text("finding.no_effect", words, locale=locale)
    words["bound"] = numbers.share(numbers.significant(max(bounds)), locale=locale)
    return text("finding.no_effect_size", words, locale=locale)


def _refused(row: Mapping[str, Any], period: str, locale: str) -> str:
    words, noun = _nouns(row, period, locale), {"n_reps": "rep", "n_weeks": period, "n_wins": "win"}
    counts = [
        numbers.count(_known(row, key), n, locale=locale) for key, n in noun.items() if _known(row, key) is not None
    ]
    if not counts:
        return text("finding.refused", words, locale=locale)
    words["counts"] = numbers.listed(counts, locale=locale)
    return text("finding.refused_counts", words, locale=locale)


def _known(row: Mapping[str, Any], key: str) -> float | None:
    value = row.get(key)
    return float(value) if numbers.is_known(value) else None


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    return value if isinstance(value, str) and value else None
