"""The one thing per rep and month: the largest evidence-backed gap, followed until it is met, never two at once.

Each month every rep's gaps are tested together over the whole team (Benjamini-Hochberg), so that a team where nobody
stands out hears so. A thing once chosen stays until the standard is met; only then may another follow.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import Book
from analysis.management.gaps import (
    CONVERSIONS,
    RepWeeks,
    candidates,
    gap_name,
    meaningful_gaps,
    rate_gaps,
    rep_weeks_by_kind,
    won_gaps,
)
from analysis.models.multiplicity import benjamini_hochberg

SAY = words.Voice("management.coaching")
Gap = dict[Hashable, Any]
FALSE_SHARE = 0.05  # of the things named, at most this share may be noise
MATERIAL = -0.2  # a thing is at least a fifth below the peers
NEARLY = -0.1  # the standard is met within a tenth of the peers' level
MET_WEEKS = 8
NEW, OPEN, MET, NONE, FEW = "new", "open", "met", "none stands out", "too few peers"


@dataclass(frozen=True, slots=True)
class Thing:
    """What one rep works on, and since when; target: the peers' level when it was chosen."""

    metric: str
    since: pd.Timestamp
    target: float


def levers_by_team(book: Book, panel: RepWeeks) -> dict[str, dict[str, float]]:
    """Per team: the kinds graded A or B for it, with the money of one more."""
    teams = sorted({team for team in panel.team_id if isinstance(team, str)})
    return {team: candidates(book, list(panel.counts), team) for team in teams}


def gaps_at(book: Book, panel: RepWeeks, month_end: pd.Timestamp, backed: dict[str, dict[str, float]]) -> pd.DataFrame:
    """Every candidate gap at the end of a month: metric, rep_id, team_id, value, peers, gap, conf_low, conf_high,
    p_behind, relative (gap as a share of the peers' level), money_per_week (of closing it; blank where not known)."""
    last = int((panel.weeks <= month_end - pd.Timedelta(days=6)).sum()) - 1
    kinds = sorted({kind for kinds in backed.values() for kind in kinds})
    parts = {kind: rate_gaps(panel, kind, last) for kind in kinds}
    parts |= {"opportunity_to_won": won_gaps(book, month_end), "meaningful_share": meaningful_gaps(panel, last)}
    parts = {metric: gaps for metric, gaps in parts.items() if len(gaps)}
    if not parts:
        return pd.DataFrame(columns=["metric", "rep_id", "team_id", "gap", "p_behind", "relative"])
    frame = pd.concat(parts.values(), ignore_index=True)
    metric = [name for name, gaps in parts.items() for _ in range(len(gaps))]
    money = [
        backed.get(team, {}).get(kind, np.nan) for team, kind in zip(frame["team_id"].tolist(), metric, strict=True)
    ]
    frame["metric"], frame["money_per_week"] = metric, -frame["gap"].to_numpy() * money
    frame["relative"] = frame["gap"] / frame["peers"].where(frame["peers"] > 0)
    # A kind that is no lever for this team is nothing to work on.
    return frame.loc[frame["money_per_week"].notna() | frame["metric"].isin(CONVERSIONS)]


def one_thing(book: Book, months: int = 6) -> pd.DataFrame:
    """One row per rep and month, for the last `months` complete months.

    Columns: rep_id, team_id, month (its last day), thing (metric, blank = none), status (`new`, `open`, `met`,
    `none stands out`, `too few peers`), since, value, peers, gap, conf_low, conf_high (95 %), relative, q_value,
    money_per_week, sentence. Teams of fewer than `policy.min_group` reps are not compared.
    """
    panel = rep_weeks_by_kind(book)
    backed = levers_by_team(book, panel)
    held: dict[str, Thing] = {}
    rows: list[dict[str, object]] = []
    for end in _month_ends(book.as_of, months):
        found = _with_q(gaps_at(book, panel, end, backed))
        rows += _month(book, panel, found, held, end)
    frame = pd.DataFrame(rows)
    return (
        frame
        if frame.empty
        else frame.sort_values(["team_id", "rep_id", "month"], kind="stable").reset_index(drop=True)
    )


def _month_ends(as_of: pd.Timestamp, months: int) -> list[pd.Timestamp]:
    """Ends of the last complete months, oldest first."""
    last = as_of + pd.Timedelta(days=1)
    ends = pd.date_range(end=last, periods=months, freq="MS", unit="us") - pd.Timedelta(days=1)
    return [pd.Timestamp(end) for end in ends]


def _with_q(found: pd.DataFrame) -> pd.DataFrame:
    """Adds q_value, adjusted over all reps and candidates of a team."""
    if found.empty:
        return found.assign(q_value=[])
    known = found.dropna(subset=["p_behind"]).reset_index(drop=True)
    team, behind = pd.factorize(known["team_id"])[0], known["p_behind"].to_numpy()
    q = np.full(len(known), np.nan)
    for number in range(team.max(initial=-1) + 1):
        q[team == number] = benjamini_hochberg(behind[team == number])
    return known.assign(q_value=q)


def _month(
    book: Book, panel: RepWeeks, found: pd.DataFrame, held: dict[str, Thing], end: pd.Timestamp
) -> list[dict[str, object]]:
    """One row per rep seen in the last weeks; `held` carries what each rep works on from month to month."""
    sizes = pd.Series(panel.team_id).value_counts()
    by_rep: dict[str, list[Gap]] = {}
    names = list(found)
    for values in zip(*(found[name].tolist() for name in names), strict=True):
        gap: Gap = dict(zip(names, values, strict=True))
        by_rep.setdefault(str(gap["rep_id"]), []).append(gap)
    met = _noted_as_met(book, end)
    rows = []
    for place in _present(panel, end):
        rep, team = str(panel.rep_id[place]), panel.team_id[place]
        base: dict[str, object] = {"rep_id": rep, "team_id": team, "month": end, "thing": ""}
        if sizes.get(team, 0) < book.policy.min_group:
            rows.append({**base, "status": FEW, "sentence": SAY.text("too_few_peers")})
            continue
        rows.append({**base, **_follow(book, panel, place, by_rep.get(rep, []), held, end, met)})
    return rows


def _present(panel: RepWeeks, end: pd.Timestamp) -> np.ndarray:
    recent = (panel.weeks > end - pd.Timedelta(weeks=5)) & (panel.weeks <= end)
    here = np.nan_to_num(panel.worked[:, recent]).sum(axis=1) > 0
    return np.flatnonzero(here & np.array([isinstance(team, str) for team in panel.team_id], dtype=bool))


def _follow(
    book: Book,
    panel: RepWeeks,
    place: int,
    mine: list[Gap],
    held: dict[str, Thing],
    end: pd.Timestamp,
    noted: dict[tuple[str, str], pd.Timestamp],
) -> dict[str, object]:
    rep = str(panel.rep_id[place])
    thing = held.get(rep)
    if thing is not None:
        row = next((gap for gap in mine if gap["metric"] == thing.metric), None)
        noted_on = noted.get((rep, thing.metric))
        met = (noted_on is not None and noted_on > thing.since) or _level_met(panel, place, thing, row, end)
        if met:
            del held[rep]
        return _tell(book, thing, row, MET if met else OPEN)
    chosen = _largest(mine)
    if chosen is None:
        return {"status": NONE, "sentence": SAY.text("nothing_stands_out")}
    held[rep] = Thing(str(chosen["metric"]), end, float(chosen["peers"]))
    return _tell(book, held[rep], chosen, NEW)


def _largest(mine: list[Gap]) -> Gap | None:
    """The largest relative gap among those beyond chance and large enough to matter."""
    sure = [
        gap for gap in mine if gap["q_value"] <= FALSE_SHARE and gap["relative"] <= MATERIAL and gap["conf_high"] < 0
    ]
    return min(sure, key=lambda gap: (gap["relative"], gap["metric"]), default=None)


def _noted_as_met(book: Book, end: pd.Timestamp) -> dict[tuple[str, str], pd.Timestamp]:
    """Manager's latest note up to that day that the required standard is reached, by rep_id and focus."""
    if not book.has("coaching", "focus", "focus_met"):
        return {}
    notes = book.shared("notes_of_met", lambda: _notes_of_met(book))
    return {(rep, focus): day for rep, focus, day in notes if day <= end}


def _notes_of_met(book: Book) -> list[tuple[str, str, pd.Timestamp]]:
    """rep_id, focus and day of every note that a standard is reached, in the order of days."""
    notes = book.frame("coaching")[["rep_id", "focus", "focus_met", "occurred_on"]]
    met = notes["focus_met"].fillna(False).astype(bool) & notes["focus"].notna()
    notes = notes.loc[met].sort_values("occurred_on", kind="stable")
    return list(zip(notes["rep_id"], notes["focus"], notes["occurred_on"], strict=True))


def _level_met(panel: RepWeeks, place: int, thing: Thing, row: Gap | None, end: pd.Timestamp) -> bool:
    """The level of the last eight weeks (of a conversion: the measured gap) lies within a tenth of the target."""
    if thing.metric not in panel.counts:
        return row is not None and float(row["relative"]) > NEARLY
    first, last = panel.weeks.searchsorted([end - pd.Timedelta(weeks=MET_WEEKS), end], side="right")
    worked = np.nan_to_num(panel.worked[place, first:last]).sum()
    done = panel.counts[thing.metric][place, first:last].sum()
    return bool(worked > 0 and done / worked >= (1 + NEARLY) * thing.target)


def _tell(book: Book, thing: Thing, row: Gap | None, status: str) -> dict[str, object]:
    out: dict[str, object] = {"thing": thing.metric, "status": status, "since": thing.since}
    name = words.capital(gap_name(thing.metric))
    if row is None:
        return {**out, "sentence": SAY.text("not_measured", {"what": name})}
    for column in ("value", "peers", "gap", "conf_low", "conf_high", "relative", "q_value", "money_per_week"):
        out[column] = float(row[column])
    return {**out, "sentence": _sentence(book, name, row, status, thing.metric in CONVERSIONS)}


def _sentence(book: Book, name: str, row: Gap, status: str, is_share: bool) -> str:
    shown = {
        key: SAY.share(row[key], decimals=0) if is_share else SAY.number(row[key], decimals=1)
        for key in ("value", "peers", "conf_low", "conf_high")
    }
    said = [SAY.text("gap_share" if is_share else "gap_pace", {"what": name, **shown})]
    if status == MET:
        said.append(SAY.text("met"))
    elif pd.notna(row["money_per_week"]) and row["money_per_week"] > 0:
        said.append(SAY.text("money", {"amount": SAY.money(row["money_per_week"], book.currency)}))
    return " ".join(said)
