"""The leadership report, section by section: each takes the company's desk and returns the blocks a cell displays."""

from analysis.reporting.leadership.answer import answer, heading, summary, tiles
from analysis.reporting.leadership.claims import claims
from analysis.reporting.leadership.desk import Desk, open_desk
from analysis.reporting.leadership.evidence import delays, effects, verdicts
from analysis.reporting.leadership.limits import changes, limits
from analysis.reporting.leadership.managers import effect, pace, quartiles
from analysis.reporting.leadership.market import market
from analysis.reporting.leadership.results import rates, result
from analysis.reporting.leadership.teams import differ, side_by_side
from analysis.reporting.leadership.teams import effects as team_effects

__all__ = [
    "Desk",
    "answer",
    "changes",
    "claims",
    "delays",
    "differ",
    "effect",
    "effects",
    "heading",
    "limits",
    "market",
    "open_desk",
    "pace",
    "quartiles",
    "rates",
    "result",
    "side_by_side",
    "summary",
    "team_effects",
    "tiles",
    "verdicts",
]
