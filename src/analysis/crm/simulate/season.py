"""The company's calendar: weeks from warm-up to the time after the last export, quarter ends and public holidays."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

WARM_UP_WEEKS = 16
AFTER_WEEKS = 30
LAST_WEEK = date(2026, 11, 9)
"""Monday of the last complete week before 16 November 2026: a fixed day, never the clock."""

REGIONS = ("Germany", "United Kingdom", "United States", "France", "Japan", "Brazil")
_EVERYWHERE = ((1, 1), (12, 25), (12, 26))
_OWN_DAYS = {
    "Germany": ((5, 1), (10, 3)),
    "United Kingdom": ((5, 4), (8, 31)),
    "United States": ((7, 4), (11, 26)),
    "France": ((5, 1), (7, 14)),
    "Japan": ((5, 4), (5, 5)),
    "Brazil": ((4, 21), (9, 7)),
}


@dataclass(frozen=True, slots=True)
class Axis:
    """Weeks of the process. Index 0 is the first warm-up week; the company's data are `first` to `stop` (exclusive)."""

    mondays: tuple[date, ...]
    first: int
    stop: int

    @property
    def origin(self) -> date:
        """The Monday from which day numbers count."""
        return self.mondays[0]

    @property
    def end(self) -> date:
        """First day after the data: nothing that happens from here on is known."""
        return self.mondays[self.stop]

    def day(self, when: date) -> int:
        """Day number of a date."""
        return (when - self.origin).days


def axis(weeks: int, last_week: date) -> Axis:
    """The process's weeks around `weeks` weeks of data whose last one begins on the Monday `last_week`."""
    start = last_week - timedelta(weeks=weeks - 1 + WARM_UP_WEEKS)
    count = WARM_UP_WEEKS + weeks + AFTER_WEEKS
    return Axis(tuple(start + timedelta(weeks=i) for i in range(count)), WARM_UP_WEEKS, WARM_UP_WEEKS + weeks)


def holidays(region: str, years: range) -> list[date]:
    """Public holidays of a region that fall on a weekday: those everybody has and its own (fixed days, simplified)."""
    days = [date(year, month, day) for year in years for month, day in (*_EVERYWHERE, *_OWN_DAYS[region])]
    return sorted(day for day in days if day.weekday() < 5)


def open_share(calendar: Axis, region: str) -> NDArray[np.float64]:
    """Share of each week's five weekdays that are no holiday in the region; shape (weeks,)."""
    years = range(calendar.mondays[0].year, calendar.mondays[-1].year + 2)
    closed = np.zeros(len(calendar.mondays))
    for day in holidays(region, years):
        week = (day - calendar.origin).days // 7
        if 0 <= week < len(closed):
            closed[week] += 0.2
    return 1.0 - closed


def activity_season(calendar: Axis) -> NDArray[np.float64]:
    """Log points by which the season moves everybody's activity: quarter ends up, August and year's end down."""
    return np.array([0.12 * _quarter_end(day) - 0.25 * _quiet(day) for day in calendar.mondays])


def win_season(calendar: Axis) -> NDArray[np.float64]:
    """Log points by which the season moves everybody's wins: a spike at quarter end, a dip after it and in holidays."""
    return np.array(
        [0.55 * _quarter_end(day) - 0.25 * _quarter_start(day) - 0.3 * _quiet(day) for day in calendar.mondays]
    )


def _quarter_end(monday: date) -> float:
    last_day = monday + timedelta(days=6)
    return float(monday.month % 3 == 0 and (last_day + timedelta(days=8)).month != monday.month)


def _quarter_start(monday: date) -> float:
    return float(monday.month % 3 == 1 and monday.day <= 14)


def _quiet(monday: date) -> float:
    late_december = (monday.month, monday.day) >= (12, 20) or (monday.month, monday.day) <= (1, 1)
    return 1.0 if late_december else 0.6 * float(monday.month == 8)
