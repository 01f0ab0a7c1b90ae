"""What happens inside a report's own process: run the template, write the notebook, the page and the PDF, say how it went.

The process has one job folder and ends with it. `outcome.json` is written last, so its absence means that the process
did not get to the end. The published notebook carries no clock times and no paths: the same input gives the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import errors
from analysis.errors import DataError
from analysis.reporting import warm
from analysis.reporting.jobs import NO_ROOM, TABLES, TEMPLATE

if TYPE_CHECKING:
    from nbformat import NotebookNode

OUR_ERRORS = {name for name, fault in vars(errors).items() if isinstance(fault, type)}
MEANT_TO_BE_READ = ("refused", "data")
MEMORY_ERRORS = ("MemoryError", "OutOfMemoryException")
TIMES = ("start_time", "end_time", "duration", "input_path", "output_path", "environment_variables")
OURS, KERNEL = "workbench", "python3"
_child: dict[str, Path] = {}
_notes: list[int] = []  # the open file that says which cell runs
_ready: dict[str, NotebookNode] = {}  # by job: a template that is ready to run, inherited from the warm process


def is_child() -> bool:
    """Whether this process is one that runs a single notebook and ends."""
    return bool(_child)


def become_child(folder: Path) -> None:
    """From now on the papermill engine runs cells in this process."""
    _child["folder"] = folder


def look_ahead(folder: Path) -> None:
    """Open the pack before the cells may run. One that cannot be opened is the report's to complain of."""
    from analysis.reporting import pack

    with suppress(Exception):
        pack.look_ahead(folder / "pack")


def run(folder: Path, *, engine: str = OURS, when_run: Callable[[], object] = lambda: None) -> int:
    """Do the job in this folder; the exit code is 0 when its outcome was written.

    engine: the papermill engine's name. when_run: told when the cells have run and only the writing is left.
    """
    become_child(folder)
    text, job = _order(folder)
    failure, notebook = None, None
    try:
        ready = _ready.pop(_key(text, job["parameters"]), None)
        notebook = _execute(folder / TEMPLATE, job, engine, ready)
        when_run()
        _write(folder, notebook, tuple(job["formats"]))
    except MemoryError as fault:
        failure = {"kind": "memory", "reason": type(fault).__name__}
    except Exception as fault:
        kind = _kind(fault) if notebook is None else _kind_of_writing(fault)
        failure = {
            "kind": kind,
            "reason": _reason(fault),
            "said": getattr(fault, "evalue", "") if kind in MEANT_TO_BE_READ else "",
        }
    (folder / "out" / "outcome.json").write_text(json.dumps({"failure": failure}), encoding="utf-8")
    return 0


def make_ready(folder: Path) -> str:
    """Prepare the template of this job for the children to come, nothing in it being any team's own; its text."""
    text, job = _order(folder)
    _ready[_key(text, job["parameters"])] = _prepared(folder / TEMPLATE, job["parameters"])
    return text


def run_notebook(folder: Path, cell_timeout_s: float | None) -> int:
    """Run somebody's notebook (`papermill --engine workbench`): cells only, its own paths and metadata kept."""
    import nbformat

    from analysis.reporting.engine import run_here

    become_child(folder)
    nb, reason = run_here(nbformat.read(folder / TEMPLATE, as_version=4), cell_timeout_s)
    (folder / "out" / "report.ipynb").write_text(nbformat.writes(nb), encoding="utf-8")
    (folder / "out" / "outcome.json").write_text(json.dumps({"reason": reason}), encoding="utf-8")
    return 0


def note_cell(number: int) -> None:
    """Leave behind which cell runs, for whoever finds this process dead."""
    if not _notes:
        _notes.append(os.open(_child["folder"] / "out" / "cell", os.O_WRONLY | os.O_CREAT, 0o600))
    os.pwrite(_notes[0], b"%d" % number, 0)  # numbers only grow, so nothing of the one before is left over


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Take out what differs from run to run: papermill's clock times and paths, and the new cell's random id."""
    record = notebook.metadata.get("papermill", {})
    notebook.metadata["papermill"] = {key: value for key, value in record.items() if key not in TIMES}
    for index, cell in enumerate(notebook.cells):
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = f"parameters-{index}"
    return notebook


def _order(folder: Path) -> tuple[str, dict[str, Any]]:
    """What is to be done: the template's text, and the job."""
    text = (folder / TEMPLATE).read_text(encoding="utf-8")
    return text, json.loads((folder / "job.json").read_text(encoding="utf-8"))


def _execute(template: Path, job: dict[str, Any], engine: str, ready: NotebookNode | None) -> NotebookNode:
    """The executed notebook. Raises what papermill raises for a failed one, and NotebookFailed."""
    if engine == OURS:
        return _execute_here(ready or _prepared(template, job["parameters"]))
    import nbformat
    import papermill

    return papermill.execute_notebook(
        nbformat.read(template, as_version=4),
        None,
        job["parameters"],
        engine_name=engine,
        kernel_name=KERNEL,
        language="python",
        progress_bar=False,
        request_save_on_cell_execute=False,
        autosave_cell_every=0,
        **warm.kernel_options(),
    )


def _execute_here(notebook: NotebookNode) -> NotebookNode:
    """papermill's own steps around our engine, without its copy of the finished notebook as text for nobody."""
    from papermill.execute import raise_for_execution_errors

    from analysis.reporting.engine import WorkbenchEngine

    notebook = WorkbenchEngine.execute_notebook(notebook, KERNEL)
    raise_for_execution_errors(notebook, None)
    return notebook


def _key(template: str, parameters: Mapping[str, object]) -> str:
    return template + json.dumps(dict(parameters), sort_keys=True)


def _prepared(template: Path, parameters: Mapping[str, object]) -> NotebookNode:
    """A template as papermill would run it: its own metadata, the parameters in a cell."""
    from papermill.execute import remove_error_markers
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(str(template))
    if parameters:
        notebook = parameterize_notebook(notebook, parameters, kernel_name=KERNEL, language="python", engine_name=OURS)
    return remove_error_markers(notebook)


def _write(folder: Path, notebook: NotebookNode, formats: tuple[str, ...]) -> None:
    notebook, out = tidy(notebook), folder / "out"
    (out / "report.ipynb").write_text(_valid_text(notebook), encoding="utf-8")
    summary = warm.summary(notebook)
    if summary is not None:
        (out / "summary.json").write_bytes(summary)
    for name in formats:
        if name == TABLES:
            _write_tables(folder)
        else:
            (out / f"report.{name}").write_bytes(warm.exporter(name)(notebook))


def _valid_text(notebook: NotebookNode) -> str:
    """The notebook as JSON. Raises DataError for one that is none, where nbformat would only log it."""
    import nbformat

    faults: dict[str, Exception] = {}
    text = nbformat.writes(notebook, capture_validation_error=faults)
    if faults:
        place = ".".join(str(step) for step in getattr(faults["ValidationError"], "relative_path", ()))
        raise DataError(f"the notebook is not one that nbformat takes, at {place}; does a cell display something odd?")
    return text


def _write_tables(folder: Path) -> None:
    from analysis.reporting import exports
    from analysis.reporting.pack import load_pack

    pack = load_pack(folder / "pack")
    fields = {"findings": exports.findings_fields(pack.currency, pack.panel.period)}
    for name, content in exports.tables({"findings": pack.findings}, fields, name="report").items():
        (folder / "out" / name).write_bytes(content)


def _kind(fault: Exception) -> str:
    name = getattr(fault, "ename", "")
    if name.endswith(MEMORY_ERRORS):
        return "memory"
    if type(fault).__name__ == "DeadKernelError":  # of a plain kernel: killed, perhaps for want of memory
        return "killed"
    if name == errors.Refused.__name__:
        return "refused"
    return "data" if name in OUR_ERRORS else "raised"


def _kind_of_writing(fault: Exception) -> str:
    return "disk" if isinstance(fault, OSError) and fault.errno in NO_ROOM else "export"


def _reason(fault: Exception) -> str:
    from papermill.exceptions import PapermillExecutionError

    if isinstance(fault, PapermillExecutionError):
        return f"cell {fault.exec_count}: {fault.ename}: {fault.evalue}"
    return str(fault) if type(fault).__name__ == "NotebookFailed" else f"{type(fault).__name__}: {fault}"
