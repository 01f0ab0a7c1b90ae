"""What marketing brings: what a lead is, how many by source, what becomes of them, what campaigns cost and brought."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management.book import Book, Rules
from analysis.reporting import figures
from analysis.reporting.alignment.desk import ABSENT, Desk
from analysis.reporting.blocks import Block, Column, Note, Table

MOST_CAMPAIGNS = 12
ALL = "all sources"


def definition(desk: Desk) -> Block:
    """What is called a lead here, so that both sides count the same."""
    if isinstance(desk.volume, ABSENT) or not isinstance(desk.book, Book):
        return Note(desk.text("no_definition"), desk.text("definition_title"))
    rules = desk.book.rules
    own = rules.lead_definition != Rules().lead_definition
    values = {
        "definition": words.capital(rules.lead_definition) if own else desk.text("definition_usual"),
        "touch": words.count(rules.sla_hours, "business_hour", locale=desk.locale),
        "feedback": words.count(rules.feedback_hours, "business_hour", locale=desk.locale),
    }
    return Note(desk.text("definition", values), desk.text("definition_title"))


def source_name(desk: Desk, source: str) -> str:
    """A lead source as a reader calls it."""
    return desk.text("all_sources") if source == ALL else words.capital(source.replace("_", " "))


def volume(desk: Desk) -> Block:
    """Qualified leads by source and complete quarter, with what was created behind them."""
    if told := desk.told(desk.volume, desk.text("volume")):
        return told
    rows = desk.volume[desk.volume["complete"]]
    if rows.empty:
        return Note(desk.text("no_quarter"), desk.text("volume"))
    wide = rows.pivot(index="source", columns="period_start", values="qualified")
    created = rows[rows["period_start"] == wide.columns[-1]].set_index("source")["created"]
    body = [
        (source_name(desk, str(source)), *(desk.count(n) for n in wide.loc[source]), desk.count(created[source]))
        for source in wide.index
    ]
    body.append((desk.text("all_sources"), *(desk.count(n) for n in wide.sum()), desk.count(created.sum())))
    quarters = tuple(
        Column(desk.text("from_date", {"date": words.date(start, locale=desk.locale)}), align="right") for start in wide
    )
    last = Column(desk.text("created_last"), align="right")
    return Table(
        desk.text("volume_caption"),
        (Column(desk.text("source")), *quarters, last),
        tuple(body),
        note=desk.text("volume_note"),
    )


def conversion(desk: Desk) -> Block:
    """Conversion of qualified leads by source, the company as a line across."""
    if told := desk.told(desk.conversion, desk.text("conversion")):
        return told
    whole, parts = desk.conversion.iloc[0], desk.conversion.iloc[1:].sort_values("conversion", ascending=False)
    shown = parts if len(parts) > 1 else desk.conversion.iloc[:1]
    frame = pd.DataFrame(
        {
            "name": [source_name(desk, str(name)) for name in shown["source"]],
            "value": shown["conversion"].to_numpy(float),
            "low": shown["conf_low"].to_numpy(float),
            "high": shown["conf_high"].to_numpy(float),
            "n": shown["n"].to_numpy(float),
        }
    )
    values = {
        "share": desk.share(whole["conversion"]),
        "days": words.count(round(float(whole["horizon_days"])), "day", locale=desk.locale),
        "naive": desk.share(whole["naive"]),
    }
    return figures.rates(
        frame,
        title=conversion_title(desk, parts),
        first=desk.text("source"),
        note=desk.text("conversion_note", values),
        reference=float(whole["conversion"]) if len(parts) > 1 else None,
        source=desk.source(),
        locale=desk.locale,
    )


def conversion_title(desk: Desk, parts: pd.DataFrame) -> str:
    """The finding: the best source where its range lies above all others', else that they cannot be ranked."""
    if len(parts) < 2:
        return desk.text("conversion_title_one")
    best, others = parts.iloc[0], parts.iloc[1:]
    if best["conf_low"] > others["conf_high"].max():
        return desk.text("conversion_title", {"source": source_name(desk, str(best["source"]))})
    return desk.text("conversion_title_open")


def campaigns(desk: Desk) -> Block:
    """Cost per qualified lead, pipeline and closed business of the dearest campaigns."""
    if told := desk.told(desk.campaigns, desk.text("campaigns")):
        return told
    rows = desk.campaigns.head(MOST_CAMPAIGNS).to_dict("records")
    body = tuple(
        (
            str(row["name"]),
            desk.money(row["cost"]),
            desk.count(row["qualified"]),
            desk.ranged(
                row["cost_per_qualified"], row["cost_per_qualified_low"], row["cost_per_qualified_high"], desk.bare
            ),
            desk.money(row["pipeline"]),
            desk.money(row["closed"]),
            desk.ranged(row["return_closed"], row["return_closed_low"], row["return_closed_high"], desk.number),
        )
        for row in rows
    )
    names = ("campaign", "cost", "qualified_leads", "per_lead", "open_pipeline", "closed", "per_unit")
    columns = tuple(
        Column(
            desk.text(name),
            words.currency_code(desk.pack.currency) if name == "per_lead" else "",
            "left" if i == 0 else "right",
        )
        for i, name in enumerate(names)
    )
    left = len(desk.campaigns) - len(rows)
    note = desk.text("campaigns_note") + (
        " " + desk.text("campaigns_left", {"n": desk.count(left)}) if left > 0 else ""
    )
    return Table(desk.text("campaigns_caption"), columns, body, note=note)


def inbound(desk: Desk) -> Block:
    """Deals, closed business and open pipeline from inbound leads, quarter by quarter."""
    if told := desk.told(desk.inbound, desk.text("inbound")):
        return told
    body = tuple(
        (
            words.date(row["period_start"], locale=desk.locale) + ("" if row["complete"] else desk.text("running")),
            desk.count(row["created"]),
            desk.count(row["created_inbound"]),
            desk.money(row["closed"]),
            desk.money(row["closed_inbound"]),
            desk.ranged(row["share"], row["conf_low"], row["conf_high"], desk.share),
        )
        for row in desk.inbound.to_dict("records")
    )
    names = ("quarter_from", "deals", "deals_inbound", "closed", "closed_inbound", "share_inbound")
    columns = tuple(Column(desk.text(name), align="left" if i == 0 else "right") for i, name in enumerate(names))
    still = desk.inbound["open_inbound"].dropna()
    note = desk.text("inbound_open", {"amount": desk.money(still.iloc[-1])}) if len(still) else ""
    return Table(desk.text("inbound_caption"), columns, body, note=note)


def pipeline_now(desk: Desk) -> str:
    """Open amount of inbound deals today; a dash where it is not recorded."""
    if isinstance(desk.inbound, ABSENT):
        return desk.none
    still = desk.inbound["open_inbound"].dropna()
    return desk.money(still.iloc[-1]) if len(still) else desk.none
