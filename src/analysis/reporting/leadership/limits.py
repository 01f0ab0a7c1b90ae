"""What this report cannot tell, what the data do not hold, and what changed since the last one."""

from __future__ import annotations

from analysis import words
from analysis.reporting import moves
from analysis.reporting.blocks import Block, Column, Group, Points, Table
from analysis.reporting.leadership.desk import Desk


def limits(desk: Desk) -> Group:
    """The standing limits, the study's own warnings, and every metric that is not recorded."""
    standing = [desk.text(f"limit_{name}") for name in ("cause", "demand", "logged", "groups")]
    warned = [words.capital(str(line)) for line in desk.pack.details.get("warnings", ())]
    blocks: list[Block] = [Points(tuple(standing + warned))]
    lacking = desk.pack.capabilities
    if lacking is not None and len(lacking := lacking[~lacking["available"].astype(bool)]):
        rows = tuple((str(row["metric"]), str(row["missing"])) for row in lacking.to_dict("records"))
        columns = (Column(desk.text("metric")), Column(desk.text("missing")))
        blocks.append(Table(desk.text("lacking_caption"), columns, rows))
    return Group(tuple(blocks))


def changes(desk: Desk) -> Block:
    """Each activity whose company grade moved since the last report, with the reason."""
    return moves.changes(desk.pack, desk.findings, desk.text, desk.locale)
