"""From a CRM's export to a checked data folder: one configuration, forty known defects, every row answered for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.crm.importers.report import ImportReport as ImportReport
    from analysis.crm.importers.run import import_crm as import_crm

_HOME = {"import_crm": "run", "ImportReport": "report", "draft_config": "draft", "load_config": "config"}

__all__ = ["ImportReport", "import_crm"]


def __getattr__(name: str) -> Any:
    """Load on first use, so that asking for help stays fast."""
    from importlib import import_module

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
