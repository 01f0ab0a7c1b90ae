"""One name for one thing, however the export spells it.

`ActivityDate`, `activity_date`, `activityDate`, `Activity Date`, `properties_hs_timestamp` and `PROPERTIES__HS_TIMESTAMP`
are spellings; the key of a name is what is left when case, separators and the prefixes of known loaders are gone.
"""

from __future__ import annotations

import re
import unicodedata

CRM_PREFIXES = ("salesforce", "sfdc", "sf", "hubspot", "hs", "pipedrive", "dynamics365", "dynamics", "d365", "crm")
LAYER_PREFIXES = ("stg", "src", "raw", "public", "fivetran", "airbyte", "stitch", "dlt", "dbo", "export")
LAYER_SUFFIXES = ("data", "export", "sample", "report", "tmp", "all", "final")
PROPERTY = re.compile(r"^(?:properties|property)_+", re.IGNORECASE)
STITCH_VALUE = re.compile(r"__value$", re.IGNORECASE)


def field_key(name: str) -> str:
    """What a column is compared by: letters and digits only, lower case, loader prefixes removed."""
    text = unicodedata.normalize("NFKC", name).strip()
    text = STITCH_VALUE.sub("", PROPERTY.sub("", text))
    return re.sub(r"[^0-9a-z]", "", text.casefold()) or text.casefold()


def words_of(name: str) -> list[str]:
    """A file or table name in lower-case words: OpportunityFieldHistory -> opportunity field history."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", unicodedata.normalize("NFKC", name))
    return [word for word in re.split(r"[^0-9a-zA-Z]+", spaced.lower()) if word]


def object_key(name: str) -> str:
    """What a file or table name is compared by: sf_task_data, salesforce.Task and tasks-2024-03 all speak of tasks."""
    words = words_of(name)
    while len(words) > 1 and words[0] in CRM_PREFIXES + LAYER_PREFIXES:
        words = words[1:]
    while len(words) > 1 and (words[-1] in LAYER_SUFFIXES or words[-1].isdigit()):
        words = words[:-1]
    return "".join(words)


def singular(key: str) -> str:
    """The key without the plural: activities -> activity, tasks -> task."""
    if key.endswith("ies"):
        return key[:-3] + "y"
    return key[:-1] if key.endswith("s") and not key.endswith("ss") else key


def is_snake(name: str) -> bool:
    """Whether a name is written in lower case with underscores (Fivetran, Stitch, dlt) rather than as the API has it."""
    return name == name.lower()
