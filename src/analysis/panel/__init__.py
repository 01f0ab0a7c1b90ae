"""The panel: rep x week, without gaps, zero only where activity is known to have been none."""

from datetime import date
from pathlib import Path

from analysis.panel.build import build
from analysis.panel.model import Panel
from analysis.panel.ready import read_panel

__all__ = ["Panel", "build", "load", "read_panel"]


def load(folder: str | Path, as_of: date | None = None) -> Panel:
    """The panel of a data folder, whichever it holds: a ready panel, or tables to build one from.

    Raises DataError where it holds both, or neither.
    """
    from analysis.crm import read
    from analysis.crm.files import data_folder, holds_ready_panel
    from analysis.errors import DataError

    path = data_folder(folder)
    if not holds_ready_panel(path):
        return build(read(path), as_of=as_of)
    if any((path / name).exists() for name in ("activities.csv", "activities.parquet", "activities")):
        raise DataError(f"{path} holds a ready panel and tables; keep one of the two in a folder of its own")
    return read_panel(path, as_of=as_of)
