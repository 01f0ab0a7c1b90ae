"""The head of the page: who, the answer in one sentence, four numbers, and what the index will say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis import words
from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.reporting.blocks import Answer, Block, Summary, Tile, Tiles, Title, grade_mark, status_mark
from analysis.reporting.team.desk import Desk

ON_TRACK, WATCH = 0.7, 0.4  # chance of reaching the quota from which a team is on track, or worth watching


def heading(desk: Desk) -> Title:
    """Team, day, sample."""
    as_of = words.date(pd.Timestamp(desk.pack.as_of), locale=desk.locale)
    lines = [desk.text("as_of", {"date": as_of}), desk.source()]
    if not words.currency_code(desk.pack.currency):
        lines.append(words.text("company.no_currency", locale=desk.locale))
    return Title(desk.text("title", {"team": desk.pack.name}), tuple(lines), desk.locale)


def status(desk: Desk) -> str:
    """on_track, watch or behind by the chance of reaching the quota; unknown where no quota runs."""
    found = desk.targets
    if isinstance(found, NotRecorded | AnalysisError):
        return "unknown"
    if found.chance_as_is >= ON_TRACK:
        return "on_track"
    return "watch" if found.chance_as_is >= WATCH else "behind"


def next_step(desk: Desk) -> str:
    """One thing to do: more of the surest lever, or what it would take to know."""
    if desk.claims:
        best = desk.claims[0]
        key = "next_more" if best["effect_relative"] > 0 else "next_less"
        kind = str(best["activity"])
        names = {
            "activity": words.kind_name(kind, locale=desk.locale),
            "activities": words.kinds_name(kind, locale=desk.locale),
        }
        return desk.text(key, names)
    done = desk.pack.panel.frame[list(desk.pack.panel.activities)].gt(0).to_numpy().any()
    return desk.text("next_record" if done else "next_start")


def finding(desk: Desk, row: Mapping[str, Any]) -> str:
    """What one row of the findings says, in the report's language."""
    pack = desk.pack
    return words.finding_sentence(row, currency=pack.currency, period=pack.panel.period, locale=desk.locale)


def sentence(desk: Desk) -> str:
    """The answer: what goes with revenue here, or that nothing can be said yet."""
    if not desk.claims:
        company = desk.company[desk.company["grade"].isin(["A", "B"])]
        if company.empty:
            return desk.text("answer_none")
        kinds = words.listed([words.kinds_name(k, locale=desk.locale) for k in company["activity"]], locale=desk.locale)
        return desk.text("answer_company_only", {"activities": kinds})
    return finding(desk, desk.claims[0])


def answer(desk: Desk) -> Answer:
    """The answer, what supports it, and one thing to do."""
    others = [finding(desk, row) for row in desk.claims[1:3]]
    unclear = desk.findings[desk.findings["grade"].isin(["C", "D", "X"])]["activity"]
    if len(unclear):
        kinds = words.listed([words.kinds_name(k, locale=desk.locale) for k in unclear], locale=desk.locale)
        others.append(desk.text("unclear_for", {"activities": kinds}))
    mark = grade_mark(desk.claims[0]["grade"] if desk.claims else "D", locale=desk.locale)
    return Answer(sentence(desk), tuple(others), next_step(desk), mark)


def tiles(desk: Desk) -> Tiles:
    """Result, chance of the quota, pipeline cover, evidence."""
    n = len(desk.claims)
    evidence = Tile(
        desk.text("tile_evidence"),
        words.number(n, locale=desk.locale),
        desk.text("tile_evidence_note", {"total": len(desk.findings)}),
    )
    return Tiles((*quota_tiles(desk), pipeline_tile(desk), evidence))


def quota_tiles(desk: Desk) -> tuple[Tile, Tile]:
    """Booked against the running quota, and the chance of reaching it."""
    found, unknown = desk.targets, words.text("number.none", locale=desk.locale)
    if isinstance(found, NotRecorded | AnalysisError):
        note = str(found) if isinstance(found, NotRecorded) else desk.text("no_quota", {"why": desk.why(found)})
        return Tile(desk.text("tile_result"), unknown, note), Tile(desk.text("tile_chance"), unknown, note)
    goal = found.goal
    share = words.share(goal.booked / goal.quota, decimals=0, locale=desk.locale)
    booked = {"booked": desk.money(goal.booked), "quota": desk.money(goal.quota)}
    weeks = words.count(round(goal.weeks_left), "week", locale=desk.locale)
    chance = words.chance(found.chance_as_is, locale=desk.locale)
    mark = status_mark(status(desk), locale=desk.locale)
    return (
        Tile(desk.text("tile_result"), share, desk.text("tile_result_note", booked)),
        Tile(desk.text("tile_chance"), chance, desk.text("tile_chance_note", {"weeks": weeks}), mark),
    )


def pipeline_tile(desk: Desk) -> Tile:
    """Open pipeline over what is missing."""
    value, label = desk.value("open_pipeline"), desk.text("tile_pipeline")
    if value is None:
        return Tile(label, words.text("number.none", locale=desk.locale), desk.text("tile_not_recorded"))
    cover = desk.value("coverage")
    note = (
        ""
        if cover is None
        else desk.text("tile_cover_note", {"cover": words.number(cover, decimals=1, locale=desk.locale)})
    )
    return Tile(label, desk.money(value), note)


def summary(desk: Desk) -> Block:
    """What the index and the e-mail say of this report."""
    found, value = desk.targets, None
    result = desk.text("no_result_short" if isinstance(found, AnalysisError) else "no_quota_short")
    if not isinstance(found, NotRecorded | AnalysisError):
        value = found.goal.booked / found.goal.quota
        share = words.share(value, decimals=0, locale=desk.locale)
        result = desk.text("summary_result", {"share": share, "quota": desk.money(found.goal.quota)})
    kinds = [words.kinds_name(row["activity"], locale=desk.locale) for row in desk.claims]
    return Summary(
        team=desk.pack.name,
        status=status(desk),
        answer=sentence(desk),
        result=result,
        attainment=value,
        trend=monthly_revenue(desk),
        trend_unit=desk.pack.currency,
        evidence=words.listed(kinds, locale=desk.locale) if kinds else desk.text("no_claims"),
        claims=len(kinds),
        next_step=next_step(desk),
        limits=desk.text("limits_short"),
        as_of=desk.pack.as_of,
        lang=desk.locale,
    )


def monthly_revenue(desk: Desk) -> tuple[float, ...]:
    """Revenue of the last twelve complete four-week stretches (or months), oldest first."""
    name = "revenue" if "revenue" in desk.pack.panel.outcomes else desk.pack.panel.outcomes[0]
    by_period = desk.pack.panel.frame.groupby("week")[name].sum().sort_index()
    if desk.pack.panel.period == "month":
        return tuple(float(v) for v in by_period.iloc[-12:])
    stretch = (len(by_period) // 4) * 4
    folded = by_period.iloc[len(by_period) - stretch :].to_numpy().reshape(-1, 4).sum(axis=1)
    return tuple(float(v) for v in folded[-12:])
