"""From a plan fixed before looking, to findings, checks, grades and words.

Each name is imported when first used: a report reads findings, and needs no engine for that.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_PUBLIC = {"Study": "study", "run_study": "study", "write_study": "ledger"}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"analysis.evidence has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"analysis.evidence.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
