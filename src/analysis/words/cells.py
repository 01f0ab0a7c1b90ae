"""Text that a spreadsheet program must not take for a formula."""

import unicodedata

_STARTS = ("=", "+", "-", "@")


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet may run `text`: it begins with = + - @ (full-width forms too), a tab or a line break."""
    if text[:1] in ("\t", "\r", "\n"):
        return True
    return unicodedata.normalize("NFKC", text).lstrip().startswith(_STARTS)


def spreadsheet_text(text: str) -> str:
    """`text` as it may stand in a CSV cell: with a leading apostrophe where it would otherwise be run."""
    return f"'{text}" if starts_formula(text) else text
