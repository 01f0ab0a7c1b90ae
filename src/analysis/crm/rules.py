"""What one row must satisfy: pandera schemas made from the contract, and rules between columns of the same row.

Rules between rows and between tables are in integrity.py.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.crm.contract import TABLES, Column

if TYPE_CHECKING:
    from pandera.pandas import DataFrameSchema

EARLIEST = pd.Timestamp("1990-01-01")  # earlier "done" dates are sentinels (1900-01-01, 1970-01-01)
ZONE_SLACK = timedelta(days=1)  # somewhere it is already tomorrow

REASONS: Mapping[str, str] = {
    "wrong_type": "a value does not fit the column's type",
    "null_required": "a required cell is empty",
    "unknown_word": "not one of the words the column allows",
    "negative": "a negative number where none can be",
    "out_of_range": "a share outside 0 to 1",
    "not_finite": "an infinite number",
    "future_date": "done, created or closed after the day the data was read",
    "implausible_date": f"before {EARLIEST.date()}",
    "won_without_amount": "won without an amount",
    "closed_without_date": "won or lost without closed_on",
    "closed_before_created": "closed before it was created",
    "ends_before_start": "a period that ends before it starts",
    "duplicate_key": "the key was seen in an earlier row with other values",
    "orphan": "points to a row that is not there",
    "overlapping_membership": "overlaps an earlier spell of the same rep",
    "credits_do_not_sum": "the shares of the deal do not sum to 1",
}

_NOT_NEGATIVE = {
    "activities": ("duration_s",),
    "opportunities": ("amount", "list_amount", "units"),
    "quotas": ("amount",),
    "campaigns": ("cost",),
    "coaching": ("duration_s",),
}
# Days and instants on which something is said to have happened; planned ones may lie ahead.
_HAPPENED = {
    "activities": ("occurred_on", "occurred_at"),
    "opportunities": ("created_on", "closed_on"),
    "stage_changes": ("changed_at",),
    "leads": ("created_at", "qualified_at", "handed_off_at", "first_touch_at", "feedback_at"),
    "coaching": ("occurred_on",),
}
_PERIODS = {
    "memberships": ("valid_from", "valid_to", False),
    "quotas": ("period_start", "period_end", False),
    "absences": ("from_date", "to_date", False),
    "reps": ("hired_on", "left_on", True),
}


@cache
def schema(table: str) -> "DataFrameSchema":
    """The pandera schema of one table: dtypes, required cells, allowed words, ranges. Check names are reason codes."""
    import pandera.pandas as pa

    columns = {
        name: pa.Column(column.dtype, _checks(table, column), nullable=not column.required, required=column.required)
        for name, column in TABLES[table].columns.items()
    }
    return pa.DataFrameSchema(columns, strict=True, ordered=False)


def _checks(table: str, column: Column) -> list:
    import pandera.pandas as pa

    checks = []
    if column.words:
        checks.append(pa.Check.isin(list(column.words), name="unknown_word", error="unknown_word"))
    if column.type == "share":
        checks.append(pa.Check.in_range(0.0, 1.0, name="out_of_range", error="out_of_range"))
    if column.type == "number":
        checks.append(pa.Check(lambda values: ~np.isinf(values), name="not_finite", error="not_finite"))
    if column.name in _NOT_NEGATIVE.get(table, ()):
        checks.append(pa.Check.ge(0, name="negative", error="negative"))
    return checks


def schema_faults(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows that break the schema: columns row (position in `rows`), code, reason; one line a fault.

    The frame must already have the contract's dtypes: pandera lists one failure a value where a dtype is wrong.
    """
    from pandera.errors import SchemaErrors

    try:
        schema(table).validate(rows, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        if cases["index"].isna().any():  # a fault of the whole column: the casts before this have failed us
            raise
        codes = cases["check"].where(cases["check"].isin(list(REASONS)), "null_required")
        reasons = cases["column"].astype("str") + ": " + codes.map(dict(REASONS)).astype("str")
        return pd.DataFrame({"row": cases["index"].astype("int64"), "code": codes.astype("str"), "reason": reasons})
    return no_faults()


@cache
def no_faults() -> pd.DataFrame:
    """An empty table of faults (one shared object: nobody writes into it)."""
    return pd.DataFrame(
        {"row": pd.Series(dtype="int64"), "code": pd.Series(dtype="str"), "reason": pd.Series(dtype="str")}
    )


def row_faults(table: str, rows: pd.DataFrame, today: date) -> pd.DataFrame:
    """Rows whose columns contradict each other or lie in the future, as schema_faults gives them."""
    found = [*_dates(table, rows, today), *_deal_faults(table, rows), *_reversed_period(table, rows)]
    parts = [
        pd.DataFrame(
            {"row": np.flatnonzero(broken.to_numpy(dtype=bool, na_value=False)), "code": code, "reason": reason}
        )
        for code, reason, broken in found
        if broken.any()
    ]
    return pd.concat(parts, ignore_index=True) if parts else no_faults()


Finding = tuple[str, str, pd.Series]


def _dates(table: str, rows: pd.DataFrame, today: date) -> list[Finding]:
    latest = pd.Timestamp(today + ZONE_SLACK)
    done = _done(table, rows)
    findings: list[Finding] = []
    for column in _HAPPENED.get(table, ()):
        if column not in rows:
            continue
        moment = rows[column]
        day = moment.dt.tz_localize(None) if isinstance(moment.dtype, pd.DatetimeTZDtype) else moment
        ahead = day >= latest + pd.Timedelta(days=1)
        findings.append(("future_date", f"{column}: {REASONS['future_date']}", ahead & done[column]))
        findings.append(("implausible_date", f"{column}: {REASONS['implausible_date']}", day < EARLIEST))
    return findings


def _done(table: str, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """For each dated column, the rows in which that date is said to lie behind us."""
    every = pd.Series(True, index=rows.index)
    done = dict.fromkeys(_HAPPENED.get(table, ()), every)
    if table == "activities" and "status" in rows:
        done["occurred_on"] = done["occurred_at"] = rows["status"].isna() | (rows["status"] == "done")
    if table == "opportunities":
        done["closed_on"] = rows["status"].isin(["won", "lost"])
    return done


def _deal_faults(table: str, rows: pd.DataFrame) -> list[Finding]:
    if table != "opportunities":
        return []
    nothing = pd.Series(pd.NaT, index=rows.index)
    amount = rows["amount"] if "amount" in rows else pd.Series(np.nan, index=rows.index)
    closed_on = rows.get("closed_on", nothing)
    closed = rows["status"].isin(["won", "lost"])
    return [
        ("won_without_amount", REASONS["won_without_amount"], (rows["status"] == "won") & amount.isna()),
        ("closed_without_date", REASONS["closed_without_date"], closed & closed_on.isna()),
        ("closed_before_created", REASONS["closed_before_created"], closed & (closed_on < rows["created_on"])),
    ]


def _reversed_period(table: str, rows: pd.DataFrame) -> list[Finding]:
    if table not in _PERIODS:
        return []
    start, end, may_be_equal = _PERIODS[table]
    if start not in rows or end not in rows:
        return []
    broken = rows[end] < rows[start] if may_be_equal else rows[end] <= rows[start]
    return [("ends_before_start", f"{end}: {REASONS['ends_before_start']}", broken)]
