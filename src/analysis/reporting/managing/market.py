"""Notebook 7, leads and marketing: volume, conversion, campaigns, the hand-off, response time, accounts gone quiet."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management import dark, last_mile, leads
from analysis.management import handoff as hand
from analysis.management.response import ResponseEffect, response_effect
from analysis.reporting.alignment.desk import shares_of_a_whole
from analysis.reporting.alignment.response import held_equal, plain
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import Desk
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.managing.tables import table
from analysis.reporting.research.picture import Picture

CAMPAIGNS = {
    "name": "text",
    "cost": "money",
    "qualified": "count",
    "cost_per_qualified": "money:cost_per_qualified_low:cost_per_qualified_high",
    "pipeline": "money",
    "closed": "money",
    "return_closed": "number:return_closed_low:return_closed_high",
}
INBOUND = {
    "period_start": "date",
    "created": "count",
    "created_inbound": "count",
    "closed_inbound": "money",
    "share": "share:conf_low:conf_high",
    "open_inbound": "money",
}
HANDOFF = {
    "title": "text",
    "group": "text",
    "n": "count",
    "limit_h": "count",
    "within": "share:conf_low:conf_high",
    "median_h": "number",
    "naive": "share",
    "missing": "text",
}
SILENT = {"partner_id": "text", "due": "count", "without": "count", "share": "share"}
RESPONSE = {"response": "text", "n": "count", "converted": "count", "share": "share:conf_low:conf_high"}
DARK = {
    "account_id": "text",
    "last_contact": "date",
    "silent_days": "count",
    "usual_days": "number",
    "gaps": "count",
    "open_amount": "money",
}
DONE = {
    "phase": "code",
    "kind": "text",
    "attempts": "count",
    "meaningful": "count",
    "generic": "count",
    "senior": "count",
    "accounts": "count",
}
LAST_MILE = {"outcome": "code", "title": "text", "n": "count", "value": "share:conf_low:conf_high"}


def market_answer(desk: Desk) -> Answer | Note:
    """How many qualified leads become opportunities, and how many are answered in time."""
    rate = desk.ask(lambda: leads.lead_conversion(desk.book), "conversion")
    if isinstance(rate, Note):
        return rate
    row = rate.iloc[0]
    shown = {
        name: desk.say.share(row[column])
        for name, column in (("share", "conversion"), ("low", "conf_low"), ("high", "conf_high"))
    }
    details = [desk.say.text("market.definition", {"definition": row["definition"]})]
    effect = desk.ask(lambda: response_effect(desk.book), "response")
    details.append(effect.text if isinstance(effect, Note) else _response_told(desk, effect))
    return Answer(desk.say.text("market.answer", shown), tuple(details))


def volume(desk: Desk, freq: str = "quarter") -> Table | Note:
    """Leads created and qualified per source, the last complete periods."""
    found = desk.ask(lambda: leads.lead_volume(desk.book, freq, 4), "volume")
    if isinstance(found, Note):
        return found
    rows = found[found["complete"]].assign(period=found["period_start"].map(desk.say.date))
    wide = rows.pivot(index="source", columns="period", values="qualified")[list(dict.fromkeys(rows["period"]))]
    heads = {str(name): desk.say.text("volume.period", {"date": name}) for name in wide.columns}
    forms = {"source": "text", **dict.fromkeys(heads, "count")}
    return table(desk.say, "volume", wide.reset_index(), forms, heads=heads, note=desk.say.text("volume.note"))


def lead_rates(desk: Desk) -> Picture | Note:
    """Conversion of qualified leads by source, the plain ratio beside it."""
    found = desk.ask(lambda: leads.lead_conversion(desk.book), "conversion")
    if isinstance(found, Note):
        return found
    best = found.iloc[1:].sort_values("conversion").iloc[-1]
    return whiskers(
        desk.say, found, "source", "conversion", ("conf_low", "conf_high"), share=True, line=None,
        title=desk.say.text("market.best", {"source": best["source"]}), axis=desk.say.text("market.rates_axis"),
        other=("naive", desk.say.text("market.naive_rate")),
    )  # fmt: skip


def campaigns_table(desk: Desk, number: int = 10) -> Table | Note:
    """Cost per qualified lead, pipeline and closed business of the dearest campaigns."""
    found = desk.ask(lambda: leads.campaigns(desk.book), "campaigns")
    if isinstance(found, Note):
        return found
    return table(desk.say, "campaigns", found.head(number), CAMPAIGNS, currency=desk.book.currency)


def inbound_table(desk: Desk) -> Table | Note:
    """Pipeline and closed business from inbound leads by quarter."""
    found = desk.ask(lambda: leads.inbound(desk.book), "inbound")
    if isinstance(found, Note):
        return found
    return table(desk.say, "inbound", shares_of_a_whole(found), INBOUND, currency=desk.book.currency)


def handoff(desk: Desk) -> Table | Note:
    """Both sides of the hand-off: everybody, the team in view, and every partner."""
    found = desk.ask(lambda: hand.hand_off(desk.book), "handoff")
    if isinstance(found, Note):
        return found
    rows = found[~found["group_kind"].eq("team") | found["group"].eq(desk.team_id)] if "group_kind" in found else found
    return table(desk.say, "handoff", rows.reindex(columns=[*HANDOFF, "conf_low", "conf_high"]), HANDOFF)


def silent_partners(desk: Desk) -> Table | Note:
    """Partners by the share of due leads without feedback."""
    found = desk.ask(lambda: hand.no_feedback_by_partner(desk.book), "feedback")
    return found if isinstance(found, Note) else table(desk.say, "silent", found, SILENT)


def response(desk: Desk) -> Table | Note:
    """Conversion by response time, uncontacted leads included."""
    found = desk.ask(lambda: response_effect(desk.book), "response_against")
    if isinstance(found, Note):
        return found
    bins = found.bins.assign(response=words.entry("alignment.response_classes", desk.say.locale))
    return table(desk.say, "response", bins, RESPONSE, note=_response_told(desk, found))


def _response_told(desk: Desk, found: ResponseEffect) -> str:
    """The link held equal, the plain one, and what cannot be ruled out, in the words of the alignment report."""
    say = words.Voice("alignment", desk.say.locale)
    return " ".join((held_equal(found, say), plain(found, say), say.text("response_limit")))


def dark_answer(desk: Desk) -> tuple[dark.Dark | Note, Answer | Note]:
    """Accounts gone quiet by their own rhythm, and what ninety days would have said."""
    found = desk.ask(lambda: dark.dark_accounts(desk.book), "dark")
    if isinstance(found, Note):
        return found, found
    values = {"dark": int(found.accounts["dark"].sum()), "known": len(found.accounts), "unknown": found.unknown}
    naive = desk.say.text("market.dark_naive", {"missed": found.missed, "falsely": found.falsely})
    contact = desk.say.text("market.contact", {"contact": found.contact})
    return found, Answer(desk.say.text("market.dark", values), (naive, contact))


def dark_table(desk: Desk, found: dark.Dark | Note, number: int = 10) -> Table | Note:
    """The darkest accounts of the team in view."""
    if isinstance(found, Note):
        return found
    rows = found.accounts[found.accounts["dark"] & (found.accounts["team_id"] == desk.team_id)].head(number)
    return table(desk.say, "dark", rows, DARK, source=desk.source, currency=desk.book.currency)


def done_table(desk: Desk, found: dark.Dark | Note) -> Table | Note:
    """What was done on the dark accounts of the team, before the silence and since."""
    if isinstance(found, Note):
        return found
    rows = dark.done_on_dark(desk.book, found)
    return table(desk.say, "done", rows[rows["team_id"] == desk.team_id], DONE, source=desk.source)


def last_mile_table(desk: Desk) -> Table | Note:
    """From the ask to the end: what was done on won, lost and open deals of the team."""
    found = desk.ask(lambda: last_mile.last_mile(desk.book), "last_mile")
    if isinstance(found, Note):
        return found
    rows: pd.DataFrame = found[(found["team_id"] == desk.team_id) & (found["check"] != "touches_per_week")]
    return table(desk.say, "last_mile", rows, LAST_MILE, source=desk.source)
