"""Response time against conversion: what is seen, and what is left of it once source, hour and rep are held equal."""

from __future__ import annotations

import numpy as np

from analysis import words
from analysis.reporting import figures
from analysis.reporting.alignment.desk import Desk
from analysis.reporting.blocks import Block, Note, Points

NEVER = "never contacted"


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
    """The slope held equal beside the plain one, the leads never contacted, and what cannot be ruled out."""
    if desk.told(desk.response, ""):
        return Note(desk.text("response_cannot"))
    from analysis.management.response import SETTLE_DAYS

    found = desk.response
    never = found.bins.set_index("response").loc[NEVER]
    kept = {"n": desk.count(never["n"]), "share": desk.share(never["n"] / found.n), "days": SETTLE_DAYS}
    return Points((held_equal(desk), plain(desk), desk.text("never_kept", kept), desk.text("response_limit")))


def held_equal(desk: Desk) -> str:
    """Change of the odds per doubling, source, hour of the week and rep held equal."""
    value, low, high = (odds(x) for x in (desk.response.per_doubling, desk.response.conf_low, desk.response.conf_high))
    if low <= 0 <= high:
        return desk.text("held_equal_open", {"low": signed(desk, low), "high": signed(desk, high)})
    key = "held_equal_lower" if value < 0 else "held_equal_higher"
    near, far = sorted((abs(low), abs(high)))
    return desk.text(key, {"value": desk.share(abs(value)), "low": desk.share(near), "high": desk.share(far)})


def plain(desk: Desk) -> str:
    """What the comparison without anything held equal would say."""
    naive = odds(desk.response.naive_per_doubling)
    return desk.text("plain_lower" if naive < 0 else "plain_higher", {"value": desk.share(abs(naive))})


def odds(log_odds: float) -> float:
    """A change in log odds as a relative change of the odds."""
    return float(np.expm1(log_odds))


def signed(desk: Desk, value: float) -> str:
    """A change with its sign in words: 12% lower, 3% higher."""
    return desk.text("lower" if value < 0 else "higher", {"value": desk.share(abs(value))})
