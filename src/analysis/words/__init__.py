"""Words from numbers: what the reports say, in the reader's language, with every text in texts/*.toml."""

from analysis.words.catalogue import DEFAULT_LOCALE as ENGLISH
from analysis.words.catalogue import entry, has, plural, text
from analysis.words.cells import spreadsheet_text, starts_formula
from analysis.words.findings import finding_sentence
from analysis.words.names import (
    GRADES,
    capital,
    grade_meaning,
    grade_shape,
    grade_short,
    grade_word,
    kind_name,
    kinds_name,
    outcome_name,
)
from analysis.words.numbers import (
    chance,
    compact,
    count,
    currency_code,
    date,
    delay,
    in_words,
    is_known,
    listed,
    mean_delay,
    money,
    number,
    share,
    shorten,
    significant,
)
from analysis.words.voice import Voice

__all__ = [
    "ENGLISH",
    "GRADES",
    "Voice",
    "capital",
    "chance",
    "compact",
    "count",
    "currency_code",
    "date",
    "delay",
    "entry",
    "finding_sentence",
    "grade_meaning",
    "grade_shape",
    "grade_short",
    "grade_word",
    "has",
    "in_words",
    "is_known",
    "kind_name",
    "kinds_name",
    "listed",
    "mean_delay",
    "money",
    "number",
    "outcome_name",
    "plural",
    "share",
    "shorten",
    "significant",
    "spreadsheet_text",
    "starts_formula",
    "text",
]
