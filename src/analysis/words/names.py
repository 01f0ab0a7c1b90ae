"""How activities, outcomes and grades are called, from their identifiers."""

import re

from analysis.words.catalogue import DEFAULT_LOCALE, entry, has, plural_category, text

GRADES = ("A", "B", "C", "E", "D", "X")
"""The grades from most to least said: what a table of findings is sorted by."""

SHAPES = {"A": "●", "B": "◐", "C": "◇", "D": "○", "E": "▬", "X": "✕"}
"""One shape per grade, so that no grade is told by colour alone."""


def kind_name(kind: str, *, count: float = 1, locale: str = DEFAULT_LOCALE) -> str:
    """``roi_presentation`` -> ``ROI presentation`` (count 2: ``ROI presentations``)."""
    category = plural_category(count, locale)
    if has(f"kinds.{kind}", locale):
        forms = entry(f"kinds.{kind}", locale)
        return str(forms.get(category, forms["other"]))
    capitals = set(entry("spelling.capitals", locale))
    spaced = re.sub(r"[\s_]+", " ", kind).strip() or kind
    words = [word.upper() if word.lower() in capitals else word for word in spaced.split(" ")]
    if category != "one":
        words[-1] = _plural_word(words[-1], locale)
    return " ".join(words)


def _plural_word(word: str, locale: str) -> str:
    for ending, replacement in entry("spelling.plural_endings", locale):
        if word.lower().endswith(ending):
            return word[: len(word) - len(ending)] + replacement
    return word


def kinds_name(kind: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """The plural of a kind: ``demos``."""
    return kind_name(kind, count=2, locale=locale)


def capital(words: str) -> str:
    """`words` with a capital first letter; the rest stays (``e-mails`` -> ``E-mails``)."""
    return words[:1].upper() + words[1:]


def outcome_name(outcome: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """``wins`` -> ``wins``; a panel's own outcome by its identifier, underscores as spaces."""
    return (
        text(f"outcomes.{outcome}", locale=locale) if has(f"outcomes.{outcome}", locale) else outcome.replace("_", " ")
    )


def grade_word(grade: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """The grade as a leader reads it: ``A`` -> ``Predicts``."""
    return text(f"grades.{grade}", locale=locale)


def grade_short(grade: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """The grade in two or three words, for the margin of a drawing."""
    return text(f"grades_short.{grade}", locale=locale)


def grade_meaning(grade: str, *, locale: str = DEFAULT_LOCALE) -> str:
    """One sentence: what has and has not been shown at this grade."""
    return text(f"grade_meaning.{grade}", locale=locale)


def grade_shape(grade: str) -> str:
    """The sign that stands beside the grade's word."""
    return SHAPES[grade]
