"""What the data-health notebook displays: the tables of analysis.crm.health as blocks and pictures, with their units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import words
from analysis.crm import Crm, health, read
from analysis.errors import DataError
from analysis.reporting.blocks import Answer, Note, Table
from analysis.reporting.managing.desk import table
from analysis.reporting.research.picture import Picture, empty, finish, picture, themed
from analysis.reporting.research.places import data_folder
from analysis.reporting.theme import LIGHT

ROWS = 15


@dataclass(frozen=True, slots=True)
class Desk:
    """A checked data folder on the analyst's desk."""

    crm: Crm

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.crm.folder


def open_desk(data: str = "") -> Desk:
    """Read and check a data folder (empty: the one JupyterLab was opened with, else the demo)."""
    return Desk(read(data_folder(data)))


def answer(desk: Desk) -> Answer:
    """Can this data carry a conclusion: the verdict of all tables below."""
    found = health.verdict(desk.crm)
    return Answer(found.headline, found.sentences)


def counts(desk: Desk) -> Table:
    """Rows per table and what became of them at the door."""
    columns = [
        ("table", "Table", "text"),
        *((c, c.capitalize(), "count") for c in ("read", "kept", "quarantined", "dropped")),
    ]
    return table("Rows at the door: read = kept + quarantined + dropped", desk.crm.counts, columns)


def capabilities(desk: Desk) -> Table:
    """Which metrics this data can give, and what is missing for the others."""
    frame = desk.crm.capabilities.assign(
        can=lambda t: np.where(t["available"], "yes", "not recorded"),
        lacks=lambda t: [
            ", ".join(m) if isinstance(m, list | tuple | np.ndarray) else str(m or "") for m in t["missing"]
        ],
    ).sort_values("available", kind="stable")
    return table(
        "What can and cannot be told",
        frame,
        [("metric", "Metric", "text"), ("can", "Recorded", "text"), ("lacks", "Missing", "text")],
    )


def switched_off(desk: Desk) -> Table | Note:
    """Metrics the import has switched off."""
    off = health.disabled_metrics(desk.folder)
    if not off:
        return Note("The import has switched no metric off, or no importer made this folder.")
    frame = pd.DataFrame({"metric": list(off), "why": list(off.values())})
    return table("Switched off by the import", frame, [("metric", "Metric", "text"), ("why", "Why", "text")])


def coverage(desk: Desk, rows: int = ROWS) -> Table:
    """The reps who recorded in the smallest share of their weeks."""
    columns = [("rep_id", "Rep", "text"), ("team_id", "Team", "text"), ("weeks", "Weeks present", "count"), ("weeks_recorded", "Weeks with records", "count"),
               ("share", "Share", "share"), ("activities", "Activities", "count")]  # fmt: skip
    found = health.coverage(desk.crm)
    return table("Coverage per rep, lowest first", found.head(rows), columns, note=shown(found, rows))


def coverage_picture(desk: Desk) -> Picture:
    """Share of each team's present reps who recorded anything, week by week."""
    frame = health.weekly_share(desk.crm)
    if frame.empty:
        return empty("No activity is recorded.")
    frame = frame[sorted(frame.columns)]
    with themed():
        figure, (axis,) = picture(height=1.3 + 0.22 * frame.shape[1])
        image = axis.imshow(
            frame.T.to_numpy(float), aspect="auto", vmin=0, vmax=1, cmap="Blues", interpolation="nearest"
        )
        places = np.linspace(0, len(frame) - 1, min(7, len(frame))).round().astype(int)
        axis.set_xticks(places, [words.date(frame.index[p]) for p in places])
        axis.set_yticks(range(frame.shape[1]), list(frame.columns))
        axis.tick_params(colors=LIGHT["ink"])
        figure.colorbar(image, ax=axis, label="share of reps", pad=0.02)
        low = frame.mean().idxmin()
        finding = f"Least complete: {low}, {words.share(float(frame[low].mean()))} of its rep-weeks"
        return finish(
            figure,
            finding,
            "Source: finished human activities by week; white: nobody recorded anything, or nobody was there",
        )


def first_recorded(desk: Desk, rows: int = 40) -> Table:
    """Since when each kind is recorded in each team; the latest beginnings first."""
    found = health.first_recorded(desk.crm).sort_values(["first_on", "team_id", "kind"], ascending=[False, True, True])
    columns = [("team_id", "Team", "text"), ("kind", "Kind", "text"), ("first_on", "First", "date"), ("last_on", "Last", "date"),
               ("activities", "Activities", "count"), ("share_of_reps", "Share of reps", "share")]  # fmt: skip
    return table("Recorded since", found.head(rows), columns, note=shown(found, rows))


def bulk_days(desk: Desk, rows: int = ROWS) -> Table | Note:
    """Days of sudden bulk entry."""
    found = health.bulk_days(desk.crm)
    if found.empty:
        return Note("No rep has a day that stands far out from the rep's other days.")
    columns = [
        ("rep_id", "Rep", "text"),
        ("kind", "Kind", "text"),
        ("day", "Day", "date"),
        ("activities", "Activities", "count"),
        ("usual", "On a usual day", "number"),
    ]
    return table("Days of bulk entry", found.head(rows), columns, note=shown(found, rows))


def who_logs(desk: Desk) -> Table:
    """How the records spread over the reps of each team."""
    columns = [
        ("team_id", "Team", "text"),
        ("reps", "Reps", "count"),
        ("activities", "Activities", "count"),
        ("top_share", "Busiest rep's share", "share"),
        ("silent", "Reps without records", "count"),
    ]
    return table("Who records", health.who_logs(desk.crm), columns)


def late_logging(desk: Desk) -> Table | Note:
    """How long after the fact records are written."""
    try:
        found = health.late_logging(desk.crm)
    except DataError as missing:
        return Note(f"{missing}.")
    columns = [("kind", "Kind", "text"), ("activities", "Activities", "count"), ("within_day", "Within a day", "share"), ("within_week", "Within a week", "share"),
               ("later", "Later", "share"), ("after_outcome", "After the deal closed", "share")]  # fmt: skip
    return table("When records are written", found, columns)


def origins(desk: Desk) -> Table:
    """What made the records, and whether they were done."""
    columns = [
        ("kind", "Kind", "text"),
        ("origin", "Made by", "text"),
        ("status", "Status", "text"),
        ("activities", "Activities", "count"),
        ("share", "Share of kind", "share"),
    ]
    return table("What made the records", health.origins(desk.crm), columns)


def defects(desk: Desk) -> Table | Note:
    """Every action of the import on every known defect."""
    found = health.defect_actions(desk.folder)
    if found.empty:
        return Note("No importer made this folder, so no defect was looked for.")
    columns = [
        ("code", "Code", "text"),
        ("table", "Table", "text"),
        ("action", "Action", "text"),
        ("rows", "Rows", "count"),
        ("text", "What", "text"),
    ]
    unclassified = health.unclassified_share(desk.folder) or 0.0
    return table(
        "What the import did", found, columns, note=f"Activities that no rule matched: {words.share(unclassified)}."
    )


def accounts(desk: Desk) -> Table | Note:
    """Rows per object of the source, all answered for."""
    found = health.row_accounts(desk.folder)
    if found.empty:
        return Note("No importer made this folder.")
    columns = [
        ("object", "Object", "text"),
        ("table", "Table", "text"),
        *((c, c.capitalize(), "count") for c in ("read", "kept", "fixed", "quarantined", "dropped")),
    ]
    return table("Rows of the source: read = kept + fixed + quarantined + dropped", found, columns)


def owner_changes(desk: Desk) -> Table | Note:
    """Rows nobody owns, performers who are not the owner, deals handed on."""
    found = health.owner_changes(desk.folder)
    if found.empty:
        return Note("The import found no change of owner, or no importer made this folder.")
    return table(
        "Owners",
        found,
        [
            ("code", "Code", "text"),
            ("table", "Table", "text"),
            ("action", "Action", "text"),
            ("rows", "Rows", "count"),
            ("text", "What", "text"),
        ],
    )


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
        return Note(f"{missing}.")
    columns = [("threshold", "Threshold", "text"), ("activity", "Activity", "text"), ("grade", "Grade", "text"),
               ("effect_relative", "One more a week goes with", "share:relative_low:relative_high")]  # fmt: skip
    return table(
        "Headline results by threshold",
        found,
        columns,
        note="Counts do not depend on the threshold; what rests on meaningful attempts does.",
    )


def shown(frame: pd.DataFrame, rows: int) -> str:
    """How many rows a table leaves out."""
    return f"{len(frame) - rows:,} more rows are not shown." if len(frame) > rows else ""
