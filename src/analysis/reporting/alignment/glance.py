"""Marketing and sales in five lines, for the leadership report."""

from __future__ import annotations

from analysis import words
from analysis.reporting.alignment.desk import ABSENT, SIDES, Desk
from analysis.reporting.blocks import Block, Column, Table


def glance(desk: Desk) -> Block:
    """Volume, conversion, both sides of the hand-off, closed business: what is recorded, with ranges."""
    rows = [row for row in (volume_row(desk), conversion_row(desk), *side_rows(desk), closed_row(desk)) if row]
    if not rows:
        told = desk.told(desk.volume, desk.text("both"))
        if told:
            return told
    columns = (Column(desk.text("measure")), Column(desk.text("value"), align="right"), Column(desk.text("meaning")))
    return Table(desk.text("glance_caption"), columns, tuple(rows), note=desk.text("glance_note"))


def volume_row(desk: Desk) -> tuple[str, str, str] | None:
    """Qualified leads of the last complete quarter."""
    if desk.qualified.empty:
        return None
    since = words.date(desk.qualified.index[-1], locale=desk.locale)
    return desk.text("tile_volume"), desk.count(desk.qualified.iloc[-1]), desk.text("tile_quarter", {"date": since})


def conversion_row(desk: Desk) -> tuple[str, str, str] | None:
    """Qualified leads that became an opportunity."""
    row = desk.converted
    if row is None:
        return None
    shown = desk.ranged(row["conversion"], row["conf_low"], row["conf_high"], desk.share)
    return desk.text("tile_conversion"), shown, desk.text("of_leads", {"n": desk.count(row["n"])})


def side_rows(desk: Desk) -> list[tuple[str, str, str]]:
    """Each recorded side of the hand-off."""
    rows = []
    for side in SIDES:
        if (found := desk.sides.get(side)) is not None:
            shown = desk.ranged(found["within"], found["conf_low"], found["conf_high"], desk.share)
            rows.append(
                (
                    desk.text(f"side_{side}"),
                    shown,
                    desk.text(
                        "within_hours", {"hours": words.count(found["limit_h"], "business_hour", locale=desk.locale)}
                    ),
                )
            )
    return rows


def closed_row(desk: Desk) -> tuple[str, str, str] | None:
    """Share of closed business that came from inbound leads, last complete quarter."""
    if isinstance(desk.inbound, ABSENT):
        return None
    rows = desk.inbound[desk.inbound["complete"]].dropna(subset=["share"])
    if rows.empty:
        return None
    last = rows.iloc[-1]
    shown = desk.ranged(last["share"], last["conf_low"], last["conf_high"], desk.share)
    return desk.text("tile_inbound"), shown, desk.text("closed_amount", {"amount": desk.money(last["closed_inbound"])})
