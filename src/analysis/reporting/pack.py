"""A team's pack: everything one report may see, and nothing of any other team.

A folder of plain files: pack.json; the findings (this team's rows and the company's); the panel and the contract's
tables cut to this team; and the findings of the report before, where there was one. The batch makes the bytes of it, a
report's process reads them. Equal data gives equal bytes.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.errors import DataError
from analysis.reporting.arrow import SUFFIX, arrow, contract_frame, mapped, read_arrow

if TYPE_CHECKING:
    import pandas as pd

    from analysis.panel import Panel

PACK_VERSION = 3
FACTS = ("team_id", "name", "as_of", "details")
_ahead: dict[Path, TeamPack] = {}  # read before it was asked for, by folder
PANEL_FACTS = ("activities", "outcomes", "period", "currency", "cycle_days_p75", "late", "advanced")


@dataclass(frozen=True, slots=True)
class TeamPack:
    """What a team's report is made from.

    team_id, name; as_of: last day looked at (ISO date). panel: this team's rep x period rows.
    findings: rows of scope "company" and of this team. details: of study.json, what concerns the company and this team
    (`details["scopes"][""]` and `details["scopes"][team_id]`: delays and checks of every activity).
    tables: contract tables cut to this team.
    capabilities: metric, available, missing; None for a ready panel.
    previous: the findings that the report before showed, None for the first; previous_as_of: their day.
    """

    team_id: str
    name: str
    as_of: str
    panel: Panel
    findings: pd.DataFrame
    details: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    capabilities: pd.DataFrame | None = None
    previous: pd.DataFrame | None = None
    previous_as_of: str | None = None

    @property
    def currency(self) -> str:
        """ISO 4217 code of every money column."""
        return self.panel.currency


def pack_files(pack: TeamPack, tables: Mapping[str, bytes]) -> dict[str, bytes]:
    """The pack as files: name -> bytes. tables: contract tables cut to this team, as Arrow files
    (`reporting.arrow`) in the contract's types.

    Raises DataError when a row of another team is in panel or findings: the last door before a report.
    """
    from analysis.evidence.findings import findings_csv

    _require_own_rows(pack)
    facts: dict[str, Any] = {"version": PACK_VERSION} | {name: getattr(pack, name) for name in FACTS}
    facts["panel"] = {name: _plain(getattr(pack.panel, name)) for name in PANEL_FACTS}
    files = {"pack.json": json.dumps(facts, sort_keys=True, ensure_ascii=False, default=_plain).encode()}
    files |= {f"panel{SUFFIX}": arrow(pack.panel.frame), "findings.csv": findings_csv(pack.findings)}
    for name in ("findings", "capabilities"):
        if (frame := getattr(pack, name)) is not None:
            files[f"{name}.parquet"] = parquet(frame)
    return files | {f"tables/{name}{SUFFIX}": content for name, content in sorted(tables.items())}


def with_previous(files: Mapping[str, bytes], published: Mapping[str, bytes]) -> dict[str, bytes]:
    """Add to a pack what the report before showed, so that the new one can say what changed.

    published: files of the team's published report. When that report showed the very same findings (only the template
    has changed since), the new one is compared with what that one was compared with.
    """
    receipt = json.loads(published.get("receipt.json", b"{}"))
    if published.get("findings.parquet") == files["findings.parquet"]:
        shown, day = published.get("previous.parquet"), receipt.get("previous_as_of")
    else:
        shown, day = published.get("findings.parquet"), receipt.get("as_of")
    if shown is None:
        return dict(files)
    return {**files, "previous.parquet": shown, "previous.json": json.dumps({"as_of": day}).encode()}


def look_ahead(folder: Path) -> None:
    """Read a pack for the `load_pack` that is to come. Raises DataError when the folder does not hold one."""
    _ahead[folder.resolve()] = load_pack(folder)


def load_pack(folder: str | Path) -> TeamPack:
    """Read a pack. Raises DataError when the folder does not hold one."""
    home = Path(folder)
    if (ahead := _ahead.pop(home.resolve(), None)) is not None:
        return ahead
    paths = [path for path in sorted(home.rglob("*")) if path.suffix in (".json", ".parquet", SUFFIX)]
    files = {p.relative_to(home).as_posix(): mapped(p) if p.suffix == SUFFIX else p.read_bytes() for p in paths}
    return unpack(files, str(folder))


def unpack(files: Mapping[str, Any], where: str = "this") -> TeamPack:
    """A pack from its files: name -> bytes, or an Arrow buffer. Raises DataError when they are not those of a pack."""
    from analysis.panel import Panel

    try:
        facts = json.loads(files["pack.json"])
    except (KeyError, ValueError):
        raise DataError(
            f"{where} is not a team's pack; make one with `analysis.reporting.sources.team_pack`."
        ) from None
    if facts.pop("version", None) != PACK_VERSION:
        raise DataError(f"{where} was written by another version of the workbench; make it again.")
    panel: dict[str, Any] = facts.pop("panel")
    panel |= {name: tuple(panel[name]) for name in ("activities", "outcomes")}
    frames: dict[str, Any] = {name: _frame(files, name) for name in ("findings", "capabilities", "previous")}
    if "previous.json" in files:
        facts["previous_as_of"] = json.loads(files["previous.json"])["as_of"]
    tables = [name.removeprefix("tables/").removesuffix(SUFFIX) for name in files if name.startswith("tables/")]
    return TeamPack(
        panel=Panel(frame=_frame(files, "panel"), **panel),
        tables={name: contract_frame(read_arrow(files[f"tables/{name}{SUFFIX}"])) for name in tables},
        **frames,
        **facts,
    )


def parquet(frame: pd.DataFrame) -> bytes:
    """A frame as parquet bytes; the same frame gives the same bytes."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def _frame(files: Mapping[str, Any], name: str) -> Any:
    """A table of the pack; None when it has none. pandas.read_parquet would take twice the time for small ones."""
    read = _arrow(files, name)
    return None if read is None else read.to_pandas(use_threads=False, date_as_object=False)


def _arrow(files: Mapping[str, Any], name: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if (content := files.get(name + SUFFIX)) is not None:
        return read_arrow(content)
    content = files.get(f"{name}.parquet")
    return None if content is None else pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)


def _require_own_rows(pack: TeamPack) -> None:
    """A pack holds rows of one team. Only aggregates of the company stand beside them."""
    for name, frame in {"panel": pack.panel.frame, "findings": pack.findings}.items():
        teams = {str(team) for team in frame["team_id"].dropna().unique()} if "team_id" in frame else set()
        if teams - {"", pack.team_id}:
            raise DataError(f"The pack of {pack.team_id!r} holds rows of another team in {name}; no report is made.")


def _plain(value: Any) -> Any:
    """Mappings as plain ones, numpy scalars and dates as JSON knows them; what is not a number becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
