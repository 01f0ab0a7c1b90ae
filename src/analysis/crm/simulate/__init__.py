"""Simulated companies with a stated truth: a rep-week panel for Monte Carlo, or every event in contract tables."""

from analysis.crm.simulate.weekly import simulate_panel
from analysis.crm.simulate.worlds import WORLDS

__all__ = ["WORLDS", "simulate_panel"]
