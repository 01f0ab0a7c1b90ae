"""The bar of an import: how much is done, what is being done, for how long. On a terminal only, and beside the output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.crm.importers.job import Progress


@contextmanager
def bar(console: Console | None = None) -> Iterator[Progress]:
    """A callback for `import_crm(progress=...)` that moves a bar on stderr; where that is no terminal, nothing is drawn."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = console or Console(stderr=True, highlight=False, markup=False)
    what = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), TaskProgressColumn(), what, TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as drawn:
        task = drawn.add_task("opening the source", total=1.0)

        def told(doing: str, share: float) -> None:
            drawn.update(task, description=doing, completed=share)

        yield told
