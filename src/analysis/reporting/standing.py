"""What every report about findings says of itself in the same way: its limits, and the result of a ready panel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pandas as pd

from analysis import words
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Group, Points, Table
from analysis.reporting.pack import TeamPack

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
    warned = [words.capital(str(line)) for line in desk.pack.details.get("warnings", ())]
    blocks: list[Block] = [Points(tuple(standing + warned))]
    lacking = desk.pack.capabilities
    if lacking is not None and len(lacking := lacking[~lacking["available"].astype(bool)]):
        rows = tuple((str(row["metric"]), str(row["missing"])) for row in lacking.to_dict("records"))
        columns = (Column(desk.text("metric")), Column(desk.text("missing")))
        blocks.append(Table(desk.text("lacking_caption"), columns, rows))
    return Group(tuple(blocks))


def panel_result(desk: Teller) -> Block:
    """The outcome of the last periods, straight from a ready panel."""
    panel = desk.pack.panel
    name = "revenue" if "revenue" in panel.outcomes else panel.outcomes[0]
    by_period = panel.frame.groupby("week")[name].sum().tail(PERIODS)
    labels = [words.date(day, locale=desk.locale) for day in by_period.index]
    shown = pd.DataFrame({"label": labels, "actual": by_period.to_numpy(float)})
    currency = desk.pack.currency if name == "revenue" else None
    return figures.result(shown, currency=currency, source=desk.source(), locale=desk.locale)
