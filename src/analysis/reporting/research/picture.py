"""A matplotlib figure that shows itself in any notebook, in the house's look, with its finding in words."""

from __future__ import annotations

import io
import textwrap
from contextlib import AbstractContextManager
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from analysis import words
from analysis.reporting.theme import LIGHT, matplotlib_style

DPI = 110
LINE = 128  # letters of the source line that fit below a figure of the usual width


def themed() -> AbstractContextManager[None]:
    """The theme's settings on paper of its own, so that a dark JupyterLab does not swallow the ink."""
    own = {"figure.facecolor": LIGHT["paper"], "axes.facecolor": LIGHT["paper"], "savefig.facecolor": LIGHT["paper"]}
    letters = {"text.color": LIGHT["ink"], "font.size": 9.5, "axes.titlesize": 9.5, "axes.titleweight": "normal"}
    return rc_context({**matplotlib_style(), **own, **letters})  # type: ignore[dict-item]


class Picture(Figure):
    """A figure with a finding as its title and a source line; displayed without pyplot, so it is never shown twice."""

    finding: str = ""
    source: str = ""

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        said = f"{self.finding}. {self.source}".strip()
        return {"image/png": self.png(), "text/plain": f"[figure] {said}"}, {"image/png": {"alt": said}}

    def png(self) -> bytes:
        """The picture as PNG; the same bytes for the same data."""
        buffer = io.BytesIO()
        with themed():
            self.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def picture(
    width: float = 8.0,
    height: float = 3.6,
    *,
    rows: int = 1,
    columns: int = 1,
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Picture, list[Axes]]:
    """An empty picture (inches) with its axes, row by row."""
    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    return figure, [axis for row in axes for axis in row]


def finish(figure: Picture, finding: str, source: str) -> Picture:
    """Set the finding above and the source below, both left."""
    figure.finding, figure.source = finding, source
    figure.suptitle(finding, x=0.01, ha="left", fontweight="bold", fontsize=11, color=LIGHT["ink"])
    figure.supxlabel("\n".join(textwrap.wrap(source, LINE)), x=0.01, ha="left", fontsize=8, color=LIGHT["mute"])
    return figure


def empty(why: str = "", *, locale: str = "en") -> Picture:
    """The form a picture takes when there is nothing to draw; why: in words, empty: the data cannot carry it."""
    figure, (axis,) = picture(height=1.2)
    axis.set_axis_off()
    said = why or words.text("picture.no_data", locale=locale)
    axis.text(0, 0.5, said, va="center", color=LIGHT["mute"])
    return finish(figure, words.text("picture.nothing", locale=locale), "")
