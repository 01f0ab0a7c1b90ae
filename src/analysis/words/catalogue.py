"""Where every text comes from: one TOML file per language, read once, filled by name.

A locale such as ``de_AT`` looks for ``de_AT.toml``, then ``de.toml``, then English, text by text, so that a
translation may grow step by step. Values are put in as they are: they are never read as templates themselves.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from analysis.errors import ParameterError

DEFAULT_LOCALE = "en"


@cache
def _texts(name: str) -> dict[str, Any] | None:
    """One language file, or None when the package has none of that name."""
    path = files("analysis").joinpath("texts", f"{name}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


@cache
def _entry(key: str, locale: str) -> Any:
    for name in (locale, locale.split("_")[0], DEFAULT_LOCALE):
        found: Any = _texts(name)
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        if found is not None:
            return found
    return None


def has(key: str, locale: str = DEFAULT_LOCALE) -> bool:
    """Whether a text of this name exists, in the language or in English."""
    return _entry(key, locale) is not None


def entry(key: str, locale: str = DEFAULT_LOCALE) -> Any:
    """The entry as it stands in the file: a text, a list, or a table of plural forms."""
    found = _entry(key, locale)
    if found is None:
        raise ParameterError(f"there is no text named {key!r} in texts/en.toml; add it there")
    return found


def text(key: str, values: Mapping[str, object] | None = None, *, locale: str = DEFAULT_LOCALE) -> str:
    """The text `key` (``"section.name"``) with its {names} filled from `values`."""
    return str(entry(key, locale)).format_map(values or {})


def plural(key: str, count: float, values: Mapping[str, object] | None = None, *, locale: str = DEFAULT_LOCALE) -> str:
    """The form of a plural text that fits `count`, by the language's CLDR rule."""
    forms = entry(key, locale)
    category = plural_category(count, locale)
    return str(forms.get(category, forms["other"])).format_map(values or {})


def retold(said: str, *, locale: str = DEFAULT_LOCALE, under: str = "evidence") -> str:
    """What a study wrote in English, in another language; as it stands if it is no text below `under`.

    Findings are written once and read in many languages. The numbers in them keep the form they were written in.
    """
    if locale.split("_")[0] == DEFAULT_LOCALE:
        return said
    for key, category, pattern in _patterns(under):
        if found := pattern.fullmatch(said):
            forms = entry(key, locale)
            form = forms if isinstance(forms, str) else forms.get(category, forms["other"])
            return str(form).format_map(found.groupdict())
    return said


@cache
def _patterns(under: str) -> list[tuple[str, str, re.Pattern[str]]]:
    """(key, plural category or "", what an English text looks like), the most telling first."""
    found = []
    for key, category, form in _forms(under, entry(under)):
        parts = re.split(r"\{(\w+)\}", form)
        shape = "".join(f"(?P<{part}>.+)" if n % 2 else re.escape(part) for n, part in enumerate(parts))
        found.append((sum(map(len, parts[::2])), key, category, re.compile(shape, re.DOTALL)))
    return [(key, category, pattern) for _, key, category, pattern in sorted(found, key=lambda f: (-f[0], f[1], f[2]))]


def _forms(key: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every English form below a key, with its plural category."""
    for name, value in table.items():
        if isinstance(value, str):
            yield f"{key}.{name}", "", value
        elif "other" in value:
            yield from ((f"{key}.{name}", category, form) for category, form in value.items())
        else:
            yield from _forms(f"{key}.{name}", value)


@cache
def _plural_rule(locale: str) -> Any:
    from babel import Locale

    return Locale.parse(locale).plural_form


def plural_category(count: float, locale: str = DEFAULT_LOCALE) -> str:
    """``one``, ``few``, ``other`` ...: which plural form the language uses for this number."""
    return str(_plural_rule(locale)(abs(count)))
