"""Notebook 7, leads and marketing: volume, conversion, campaigns, the hand-off, response time, accounts gone quiet."""

from __future__ import annotations

import pandas as pd

from analysis import words
from analysis.management import dark, last_mile, leads
from analysis.management import handoff as hand
from analysis.management.response import ResponseEffect, response_effect
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import Desk, ask, table
from analysis.reporting.managing.plots import whiskers
from analysis.reporting.research.picture import Picture


def market_answer(desk: Desk) -> Answer | Note:
    """How many qualified leads become opportunities, and how many are answered in time."""
    rate = ask(lambda: leads.lead_conversion(desk.book), "lead conversion")
    if isinstance(rate, Note):
        return rate
    row = rate.iloc[0]
    low, high = words.share(row["conf_low"]), words.share(row["conf_high"])
    sentence = (
        f"{words.share(row['conversion'])} of qualified leads become an opportunity (likely range {low} to {high})."
    )
    details = [f"A lead here: {row['definition']}."]
    effect = ask(lambda: response_effect(desk.book), "response time")
    details += [effect.sentence] if isinstance(effect, ResponseEffect) else [effect.text]
    return Answer(sentence, tuple(details))


def volume(desk: Desk, freq: str = "quarter") -> Table | Note:
    """Leads created and qualified per source, the last complete periods."""
    found = ask(lambda: leads.lead_volume(desk.book, freq, 4), "qualified lead volume")
    if isinstance(found, Note):
        return found
    rows = found[found["complete"]].assign(period=found["period_start"].map(words.date))
    wide = rows.pivot(index="source", columns="period", values="qualified")[list(dict.fromkeys(rows["period"]))]
    heads = [("source", "Source", "text"), *[(name, f"from {name}", "count") for name in wide.columns]]
    return table(
        "Qualified leads by source", wide.reset_index(), heads, note="Counts of leads qualified in the period."
    )


def lead_rates(desk: Desk) -> Picture | Note:
    """Conversion of qualified leads by source, the plain ratio beside it."""
    found = ask(lambda: leads.lead_conversion(desk.book), "lead conversion")
    if isinstance(found, Note):
        return found
    best = found.iloc[1:].sort_values("conversion").iloc[-1]
    return whiskers(
        found, "source", "conversion", ("conf_low", "conf_high"), share=True, line=None,
        title=f"Leads from {best['source']} convert best", axis="qualified leads that became an opportunity",
        other=("naive", "opportunities over leads created"),
    )  # fmt: skip


def campaigns_table(desk: Desk, number: int = 10) -> Table | Note:
    """Cost per qualified lead, pipeline and closed business of the dearest campaigns."""
    found = ask(lambda: leads.campaigns(desk.book), "campaign effectiveness")
    if isinstance(found, Note):
        return found
    heads = [("name", "Campaign", "text"), ("cost", "Cost", "money"), ("qualified", "Qualified", "count")]
    heads += [("cost_per_qualified", "Per qualified lead", "money:cost_per_qualified_low:cost_per_qualified_high")]
    heads += [("pipeline", "Open pipeline", "money"), ("closed", "Closed", "money")]
    heads += [("return_closed", "Closed per unit of cost", "number:return_closed_low:return_closed_high")]
    return table("Campaigns, dearest first", found.head(number), heads, currency=desk.book.currency)


def inbound_table(desk: Desk) -> Table | Note:
    """Pipeline and closed business from inbound leads by quarter."""
    found = ask(lambda: leads.inbound(desk.book), "business from inbound leads")
    if isinstance(found, Note):
        return found
    heads = [("period_start", "Quarter from", "date"), ("created", "Deals created", "count")]
    heads += [("created_inbound", "of them inbound", "count"), ("closed_inbound", "Closed from inbound", "money")]
    heads += [("share", "Share of closed", "share:conf_low:conf_high"), ("open_inbound", "Open today", "money")]
    return table("Business from inbound leads", found, heads, currency=desk.book.currency)


def handoff(desk: Desk) -> Table | Note:
    """Both sides of the hand-off: everybody, the team in view, and every partner."""
    found = ask(lambda: hand.hand_off(desk.book), "the hand-off")
    if isinstance(found, Note):
        return found
    rows = found[~found["group_kind"].eq("team") | found["group"].eq(desk.team_id)] if "group_kind" in found else found
    heads = [
        ("title", "Side", "text"),
        ("group", "Who", "text"),
        ("n", "Leads", "count"),
        ("limit_h", "Agreed hours", "count"),
    ]
    heads += [("within", "In time", "share:conf_low:conf_high"), ("median_h", "Median hours", "number")]
    heads += [("naive", "Of those that happened", "share"), ("missing", "Not recorded", "text")]
    shown = rows.reindex(columns=[name for name, _, _ in heads] + ["conf_low", "conf_high"])
    return table("Hand-off and feedback, business hours", shown, heads)


def silent_partners(desk: Desk) -> Table | Note:
    """Partners by the share of due leads without feedback."""
    found = ask(lambda: hand.no_feedback_by_partner(desk.book), "feedback of partners")
    if isinstance(found, Note):
        return found
    heads = [("partner_id", "Partner", "text"), ("due", "Due", "count"), ("without", "Without feedback", "count")]
    return table("No feedback", found, [*heads, ("share", "Share", "share")])


def response(desk: Desk) -> Table | Note:
    """Conversion by response time, uncontacted leads included."""
    found = ask(lambda: response_effect(desk.book), "response time against conversion")
    if isinstance(found, Note):
        return found
    heads = [("response", "First touch (business hours)", "text"), ("n", "Leads", "count")]
    heads += [("converted", "Converted", "count"), ("share", "Share, nothing held fixed", "share:conf_low:conf_high")]
    return table("Response time", found.bins, heads, note=found.sentence)


def dark_answer(desk: Desk) -> tuple[dark.Dark | Note, Answer | Note]:
    """Accounts gone quiet by their own rhythm, and what ninety days would have said."""
    found = ask(lambda: dark.dark_accounts(desk.book), "dark accounts")
    if isinstance(found, Note):
        return found, found
    number, known = int(found.accounts["dark"].sum()), len(found.accounts)
    sentence = f"{number} of {known} accounts with a rhythm have gone quiet; {found.unknown} have no rhythm yet."
    naive = f"A limit of 90 days would miss {found.missed} of them and name {found.falsely} that are in their rhythm."
    return found, Answer(sentence, (naive, f"Contact means {found.contact}."))


def dark_table(desk: Desk, found: dark.Dark | Note, number: int = 10) -> Table | Note:
    """The darkest accounts of the team in view."""
    if isinstance(found, Note):
        return found
    rows = found.accounts[found.accounts["dark"] & (found.accounts["team_id"] == desk.team_id)].head(number)
    heads = [
        ("account_id", "Account", "text"),
        ("last_contact", "Last contact", "date"),
        ("silent_days", "Silent, days", "count"),
    ]
    heads += [
        ("usual_days", "Usual gap, days", "number"),
        ("gaps", "Gaps known", "count"),
        ("open_amount", "Open deals", "money"),
    ]
    return table("Gone quiet", rows, heads, source=desk.source, currency=desk.book.currency)


def done_table(desk: Desk, found: dark.Dark | Note) -> Table | Note:
    """What was done on the dark accounts of the team, before the silence and since."""
    if isinstance(found, Note):
        return found
    rows = dark.done_on_dark(desk.book, found)
    rows = rows[rows["team_id"] == desk.team_id]
    heads = [("phase", "When", "text"), ("kind", "Kind", "text"), ("attempts", "Attempts", "count")]
    heads += [("meaningful", "Meaningful", "count"), ("generic", "Generic", "count"), ("senior", "Senior", "count")]
    return table("What was done on them", rows, [*heads, ("accounts", "Accounts", "count")], source=desk.source)


def last_mile_table(desk: Desk) -> Table | Note:
    """From the ask to the end: what was done on won, lost and open deals of the team."""
    found = ask(lambda: last_mile.last_mile(desk.book), "the last mile")
    if isinstance(found, Note):
        return found
    rows: pd.DataFrame = found[(found["team_id"] == desk.team_id) & (found["check"] != "touches_per_week")]
    heads = [("outcome", "Deals", "text"), ("title", "After the ask", "text"), ("n", "Deals with an ask", "count")]
    return table("The last mile", rows, [*heads, ("value", "Share", "share:conf_low:conf_high")], source=desk.source)
