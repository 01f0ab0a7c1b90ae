"""Clocks: SQL compiled from zoneinfo against zoneinfo itself, and the days and weeks that fall out of it."""

import datetime as dt
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_worlds import Importer, event, salesforce, task

from analysis.crm.importers import clock
from analysis.crm.importers.landing import MACROS

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "UTC",
]
YEARS = (2000, 2030)


@pytest.fixture(scope="module")
def con():
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(MACROS)
        yield connection


def moments(zone):
    """Moments all over the years, and around every change of the zone's offset, a second, half an hour and an hour off."""
    rng = np.random.default_rng(7)
    anywhere = [dt.datetime(2000, 2, 1) + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 30 * 365 * 86400, 500)]
    near = [
        at + dt.timedelta(seconds=base + shift)
        for at, _ in clock.steps(zone, *YEARS)[1:]
        for base in (0, *(s for _, s in clock.steps(zone, *YEARS)[:3]))
        for shift in (-3601, -1800, -1, 0, 1, 1800, 3600)
    ]
    return anywhere + near


def answers(con, sample, sql, zone):
    con.register("sample", pa.table({"m": pa.array(sample, pa.timestamp("us")), "n": list(range(len(sample)))}))
    return con.execute(f"SELECT {sql} FROM (SELECT *, '{zone}' AS z FROM sample) ORDER BY n").fetchall()


@pytest.mark.parametrize("zone", ZONES)
def test_local_time_is_that_of_zoneinfo(con, zone):
    sample = moments(zone)
    found = [row[0] for row in answers(con, sample, clock.to_local_sql("m", "z", [zone, "Asia/Tokyo"], YEARS), zone)]
    assert found == [m.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None) for m in sample]


@pytest.mark.parametrize("zone", ZONES)
def test_clock_times_become_the_moments_zoneinfo_gives(con, zone):
    sample = moments(zone)
    sql = f"{clock.to_utc_sql('m', zone, YEARS)}, {clock.odd_hour_sql('m', zone, YEARS)}"
    for local, (utc, odd) in zip(sample, answers(con, sample, sql, zone), strict=True):
        aware = local.replace(tzinfo=ZoneInfo(zone))
        assert utc == aware.astimezone(dt.UTC).replace(tzinfo=None)
        assert odd == (aware.utcoffset() != aware.replace(fold=1).utcoffset())


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
    (found,) = con.execute(f"SELECT {clock.parse_sql('t', None)} FROM (SELECT ? AS t)", [text]).fetchall()[0]
    assert found == (dt.datetime.fromisoformat(expected) if expected else None)


odd_texts = st.text(max_size=40) | st.from_regex(r"\A\d{1,4}[-./]\d{1,2}[-./]\d{1,4}( \d{1,2}:\d\d)?Z?\Z")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(odd_texts, min_size=1, max_size=60))
def test_no_text_stops_the_parser(con, texts):
    con.register("texts", pa.table({"t": pa.array([t.encode("utf-8", "replace").decode() for t in texts])}))
    found = clock.profile(con, "texts", "t")
    rows = con.execute(
        f"SELECT {clock.parse_sql('t', 'dmy', found)}, {clock.form_sql('t', found)} FROM texts"
    ).fetchall()
    assert len(rows) == len(texts) == found.filled


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
