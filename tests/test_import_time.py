"""Clocks: SQL compiled from zoneinfo against zoneinfo itself, and the days and weeks that fall out of it."""

import datetime as dt
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_worlds import Importer, event, salesforce, task

from analysis.crm.importers import clock

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "UTC",
]
YEARS = (1995, 2045)
moments = st.datetimes(dt.datetime(1998, 1, 1), dt.datetime(2044, 12, 31)).map(lambda d: d.replace(microsecond=0))


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_zoneinfo(con, zone):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(moments, min_size=20, max_size=40))
    def check(sample):
        sql = clock.to_local_sql("m", "z", [zone], YEARS)
        listed = ", ".join(f"(TIMESTAMP '{m}')" for m in sample)
        found = [
            row[0]
            for row in con.execute(
                f"SELECT {sql} FROM (SELECT *, '{zone}' AS z FROM (VALUES {listed}) v(m))"
            ).fetchall()
        ]
        assert found == [m.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for m in sample]

    check()


@pytest.mark.parametrize("zone", ZONES)
def test_clock_times_become_the_moments_zoneinfo_gives(con, zone):
    @settings(max_examples=60, deadline=None)
    @given(st.lists(moments, min_size=20, max_size=40))
    def check(sample):
        listed = ", ".join(f"(TIMESTAMP '{m}')" for m in sample)
        sql = f"SELECT {clock.to_utc_sql('m', zone, YEARS)}, {clock.odd_hour_sql('m', zone, YEARS)} FROM (VALUES {listed}) v(m)"
        for local, (utc, odd) in zip(sample, con.execute(sql).fetchall(), strict=True):
            aware = local.replace(tzinfo=ZoneInfo(zone))
            assert utc == aware.astimezone(dt.UTC).replace(tzinfo=None)
            assert odd == (aware.utcoffset() != aware.replace(fold=1).utcoffset())

    check()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01T10:00:00Z", "2020-01-01 10:00:00"),
        ("2020-01-01 10:00:00+02", "2020-01-01 08:00:00"),
        ("2020-01-01T10:00:00.000+0530", "2020-01-01 04:30:00"),
        ("2020-01-01 10:00:00 -05:00", "2020-01-01 15:00:00"),
        ("2021-01-07 6:49:18", "2021-01-07 06:49:18"),
        ("1409172644778", "2014-08-27 20:50:44.778000"),
        ("1409172644", "2014-08-27 20:50:44"),
        ("2020-02-29", "2020-02-29 00:00:00"),
        ("2021-02-29", None),
        ("2020-12-31 24:61", None),
        ("tomorrow", None),
        ("", None),
        ("2020-01-01 10:00:00 or so", None),
    ],
)
def test_texts_are_read_or_not_at_all(con, text, expected):
    (found,) = con.execute(f"SELECT {clock.parse_sql('t', None)} FROM (SELECT ? AS t)", [text]).fetchone()
    assert found == (dt.datetime.fromisoformat(expected) if expected else None)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40))
def test_no_text_stops_the_parser(con, text):
    con.execute(
        f"SELECT {clock.parse_sql('t', 'dmy')}, {clock.is_day_sql('t')}, {clock.has_zone_sql('t')} FROM (SELECT ? AS t)",
        [text],
    ).fetchall()
    clock.profile(con, "(SELECT 'x' AS t)", "t")


def days(run):
    return run.table("activities").set_index("activity_id")["occurred_on"].astype(str).to_dict()


def test_the_day_is_that_of_the_reps_clock(tmp_path):
    run = Importer(tmp_path)
    late = [
        task(n, CompletedDateTime="2026-12-31T23:30:00Z", ActivityDate="2026-12-31", CreatedDate="2027-01-02T00:00:00Z")
        for n in range(4)
    ]
    salesforce(tmp_path / "src", Task=late)
    for zone, day in (("Europe/Berlin", "2027-01-01"), ("America/New_York", "2026-12-31"), ("UTC", "2026-12-31")):
        run(tmp_path / "src", swap={"Europe/Berlin": zone})
        assert set(days(run).values()) == {day}


def test_leap_days_and_week_53_keep_their_day(tmp_path):
    run = Importer(tmp_path)
    dates = ["2024-02-29", "2020-12-31", "2021-01-03", "2026-03-29"]
    tasks = [
        task(n, CompletedDateTime="", ActivityDate=d, CreatedDate="2026-04-01T00:00:00Z") for n, d in enumerate(dates)
    ]
    run(salesforce(tmp_path / "src", Task=tasks), extra="[activity_defaults]\nbackdated_days = 5000\n")
    assert sorted(days(run).values()) == sorted(dates)


def test_an_all_day_event_has_a_day_and_no_time(tmp_path):
    run = Importer(tmp_path)
    run(
        salesforce(
            tmp_path / "src",
            Event=[
                event(n, IsAllDayEvent="true", StartDateTime="2026-03-10T00:00:00Z", ActivityDate="2026-03-10")
                for n in range(4)
            ],
        )
    )
    meetings = run.table("activities").query("kind == 'meeting'")
    assert set(meetings["occurred_on"].astype(str)) == {"2026-03-10"} and meetings["occurred_at"].isna().all()


def test_the_machines_zone_changes_nothing(tmp_path, monkeypatch):
    import time

    run = Importer(tmp_path)
    salesforce(tmp_path / "src")
    results = []
    for zone in ("UTC", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        run(tmp_path / "src")
        results.append({p.name: p.read_bytes() for p in sorted(run.out.rglob("*")) if p.is_file()})
    monkeypatch.delenv("TZ")
    time.tzset()
    assert results[0] == results[1] and len(results[0]) >= 5
