"""Pictures of the managing notebooks: values with their likely ranges, and chances of plans."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.ticker import PercentFormatter

from analysis import words
from analysis.management.plan import ChanceCurve
from analysis.reporting.research.picture import Picture, empty, finish, picture, themed
from analysis.reporting.theme import LIGHT

ACCENT, GREY, INK = LIGHT["accent"], LIGHT["grey"], LIGHT["ink"]


def whiskers(
    say: words.Voice,
    frame: pd.DataFrame,
    name: str,
    value: str,
    bounds: tuple[str, str],
    *,
    title: str,
    axis: str,
    source: str = "",
    share: bool = False,
    line: float | None = 0.0,
    other: tuple[str, str] | None = None,
) -> Picture:
    """One row a name: the value as a dot, its range as a line; `other` (column, label) is the naive answer, hollow.

    Rows whose range lies clear of `line` are accented.
    """
    known = frame.dropna(subset=[value])
    if known.empty:
        return empty(locale=say.locale)
    with themed():
        figure, (ax,) = picture(height=1.3 + 0.3 * len(known))
        low, high, place = known[bounds[0]], known[bounds[1]], range(len(known))[::-1]
        clear = (low > line) | (high < line) if line is not None else low.isna()
        colours = [ACCENT if sure else GREY for sure in clear]
        ax.hlines(place, low, high, colors=colours, lw=2)
        ax.scatter(known[value], place, color=colours, zorder=3, s=36)
        if other:
            ax.scatter(known[other[0]], place, facecolors="none", edgecolors=INK, zorder=3, s=30)
        if line is not None:
            ax.axvline(line, color=INK, lw=1, zorder=1)
        ax.set_yticks(list(place), [str(text) for text in known[name]])
        ax.set(xlabel=axis, ylim=(-0.7, len(known) - 0.3))
        if share:
            ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        hollow = [say.text("hollow", {"what": other[1]})] if other else []
        return finish(figure, title, " ".join([say.text("line"), *hollow, source]))


def chance_curves(
    say: words.Voice,
    curves: Mapping[str, ChanceCurve],
    now: Mapping[str, float],
    *,
    title: str,
    source: str = "",
) -> Picture:
    """Chance of reaching the goal by lever and number a week; a dot marks today's pace."""
    if not curves:
        return empty(say.text("goals.no_simulation"), locale=say.locale)
    with themed():
        figure, axes = picture(width=8.0, height=3.2, columns=len(curves), sharey=True)
        for ax, (lever, curve) in zip(axes, curves.items(), strict=True):
            weeks = max(curve.weeks_left, 1 / 7)
            base = 0.0 if lever in ("opportunities", "asks") else now[lever]
            ax.plot(base + curve.numbers / weeks, curve.chances, color=ACCENT)
            ax.scatter([now[lever]], [curve.at((now[lever] - base) * weeks)], color=INK, zorder=3, s=36)
            ax.set(xlabel=say.text("goals.a_week", {"lever": lever.replace("_", " ")}), ylim=(0, 1))
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes[0].set_ylabel(say.text("goals.chances_axis"))
        return finish(figure, title, say.text("goals.today", {"source": source}))
