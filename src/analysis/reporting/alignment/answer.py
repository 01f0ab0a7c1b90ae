"""The head of the page: what marketing and sales achieve together, four numbers, and the first thing to agree on."""

from __future__ import annotations

from typing import Any

from analysis import words
from analysis.management.book import NotRecorded
from analysis.reporting.alignment.desk import ABSENT, SIDES, Desk
from analysis.reporting.blocks import Answer, Mark, Summary, Tile, Tiles, Title, status_mark

KEPT, WATCH = 0.9, 0.7  # share of leads within the agreed hours from which the agreement is kept, or worth watching


def heading(desk: Desk) -> Title:
    """What, day, what it rests on."""
    lines = (desk.text("as_of", {"date": desk.as_of}), desk.text("for_whom"), *desk.remarks)
    return Title(desk.text("title"), lines, desk.locale)


def weakest(desk: Desk) -> tuple[str, dict[str, Any]] | None:
    """The recorded side of the hand-off that is least often kept; None where none is recorded."""
    known = [(side, desk.sides[side]) for side in SIDES if side in desk.sides]
    return min(known, key=lambda pair: float(pair[1]["within"])) if known else None


def status(desk: Desk) -> str:
    """on_track, watch or behind by the weakest side of the hand-off; unknown where none is recorded."""
    found = weakest(desk)
    if found is None:
        return "unknown"
    within = float(found[1]["within"])
    return "on_track" if within >= KEPT else "watch" if within >= WATCH else "behind"


def sentence(desk: Desk) -> str:
    """The answer: how many leads become opportunities, and how often the agreed hours are kept."""
    parts = []
    if (all_leads := desk.converted) is not None:
        columns = {"share": "conversion", "low": "conf_low", "high": "conf_high"}
        parts.append(desk.text("answer_conversion", {name: desk.share(all_leads[c]) for name, c in columns.items()}))
    if "first_touch" in desk.sides:
        side = desk.sides["first_touch"]
        values = {"share": desk.share(side["within"]), "hours": hours(desk, side["limit_h"])}
        parts.append(desk.text("answer_first_touch", values))
    if parts:
        return " ".join(parts)
    missing = desk.conversion
    if isinstance(missing, NotRecorded):
        return desk.text("answer_none", {"why": words.listed(list(missing.missing), locale=desk.locale)})
    return desk.text("answer_refused", {"why": str(missing).rstrip(".")})


def hours(desk: Desk, number: float) -> str:
    """Agreed hours in words."""
    return words.count(number, "business_hour", locale=desk.locale)


def details(desk: Desk) -> tuple[str, ...]:
    """What supports the answer: feedback, silent partners."""
    said = []
    if "feedback" in desk.sides:
        side = desk.sides["feedback"]
        values = {"share": desk.share(side["within"]), "hours": hours(desk, side["limit_h"])}
        said.append(desk.text("answer_feedback", values))
    if not isinstance(desk.partners, ABSENT):
        silent = list(desk.partners.loc[desk.partners["never"], "partner_id"])
        if silent:
            said.append(desk.text("answer_silent", {"partners": words.listed(silent, locale=desk.locale)}))
    return tuple(said)


def next_step(desk: Desk) -> str:
    """One thing to do: the weakest side first, or record what is missing."""
    found = weakest(desk)
    if found is None:
        return desk.text("next_record")
    side, row = found
    if float(row["within"]) >= KEPT:
        return desk.text("next_kept")
    return desk.text(f"next_{side}", {"hours": hours(desk, row["limit_h"])})


def answer(desk: Desk) -> Answer:
    """The answer, what supports it, one thing to agree on."""
    return Answer(sentence(desk), details(desk), next_step(desk), agreement(desk))


def agreement(desk: Desk) -> Mark:
    """Whether the agreed hours are kept, as a word and a shape."""
    mark = status_mark(status(desk), locale=desk.locale)
    return Mark(desk.text(f"status_{status(desk)}"), mark.shape, mark.tone)


def tiles(desk: Desk) -> Tiles:
    """Qualified leads, conversion, first touch in time, business from inbound leads."""
    return Tiles((volume_tile(desk), conversion_tile(desk), touch_tile(desk), inbound_tile(desk)))


def volume_tile(desk: Desk) -> Tile:
    """Qualified leads of the last complete quarter."""
    if desk.qualified.empty:
        return Tile(desk.text("tile_volume"), desk.none, desk.text("tile_not_recorded"))
    since = words.date(desk.qualified.index[-1], locale=desk.locale)
    return Tile(
        desk.text("tile_volume"), desk.count(desk.qualified.iloc[-1]), desk.text("tile_quarter", {"date": since})
    )


def conversion_tile(desk: Desk) -> Tile:
    """Qualified leads that become an opportunity."""
    row = desk.converted
    if row is None:
        return Tile(desk.text("tile_conversion"), desk.none, desk.text("tile_not_recorded"))
    values = {"low": desk.share(row["conf_low"]), "high": desk.share(row["conf_high"]), "n": desk.count(row["n"])}
    return Tile(desk.text("tile_conversion"), desk.share(row["conversion"]), desk.text("tile_range_of", values))


def touch_tile(desk: Desk) -> Tile:
    """Leads that sales answers within the agreed hours."""
    row = desk.sides.get("first_touch")
    if row is None:
        return Tile(desk.text("tile_touch"), desk.none, desk.text("tile_not_recorded"))
    note = desk.text("tile_touch_note", {"hours": hours(desk, row["limit_h"]), "n": desk.count(row["n"])})
    return Tile(desk.text("tile_touch"), desk.share(row["within"]), note)


def inbound_tile(desk: Desk) -> Tile:
    """Share of the last complete quarter's closed business that came from inbound leads."""
    label = desk.text("tile_inbound")
    rows = None if isinstance(desk.inbound, ABSENT) else desk.inbound[desk.inbound["complete"]].dropna(subset=["share"])
    if rows is None or rows.empty:
        return Tile(label, desk.none, desk.text("tile_not_recorded"))
    last = rows.iloc[-1]
    values = {"low": desk.share(last["conf_low"]), "high": desk.share(last["conf_high"])}
    return Tile(label, desk.share(last["share"]), desk.text("tile_range", values))


def summary(desk: Desk) -> Summary:
    """What the index and the e-mail say of this report."""
    return Summary(
        team=desk.text("title"),
        status=status(desk),
        answer=sentence(desk),
        result=" ".join(details(desk)) or desk.text("no_result"),
        trend=tuple(float(n) for n in desk.qualified),
        trend_unit=desk.text("trend_unit"),
        evidence=desk.text("evidence"),
        next_step=next_step(desk),
        limits=desk.text("limits_short"),
        as_of=desk.pack.as_of,
        lang=desk.locale,
    )
