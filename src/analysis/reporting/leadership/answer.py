"""The head of the page: what predicts revenue in the company, four numbers, one thing to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis import words
from analysis.reporting.blocks import Answer, Summary, Tile, Tiles, Title, grade_mark, status_mark
from analysis.reporting.leadership.desk import Desk
from analysis.reporting.leadership.teams import below_quota

REACHED, CLOSE = 1.0, 0.9  # share of the last quarter's quota from which the company is on track, or worth watching
QUARTERS = 8


def heading(desk: Desk) -> Title:
    """Company, day, sample."""
    return Title(
        desk.text("title"), (desk.text("as_of", {"date": desk.as_of}), desk.source(), *desk.remarks), desk.locale
    )


def attained(desk: Desk) -> float | None:
    """Share of the last complete quarter's quota; None without quotas."""
    rows = desk.metric("quota_attainment")
    return None if rows.empty else float(rows["value"].iloc[-1])


def status(desk: Desk) -> str:
    """on_track, watch or behind by the last complete quarter; unknown without quotas."""
    share = attained(desk)
    if share is None:
        return "unknown"
    return "on_track" if share >= REACHED else "watch" if share >= CLOSE else "behind"


def finding(desk: Desk, row: Mapping[str, Any]) -> str:
    """What one row of the findings says, in the report's language."""
    pack = desk.pack
    return words.finding_sentence(row, currency=pack.currency, period=pack.panel.period, locale=desk.locale)


def sentence(desk: Desk) -> str:
    """The answer: the surest link with revenue, or that none is clear."""
    return finding(desk, desk.found[0]) if desk.found else desk.text("answer_none")


def answer(desk: Desk) -> Answer:
    """The answer, the other links, whether teams differ, one thing to do."""
    others = [finding(desk, row) for row in desk.found[1:3]]
    if more := [words.kinds_name(row["activity"], locale=desk.locale) for row in desk.found[3:]]:
        others.append(desk.text("also", {"activities": words.listed(more, locale=desk.locale)}))
    unclear = [words.kinds_name(row["activity"], locale=desk.locale) for row in desk.rows if row["grade"] in "CDX"]
    if unclear:
        others.append(desk.text("unclear_for", {"activities": words.listed(unclear, locale=desk.locale)}))
    mark = grade_mark(desk.found[0]["grade"] if desk.found else "D", locale=desk.locale)
    return Answer(sentence(desk), tuple(others), next_step(desk), mark)


def next_step(desk: Desk) -> str:
    """A planned change in the surest activity, or what it would take to know."""
    if not desk.found:
        return desk.text("next_record")
    best = desk.found[0]
    kind = str(best["activity"])
    names = {
        "activity": words.kind_name(kind, locale=desk.locale),
        "activities": words.kinds_name(kind, locale=desk.locale),
    }
    return desk.text("next_more" if best["effect_relative"] > 0 else "next_less", names)


def tiles(desk: Desk) -> Tiles:
    """Last quarter against quota, open pipeline, activities that predict, teams below quota."""
    return Tiles((quota_tile(desk), pipeline_tile(desk), evidence_tile(desk), teams_tile(desk)))


def quota_tile(desk: Desk) -> Tile:
    """Booked in the last complete quarter as a share of its quota."""
    share, label = attained(desk), desk.text("tile_quota")
    revenue = desk.metric("revenue")
    if share is None or revenue.empty:
        note = desk.text("tile_no_quota") if revenue.empty else desk.text("tile_booked", _booked(desk))
        return Tile(label, desk.none, note)
    note = desk.text("tile_booked", _booked(desk))
    mark = status_mark(status(desk), locale=desk.locale)
    return Tile(label, words.share(share, decimals=0, locale=desk.locale), note, mark)


def _booked(desk: Desk) -> dict[str, str]:
    last = desk.metric("revenue").iloc[-1]
    return {"amount": desk.money(last["value"]), "date": words.date(last["period_start"], locale=desk.locale)}


def pipeline_tile(desk: Desk) -> Tile:
    """What is open now, beside what is missing to the running quota."""
    value, cover = desk.now("open_pipeline"), desk.now("coverage")
    if value is None:
        return Tile(desk.text("tile_pipeline"), desk.none, desk.text("tile_not_recorded"))
    note = "" if cover is None else desk.text("tile_cover", {"cover": desk.number(cover)})
    return Tile(desk.text("tile_pipeline"), desk.money(value), note)


def evidence_tile(desk: Desk) -> Tile:
    """How many activities predict or likely predict."""
    note = desk.text("tile_of_tested", {"total": desk.count(len(desk.rows))})
    return Tile(desk.text("tile_evidence"), desk.count(len(desk.found)), note)


def teams_tile(desk: Desk) -> Tile:
    """How many teams booked less than their quota last quarter."""
    below = below_quota(desk)
    if below is None:
        return Tile(desk.text("tile_teams"), desk.count(len(desk.pack.panel.teams)), desk.text("tile_no_team_quota"))
    behind, known = below
    return Tile(desk.text("tile_below"), desk.count(behind), desk.text("tile_of_teams", {"total": desk.count(known)}))


def summary(desk: Desk) -> Summary:
    """What the index and the e-mail say of this report."""
    share = attained(desk)
    result = desk.text("no_quota_short")
    if share is not None:
        result = desk.text("summary_result", {"share": words.share(share, decimals=0, locale=desk.locale)})
    kinds = [words.kinds_name(row["activity"], locale=desk.locale) for row in desk.found]
    revenue = desk.metric("revenue")["value"].tail(QUARTERS)
    return Summary(
        team=desk.text("title"),
        status=status(desk),
        answer=sentence(desk),
        result=result,
        attainment=share,
        trend=tuple(float(value) for value in revenue),
        trend_unit=desk.pack.currency,
        evidence=words.listed(kinds, locale=desk.locale) if kinds else desk.text("no_claims"),
        claims=len(kinds),
        next_step=next_step(desk),
        limits=desk.text("limits_short"),
        as_of=desk.pack.as_of,
        lang=desk.locale,
    )
