"""The import configuration that fits a simulated export: what this company calls its stages, kinds and sources."""

from collections.abc import Iterable, Mapping

from analysis.crm.simulate.export import quoted

_HEAD = """# How to read this export: workbench import {crm} export DATA --config import.toml
schema = 1
team_files = ["teams/*.toml"]
[source]
crm = "{crm}"
landing = "{landing}"
naming = "{naming}"
includes_archived = "yes"
extracted_on = {day}
[team]
timezone = "UTC"
reporting_currency = "EUR"
[activity_defaults]
collapse_same_contact_minutes = 0   # nothing here logs a touch twice
done_late_days = 400
[people]
hire_dates = "hris.csv"
memberships = "memberships.csv"
roles = {{ "Account Executive" = "ae", "Account Manager" = "am", "Sales Manager" = "manager" }}
[leads]
first_touch = ["call", "email"]
feedback = {{ {feedback} }}
sources = {{ {sources} }}
"""
_CANONICAL = {
    "qualification": "open",
    "discovery": "qualified",
    "proposal": "proposal",
    "negotiation": "contract",
    "won": "won",
    "lost": "lost",
}


def head(crm: str, landing: str, naming: str, day: str, feedback: Mapping[str, str], sources: Mapping[str, str]) -> str:
    """Everything but money, stages, contacts and activities. feedback, sources: the CRM's word -> the contract's."""
    return _HEAD.format(
        crm=crm, landing=landing, naming=naming, day=day, feedback=_pairs(feedback), sources=_pairs(sources)
    )


def _pairs(words: Mapping[str, str]) -> str:
    return ", ".join(f"{quoted(word)} = {quoted(meaning)}" for word, meaning in words.items())


def stages(spelling: Mapping[str, str]) -> str:
    """The [stages] section. spelling: the contract folder's stage -> the CRM's."""
    lines = ["[stages.default]"]
    for order, (name, label) in enumerate(spelling.items(), start=1):
        lines.append(f'{quoted(label)} = {{ order = {order}, as = "{_CANONICAL[name]}", name = "{name}" }}')
    return "\n".join(lines) + "\n"


def coaching(kinds: Iterable[str]) -> str:
    """The [coaching] section: what a focus may be."""
    return f"[coaching]\nfocus = [{', '.join(quoted(kind) for kind in kinds)}]\n"


def rule(name: str, kind: str, lines: Iterable[str]) -> str:
    """One [[activity]] rule."""
    return "\n".join(["[[activity]]", f'id = "{name}"', f'kind = "{kind}"', *lines]) + "\n"
