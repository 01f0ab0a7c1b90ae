"""Small books for the management tests: built by hand or drawn, with every truth stated by the caller."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.management.book import Book, Policy, Rules

START = pd.Timestamp("2025-01-06")  # a Monday


def day(number: float) -> pd.Timestamp:
    """The day so many days after START."""
    return START + pd.Timedelta(days=int(number))


def days(numbers: object) -> pd.Series:
    """Dates so many days after START; NaN gives NaT."""
    offsets = pd.to_timedelta(pd.Series(numbers, dtype="float64"), unit="D")
    return (START + offsets).astype("datetime64[us]")


def reps_table(teams: int, reps_per_team: int) -> pd.DataFrame:
    """reps r0, r1, ... in teams t0, t1, ..."""
    number = np.arange(teams * reps_per_team)
    return pd.DataFrame(
        {"rep_id": [f"r{n}" for n in number], "team_id": [f"t{n // reps_per_team}" for n in number]}
    ).astype("str")


def activities_table(rep: object, kind: object, on: object, **columns: object) -> pd.DataFrame:
    """One row an activity; `on` in days after START."""
    frame = pd.DataFrame({"rep_id": list(rep), "kind": list(kind)}).astype("str")
    frame["occurred_on"] = days(on)
    frame.insert(0, "activity_id", [f"a{n}" for n in range(len(frame))])
    return frame.assign(**columns)


def deals_table(rep: object, created: object, closed: object, won: object, amount: object, as_of: int) -> pd.DataFrame:
    """One row a deal; closed in days after START, later than as_of = open; won only matters where it closed."""
    frame = pd.DataFrame({"rep_id": list(rep)}).astype("str")
    closed, won = np.asarray(closed, dtype=float), np.asarray(won, dtype=bool)
    is_open = closed > as_of
    frame.insert(0, "opportunity_id", [f"o{n}" for n in range(len(frame))])
    frame["created_on"] = days(created)
    frame["closed_on"] = days(np.where(is_open, np.nan, closed))
    frame["status"] = np.select([is_open, won], ["open", "won"], "lost")
    frame["stage"] = "x"
    frame["amount"] = np.where((frame["status"] == "won"), np.asarray(amount, dtype=float), np.nan)
    return frame


def book(tables: dict[str, pd.DataFrame], as_of: int, **fields: object) -> Book:
    """A Book as of so many days after START."""
    return Book(tables, day(as_of), "EUR", policy=Policy(), rules=Rules(), **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Company:
    """What `company` drew, with the later truth of deals still open."""

    book: Book
    won_eventually: np.ndarray
    rep: np.ndarray


def counts_company(
    teams: int,
    reps_per_team: int,
    weeks: int,
    rates: dict[str, np.ndarray],
    seed: int,
    *,
    memory: float = 0.6,
    spread: float = 0.4,
) -> pd.DataFrame:
    """Activities whose weekly log rate wanders (AR) around the rate of each rep and kind."""
    rng = np.random.default_rng(seed)
    parts = []
    number = teams * reps_per_team
    for kind, level in rates.items():
        noise = rng.standard_normal((weeks + 20, number))
        for week in range(1, weeks + 20):
            noise[week] = memory * noise[week - 1] + np.sqrt(1 - memory**2) * noise[week]
        counts = rng.poisson(np.asarray(level) * np.exp(spread * noise[20:] - spread**2 / 2))
        week, rep = np.nonzero(counts)
        week, rep = (np.repeat(side, counts[week, rep]) for side in (week, rep))
        parts.append((rep, np.repeat(kind, len(rep)), week * 7 + rng.integers(0, 5, len(rep))))
    rep, kind, on = (np.concatenate([part[place] for part in parts]) for place in range(3))
    return activities_table([f"r{n}" for n in rep], kind, on)


def drawn_deals(
    reps: int,
    number: int,
    weeks: int,
    win_share: float | np.ndarray,
    seed: int,
    *,
    won_days: float = 45.0,
    lost_days: float = 70.0,
    size_sd: float = 0.7,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Deals created evenly over the weeks, losses slower than wins; and whether each is won in the end."""
    rng = np.random.default_rng(seed)
    rep = rng.integers(0, reps, number)
    created = rng.integers(0, 7 * weeks, number)
    chance = np.broadcast_to(np.asarray(win_share, dtype=float), reps)[rep]
    won = rng.random(number) < chance
    median = np.where(won, won_days, lost_days)
    closed = created + np.ceil(median * np.exp(0.5 * rng.standard_normal(number)))
    amount = np.exp(9 + size_sd * rng.standard_normal(number))
    return deals_table([f"r{n}" for n in rep], created, closed, won, amount, 7 * weeks - 1), won
