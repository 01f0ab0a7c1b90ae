"""A report template: a notebook with a parameters cell, found by name among the project's or by its path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis.errors import InputError, ParameterError
from analysis.reporting.parameters import Parameter, check, declared

PACK = "pack"  # the parameter every template has: the folder of the team's pack, relative to where the report runs
HOMES = (Path(__file__).parent / "notebooks", Path(__file__).parents[3] / "notebooks" / "reports")


@dataclass(frozen=True, slots=True)
class Template:
    """name, the notebook as JSON text, its declared parameters, and a digest of the text."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]
    digest: str

    def bind(self, given: Mapping[str, object]) -> dict[str, object]:
        """The values for a report's run: what was given, checked, and where its pack lies.

        Raises ParameterError for an unknown name, a value of another type or out of range, or the pack itself.
        """
        if PACK in given:
            raise ParameterError(f"`{PACK}` is set by the batch, one for each team.")
        return {**check(self.parameters, given), PACK: PACK}


def read_template(name: str | Path) -> Template:
    """Read a template by name ("team_report") or path.

    Raises InputError when it is not there or not a notebook, ParameterError when its parameters cell is not typed or
    takes no pack.
    """
    path = _find(name)
    try:
        text = path.read_text(encoding="utf-8")
        notebook = json.loads(text)
        parameters = declared(notebook)
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(f"{path} is not a notebook (nbformat 4).") from None
    if PACK not in {parameter.name for parameter in parameters}:
        raise ParameterError(f"{path}: its parameters cell needs a line `{PACK}: str = ...` for the team's pack.")
    return Template(path.stem, text, parameters, hashlib.sha256(text.encode()).hexdigest())


@cache
def code_digest() -> str:
    """A digest of this package's version and sources: a report made by other code is not the same report."""
    from importlib.metadata import version

    package = Path(__file__).parents[1]
    total = hashlib.sha256(version("sales-activity-workbench").encode())
    for path in sorted(package.rglob("*")):
        if path.is_file() and path.suffix not in (".pyc", ".pyo"):
            total.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb":
        return path
    found = [home / f"{name}.ipynb" for home in HOMES if (home / f"{name}.ipynb").exists()]
    if path.name != str(name) or not found:
        known = sorted({each.stem for home in HOMES for each in home.glob("*.ipynb")})
        raise InputError(f"There is no report template {str(name)!r}; there is {', '.join(known) or 'none'}.")
    return found[0]
