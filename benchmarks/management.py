"""Everything the management room computes for a workbook-sized company: 24 teams x 8 reps x 104 weeks, all tables.

    .venv/bin/python -m benchmarks.management            # three rounds, each on a fresh book, about two minutes

Prints medians of wall and CPU seconds per question and in all. Reading the tables and the study are not counted.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from analysis import crm, panel
from analysis.crm.simulate import simulate
from analysis.evidence import run_study
from analysis.management import (
    coaching,
    coaching_effect,
    dark,
    funnel,
    handoff,
    last_mile,
    leads,
    managers,
    pace,
    ramp,
    ramp_plan,
    response,
    scorecard,
    targets,
)
from analysis.management.book import Book, book_from


def questions(book: Book) -> dict[str, Callable[[], Any]]:
    """Every question of the room, in the order of a report; one book is shared as in a report."""
    teams = book.frame("teams")["team_id"]
    return {
        "scorecard and trends": lambda: scorecard.trends(scorecard.scorecard(book)),
        "funnel": lambda: funnel.funnel(book),
        "targets of every team": lambda: [targets.targets(book, team) for team in teams],
        "pace of every rep": lambda: pace.quota_pace(book),
        "one thing per rep, three months": lambda: coaching.one_thing(book, 3),
        "manager activity": lambda: (managers.manager_activity(book), managers.attainment_by_quartile(book)),
        "effect of coaching": lambda: coaching_effect.coaching_effect(book),
        "ramp and plan of a new rep": lambda: ramp_plan.activity_plan(book, ramp.ramp(book)),
        "leads and campaigns": lambda: [
            ask(book) for ask in (leads.lead_volume, leads.lead_conversion, leads.campaigns, leads.inbound)
        ],
        "hand-off": lambda: (handoff.hand_off(book), handoff.no_feedback_by_partner(book)),
        "response time": lambda: response.response_effect(book),
        "dark accounts": lambda: dark.done_on_dark(book, dark.dark_accounts(book)),
        "last mile": lambda: last_mile.last_mile(book),
    }


def one_round(book: Book) -> pd.DataFrame:
    """Wall and CPU seconds by question, on a book that has computed nothing yet."""
    rows = []
    for name, ask in questions(replace(book)).items():
        start, start_cpu = time.perf_counter(), time.process_time()
        ask()
        rows.append((name, time.perf_counter() - start, time.process_time() - start_cpu))
    return pd.DataFrame(rows, columns=["question", "seconds", "cpu_s"]).set_index("question")


def main() -> None:
    """Simulate, study once, then measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teams", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "data"
        simulate(folder, "demo", seed=0, teams=chosen.teams, reps_per_team=8, weeks=104)
        tables = crm.read(folder)
        book = book_from(tables, findings=run_study(panel.build(tables)).findings)
        one_round(book)  # imports and first-use costs are not counted
        rounds = [one_round(book) for _ in range(chosen.rounds)]
    table = pd.DataFrame(np.median([r.to_numpy() for r in rounds], axis=0), rounds[0].index, rounds[0].columns)
    table.loc["all"] = np.median([r.sum().to_numpy() for r in rounds], axis=0)
    print(table.round(2).to_string())
    print(json.dumps({"rows": {name: len(frame) for name, frame in book.tables.items()}}))


if __name__ == "__main__":
    main()
