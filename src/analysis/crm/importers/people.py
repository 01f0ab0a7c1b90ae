# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Who sells: users become reps under pseudonyms, with one team each and, where it is known, a history of teams.

People are few, so this is done in Python; names and addresses live in memory only as long as it takes to tell two persons
apart, and what leaves is a table of keys and pseudonyms.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from analysis.crm.importers.defects import bit
from analysis.crm.importers.job import Job, raw_table
from analysis.crm.importers.naming import field_key
from analysis.crm.importers.privacy import OPAQUE, pseudonym, scrub
from analysis.crm.importers.rules import name as quoted
from analysis.crm.importers.sections import Team

USER_VALUES = (
    "id",
    "second_id",
    "name",
    "email",
    "login",
    "manager",
    "team",
    "department",
    "title",
    "timezone",
    "employee",
    "hired",
    "left_day",
)
UNASSIGNED = "unassigned"


@dataclass(slots=True)
class User:
    """One account of the CRM."""

    src: str
    row: int
    dropped: int
    values: dict[str, str | None]
    person: str = ""
    quarantined: int = 0
    fixed: int = 0

    def get(self, value: str) -> str | None:
        """A value, or None."""
        return self.values.get(value)


@dataclass(slots=True)
class People:
    """Users by key, and the teams they are in. keys: user id (or second id) -> person; a person's id is its smallest user id."""

    users: list[User]
    keys: dict[str, str] = field(default_factory=dict)
    excluded: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    team: dict[str, str] = field(default_factory=dict)
    teams: dict[str, dict[str, str | None]] = field(default_factory=dict)
    team_keys: dict[str, str] = field(default_factory=dict)


def build_people(job: Job) -> People:
    """Read users and teams, tell persons apart, and make the table `person` that activities and deals join."""
    raw_table(job, "w_users", "users", (*USER_VALUES, "is_person"))
    rows = job.rows(
        f"SELECT _src, _row, _d, coalesce(is_person::BOOLEAN, true), {', '.join(USER_VALUES)} "
        f"FROM w_users ORDER BY _src, _row"
    )
    people = People([])
    for src, row, dropped, is_person, *values in rows:
        user = User(src, row, dropped, dict(zip(USER_VALUES, values, strict=True)))
        user.dropped |= 0 if is_person else bit("no_person")
        people.users.append(user)
    if job.config.base.people.users == "owners":
        add_owners(job, people)
    identify(job, people)
    exclude(job, people)
    assign_teams(job, people)
    write_person(job, people)
    return people


def add_owners(job: Job, people: People) -> None:
    """Owners of rows that no list of users names, for exports without one; they have no row of their own to account for."""
    known = {v for u in people.users for v in (u.get("id"), u.get("second_id")) if v}
    owners: set[str] = set()
    for staged in [*job.objects("activities"), *job.objects("opportunities"), *job.objects("engagement_base")]:
        key = job.id_sql(staged.object.sql("rep", staged.column))
        owners |= {o for (o,) in job.rows(f"SELECT DISTINCT {key} FROM {quoted(staged.table)} s") if o}
    for number, owner in enumerate(sorted(owners - known)):
        people.users.append(User("", number, 0, {"id": owner}))


def identify(job: Job, people: People) -> None:
    """One person per employee number or e-mail address; a second id of the same user is a key of the same person (D31)."""
    live = [u for u in people.users if not u.dropped and u.get("id")]
    parent: dict[str, str] = {u.values["id"] or "": u.values["id"] or "" for u in live}

    def root(key: str) -> str:
        while parent[key] != key:
            key = parent[key]
        return key

    for value in ("employee", "email"):
        first: dict[str, str] = {}
        for user in live:
            mark = (user.get(value) or "").strip().lower()
            if mark:
                a, b = root(first.setdefault(mark, user.values["id"] or "")), root(user.values["id"] or "")
                parent[max(a, b)] = min(a, b)
    for user in live:
        own = user.values["id"] or ""
        user.person = root(own)
        user.fixed |= bit("D31") if user.person != own else 0
        people.keys[own] = user.person
    for user in live:
        if user.get("second_id"):
            people.keys.setdefault(user.values["second_id"] or "", user.person)
    merged = sum(1 for u in live if u.fixed & bit("D31"))
    job.ledger.note("D31", "reps", "fixed", merged, "accounts of one person (same employee number or address) merged")
    hold_namesakes(job, people, live)


def hold_namesakes(job: Job, people: People, live: list[User]) -> None:
    """Two accounts of one name that nothing tells apart or together go to quarantine as a pair (D31)."""
    by_name: dict[str, list[User]] = defaultdict(list)
    for user in live:
        if user.get("name"):
            by_name[re.sub(r"\s+", " ", (user.get("name") or "").strip().casefold())].append(user)
    for pair in by_name.values():
        persons = {u.person for u in pair}
        known = all(u.get("employee") for u in pair)
        if len(persons) == 2 and len(pair) == 2 and not known:
            for user in pair:
                user.quarantined |= bit("D31")
                people.held.add(user.person)


def exclude(job: Job, people: People) -> None:
    """Mark the users the configuration excludes: a prefix of address or login, or a user id."""
    patterns = [p.lower() for p in job.config.base.people.exclude_users]
    for user in people.users:
        marks = [(user.get(v) or "").lower() for v in ("email", "login")]
        if (user.person and any(m.startswith(p) for p in patterns for m in marks if p)) or (
            user.get("id") or ""
        ).lower() in patterns:
            user.dropped |= bit("excluded_user")
            people.excluded.add(user.person)


def assign_teams(job: Job, people: People) -> None:
    """Every person's team now: the CRM's role or team, its department, or one team for all."""
    source_teams(job, people)
    links = team_links(job, people)
    settings = job.config.base.people.team_from
    uses_team = settings in ("auto", "role") and (links or any(u.get("team") for u in people.users))
    uses_department = settings == "department" or (
        settings == "auto" and not uses_team and any(u.get("department") for u in people.users)
    )
    for user in people.users:
        if not user.person or user.dropped:
            continue
        found = (
            (user.get("team") or links.get(user.get("id") or "") or links.get(user.get("second_id") or ""))
            if uses_team
            else None
        )
        found = user.get("department") if uses_department else found
        if found or user.person not in people.team:
            people.team[user.person] = team_of(job, people, found, bool(uses_team or uses_department))


def team_of(job: Job, people: People, found: str | None, has_teams: bool) -> str:
    """The configured or source team id of what the CRM says."""
    if not has_teams:
        only = job.config.base.team.id or "all"
        people.teams.setdefault(only, team_row(job, only, None))
        return only
    if not found:
        people.teams.setdefault(UNASSIGNED, team_row(job, UNASSIGNED, "Unassigned"))
        return UNASSIGNED
    team_id = people.team_keys.get(found.lower())
    if team_id is None:
        team_id = safe_team_id(found)
        people.team_keys[found.lower()] = team_id
    people.teams.setdefault(team_id, team_row(job, team_id, None))
    return team_id


def safe_team_id(text: str) -> str:
    """A source's id as it is when it is an id, else a slug of the name."""
    if re.fullmatch(OPAQUE, text):
        return text
    return re.sub(r"[^a-z0-9]+", "-", scrub(text).lower()).strip("-")[:60] or "team"


def source_teams(job: Job, people: People) -> None:
    """Teams the CRM lists, and the configured ones they stand for."""
    for config_team in configured_teams(job):
        assert config_team.id is not None
        for mark in config_team.source or (config_team.id,):
            people.team_keys[mark.lower()] = config_team.id
    raw_table(job, "w_teams", "teams", ("id", "name", "region", "timezone"))
    for team_id, name, region, zone in job.rows(
        "SELECT id, name, region, timezone FROM w_teams WHERE _d = 0 AND id IS NOT NULL ORDER BY _row"
    ):
        own = (
            people.team_keys.get(team_id.lower()) or people.team_keys.get((name or "").lower()) or safe_team_id(team_id)
        )
        people.team_keys[team_id.lower()] = own
        if name:
            people.team_keys.setdefault(name.lower(), own)
        people.teams.setdefault(own, team_row(job, own, name, region, zone))


def configured_teams(job: Job) -> list[Team]:
    """The teams of the team files, and the base's when it names one."""
    found = [f.team for f in job.config.teams.values()]
    return [*found, job.config.base.team] if job.config.base.team.id else found


def team_row(
    job: Job, team_id: str, name: str | None, region: str | None = None, zone: str | None = None
) -> dict[str, str | None]:
    """A row of the teams table: what the configuration says, else what the CRM says."""
    own = job.config.of(team_id).team
    named = own.name if own.id == team_id else None
    zone = own.timezone if team_id in job.config.teams or own.id == team_id or not valid_zone(zone) else zone
    job.zones.add(zone or "UTC")
    return {
        "team_id": team_id, "name": named or scrub(name or team_id), "region": scrub(own.region or region or "") or None, "timezone": zone,
        "currency": job.config.base.team.reporting_currency,
    }  # fmt: skip


def valid_zone(zone: str | None) -> bool:
    """Whether a text is an IANA zone."""
    from analysis.crm.importers.sections import check_zone

    try:
        check_zone(zone)
    except ValueError:
        return False
    return zone is not None


def team_links(job: Job, people: People) -> dict[str, str]:
    """User -> primary team from association tables; two primary teams of one user are refused (D33)."""
    found: dict[str, set[str]] = defaultdict(set)
    if job.objects("user_teams"):
        raw_table(job, "w_user_teams", "user_teams", ("user", "team", "primary"), None)
        for user, team in job.rows(
            'SELECT "user", team FROM w_user_teams WHERE _d = 0 AND "primary"::BOOLEAN ORDER BY _src, _row'
        ):
            if user and team:
                found[people.keys.get(user, user)].add(team)
    if job.objects("user_details"):
        raw_table(job, "w_user_details", "user_details", ("id", "team"))
        for user, team in job.rows("SELECT id, team FROM w_user_details WHERE _d = 0 AND team IS NOT NULL"):
            if user:
                found.setdefault(people.keys.get(user, user), {team})
    for user, teams in sorted(found.items()):
        if len(teams) > 1:
            who = pseudonym(job.key, people.keys.get(user, user))
            job.ledger.refuse(
                "D33", f"{who} has {len(teams)} primary teams at once. Leave one, or give memberships with dates."
            )
    return {user: min(teams) for user, teams in found.items()}


def write_person(job: Job, people: People) -> None:
    """The table `person`: user key, pseudonym, team, zone, and whether its rows are excluded or held."""
    zones: dict[str, str] = {}
    for user in people.users:
        if user.person and valid_zone(user.get("timezone")):
            zones.setdefault(user.person, user.get("timezone") or "UTC")
    rows: list[tuple[Any, ...]] = []
    for key, person in sorted(people.keys.items()):
        team = people.team.get(person) or team_of(job, people, None, bool(people.team))
        zone = zones.get(person) or people.teams[team]["timezone"] or "UTC"
        job.zones.add(zone)
        rows.append((key, pseudonym(job.key, person), team, zone, person in people.excluded, person in people.held))
    job.run(
        "CREATE OR REPLACE TABLE person (user_key VARCHAR, rep_id VARCHAR, team_id VARCHAR, tz VARCHAR, excluded BOOLEAN, held BOOLEAN)"
    )
    if rows:
        job.con.executemany("INSERT INTO person VALUES (?, ?, ?, ?, ?, ?)", rows)
    doubled = [key for key, n in Counter(r[0] for r in rows).items() if n > 1]
    assert not doubled, field_key(doubled[0])
