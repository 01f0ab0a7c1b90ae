"""The alignment report, section by section: marketing and sales look at the same page and the same numbers."""

from analysis.reporting.alignment.answer import answer, heading, summary, tiles
from analysis.reporting.alignment.change import changes
from analysis.reporting.alignment.demand import campaigns, conversion, definition, inbound, volume
from analysis.reporting.alignment.desk import Desk, open_desk
from analysis.reporting.alignment.glance import glance
from analysis.reporting.alignment.hand_off import by_team, partners, sides, waiting
from analysis.reporting.alignment.limits import limits
from analysis.reporting.alignment.response import classes, effect

__all__ = [
    "Desk",
    "answer",
    "by_team",
    "campaigns",
    "changes",
    "classes",
    "conversion",
    "definition",
    "effect",
    "glance",
    "heading",
    "inbound",
    "limits",
    "open_desk",
    "partners",
    "sides",
    "summary",
    "tiles",
    "volume",
    "waiting",
]
