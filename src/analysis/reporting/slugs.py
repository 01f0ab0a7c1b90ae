"""Folder names for teams: whatever a CRM calls a team, its folder is short, plain and its own.

A slug holds only a-z, 0-9 and single inner hyphens, so that it means the same on every file system, in a URL and in a
shell. It never names a path outside its parent, a device of Windows or a file the batch itself writes. Two teams never
share one, however alike their names look, and a team keeps the slug it was given in an earlier run.
"""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping

MAX_LENGTH = 48
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{n}" for n in range(10)), *(f"lpt{n}" for n in range(10))],
)
OF_COMPANY = frozenset(["alignment", "leadership"])  # folders of the reports about the company
OWN_FILES = OF_COMPANY | {"assets", "company", "findings", "index", "manifest", "study"}


def slugify(name: str) -> str:
    """The plain form of one name: accents folded, anything else a hyphen; "team" and its mark where nothing is left.

    >>> slugify("Zürich & Genève")
    'zurich-geneve'
    """
    folded = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    plain = re.sub(r"[^a-z0-9]+", "-", folded)[:MAX_LENGTH].strip("-")
    if not plain:
        return f"team-{_mark(name)}"
    return f"team-{plain}" if plain in DEVICES | OWN_FILES else plain


def assign_slugs(names: Mapping[str, str], kept: Mapping[str, str] | None = None) -> dict[str, str]:
    """A slug for every team.

    names: team_id -> the name shown to people. kept: team_id -> slug of an earlier run of the same folder; a team keeps
    its slug there even when it is renamed, and nobody else is ever given it. Names that look alike on some file system
    get a mark made from the team_id, so the outcome does not depend on the order of the teams.
    """
    kept = {team: slug for team, slug in (kept or {}).items() if is_slug(slug)}
    plain = {team: slugify(name) for team, name in names.items()}
    wanted = Counter(slug for team, slug in plain.items() if team not in kept)
    taken = set(kept.values())
    slugs: dict[str, str] = {}
    for team in sorted(names):
        slug = kept.get(team) or plain[team]
        if team not in kept and (wanted[slug] > 1 or slug in taken):
            slug = _free(plain[team], team, taken)
        taken.add(slug)
        slugs[team] = slug
    return {team: slugs[team] for team in names}


def is_slug(text: str) -> bool:
    """Whether a text read from a file may be used as a folder name."""
    return bool(SLUG.fullmatch(text)) and len(text) <= MAX_LENGTH + 16 and text not in DEVICES | OWN_FILES


def is_folder(text: str) -> bool:
    """Whether a report may lie in a folder of this name: a team's slug, or one of the company's own."""
    return is_slug(text) or text in OF_COMPANY


def _free(plain: str, team: str, taken: set[str]) -> str:
    """The plain slug with the team's mark, longer until nobody else holds it."""
    for length in (8, 12, 15):
        slug = f"{plain}-{_mark(team, length)}"
        if slug not in taken:
            return slug
    raise AssertionError(f"no free slug for {plain!r}")


def _mark(text: str, length: int = 8) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]
