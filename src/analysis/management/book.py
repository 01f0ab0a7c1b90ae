"""The book a manager opens: the contract's tables as they were known on one day, with the rules and the privacy policy.

Every function of this room takes a Book and answers with a frozen result or a frame, or with `NotRecorded`, which
names the missing table and column: what is unknown is never shown as zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import pandas as pd

from analysis import words
from analysis.calendars import BusinessHours, FiscalCalendar
from analysis.errors import DataError, ParameterError

SAY = words.Voice("management.book")
Made = TypeVar("Made")
COMPANY = ""  # the blank team_id of company-wide rows, as in findings


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The answer to a question that the data cannot carry; `missing` holds "table" or "table.column" names."""

    missing: tuple[str, ...]

    def __str__(self) -> str:
        return SAY.text("not_recorded", {"missing": ", ".join(self.missing)})


@dataclass(frozen=True, slots=True)
class Policy:
    """Privacy: statistics of fewer people than `min_group` are suppressed; names appear only where allowed."""

    min_group: int = 5
    names: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the company calls an ask, when it is late, when it works, and its fiscal calendar."""

    ask_kinds: tuple[str, ...] = ("proposal", "contract", "quote", "offer")
    ask_stages: tuple[str, ...] = ("proposal", "contract", "quote", "offer", "negotiation")
    sla_hours: float = 8.0  # business hours from hand-off to first touch
    feedback_hours: float = 40.0  # business hours from hand-off to feedback
    hours: BusinessHours = field(default_factory=BusinessHours)
    fiscal: FiscalCalendar = field(default_factory=FiscalCalendar)
    lead_definition: str = SAY.text("lead_definition")


class Crm(Protocol):
    """What `book_from` needs of analysis.crm's data folder."""

    def tables(self) -> Sequence[str]: ...

    def frame(self, name: str, team_id: str | None = None) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class Book:
    """Contract tables as known at the end of `as_of`; a table or column the source lacks is absent.

    tables: contract name -> frame; amounts in `currency`. findings: the study's findings frame or None.
    """

    tables: Mapping[str, pd.DataFrame]
    as_of: pd.Timestamp
    currency: str = "EUR"
    findings: pd.DataFrame | None = None
    policy: Policy = field(default_factory=Policy)
    rules: Rules = field(default_factory=Rules)
    # What several questions share, computed once per book; a changed book (`replace`) starts empty.
    _shared: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def shared(self, name: str, make: Callable[[], Made]) -> Made:
        """Something derived from the tables, made at the first asking."""
        if name not in self._shared:
            self._shared[name] = make()
        made: Made = self._shared[name]
        return made

    def frame(self, table: str) -> pd.DataFrame:
        """The table; DataError when it is absent (ask `need` first)."""
        if table not in self.tables:
            raise DataError(f"{table}: this data folder has no such table; ask Book.need before reading it")
        return self.tables[table]

    def has(self, table: str, *columns: str) -> bool:
        """True when the table has rows and each column holds at least one value."""
        return self.need(table, *columns) is None

    def need(self, table: str, *columns: str) -> NotRecorded | None:
        """None when all is recorded, else what is missing. A column without a single value counts as missing."""
        if table not in self.tables or self.tables[table].empty:
            return NotRecorded((table,))
        missing = [f"{table}.{name}" for name in columns if self._is_blank(table, name)]
        return NotRecorded(tuple(missing)) if missing else None

    def _is_blank(self, table: str, column: str) -> bool:
        held = self.tables[table]
        return self.shared(f"no {table}.{column}", lambda: column not in held or bool(held[column].isna().all()))

    def team(self, team_id: str) -> Book:
        """The same book cut to one team's reps (and their deals, leads and coaching)."""
        reps = self.frame("reps")
        members = set(reps.loc[reps["team_id"] == team_id, "rep_id"])
        if "memberships" in self.tables:
            spells = self.tables["memberships"]
            members |= set(spells.loc[spells["team_id"] == team_id, "rep_id"])
        if not members:
            raise ParameterError(f"team {team_id!r} has no reps in this data; see the teams table for the names")
        tables = {name: _cut(name, frame, team_id, members) for name, frame in self.tables.items()}
        return replace(self, tables=tables, findings=_own_findings(self.findings, team_id))

    def rewind(self, day: pd.Timestamp) -> Book:
        """The book as it was known at the end of an earlier day: later rows gone, later closes open again."""
        return replace(self, tables=as_known(self.tables, day), as_of=day)


def book_from(
    crm: Crm,
    as_of: pd.Timestamp | str | None = None,
    team_id: str | None = None,
    *,
    currency: str | None = None,
    findings: pd.DataFrame | None = None,
    policy: Policy | None = None,
    rules: Rules | None = None,
) -> Book:
    """A Book from a checked data folder. as_of: last day seen, default the last recorded day.

    Raises ParameterError when as_of lies before the first recorded activity.
    """
    tables = {name: crm.frame(name, team_id) for name in crm.tables()}
    last = last_day(tables)
    day = last if as_of is None else pd.Timestamp(as_of).normalize()
    first = tables["activities"]["occurred_on"].min()
    if pd.notna(first) and day < first:
        raise ParameterError(f"as_of {day.date()} lies before the first recorded activity ({first.date()})")
    return Book(
        as_known(tables, day) if day < last else tables,
        day,
        currency or _currency(tables),
        _own_findings(findings, team_id) if team_id else findings,
        policy or Policy(),
        rules or Rules(),
    )


def last_day(tables: Mapping[str, pd.DataFrame]) -> pd.Timestamp:
    """The last day on which anything was done (not planned), created or closed."""
    known = dict(tables)
    if "activities" in known and "status" in known["activities"]:
        rows = known["activities"]
        known["activities"] = rows.loc[rows["status"].isna() | (rows["status"] == "done"), ["occurred_on"]]
    columns = (("activities", "occurred_on"), ("opportunities", "created_on"), ("opportunities", "closed_on"))
    days = [known[t][c].max() for t, c in columns if t in known and c in known[t] and len(known[t])]
    days = [day for day in days if pd.notna(day)]
    if not days:
        raise DataError("activities and opportunities hold no dated row: there is nothing to report on")
    return pd.Timestamp(max(days)).normalize()


_DATED = {  # table -> (the column that says when a row came to be, columns blanked when they lie in the future)
    "activities": ("occurred_on", ()),
    "opportunities": ("created_on", ("invoiced_on", "paid_on")),
    "stage_changes": ("changed_at", ()),
    "leads": ("created_at", ("qualified_at", "handed_off_at", "first_touch_at", "feedback_at")),
    "coaching": ("occurred_on", ()),
    "memberships": ("valid_from", ()),
    "reps": ("hired_on", ("left_on",)),
}


def as_known(tables: Mapping[str, pd.DataFrame], day: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The tables as they stood at the end of `day`.

    A deal that closed later is open again, its amount and probability unknown: what was typed then is not recorded.
    """
    end = pd.Timestamp(day).normalize() + pd.Timedelta(days=1)
    known = dict(tables)
    for name, (stamp, later) in _DATED.items():
        if name in known and stamp in known[name]:
            known[name] = _before(known[name], stamp, later, end)
    if "opportunities" in known:
        known["opportunities"] = _reopened(known["opportunities"], end)
    return known


def _before(frame: pd.DataFrame, stamp: str, later: tuple[str, ...], end: pd.Timestamp) -> pd.DataFrame:
    kept = frame.loc[frame[stamp].isna() | (frame[stamp] < _like(end, frame[stamp]))]
    blanks = {c: kept[c].where(kept[c] < _like(end, kept[c])) for c in later if c in kept}
    return kept.assign(**blanks)


def _like(day: pd.Timestamp, column: pd.Series) -> pd.Timestamp:
    """The day in the column's own time zone (instants are UTC)."""
    zone = getattr(column.dt, "tz", None)
    return day if zone is None else day.tz_localize(zone)


def _reopened(deals: pd.DataFrame, end: pd.Timestamp) -> pd.DataFrame:
    open_then = deals["closed_on"] >= end
    changes = {
        "status": deals["status"].where(~open_then, "open"),
        "closed_on": deals["closed_on"].where(~open_then),
    }
    for name in ("amount", "probability", "list_amount", "margin", "units"):
        if name in deals:
            changes[name] = deals[name].where(~open_then)
    return deals.assign(**changes)


def _cut(name: str, frame: pd.DataFrame, team_id: str, members: set[str]) -> pd.DataFrame:
    if name == "quotas":
        return frame.loc[frame["owner_id"].isin(members | {team_id})]
    if name == "leads" and "assigned_rep_id" in frame:
        return frame.loc[frame["assigned_rep_id"].isin(members)]
    if "rep_id" in frame:
        return frame.loc[frame["rep_id"].isin(members)]
    if "team_id" in frame:
        return frame.loc[frame["team_id"].isna() | (frame["team_id"] == team_id)]
    return frame


def _own_findings(findings: pd.DataFrame | None, team_id: str) -> pd.DataFrame | None:
    if findings is None:
        return None
    return findings.loc[(findings["scope"] == "company") | (findings["team_id"] == team_id)]


def _currency(tables: Mapping[str, pd.DataFrame]) -> str:
    teams = tables.get("teams")
    if teams is None or "currency" not in teams or teams["currency"].dropna().empty:
        return "EUR"
    return str(teams["currency"].dropna().mode().iloc[0])
