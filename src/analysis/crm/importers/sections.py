"""The sections of an import configuration: one frozen dataclass each, whose fields are the only keys there are."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from analysis.crm.importers.rules import Rule

Crm = Literal["salesforce", "hubspot", "dynamics365", "pipedrive", "csv"]
CRMS = ("salesforce", "hubspot", "dynamics365", "pipedrive", "csv")


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file must hold: its rows without the header, and its checksum."""

    rows: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """How the export was made."""

    crm: Crm
    landing: Literal["auto", "fivetran", "airbyte", "stitch", "dlt", "api_json", "ui_csv"] = "auto"
    naming: Literal["auto", "snake", "camel"] = "auto"
    timezone: str | None = None
    date_order: Literal["ymd", "dmy", "mdy"] | None = None
    encoding: Literal["utf-8", "cp1252", "latin-1", "utf-16"] = "utf-8"
    delimiter: str | None = None
    includes_archived: Literal["unknown", "yes", "no"] = "unknown"
    extracted_on: dt.date | None = None
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    expect: dict[str, Expected] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_zone(self.timezone)
        if self.delimiter is not None and self.delimiter not in (",", ";", "\t", "|"):
            raise ValueError("delimiter must be one of , ; | or a tab")


@dataclass(frozen=True, slots=True)
class Units:
    """Units the source does not state."""

    duration: Literal["s", "ms", "min", "mm:ss", "hh:mm", "hh:mm:ss"] | None = None
    duration_is: Literal["talk_time", "planned"] | None = None


@dataclass(frozen=True, slots=True)
class Team:
    """A team and its calendar; in the base file, what teams without a file of their own get."""

    id: str | None = None
    name: str | None = None
    region: str | None = None
    source: tuple[str, ...] = ()
    timezone: str = "UTC"
    reporting_currency: str = "EUR"
    week_start: Literal["monday", "sunday", "saturday"] = "monday"
    workdays: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ("mon", "tue", "wed", "thu", "fri")

    def __post_init__(self) -> None:
        check_zone(self.timezone)
        if not (
            len(self.reporting_currency) == 3
            and self.reporting_currency.isascii()
            and self.reporting_currency.isupper()
        ):
            raise ValueError(f"reporting_currency {self.reporting_currency!r} is no ISO 4217 code such as EUR")


@dataclass(frozen=True, slots=True)
class Fiscal:
    """The fiscal calendar quotas follow."""

    kind: Literal["months", "445", "454", "544"] = "months"
    start_month: int = 1
    year_named_for: Literal["start", "end"] = "start"

    def __post_init__(self) -> None:
        if not 1 <= self.start_month <= 12:
            raise ValueError("start_month must be 1 to 12")


@dataclass(frozen=True, slots=True)
class Money:
    """Which amount is revenue, when it was won, who gets it, in which currency."""

    field: str | None = None
    list_field: str | None = None
    units_field: str | None = None
    margin_field: str | None = None
    basis: Literal["acv", "tcv", "arr", "mrr", "bookings"] = "bookings"
    won_date: Literal["history", "entered"] = "history"
    win_of_reopened: Literal["first", "last"] = "first"
    credit: Literal["splits", "owner_at_close", "owner_now"] = "owner_at_close"
    split_type: str | None = None
    quota_type: str | None = None
    fx: Literal["none", "fixed", "close_month_average"] = "none"
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    rates_file: str | None = None
    decimal: Literal[".", ","] = "."
    placeholder_amounts: tuple[float, ...] = (0.0, 1.0)
    outlier_times_median: float = 1000.0

    def __post_init__(self) -> None:
        check_ranges(self, {"outlier_times_median": (1, 1e9)})


@dataclass(frozen=True, slots=True)
class Deals:
    """Deals that are no sales."""

    ignore_pipelines: tuple[str, ...] = ()
    ignore_types: tuple[str, ...] = ()
    test_patterns: tuple[str, ...] = ("test%opp%", "test deal%", "testing %")


@dataclass(frozen=True, slots=True)
class Stage:
    """What one stage of the CRM means."""

    as_: Literal["open", "qualified", "proposal", "contract", "won", "lost"] = dataclasses.field(metadata={"key": "as"})
    order: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        check_ranges(self, {"order": (-1_000_000, 1_000_000)})


@dataclass(frozen=True, slots=True)
class ActivityDefaults:
    """What holds for every activity."""

    unclassified_max_share: float = 0.05
    count_planned: bool = False
    collapse_same_contact_minutes: int = 5
    bulk_min_rows: int = 200
    backdated_days: int = 365
    done_late_days: int = 7
    max_call_hours: float = 4.0

    def __post_init__(self) -> None:
        days = (0, 36_500)
        check_ranges(self, {"unclassified_max_share": (0, 1), "backdated_days": days, "done_late_days": days})
        check_ranges(self, {"collapse_same_contact_minutes": (0, 10_080), "bulk_min_rows": (1, 1e9)})
        check_ranges(self, {"max_call_hours": (0, 168)})


@dataclass(frozen=True, slots=True)
class LeadMoment:
    """A moment of a lead, read from its field history."""

    history_field: str
    from_prefix: str | None = None
    to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Leads:
    """Hand-off, qualification, first touch and feedback of leads."""

    handoff: LeadMoment | None = None
    qualified: LeadMoment | None = None
    feedback: dict[str, Literal["accepted", "rejected", "recycled"]] = field(default_factory=dict)
    sources: dict[str, Literal["inbound", "outbound", "partner", "referral"]] = field(default_factory=dict)
    first_touch: tuple[str, ...] = ("call", "email", "meeting")
    response_clock: Literal["business_hours", "wall"] = "business_hours"


@dataclass(frozen=True, slots=True)
class People:
    """Who counts as a rep, and since when the teams are known. users = owners: whoever owns a row, for exports without users."""

    exclude_users: tuple[str, ...] = ()
    users: Literal["listed", "owners"] = "listed"
    team_from: Literal["auto", "role", "department", "none"] = "auto"
    hire_dates: str | None = None
    memberships: str | None = None
    teams_known_since: dt.date | None = None
    roles: dict[str, Literal["sdr", "ae", "am", "se", "manager", "partner", "other"]] = field(default_factory=dict)
    ramp_days: int = 90
    unknown_rep_max_share: float = 0.05
    allow_integration_users: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_ranges(self, {"unknown_rep_max_share": (0, 1), "ramp_days": (0, 3_650)})


@dataclass(frozen=True, slots=True)
class Contacts:
    """Seniority by title pattern (SQL LIKE, case ignored); the titles themselves never leave the importer."""

    vp_or_above: tuple[str, ...] = ()
    manager: tuple[str, ...] = ()
    user: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coaching:
    """The words a coaching focus may be; anything else is free text and stays out."""

    focus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Privacy:
    """What the reports may show; written into the import report as policy."""

    min_group: int = 5
    leader_sees: Literal["own_team"] = "own_team"
    peers: Literal["pseudonym_per_report"] = "pseudonym_per_report"
    rep_names: bool = False

    def __post_init__(self) -> None:
        if self.min_group < 5:
            raise ValueError("min_group is at least 5")


Outcome = Literal[
    "connected", "voicemail", "no_answer", "busy", "wrong_number", "bounced", "held", "no_show", "unknown"
]


@dataclass(frozen=True, slots=True)
class File:
    """What one configuration file may say."""

    schema: int
    source: Source | None = None
    team_files: tuple[str, ...] = ()
    units: Units = field(default_factory=Units)
    team: Team = field(default_factory=Team)
    fiscal: Fiscal = field(default_factory=Fiscal)
    money: Money = field(default_factory=Money)
    deals: Deals = field(default_factory=Deals)
    stages: dict[str, dict[str, Stage]] = field(default_factory=dict)
    activity: tuple[Rule, ...] = ()
    activity_defaults: ActivityDefaults = field(default_factory=ActivityDefaults)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    leads: Leads = field(default_factory=Leads)
    people: People = field(default_factory=People)
    contacts: Contacts = field(default_factory=Contacts)
    coaching: Coaching = field(default_factory=Coaching)
    privacy: Privacy = field(default_factory=Privacy)

    def __post_init__(self) -> None:
        if self.schema != 1:
            raise ValueError(f"schema {self.schema} is not known; this version reads schema 1")


def check_zone(name: str | None) -> None:
    """Raise ValueError unless `name` is an IANA zone (or None)."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone such as Europe/Berlin") from error


def check_ranges(section: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Raise ValueError unless every number named lies within its limits (inclusive)."""
    for name, (low, high) in limits.items():
        if not low <= getattr(section, name) <= high:
            raise ValueError(f"{name} must be {low:,.10g} to {high:,.10g}")
