"""What the page cannot tell, and which of its questions the data do not hold."""

from __future__ import annotations

from analysis.reporting.alignment.desk import Desk
from analysis.reporting.blocks import Block, Column, Group, Points, Table


def limits(desk: Desk) -> Group:
    """The standing limits, and every metric on leads that is not recorded."""
    standing = [desk.text(f"limit_{name}") for name in ("definition", "cause", "clock", "small")]
    blocks: list[Block] = [Points(tuple(standing))]
    lacking = desk.pack.capabilities
    if lacking is not None:
        gone = lacking[~lacking["available"].astype(bool)]
        about = gone[gone["missing"].astype(str).str.contains("leads|campaigns|partner", regex=True)]
        if len(about):
            rows = tuple((str(row["metric"]), str(row["missing"])) for row in about.to_dict("records"))
            columns = (Column(desk.text("measure")), Column(desk.text("missing")))
            blocks.append(Table(desk.text("lacking_caption"), columns, rows))
    return Group(tuple(blocks))
