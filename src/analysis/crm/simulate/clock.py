"""Local time of each team: days and seconds to UTC instants, and business hours counted over the whole axis."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.season import REGIONS, Axis

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TIMEZONES = {
    "Germany": "Europe/Berlin",
    "United Kingdom": "Europe/London",
    "United States": "America/New_York",
    "France": "Europe/Paris",
    "Japan": "Asia/Tokyo",
    "Brazil": "America/Sao_Paulo",
}
DAY_STARTS_H, HOURS_A_DAY = 9.0, 8.0
_BEFORE_DAYS = 210


@dataclass(frozen=True, slots=True)
class Clock:
    """offset_s: seconds by which local noon is ahead of UTC, days x regions, from _BEFORE_DAYS before the axis on.

    open_until: business hours elapsed at the end of each day of the axis, days x regions.
    """

    origin: np.datetime64
    offset_s: Ints
    open_until: Floats

    def date(self, day: Ints) -> NDArray[np.datetime64]:
        """Calendar dates of day numbers."""
        return self.origin + day.astype("timedelta64[D]")

    def instant(self, day: Ints, second: Ints, region: Ints) -> NDArray[np.datetime64]:
        """UTC instants (datetime64[us]) of local seconds after midnight."""
        ahead = self.offset_s[np.clip(day + _BEFORE_DAYS, 0, len(self.offset_s) - 1), region]
        return self.date(day).astype("datetime64[us]") + (second - ahead).astype("timedelta64[s]")

    def business(self, day: Ints, second: Ints, region: Ints) -> Floats:
        """Business hours from the axis's start to local moments."""
        inside = np.clip(second / 3600.0 - DAY_STARTS_H, 0.0, HOURS_A_DAY)
        before = np.where(day > 0, self.open_until[np.maximum(day - 1, 0), region], 0.0)
        return before + inside * (self.open_until[day, region] > before)

    def moment(self, business: Floats, region: Ints) -> tuple[Ints, Ints]:
        """Day number and local second at which that many business hours have elapsed."""
        day, left = np.empty(business.size, dtype=np.int64), np.empty(business.size)
        for column in range(self.open_until.shape[1]):
            own = region == column
            total = self.open_until[:, column]
            found = np.minimum(np.searchsorted(total, business[own], side="left"), len(total) - 1)
            day[own] = found
            left[own] = business[own] - np.where(found > 0, total[np.maximum(found - 1, 0)], 0.0)
        hour = np.clip(left, 0.0, HOURS_A_DAY) + DAY_STARTS_H
        return day, np.round(hour * 3600.0).astype(np.int64)


def build(calendar: Axis, open_days: NDArray[np.bool_]) -> Clock:
    """The clock of a company's axis; open_days: days x regions."""
    first = calendar.origin - timedelta(days=_BEFORE_DAYS)
    days = [first + timedelta(days=i) for i in range(_BEFORE_DAYS + len(open_days))]
    noons = [datetime.combine(day, time(12), tzinfo=UTC) for day in days]
    zones = [ZoneInfo(TIMEZONES[region]) for region in REGIONS]
    offsets = [[_ahead(noon, zone) for zone in zones] for noon in noons]
    elapsed = np.cumsum(open_days * HOURS_A_DAY, axis=0)
    return Clock(np.datetime64(calendar.origin, "D"), np.array(offsets, dtype=np.int64), elapsed)


def _ahead(noon: datetime, zone: ZoneInfo) -> int:
    offset = noon.astimezone(zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds())
