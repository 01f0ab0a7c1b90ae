"""The papermill engine `workbench`: one notebook, one fresh process, accepted only when every cell has run.

`papermill --engine workbench in.ipynb out.ipynb`, or `papermill.execute_notebook(..., engine_name="workbench")`. The
notebook runs in a child forked from a process that has its imports done; a second notebook of the same caller finds
that process warm. Inside such a child the engine runs the cells itself. papermill imports engines while it is itself
half imported, so nothing of papermill is imported here before a notebook is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from analysis.errors import AnalysisError

if TYPE_CHECKING:
    from nbformat import NotebookNode

PENDING, COMPLETED, FAILED = "pending", "completed", "failed"


class NotebookFailed(AnalysisError):
    """A notebook did not run to its end; the text names the cell and the reason."""


class WorkbenchEngine:
    """What papermill asks of an engine: three class methods. The class holds no state."""

    @classmethod
    def execute_notebook(
        cls,
        nb: NotebookNode,
        kernel_name: str,
        output_path: str | None = None,
        execution_timeout: float | None = None,
        **_: Any,
    ) -> NotebookNode:
        """Run the notebook and hand it back with its outputs.

        kernel_name is not used: the cells run in this Python. execution_timeout: seconds a cell may take.
        Raises NotebookFailed where papermill itself would see nothing wrong (`sys.exit(0)`, a killed process); an
        ordinary exception is left in the notebook for papermill to report. The unfinished notebook is written to
        output_path first, each cell saying truly whether it ran.
        """
        from analysis.reporting import worker

        if not worker.is_child():
            nb, reason = _run_in_child(nb, execution_timeout)
        else:
            nb, reason = run_here(nb, execution_timeout)
        if reason is not None and output_path is not None:
            from papermill.iorw import write_ipynb

            write_ipynb(nb, output_path)
        if reason is not None and not _papermill_will_raise(nb):
            raise NotebookFailed(reason)
        return nb

    @classmethod
    def nb_kernel_name(cls, nb: NotebookNode, name: str | None = None) -> str:
        """The name papermill records; "python3" where the notebook names none."""
        return name or nb.metadata.get("kernelspec", {}).get("name", "python3")

    @classmethod
    def nb_language(cls, nb: NotebookNode, language: str | None = None) -> str:
        """Python."""
        return language or nb.metadata.get("kernelspec", {}).get("language", "python")


def run_here(nb: NotebookNode, cell_timeout_s: float | None = None) -> tuple[NotebookNode, str | None]:
    """Run the cells in this process; the notebook with papermill's metadata, and why it failed (None = it did not)."""
    from analysis.reporting import worker
    from analysis.reporting.shell import CellFailed, run_cells

    started = datetime.now(UTC)
    begun: dict[int, datetime] = {}
    nb.metadata.setdefault("papermill", {})
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata["papermill"] = _timing(PENDING, None)

    def before(_: NotebookNode, index: int) -> None:
        begun[index] = datetime.now(UTC)
        worker.note_cell(len(begun))

    def after(cell: NotebookNode, index: int) -> None:
        failed = any(output.output_type == "error" for output in cell.outputs)
        cell.metadata["papermill"] = _timing(FAILED if failed else COMPLETED, begun[index], failed=failed)

    reason = None
    try:
        run_cells(nb, before=before, after=after, cell_timeout_s=cell_timeout_s)
    except CellFailed as failed:
        reason = str(failed)
    nb.metadata.papermill.update(_span(started), exception=True if reason else None)
    return nb, reason


def unfinished(nb: Mapping[str, Any]) -> str | None:
    """Why an executed notebook (nbformat 4) may not be accepted: a code cell that raised or was never run. None = it
    may."""
    code = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(code, 1):
        error = next((output for output in cell["outputs"] if output["output_type"] == "error"), None)
        if error is not None:
            return f"cell {number}: {error['ename']}: {error['evalue']}"
        if cell["execution_count"] is None:
            return f"only {number - 1} of {len(code)} cells were run"
    return None


def _run_in_child(nb: NotebookNode, cell_timeout_s: float | None) -> tuple[NotebookNode, str | None]:
    import nbformat

    from analysis.reporting.pool import run_notebook

    text, reason = run_notebook(nbformat.writes(nb), cell_timeout_s)
    ran = nb if text is None else nbformat.reads(text, as_version=4)
    reason = reason or unfinished(ran)
    if text is None:
        for cell in ran.cells:
            cell.metadata["papermill"] = _timing(PENDING, None)
        ran.metadata.papermill.update(start_time=None, end_time=None, duration=None, exception=True)
    return ran, reason


def _papermill_will_raise(nb: NotebookNode) -> bool:
    """papermill raises for an error output, except for SystemExit with nothing or 0."""
    errors = [out for cell in nb.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    return any(not (error.ename == "SystemExit" and error.evalue in ("", "0", "None")) for error in errors)


def _timing(status: str, since: datetime | None, *, failed: bool = False) -> dict[str, Any]:
    span = _span(since) if since else {"start_time": None, "end_time": None, "duration": None}
    return {**span, "status": status, "exception": failed if since else None}


def _span(since: datetime) -> dict[str, Any]:
    until = datetime.now(UTC)
    return {
        "start_time": since.isoformat(),
        "end_time": until.isoformat(),
        "duration": (until - since).total_seconds(),
    }
