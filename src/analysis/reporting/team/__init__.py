"""A team's report, section by section: each takes the team's desk and returns the blocks that a cell displays."""

from analysis.reporting.team.activity import activities, method, one_thing, plan, quality
from analysis.reporting.team.answer import answer, heading, summary, tiles
from analysis.reporting.team.desk import Desk, open_desk
from analysis.reporting.team.evidence import cards, delays, effects
from analysis.reporting.team.limits import changes, limits
from analysis.reporting.team.outcome import leads, pipeline, rates, result

__all__ = [
    "Desk",
    "activities",
    "answer",
    "cards",
    "changes",
    "delays",
    "effects",
    "heading",
    "leads",
    "limits",
    "method",
    "one_thing",
    "open_desk",
    "pipeline",
    "plan",
    "quality",
    "rates",
    "result",
    "summary",
    "tiles",
]
