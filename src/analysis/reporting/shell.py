"""Runs a notebook's cells inside this process, without a kernel, sockets or threads.

An IPython shell executes the cells as a kernel would (magics, top-level await, rich display), and what they show is
collected as nbformat outputs. One process runs one notebook: the shell is IPython's singleton and is never cleaned.
The first exception ends the run, whatever it is; `sys.exit(0)` and an interrupted cell are exceptions like any other.
"""

from __future__ import annotations

import base64
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from nbformat import NotebookNode, from_dict
from traitlets import Type
from traitlets.config import Config


class CellFailed(Exception):
    """A cell raised: its number among the notebook's code cells (from 1), the exception's name and its text."""

    def __init__(self, number: int, index: int, ename: str, evalue: str) -> None:
        super().__init__(f"cell {number}: {ename}: {evalue}")
        self.number, self.index, self.ename, self.evalue = number, index, ename, evalue


class CellTimeout(Exception):
    """A cell ran longer than it may."""


class Collector:
    """The outputs of the cell that runs now, as nbformat output nodes.

    Each is made without nbformat's own check, a millisecond apiece; the notebook is checked once, when it is written.
    """

    def __init__(self) -> None:
        self.outputs: list[NotebookNode] = []
        self.by_display_id: dict[str, list[NotebookNode]] = {}
        self.clear_before_next = False

    def start(self, outputs: list[NotebookNode]) -> None:
        """Collect into this list from now on."""
        self.outputs, self.clear_before_next = outputs, False

    def stream(self, name: str, text: str) -> None:
        """Text written to stdout or stderr; neighbours of one stream become one output."""
        self._clear_if_due()
        last = self.outputs[-1] if self.outputs else None
        if last is not None and last.output_type == "stream" and last.name == name:
            last.text += text
        else:
            self.outputs.append(from_dict({"output_type": "stream", "name": name, "text": text}))

    def show(self, kind: str, data: Mapping, metadata: Mapping | None, **extra: Any) -> NotebookNode:
        """A displayed bundle; bytes (images) become base64 as nbformat wants them."""
        self._clear_if_due()
        bundle = {mime: _jsonable(value) for mime, value in data.items()}
        output = from_dict({"output_type": kind, "data": bundle, "metadata": dict(metadata or {}), **extra})
        self.outputs.append(output)
        return output

    def clear(self, wait: bool) -> None:
        """IPython.display.clear_output: now, or when the next output comes."""
        self.clear_before_next = True
        if not wait:
            self._clear_if_due()

    def _clear_if_due(self) -> None:
        if self.clear_before_next:
            self.outputs.clear()
            self.clear_before_next = False


class Stream(io.TextIOBase):
    """A text stream that writes into the collector."""

    def __init__(self, collector: Collector, name: str) -> None:
        super().__init__()
        self._collector, self._name = collector, name

    encoding = "utf-8"

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Collect the text."""
        if text:
            self._collector.stream(self._name, text)
        return len(text)


class ResultHook(DisplayHook):
    """A cell's last expression becomes an `execute_result`."""

    def write_output_prompt(self) -> None:
        """No prompt: the output carries its number."""

    def write_format_data(self, format_dict: Mapping, md_dict: Mapping | None = None) -> None:
        """Collect the formatted result."""
        count = self.prompt_count
        build_shell().collector.show("execute_result", format_dict, md_dict, execution_count=count)

    def finish_displayhook(self) -> None:
        """Nothing to flush."""
        self._is_active = False


class Publisher(DisplayPublisher):
    """`display(...)` becomes `display_data`; an update changes the outputs shown under its id."""

    def publish(
        self,
        data: Mapping,
        metadata: Mapping | None = None,
        source: object = None,
        *,
        transient: Mapping | None = None,
        update: bool = False,
        **_: object,
    ) -> None:
        """Collect or update."""
        collector, shown_as = build_shell().collector, (transient or {}).get("display_id")
        if update:
            for output in collector.by_display_id.get(str(shown_as), []):
                output.data = {mime: _jsonable(value) for mime, value in data.items()}
                output.metadata = dict(metadata or {})
            return
        output = collector.show("display_data", data, metadata)
        if shown_as:
            collector.by_display_id.setdefault(str(shown_as), []).append(output)

    def clear_output(self, wait: bool = False) -> None:
        """As in a kernel."""
        build_shell().collector.clear(wait)


class BlockFormatter(DisplayFormatter):
    """IPython's formatter, which asks ten others after an object has said all by itself; our blocks have."""

    def format(self, obj: Any, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """What to show of an object, by MIME type, and its metadata."""
        if getattr(type(obj), "shows_all", False) and not include and not exclude:
            return obj._repr_mimebundle_(), {}
        return super().format(obj, include=include, exclude=exclude)


class ReportShell(InteractiveShell):
    """IPython's shell with its outputs collected, no history file, no colours, no input."""

    displayhook_class = Type(ResultHook)
    display_pub_class = Type(Publisher)

    def __init__(self, **options: Any) -> None:
        self.collector = Collector()
        super().__init__(**options)

    def init_display_formatter(self) -> None:
        """The formatter that knows our blocks."""
        self.display_formatter = BlockFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        text = "" if evalue is None else str(evalue)
        self.collector.outputs.append(_error(getattr(etype, "__name__", str(etype)), text, list(stb)))

    def ask_exit(self) -> None:
        """`exit()` in a cell ends a kernel quietly; here it is what `sys.exit()` is."""
        raise SystemExit(0)

    def enable_gui(self, gui: object = None) -> None:
        """There is no window here."""


def build_shell() -> ReportShell:
    """The shell, built once a process (a forked child inherits it unused)."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 0
    config.InteractiveShell.separate_in = ""
    return ReportShell.instance(config=config)


def run_cells(
    notebook: NotebookNode,
    *,
    before: Callable[[NotebookNode, int], object] | None = None,
    after: Callable[[NotebookNode, int], object] | None = None,
    cell_timeout_s: float | None = None,
) -> None:
    """Execute every code cell in place, stopping at the first that raises.

    before, after: called with (cell, its index) around each cell; `after` also when it failed.
    Raises CellFailed. Cells that were not reached keep execution_count None.
    """
    shell = build_shell()
    with _streams(shell.collector):
        number = 0
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type != "code":
                continue
            number += 1
            cell.outputs, cell.execution_count = [], None
            if before:
                before(cell, index)
            try:
                _run_cell(shell, cell, number, index, cell_timeout_s)
            finally:
                if after:
                    after(cell, index)


def _run_cell(shell: ReportShell, cell: NotebookNode, number: int, index: int, timeout_s: float | None) -> None:
    shell.collector.start(cell.outputs)
    shell.execution_count = number
    if not cell.source.strip():
        cell.execution_count = number
        return
    with _alarm(timeout_s):
        result = shell.run_cell(cell.source, store_history=True, cell_id=cell.get("id"))
    cell.execution_count = number
    fault = result.error_before_exec or result.error_in_exec
    shown = next((output for output in cell.outputs if output.output_type == "error"), None)
    if fault is not None and shown is None:
        shown = _error(type(fault).__name__, str(fault), [])
        cell.outputs.append(shown)
    if shown is not None:
        raise CellFailed(number, index, shown.ename, shown.evalue)


@contextmanager
def _streams(collector: Collector) -> Iterator[None]:
    """stdout and stderr of Python go to the collector, stdin is empty."""
    kept = sys.stdout, sys.stderr, sys.stdin
    with open(os.devnull, encoding="utf-8") as nothing:  # noqa: PTH123 (os.devnull is not a path here)
        sys.stdout, sys.stderr, sys.stdin = Stream(collector, "stdout"), Stream(collector, "stderr"), nothing
        try:
            yield
        finally:
            sys.stdout, sys.stderr, sys.stdin = kept


@contextmanager
def _alarm(seconds: float | None) -> Iterator[None]:
    """Raise CellTimeout in the cell after so long (the process's own limit stands behind it)."""
    if seconds is None or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(*_: object) -> None:
        raise CellTimeout(f"stopped after {seconds:g} s")

    kept = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)


def _error(name: str, text: str, traceback: list[str]) -> NotebookNode:
    return from_dict({"output_type": "error", "ename": name, "evalue": text, "traceback": traceback})


def _jsonable(value: object) -> object:
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
