"""The import configuration: what the company's CRM calls things, and what counts.

One base file for the company and, where teams differ, one small file a team that overrides it key by key. Every key is
typed and known (see strict.py); the bytes of all files are hashed into the import report, so that a number can be traced
to the definitions that made it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from analysis.crm.importers.rules import KIND, Rule
from analysis.crm.importers.strict import Document, build, nearest, read_document
from analysis.errors import ConfigError

Crm = Literal["salesforce", "hubspot", "dynamics365", "pipedrive", "csv"]
CRMS = ("salesforce", "hubspot", "dynamics365", "pipedrive", "csv")
TEAM_SECTIONS = ("schema", "team", "activity", "activity_defaults", "stages", "outcomes", "money")
TEAM_MONEY = ("field",)


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


@dataclass(frozen=True, slots=True)
class Config:
    """The base file, each team's merged file by team id, and the hash of all of them."""

    base: File
    teams: dict[str, File]
    sha256: str
    names: tuple[str, ...]
    base_name: str

    @property
    def source(self) -> Source:
        """The source section of the base file."""
        assert self.base.source is not None
        return self.base.source

    def of(self, team_id: str | None) -> File:
        """The settings of a team: its own file merged over the base, else the base."""
        return self.teams.get(team_id or "", self.base)


def check_zone(name: str | None) -> None:
    """Raise ValueError unless `name` is an IANA zone (or None)."""
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no IANA time zone such as Europe/Berlin") from error


def load_config(path: Path | str, crm: str | None = None) -> Config:
    """Read the base file and its team files.

    path: the base TOML file; `team_files` in it are names or globs relative to it.
    Raises ConfigError for anything unknown, ill-typed or contradictory.
    """
    path = Path(path)
    document = read_document(path)
    base = build(File, document.content, document)
    if base.source is None:
        raise ConfigError(f"{path.name}: the base file needs [source] with crm = one of {', '.join(CRMS)}.")
    if crm is not None and base.source.crm != crm:
        raise ConfigError(
            f"{document.at(('source', 'crm'))}: the file is for {base.source.crm}, the command says {crm}."
        )
    check_sense(base, document)
    digest = hashlib.sha256(document.text.encode())
    teams: dict[str, File] = {}
    names = [path.name]
    for team_path in team_paths(path, base.team_files, document):
        own = read_document(team_path)
        team = merge_team(document, own)
        if not team.team.id or team.team.id in teams or team.team.id == base.team.id:
            raise ConfigError(f"{own.at(('team', 'id'))}: every team file needs a [team] id of its own.")
        teams[team.team.id] = team
        names.append(team_path.name)
        digest.update(own.text.encode())
    return Config(base, teams, digest.hexdigest(), tuple(names), path.name)


def team_paths(base: Path, patterns: tuple[str, ...], document: Document) -> list[Path]:
    """The team files a base file names, in order; a pattern that matches nothing is refused."""
    found: list[Path] = []
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise ConfigError(f"{document.at(('team_files',))}: {pattern!r} must lie beside the base file.")
        matches = sorted(base.parent.glob(pattern))
        if not matches:
            raise ConfigError(f"{document.at(('team_files',))}: no team file matches {pattern!r}.")
        found += [match for match in matches if match not in found and match != base]
    return found


def merge_team(base: Document, own: Document) -> File:
    """A team's settings: the base overridden key by key; rules by id, new rules before the base's."""
    for key in own.content:
        if key not in TEAM_SECTIONS:
            raise ConfigError(
                f"{own.at((key,))}: {key!r} belongs in the base file, not in a team's.{nearest(key, TEAM_SECTIONS)}"
            )
    for key in own.content.get("money", {}) if isinstance(own.content.get("money"), dict) else ():
        if key not in TEAM_MONEY:
            raise ConfigError(
                f"{own.at(('money', key))}: a team may override only money.field; {key!r} is the company's."
            )
    build(File, {key: value for key, value in own.content.items() if key != "activity"}, own)
    check_rule_keys(own)
    merged = overlay({k: v for k, v in base.content.items() if k != "activity"}, own.content)
    merged["activity"] = merge_rules(base.content.get("activity", []), own.content.get("activity", []))
    result: File = build(File, merged, own)
    check_sense(result, own)
    return result


def check_rule_keys(own: Document) -> None:
    """A team's rules may be partial, as they change the base's by id; their keys must be known all the same."""
    known = {field.name for field in dataclasses.fields(Rule)}
    rules = own.content.get("activity", [])
    if not isinstance(rules, list) or not all(
        isinstance(rule, dict) and isinstance(rule.get("id"), str) for rule in rules
    ):
        raise ConfigError(f"{own.at(('activity',))}: [[activity]] needs an id in every rule.")
    for position, rule in enumerate(rules):
        for key in rule:
            if key not in known:
                place = own.at(("activity", position, key))
                raise ConfigError(f"{place}: unknown key {key!r} in [[activity]].{nearest(key, known)}")


def overlay(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Tables merged key by key; everything else replaced."""
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = overlay(merged[key], value) if both else value
    return merged


def merge_rules(base: list[dict[str, Any]], own: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules of the same id replaced key by key in their place; new ones first, as they are the more special."""
    changes = {rule.get("id"): rule for rule in own}
    known = {rule.get("id") for rule in base}
    return [rule for rule in own if rule.get("id") not in known] + [
        {**rule, **changes.get(rule.get("id"), {})} for rule in base
    ]


def check_sense(file: File, document: Document) -> None:
    """Contradictions a type cannot see: repeated rule ids, kinds nobody defines."""
    ids = [rule.id for rule in file.activity]
    for position, rule_id in enumerate(ids):
        if rule_id in ids[:position]:
            raise ConfigError(f"{document.at(('activity', position, 'id'))}: the rule id {rule_id!r} is used twice.")
    kinds = {rule.kind for rule in file.activity if rule.kind}
    for kind in file.leads.first_touch:
        if not KIND.fullmatch(kind) or (kinds and kind not in kinds and kind not in Leads().first_touch):
            raise ConfigError(
                f"{document.at(('leads', 'first_touch'))}: no [[activity]] rule has the kind {kind!r}.{nearest(kind, kinds)}"
            )
