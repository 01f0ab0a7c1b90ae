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
from analysis.management.roster import Places, day_numbers, mondays, numbered, place_in, places
from analysis.management.shrinkage import pool_means
from analysis.models.design import cells_from_codes
from analysis.models.fit import Fit
from analysis.models.inference import Estimate, contrast, crv3
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_quantile

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
    rows, ids = _rows(book, panel)
    if rows.empty:
        return NotRecorded((SAY.text("no_focus"),))
    managers = rows["manager"].nunique()
    if managers < MIN_MANAGERS:
        raise Refused(SAY.text("few_managers", {"managers": managers, "needed": MIN_MANAGERS}))
    proxy = _skill(book, panel, rows, ids) if skill is None else pd.Series(ids[rows["manager"]]).map(skill)
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
        _by_manager(rows, ids),
        _naive(rows),
        int(rows["rep"].nunique()),
        managers,
    )


def _fit(rows: pd.DataFrame, x: Floats) -> Fit:
    cells = cells_from_codes(rows["unit"], rows["week"], rows["effect"], rows["cluster"])
    return fit_ppml(rows["count"].to_numpy(), x, cells, offset=np.log(rows["worked"].to_numpy()))


def _rows(book: Book, panel: RepWeeks) -> tuple[pd.DataFrame, NDArray[Any]]:
    """One row per rep, coached kind and worked week: count, worked, sessions, recent and coming sessions on that kind, all
    who and what as places; and the ids of the managers. In order of unit (rep and kind) and week.

    Sessions count only while the focus is that kind; weeks between the last session on one focus and the first on
    the next are left out, as nobody knows what the rep worked on.
    """
    notes = book.frame("coaching")
    focus, kinds = numbered(notes["focus"].where(notes["focus"].isin(list(panel.counts))))
    manager, ids = _manager_matrix(book, panel)
    if not len(kinds):
        return pd.DataFrame(), ids
    sessions = _sessions(notes, focus, len(kinds), panel)
    now, clear = _focus_now(sessions)
    on = now[:, None] == np.arange(len(kinds))[:, None]
    recent, coming = _window(sessions) * on, _window(sessions[..., ::-1])[..., ::-1] * on
    seen = (panel.worked > 0.3) & clear & (manager >= 0)
    seen[:, :RECENT_WEEKS] = seen[:, len(panel.weeks) - RECENT_WEEKS :] = False
    rep, kind, week = at = np.nonzero(seen[:, None] & (sessions.sum(axis=2) > 0)[:, :, None])
    who = {"rep": rep, "manager": manager[rep, week], "week": week}
    who |= {"unit": rep * len(kinds) + kind, "effect": kind * len(panel.weeks) + week}
    who["cluster"] = _homes(rep, who["manager"])
    counts = np.stack([panel.counts[str(name)] for name in kinds], axis=1)
    what = {"count": counts[at], "worked": panel.worked[rep, week], "sessions": sessions[at]}
    return pd.DataFrame({**who, **what, "recent": recent[at], "coming": coming[at]}), ids


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


def _focus_now(sessions: Floats) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Number of the kind each rep works on by week (that of the last session), and whether the next session agrees."""
    said = np.where(sessions.sum(axis=1) > 0, sessions.argmax(axis=1), -1)
    place = np.arange(said.shape[1])
    last = np.maximum.accumulate(np.where(said >= 0, place, -1), axis=1)
    coming = np.minimum.accumulate(np.where(said >= 0, place, said.shape[1])[:, ::-1], axis=1)[:, ::-1]
    rows = np.arange(len(said))[:, None]
    now = np.where(last >= 0, said[rows, np.maximum(last, 0)], -1)
    after = np.where(coming < said.shape[1], said[rows, np.minimum(coming, said.shape[1] - 1)], now)
    return np.where(now < 0, after, now), (now == after) | (now < 0)


def _sessions(notes: pd.DataFrame, focus: Places, kinds: int, panel: RepWeeks) -> Floats:
    """Sessions by rep, kind and week."""
    day, monday = day_numbers(notes["occurred_on"]), day_numbers(pd.Series(panel.weeks))
    week, rep = place_in(monday, mondays(day)), places(notes["rep_id"], panel.rep_id)
    inside = (week >= 0) & (rep >= 0) & (focus >= 0)
    shape = len(panel.rep_id), kinds, len(panel.weeks)
    cell = ((rep * kinds + focus) * len(panel.weeks) + week)[inside]
    return np.bincount(cell, minlength=shape[0] * shape[1] * shape[2]).astype(np.float64).reshape(shape)


def _window(sessions: Floats) -> Floats:
    """Sessions in the RECENT_WEEKS weeks before each week (of the last axis)."""
    total = np.cumsum(np.pad(sessions, ((0, 0), (0, 0), (1, 0))), axis=2)
    place = np.arange(sessions.shape[2])
    return total[..., place] - total[..., np.maximum(place - RECENT_WEEKS, 0)]


def _skill(book: Book, panel: RepWeeks, rows: pd.DataFrame, ids: NDArray[Any]) -> pd.Series | None:
    """Share of focuses met among the manager's other reps, pulled toward the company by five records."""
    if not book.has("coaching", "focus_met"):
        return None
    notes = book.frame("coaching").dropna(subset=["focus_met"])
    met, reps = notes["focus_met"].to_numpy(dtype=np.float64), len(panel.rep_id) + 1  # the last: a rep not in the panel
    manager, rep = places(notes["manager_id"], ids), places(notes["rep_id"], panel.rep_id) % reps
    cell, known, size = manager * reps + rep, manager >= 0, len(ids) * reps
    own = np.array([np.bincount(cell[known], each, size) for each in (met[known], None)]).reshape(2, len(ids), reps)
    good, number = (own.sum(axis=2)[:, rows["manager"]] - own[:, rows["manager"], rows["rep"]]).astype(np.float64)
    return pd.Series((good + 5 * float(met.mean())) / (number + 5))


def _by_manager(rows: pd.DataFrame, ids: NDArray[Any]) -> pd.DataFrame:
    """Each manager's own slope from one joint fit with a slope per manager; reps are the clusters of its error."""
    recent, manager = rows["recent"].to_numpy(), rows["manager"].to_numpy()
    used = np.flatnonzero(np.bincount(manager, recent, len(ids)) > 0)
    fit = _fit(rows.assign(cluster=rows["rep"]), np.where(manager[:, None] == used, recent[:, None], 0.0))
    reps = rows.groupby("manager")["rep"].nunique().reindex(used).to_numpy()
    # CRV3 leaves one rep out at a time; a manager's slope rests on his own reps alone, so t has reps - 1 degrees.
    error = np.sqrt(np.diag(crv3(fit)))
    wide = t_quantile(0.975, np.maximum(reps - 1, 1)) / special.ndtri(0.975)
    sessions = np.bincount(manager, rows["sessions"], len(ids))[used]
    columns = {"manager_id": pd.array(ids[used], dtype="str"), "estimate": fit.coef, "std_error": error}
    out = pd.DataFrame({**columns, "sessions": sessions})
    return pd.concat([out, pool_means(fit.coef, error * wide).drop(columns="group_mean")], axis=1)


def _naive(rows: pd.DataFrame) -> float:
    """Plain before-after: log of the rate in weeks with a session in the last six over the rate in the others."""
    after = rows["recent"].to_numpy() > 0
    count, worked = rows["count"].to_numpy(), rows["worked"].to_numpy()
    if after.all() or not after.any():
        return float("nan")
    return float(np.log(count[after].sum() / worked[after].sum() / (count[~after].sum() / worked[~after].sum())))
