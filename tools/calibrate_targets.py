"""The calibration against what it set out to reach: one line a target, with its Monte Carlo error and a verdict.

A target counts as missed when the rate lies on its wrong side; where the distance is less than two standard errors, the
draws cannot tell, and the page says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

HONEST = ("null", "demo", "small", "logging_break", "turnover", "saturation", "heterogeneous")
CONFOUNDED = ("reverse", "territory", "logging_break")
SMALL_EFFECT = 0.02  # of wins per extra one: below it the planted effects are the 0.6 % ones
HALF_A_WEEK = 0.5


@dataclass(frozen=True, slots=True)
class Target:
    """A share that should be at least `low` and at most `high`; hits: one value a draw, claim or activity."""

    what: str
    hits: pd.Series
    low: float = 0.0
    high: float = 1.0

    def line(self) -> str:
        """One row of the table."""
        n = len(self.hits)
        if n == 0:
            return f"| {self.what} | {self.aim} | no draws | - |"
        p = float(self.hits.mean())
        error = np.sqrt(max(p * (1 - p), 1 / n / 4) / n)
        return f"| {self.what} | {self.aim} | {p:.1%} ± {error:.1%} ({int(self.hits.sum())}/{n}) | {self.verdict(p, error)} |"

    @property
    def aim(self) -> str:
        """The target in words."""
        if self.low and self.high < 1:
            return f"{self.low:.0%} to {self.high:.0%}"
        return f"at least {self.low:.0%}" if self.low else f"at most {self.high:.0%}"

    def verdict(self, p: float, error: float) -> str:
        """Whether the rate is where it should be."""
        if self.low <= p <= self.high:
            return "met"
        away = max(self.low - p, p - self.high)
        return f"missed by {100 * away:.1f} points" + (", within the Monte Carlo error" if away < 2 * error else "")


def claims(rows: pd.DataFrame, letters: str) -> pd.Series:
    """By draw: whether any activity that does not matter got one of these grades."""
    wrong = rows[~rows["role"].eq("matters")]
    return wrong.groupby(["name", "seed"])["grade"].agg(lambda grades: grades.isin(list(letters)).any())


def targets(rows: pd.DataFrame) -> Iterator[Target]:
    """All targets, from the rows of whole companies."""
    answered = rows[~rows["refused"]]
    honest = answered[answered["name"].isin(HONEST) & answered["turning_point"].isna()]
    plain = honest[honest["role"].isin(["matters", "none", "correlates"])]
    true = honest[honest["role"].eq("matters")]
    small = true["planted"].abs() < SMALL_EFFECT
    confounded = rows[rows["name"].isin(CONFOUNDED)]
    yield Target("null companies with a false A or B", claims(rows[rows["name"] == "null"], "AB"), high=0.05)
    yield Target("reverse, territory, logging break: companies with a false A", claims(confounded, "A"), high=0.02)
    yield Target("the same: with a false A or B", claims(confounded, "AB"), high=0.05)
    yield Target("95 % intervals that cover (worlds without confounding)", plain["covered"], 0.93, 0.97)
    yield Target("currency intervals that cover", plain["money_covered"], 0.93, 0.97)
    strong = true[~small]
    for name, part in strong.groupby("name", sort=False):
        yield Target(f"{name}: effects of 6 to 10 % graded A or B", part["grade"].isin(["A", "B"]), low=0.85)
    claimed = strong[strong["grade"].isin(["A", "B"])]
    on_time = claimed["lag_error"].abs() <= HALF_A_WEEK
    yield Target("mean delay of such a claim within half a week of the truth", on_time, low=0.85)
    both = strong["grade"].isin(["A", "B"]) & (strong["lag_error"].abs() <= HALF_A_WEEK)
    yield Target("both at once: graded A or B, and the delay within half a week", both, low=0.85)
    yield Target("effects of 0.6 % graded A or B", true.loc[small, "grade"].isin(["A", "B"]), low=0.40)
    yield Target("true effects found, then lost to the checks", true.loc[true["raw"], "vetoed"].astype(bool), high=0.05)
    bent = rows[rows["turning_point"].notna()]
    yield Target("saturating effects found, with a turning point", bent["saturates"].astype(bool), low=0.80)
    thin = rows[rows["name"] == "thin"]
    yield Target("thin companies' activities graded D or X", thin["grade"].isin(["D", "X"]), low=1.0)


def table(rows: pd.DataFrame) -> list[str]:
    """The section as lines of Markdown."""
    delays = rows[rows["role"].eq("matters") & rows["grade"].isin(["A", "B"]) & rows["turning_point"].isna()]
    bias = delays["lag_error"].mean()
    return [
        "## Against the targets",
        "",
        "Whole companies of 24 teams x 8 reps x 104 weeks (thin: 12 teams).",
        "",
        "| what | aim | measured | |",
        "|---|---|---|---|",
        *(target.line() for target in targets(rows)),
        "",
        f"The mean delay of all true claims is off by {bias:+.2f} weeks on average ({len(delays)} claims). In the reverse and",
        "territory worlds intervals do not cover zero, as they must: those links are there but are not effects, and the checks",
        "take the claims away.",
        "",
    ]
