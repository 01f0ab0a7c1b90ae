"""Response time against conversion: what is seen, and what is left of it once source, hour and rep are held equal."""

from __future__ import annotations

from scipy.special import expit, logit

from analysis import words
from analysis.management.response import BIN_NAMES, SETTLE_DAYS, ResponseEffect
from analysis.reporting import figures
from analysis.reporting.alignment.desk import Desk
from analysis.reporting.blocks import Block, Note, Points

NEVER = BIN_NAMES[-1]


def classes(desk: Desk) -> Block:
    """Share of leads that became an opportunity by the time of the first touch; those never contacted stay in."""
    if told := desk.told(desk.response, desk.text("response")):
        return told
    bins = desk.response.bins
    labels = words.entry("alignment.response_classes", desk.locale)
    frame = bins.assign(name=[labels[i] for i in range(len(bins))])[bins["n"] > 0]
    frame = frame.rename(columns={"share": "value", "conf_low": "low", "conf_high": "high"})
    first, last = frame.iloc[0], frame[frame["response"] != NEVER].iloc[-1]
    apart = first["low"] > last["high"]
    return figures.rates(
        frame[["name", "value", "low", "high", "n"]],
        title=desk.text("response_title" if apart else "response_title_open"),
        first=desk.text("first_touch_after"),
        note=desk.text("response_note"),
        source=desk.source(),
        locale=desk.locale,
    )


def effect(desk: Desk) -> Block:
    """What is left with all held equal beside the plain comparison, the leads never contacted, what cannot be ruled out."""
    if desk.told(desk.response, ""):
        return Note(desk.text("response_cannot"))
    found, say = desk.response, words.Voice(desk.texts, desk.locale)
    never = found.bins.set_index("response").loc[NEVER]
    kept = {"n": desk.count(never["n"]), "share": desk.share(never["n"] / found.n), "days": SETTLE_DAYS}
    return Points(
        (held_equal(found, say), plain(found, say), desk.text("never_kept", kept), desk.text("response_limit"))
    )


def held_equal(found: ResponseEffect, say: words.Voice) -> str:
    """What twice the time to the first touch goes with, source, hour of the week and rep held equal; say: alignment's."""
    values = {"base": say.share(base(found), decimals=1)}
    slopes = {"value": found.per_doubling, "low": found.conf_low, "high": found.conf_high}
    values |= {name: say.share(after_doubling(found, slope), decimals=1) for name, slope in slopes.items()}
    return say.text("held_equal_open" if found.conf_low <= 0 <= found.conf_high else "held_equal", values)


def plain(found: ResponseEffect, say: words.Voice) -> str:
    """What the comparison without anything held equal would say."""
    return say.text("plain", {"value": say.share(after_doubling(found, found.naive_per_doubling), decimals=1)})


def base(found: ResponseEffect) -> float:
    """Share of all leads looked at that became an opportunity."""
    return float(found.bins["converted"].sum() / found.n)


def after_doubling(found: ResponseEffect, slope: float) -> float:
    """The share that becomes an opportunity where `base` does, after a change in log odds: a leader knows no odds."""
    known = base(found)
    return float(expit(logit(known) + slope))
