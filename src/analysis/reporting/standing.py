"""What every report about findings says of itself in the same way: its limits, and the result of a ready panel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import pandas as pd

from analysis import words
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Group, Points, Table
from analysis.reporting.pack import TeamPack

ABSENT_TABLE = re.compile(r"\(no table (\w+)\)")  # as analysis.crm.capability says it
PERIODS = 13  # of a ready panel that are shown


class Teller(Protocol):
    """A report's desk, as far as these sections need it."""

    @property
    def pack(self) -> TeamPack: ...

    @property
    def locale(self) -> str: ...

    def text(self, key: str) -> str:
        """A text of the report."""

    def source(self) -> str:
        """The line under a figure."""


def limits(desk: Teller, names: Sequence[str]) -> Group:
    """The standing limits of these names, the study's own warnings, and every metric that is not recorded."""
    standing = [desk.text(f"limit_{name}") for name in names]
    lines = [line for lines in desk.pack.details.get("warnings", {}).values() for line in lines]
    warned = [words.capital(words.retold(line, locale=desk.locale)) for line in lines]
    blocks: list[Block] = [Points(tuple(standing + warned))]
    lacking = desk.pack.capabilities
    if lacking is not None and len(lacking := lacking[~lacking["available"].astype(bool)]):
        rows = tuple((name, words.listed(metrics, locale=desk.locale)) for name, metrics in by_gap(lacking).items())
        columns = (Column(desk.text("missing")), Column(desk.text("would_show")))
        blocks.append(Table(desk.text("lacking_caption"), columns, rows))
    return Group(tuple(blocks))


def by_gap(lacking: pd.DataFrame) -> dict[str, list[str]]:
    """What each missing table, or column of a table that is there, would show: metrics by gap, in their order."""
    found: dict[str, list[str]] = {}
    for row in lacking.to_dict("records"):
        for part in str(row["missing"]).split(", "):
            table = ABSENT_TABLE.search(part)
            metrics = found.setdefault(table[1] if table else part, [])
            if row["metric"] not in metrics:
                metrics.append(str(row["metric"]))
    return found


def panel_result(desk: Teller) -> Block:
    """The outcome of the last periods, straight from a ready panel."""
    panel = desk.pack.panel
    name = "revenue" if "revenue" in panel.outcomes else panel.outcomes[0]
    by_period = panel.frame.groupby("week")[name].sum().tail(PERIODS)
    labels = [words.date(day, locale=desk.locale) for day in by_period.index]
    shown = pd.DataFrame({"label": labels, "actual": by_period.to_numpy(float)})
    currency = desk.pack.currency if name == "revenue" else None
    return figures.result(shown, currency=currency, source=desk.source(), locale=desk.locale)
