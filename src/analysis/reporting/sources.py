"""Where a batch's teams come from: the data folder, studied once for the whole company, cut into one pack a team.

The key of a source is a digest of everything its packs are made from, known before anything is loaded: while it stays
the same nothing needs to be loaded at all. A data folder behind a URL is first fetched into a private folder.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from analysis.errors import InputError
from analysis.reporting.pack import TeamPack, pack_files, parquet, unpack
from analysis.reporting.private import make_private_folder, remove
from analysis.reporting.template import code_digest

if TYPE_CHECKING:
    import pandas as pd


class Source(Protocol):
    """What a batch needs of its data."""

    @property
    def key(self) -> str:
        """A digest of everything its packs are made from."""

    def teams(self) -> Mapping[str, str]:
        """team_id -> name, of every team that can be reported on."""

    def study_files(self, kept: Callable[[str], bytes | None]) -> Mapping[str, bytes]:
        """The company's study as files (findings.parquet, findings.csv, study.json), made once; `kept` reads what an
        earlier run of the same folder left."""

    def pack(self, team_id: str) -> Mapping[str, bytes]:
        """The team's pack as files."""

    def as_of(self) -> str:
        """The last day looked at, as an ISO date."""

    def close(self) -> None:
        """Let go of what was fetched."""


class DataFolder:
    """A data folder in contract form, or with one ready panel.

    study: panel -> Study, by default `analysis.evidence.run_study`.
    """

    def __init__(
        self, data: str | Path, *, as_of: Any = None, seed: int = 0, study: Callable[[Any], Any] | None = None
    ) -> None:
        self._work: Path | None = None
        self.folder = self._local(data)
        self._as_of, self._seed, self._study = as_of, seed, study
        self.key = self._key()
        self._loaded: dict[str, Any] = {}

    def teams(self) -> Mapping[str, str]:
        """Teams with a row in the panel, named as in the teams table where there is one."""
        if "names" not in self._loaded:
            self._loaded["names"] = self._names()
        return self._loaded["names"]

    def _names(self) -> dict[str, str]:
        panel, crm = self._panel(), self._crm()
        ids = [str(team) for team in panel.teams]
        if crm is None or not crm.has("teams"):
            return {team: team for team in ids}
        table = crm.frame("teams")
        names = dict(zip(table["team_id"], table["name"], strict=True))
        return {team: str(names.get(team) or team) for team in ids}

    def study_files(self, kept: Callable[[str], bytes | None]) -> Mapping[str, bytes]:
        """The study; read back where the folder holds the one of exactly this source."""
        import pandas as pd

        findings = kept("findings.parquet")
        details = json.loads(kept("study.json") or b"{}")
        if findings is not None and details.pop("batch", None) == [self.key, _digest(findings)]:
            self._loaded["study"] = _Study(pd.read_parquet(io.BytesIO(findings)), details)
            return {}
        study = self._run_study()
        self._loaded["study"] = study
        return _study_files(study, self.key)

    def pack(self, team_id: str) -> Mapping[str, bytes]:
        """The team's pack. Raises InputError for a team that the data does not hold."""
        panel, names, study = self._panel(), self.teams(), self._loaded["study"]
        if team_id not in names:
            raise InputError(f"There is no team {team_id!r}; there is {', '.join(sorted(names)[:20])}.")
        rows = self._rows_of_panel().get_group(team_id).reset_index(drop=True)
        findings = study.findings
        pack = TeamPack(
            team_id=team_id,
            name=names[team_id],
            as_of=self.as_of(),
            panel=replace(panel, frame=rows, notes=()),
            findings=findings[(findings["scope"] == "company") | (findings["team_id"] == team_id)].reset_index(
                drop=True
            ),
            details=_details_of(study.details, team_id, set(rows["rep_id"])),
            capabilities=None if self._crm() is None else self._crm().capabilities,
        )
        return pack_files(pack, {} if self._crm() is None else self._cutter().tables(team_id))

    def company_pack(self) -> Mapping[str, bytes]:
        """The pack of the whole company, for the reports about it and no others."""
        from analysis.reporting.company import company_pack

        study = self._loaded["study"]
        return company_pack(self._panel(), study.findings, study.details, self._crm(), as_of=self.as_of())

    def as_of(self) -> str:
        """The day asked for, else the last day of the panel's last period."""
        last = self._as_of if self._as_of is not None else self._panel().last_day
        return str(getattr(last, "date", lambda: last)())

    def close(self) -> None:
        """Forget the data and remove the working folder."""
        self._loaded.clear()
        if self._work is not None:
            remove(self._work)

    def _panel(self) -> Any:
        if "panel" not in self._loaded:
            from analysis import panel

            crm = self._crm()
            made = panel.load(self.folder, as_of=self._as_of) if crm is None else panel.build(crm, as_of=self._as_of)
            self._loaded["panel"] = made
        return self._loaded["panel"]

    def _crm(self) -> Any:
        """The checked tables; None for a folder that holds one ready panel."""
        if "crm" not in self._loaded:
            from analysis.crm.files import holds_ready_panel
            from analysis.crm.reading import read

            self._loaded["crm"] = None if holds_ready_panel(self.folder) else read(self.folder)
        return self._loaded["crm"]

    def _cutter(self) -> Any:
        if "cutter" not in self._loaded:
            from analysis.reporting.cutting import Cutter

            self._loaded["cutter"] = Cutter(self._crm(), self._private("cut"))
        return self._loaded["cutter"]

    def _rows_of_panel(self) -> Any:
        if "rows" not in self._loaded:
            self._loaded["rows"] = self._panel().frame.groupby("team_id", sort=False)
        return self._loaded["rows"]

    def _private(self, name: str) -> Path:
        if self._work is None:
            self._work = make_private_folder()
        (self._work / name).mkdir()
        return self._work / name

    def _run_study(self) -> Any:
        if self._study is not None:
            return self._study(self._panel())
        from analysis.evidence.study import run_study

        return run_study(self._panel(), seed=self._seed)

    def _key(self) -> str:
        total = hashlib.sha256(json.dumps([str(self._as_of), self._seed, code_digest()]).encode())
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                total.update(f"{path.relative_to(self.folder)}:{content}\n".encode())
        return total.hexdigest()

    def _local(self, data: str | Path) -> Path:
        if "://" in str(data):
            from analysis.reporting.remote import fetch

            return fetch(str(data), self._private("data"))
        if not Path(data).is_dir():
            raise InputError(f"There is no data folder {data}.")
        return Path(data)


def team_pack(data: str | Path, team_id: str, *, as_of: Any = None, seed: int = 0) -> TeamPack:
    """One team's pack straight from a data folder, for a template that is opened by hand.

    team_id empty: the first team. Runs the company's study, which takes a while on a large company. Raises InputError
    for an unknown team.
    """
    source = DataFolder(data, as_of=as_of, seed=seed)
    try:
        source.study_files(lambda _: None)
        return unpack(source.pack(team_id or min(source.teams())))
    finally:
        source.close()


@dataclass(frozen=True, slots=True)
class _Study:
    """A study read back from the output folder."""

    findings: pd.DataFrame
    details: Mapping[str, Any]


def _study_files(study: Any, key: str) -> dict[str, bytes]:
    """The study's files; study.json comes last and says of which source and which findings it is."""
    from analysis.evidence.findings import findings_csv

    findings = parquet(study.findings)
    details = {**study.details, "batch": [key, _digest(findings)]}
    text = json.dumps(details, indent=1, ensure_ascii=False, allow_nan=False, default=float)
    csv = findings_csv(study.findings)
    return {"findings.parquet": findings, "findings.csv": csv, "study.json": text.encode() + b"\n"}


def _details_of(details: Mapping[str, Any], team_id: str, rep_ids: set[str]) -> dict[str, Any]:
    """Of study.json, what one team may see and what does not change when only other teams' data do."""
    mine = ("", team_id)
    cut: dict[str, Any] = {
        name: details[name] for name in ("versions", "seed", "plan", "averages_over_teams") if name in details
    }
    for name in ("scopes", "refusals", "warnings"):
        cut[name] = {scope: value for scope, value in details.get(name, {}).items() if scope in mine}
    breaks = [{**each, "rep_ids": sorted(rep_ids & set(each["rep_ids"]))} for each in details.get("logging_breaks", ())]
    cut["logging_breaks"] = [each for each in breaks if each["rep_ids"]]
    return cut


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
