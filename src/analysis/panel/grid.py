"""The grid every measure of the panel is laid on: reps by weeks, weeks as numbers.

Week 0 is that of Monday 1969-12-29, so that a week's number is one division away from its date, in numpy and in SQL.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from analysis.calendars import monday_of_days

if TYPE_CHECKING:
    import duckdb

MONEY_UNIT, SHARE_UNIT = 10_000, 1_000_000


def week_number(days: np.ndarray) -> np.ndarray:
    """Number of the week of each date (int64)."""
    return (monday_of_days(days).astype(np.int64) + 3) // 7


def monday_of_number(number: int | np.ndarray) -> Any:
    """The Monday (datetime64[D]) of a week number."""
    return np.datetime64("1969-12-29", "D") + np.asarray(number) * 7


def week_sql(day: str) -> str:
    """SQL for the week number of a date expression."""
    return f"(({day} - DATE '1970-01-01') + 3) // 7"


def whole_sum(value: str, unit: int) -> str:
    """SQL for the sum of `value` in whole units, halves up: the same in every order of the rows."""
    return f"sum(CAST(floor(({value}) * {unit} + 0.5) AS HUGEINT))::DOUBLE / {unit}"


def frame(database: "duckdb.DuckDBPyConnection", query: str) -> pd.DataFrame:
    """The answer of a query as a DataFrame."""
    return database.sql(query).to_arrow_table().to_pandas()


class SmallTables(Protocol):
    """Where the small tables come from: a data folder or a warehouse."""

    def has(self, table: str, column: str | None = None) -> bool:
        """Whether the table, or that column of it, is there."""

    def frame(self, table: str) -> pd.DataFrame:
        """The table with contract dtypes."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The grid every measure is laid on: reps (sorted ids) x weeks (numbers first_week, first_week + 1, ...)."""

    reps: tuple[str, ...]
    first_week: int
    weeks: int

    @property
    def mondays(self) -> np.ndarray:
        """The Monday of every week, datetime64[D]."""
        return monday_of_number(np.arange(self.first_week, self.first_week + self.weeks))

    def places(self, rep_ids: pd.Series) -> np.ndarray:
        """The row of each rep; -1 for a rep not on the grid."""
        return pd.Index(self.reps, dtype="str").get_indexer(pd.Index(rep_ids))

    @property
    def shape(self) -> tuple[int, int]:
        """(reps, weeks)."""
        return len(self.reps), self.weeks


def lay(axes: Axes, rows: pd.DataFrame, value: str) -> tuple[np.ndarray, float]:
    """Sums by rep and week laid on the grid (float64, 0 where nothing), and the total that lies outside it."""
    rep = axes.places(rows["rep_id"])
    week = rows["week"].to_numpy(dtype=np.int64) - axes.first_week
    inside = (rep >= 0) & (week >= 0) & (week < axes.weeks)
    grid = np.zeros(axes.shape)
    values = rows[value].to_numpy(dtype="float64", na_value=0.0)
    np.add.at(grid, (rep[inside], week[inside]), values[inside])
    return grid, float(values[~inside].sum())


def lay_stock(axes: Axes, changes: pd.DataFrame) -> np.ndarray:
    """Changes laid on the grid and summed over time: what stands open at the start of each week, in money."""
    early = changes["week"].clip(lower=axes.first_week)
    grid, _ = lay(axes, changes.assign(week=early), "change")
    return np.round(np.cumsum(grid, axis=1), 2) + 0.0
