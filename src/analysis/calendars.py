"""Weeks, months, fiscal periods and business hours: one meaning of each, the same on every machine.

A week is the Monday it starts on. Dates are the rep's own calendar days and carry no zone; instants are UTC.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from analysis.errors import ConfigError, DataError

WORKING_DAYS = 5  # Monday to Friday; holidays come from the data
_EPOCH_OFFSET = 3  # 1970-01-01, day 0 of numpy dates, was a Thursday
Moment = TypeVar("Moment", pd.Timestamp, pd.Series)


def monday_of(dates: pd.Series) -> pd.Series:
    """The Monday of each date's week: datetime64[us], NaT where the date is missing. Dates carry no zone."""
    if isinstance(dates.dtype, pd.DatetimeTZDtype):
        raise DataError("a week needs local dates, not UTC instants: convert with calendars.local_date first")
    values = dates.to_numpy(dtype="datetime64[D]")
    return pd.Series(monday_of_days(values).astype("datetime64[us]"), index=dates.index, name=dates.name)


def monday_of_days(days: np.ndarray) -> np.ndarray:
    """The same for an array of datetime64[D]; NaT stays NaT."""
    number = days.astype("datetime64[D]").astype(np.int64)
    monday = number - (number + _EPOCH_OFFSET) % 7
    return np.where(np.isnat(days), np.datetime64("NaT", "D"), monday.astype("datetime64[D]"))


def monday(day: date) -> date:
    """The Monday of one day's week."""
    return day - timedelta(days=day.weekday())


def mondays(first: date, last: date) -> pd.DatetimeIndex:
    """Every Monday from the week of `first` to the week of `last`, both included; datetime64[us]."""
    return pd.date_range(monday(first), monday(last), freq="7D", unit="us", name="week")


def iso_week(day: date) -> str:
    """ISO 8601 name of the week, such as 2026-W53. The year is the one the Thursday lies in."""
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02d}"


def first_of_month(dates: pd.Series) -> pd.Series:
    """The first day of each date's month: datetime64[us]."""
    values = dates.to_numpy(dtype="datetime64[D]").astype("datetime64[M]").astype("datetime64[us]")
    return pd.Series(values, index=dates.index, name=dates.name)


def period_end(start: Moment, period: str) -> Moment:
    """The last day of the week or month that starts on a day, or of each that starts on a Series of them."""
    return start + (pd.Timedelta(days=6) if period == "week" else pd.offsets.MonthEnd(1))


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name. Raises ConfigError for a name the time-zone database does not know."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"{name!r} is not a time zone; use an IANA name such as Europe/Berlin") from error


def local_date(instants: pd.Series, timezone: str) -> pd.Series:
    """The calendar day on which each UTC instant fell in `timezone`: datetime64[us], no zone."""
    local = pd.to_datetime(instants, utc=True).dt.tz_convert(zone(timezone))
    return local.dt.tz_localize(None).dt.normalize().astype("datetime64[us]")


@dataclass(frozen=True, slots=True)
class FiscalCalendar:
    """A company's fiscal periods.

    pattern: `months` (calendar months, the year starting in `first_month`) or weeks a period within a quarter:
    `4-4-5`, `4-5-4`, `5-4-4`. A week-based year starts on the Monday nearest to the first of `first_month`, so it
    has 52 or 53 weeks; the 53rd belongs to the last period. A fiscal year carries the number of the calendar year
    it ends in.
    """

    pattern: Literal["months", "4-4-5", "4-5-4", "5-4-4"] = "months"
    first_month: int = 1

    def __post_init__(self) -> None:
        if self.pattern not in ("months", "4-4-5", "4-5-4", "5-4-4"):
            raise ConfigError(f"fiscal pattern {self.pattern!r} is unknown; use months, 4-4-5, 4-5-4 or 5-4-4")
        if not 1 <= self.first_month <= 12:
            raise ConfigError(f"fiscal first_month is {self.first_month}; it must be 1 to 12")

    def year_start(self, calendar_year: int) -> date:
        """First day of the fiscal year that begins in (or within three days of) that calendar year's first_month."""
        first = date(calendar_year, self.first_month, 1)
        if self.pattern == "months":
            return first
        back = first.weekday()
        return first - timedelta(days=back) if back <= 3 else first + timedelta(days=7 - back)

    def period_starts(self, calendar_year: int) -> list[date]:
        """First days of the twelve periods of the fiscal year that begins in `calendar_year`."""
        start = self.year_start(calendar_year)
        if self.pattern == "months":
            months = [self.first_month - 1 + k for k in range(12)]
            return [date(calendar_year + month // 12, month % 12 + 1, 1) for month in months]
        weeks = [int(part) for part in self.pattern.split("-")] * 4
        return [start + timedelta(weeks=sum(weeks[:k])) for k in range(12)]

    def period_of(self, dates: pd.Series) -> pd.DataFrame:
        """Fiscal year, quarter (1-4), period (1-12) and the period's first day, one row a date (none missing)."""
        days = dates.to_numpy(dtype="datetime64[D]")
        if np.isnat(days).any():
            raise DataError("a fiscal period needs a date in every row")
        years = days.astype("datetime64[Y]").astype(int) + 1970
        span = range(int(years.min()) - 1, int(years.max()) + 2) if len(years) else range(0)
        starts = np.array([start for year in span for start in self.period_starts(year)], dtype="datetime64[D]")
        position = np.searchsorted(starts, days, side="right") - 1
        ends_next_year = 0 if self.first_month == 1 else 1
        fiscal_year = (span.start if len(span) else 0) + position // 12 + ends_next_year
        period = position % 12 + 1
        frame = {"year": fiscal_year, "quarter": (period - 1) // 3 + 1, "period": period}
        return pd.DataFrame({**frame, "start": starts[position].astype("datetime64[us]")}, index=dates.index)


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """Opening hours of one place: local wall-clock times on working days, so that they shift with daylight saving."""

    timezone: str = "UTC"
    opens: time = time(9)
    closes: time = time(17)
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
    holidays: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        zone(self.timezone)
        if self.opens >= self.closes:
            raise ConfigError(f"business hours open at {self.opens} and close at {self.closes}: closing must be later")

    def hours_between(self, start: pd.Series, end: pd.Series) -> pd.Series:
        """Open hours from `start` to `end` (UTC instants): float64, NaN where either is missing, < 0 when reversed."""
        if start.notna().sum() == 0 or end.notna().sum() == 0:
            return pd.Series(np.nan, index=start.index, dtype="float64")
        opening, closing, before = self._shifts(min(start.min(), end.min()), max(start.max(), end.max()))
        hours = _open_seconds(end, opening, closing, before) - _open_seconds(start, opening, closing, before)
        return pd.Series(hours / 3600.0, index=start.index)

    def _shifts(self, first: pd.Timestamp, last: pd.Timestamp) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Opening and closing seconds (UTC) of every working day in reach, and the open seconds before each."""
        here = zone(self.timezone)
        day, end = first.date() - timedelta(days=2), last.date() + timedelta(days=2)
        spans = []
        while day <= end:
            if day.weekday() in self.weekdays and day not in self.holidays:
                ends = (datetime.combine(day, moment, here) for moment in (self.opens, self.closes))
                spans.append([moment.timestamp() for moment in ends])
            day += timedelta(days=1)
        opening, closing = np.array(spans, dtype="float64").reshape(-1, 2).T
        return opening, closing, np.concatenate(([0.0], np.cumsum(closing - opening)))


def _open_seconds(instants: pd.Series, opening: np.ndarray, closing: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Open seconds from the start of the calendar to each instant (UTC); NaN where it is missing."""
    micro = pd.to_datetime(instants, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    moment = np.where(np.isnat(micro), np.nan, micro.astype(np.int64) / 1e6)
    position = np.searchsorted(opening, moment, side="right")
    current = np.maximum(position - 1, 0)
    if len(opening) == 0:
        return np.where(np.isnan(moment), np.nan, 0.0)
    within = np.clip(moment - opening[current], 0.0, closing[current] - opening[current])
    seconds = np.where(position > 0, before[current] + within, 0.0)
    return np.where(np.isnan(moment), np.nan, seconds)
