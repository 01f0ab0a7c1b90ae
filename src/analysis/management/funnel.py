"""The funnel: attempts -> meaningful connects -> opportunities -> asks -> booked -> invoiced -> paid.

Cohorts, not totals: a conversion follows the cases that entered a step, a case still running is neither success nor
failure, and every conversion has an interval. Reps are compared with their team after shrinkage. Beside each stands
what the usual sums would say, and why they mislead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import usual_days
from analysis.management.funnel_cases import STEPS, Step, step_cases, step_ratios
from analysis.management.intervals import Cells, Floats, wilson
from analysis.management.roster import roster, texts
from analysis.management.shrinkage import COLUMNS, pooled
from analysis.management.survival import cell_conversions, cell_curves, cell_medians_of

SAY = words.Voice("management.funnel")
ABOVE, BELOW, LIKE, FEW = "above the team", "below the team", "like the team", "too few peers to compare"
_SCOPES = np.array(["company", "team", "rep"], dtype=object)
_NUMBERS = ("reached", "n", "conversion", "conf_low", "conf_high", "effective_n", "running")


@dataclass(frozen=True, slots=True)
class Funnel:
    """steps: one row per step and scope (see `funnel`); missing: step -> what is not recorded; since: first day."""

    steps: pd.DataFrame
    missing: dict[str, NotRecorded]
    since: pd.Timestamp


def funnel(book: Book, weeks: int = 52) -> Funnel:
    """Conversions of the cases that entered each step in the last `weeks` weeks.

    steps: scope (company, team, rep), team_id, rep_id, step, title, n (cases), reached, running, conversion, conf_low,
    conf_high (95 %), effective_n, horizon_days (the conversion is "within so many days"), median_days (of time to
    the next step, blank where half never get there); naive_open_as_lost (running cases counted as failures),
    naive_ratio (ratio of totals in the same weeks), bias (one sentence); for reps also shrunk, shrunk_low,
    shrunk_high, gap, gap_low, gap_high (against the team), own_share, standing (not for invoicing and paying, which are
    not the rep's doing).
    """
    since = book.as_of - pd.Timedelta(weeks=weeks)
    parts: list[_Cells] = []
    missing = {}
    for step in STEPS:
        cases = step_cases(book, step.key, since)
        if isinstance(cases, NotRecorded):
            missing[step.key] = cases
        elif cases.empty:
            missing[step.key] = NotRecorded((SAY.text("no_case", {"weeks": SAY.count(weeks, "week")}),))
        else:
            parts.append(_scoped(step, cases))
    steps = _table(book, parts, since) if parts else pd.DataFrame(columns=["scope", "step"])
    return Funnel(steps, missing, since)


@dataclass(frozen=True, slots=True)
class _Cells:
    """One step's cases, and its cells: team and rep (places in the roster, -1 = all of them), reps first, the company last.

    cell: of each case, three times over: for its rep, its team and the company (-1 = no team known).
    """

    step: Step
    cases: pd.DataFrame
    cell: Cells
    team: Cells
    rep: Cells


def _scoped(step: Step, cases: pd.DataFrame) -> _Cells:
    team, rep = cases["team"].to_numpy(), cases["rep"].to_numpy()
    known = team >= 0
    reps = int(rep.max(initial=0)) + 2
    pairs, pair = np.unique((team * reps + rep + 1)[known], return_inverse=True)
    teams, of_team = np.unique(team[known], return_inverse=True)
    cell = np.full((3, len(cases)), -1)
    cell[:, known] = pair, len(pairs) + of_team, np.full(known.sum(), len(pairs) + len(teams))
    whole = np.full(len(teams) + 1, -1)
    return _Cells(step, cases, cell.ravel(), np.r_[pairs // reps, teams, -1], np.concatenate([pairs % reps - 1, whole]))


def _table(book: Book, parts: list[_Cells], since: pd.Timestamp) -> pd.DataFrame:
    """All steps in one frame. Their cells are worked out together: a frame a step costs more than the numbers in it."""
    numbers = [_weighted(part) for part in parts if "weight" in part.cases]  # the first step, if it is recorded
    if timed := [part for part in parts if "weight" not in part.cases]:
        numbers.append(_converted(timed))
    size = [len(part.team) for part in parts]
    step = np.repeat(np.arange(len(parts)), size)
    team, rep = np.concatenate([part.team for part in parts]), np.concatenate([part.rep for part in parts])
    rows = {name: np.concatenate([part[name] for part in numbers]) for name in numbers[0]}
    rows["naive_ratio"] = np.concatenate([step_ratios(book, p.step.key, since)[p.team, p.rep] for p in parts])
    compared = np.array([part.step.of_rep for part in parts])[step] & (rep >= 0) & (rows["effective_n"] > 0)
    shown: dict[str, Any] = {**rows, "running": rows["running"].astype(np.int64)}
    shown |= _against_team(rows, step * (len(roster(book).teams) + 1) + team, compared, book.policy.min_group)
    told = zip(rows["conversion"], rows["naive_open_as_lost"], rows["running"], strict=True)
    key = texts(step, np.array([part.step.key for part in parts], dtype=object))
    title = texts(step, np.array([part.step.title for part in parts], dtype=object))
    said = {"step": key, "title": title, "bias": [_bias(*row) for row in told]}
    return pd.DataFrame({**_named(book, team, rep), **shown, **said})


def _named(book: Book, team: Cells, rep: Cells) -> dict[str, pd.Series]:
    """scope, team_id and rep_id of each cell."""
    people = roster(book)
    scope = np.select([rep >= 0, team >= 0], [2, 1], 0)
    names = texts(team, people.teams).fillna(COMPANY), texts(rep, people.reps).fillna("")
    return {"scope": texts(scope, _SCOPES), "team_id": names[0], "rep_id": names[1]}


def _converted(parts: list[_Cells]) -> dict[str, Floats]:
    """Conversions of the steps that take time, each within its own horizon."""
    first = np.cumsum([0, *(len(part.team) for part in parts)])
    cell = np.concatenate([np.where(p.cell >= 0, p.cell + at, -1) for p, at in zip(parts, first, strict=False)])
    days, end = (np.concatenate([np.tile(p.cases[name].to_numpy(), 3) for p in parts]) for name in ("days", "end"))
    within = [usual_days(p.cases) if p.step.horizon_days is None else p.step.horizon_days for p in parts]
    horizon = np.repeat(within, np.diff(first))
    curve = cell_curves(cell, days, end)
    found = cell_conversions(cell, days, end, horizon, curve)
    out = {name: found[name].to_numpy(dtype=float) for name in _NUMBERS}
    half = cell_medians_of(curve)["median_days"].to_numpy()
    whole = np.concatenate([p.rep for p in parts]) < 0
    out |= {"horizon_days": horizon, "median_days": np.where(whole, half, np.nan)}
    return out | {"naive_open_as_lost": out["reached"] / out["n"]}


def _weighted(part: _Cells) -> dict[str, Floats]:
    """Steps decided at once (attempt -> connect), given as rep-week counts: `reached` of `weight`.

    The interval is Wilson's on the number of attempts divided by the spread between weeks (design effect >= 1).
    """
    cell = part.cell
    reached, weight = (np.tile(part.cases[name].to_numpy(dtype=float), 3) for name in ("reached", "weight"))
    weeks = np.bincount(cell)
    total, n = np.bincount(cell, reached), np.bincount(cell, weight)
    share = total / n
    pooled_share = share[cell]
    expected = np.maximum(weight * pooled_share * (1 - pooled_share), 1e-9)
    between = (pooled_share > 0) & (pooled_share < 1)
    chi = np.where(between, (reached - weight * pooled_share) ** 2 / expected, 1.0)
    effective = n / np.maximum(np.bincount(cell, chi) / np.maximum(weeks - 1, 1), 1.0)
    low, high = wilson(share * effective, effective)
    numbers = (total, n, share, low, high, effective, np.zeros(len(n)))
    out: dict[str, Floats] = {name: np.asarray(each, float) for name, each in zip(_NUMBERS, numbers, strict=True)}
    return out | {
        "horizon_days": out["running"],
        "median_days": out["running"],
        "naive_open_as_lost": out["conversion"],
    }


def _against_team(rows: dict[str, Floats], group: Cells, compared: NDArray[np.bool_], min_group: int) -> dict[str, Any]:
    """The shrunk conversions of the reps to compare, and their standing within their group (a step and a team); groups of
    fewer than `min_group` reps are not compared."""
    if not compared.any():
        return {}
    effective, mine = rows["effective_n"][compared], group[compared]
    values = np.full((len(compared), len(COLUMNS)), np.nan)
    values[compared] = pooled(rows["conversion"][compared] * effective, effective, mine)
    small = np.flatnonzero(compared)[np.bincount(mine)[mine] < min_group]
    values[small[:, None], [COLUMNS.index(name) for name in ("gap", "gap_low", "gap_high")]] = np.nan
    both = {name: values[:, place] for place, name in enumerate(COLUMNS) if name != "group_mean"}
    above, below, few = both["gap_low"] > 0, both["gap_high"] < 0, np.isnan(both["gap"])
    standing = np.select([~compared, above, below, few], [-1, 0, 1, 2], 3)
    return {**both, "standing": texts(standing, np.array([ABOVE, BELOW, FEW, LIKE], dtype=object))}


def _bias(honest: float, naive: float, running: float) -> str:
    if np.isnan(honest) or not running:
        return SAY.text("none_running")
    values = {"naive": SAY.share(naive, decimals=0), "points": SAY.number(100 * abs(honest - naive), decimals=0)}
    return SAY.plural("too_low" if honest >= naive else "too_high", int(running), values)
