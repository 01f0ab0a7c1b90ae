# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Times and days: how the export writes them, what zone they are in, and what a spreadsheet has done to them.

Every column of times is profiled before it is parsed, so that the choice of reading is made once, for the whole column, and
can be refused: a column that fits both day-month and month-day is not guessed (D03), a clock time without a zone is not
assumed to be UTC (D02), fragments are not repaired (D05). Zones are Python's zoneinfo, compiled into SQL steps; a date
without a time is never shifted (D01); sentinel dates become null (D04).
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

SENTINELS = (
    "9999-12-31",
    "2999-12-31",
    "2099-12-31",
    "2050-01-01",
    "1900-01-01",
    "1899-12-30",
    "1753-01-01",
    "1601-01-01",
    "1970-01-01",
    "0001-01-01",
)
SENTINEL_LIST = ", ".join(f"DATE '{day}'" for day in SENTINELS)
ISO_DAY = r"\d{4}-\d{1,2}-\d{1,2}"
CLOCK = r"[ T]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?"
OFFSET = r" ?(?:Z|UTC|[+-]\d{2}:?(?:\d{2})?)"
NUMERIC_DAY = r"\d{1,2}[./-]\d{1,2}[./-]\d{4}"
FORMS = {
    "day": f"{ISO_DAY}",
    "midnight": rf"{ISO_DAY}[ T]0?0:00(?::00(?:[.,]0+)?)?(?:{OFFSET})?",
    "local_midnight": rf"{ISO_DAY}[ T]0?0:00(?::00(?:[.,]0+)?)?",
    "offset": f"{ISO_DAY}{CLOCK}{OFFSET}",
    "local": f"{ISO_DAY}{CLOCK}",
    "epoch": r"-?\d{10}(?:\d{3})?(?:\.0)?",
    "numeric_day": NUMERIC_DAY,
    "numeric_clock": rf"{NUMERIC_DAY},?{CLOCK}(?: ?[AaPp][Mm])?",
    "fragment": r"\d{1,2}:\d{2}(?:[:.]\d+)?",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """How many values of a column are written in which way.

    first_over_12, second_over_12: dates like 13/04/2026 and 04/13/2026, whose order is clear; both_fit: whose is not.
    plain: every value is an ISO text without a shift from UTC, which the engine reads by itself.
    """

    filled: int
    forms: dict[str, int]
    first_over_12: int
    second_over_12: int
    both_fit: int
    plain: bool = False

    @property
    def unzoned(self) -> int:
        """Clock times that do not say their zone. Midnights without a zone are days."""
        return self.forms["local"] - self.forms["local_midnight"] + self.forms["numeric_clock"]

    @property
    def numeric(self) -> int:
        """Values written with the year last."""
        return self.forms["numeric_day"] + self.forms["numeric_clock"]


def profile(con: Any, relation: str, text: str) -> Profile:
    """Count the forms of a text column. relation: SQL to select from; text: SQL of the value."""
    return quick_profile(con, relation, text) or full_profile(con, relation, text)


def quick_profile(con: Any, relation: str, text: str) -> Profile | None:
    """The profile of a column that holds only plain ISO texts, without a single regular expression; else None."""
    stamp = f"try_cast({text} AS TIMESTAMP)"
    tail = f"substr({text}, 11)"
    odd = f"contains({tail}, '+') OR contains({tail}, '-') OR contains({tail}, 'U') OR contains({tail}, ',')"
    clock = f"length({text}) > 10"
    midnight = f"{clock} AND CAST({stamp} AS TIME) = TIME '00:00:00'"
    zoned = f"ends_with({text}, 'Z')"
    filled, castable, days, offsets, midnights, local_midnights = con.execute(
        f"SELECT count({text}), n_if({text} LIKE '____-%' AND {stamp} IS NOT NULL AND NOT ({odd})), n_if(NOT {clock}), n_if({clock} AND {zoned}), "
        f"n_if({midnight}), n_if({midnight} AND NOT {zoned}) FROM {relation}"
    ).fetchall()[0]
    if castable != filled:
        return None
    forms = dict.fromkeys(FORMS, 0) | {
        "day": days,
        "offset": offsets,
        "midnight": midnights,
        "local_midnight": local_midnights,
        "local": filled - days - offsets,
    }
    return Profile(filled, forms, 0, 0, 0, plain=True)


def full_profile(con: Any, relation: str, text: str) -> Profile:
    """The profile of any column."""
    forms = ", ".join(f"n_if(regexp_full_match({text}, '{pattern}'))" for pattern in FORMS.values())
    numeric = f"regexp_full_match({text}, '{NUMERIC_DAY}.*')"
    first = f"try_cast(regexp_extract({text}, '^(\\d+)', 1) AS INTEGER)"
    second = f"try_cast(regexp_extract({text}, '^\\d+[./-](\\d+)', 1) AS INTEGER)"
    row = con.execute(
        f"SELECT count({text}), {forms}, n_if({numeric} AND {first} > 12), n_if({numeric} AND {second} > 12), "
        f"n_if({numeric} AND {first} <= 12 AND {second} <= 12) FROM {relation}"
    ).fetchall()[0]
    return Profile(row[0], dict(zip(FORMS, row[1:-3], strict=True)), *row[-3:])


def form_sql(text: str, found: Profile) -> str:
    """SQL of a value's form: `day` (perhaps dressed as midnight), `zoned` (says its zone), `local`, or null."""
    if found.plain:
        day = f"length({text}) <= 10 OR CAST(try_cast({text} AS TIMESTAMP) AS TIME) = TIME '00:00:00'"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN {day} THEN 'day' WHEN ends_with({text}, 'Z') THEN 'zoned' ELSE 'local' END"
    day = f"regexp_full_match({text}, '(?:{FORMS['day']})|(?:{FORMS['midnight']})|(?:{FORMS['numeric_day']})')"
    zoned = f"regexp_full_match({text}, '(?:{FORMS['offset']})|(?:{FORMS['epoch']})')"
    return f"CASE WHEN {text} IS NULL THEN NULL WHEN {day} THEN 'day' WHEN {zoned} THEN 'zoned' ELSE 'local' END"


def parse_sql(text: str, order: str | None, found: Profile | None = None) -> str:
    """SQL of a naive timestamp: UTC where the value has an offset or is an epoch, else the clock as written."""
    if found is not None and found.plain:
        return f"try_cast({text} AS TIMESTAMP)"
    day = f"regexp_extract({text}, '^{ISO_DAY}(?:{CLOCK})?')"
    iso = f"try_cast(replace({day}, ',', '.') AS TIMESTAMP)"
    sign = f"regexp_extract({text}, '{CLOCK} ?([+-])\\d{{2}}:?(?:\\d{{2}})?$', 1)"
    hours = f"coalesce(try_cast(regexp_extract({text}, '[+-](\\d{{2}}):?(?:\\d{{2}})?$', 1) AS INTEGER), 0)"
    minutes = f"coalesce(try_cast(regexp_extract({text}, '[+-]\\d{{2}}:?(\\d{{2}})$', 1) AS INTEGER), 0)"
    shift = f"to_seconds(CASE {sign} WHEN '+' THEN -1 ELSE 1 END * ({hours} * 3600 + {minutes} * 60))"
    number = f"try_cast(replace({text}, '.0', '') AS BIGINT)"
    epoch = f"CASE WHEN abs({number}) >= 100000000000 THEN make_timestamp({number} * 1000) ELSE make_timestamp({number} * 1000000) END"
    return (
        f"CASE WHEN regexp_full_match({text}, '{FORMS['epoch']}') THEN {epoch} "
        f"WHEN {sign} <> '' THEN {iso} + {shift} "
        f"WHEN regexp_full_match({text}, '{ISO_DAY}(?:{CLOCK}(?:{OFFSET})?)?') THEN {iso} "
        f"WHEN regexp_full_match({text}, '{FORMS['numeric_day']}|{FORMS['numeric_clock']}') THEN {numeric_sql(text, order)} END"
    )


def numeric_sql(text: str, order: str | None) -> str:
    """Dates with the year last, by the order the configuration names or the data decides."""
    if order not in ("dmy", "mdy"):
        return "CAST(NULL AS TIMESTAMP)"
    day = "%d/%m/%Y" if order == "dmy" else "%m/%d/%Y"
    clean = f"regexp_replace(regexp_replace({text}, '[.-]', '/', 'g'), ',', '')"
    # A dot may also separate the seconds' fraction; fractions do not occur with these forms.
    formats = [day, *(f"{day} {clock}" for clock in ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p"))]
    return f"try_strptime({clean}, [{', '.join(repr(f) for f in formats)}])"


def sentinel_sql(stamp: str) -> str:
    """SQL: the parsed value is a sentinel, not a date (D04)."""
    return f"(CAST({stamp} AS DATE) IN ({SENTINEL_LIST}))"


@cache
def steps(zone: str, first_year: int, last_year: int) -> list[tuple[dt.datetime, int]]:
    """(UTC moment, offset in seconds that holds from then on) of a zone; the first entry holds from the beginning."""
    tz = ZoneInfo(zone)
    moment = dt.datetime(first_year, 1, 1, tzinfo=dt.UTC)
    end = dt.datetime(last_year + 1, 1, 2, tzinfo=dt.UTC)
    found = [(dt.datetime(1, 1, 1), offset(moment, tz))]
    while moment < end:
        later = moment + dt.timedelta(days=1)
        if offset(later, tz) != found[-1][1]:
            low, high = moment, later
            while high - low > dt.timedelta(seconds=1):
                middle = (low + (high - low) / 2).replace(microsecond=0)
                low, high = (middle, high) if offset(middle, tz) == found[-1][1] else (low, middle)
            found.append((high.replace(tzinfo=None), offset(later, tz)))
        moment = later
    return found


def offset(moment: dt.datetime, tz: ZoneInfo) -> int:
    """Seconds east of UTC at a moment."""
    shift = moment.astimezone(tz).utcoffset()
    assert shift is not None
    return int(shift.total_seconds())


def to_local_sql(utc: str, zone_column: str, zones: Iterable[str], years: tuple[int, int]) -> str:
    """SQL of the local clock of a UTC timestamp, by the zone named in a column."""
    cases = []
    for zone in sorted(set(zones) - {"UTC"}):
        found = steps(zone, *years)
        whens = " ".join(f"WHEN {utc} >= TIMESTAMP '{at}' THEN {seconds}" for at, seconds in reversed(found[1:]))
        inner = f"CASE {whens} ELSE {found[0][1]} END" if whens else str(found[0][1])
        cases.append(f"WHEN '{zone}' THEN {inner}")
    if not cases:
        return utc
    return f"({utc} + to_seconds(CASE {zone_column} {' '.join(cases)} ELSE 0 END))"


def to_utc_sql(local: str, zone: str, years: tuple[int, int]) -> str:
    """SQL of the UTC moment of a clock time in one zone. A repeated hour is read as its first pass; an hour that the
    clock skipped is read with the offset before the jump (PEP 495, fold = 0)."""
    if zone == "UTC":
        return local
    found = steps(zone, *years)
    whens = []
    for position in range(len(found) - 1, 0, -1):
        at, seconds = found[position]
        before = found[position - 1][1]
        # In both cases the new offset begins on the clock where the old offset's hour has run out.
        begins = at + dt.timedelta(seconds=max(before, seconds))
        whens.append(f"WHEN {local} >= TIMESTAMP '{begins}' THEN {-seconds}")
    inner = f"CASE {' '.join(whens)} ELSE {-found[0][1]} END" if whens else str(-found[0][1])
    return f"({local} + to_seconds({inner}))"


def odd_hour_sql(local: str, zone: str, years: tuple[int, int]) -> str:
    """SQL: the clock time falls into a gap or an overlap of the zone (D02)."""
    tests = []
    found = steps(zone, *years)
    for (_, before), (at, seconds) in itertools.pairwise(found):
        low, high = sorted((at + dt.timedelta(seconds=before), at + dt.timedelta(seconds=seconds)))
        tests.append(f"({local} >= TIMESTAMP '{low}' AND {local} < TIMESTAMP '{high}')")
    return f"({' OR '.join(tests)})" if tests else "false"
