"""The import configuration: what the company's CRM calls things, and what counts.

One base file for the company and, where teams differ, one small file a team that overrides it key by key. Every key is
typed and known (see strict.py); the bytes of all files are hashed into the import report, so that a number can be traced
to the definitions that made it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.crm.importers.rules import KIND, Rule
from analysis.crm.importers.sections import CRMS, File, Leads, Source
from analysis.crm.importers.strict import Document, build, nearest, read_document, shown
from analysis.errors import ConfigError

TEAM_SECTIONS = ("schema", "team", "activity", "activity_defaults", "stages", "outcomes", "money")
TEAM_MONEY = ("field",)


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
        try:
            matches = sorted(path for path in base.parent.glob(pattern) if path.is_file())
        except ValueError as error:  # an empty pattern, or ** inside a name
            raise ConfigError(
                f"{document.at(('team_files',))}: {shown(pattern)} is no pattern of file names."
            ) from error
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
