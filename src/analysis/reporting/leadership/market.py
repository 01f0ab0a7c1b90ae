"""Marketing and sales in a few lines; their own page has the rest."""

from __future__ import annotations

from analysis.reporting import alignment
from analysis.reporting.blocks import Block
from analysis.reporting.leadership.desk import Desk


def market(desk: Desk) -> Block:
    """Volume, conversion, hand-off and closed business from leads."""
    return alignment.glance(desk.market)
