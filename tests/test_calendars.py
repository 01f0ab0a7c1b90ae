"""Weeks, fiscal periods and business hours around every date that usually goes wrong."""

from datetime import date, time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import calendars as cal
from analysis.errors import ConfigError, DataError

DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))


def stamps(*texts: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(texts)))


@settings(deadline=None)
@given(st.lists(DAYS, min_size=1))
def test_monday_agrees_with_the_standard_library(days: list[date]):
    found = cal.monday_of(pd.Series(pd.to_datetime(days)))
    assert [day.date() for day in found] == [cal.monday(day) for day in days]
    assert (found.dt.day_of_week == 0).all()
    assert found.dtype == "datetime64[us]"


@pytest.mark.parametrize(
    ("day", "monday", "iso"),
    [
        ("2027-01-03", "2026-12-28", "2026-W53"),  # a Sunday of the year after
        ("2021-01-01", "2020-12-28", "2020-W53"),
        ("2024-02-29", "2024-02-26", "2024-W09"),  # leap day
        ("2024-12-31", "2024-12-30", "2025-W01"),  # a December day of next year's first week
        ("1969-12-31", "1969-12-29", "1970-W01"),  # before the epoch
    ],
)
def test_weeks_at_the_turn_of_the_year(day: str, monday: str, iso: str):
    assert str(cal.monday_of(stamps(day))[0].date()) == monday
    assert cal.iso_week(date.fromisoformat(day)) == iso


def test_missing_dates_have_no_week_and_instants_are_refused():
    assert cal.monday_of(pd.Series([pd.NaT, pd.Timestamp("2024-01-03")])).isna().tolist() == [True, False]
    with pytest.raises(DataError, match="local_date"):
        cal.monday_of(pd.Series(pd.to_datetime(["2024-01-01T10:00:00Z"])))


def test_mondays_are_gap_free_over_a_year_of_53_weeks():
    weeks = cal.mondays(date(2026, 1, 1), date(2026, 12, 31))
    assert len(weeks) == 53
    assert set(np.diff(weeks.to_numpy()).astype("timedelta64[D]").astype(int)) == {7}


def test_local_date_follows_daylight_saving():
    late = pd.Series(pd.to_datetime(["2026-03-28T23:30:00Z", "2026-03-29T22:30:00Z"]))
    assert [str(day.date()) for day in cal.local_date(late, "Europe/Berlin")] == ["2026-03-29", "2026-03-30"]
    assert [str(day.date()) for day in cal.local_date(late, "UTC")] == ["2026-03-28", "2026-03-29"]


@pytest.mark.parametrize("name", ["Europe/Nowhere", "", "../../etc/passwd", "a\0b"])
def test_unknown_zones_are_refused(name: str):
    with pytest.raises(ConfigError, match="not a time zone"):
        cal.zone(name)


def test_calendar_month_years_that_start_in_april():
    found = cal.FiscalCalendar(first_month=4).period_of(stamps("2026-03-31", "2026-04-01", "2027-02-28"))
    assert found["year"].tolist() == [2026, 2027, 2027]
    assert found["quarter"].tolist() == [4, 1, 4]
    assert found["period"].tolist() == [12, 1, 11]
    assert str(found["start"][2].date()) == "2027-02-01"


def test_a_fiscal_year_has_the_number_of_the_year_it_ends_in():
    days = stamps("2024-01-01", "2024-12-29", "2024-12-30", "2025-12-31")
    assert cal.FiscalCalendar().period_of(days)["year"].tolist() == [2024, 2024, 2024, 2025]
    assert cal.FiscalCalendar("4-4-5").period_of(days)["year"].tolist() == [2024, 2024, 2025, 2026]
    assert cal.FiscalCalendar("4-4-5", 7).period_of(days)["year"].tolist() == [2024, 2025, 2025, 2026]


def test_445_quarters_have_thirteen_weeks_and_some_years_53():
    fiscal = cal.FiscalCalendar("4-4-5")
    lengths = []
    for year in range(2015, 2045):
        starts = [*fiscal.period_starts(year), fiscal.year_start(year + 1)]
        weeks = np.diff(np.array(starts, dtype="datetime64[D]")).astype(int) / 7
        assert weeks[:11].tolist() == [4, 4, 5, 4, 4, 5, 4, 4, 5, 4, 4]
        assert weeks[11] in (5, 6)
        lengths.append(int(weeks.sum()))
        assert fiscal.year_start(year).weekday() == 0
        assert abs((fiscal.year_start(year) - date(year, 1, 1)).days) <= 3
    assert set(lengths) == {52, 53}


@settings(deadline=None)
@given(
    st.lists(DAYS, min_size=1, max_size=20), st.sampled_from(["months", "4-4-5", "4-5-4", "5-4-4"]), st.integers(1, 12)
)
def test_every_day_lies_in_its_period(days: list[date], pattern: str, first_month: int):
    fiscal = cal.FiscalCalendar(pattern, first_month)  # type: ignore[arg-type]
    found = fiscal.period_of(pd.Series(pd.to_datetime(days)))
    for day, start, period in zip(days, found["start"], found["period"], strict=True):
        assert start.date() <= day
        assert (day - start.date()).days < 43
        assert 1 <= period <= 12


def test_bad_fiscal_settings_are_refused():
    with pytest.raises(ConfigError, match="4-4-6"):
        cal.FiscalCalendar("4-4-6")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="13"):
        cal.FiscalCalendar(first_month=13)


def hours(place: cal.BusinessHours, start: str, end: str) -> float:
    found = place.hours_between(
        pd.Series(pd.to_datetime([start], utc=True)), pd.Series(pd.to_datetime([end], utc=True))
    )
    return float(found[0])


BERLIN = cal.BusinessHours("Europe/Berlin", time(9), time(17), holidays=frozenset({date(2026, 5, 1)}))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-03-27T15:00Z", "2026-03-30T08:00Z", 2.0),  # Friday 16 to 17, Monday 9 to 10, clocks forward between
        ("2026-03-27T08:00Z", "2026-03-27T16:00Z", 8.0),  # a winter day, UTC+1
        ("2026-03-30T07:00Z", "2026-03-30T15:00Z", 8.0),  # a summer day, UTC+2
        ("2026-04-30T14:00Z", "2026-05-04T08:00Z", 2.0),  # over a holiday and a weekend
        ("2026-03-28T10:00Z", "2026-03-29T20:00Z", 0.0),  # a weekend
        ("2026-03-30T09:30Z", "2026-03-30T09:00Z", -0.5),  # answered before it came in
    ],
)
def test_business_hours(start: str, end: str, expected: float):
    assert hours(BERLIN, start, end) == pytest.approx(expected)


def test_business_hours_of_missing_instants_are_missing():
    some = pd.Series(pd.to_datetime(["2026-03-30T09:00Z", None], utc=True))
    assert BERLIN.hours_between(some, some[::-1].reset_index(drop=True)).isna().all()
    nothing = pd.Series(pd.to_datetime([None, None], utc=True))
    assert BERLIN.hours_between(nothing, some).isna().all()


def test_a_place_that_never_opens_is_refused():
    with pytest.raises(ConfigError, match="closing must be later"):
        cal.BusinessHours("UTC", time(9), time(9))


def test_a_period_ends_on_its_last_day():
    assert cal.period_end(pd.Timestamp("2026-11-09"), "week") == pd.Timestamp("2026-11-15")
    assert cal.period_end(pd.Timestamp("2024-02-01"), "month") == pd.Timestamp("2024-02-29")
