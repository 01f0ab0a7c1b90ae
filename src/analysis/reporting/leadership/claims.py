"""What was claimed earlier and how it fared: scored on the weeks since, or at least compared with the report before."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis import words
from analysis.reporting.blocks import Block, Column, Note, Table, grade_mark
from analysis.reporting.leadership.desk import STRONG, Desk

VERDICTS = ("held", "not confirmed", "contradicted", "weaker than claimed", "stronger than claimed")
GOOD = ("held", "stronger than claimed")
MOST = 12


def claims(desk: Desk) -> Block:
    """Earlier claims beside what the weeks since say; without a ledger, beside today's estimate."""
    if desk.claims is None:
        return since_last_report(desk)
    if desk.claims["activity"].isna().any():
        return Note(desk.text("ledger_refused", {"why": str(desk.claims["verdict"].iloc[0])}), desk.text("claims"))
    if desk.claims.empty:
        return Note(desk.text("nothing_claimed"), desk.text("claims"))
    newest = desk.claims.sort_values(["as_of", "activity"], ascending=[False, True], kind="stable").head(MOST)
    rows = tuple(claim_row(desk, row) for row in newest.to_dict("records"))
    names = ("claimed_on", "activity", "claimed", "since", "fared")
    columns = tuple(
        Column(desk.text(name), align="right" if name in ("claimed", "since") else "left") for name in names
    )
    return Table(desk.text("claims_caption"), columns, rows, note=held(desk))


def claim_row(desk: Desk, row: dict[Any, Any]) -> tuple[str, ...]:
    """When, what, claimed effect with range, effect since with range, verdict."""
    return (
        words.date(row["as_of"], locale=desk.locale),
        words.capital(words.kinds_name(row["activity"], locale=desk.locale)),
        effect(desk, row["claimed"], row["low"], row["high"]),
        effect(desk, row["since"], row["since_low"], row["since_high"]),
        verdict(desk, str(row["verdict"])),
    )


def effect(desk: Desk, value: Any, low: Any, high: Any) -> str:
    """A log effect with its interval as shares."""
    share, least, most = (float(np.expm1(x)) if words.is_known(x) else None for x in (value, low, high))
    return desk.ranged(share, least, most, desk.share)


def verdict(desk: Desk, said: str) -> str:
    """The ledger's verdict in the reader's language; a reason why there is none stays as it is."""
    if said in VERDICTS:
        return desk.text(f"verdict_{said.replace(' ', '_')}")
    return desk.text("verdict_early") if said.startswith("too early") else words.capital(said)


def held(desk: Desk) -> str:
    """How many of the claims that can be scored held."""
    if desk.claims is None:
        return ""
    scored = desk.claims[desk.claims["since"].notna()]
    if scored.empty:
        return desk.text("none_scored")
    good = int(scored["verdict"].isin(GOOD).sum())
    return desk.text("held", {"good": desk.count(good), "all": desk.count(len(scored))})


def since_last_report(desk: Desk) -> Block:
    """The claims of the report before beside today's estimates on all data."""
    before = desk.pack.previous
    if before is None:
        return Note(desk.text("no_earlier"), desk.text("claims"))
    old = before[(before["scope"] == "company") & before["grade"].isin(STRONG)]
    if old.empty:
        return Note(desk.text("nothing_claimed"), desk.text("claims"))
    now = {row["activity"]: row for row in desk.rows}
    rows = tuple(compared(desk, was, now.get(was["activity"])) for was in old.to_dict("records"))
    names = ("activity", "claimed", "today", "how_sure")
    columns = tuple(
        Column(desk.text(name), align="right" if name in ("claimed", "today") else "left") for name in names
    )
    day = words.date(desk.pack.previous_as_of, locale=desk.locale) if desk.pack.previous_as_of else ""
    return Table(desk.text("compared_caption", {"date": day}), columns, rows, note=desk.text("compared_note"))


def compared(desk: Desk, was: dict[Any, Any], now: dict[str, Any] | None) -> tuple[Any, ...]:
    """One claim then and the same activity now."""
    name = words.capital(words.kinds_name(was["activity"], locale=desk.locale))
    then = desk.ranged(was["effect_relative"], was["relative_low"], was["relative_high"], desk.share)
    if now is None:
        return name, then, desk.none, desk.text("not_tested_now")
    today = desk.ranged(now["effect_relative"], now["relative_low"], now["relative_high"], desk.share)
    return name, then, today, grade_mark(now["grade"], locale=desk.locale)
