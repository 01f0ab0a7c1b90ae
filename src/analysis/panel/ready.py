# ruff: noqa: S608 - every name and value in these queries is quoted by analysis.crm.sql
"""Ready-made panels: panel.parquet or panel.csv with a panel.toml that says what its columns are."""

import difflib
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.calendars import first_of_month, monday_of, period_end
from analysis.crm import csvfile, sql
from analysis.crm.files import data_folder
from analysis.crm.staging import csv_relation
from analysis.errors import DataError
from analysis.panel.model import KEYS, NO_CURRENCY, Panel

SAY = words.Voice("panel.notes")
_KNOWN_KEYS = ("activities", "outcomes", "period", "currency", "cycle_days_p75")
_PERIODS = ("week", "month")


@dataclass(frozen=True, slots=True)
class _Description:
    """What panel.toml says."""

    activities: tuple[str, ...]
    outcomes: tuple[str, ...]
    period: str
    currency: str
    cycle_days_p75: float | None


def read_panel(folder: str | Path, as_of: date | None = None) -> Panel:
    """A ready panel: rep_id, team_id, week (Monday; `month` or the first of the month in a monthly one), numbers.

    Missing cells are "not known". Periods missing between a rep's first and last are filled in as not known, and
    noted. Raises DataError, with the line, on a doubled rep and period, a date that is not a period's first day, a
    value that is not a number, a negative activity, or a panel.toml that does not fit.
    """
    path = data_folder(folder)
    description = _describe(path / "panel.toml")
    file = _only_file(path)
    rows = _read(file)
    if description.period == "month" and "month" in rows and "week" not in rows:
        rows = rows.rename(columns={"month": "week"})
    _require(file, rows, description)
    frame = _typed(file, rows, description)
    _check(file, frame, description)
    if as_of is not None:
        frame = frame[period_end(frame["week"], description.period) <= pd.Timestamp(as_of)]
    full, notes = _without_gaps(frame.sort_values(["rep_id", "week"], ignore_index=True), description.period)
    return Panel(
        frame=full,
        activities=description.activities,
        outcomes=description.outcomes,
        period=description.period,
        currency=description.currency,
        cycle_days_p75=description.cycle_days_p75,
        notes=notes,
    )


def _describe(path: Path) -> _Description:
    if not path.is_file():
        raise DataError(f"{path} is missing; it names the activities, the outcomes, the period and the currency")
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}; see docs/data-contract.md for the form") from error
    for key in held:
        if key not in _KNOWN_KEYS:
            near = difflib.get_close_matches(key, _KNOWN_KEYS, 1)
            raise DataError(f"{path}: unknown key {key!r}{f', did you mean {near[0]}?' if near else ''}")
    period = held.get("period", "week")
    if period not in _PERIODS:
        raise DataError(f"{path}: period is {period!r}; it must be week or month")
    currency, cycle = held.get("currency", NO_CURRENCY), held.get("cycle_days_p75")
    if not (isinstance(currency, str) and len(currency) == 3 and currency.isascii() and currency.isupper()):
        raise DataError(f"{path}: currency is {currency!r}; it must be an ISO 4217 code such as EUR")
    if cycle is not None and (isinstance(cycle, bool) or not isinstance(cycle, int | float) or not 0 < cycle < 10_000):
        raise DataError(f"{path}: cycle_days_p75 is {cycle!r}; it must be a number of days above 0")
    activities, outcomes = _names(path, held, "activities"), _names(path, held, "outcomes")
    both = sorted(set(activities) & set(outcomes)) + sorted({*activities, *outcomes} & set(KEYS))
    if both:
        raise DataError(f"{path}: {both[0]} cannot be an activity or outcome and something else as well")
    return _Description(activities, outcomes, period, currency, None if cycle is None else float(cycle))


def _names(path: Path, held: dict[str, Any], key: str) -> tuple[str, ...]:
    names = held.get(key)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) and name for name in names):
        raise DataError(f'{path}: {key} must be a list of column names, such as {key} = ["call", "meeting"]')
    if len(set(names)) < len(names):
        raise DataError(f"{path}: {key} names a column twice")
    return tuple(names)


def _only_file(folder: Path) -> Path:
    there = [path for path in (folder / "panel.parquet", folder / "panel.csv") if path.is_file()]
    if len(there) == 1:
        return there[0]
    if there:
        raise DataError(f"{folder}: panel.parquet and panel.csv are both there; keep the one that is right")
    raise DataError(f"{folder} holds no panel.parquet and no panel.csv")


def _read(file: Path) -> pd.DataFrame:
    import duckdb

    with sql.connection() as database:
        try:
            if file.suffix == ".csv":
                csvfile.scan_bytes(file)
                relation = csv_relation(file, csvfile.header(file))
            else:
                relation = f"read_parquet({sql.path(file)})"
            return database.sql(f"SELECT * FROM {relation}").to_arrow_table().to_pandas(date_as_object=False)
        except duckdb.Error as error:
            fault = csvfile.first_fault(file, csvfile.header(file)) if file.suffix == ".csv" else None
            raise DataError(fault or f"{file} cannot be read ({str(error).splitlines()[0][:160]})") from error


def _require(file: Path, rows: pd.DataFrame, description: _Description) -> None:
    wanted = (*KEYS, *description.activities, *description.outcomes)
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise DataError(f"{file}: column {missing[0]} is missing; found {', '.join(map(str, rows.columns))}")
    if rows.empty:
        raise DataError(f"{file} has a header and no rows; export it again")


def _where(file: Path, rows: np.ndarray) -> str:
    """Line (CSV: assuming no line breaks within fields) or row of the first broken row."""
    first = int(np.flatnonzero(rows)[0])
    return f"{file} line {first + 2}" if file.suffix == ".csv" else f"{file} row {first + 1}"


def _typed(file: Path, rows: pd.DataFrame, description: _Description) -> pd.DataFrame:
    """Ids as text, weeks as dates, everything else that is a number as float64; other columns are left out."""
    columns: dict[str, pd.Series] = {}
    for name in ("rep_id", "team_id"):
        if rows[name].dtype != "str" or (rows[name].isna() | (rows[name] == "")).any():
            blank = (rows[name].isna() | (rows[name].astype("str") == "")).to_numpy()
            where = _where(file, blank) if blank.any() else str(file)
            raise DataError(f"{where}: {name} must be text in every row (ids are text, and never empty)")
        columns[name] = rows[name]
    columns["week"] = _weeks(file, rows["week"], description.period)
    tested = (*description.activities, *description.outcomes)
    for name in (*tested, *(c for c in rows.columns if c not in (*KEYS, *tested))):
        number = pd.to_numeric(rows[name], errors="coerce") if rows[name].dtype != "bool" else rows[name]
        wrong = (number.isna() & rows[name].notna()).to_numpy() | np.isinf(number.to_numpy("float64", na_value=np.nan))
        if wrong.any() and name in tested:
            raise DataError(f"{_where(file, wrong)}: {name} holds {str(rows[name][wrong].iat[0])[:40]!r}; not a number")
        if not wrong.any():
            columns[name] = number.astype("float64")
    return pd.DataFrame(columns)


def _weeks(file: Path, values: pd.Series, period: str) -> pd.Series:
    if values.dtype == "str":
        day = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
    elif values.dtype.kind == "M" and not isinstance(values.dtype, pd.DatetimeTZDtype):
        day = values
    else:
        raise DataError(f"{file}: week is {values.dtype}; it must be a date")
    day = day.astype("datetime64[us]")
    if day.isna().any():
        raise DataError(f"{_where(file, day.isna().to_numpy())}: week is not a date such as 2026-03-30")
    first = monday_of(day) if period == "week" else first_of_month(day)
    if (day != first).any():
        what = "Monday" if period == "week" else "first of a month"
        raise DataError(f"{_where(file, (day != first).to_numpy())}: week must be the {what} the period starts on")
    return day


def _check(file: Path, frame: pd.DataFrame, description: _Description) -> None:
    doubled = frame.duplicated(["rep_id", "week"]).to_numpy()
    if doubled.any():
        rep, week = frame.loc[doubled, ["rep_id", "week"]].iloc[0]
        raise DataError(
            f"{_where(file, doubled)}: rep {rep} has two rows for {week:%Y-%m-%d}; keep the one that is right"
        )
    for name in description.activities:
        negative = (frame[name] < 0).to_numpy()
        if negative.any():
            raise DataError(f"{_where(file, negative)}: activity {name} is negative")


def _without_gaps(frame: pd.DataFrame, period: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Every period between a rep's first and last, those missing as not known in the team of the period before."""
    if frame.empty:
        raise DataError("the panel holds no complete period by that date")
    freq = "7D" if period == "week" else "MS"
    spans = frame.groupby("rep_id", sort=True)["week"].agg(["min", "max"])
    full = pd.concat(
        [
            pd.DataFrame({"rep_id": rep, "week": pd.date_range(low, high, freq=freq, unit="us")})
            for rep, low, high in spans.itertuples()
        ],
        ignore_index=True,
    )
    added = len(full) - len(frame)
    if not added:
        return frame, ()
    filled = full.astype({"rep_id": "str"}).merge(frame, on=["rep_id", "week"], how="left", validate="one_to_one")
    filled["team_id"] = filled.groupby("rep_id")["team_id"].ffill()
    note = SAY.text("filled", {"periods": SAY.count(added, period)})
    return filled[list(frame.columns)], (note,)
