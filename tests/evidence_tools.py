"""Panels for tests of the evidence room, made by the simulator's weekly process."""

from dataclasses import replace

from analysis.crm.simulate import simulate_panel
from analysis.panel import Panel


def panel_of(world, seed=0, teams=12, reps=8, weeks=104):
    """A panel of a simulated world and its truth; the stage marker is declared as the panel of its events would."""
    frame, truth = simulate_panel(world, seed, teams, reps, weeks)
    kinds = tuple(truth["activities"])
    advanced = {kind: 1.0 for kind in kinds if truth["activities"][kind]["role"] == "stage_marker"}
    return Panel(frame, kinds, ("wins", "revenue"), currency="EUR", cycle_days_p75=56.0, advanced=advanced), truth


def only(panel, team_id):
    """One team's rows as a panel of its own."""
    return replace(panel, frame=panel.frame[panel.frame["team_id"] == team_id].reset_index(drop=True))
