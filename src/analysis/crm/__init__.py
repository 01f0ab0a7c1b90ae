"""From a folder of CRM tables to checked, typed rows: the contract, the reader, the quarantine and what data can tell.

Names are loaded when first asked for, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis.crm.capability import Capability as Capability
    from analysis.crm.checking import CheckReport as CheckReport
    from analysis.crm.checking import check as check
    from analysis.crm.reading import Crm as Crm
    from analysis.crm.reading import read as read

_HOME = {
    "Capability": "analysis.crm.capability",
    "CheckReport": "analysis.crm.checking",
    "Crm": "analysis.crm.reading",
    "check": "analysis.crm.checking",
    "read": "analysis.crm.reading",
}

__all__ = ["Capability", "CheckReport", "Crm", "check", "read"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
