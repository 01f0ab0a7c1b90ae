"""The company's pack: what the leadership and the alignment report are made from, in the format of a team's pack.

Its team_id is the blank one of the company's rows. It holds every team's rows, so it goes only to reports that show
companies, teams and groups of people, never a single person. Names of people are left out already here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.findings import findings_csv
from analysis.management.book import COMPANY
from analysis.reporting.arrow import SUFFIX, arrow
from analysis.reporting.pack import TeamPack, load_pack, pack_files, parquet, unpack

if TYPE_CHECKING:
    import pandas as pd

CLAIMS = "claims.parquet"
PERSONAL = {"reps": ("name",)}  # contract columns that no report of the company may ever need


def company_pack(
    panel: Any,
    findings: pd.DataFrame,
    details: Mapping[str, Any],
    crm: Any = None,
    *,
    as_of: str,
    name: str = "",
    ledger: str | Path | None = None,
) -> dict[str, bytes]:
    """The pack as files: name -> bytes; equal data give equal bytes.

    panel, findings, details: the study's input and outcome, company and teams. crm: the checked data folder, None for a
    ready panel. as_of: last day looked at (ISO date). ledger: folder with earlier studies; their claims are scored on
    the weeks since. `pack.with_previous` adds what the report before showed.
    """
    pack = TeamPack(
        team_id=COMPANY,
        name=name or words.text("index.company"),
        as_of=as_of,
        panel=replace(panel, notes=()),
        findings=findings.reset_index(drop=True),
        details=_company_details(details),
        capabilities=None if crm is None else crm.capabilities,
    )
    files = _files(pack, {} if crm is None else {table: _table(crm, table) for table in crm.tables()})
    claims = scored(panel, ledger)
    return files if claims is None else {**files, CLAIMS: parquet(claims)}


def scored(panel: Any, ledger: str | Path | None) -> pd.DataFrame | None:
    """Earlier claims beside the weeks since (evidence.ledger.COLUMNS); None where no ledger is kept.

    A ledger that cannot be scored gives one row, which holds nothing but the reason as its verdict.
    """
    if not ledger:
        return None
    import pandas as pd

    from analysis.evidence.ledger import COLUMNS, score_table

    try:
        return score_table(panel, Path(ledger))
    except AnalysisError as refusal:
        return pd.DataFrame([{"verdict": str(refusal)}], columns=list(COLUMNS))


def open_company(pack: str = "", data: str = "", ledger: str = "") -> tuple[TeamPack, pd.DataFrame | None]:
    """The pack in a folder and its scored claims. Without one: made now from a data folder, studied now.

    Raises InputError for a data folder that cannot be read, DataError for a folder that holds no pack.
    """
    if pack:
        import pandas as pd

        claims = Path(pack) / CLAIMS
        return load_pack(pack), pd.read_parquet(claims) if claims.exists() else None
    files = _from_data(data, ledger)
    claims_now = files.pop(CLAIMS, None)
    return unpack(files), None if claims_now is None else _read(claims_now)


def _from_data(data: str, ledger: str) -> dict[str, bytes]:
    from analysis import panel as panels
    from analysis.crm.files import holds_ready_panel
    from analysis.crm.reading import read
    from analysis.evidence.study import run_study
    from analysis.reporting.places import data_folder

    folder = data_folder(data)
    crm = None if holds_ready_panel(folder) else read(folder)
    panel = panels.load(folder) if crm is None else panels.build(crm)
    study = run_study(panel)
    as_of = str(panel.last_day.date())
    return company_pack(panel, study.findings, study.details, crm, as_of=as_of, ledger=ledger or None)


def _read(content: bytes) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(io.BytesIO(content))


def _files(pack: TeamPack, tables: Mapping[str, bytes]) -> dict[str, bytes]:
    """`pack_files` refuses rows of several teams, which protects team reports; here they are what is wanted."""
    bare = replace(pack, panel=replace(pack.panel, frame=pack.panel.frame.iloc[:0]), findings=pack.findings.iloc[:0])
    whole = {f"panel{SUFFIX}": arrow(pack.panel.frame), "findings.parquet": parquet(pack.findings)}
    return {**pack_files(bare, tables), **whole, "findings.csv": findings_csv(pack.findings)}


def _table(crm: Any, name: str) -> bytes:
    return arrow(crm.frame(name).drop(columns=list(PERSONAL.get(name, ())), errors="ignore"))


def _company_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Of study.json, what the company's reports say: the company's scope, what teams share, warnings, refusals.

    The warnings about single teams stay in those teams' own reports.
    """
    kept = ("versions", "seed", "plan", "averages_over_teams", "refusals", "logging_breaks")
    cut: dict[str, Any] = {name: details[name] for name in kept if name in details}
    cut["logging_breaks"] = [{**each, "rep_ids": []} for each in cut.get("logging_breaks", ())]
    for name in ("scopes", "warnings"):
        cut[name] = {scope: value for scope, value in details.get(name, {}).items() if scope == ""}
    return cut
