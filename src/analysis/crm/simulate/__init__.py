"""Simulated companies with a stated truth: a rep-week panel for Monte Carlo, or every event in contract tables."""

from analysis.crm.simulate.company import SHAPES, simulate
from analysis.crm.simulate.weekly import simulate_panel
from analysis.crm.simulate.worlds import MANAGEMENT, WORLDS

__all__ = ["MANAGEMENT", "SHAPES", "WORLDS", "simulate", "simulate_panel"]
