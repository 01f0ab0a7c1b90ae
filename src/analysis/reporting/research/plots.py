"""Exploratory pictures for analysts, drawn with seaborn: the finding as title, an interval always, the source below.

Each takes a frame as the functions of this package return it and gives back a matplotlib figure, which shows itself
in a notebook and can be changed further. Claims themselves are drawn by analysis.reporting.figures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.ticker import MaxNLocator, PercentFormatter

from analysis import words
from analysis.reporting.research.book import SAY, probability
from analysis.reporting.research.picture import Picture, empty, finish, picture, themed
from analysis.reporting.theme import LIGHT

ACCENT, GREY, INK, WARN = LIGHT["accent"], LIGHT["grey"], LIGHT["ink"], LIGHT["warn"]
BOTH_WAYS = LinearSegmentedColormap.from_list("both_ways", [WARN, "#ffffff", ACCENT])
Draw = Callable[..., Picture]


def drawn(draw: Draw) -> Draw:
    """Draw in the theme; an empty frame gives the empty form."""

    @wraps(draw)
    def styled(frame: pd.DataFrame, *args: Any, **named: Any) -> Picture:
        with themed():
            return draw(frame, *args, **named) if len(frame) else empty(locale=_voice(args, named).locale)

    return styled


def _voice(args: tuple[Any, ...], named: Mapping[str, Any]) -> words.Voice:
    """The voice a picture was asked for in: third argument of every picture."""
    return args[1] if len(args) > 1 else named.get("say", SAY)


def zero(axis: Axes, vertical: bool = False) -> None:
    """The line of no effect."""
    (axis.axvline if vertical else axis.axhline)(0, color=INK, lw=1, zorder=1)


def whole_lags(axis: Axes, label: str) -> None:
    """Delays as whole numbers on the x axis."""
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel=label, ylabel="")


@drawn
def scan(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Heat map of one-at-a-time correlations; a ring marks what a naive test would call significant."""
    table = frame.pivot(index="activity", columns="lag", values="value")
    ringed = frame.pivot(index="activity", columns="lag", values="significant").to_numpy(bool)
    figure, (axis,) = picture(height=1.4 + 0.36 * len(table))
    reach = float(np.nanmax(np.abs(table.to_numpy())))
    shown = table.rename(index=say.label)
    bar = {"label": say.text("plots.correlation"), "pad": 0.02}
    sns.heatmap(shown, cmap=BOTH_WAYS, vmin=-reach, vmax=reach, linewidths=1, cbar_kws=bar, ax=axis)
    row, column = np.nonzero(ringed)
    axis.scatter(column + 0.5, row + 0.5, s=70, facecolors="none", edgecolors=INK, linewidths=1.2)
    axis.axvline(int(frame.loc[frame["lag"] <= 0, "lag"].nunique()), color=INK, lw=1)
    axis.tick_params(left=False, bottom=False, rotation=0)
    axis.set(xlabel=say.text("plots.around"), ylabel="")
    finding = say.text("plots.scan", {"n": ringed.sum(), "all": ringed.size})
    return finish(figure, finding, say.text("plots.scan_note", {"source": source}))


@drawn
def correlations(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Stems of the prewhitened cross-correlation with the band that all lags stay inside by chance."""
    kinds = list(frame["activity"].unique())
    columns = min(3, len(kinds))
    rows = -(-len(kinds) // columns)
    figure, axes = picture(height=0.9 + 1.7 * rows, rows=rows, columns=columns, sharex=True, sharey=True)
    for axis, kind in zip(axes, kinds, strict=False):
        part = frame[frame["activity"] == kind]
        colours = np.where(part["outside"], ACCENT, GREY)
        axis.axhspan(-part["band"].iloc[0], part["band"].iloc[0], color=LIGHT["panel"], zorder=0)
        axis.vlines(part["lag"], 0, part["value"], color=colours, lw=2)
        sns.scatterplot(x=part["lag"], y=part["value"], c=colours, s=22, ax=axis, legend=False, zorder=3)
        zero(axis)
        axis.axvline(0, color=LIGHT["faint"], lw=1, zorder=0)
        axis.set_title(say.label(kind))
        whole_lags(axis, say.text("plots.after"))
    for axis in axes[len(kinds) :]:
        axis.set_axis_off()
    ahead = list(frame[frame["outside"] & (frame["lag"] > 0)]["activity"].unique())
    finding = _finding(say, ahead, "plots.ahead", "plots.none_ahead")
    return finish(figure, finding, say.text("plots.ahead_note", {"source": source}))


@drawn
def kernels(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Smooth delays with their band, and the free estimate of every delay on top."""
    kinds = list(frame["activity"].unique())
    figure, axes = picture(height=3.2, columns=len(kinds), sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        part = frame[frame["activity"] == kind]
        axis.fill_between(part["lag"], part["kernel_low"], part["kernel_high"], color=LIGHT["band"], lw=0)
        sns.lineplot(data=part, x="lag", y="kernel", color=ACCENT, lw=2.2, ax=axis)
        axis.vlines(part["lag"], part["low"], part["high"], color=GREY, lw=1.3)
        axis.scatter(part["lag"], part["estimate"], color=np.where(part["outside"], WARN, GREY), s=24, zorder=3)
        zero(axis)
        axis.set_title(say.label(kind))
        whole_lags(axis, say.text("plots.after"))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    odd = list(frame.loc[frame["outside"], "activity"].unique())
    finding = _finding(say, odd, "plots.bend", "plots.agree")
    return finish(figure, finding, say.text("plots.kernels_note", {"source": source}))


@drawn
def carry_over(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Forecast gain of each form of carry-over; filled: significant by Clark-West."""
    figure, (axis,) = picture(height=1.2 + 0.28 * len(frame))
    sure = frame["p_value"] <= 0.05
    place = np.arange(len(frame))[::-1]
    colours = [ACCENT if form == "polynomial" else GREY for form in frame["form"]]
    axis.hlines(place, 0, frame["gain"], color=colours, lw=2)
    axis.scatter(
        frame["gain"],
        place,
        s=36,
        facecolors=[c if s else "white" for c, s in zip(colours, sure, strict=True)],
        edgecolors=colours,
        zorder=3,
    )
    zero(axis, vertical=True)
    pairs = zip(frame["form"], frame["p_value"], strict=True)
    axis.set_yticks(place, [say.text("plots.form", {"form": form, "p": probability(p, say)}) for form, p in pairs])
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=2))
    axis.set(xlabel=say.text("plots.saved"), ylabel="")
    best = frame.iloc[0]
    key = "best_smooth" if best["form"] == "polynomial" else "best_form"
    if float(best["gain"]) <= 0:
        key = "no_form"
    finding = say.text(f"plots.{key}", {"activities": say.kinds(str(best["activity"])), "form": best["form"]})
    return finish(figure, finding, say.text("plots.forms_note", {"source": source}))


@drawn
def links(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """The link of every activity with every outcome, intervals side by side."""
    kinds, fits = list(frame["activity"].unique()), list(frame["fit"].unique())
    figure, (axis,) = picture(height=1.2 + 0.62 * len(kinds))
    for step, fit in enumerate(fits):
        part = frame[frame["fit"] == fit]
        y = np.array([kinds.index(kind) for kind in part["activity"]]) + 0.2 * (step - (len(fits) - 1) / 2)
        colour = (ACCENT, GREY, INK)[step % 3]
        axis.hlines(y, part["low"], part["high"], color=colour, lw=2)
        sns.scatterplot(
            x=part["estimate"], y=y, color=colour, s=34, marker="osD"[step % 3], label=fit, ax=axis, zorder=3
        )
    _rows(axis, [say.label(kind) for kind in kinds])
    axis.set(xlabel=say.text("per_extra_axis"), ylabel="")
    axis.legend(frameon=False, fontsize=8.5, loc="best")
    signs = frame.groupby("activity", sort=False)["estimate"].agg(lambda v: len(set(np.sign(v))) == 1)
    same = words.capital(words.in_words(int(signs.sum()), locale=say.locale))
    finding = say.text("plots.signs", {"n": same, "all": len(kinds)})
    return finish(figure, finding, say.text("plots.lines_note", {"source": source}))


@drawn
def teams(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Every team's own link and the one pulled towards the others."""
    kinds = list(frame["activity"].unique())
    figure, axes = picture(height=1.2 + 0.3 * frame["team_id"].nunique(), columns=len(kinds), sharey=True, sharex=True)
    order = sorted(frame["team_id"].unique(), reverse=True)
    for axis, kind in zip(axes, kinds, strict=True):
        for step, (which, colour) in enumerate((("own", GREY), ("pooled", ACCENT))):
            part = frame[(frame["activity"] == kind) & (frame["kind"] == which)]
            y = np.array([order.index(team) for team in part["team_id"]]) + 0.16 * (1 - 2 * step)
            axis.hlines(y, part["low"], part["high"], color=colour, lw=1.8)
            face = "white" if which == "own" else colour
            axis.scatter(part["estimate"], y, s=26, facecolors=face, edgecolors=colour, zorder=3)
        zero(axis, vertical=True)
        axis.set_title(say.label(kind))
        axis.set_yticks(range(len(order)), order)
        axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes[0].set_xlabel(say.text("per_extra_axis"))
    borrowed = say.share(1 - float(frame["own_share"].median()), decimals=0)
    finding = say.text("plots.borrows", {"share": borrowed})
    return finish(figure, finding, say.text("plots.teams_note", {"source": source}))


@drawn
def responses(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """The response to a count kept up over the window, with its band and turning point."""
    kinds = list(frame["activity"].unique())
    figure, axes = picture(height=3.1, columns=len(kinds), sharey=True)
    for axis, kind in zip(axes, kinds, strict=True):
        part = frame[frame["activity"] == kind]
        change = part.assign(**{key: np.expm1(part[key]) for key in ("effect", "low", "high")})
        axis.fill_between(change["count"], change["low"], change["high"], color=LIGHT["band"], lw=0)
        sns.lineplot(data=change, x="count", y="effect", color=ACCENT, lw=2.2, ax=axis)
        peak = float(part["turning_point"].iloc[0])
        if np.isfinite(peak):
            axis.axvline(peak, color=WARN, lw=1.2, ls="--")
        zero(axis)
        axis.set_title(say.label(kind))
        whole_lags(axis, say.text("plots.done"))
        axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    bent = list(frame.loc[frame["turning_point"].notna(), "activity"].unique())
    finding = _finding(say, bent, "plots.turning", "plots.no_turning")
    return finish(figure, finding, say.text("plots.responses_note", {"source": source}))


@drawn
def checks(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Check matrix: passed, failed or not run, activity by activity."""
    kinds = list(frame["activity"].unique())
    order = list(frame["statement"].unique())
    table = frame.pivot(index="statement", columns="activity", values="state").reindex(index=order, columns=kinds)
    figure, (axis,) = picture(height=1.2 + 0.27 * len(table))
    fills = ListedColormap([LIGHT["panel"], "#f3dfc0", LIGHT["band"]])
    sns.heatmap(table.fillna(-1), cmap=fills, vmin=-1, vmax=1, cbar=False, linewidths=1.5, ax=axis)
    marks = {1.0: ("✓", ACCENT), 0.0: ("✗", WARN), -1.0: ("–", LIGHT["mute"])}
    for (row, column), state in np.ndenumerate(table.fillna(-1).to_numpy()):
        sign, colour = marks[float(state)]
        axis.text(column + 0.5, row + 0.5, sign, ha="center", va="center", color=colour, fontweight="bold")
    axis.set(xlabel="", ylabel="")
    axis.set_xticks(np.arange(len(kinds)) + 0.5, [say.label(kind) for kind in kinds], rotation=0)
    axis.tick_params(left=False, bottom=False, top=False, labelbottom=False, labeltop=True)
    whole = [kind for kind in kinds if (table[kind] == 1).all()]
    finding = words.capital(_finding(say, whole, "plots.pass", "plots.none_pass"))
    return finish(figure, finding, say.text("plots.checks_note", {"source": source}))


@drawn
def one_rep_out(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """The estimate with its interval, and the range it moves in when any one rep is left out."""
    figure, (axis,) = picture(height=1.2 + 0.4 * len(frame))
    y = np.arange(len(frame))
    axis.hlines(y, frame["low"], frame["high"], color=GREY, lw=1.6)
    axis.hlines(y, frame["least"], frame["most"], color=ACCENT, lw=6, alpha=0.75)
    sns.scatterplot(x=frame["estimate"], y=y, color=INK, s=30, ax=axis, zorder=3)
    _rows(axis, [say.label(kind) for kind in frame["activity"]])
    axis.set(xlabel=say.text("per_extra_axis"), ylabel="")
    clear = frame[(frame["low"] > 0) | (frame["high"] < 0)]
    turned = list(clear.loc[np.sign(clear["least"]) != np.sign(clear["most"]), "activity"])
    finding = _finding(say, turned, "plots.one_rep", "plots.no_rep")
    return finish(figure, finding, say.text("plots.one_rep_note", {"source": source}))


@drawn
def specifications(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """Specification curve: the estimate under every equivalent choice, and which choices those were."""
    choices = [
        (key, value)
        for key in ("outcome", "model", "effects", "window", "terms")
        for value in sorted(frame[key].unique())
    ]
    figure = picture(height=3.0 + 0.19 * len(choices), rows=2, sharex=True)
    top, below = figure[1]
    x = np.arange(len(frame))
    colours = np.where(frame["headline"], ACCENT, GREY)
    top.vlines(x, frame["low"], frame["high"], color=colours, lw=1.6)
    top.scatter(x, frame["estimate"], color=colours, s=18, zorder=3)
    zero(top)
    top.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    for row, (key, value) in enumerate(reversed(choices)):
        hit = (frame[key] == value).to_numpy()
        below.scatter(x[hit], np.full(hit.sum(), row), color=colours[hit], s=9, marker="s")
    below.set_yticks(range(len(choices)), [_choice(say, *choice) for choice in reversed(choices)], fontsize=8)
    below.set(xlabel=say.text("plots.choices"), xticks=[])
    below.spines[["left", "bottom"]].set_visible(False)
    below.tick_params(left=False)
    middle = float(frame["estimate"].median())
    same = int((np.sign(frame["estimate"]) == np.sign(middle)).sum())
    values = {"same": same, "all": len(frame), "activities": say.kinds(str(frame["activity"].iloc[0]))}
    return finish(figure[0], say.text("plots.agreed", values), say.text("plots.choices_note", {"source": source}))


@drawn
def rotated(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """p-values where nothing is there: flat, up to the scatter of so few copies."""
    figure, (axis,) = picture(height=2.9)
    bins = 10
    expected = len(frame) / bins
    sns.histplot(frame["p_value"], bins=bins, binrange=(0, 1), color=LIGHT["band"], edgecolor="white", ax=axis)
    spread = 1.96 * np.sqrt(expected * (1 - 1 / bins))
    axis.axhspan(max(expected - spread, 0), expected + spread, color=GREY, alpha=0.18, lw=0)
    axis.axhline(expected, color=INK, lw=1)
    axis.set(xlabel=say.text("plots.rotated_axis"), ylabel=say.text("plots.tests"))
    rate = float((frame["p_value"] <= 0.05).mean())
    finding = say.text("plots.rotated", {"share": say.share(rate, decimals=0)})
    return finish(figure, finding, say.text("plots.rotated_note", {"source": source}))


@drawn
def power(frame: pd.DataFrame, source: str = "", say: words.Voice = SAY) -> Picture:
    """How often a planted effect of a stated size is found, with the interval of that share."""
    figure, (axis,) = picture(width=6.0, height=2.7)
    x = frame["share"].to_numpy(float)
    axis.vlines(x, frame["low"], frame["high"], color=GREY, lw=1.8)
    sns.lineplot(x=x, y=frame["rate"], color=ACCENT, lw=2, marker="o", ax=axis)
    axis.set(xlabel=say.text("plots.planted"), ylabel=say.text("plots.found"), ylim=(-0.02, 1.05))
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axis.set_xticks(x)
    sure = frame.loc[frame["rate"] >= 0.8, "share"]
    finding = say.text("plots.none_found")
    if len(sure):
        finding = say.text("plots.found_from", {"share": say.share(float(sure.min()))})
    return finish(figure, finding, say.text("plots.power_note", {"source": source}))


def _finding(say: words.Voice, activities: list[str], some: str, none: str) -> str:
    """The text `some` with the activities it names, or `none` where there are none."""
    return say.text(some, {"activities": say.together(activities)}) if activities else say.text(none)


def _choice(say: words.Voice, key: str, value: Any) -> str:
    if key == "outcome":
        return words.outcome_name(str(value), locale=say.locale)
    if key == "window":
        return say.text("plots.window", {"value": value})
    if key == "terms":
        return say.plural("plots.terms", int(value), {"n": words.in_words(int(value), locale=say.locale)})
    return say.text("plots.effects", {"value": value}) if key == "effects" else str(value)


def _rows(axis: Axes, labels: list[str]) -> None:
    """Activities down the left side, the first on top, zero line and per cent below."""
    axis.set_yticks(range(len(labels)), labels)
    axis.invert_yaxis()
    zero(axis, vertical=True)
    axis.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
