"""How each CRM spells the things the contract asks for.

A mapping is data: objects with the fields they may have (API name and further spellings) and, per canonical value, a SQL
expression over those fields in braces. What the values mean and what happens to them is the pipeline's business and the
same for every CRM. Field names and their pitfalls come from the vendors' API references and published landing schemas.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

TECHNICAL = (
    "_fivetran_active", "_fivetran_deleted", "_fivetran_start", "_fivetran_end", "_fivetran_synced",
    "_sdc_sequence", "_sdc_deleted_at", "_sdc_received_at", "_airbyte_extracted_at", "_dlt_load_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Object:
    """One object of a CRM.

    role: what the pipeline takes it for. names: keys its file or table may have. fields: `Api` or `Api=Other,Spelling`.
    values: canonical name -> SQL with {Field}. version: fields whose latest value marks the live row.
    """

    name: str
    role: str
    names: tuple[str, ...]
    fields: tuple[str, ...]
    values: dict[str, str] = field(default_factory=dict)
    version: tuple[str, ...] = ()
    zone: str | None = "UTC"

    @property
    def spellings(self) -> dict[str, tuple[str, ...]]:
        """API field -> further spellings."""
        split = [entry.partition("=") for entry in (*self.fields, *TECHNICAL)]
        return {name: tuple(s for s in more.split(",") if s) for name, _, more in split}

    def sql(self, value: str, column: Callable[[str], str]) -> str:
        """SQL of a canonical value; NULL where this object does not have it."""
        return expand(self.values.get(value, "NULL"), column)


def expand(template: str, column: Callable[[str], str]) -> str:
    """Replace {Field} by the column's SQL."""
    return re.sub(r"\{(\w+)\}", lambda match: column(match[1]), template)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A CRM: its objects, how its ids are normalised (SQL macro), the labels it ships for outcomes, D21 or not."""

    crm: str
    objects: tuple[Object, ...]
    id_macro: str = "clean_id"
    outcomes: dict[str, str] = field(default_factory=dict)
    archives_activities: bool = False

    def object(self, name: str) -> Object:
        """An object by name."""
        return next(o for o in self.objects if o.name == name)

    def of_role(self, role: str) -> tuple[Object, ...]:
        """The objects of a role."""
        return tuple(o for o in self.objects if o.role == role)


LABELS = {
    "connected": "connected", "answered": "connected", "completed": "connected", "reached": "connected",
    "left voicemail": "voicemail", "left live message": "voicemail", "voicemail": "voicemail", "left message": "voicemail",
    "no answer": "no_answer", "no_answer": "no_answer", "not reached": "no_answer", "missed": "no_answer",
    "busy": "busy", "wrong number": "wrong_number", "wrong_number": "wrong_number", "bad number": "wrong_number",
    "bounced": "bounced", "held": "held", "no show": "no_show", "no_show": "no_show", "no-show": "no_show",
    "unknown": "unknown",
}  # fmt: skip


@cache
def mapping_of(crm: str) -> Mapping:
    """The mapping of a CRM, with the tables of one's own that may lie beside any export."""
    from analysis.crm.importers.mappings import dynamics365, hubspot, own, pipedrive, salesforce

    found: Mapping = {
        "salesforce": salesforce.MAPPING,
        "hubspot": hubspot.MAPPING,
        "dynamics365": dynamics365.MAPPING,
        "pipedrive": pipedrive.MAPPING,
        "csv": own.MAPPING,
    }[crm]
    taken = {name for o in found.objects for name in o.names}
    beside = tuple(o for o in own.BESIDE if not taken & set(o.names)) if crm != "csv" else ()
    return Mapping(found.crm, found.objects + beside, found.id_macro, found.outcomes, found.archives_activities)
