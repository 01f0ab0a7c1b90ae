"""What this report cannot tell, what the data do not hold, and what changed since the last one."""

from __future__ import annotations

from analysis.reporting import moves, standing
from analysis.reporting.blocks import Block, Group
from analysis.reporting.team.desk import Desk


def limits(desk: Desk) -> Group:
    """The standing limits, the study's own warnings, and every metric that is not recorded."""
    return standing.limits(desk, ("cause", "demand", "logged", "small"))


def changes(desk: Desk) -> Block:
    """Each activity whose grade moved since the last report, with the reason."""
    return moves.changes(desk.pack, desk.findings, desk.text, desk.locale)
