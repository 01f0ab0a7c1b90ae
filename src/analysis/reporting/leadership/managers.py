"""What managers do and what it goes with: coaching pace, later level of what was coached, attainment by quartile.

No single manager and no single rep is shown: spreads over managers, and groups of at least five people.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis import words
from analysis.models.inference import Estimate
from analysis.reporting import figures
from analysis.reporting.blocks import Block, Column, Note, Points, Table
from analysis.reporting.leadership.desk import Desk


def pace(desk: Desk) -> Block:
    """Coaching by kind: the middle manager, and between what the middle half lies."""
    if told := desk.told(desk.manager_pace, desk.text("coaching")):
        return told
    found = desk.manager_pace
    managers = found["manager_id"].nunique()
    if managers < desk.min_group:
        return Note(desk.text("few_managers", {"n": desk.min_group}), desk.text("coaching"))
    labels = words.entry("leadership.coaching_kinds", desk.locale)
    rows = tuple(
        pace_row(desk, labels[str(kind)], mine) for kind, mine in found.groupby("kind", sort=False, observed=True)
    )
    columns = tuple(
        Column(desk.text(name), align="left" if name == "what" else "right")
        for name in ("what", "sessions", "middle_manager", "middle_half")
    )
    return Table(desk.text("pace_caption", {"n": desk.count(managers)}), columns, rows, note=desk.text("pace_note"))


def pace_row(desk: Desk, label: str, rows: pd.DataFrame) -> tuple[str, ...]:
    """One kind of coaching: sessions in all, the middle manager's pace, the middle half of managers."""
    low, middle, high = (float(rows["value"].quantile(q)) for q in (0.25, 0.5, 0.75))
    written = [words.number(value, decimals=2, locale=desk.locale) for value in (low, middle, high)]
    half = words.text("number.range", {"low": written[0], "high": written[2]}, locale=desk.locale)
    return label, desk.count(rows["sessions"].sum()), written[1], half


def effect(desk: Desk) -> Block:
    """Whether coaching goes with more of what was coached, the check with sessions to come, the plain comparison."""
    if told := desk.told(desk.coaching, desk.text("effect")):
        return told
    found = desk.coaching
    said = [linked(desk, found.overall)]
    if not found.placebo.conf_low <= 0 <= found.placebo.conf_high:
        said.append(desk.text("coming_too"))
    values = {
        "naive": signed(desk, found.naive),
        "managers": words.count(found.n_managers, "manager", locale=desk.locale),
    }
    said += [desk.text("plainly", values), desk.text("coached_only")]
    return Points(tuple(said))


def linked(desk: Desk, found: Estimate) -> str:
    """The link of one session with the weeks after, as a share."""
    value, low, high = (float(np.expm1(x)) for x in (found.estimate, found.conf_low, found.conf_high))
    if low <= 0 <= high:
        return desk.text("coaching_open", {"low": signed(desk, found.conf_low), "high": signed(desk, found.conf_high)})
    near, far = sorted((abs(low), abs(high)))
    shown = {"value": desk.share(abs(value)), "low": desk.share(near), "high": desk.share(far)}
    return desk.text("coaching_more" if value > 0 else "coaching_less", shown)


def signed(desk: Desk, log_points: float) -> str:
    """A change in words: 4% more, 2% less."""
    change = float(np.expm1(log_points))
    return desk.text("less" if change < 0 else "more", {"value": desk.share(abs(change))})


def quartiles(desk: Desk) -> Block:
    """Quota attainment of the reps whose managers coach least to most; groups under five people are left blank."""
    if told := desk.told(desk.quartiles, desk.text("quartiles")):
        return told
    found = desk.quartiles.sort_values("quartile")
    if found["managers"].sum() < desk.min_group:  # a quarter of them would be one person
        return Note(desk.text("few_managers", {"n": desk.min_group}), desk.text("quartiles"))
    labels = words.entry("leadership.quartile_names", desk.locale)
    frame = pd.DataFrame(
        {
            "name": [labels[int(q) - 1] for q in found["quartile"]],
            "value": found["value"].to_numpy(float),
            "low": found["conf_low"].clip(lower=0).to_numpy(float),
            "high": found["conf_high"].to_numpy(float),
            "n": found["reps"].to_numpy(float),
        }
    )
    known = frame.dropna()
    apart = len(known) > 1 and known["low"].max() > known["high"].min()
    hidden = int(frame["value"].isna().sum())
    note = desk.text("quartiles_note") + (" " + desk.text("quartiles_hidden", {"n": desk.min_group}) if hidden else "")
    return figures.rates(
        frame,
        title=desk.text("quartiles_title" if apart else "quartiles_title_open"),
        first=desk.text("managers_who"),
        note=note,
        reference=1.0,
        source=desk.source(),
        locale=desk.locale,
    )
