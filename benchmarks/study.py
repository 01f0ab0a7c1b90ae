"""Studies as a user waits for them: one team, the company with its teams, and the calibration on the user's own data.

    .venv/bin/python -m benchmarks.study                  # 24 teams x 8 reps x 104 weeks, about three minutes

Wall and CPU seconds (of all processes); medians where there are rounds. A team's study is every check of one scope with
9,999 bootstrap draws, its sample included, in a warm process.
"""

import argparse
import os
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from analysis.crm.simulate.weekly import simulate_panel
from analysis.evidence import run_study
from analysis.evidence.assess import assess
from analysis.evidence.calibrate import calibrate, teams_of
from analysis.evidence.plan import make_plan
from analysis.evidence.regimes import find_breaks, regime_units
from analysis.evidence.sample import make_scope
from analysis.panel import Panel


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds of this process and the children that ended."""
    start, start_cpu = time.perf_counter(), cpu_seconds()
    work()
    return time.perf_counter() - start, cpu_seconds() - start_cpu


def cpu_seconds() -> float:
    """User and system time so far."""
    return float(sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def company(teams: int, reps: int, weeks: int) -> Panel:
    """A demo panel."""
    frame, truth = simulate_panel("demo", 0, teams, reps, weeks)
    return Panel(frame, tuple(truth["activities"]), ("wins", "revenue"), currency="EUR", cycle_days_p75=56.0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teams", type=int, default=24)
    parser.add_argument("--shifts", type=int, default=200)
    chosen = parser.parse_args()
    panel = company(chosen.teams, 8, 104)
    plan = make_plan(panel)
    units = regime_units(panel, find_breaks(panel, plan.activities))
    each = teams_of(panel)

    def one(team: str) -> None:
        assess(make_scope(panel, plan, team_id=team, units=units))

    one(each[0])  # imports and first-use costs
    size = f"{chosen.teams} teams x 8 reps x 104 weeks"
    teams = [timed(partial(one, team)) for team in each]
    whole = [timed(partial(run_study, panel)) for _ in range(3)]
    drawn = timed(partial(calibrate, panel, shifts=chosen.shifts))
    rows = {
        "one team, all checks, 9,999 draws": np.median(teams, axis=0),
        f"company and teams, {size}": np.median(whole, axis=0),
        f"calibrate, {chosen.shifts} copies, {size}, one process a core": drawn,
    }
    print(pd.DataFrame(rows, index=["seconds", "cpu_s"]).T.round(2).to_string())


if __name__ == "__main__":
    main()
