"""One call that writes a simulated company: its tables, or a CRM's export of them, with the truth beside it."""

import json
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

from analysis.crm.simulate import process as process_room
from analysis.crm.simulate.answers import management_truth
from analysis.crm.simulate.events import write
from analysis.crm.simulate.season import LAST_WEEK
from analysis.crm.simulate.truth import Truth, study_truth
from analysis.crm.simulate.worlds import MANAGEMENT, world_named
from analysis.errors import InputError, ParameterError

SHAPES = ("contract", "salesforce", "hubspot")


def _export(shape: str, tables: Path, out: Path, as_of: str) -> None:
    from importlib import import_module

    import_module(f"analysis.crm.simulate.{shape}").write(tables, out, as_of)


def simulate(
    out: str | os.PathLike[str],
    world: str = "demo",
    seed: int = 0,
    teams: int = 12,
    reps_per_team: int = 8,
    weeks: int = 104,
    shape: str = "contract",
    *,
    without: Collection[str] = (),
    last_week: date = LAST_WEEK,
) -> Truth:
    """Write a company into the folder `out`, which must be new or empty, and return its truth (also truth.json).

    shape: contract (parquet tables), or a CRM's export (CSV) with an import configuration. without: management effects
    to leave out of the world, of coaching, dark, gaps, ramp, sla. last_week: Monday of the last week of the data.
    The same arguments give the same bytes. The folder appears when everything is written, or not at all.
    Raises ParameterError for an unknown world, shape, effect or an impossible size, InputError when `out` is not empty.
    """
    if shape not in SHAPES:
        raise ParameterError(f"There is no shape called {shape!r}; choose one of: {', '.join(SHAPES)}.")
    unknown = sorted(set(without) - MANAGEMENT)
    if unknown:
        raise ParameterError(
            f"There is no management effect called {unknown[0]!r}; choose of: {', '.join(sorted(MANAGEMENT))}."
        )
    chosen = world_named(world)
    chosen = replace(chosen, management=chosen.management - frozenset(without))
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not empty; name a new folder, or empty this one first.")
    drawn = process_room.run(chosen, seed, teams, reps_per_team, weeks, last_week)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        tables = draft if shape == "contract" else draft / "tables"
        tables.mkdir(exist_ok=True)
        facts = write(drawn, tables)
        truth = study_truth(drawn) | {"management": management_truth(drawn, facts)}
        if tables != draft:
            _export(shape, tables, draft, truth["as_of"])
            shutil.rmtree(tables)
        text = json.dumps(truth, indent=1, ensure_ascii=False, allow_nan=False)
        (draft / "truth.json").write_text(text + "\n", encoding="utf-8")
        draft.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return truth
