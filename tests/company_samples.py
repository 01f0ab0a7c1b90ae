"""Company packs for the tests of the company's reports, and their templates carried out: each made once a process."""

from __future__ import annotations

import ast
import atexit
import json
import shutil
import tempfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import panel as panels
from analysis.crm import read
from analysis.crm.simulate import simulate
from analysis.evidence.study import run_study
from analysis.reporting.arrow import arrow
from analysis.reporting.company import company_pack
from analysis.reporting.pack import unpack

ROOT = Path(__file__).parents[1]
KINDS = ("whole", "three tables", "two reps", "ready panel")
REQUIRED = ("reps", "activities", "opportunities")


@cache
def home() -> Path:
    """A private folder that goes with this process."""
    made = Path(tempfile.mkdtemp(prefix="company-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@cache
def data(kind: str) -> Path:
    """A data folder: a whole company; only its three required tables; two reps of it; its panel ready made."""
    place = home() / kind.replace(" ", "-")
    if kind == "whole":
        simulate(place, "demo", teams=6, reps_per_team=6, weeks=66, seed=3)
        return place
    place.mkdir()
    if kind == "ready panel":
        panel = panels.load(data("whole"))
        panel.frame.to_csv(place / "panel.csv", index=False)
        text = f"activities = {json.dumps(list(panel.activities))}\noutcomes = {json.dumps(list(panel.outcomes))}\n"
        (place / "panel.toml").write_text(text + 'period = "week"\ncurrency = "EUR"\n', encoding="utf-8")
        return place
    frames = {name: pd.read_parquet(data("whole") / f"{name}.parquet") for name in REQUIRED}
    if kind == "two reps":
        few = sorted(frames["reps"]["rep_id"])[:2]
        frames = {name: frame[frame["rep_id"].isin(few)] for name, frame in frames.items()}
    for name, frame in frames.items():
        frame.to_parquet(place / f"{name}.parquet", index=False)
    return place


@cache
def studied(kind: str) -> tuple[Any, Any, Any]:
    """Checked folder (None for a ready panel), panel and study."""
    if kind == "ready panel":
        return None, panels.load(data(kind)), studied("whole")[2]  # the very same rows, studied once
    crm = read(data(kind))
    panel = panels.build(crm)
    return crm, panel, run_study(panel)


@cache
def files(kind: str) -> Mapping[str, bytes]:
    """The company's pack."""
    crm, panel, study = studied(kind)
    return company_pack(panel, study.findings, study.details, crm, as_of=str(panel.frame["week"].max().date()))


def pack(kind: str) -> Any:
    """The same, opened."""
    return unpack(files(kind))


@cache
def folder(kind: str) -> Path:
    """The same, as a folder."""
    return written(files(kind), home() / f"pack-{kind.replace(' ', '-')}")


def written(content: Mapping[str, bytes], place: Path) -> Path:
    """A pack's files in a folder."""
    for name, each in content.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(each)
    return place


def carried_out(notebook: str, *lines: str) -> Any:
    """A notebook (as reports/team_report) run cell by cell in this process, with what each cell displayed.

    lines: Python that follows the parameters.
    """
    from nbformat import read as read_notebook
    from nbformat.v4 import new_output

    nb = read_notebook(ROOT / "notebooks" / f"{notebook}.ipynb", as_version=4)
    names: dict[str, Any] = {}
    for number, cell in enumerate((c for c in nb.cells if c.cell_type == "code"), start=1):
        source = cell.source
        if "parameters" in cell.metadata.get("tags", ()):
            source = "\n".join([source, *lines])
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        cell.execution_count = number
        if last is not None:
            shown = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            data, metadata = bundle(shown)
            cell.outputs = [new_output("display_data", data=data, metadata=metadata)]
    return nb


def bundle(shown: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a cell's last value gives a notebook: data and metadata, pictures as text."""
    made = shown._repr_mimebundle_()
    data, metadata = made if isinstance(made, tuple) else (made, {})
    return {k: b64encode(v).decode() if isinstance(v, bytes) else v for k, v in data.items()}, metadata


def renamed(kind: str, names: Sequence[str], place: Path) -> Path:
    """The company's pack with other team names, as a folder."""
    teams = pack(kind).tables["teams"]
    called = [names[i % len(names)] for i in range(len(teams))]
    return written({**files(kind), "tables/teams.arrow": arrow(teams.assign(name=called))}, place)


@cache
def report(template: str, kind: str) -> Any:
    """The report of a kind of company, as an executed notebook."""
    return carried_out(f"reports/{template}", f"pack = {str(folder(kind))!r}")
