"""What the warm process does once, so that no report pays for it: imports, exporters with their templates, a rehearsal.

Everything here is for speed. A report made in a cold process is the same report.
"""

from __future__ import annotations

import gc
import importlib
import logging
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.reporting import pages, sandbox

if TYPE_CHECKING:
    from nbformat import NotebookNode

BLOCK = "application/vnd.workbench.block+json"  # blocks.MIME, known here without importing pandas
SHELL = (
    "analysis.reporting.shell", "analysis.reporting.engine", "papermill", "papermill.execute", "nbformat", "bdb",
    "encodings.ascii",
)  # fmt: skip
REPORT = (
    "pandas", "pandas.core.methods.to_dict", "pandas.core.reshape.reshape", "pyarrow.parquet", "IPython.core.logger",
    "typst", "analysis.reporting.pack", "analysis.reporting.page", "analysis.reporting.pdf", "analysis.reporting.index",
    "analysis.reporting.team", "pandas.core.arrays.arrow.extension_types", "pandas.core.arrays.arrow._arrow_utils",
)  # fmt: skip
PLOTS = ("matplotlib.pyplot", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "seaborn")


def load(modules: tuple[str, ...]) -> None:
    """Import what is there; a module that is missing is the report's own concern.

    nbformat imports jsonschema, which imports a grammar of internationalised addresses where it finds one: three
    seconds for a check that no notebook has any use for. Here it is not found.
    """
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            continue


def get_ready() -> None:
    """Imports, shell, exporters and first-use costs."""
    load(SHELL + REPORT)
    _first_notebook()
    _first_export()
    sandbox.software_folders()
    settle()


def rehearse(folder: Path) -> pages.Runs:
    """Make reports of an invented team in this folder; the memory that a report writes to.

    A rehearsal that fails is told to the log, and reports are made without one.
    """
    from analysis.reporting import rehearsal

    folder.mkdir()
    try:
        if not rehearsal.rehearse(folder):
            return []
        settle()
        pages.join()
        return pages.written_by(lambda: rehearsal.make_report(folder / "pack"), folder / "pages.json")
    except Exception:
        logging.getLogger(__name__).exception("the rehearsal failed")
        return []
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def meet(folder: Path) -> None:
    """A job's template that is new here is made ready for this job and those after it; what it plots with is imported.

    One that cannot be made ready is left to its report, which fails and says why.
    """
    from analysis.reporting import worker

    with suppress(Exception):
        if (
            any(name in worker.make_ready(folder) for name in ("matplotlib", "seaborn"))
            and PLOTS[-1] not in sys.modules
        ):
            load(PLOTS)
            _first_plot()
            settle()


def settle() -> None:
    """Take everything so far out of the collector's sight, so that a child's collections do not copy the parent's pages,
    and give back what is free."""
    gc.collect()
    gc.freeze()
    sandbox.return_free_memory()


@cache
def exporter(name: str) -> Callable[[NotebookNode], bytes]:
    """Notebook -> bytes of the page ("html") or the PDF ("pdf"); built once a process."""
    if name == "html":
        from analysis.reporting.page import PageExporter

        page = PageExporter()
        return lambda notebook: page.export(notebook).encode("utf-8")
    from analysis.reporting import pdf

    return pdf.export


def summary(notebook: NotebookNode) -> bytes | None:
    """summary.json: what the index says of this report; None when the notebook displays no summary."""
    shown = (output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ()))
    if not any(BLOCK in data for data in shown):
        return None
    from analysis.reporting.index import summary_bytes

    return summary_bytes(notebook)


def kernel_options() -> dict[str, Any]:
    """What papermill's own engine needs to start a plain kernel without a tcp port where the system has such sockets."""
    import os

    from jupyter_client.manager import AsyncKernelManager

    transport = "ipc" if os.name == "posix" else "tcp"
    return {"km": AsyncKernelManager(kernel_name="python3", transport=transport)}


def _first_notebook() -> None:
    """The shell built and shown a block; nbformat's schema compiled.

    No cell is run: what a cell leaves behind would be there in every report.
    """
    import nbformat
    from IPython.core.formatters import format_display_data
    from nbformat.v4 import new_code_cell, new_notebook

    from analysis.reporting.blocks import Answer
    from analysis.reporting.shell import build_shell

    shell = build_shell()
    shell.transform_cell("warm = 1\nwarm")
    format_display_data(Answer("warm"))
    nbformat.writes(new_notebook(cells=[new_code_cell("warm")]))


def _first_plot() -> None:
    """A small figure as SVG: fonts found, layout and number formatting imported."""
    import io

    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], label="warm")
    axes.set(title="warm", xlabel="x", ylabel="y")
    figure.savefig(io.BytesIO(), format="svg")


def _first_export() -> None:
    """The page exporter on an empty notebook, and the PDF compiler with its fonts.

    No PDF is set here: typst starts threads with its first document, and a forked child would wait for them for ever.
    """
    from nbformat.v4 import new_markdown_cell, new_notebook

    from analysis.reporting import html, pdf

    html.get_ready()
    exporter("html")(new_notebook(cells=[new_markdown_cell("# warm")]))
    pdf.get_ready()
