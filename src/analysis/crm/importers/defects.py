"""The forty defects of CRM exports that the importer knows, and the ledger that counts what was done about each.

Every staged row carries three bit masks: what was fixed in it, why it is in quarantine, why it was dropped; bit n is
defect Dn, higher bits are plain reasons (deleted in the source, and so on). A row's fate follows from the masks, so the
counts always add up. Refusals of a whole import are collected and raised together; refusals of one metric leave the import
standing and are listed as disabled.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from analysis.errors import DataError

DEFECTS: dict[str, str] = {
    "D01": "a date dressed as midnight UTC",
    "D02": "a clock time without a zone, or in an hour the clock skipped or repeated",
    "D03": "day and month could be either",
    "D04": "a sentinel date",
    "D05": "dates turned into clock fragments by a spreadsheet",
    "D06": "milliseconds read as seconds",
    "D07": "a duration as text of unknown unit",
    "D08": "a duration only in prose",
    "D09": "duration not recorded",
    "D10": "a planned length, or one too long for a call",
    "D11": "the outcome field is never filled",
    "D12": "two kind fields disagree",
    "D13": "an outcome without a label",
    "D14": "tracking or sequence rows among the effort",
    "D15": "planned, not done",
    "D16": "meeting outcome not known",
    "D17": "one touch logged by two tools",
    "D18": "an invitee's copy or a series master",
    "D19": "a join that multiplies rows",
    "D20": "an older version of a row",
    "D21": "activities archived away",
    "D22": "e-mails captured outside the CRM's tables",
    "D23": "a bulk import",
    "D24": "done in the future",
    "D25": "logged after the outcome",
    "D26": "outside the window of its lead or deal",
    "D27": "linked to nobody",
    "D28": "no known rep",
    "D29": "performer is not the record's owner",
    "D30": "an integration user performs everything",
    "D31": "one person with two ids",
    "D32": "teams known only as of today",
    "D33": "overlapping memberships",
    "D34": "no usable hire dates",
    "D35": "deals handed to a successor",
    "D36": "splits that do not sum to one",
    "D37": "a typed closing date",
    "D38": "a stage row without a change, or a stage nobody mapped",
    "D39": "an amount that cannot be used",
    "D40": "a damaged file, merged or test rows, quota dates adrift",
}
REASONS: dict[str, str] = {
    "deleted": "deleted in the source",
    "excluded_user": "by a user the configuration excludes",
    "ignored_rule": "a rule says ignore",
    "private": "a private event",
    "unclassified": "no activity rule matches",
    "no_id": "no id",
    "no_date": "no usable date",
    "footer": "closing lines of a report export",
    "other_field": "history of a field that is not needed",
    "no_person": "not a person's account",
    "unused_user": "owns no activity, deal, lead or quota",
    "ignored_deal": "a pipeline or type the configuration ignores",
    "dead_link": "the linked deal or lead is not in the data; link removed",
    "orphan": "belongs to a row that is not in the data",
    "bad_value": "a value that cannot be read",
    "unused_lookup": "label of nothing in use",
    "attendee": "kept as attendee, not as a meeting",
    "other_type": "another split or quota type",
}
BITS = {code: int(code[1:]) for code in DEFECTS} | {reason: 41 + n for n, reason in enumerate(REASONS)}
ACTIONS = ("fixed", "quarantined", "dropped", "warned", "refused", "disabled")


def bit(code: str) -> int:
    """The mask of a code."""
    return 1 << BITS[code]


def mask(*conditions: tuple[str, str]) -> str:
    """SQL of a mask: each (code, SQL condition) sets its bit."""
    terms = [f"CASE WHEN {condition} THEN {bit(code)} ELSE 0 END" for code, condition in conditions]
    return "(" + (" | ".join(terms) or "0") + ")::BIGINT"


def decode(value: int) -> list[str]:
    """The codes of a mask, lowest first."""
    return [code for code, position in BITS.items() if value >> position & 1]


def meaning(code: str) -> str:
    """A code in words."""
    return DEFECTS.get(code) or REASONS[code]


class DefectRefused(DataError):
    """The import cannot go on; `codes` says which defects, the text what to do about each."""

    def __init__(self, refusals: list[tuple[str, str]]) -> None:
        self.codes = tuple(code for code, _ in refusals)
        super().__init__("\n".join(f"{code} {text}" for code, text in refusals))


@dataclass(slots=True)
class Ledger:
    """What was done about which defect, in which table, how often, and in which words."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)

    def note(self, code: str, table: str, action: str, rows: int, text: str = "") -> None:
        """Count an action; nothing is written for no rows."""
        assert action in ACTIONS and (code in DEFECTS or code in REASONS)
        if rows:
            self.entries.append(
                {"code": code, "table": table, "action": action, "rows": int(rows), "text": text or meaning(code)}
            )

    def warn(self, code: str, table: str, rows: int, text: str) -> None:
        """Something a reader must know, though nothing was changed."""
        self.note(code, table, "warned", rows, text)

    def disable(self, code: str, metric: str, rows: int, text: str) -> None:
        """A metric this data cannot give."""
        self.note(code, metric, "disabled", max(rows, 1), text)

    def refuse(self, code: str, text: str) -> None:
        """A reason to stop; raised by `settle`, together with the others of the same phase."""
        if (code, text) not in self.refusals:
            self.refusals.append((code, text))

    def settle(self) -> None:
        """Raise DefectRefused if anything was refused."""
        if self.refusals:
            raise DefectRefused(self.refusals)

    def rows(self, code: str, action: str) -> int:
        """How many rows an action on a code has touched."""
        return sum(e["rows"] for e in self.entries if e["code"] == code and e["action"] == action)
