"""Does coaching go with later improvement of what was coached, and does that depend on the coach?

The weekly count of the coached activity is compared with the same rep's other weeks and with everybody's same week
(Poisson with rep-by-activity and activity-by-week effects). A negative answer is allowed. Sessions still to come serve
as a placebo: they cannot explain the past.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis import words
from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.gaps import RepWeeks, rep_weeks_by_kind
from analysis.management.intervals import Floats
from analysis.management.managers import manager_weeks
from analysis.management.roster import numbered, places
from analysis.management.shrinkage import pool_means
from analysis.models.design import cells_from_codes
from analysis.models.fit import Fit
from analysis.models.inference import Estimate, contrast, crv3
from analysis.models.ppml import fit_ppml

SAY = words.Voice("management.coaching_effect")
RECENT_WEEKS = 6
MIN_MANAGERS = 5


@dataclass(frozen=True, slots=True)
class CoachingEffect:
    """Relative change of the coached activity per session in the last six weeks (log points), managers as clusters.

    overall: at an average skill proxy; by_skill: change of it per unit of the proxy (None where none is recorded);
    skill: what the proxy is; placebo: the same for sessions in the next six weeks; by_manager: manager_id, estimate,
    std_error, shrunk, shrunk_low, shrunk_high, sessions; naive: before-after change around sessions, in log points.
    """

    overall: Estimate
    by_skill: Estimate | None
    skill: str
    placebo: Estimate
    by_manager: pd.DataFrame
    naive: float
    n_reps: int
    n_managers: int


def coaching_effect(book: Book, skill: pd.Series | None = None) -> CoachingEffect | NotRecorded:
    """Coaching load against the coached activity's later level, with skill interaction and placebo.

    skill: manager_id -> own measure of coaching skill; default the share of other reps' focuses recorded as met
    (leaving out the rep in question). Raises Refused with fewer than five managers: nothing to compare.
    """
    if gap := book.need("coaching", "focus"):
        return gap
    panel = rep_weeks_by_kind(book)
    rows = _rows(book, panel)
    if rows.empty:
        return NotRecorded((SAY.text("no_focus"),))
    managers = rows["manager_id"].nunique()
    if managers < MIN_MANAGERS:
        raise Refused(SAY.text("few_managers", {"managers": managers, "needed": MIN_MANAGERS}))
    proxy = _skill(book, rows) if skill is None else rows["manager_id"].map(skill)
    source = SAY.text("skill") if skill is None else "given"
    has_skill = proxy is not None and proxy.notna().any() and float(proxy.std()) > 0
    z = (proxy - proxy.mean()).fillna(0.0).to_numpy() if has_skill and proxy is not None else np.zeros(len(rows))
    x = [rows["recent"].to_numpy(), rows["coming"].to_numpy()]
    x += [rows["recent"].to_numpy() * z] if has_skill else []
    fit = _fit(rows, np.column_stack(x))
    eye, spread = np.eye(len(x)), crv3(fit)
    return CoachingEffect(
        contrast(fit, eye[0], spread),
        contrast(fit, eye[2], spread) if has_skill else None,
        source if has_skill else str(NotRecorded(("coaching.focus_met",))),
        contrast(fit, eye[1], spread),
        _by_manager(rows),
        _naive(rows),
        int(rows["rep_id"].nunique()),
        managers,
    )


def _fit(rows: pd.DataFrame, x: Floats) -> Fit:
    cells = cells_from_codes(rows["unit"], rows["week"], rows["effect"], rows["cluster"])
    return fit_ppml(rows["count"].to_numpy(), x, cells, offset=np.log(rows["worked"].to_numpy()))


def _rows(book: Book, panel: RepWeeks) -> pd.DataFrame:
    """One row per rep, coached kind and worked week: count, worked, recent and coming sessions on that kind.

    Sessions count only while the focus is that kind; weeks between the last session on one focus and the first on
    the next are left out, as nobody knows what the rep worked on.
    """
    notes = book.frame("coaching")
    notes = notes.loc[notes["focus"].isin(list(panel.counts))]
    manager, managers = _manager_matrix(book, panel)
    by_kind = {str(kind): _session_matrix(mine, panel) for kind, mine in notes.groupby("focus", observed=True)}
    now, clear = _focus_now(by_kind)
    parts = []
    for number, (kind, sessions) in enumerate(by_kind.items()):
        on = now == number
        recent, coming = _window(sessions) * on, _window(sessions[:, ::-1])[:, ::-1] * on
        rep, week = np.nonzero((panel.worked > 0.3) & clear & (sessions.sum(axis=1) > 0)[:, None])
        keep = (week >= RECENT_WEEKS) & (week < len(panel.weeks) - RECENT_WEEKS)
        rep, week = rep[keep], week[keep]
        frame = pd.DataFrame({"rep_id": panel.rep_id[rep], "kind": kind, "week": week})
        frame["count"], frame["worked"] = panel.counts[kind][rep, week], panel.worked[rep, week]
        frame["recent"], frame["coming"] = recent[rep, week], coming[rep, week]
        frame["rep"], frame["manager"], frame["kind_number"] = rep, manager[rep, week], number
        frame = frame.loc[frame["manager"] >= 0]
        parts.append(frame.assign(sessions=sessions[frame["rep"], frame["week"]]))
    if not parts:
        return pd.DataFrame({"manager_id": []})
    rows = pd.concat(parts, ignore_index=True)
    rows["manager_id"] = managers[rows["manager"]]
    rows["unit"] = rows["rep"] * len(by_kind) + rows["kind_number"]
    rows["effect"] = rows["kind_number"] * len(panel.weeks) + rows["week"]
    rows["cluster"] = managers[_homes(rows["rep"].to_numpy(), rows["manager"].to_numpy())]
    return rows.sort_values(["unit", "week"], kind="stable", ignore_index=True)


def _manager_matrix(book: Book, panel: RepWeeks) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Manager of each rep (rows) in each week (columns) as a place among the ids (-1 = none), and the ids."""
    held = manager_weeks(book).dropna(subset=["manager_id"])
    number, ids = numbered(held["manager_id"])
    out = np.full(panel.worked.shape, -1)
    out[places(held["rep_id"], panel.rep_id), panel.weeks.get_indexer(pd.Index(held["week"]))] = number
    return out, ids


def _homes(rep: NDArray[np.int64], manager: NDArray[np.int64]) -> NDArray[np.int64]:
    """The manager each row's rep has most rows under, the first of equals."""
    count = np.zeros((int(rep.max(initial=0)) + 1, int(manager.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(count, (rep, manager), 1)
    return np.asarray(count.argmax(axis=1)[rep], dtype=np.int64)


def _focus_now(by_kind: dict[str, Floats]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of the kind each rep works on by week (that of the last session), and whether the next session agrees."""
    cube = np.stack(list(by_kind.values()))
    said = np.where(cube.sum(axis=0) > 0, cube.argmax(axis=0), -1)
    place = np.arange(said.shape[1])
    last = np.maximum.accumulate(np.where(said >= 0, place, -1), axis=1)
    coming = np.minimum.accumulate(np.where(said >= 0, place, said.shape[1])[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(len(said))[:, None]
    now = np.where(last >= 0, said[rows, np.maximum(last, 0)], -1)
    after = np.where(coming < said.shape[1], said[rows, np.minimum(coming, said.shape[1] - 1)], now)
    return np.where(now < 0, after, now), (now == after) | (now < 0)


def _session_matrix(notes: pd.DataFrame, panel: RepWeeks) -> Floats:
    day = notes["occurred_on"]
    week = panel.weeks.get_indexer(day - pd.to_timedelta(day.dt.day_of_week, unit="D"))
    rep = pd.Index(panel.rep_id).get_indexer(notes["rep_id"])
    out = np.zeros(panel.worked.shape)
    inside = (week >= 0) & (rep >= 0)
    np.add.at(out, (rep[inside], week[inside]), 1.0)
    return out


def _window(sessions: Floats) -> Floats:
    """Sessions in the RECENT_WEEKS weeks before each week."""
    total = np.cumsum(np.pad(sessions, ((0, 0), (1, 0))), axis=1)
    place = np.arange(sessions.shape[1])
    return total[:, place] - total[:, np.maximum(place - RECENT_WEEKS, 0)]


def _skill(book: Book, rows: pd.DataFrame) -> pd.Series | None:
    """Share of focuses met among the manager's other reps, pulled toward the company by five records."""
    if not book.has("coaching", "focus_met"):
        return None
    notes = book.frame("coaching").dropna(subset=["focus_met"])
    notes = notes.assign(met=notes["focus_met"].astype(float))
    total = notes.groupby("manager_id")["met"].agg(["sum", "size"])
    own = notes.groupby(["manager_id", "rep_id"])["met"].agg(["sum", "size"])
    pair = pd.MultiIndex.from_frame(rows[["manager_id", "rep_id"]])
    base = total.reindex(rows["manager_id"]).fillna(0.0).to_numpy() - own.reindex(pair).fillna(0.0).to_numpy()
    usual = float(notes["met"].mean())
    return pd.Series((base[:, 0] + 5 * usual) / (base[:, 1] + 5), index=rows.index)


def _by_manager(rows: pd.DataFrame) -> pd.DataFrame:
    """Each manager's own slope from one joint fit with a slope per manager; reps are the clusters of its error."""
    managers = sorted(rows["manager_id"].unique())
    place = pd.Index(managers).get_indexer(rows["manager_id"])
    x = np.zeros((len(rows), len(managers)))
    x[np.arange(len(rows)), place] = rows["recent"].to_numpy()
    used = [number for number in range(len(managers)) if np.ptp(x[:, number]) > 0]
    fit = _fit(rows.assign(cluster=rows["rep"]), x[:, used])
    reps = rows.groupby("manager_id")["rep_id"].nunique().reindex([managers[number] for number in used]).to_numpy()
    # CRV3 leaves one rep out at a time; a manager's slope rests on his own reps alone, so t has reps - 1 degrees.
    error = np.sqrt(np.diag(crv3(fit)))
    wide = special.stdtrit(np.maximum(reps - 1, 1), 0.975) / special.ndtri(0.975)
    sessions = rows.groupby("manager_id")["sessions"].sum()
    out = pd.DataFrame({"manager_id": [managers[number] for number in used], "estimate": fit.coef, "std_error": error})
    out["sessions"] = out["manager_id"].map(sessions)
    return pd.concat([out, pool_means(out["estimate"], out["std_error"] * wide).drop(columns="group_mean")], axis=1)


def _naive(rows: pd.DataFrame) -> float:
    """Plain before-after: log of the rate in weeks with a session in the last six over the rate in the others."""
    after = rows["recent"] > 0
    rate = rows.groupby(after)["count"].sum() / rows.groupby(after)["worked"].sum()
    return float(np.log(rate.get(True, np.nan) / rate.get(False, np.nan)))
