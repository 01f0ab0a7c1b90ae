"""A realistic report for the tests of pages, PDF, index and exports: one team, six activities, every grade."""

from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.reporting import blocks, cards, figures

HOSTILE = (
    "<script>document.title='taken'</script>",
    '"><img src=x onerror=alert(1)>',
    "#set page(fill: red) $x^2$ *bold* _it_ `raw` @ref \\textbf{x}",
    "</svg><script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %}",
)
FOREIGN = ("مبيعات الشمال", "北部销售团队", "Отдел продаж", "Équipe Nord", "W" * 60)


def findings(scope: str = "team", team_id: str = "north") -> pd.DataFrame:
    """Six rows with the columns of findings.csv, one per grade."""
    rows = [
        ("demo", "A", 1873.0, 912.0, 2890.0, 0.062, 0.030, 0.095, 4.1, 0.42, 0.05),
        ("proposal", "B", 3120.0, 640.0, 5600.0, 0.104, 0.021, 0.187, 2.2, 0.35, 0.12),
        ("meeting", "C", 610.0, 40.0, 1180.0, 0.020, 0.001, 0.039, np.nan, 0.51, 0.05),
        ("call", "D", 45.0, -160.0, 250.0, 0.002, -0.006, 0.009, np.nan, 0.66, 0.02),
        ("email", "E", -3.0, -21.0, 15.0, -0.0001, -0.0007, 0.0005, np.nan, 0.71, 0.001),
        ("roi_presentation", "X", *([np.nan] * 6), np.nan, np.nan, np.nan),
    ]
    names = ["activity", "grade", "effect", "conf_low", "conf_high", "effect_relative", "relative_low", "relative_high"]
    frame = pd.DataFrame(rows, columns=[*names, "mean_lag_weeks", "own_share", "mde_relative"])
    frame = frame.assign(
        scope=scope, team_id=team_id if scope == "team" else "", outcome="wins", n_reps=8, n_weeks=104, n_wins=212
    )
    frame = frame.assign(effective_clusters=7.2, lag_from=1, lag_to=8, p_value=0.01, q_value=0.03, placebo_p=0.4)
    frame = frame.assign(reverse_p=0.5, oos_gain=0.01, oos_p=0.04, reason="All checks passed.")
    frame["sentence"] = [words.finding_sentence(r, currency="EUR") for r in frame.to_dict("records")]
    return frame


def kernel() -> pd.DataFrame:
    """An effect that rises to week four and fades."""
    lag = np.arange(1, 9)
    estimate = 470 * np.exp(-((lag - 4.0) ** 2) / 6)
    return pd.DataFrame({"lag": lag, "estimate": estimate, "conf_low": estimate - 210, "conf_high": estimate + 210})


def report_blocks(
    name: str = "North & Baltics", reps: tuple[str, ...] = ("R-07", "R-12", "R-15")
) -> list[blocks.Block]:
    """The blocks of a team report, in the report's order; `name` and `reps` may be hostile."""
    rows = findings()
    source = "Source: CRM records of this team, 4 Nov 2024 to 2 Nov 2026; 8 reps, 104 weeks, 212 wins."
    months = ["Jun", "Jul", "Aug", "Sep", "Oct", "Nov"]
    money = pd.DataFrame(
        {"label": months, "actual": [182e3, 141e3, 120e3, 233e3, 171e3, 38e3], "objective": [190e3] * 6}
    )
    volume = pd.DataFrame({"activity": ["demo", "proposal", "meeting", "call"], "actual": [1.6, 0.9, 4.1, 38.0]})
    volume = volume.assign(need=[2.4, 1.0, 4.0, 30.0], need_low=[1.9, 0.7, 3.1, 22.0], need_high=[3.2, 1.5, 5.2, 41.0])
    steps = pd.DataFrame(
        {"step": ["Connects", "Opportunities", "Proposals", "Orders"], "rate": [0.31, 0.12, 0.55, 0.28]}
    )
    steps = steps.assign(low=[0.29, 0.1, 0.47, 0.2], high=[0.33, 0.14, 0.63, 0.37], n=[7904, 2450, 294, 162])
    pipe = pd.DataFrame({"name": ["Open", "Factored"], "value": [910e3, 264e3], "low": [np.nan, 190e3]})
    pipe = pipe.assign(high=[np.nan, 350e3])
    answer = blocks.Answer(
        rows["sentence"][0],
        ("Proposals likely predict revenue too; calls cannot be judged yet.",),
        "Bring demos from 1.6 to about 2.4 per rep and week.",
        blocks.grade_mark("A"),
    )
    tiles = blocks.Tiles(
        (
            blocks.Tile("Booked this quarter", "EUR 442K", "of EUR 570K objective", blocks.status_mark("behind")),
            blocks.Tile("Open pipeline", "EUR 910K", "EUR 264K factored"),
            blocks.Tile("Time to close", "48 days", "three in four close within 63 days"),
            blocks.Tile("Average sale", "EUR 8,400", "likely range EUR 7,600 to 9,300"),
        )
    )
    people = blocks.Table(
        "One thing per rep this month",
        (blocks.Column("Rep"), blocks.Column("The one thing"), blocks.Column("Gap to peers", "per week", "right")),
        tuple((rep, "More demos", "0.8") for rep in reps),
        note="Names are pseudonyms of this report only.",
        source=source,
    )
    return [
        blocks.Summary(
            name,
            "behind",
            rows["sentence"][0],
            "78% of the objective",
            0.78,
            (31, 28, 25, 29, 22, 19.0),
            "EUR thousand",
        ),
        blocks.Title(f"{name}: what predicts revenue", ("Team report of 2 November 2026, weeks to 1 November 2026",)),
        answer,
        tiles,
        blocks.Section("Result against objective", "Where the team stands, and what is still open."),
        blocks.Group(
            (
                figures.result(money, currency="EUR", attainment=0.78, pace=0.86, source=source),
                figures.pipeline(pipe, currency="EUR", gap=128e3, source=source),
            )
        ),
        blocks.Section("How much of which activity", "What is done now, beside what the goal needs."),
        blocks.Group((figures.volume(volume, source=source), figures.funnel(steps, source=source))),
        blocks.Section("Which activities go with revenue here", "After how long, how sure, and how much is borrowed."),
        figures.effects(rows, currency="EUR", source=source),
        figures.delay(kernel(), "demo", currency="EUR", mean_lag=4.1, source=source),
        *(cards.evidence_card(row, currency="EUR") for row in rows.to_dict("records")),
        blocks.Section("One thing per rep"),
        people,
        blocks.Section("Leads and partners"),
        blocks.not_recorded("Lead follow-up", "leads"),
        blocks.Section("What this cannot tell you"),
        blocks.Points(("Whether more demos would cause more revenue.", "Anything about reps who joined this month.")),
    ]


def cell(block: blocks.Block) -> Any:
    """A code cell that displayed `block`."""
    from nbformat.v4 import new_code_cell, new_output

    return new_code_cell("secret_code()", outputs=[new_output("display_data", data=block._repr_mimebundle_())])


def notebook(name: str = "North & Baltics", reps: tuple[str, ...] = ("R-07", "R-12", "R-15")) -> Any:
    """The executed notebook of a team report."""
    from nbformat.v4 import new_markdown_cell, new_notebook

    cells = [cell(b) for b in report_blocks(name, reps)]
    cells.insert(4, new_markdown_cell("Read the *answer* first; **the rest** says why.\n\n- one\n- two"))
    return new_notebook(cells=cells)
