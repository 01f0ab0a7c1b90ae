"""The funnel: attempts -> meaningful connects -> opportunities -> asks -> booked -> invoiced -> paid.

Cohorts, not totals: a conversion follows the cases that entered a step, a case still running is neither success nor
failure, and every conversion has an interval. Reps are compared with their team after shrinkage. Beside each stands
what the usual sums would say, and why they mislead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.management.book import COMPANY, Book, NotRecorded
from analysis.management.deals import usual_days
from analysis.management.funnel_cases import STEPS, step_cases, step_totals
from analysis.management.intervals import wilson
from analysis.management.shrinkage import pool_shares
from analysis.management.survival import conversion, median_days

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
            missing[step.key] = NotRecorded((f"no case in the last {weeks} weeks",))
        else:
            rows = _weighted(cases) if "weight" in cases else _converted(cases, step.horizon_days)
            ratio = step_totals(book, step.key, since)
            rows = rows.merge(ratio, on=["scope", "team_id", "rep_id"], how="left")
            rows = _against_team(rows, book.policy.min_group) if step.of_rep else rows
            parts.append(rows.assign(step=step.key, title=step.title))
    steps = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["scope", "step"])
    if len(steps):
        steps["bias"] = [_bias(*row) for row in steps[["conversion", "naive_open_as_lost", "running"]].to_numpy()]
    return Funnel(steps, missing, since)


_KEYS = ["scope", "team_id", "rep_id"]


def scoped(cases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every case three times, for its rep, its team and the company, as number `cell`; and what each cell is.

    Numbers instead of names: grouping a hundred thousand rows by three texts costs more than all the statistics.
    """
    cases = cases.loc[cases["team_id"].notna()]
    team, teams = pd.factorize(cases["team_id"], sort=True)
    rep, reps = pd.factorize(cases["rep_id"], sort=True)
    pair, pairs = pd.factorize(team * len(reps) + rep, sort=True)
    cell = np.concatenate([pair, len(pairs) + team, np.full(len(cases), len(pairs) + len(teams))])
    names = pd.DataFrame(
        {
            "scope": np.repeat(["rep", "team", "company"], [len(pairs), len(teams), 1]),
            "team_id": [*teams[pairs // len(reps)], *teams, COMPANY],
            "rep_id": [*reps[pairs % len(reps)], *[""] * (len(teams) + 1)],
        }
    )
    values = cases.drop(columns=["team_id", "rep_id"])
    return pd.concat([values, values, values], ignore_index=True).assign(cell=cell), names.rename_axis(
        "cell"
    ).reset_index()


def _converted(cases: pd.DataFrame, horizon_days: float | None) -> pd.DataFrame:
    horizon = usual_days(cases) if horizon_days is None else horizon_days
    frame, names = scoped(cases)
    out = conversion(frame, ["cell"], horizon).assign(horizon_days=horizon)
    big = names.loc[names["scope"] != "rep", "cell"].min()
    half = median_days(frame.loc[frame["cell"] >= big], ["cell"])[["cell", "median_days"]]
    out = names.merge(out, on="cell").merge(half, on="cell", how="left")
    out["naive_open_as_lost"] = out["reached"] / out["n"]
    return out.drop(columns=["other", "followed_days", "cell"])


def _weighted(cases: pd.DataFrame) -> pd.DataFrame:
    """Steps decided at once (attempt -> connect), given as rep-week counts: `reached` of `weight`.

    The interval is Wilson's on the number of attempts divided by the spread between weeks (design effect >= 1).
    """
    frame, names = scoped(cases)
    cell = frame["cell"].to_numpy()
    reached, weight = frame["reached"].to_numpy(dtype=float), frame["weight"].to_numpy(dtype=float)
    out = names.assign(reached=np.bincount(cell, reached), n=np.bincount(cell, weight), weeks=np.bincount(cell))
    share = out["reached"] / out["n"]
    pooled = share.to_numpy()[cell]
    expected = np.maximum(weight * pooled * (1 - pooled), 1e-9)
    chi = np.where((pooled > 0) & (pooled < 1), (reached - weight * pooled) ** 2 / expected, 1.0)
    design = np.maximum(np.bincount(cell, chi) / np.maximum(out["weeks"] - 1, 1), 1.0)
    effective: pd.Series = out["n"] / design
    low, high = wilson(share * effective, effective)
    out = out.assign(conversion=share, conf_low=low, conf_high=high, effective_n=effective, running=0)
    out = out.assign(horizon_days=0.0, median_days=0.0, naive_open_as_lost=share)
    return out.drop(columns=["cell", "weeks"])


def _against_team(rows: pd.DataFrame, min_group: int) -> pd.DataFrame:
    """Adds the shrunk rep conversions and their standing; teams of fewer than `min_group` reps are not compared."""
    reps = rows.loc[(rows["scope"] == "rep") & (rows["effective_n"] > 0)]
    pooled = []
    for _, team in reps.groupby("team_id", observed=True, sort=True):
        found = pool_shares(team["conversion"] * team["effective_n"], team["effective_n"]).set_axis(team.index)
        if len(team) < min_group:
            found[["gap", "gap_low", "gap_high"]] = np.nan
        standing = np.select(
            [found["gap_low"] > 0, found["gap_high"] < 0, found["gap"].isna()], [ABOVE, BELOW, FEW], LIKE
        )
        pooled.append(found.assign(standing=standing))
    return rows.join(pd.concat(pooled).drop(columns="group_mean")) if pooled else rows


def _bias(honest: float, naive: float, running: float) -> str:
    if np.isnan(honest) or not running:
        return "no case is still running: counting gives the same"
    points = 100 * (honest - naive)
    return (
        f"counting the {int(running)} running cases as failures says {100 * naive:.0f} %, "
        f"{abs(points):.0f} points too {'low' if points >= 0 else 'high'}"
    )
