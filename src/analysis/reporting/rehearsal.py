"""The warm process's rehearsal: one report of an invented team, before any process is forked.

What a first report costs and a second does not (modules, caches, bytecode that has found its types) is paid once, and
every fork begins where the rehearsal ended. The team is simulated and its findings are made up here, so the process
still holds nothing of any real team.
"""

from __future__ import annotations

import ast
import os
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis.reporting import sandbox, warm
from analysis.reporting.template import PACK, read_template

LINKS = {"A": 0.06, "B": 0.1, "C": 0.02, "D": 0.004, "E": 0.0, "X": 0.0}  # grade: relative effect
LAGS = range(1, 9)


def rehearse(folder: Path) -> bool:
    """Make the report of an invented team in this process. False where its rows could not be made.

    They are made in a process of their own, which reads and joins with threads; this one has to stay without any.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            sandbox.die_with_parent(parent)
            write_pack(folder)
            code = 0
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1] != 0:
        return False
    with warnings.catch_warnings():  # and what was warned of here is new again to a report
        warnings.simplefilter("ignore")
        make_report(folder / PACK)
    return True


def write_pack(folder: Path) -> None:
    """The pack of an invented team, as files in folder/pack."""
    from analysis.crm.simulate import simulate
    from analysis.reporting.sources import DataFolder

    simulate(folder / "data", "demo", seed=0, teams=1, reps_per_team=6, weeks=65)
    source = DataFolder(folder / "data", study=invented_study)
    source.study_files(lambda _: None)
    for name, content in source.pack(min(source.teams())).items():
        target = folder / PACK / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    source.close()


def make_report(pack: Path) -> None:
    """Run the team report's cells on a pack, as plain code that leaves no name behind, and write it to nowhere."""
    import nbformat

    notebook = nbformat.reads(read_template("team_report").text, as_version=4)
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        value = run_cell(cell.source, space)
        space[PACK] = str(pack)
        if hasattr(value, "_repr_mimebundle_"):
            shown = {"output_type": "execute_result", "data": value._repr_mimebundle_(), "metadata": {}}
            cell.outputs = [nbformat.from_dict({**shown, "execution_count": 1})]
    nbformat.writes(notebook)
    warm.summary(notebook)
    warm.exporter("html")(notebook)


def invented_study(panel: Any) -> SimpleNamespace:
    """A study of this panel that nobody made: every grade once, in both scopes."""
    from analysis.evidence.findings import tabulate

    teams = {"company": "", "team": str(panel.teams[0])}
    rows = [
        _finding(panel, scope, team, activity, grade)
        for scope, team in teams.items()
        for activity, grade in zip(panel.activities, LINKS, strict=False)
    ]
    detail = {activity: _details(link) for activity, link in zip(panel.activities, LINKS.values(), strict=False)}
    scopes = {team: {"n_reps": 6, "n_weeks": 65, "n_wins": 90, "activities": detail} for team in teams.values()}
    return SimpleNamespace(findings=tabulate(rows), details={"scopes": scopes, "seed": 0})


def _finding(panel: Any, scope: str, team: str, activity: str, grade: str) -> dict[str, Any]:
    link, spread = LINKS[grade], 0.01
    relative = {"effect_relative": link, "relative_low": link - spread, "relative_high": link + spread}
    money = {"effect": 3e4 * link, "conf_low": 3e4 * (link - spread), "conf_high": 3e4 * (link + spread)}
    counts = {"n_reps": 6, "n_weeks": 65, "n_wins": 90, "effective_clusters": 5.5, "lag_from": 1, "lag_to": 8}
    tests = {"p_value": 0.01, "q_value": 0.03, "placebo_p": 0.4, "reverse_p": 0.5, "oos_gain": 0.01, "oos_p": 0.04}
    about = {"scope": scope, "team_id": team, "activity": activity, "outcome": panel.outcomes[0], "grade": grade}
    more = {"mean_lag_weeks": 3.5, "mde_relative": 0.03, "own_share": 0.4, "reason": "-", "sentence": "-"}
    return {**about, **counts, **relative, **money, **tests, **more}


def _details(link: float) -> dict[str, Any]:
    """Of study.json, what a report reads of one activity."""
    curve = [link / len(LAGS)] * len(LAGS)
    kernel = {"lag": [*LAGS], "estimate": curve, "conf_low": curve, "conf_high": curve}
    names = ("counted", "bootstrap", "placebo", "reverse", "drift", "confounded", "same_sign", "one_out", "forecast")
    checks = [{"check": name, "measured": 0.5, "limit": 0.05, "passed": True} for name in names]
    estimate = {"estimate": link, "std_error": 0.01, "conf_low": link, "conf_high": link, "df": 5, "p_value": 0.01}
    return {"link": estimate, "kernel": kernel, "checks": checks, "mean_lag": 3.5, "weeks_needed": 200, "volume": 2.0}


def run_cell(code: str, space: dict[str, Any]) -> Any:
    """Run a cell's code as plain Python; the value of its last expression."""
    body = ast.parse(code).body
    last = body.pop().value if body and isinstance(body[-1], ast.Expr) else None  # type: ignore[attr-defined]
    exec(compile(ast.Module(body, []), "cell", "exec"), space)  # noqa: S102 (the project's own template)
    return None if last is None else eval(compile(ast.Expression(last), "cell", "eval"), space)  # noqa: S307
