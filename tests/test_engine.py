"""The papermill engine: same notebook as a kernel's, in a fresh process, and no false "completed"."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from batch_tools import notebook
from papermill.exceptions import PapermillExecutionError

from analysis.reporting.engine import NotebookFailed, unfinished

PLAIN = 'team: str = "north"  # team'
RICH = """
import sys
from IPython.display import HTML, clear_output, display, update_display
print("one"); print("two"); print("three", file=sys.stderr)
display(HTML("<b>bold</b>"))
handle = display("before", display_id="x")
update_display("after", display_id="x")
team.upper()
"""


def run(path: Path, **options: Any) -> nbformat.NotebookNode:
    return papermill.execute_notebook(
        str(path), str(path.with_suffix(".out.ipynb")), engine_name="workbench", kernel_name="python3",
        progress_bar=False, **options,
    )  # fmt: skip


def written(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path.with_suffix(".out.ipynb"), as_version=4)


@pytest.fixture
def book(tmp_path: Path) -> Any:
    def make(*cells: str, parameters: str = PLAIN) -> Path:
        path = tmp_path / "book.ipynb"
        path.write_text(notebook(*cells, parameters=parameters), encoding="utf-8")
        return path

    return make


def outputs(nb: nbformat.NotebookNode) -> list[tuple[Any, ...]]:
    """What a reader sees of each code cell, without random ids and paths."""
    seen = []
    for cell in nb.cells:
        if cell.cell_type == "code":
            for out in cell.outputs:
                body = out.get("data") or {"text": out.get("text", out.get("evalue"))}
                seen.append((cell.execution_count, out.output_type, out.get("name"), dict(body)))
    return seen


def test_outputs_are_those_of_a_kernel(book: Any) -> None:
    cells = (
        RICH, "import pandas as pd\npd.DataFrame({'a': [1, 2]})", "%time 1\n1 + 1;", "import asyncio\nawait asyncio.sleep(0)",
        "from IPython.display import Image\nImage(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 30, format='png')", "",
    )  # fmt: skip
    path = book(*cells)
    ours = run(path, parameters={"team": "south"})
    theirs = papermill.execute_notebook(str(path), None, {"team": "south"}, kernel_name="python3", progress_bar=False)
    drop_time = [entry for entry in outputs(ours) if "Wall time" not in str(entry)]
    assert drop_time == [entry for entry in outputs(theirs) if "Wall time" not in str(entry)]
    assert (4, "execute_result", None, {"text/plain": "'SOUTH'"}) in outputs(ours) or "'SOUTH'" in str(outputs(ours))
    assert ours.metadata.papermill.parameters == {"team": "south"}
    assert {cell.metadata.papermill.status for cell in ours.cells if cell.cell_type == "code"} == {"completed"}
    nbformat.validate(written(path))


def test_two_runs_share_nothing(book: Any) -> None:
    path = book("import builtins\nhasattr(builtins, 'left_behind')", "builtins.left_behind = 1\nimport os; os.getpid()")
    seen = [outputs(run(path)) for _ in range(2)]
    assert [entry[0][3]["text/plain"] for entry in seen] == ["False", "False"]
    pids = {entry[1][3]["text/plain"] for entry in seen}
    assert len(pids) == 2 and str(os.getpid()) not in pids


def test_an_exception_is_papermills_own(book: Any) -> None:
    path = book("x = 1", "1 / 0", "y = 2")
    with pytest.raises(PapermillExecutionError, match="ZeroDivisionError"):
        run(path)
    code = [cell for cell in written(path).cells if cell.cell_type == "code"]
    assert [cell.metadata.papermill.status for cell in code] == ["completed", "completed", "failed", "pending"]
    assert code[-1].execution_count is None


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("import sys; sys.exit(0)", "SystemExit"),
        ("exit()", "SystemExit"),
        ("import os; os._exit(0)", "did not come to its end"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    ],
)
def test_what_papermill_would_call_completed_is_failed(book: Any, cell: str, reason: str) -> None:
    path = book("x = 1", cell, "y = 2")
    with pytest.raises(NotebookFailed, match=reason):
        run(path)
    code = [cell for cell in written(path).cells if cell.cell_type == "code"]
    assert code[-1].metadata.papermill.status == "pending" and code[-1].execution_count is None
    assert unfinished(written(path))


def test_a_cell_has_its_time(book: Any) -> None:
    with pytest.raises(PapermillExecutionError, match="CellTimeout"):
        run(book("while True: pass"), execution_timeout=1)


def test_the_callers_folder_and_environment_are_the_notebooks(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's own notebook is not a report: it sees what its caller sees (set before the first run)."""
    path = book("from pathlib import Path\nPath('beside.txt').read_text()")
    (path.parent / "beside.txt").write_text("here")
    monkeypatch.chdir(path.parent)
    assert "'here'" in str(outputs(run(path)))
    assert "'here'" in str(outputs(run(path, cwd=str(path.parent))))


@pytest.mark.parametrize("first", ["papermill", "analysis.reporting.engine"])
def test_imports_in_any_order(first: str) -> None:
    """papermill imports the engine while it is itself half imported."""
    code = f"import sys; sys.modules['rfc3987_syntax'] = None; import {first}; import papermill.engines as e; print(e.papermill_engines.get_engine('workbench').__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "WorkbenchEngine", done.stderr


def test_from_the_command_line(book: Any) -> None:
    path = book("print(team)")
    out = path.with_name("done.ipynb")
    command = [sys.executable, "-m", "papermill", "--engine", "workbench", str(path), str(out), "-p", "team", "south"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "south" in json.dumps(outputs(nbformat.read(out, as_version=4)))


def test_unfinished_sees_every_gap() -> None:
    nb = nbformat.reads(notebook("1", "2"), as_version=4)
    assert unfinished(nb) == "only 0 of 3 cells were run"
    for count, cell in enumerate([cell for cell in nb.cells if cell.cell_type == "code"], 1):
        cell.execution_count = count
    assert unfinished(nb) is None
    nb.cells[-1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="v", traceback=[])]
    assert unfinished(nb) == "cell 3: E: v"
