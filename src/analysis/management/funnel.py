"""The funnel: attempts -> meaningful connects -> opportunities -> asks -> booked -> invoiced -> paid.

Cohorts, not totals: a conversion follows the cases that entered a step, a case still running is neither success nor
failure, and every conversion has an interval. Reps are compared with their team after shrinkage. Beside each stands
what the usual sums would say, and why they mislead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis import words
from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import usual_days
from analysis.management.funnel_cases import STEPS, step_cases, step_ratios
from analysis.management.intervals import Cells, wilson
from analysis.management.roster import roster, texts
from analysis.management.shrinkage import COLUMNS, pooled
from analysis.management.survival import cell_conversions, cell_curves, cell_medians_of

SAY = words.Voice("management.funnel")
ABOVE, BELOW, LIKE, FEW = "above the team", "below the team", "like the team", "too few peers to compare"


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
    parts, missing = [], {}
    for step in STEPS:
        cases = step_cases(book, step.key, since)
        if isinstance(cases, NotRecorded):
            missing[step.key] = cases
        elif cases.empty:
            missing[step.key] = NotRecorded((SAY.text("no_case", {"weeks": SAY.count(weeks, "week")}),))
        else:
            cell, who = scoped(cases)
            rows = _weighted(cases, cell) if "weight" in cases else _converted(cases, cell, who, step.horizon_days)
            rows["naive_ratio"] = step_ratios(book, step.key, since)[who["team"], who["rep"]]
            rows = _against_team(rows, who, book.policy.min_group) if step.of_rep else rows
            parts.append(_named(book, who).join(rows).assign(step=step.key, title=step.title))
    steps = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["scope", "step"])
    if len(steps):
        steps["bias"] = [_bias(*row) for row in steps[["conversion", "naive_open_as_lost", "running"]].to_numpy()]
    return Funnel(steps, missing, since)


def scoped(cases: pd.DataFrame) -> tuple[Cells, pd.DataFrame]:
    """Number of the cell of each case, three times over: for its rep, its team and the company (-1 = no team known);
    and what each cell is: team and rep (places in the roster, -1 = all of them), reps first, the company last."""
    team, rep = cases["team"].to_numpy(), cases["rep"].to_numpy()
    known = team >= 0
    reps = int(rep.max(initial=0)) + 2
    pairs, pair = np.unique((team * reps + rep + 1)[known], return_inverse=True)
    teams, of_team = np.unique(team[known], return_inverse=True)
    cell = np.full((3, len(cases)), -1)
    cell[:, known] = pair, len(pairs) + of_team, np.full(known.sum(), len(pairs) + len(teams))
    who = {"team": [*pairs // reps, *teams, -1], "rep": [*pairs % reps - 1, *np.full(len(teams) + 1, -1)]}
    return cell.ravel(), pd.DataFrame(who)


def _named(book: Book, who: pd.DataFrame) -> pd.DataFrame:
    """scope, team_id and rep_id of each cell."""
    people, team, rep = roster(book), who["team"].to_numpy(), who["rep"].to_numpy()
    scope = np.select([rep >= 0, team >= 0], ["rep", "team"], "company")
    names = texts(team, people.teams).fillna(COMPANY), texts(rep, people.reps).fillna("")
    return pd.DataFrame({"scope": scope, "team_id": names[0], "rep_id": names[1]})


def _converted(cases: pd.DataFrame, cell: Cells, who: pd.DataFrame, horizon_days: float | None) -> pd.DataFrame:
    horizon = usual_days(cases) if horizon_days is None else horizon_days
    days, end = (np.tile(cases[name].to_numpy(), 3) for name in ("days", "end"))
    curve = cell_curves(cell, days, end)
    out = cell_conversions(cell, days, end, horizon, curve).set_index("cell").assign(horizon_days=horizon)
    half = cell_medians_of(curve).set_index("cell")["median_days"]
    out["median_days"] = half.where(who["rep"] < 0)
    out["naive_open_as_lost"] = out["reached"] / out["n"]
    return out.drop(columns=["other", "followed_days"])


def _weighted(cases: pd.DataFrame, cell: Cells) -> pd.DataFrame:
    """Steps decided at once (attempt -> connect), given as rep-week counts: `reached` of `weight`.

    The interval is Wilson's on the number of attempts divided by the spread between weeks (design effect >= 1).
    """
    reached, weight = (np.tile(cases[name].to_numpy(dtype=float), 3) for name in ("reached", "weight"))
    weeks = np.bincount(cell)
    total, n = np.bincount(cell, reached), np.bincount(cell, weight)
    share = total / n
    pooled = share[cell]
    expected = np.maximum(weight * pooled * (1 - pooled), 1e-9)
    chi = np.where((pooled > 0) & (pooled < 1), (reached - weight * pooled) ** 2 / expected, 1.0)
    design = np.maximum(np.bincount(cell, chi) / np.maximum(weeks - 1, 1), 1.0)
    effective = n / design
    low, high = wilson(share * effective, effective)
    out = pd.DataFrame({"reached": total, "n": n, "conversion": share, "conf_low": low, "conf_high": high})
    out = out.assign(effective_n=effective, running=0, horizon_days=0.0, median_days=0.0)
    return out.assign(naive_open_as_lost=share)


def _against_team(rows: pd.DataFrame, who: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Adds the shrunk rep conversions and their standing; teams of fewer than `min_group` reps are not compared."""
    effective = rows["effective_n"].to_numpy()
    wins, team = rows["conversion"].to_numpy() * effective, who["team"].to_numpy()
    compared = (who["rep"].to_numpy() >= 0) & (effective > 0)
    if not compared.any():
        return rows
    values = np.full((len(rows), len(COLUMNS)), np.nan)
    gaps = [COLUMNS.index(name) for name in ("gap", "gap_low", "gap_high")]
    values[compared] = pooled(wins[compared], effective[compared], team[compared])
    small = compared & (np.bincount(team[compared])[team * compared] < min_group)
    values[np.flatnonzero(small)[:, None], gaps] = np.nan
    both = pd.DataFrame(values, columns=COLUMNS).loc[compared].drop(columns="group_mean")
    low, high, gap = (both[name].to_numpy() for name in ("gap_low", "gap_high", "gap"))
    return rows.join(both.assign(standing=np.select([low > 0, high < 0, np.isnan(gap)], [ABOVE, BELOW, FEW], LIKE)))


def _bias(honest: float, naive: float, running: float) -> str:
    if np.isnan(honest) or not running:
        return SAY.text("none_running")
    values = {"naive": SAY.share(naive, decimals=0), "points": SAY.number(100 * abs(honest - naive), decimals=0)}
    return SAY.plural("too_low" if honest >= naive else "too_high", int(running), values)
