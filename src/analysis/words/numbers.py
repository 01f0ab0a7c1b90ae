"""Numbers, money, shares, counts, dates and delays as a reader of the language writes them.

Rounding happens here and nowhere else: two significant digits for estimates, whole units for counts. A missing
number is said as "not known", never as 0. Currency is the ISO code ("EUR 1,900"), never a symbol that two
countries share. Babel is imported on first use, so that the command line starts fast.
"""

import datetime as dt
import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Literal, TypeGuard

from analysis.words.catalogue import DEFAULT_LOCALE, entry, plural, text

BEYOND = 1e15
"""From here on a number is shown by its power of ten: no reader counts its digits."""

MINUS = "\N{MINUS SIGN}"


def is_known(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite number (not None, NaN, NA, infinite or a text)."""
    if value is None or isinstance(value, str | bytes):
        return False
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def significant(value: float, digits: int = 2) -> float:
    """`value` rounded to so many significant digits; 0 stays 0."""
    return float(f"{value:.{digits - 1}e}") if abs(value) < 1e300 else value


def number(value: float | None, *, decimals: int | None = None, locale: str = DEFAULT_LOCALE) -> str:
    """A number with the language's separators; `decimals` None shows up to two, none from 100 on."""
    if not is_known(value):
        return text("number.unknown", locale=locale)
    value = float(value)
    if abs(value) >= BEYOND:
        return _minus(f"{value:.2g}")
    if decimals is None:
        decimals, shown = (0, "#,##0") if abs(value) >= 100 else (None, "#,##0.##")
    else:
        shown = "#,##0" + ("." + "0" * decimals if decimals else "")
    return _written(float(round(value)) if decimals == 0 else value, shown, locale)


@lru_cache(maxsize=20_000)
def _written(value: float, pattern: str, locale: str) -> str:
    """Pages say the same few numbers again and again, and the language's rules take a tenth of a millisecond."""
    from babel.numbers import format_decimal

    return _minus(format_decimal(value, format=pattern, locale=locale))


def _minus(shown: str) -> str:
    """A true minus sign, and none before a zero that rounding left."""
    if shown.startswith("-"):
        return shown[1:] if not any(c in "123456789" for c in shown) else MINUS + shown[1:]
    return shown


def compact(value: float | None, *, locale: str = DEFAULT_LOCALE, long: bool = False) -> str:
    """A number short enough for a tile or an axis: ``1.2M`` (long: ``1.2 million``); exact below 10,000."""
    if not is_known(value) or not 10_000 <= abs(float(value)) < BEYOND:
        return number(value, locale=locale)
    style = _compact_style("long" if long else "short", locale)
    if style is None:
        return number(value, locale=locale)
    return _shortened(significant(float(value), 3), style, locale)


@lru_cache(maxsize=20_000)
def _shortened(rounded: float, style: Literal["short", "long"], locale: str) -> str:
    """See `_written`; three digits leave few different ones."""
    from babel.numbers import format_compact_decimal

    return _minus(format_compact_decimal(rounded, format_type=style, locale=locale, fraction_digits=2))


@cache
def _compact_style(wanted: Literal["short", "long"], locale: str) -> Literal["short", "long"] | None:
    """The form that the language's data have: not every language has both."""
    from babel import Locale

    available = Locale.parse(locale).compact_decimal_formats
    return wanted if wanted in available else "short" if "short" in available else None


def currency_code(currency: str | None) -> str:
    """The ISO code as it is shown; empty for none, and for XXX, by which ISO 4217 says that there is none."""
    return "" if currency in (None, "XXX") else str(currency)


def money(
    value: float | None, currency: str | None, *, short: bool = False, exact: bool = False, locale: str = DEFAULT_LOCALE
) -> str:
    """``EUR 1,900``: two significant digits unless `exact` (whole units); `short` for tiles (``EUR 1.2M``).

    Without a currency the bare number is shown: a code is never guessed.
    """
    currency = currency_code(currency)
    if not is_known(value):
        return text("number.unknown", locale=locale)
    value = float(value)
    if short:
        shown = compact(value, locale=locale)
    elif exact:
        shown = number(value, decimals=0, locale=locale)
    else:
        rounded = significant(value)
        shown = compact(rounded, locale=locale, long=True) if abs(rounded) >= 1e6 else number(rounded, locale=locale)
    return text("number.money", {"code": currency, "number": shown}, locale=locale) if currency else shown


def share(value: float | None, *, decimals: int | None = None, locale: str = DEFAULT_LOCALE) -> str:
    """A share as per cent; `decimals` None shows one below 10 % where it says something."""
    if not is_known(value):
        return text("number.unknown", locale=locale)
    value = float(value)
    if decimals is None:
        decimals = 1 if 0 < abs(value) < 0.0995 and round(value * 1000) % 10 else 0
    if abs(value) >= BEYOND:
        return number(value, locale=locale)
    return _as_percent(round(value, decimals + 2), decimals, locale)


@lru_cache(maxsize=20_000)
def _as_percent(rounded: float, decimals: int, locale: str) -> str:
    from babel.numbers import format_percent

    pattern = _percent_pattern(locale).replace("#,##0", "#,##0" + ("." + "0" * decimals if decimals else ""))
    return _minus(format_percent(rounded, format=pattern, locale=locale))


def chance(value: float | None, *, locale: str = DEFAULT_LOCALE) -> str:
    """A probability as whole per cent; never 0 or 100, which no simulation can show: ``under 1%``, ``over 99%``."""
    if not is_known(value):
        return text("number.unknown", locale=locale)
    if value < 0.01:
        return text("number.under", {"value": share(0.01, locale=locale)}, locale=locale)
    if value > 0.99:
        return text("number.over", {"value": share(0.99, locale=locale)}, locale=locale)
    return share(value, decimals=0, locale=locale)


@cache
def _percent_pattern(locale: str) -> str:
    from babel import Locale

    return str(Locale.parse(locale).percent_formats[None].pattern)


def count(n: float | None, noun: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """``1 rep``, ``3 reps``: a counted noun of texts/*.toml [nouns]."""
    if not is_known(n):
        return text("number.unknown", locale=locale)
    return plural(f"nouns.{noun}", float(n), {"n": number(n, locale=locale)}, locale=locale)


def in_words(n: int, *, locale: str = DEFAULT_LOCALE) -> str:
    """Small whole numbers as words (``three``), larger ones in digits."""
    small = entry("spelling.small_numbers", locale)
    return str(small[n]) if 0 <= n < len(small) else number(n, locale=locale)


def date(value: object, *, style: str = "medium", locale: str = DEFAULT_LOCALE) -> str:
    """A calendar date (date, datetime, Timestamp or ISO text); style: a CLDR name or pattern such as ``MMM yyyy``."""
    from babel.dates import format_date

    if isinstance(value, str):
        value = dt.date.fromisoformat(value[:10])
    if value is None or value != value:
        return text("number.unknown", locale=locale)
    return str(format_date(dt.date(value.year, value.month, value.day), format=style, locale=locale))  # type: ignore[attr-defined]


def delay(from_: float, to: float, *, period: str = "week", locale: str = DEFAULT_LOCALE) -> str:
    """``three to five weeks later``; `from_` and `to` in the panel's period ('week' or 'month')."""
    first, last = max(round(from_), 0), max(round(to), 0)
    if last == 0:
        return text(f"delay.same_{period}", locale=locale)
    first = min(first, last)
    style = "within" if first == 0 else "about" if first == last else "range"
    words = {"from": in_words(first, locale=locale), "to": in_words(last, locale=locale)}
    return plural(f"delay.{style}_{period}", last, words, locale=locale)


def mean_delay(
    mean_lag: float,
    *,
    period: str = "week",
    first: float | None = None,
    last: float | None = None,
    locale: str = DEFAULT_LOCALE,
) -> str:
    """The mean delay, give or take one period, kept inside the tested window `first`..`last`.

    All in the panel's periods ('week' or 'month'). One period each way, because the mean delay of what is claimed is
    known to about half a week either side.
    """
    low = max(round(mean_lag) - 1, round(first) if is_known(first) else 0)
    high = round(mean_lag) + 1
    high = min(high, round(last)) if is_known(last) else high
    return delay(low, max(low, high), period=period, locale=locale)


def listed(parts: Sequence[str], *, locale: str = DEFAULT_LOCALE) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return text("number.list_and", {"first": ", ".join(parts[:-1]), "last": parts[-1]}, locale=locale)


def span(low: str, high: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """``EUR 900 to 2,900``, ``23 to 83 days``: what stands before or behind both finished numbers is said once."""
    first, last = low.split(" "), high.split(" ")
    if len(last) > 1 and first[0] == last[0] and first[0].isalpha():
        last = last[1:]
    shared = 0
    while shared < min(len(first), len(last)) - 1 and first[-1 - shared] == last[-1 - shared]:
        shared += 1
    first = first[: len(first) - shared]
    return text("number.range", {"low": " ".join(first), "high": " ".join(last)}, locale=locale)


def beside(value: float, low: float, high: float) -> float:
    """`value` to the last digit that its range gives a meaning: 1.7 between -200 and 200 is 0."""
    widest = max(abs(value), abs(low), abs(high))
    place = 10.0 ** (math.floor(math.log10(widest)) - 1) if 0 < widest < math.inf else 1.0
    return round(value / place) * place


def shorten(words: str, length: int = 60) -> str:
    """`words` cut at a word's end to at most `length` characters, with an ellipsis where cut."""
    if len(words) <= length:
        return words
    cut = words[: length - 1]
    kept = cut.rsplit(" ", 1)[0] if " " in cut[length // 2 :] else cut
    return kept.rstrip(" ,;:") + "…"
