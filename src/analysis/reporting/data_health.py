"""What the data-health notebook displays: the tables of analysis.crm.health as blocks and pictures, with their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import words
from analysis.crm import Crm, health, read
from analysis.errors import DataError
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.tables import table
from analysis.reporting.places import data_folder
from analysis.reporting.research.picture import Picture, empty, finish, picture, themed
from analysis.reporting.theme import LIGHT

ROWS = 15
COUNTS = {"table": "text", **dict.fromkeys(("read", "kept", "quarantined", "dropped"), "count")}
CAPABILITIES = {"metric": "text", "lacks": "text"}
SWITCHED_OFF = {"metric": "text", "why": "text"}
COVERAGE = {
    "rep_id": "text",
    "team_id": "text",
    "weeks": "count",
    "weeks_recorded": "count",
    "share": "share",
    "activities": "count",
}
FIRST = {
    "team_id": "text",
    "kind": "text",
    "first_on": "date",
    "last_on": "date",
    "activities": "count",
    "share_of_reps": "share",
}
BULK = {"rep_id": "text", "kind": "text", "day": "date", "activities": "count", "usual": "number"}
WHO = {"team_id": "text", "reps": "count", "activities": "count", "top_share": "share", "silent": "count"}
LATE = {
    "kind": "text",
    "activities": "count",
    "within_day": "share",
    "within_week": "share",
    "later": "share",
    "after_outcome": "share",
}
ORIGINS = {"kind": "text", "origin": "text", "status": "text", "activities": "count", "share": "share"}
ACTIONS = {"code": "text", "table": "text", "action": "text", "rows": "count", "text": "text"}
ACCOUNTS = {
    "object": "text",
    "table": "text",
    **dict.fromkeys(("read", "kept", "fixed", "quarantined", "dropped"), "count"),
}
SENSITIVITY = {
    "threshold": "text",
    "activity": "text",
    "grade": "text",
    "effect_relative": "share:relative_low:relative_high",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """A checked data folder on the analyst's desk. say: the notebook's texts in the reader's language."""

    crm: Crm
    say: words.Voice = field(default=words.Voice("health"))

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.crm.folder


def open_desk(data: str = "", locale: str = "en") -> Desk:
    """Read and check a data folder (empty: the one JupyterLab was opened with, else the demo)."""
    return Desk(read(data_folder(data)), words.Voice("health", locale))


def answer(desk: Desk) -> Answer:
    """Can this data carry a conclusion: the verdict of all tables below."""
    found = health.verdict(desk.crm)
    return Answer(found.headline, found.sentences)


def counts(desk: Desk) -> Table:
    """Rows per table and what became of them at the door."""
    return table(desk.say, "counts", desk.crm.counts, COUNTS)


def capabilities(desk: Desk) -> Table | Note:
    """Which metrics this data cannot give, what each waits for, and the others by name."""
    frame = desk.crm.capabilities
    held = frame["available"].astype(bool)
    metrics = {"metrics": desk.say.listed([str(name) for name in frame.loc[held, "metric"]])}
    if held.all():
        return Note(desk.say.text("capabilities.all", metrics))
    lacking = frame[~held].rename(columns={"missing": "lacks"})
    return table(desk.say, "capabilities", lacking, CAPABILITIES, note=desk.say.text("capabilities.rest", metrics))


def switched_off(desk: Desk) -> Table | Note:
    """Metrics the import has switched off."""
    off = health.disabled_metrics(desk.folder)
    if not off:
        return Note(desk.say.text("nothing_off"))
    frame = pd.DataFrame({"metric": list(off), "why": list(off.values())})
    return table(desk.say, "switched_off", frame, SWITCHED_OFF)


def coverage(desk: Desk, rows: int = ROWS) -> Table:
    """The reps who recorded in the smallest share of their weeks."""
    found = health.coverage(desk.crm)
    return table(desk.say, "coverage", found.head(rows), COVERAGE, note=shown(desk, found, rows))


def coverage_picture(desk: Desk) -> Picture:
    """Share of each team's present reps who recorded anything, week by week."""
    frame = health.weekly_share(desk.crm)
    if frame.empty:
        return empty(desk.say.text("no_activity"), locale=desk.say.locale)
    frame = frame[sorted(frame.columns)]
    with themed():
        figure, (axis,) = picture(height=1.3 + 0.22 * frame.shape[1])
        image = axis.imshow(
            frame.T.to_numpy(float), aspect="auto", vmin=0, vmax=1, cmap="Blues", interpolation="nearest"
        )
        places = np.linspace(0, len(frame) - 1, min(7, len(frame))).round().astype(int)
        axis.set_xticks(places, [desk.say.date(frame.index[p]) for p in places])
        axis.set_yticks(range(frame.shape[1]), list(frame.columns))
        axis.tick_params(colors=LIGHT["ink"])
        figure.colorbar(image, ax=axis, label=desk.say.text("share_of_reps"), pad=0.02)
        low = frame.mean().idxmin()
        finding = desk.say.text("least", {"team": low, "share": desk.say.share(float(frame[low].mean()))})
        return finish(figure, finding, desk.say.text("picture_source"))


def first_recorded(desk: Desk, rows: int = 40) -> Table:
    """Since when each kind is recorded in each team; the latest beginnings first."""
    found = health.first_recorded(desk.crm).sort_values(["first_on", "team_id", "kind"], ascending=[False, True, True])
    return table(desk.say, "first", found.head(rows), FIRST, note=shown(desk, found, rows))


def bulk_days(desk: Desk, rows: int = ROWS) -> Table | Note:
    """Days of sudden bulk entry."""
    found = health.bulk_days(desk.crm)
    if found.empty:
        return Note(desk.say.text("no_bulk"))
    return table(desk.say, "bulk", found.head(rows), BULK, note=shown(desk, found, rows))


def who_logs(desk: Desk) -> Table:
    """How the records spread over the reps of each team."""
    return table(desk.say, "who", health.who_logs(desk.crm), WHO)


def late_logging(desk: Desk) -> Table | Note:
    """How long after the fact records are written."""
    try:
        return table(desk.say, "late", health.late_logging(desk.crm), LATE)
    except DataError as missing:
        return Note(desk.say.text("refused", {"why": missing}))


def origins(desk: Desk) -> Table:
    """What made the records, and whether they were done."""
    return table(desk.say, "origins", health.origins(desk.crm), ORIGINS)


def defects(desk: Desk) -> Table | Note:
    """Every action of the import on every known defect."""
    found = health.defect_actions(desk.folder)
    if found.empty:
        return Note(desk.say.text("no_defects"))
    unclassified = desk.say.share(health.unclassified_share(desk.folder) or 0.0)
    return table(desk.say, "defects", found, ACTIONS, note=desk.say.text("unclassified", {"share": unclassified}))


def accounts(desk: Desk) -> Table | Note:
    """Rows per object of the source, all answered for."""
    found = health.row_accounts(desk.folder)
    return Note(desk.say.text("no_importer")) if found.empty else table(desk.say, "accounts", found, ACCOUNTS)


def owner_changes(desk: Desk) -> Table | Note:
    """Rows nobody owns, performers who are not the owner, deals handed on."""
    found = health.owner_changes(desk.folder)
    return Note(desk.say.text("no_owners")) if found.empty else table(desk.say, "owners", found, ACTIONS)


def headline(folder: Path) -> pd.DataFrame:
    """The company's findings of a folder: what `sensitivity` compares."""
    from analysis.evidence import run_study
    from analysis.panel import load

    found = run_study(load(folder)).findings
    return found[found["scope"] == "company"][["activity", "grade", "effect_relative", "relative_low", "relative_high"]]


def sensitivity(desk: Desk, study: Callable[[Path], pd.DataFrame] = headline) -> Table | Note:
    """The headline results with the threshold of `meaningful` at half, as configured, and at double."""
    try:
        found = health.sensitivity(desk.folder, study)
    except DataError as missing:
        return Note(desk.say.text("refused", {"why": missing}))
    return table(desk.say, "sensitivity", found, SENSITIVITY, note=desk.say.text("sensitivity.note"))


def shown(desk: Desk, frame: pd.DataFrame, rows: int) -> str:
    """How many rows a table leaves out."""
    left = len(frame) - rows
    return desk.say.plural("left_out", left) if left > 0 else ""
