"""The periods a manager reads in: the last so many days, weeks, fiscal months or fiscal quarters up to a day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd

from analysis.calendars import FiscalCalendar, monday
from analysis.errors import ParameterError

FREQUENCIES = ("day", "week", "month", "quarter")
DAY = pd.Timedelta(days=1)


def periods(
    freq: str, as_of: pd.Timestamp, last: int, *, fiscal: FiscalCalendar, opening: pd.Timestamp | None = None
) -> pd.DataFrame:
    """The last `last` periods up to the one `as_of` lies in: period, period_start, period_end (inclusive), complete.

    Periods that start before `opening` (the first recorded day) are left out: half a period is no period.
    """
    if freq not in FREQUENCIES:
        raise ParameterError(f"period {freq!r} is unknown; use one of {', '.join(FREQUENCIES)}")
    starts = _starts(freq, as_of, last, fiscal)
    frame = pd.DataFrame({"period_start": starts[:-1], "period_end": starts[1:] - DAY})
    if opening is not None:
        frame = frame.loc[frame["period_start"] >= opening].reset_index(drop=True)
    frame.insert(0, "period", np.arange(len(frame)))
    return frame.assign(complete=frame["period_end"] <= as_of)


def _starts(freq: str, as_of: pd.Timestamp, last: int, fiscal: FiscalCalendar) -> pd.DatetimeIndex:
    """First days of the periods and of the one after them."""
    if freq in ("day", "week"):
        step = 1 if freq == "day" else 7
        here = as_of.date() if freq == "day" else monday(as_of.date())
        return pd.DatetimeIndex([here + timedelta(days=step * k) for k in range(1 - last, 2)]).as_unit("us")
    years = range(as_of.year - 2 - last // 4, as_of.year + 2)
    size = 1 if freq == "month" else 3
    days = sorted({day for year in years for day in fiscal.period_starts(year)[::size]})
    found = int(np.searchsorted(np.array(days, dtype="datetime64[D]"), np.datetime64(as_of.date()), side="right"))
    return pd.DatetimeIndex(days[max(found - last, 0) : found + 1]).as_unit("us")


def period_of(days: pd.Series, table: pd.DataFrame) -> np.ndarray:
    """Position in the table of periods for each day; -1 outside."""
    values = days.to_numpy(dtype="datetime64[us]")
    starts = table["period_start"].to_numpy(dtype="datetime64[us]")
    if not len(starts):
        return np.full(len(values), -1)
    place = np.searchsorted(starts, values, side="right") - 1
    end = table["period_end"].iloc[-1].to_datetime64() + np.timedelta64(1, "D")
    return np.where(np.isnat(values) | (values >= end), -1, place)
