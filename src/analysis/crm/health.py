# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""Data health: what the recorded activity covers, who writes it down and when, and what that means for any conclusion.

Every function takes a checked `Crm` (or the import report beside it) and returns a plain table; events are counted in
DuckDB where they lie and never loaded whole. A table that cannot be made says what is missing.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import words
from analysis.crm import sql
from analysis.crm.reading import Crm
from analysis.errors import DataError

REPORT = "import_report.json"
VARIANTS = Path("bridges") / "meaningful.parquet"
DONE = "coalesce(status, 'done') = 'done' AND coalesce(origin, 'human') = 'human'"
OPTIONAL = {"status": "VARCHAR", "origin": "VARCHAR", "logged_at": "TIMESTAMPTZ", "opportunity_id": "VARCHAR", "occurred_at": "TIMESTAMPTZ",
            "duration_s": "BIGINT", "outcome": "VARCHAR", "is_meaningful": "BOOLEAN", "account_id": "VARCHAR", "lead_id": "VARCHAR"}  # fmt: skip
BULK_ROWS = 25
BULK_TIMES_USUAL = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the health tables say together: a sentence each. good: nothing was found that forbids a conclusion."""

    good: bool
    headline: str
    sentences: tuple[str, ...]


def import_report(folder: str | Path) -> dict[str, Any] | None:
    """The report of the import that made the folder, or None for a folder made otherwise. Raises DataError if damaged."""
    path = Path(folder) / REPORT
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path.name} is damaged; import again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path.name} is damaged; import again")
    return content


def coverage(crm: Crm) -> pd.DataFrame:
    """Who recorded something in how many of their weeks.

    One row a rep: rep_id, team_id, first_week, last_week, weeks (from joining or the first record to leaving or the last
    week of the data), weeks_recorded, share (0..1), activities.
    """
    reps = crm.frame("reps")
    weeks = weekly(crm).groupby("rep_id", as_index=False).agg(
        first_week=("week", "min"), last_week=("week", "max"), weeks_recorded=("week", "nunique"), activities=("activities", "sum")
    )  # fmt: skip
    table = reps[["rep_id", "team_id"]].merge(weeks, on="rep_id", how="left")
    dates = reps.set_index("rep_id").reindex(columns=["hired_on", "left_on"])
    end = weeks["last_week"].max()
    begins = table["rep_id"].map(dates["hired_on"]).astype("datetime64[us]")
    leaves = table["rep_id"].map(dates["left_on"]).astype("datetime64[us]")
    start = begins.fillna(table["first_week"]).clip(lower=weeks["first_week"].min())
    stop = leaves.fillna(end).clip(upper=end)
    monday = start - pd.to_timedelta(start.dt.day_of_week, unit="D")
    spell = ((stop - monday).dt.days // 7 + 1).clip(lower=0).fillna(0)
    table["weeks"] = spell.astype("int64").clip(lower=table["weeks_recorded"].fillna(0).astype("int64"))
    filled = table.fillna({"weeks_recorded": 0, "activities": 0}).astype(
        {"weeks_recorded": "int64", "activities": "int64"}
    )
    filled["share"] = (filled["weeks_recorded"] / filled["weeks"].where(filled["weeks"] > 0)).fillna(0.0)
    order = ["rep_id", "team_id", "first_week", "last_week", "weeks", "weeks_recorded", "share", "activities"]
    return filled[order].sort_values(["share", "rep_id"], ignore_index=True)


def weekly_share(crm: Crm) -> pd.DataFrame:
    """Share of a team's present reps who recorded something, by week: index week, one column a team (0..1, null when nobody is there)."""
    logged = weekly(crm).merge(crm.frame("reps")[["rep_id", "team_id"]], on="rep_id")
    present = coverage(crm).dropna(subset=["first_week"])
    weeks = pd.date_range(logged["week"].min(), logged["week"].max(), freq="7D", unit="us", name="week")
    counts = logged.groupby(["week", "team_id"])["rep_id"].nunique().unstack().reindex(weeks)
    for team, reps in present.groupby("team_id"):
        there = np.zeros(len(weeks), dtype=int)
        for first, n in zip(pd.to_datetime(reps["first_week"]), reps["weeks"].astype(int), strict=True):
            there += ((weeks >= first) & (weeks < first + pd.Timedelta(weeks=int(n)))).astype(int)
        counts[team] = (counts[team].fillna(0) / pd.Series(there, index=weeks).where(lambda n: n > 0)).clip(upper=1)
    return counts


def weekly(crm: Crm) -> pd.DataFrame:
    """Finished human activities per rep, week (Monday) and nothing else: rep_id, week, activities; weeks without any are absent."""
    return query(
        crm, f"SELECT rep_id, date_trunc('week', occurred_on)::TIMESTAMP AS week, count(*) AS activities FROM activities WHERE {DONE} GROUP BY 1, 2 ORDER BY 1, 2"
    )  # fmt: skip


def first_recorded(crm: Crm) -> pd.DataFrame:
    """Since when each kind is recorded in each team: team_id, kind, first_on, last_on, activities, reps, share_of_reps."""
    found = query(
        crm, "SELECT r.team_id, a.kind, min(a.occurred_on)::TIMESTAMP AS first_on, max(a.occurred_on)::TIMESTAMP AS last_on, count(*) AS activities, "
        f"count(DISTINCT a.rep_id) AS reps FROM activities a JOIN reps r USING (rep_id) WHERE {DONE} GROUP BY 1, 2 ORDER BY 1, 2"
    )  # fmt: skip
    sizes = crm.frame("reps").groupby("team_id")["rep_id"].nunique()
    found["share_of_reps"] = found["reps"] / found["team_id"].map(sizes)
    return found


def bulk_days(crm: Crm) -> pd.DataFrame:
    """Days on which one rep has far more records of a kind than on an ordinary day: a catch-up or an import, not effort.

    rep_id, kind, day, activities, usual (median of the rep's days with that kind); at least 25 and ten times the usual.
    """
    return query(
        crm, f"WITH days AS (SELECT rep_id, kind, occurred_on AS day, count(*) AS activities FROM activities WHERE {DONE} GROUP BY 1, 2, 3), "
        "usual AS (SELECT *, median(activities) OVER (PARTITION BY rep_id, kind) AS usual FROM days) "
        f"SELECT rep_id, kind, day::TIMESTAMP AS day, activities, usual FROM usual WHERE activities >= {BULK_ROWS} "
        f"AND activities >= {BULK_TIMES_USUAL} * usual ORDER BY activities DESC, rep_id, kind, day"
    )  # fmt: skip


def who_logs(crm: Crm) -> pd.DataFrame:
    """How the records spread over reps: team_id, reps, activities, top_share (busiest rep), silent (reps with none)."""
    table = coverage(crm)
    grouped = table.groupby("team_id")["activities"]
    return pd.DataFrame({
        "reps": grouped.size(), "activities": grouped.sum(), "top_share": grouped.max() / grouped.sum().where(grouped.sum() > 0),
        "silent": table.assign(none=table["activities"] == 0).groupby("team_id")["none"].sum(),
    }).reset_index()  # fmt: skip


def late_logging(crm: Crm) -> pd.DataFrame:
    """How long after the fact records are written: kind, activities, within_day, within_week, later, after_outcome (shares).

    after_outcome: of the records linked to a closed deal, those written after it closed; they cannot predict it.
    Raises DataError where no writing time is recorded.
    """
    if not crm.has("activities", "logged_at"):
        raise DataError("activities.logged_at is not recorded; how late records are written cannot be told")
    delay = "date_diff('day', occurred_on, CAST(logged_at AS DATE))"
    return query(
        crm, f"SELECT kind, count(*) AS activities, avg(({delay} <= 1)::INT) AS within_day, avg(({delay} BETWEEN 2 AND 7)::INT) AS within_week, "
        f"avg(({delay} > 7)::INT) AS later, avg(CASE WHEN o.closed_on IS NOT NULL THEN (CAST(logged_at AS DATE) > o.closed_on)::INT END) AS after_outcome "
        "FROM activities a LEFT JOIN (SELECT opportunity_id, closed_on FROM opportunities) o USING (opportunity_id) "
        f"WHERE {DONE} AND logged_at IS NOT NULL GROUP BY 1 ORDER BY 1"
    )  # fmt: skip


def origins(crm: Crm) -> pd.DataFrame:
    """What made the records: kind, origin, status, activities, share of the kind. Only human and done counts as effort."""
    table = query(
        crm, "SELECT kind, coalesce(origin, 'human') AS origin, coalesce(status, 'done') AS status, count(*) AS activities FROM activities GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3"
    )  # fmt: skip
    table["share"] = table["activities"] / table.groupby("kind")["activities"].transform("sum")
    return table


def defect_actions(folder: str | Path) -> pd.DataFrame:
    """Every action of the import on every defect: code, table, action, rows, text. Empty for a folder no importer made."""
    content = import_report(folder) or {}
    columns = ["code", "table", "action", "rows", "text"]
    return pd.DataFrame(content.get("defects", []), columns=columns).sort_values(
        ["code", "table", "action"], ignore_index=True
    )


def row_accounts(folder: str | Path) -> pd.DataFrame:
    """Rows read per source object and what became of them: object, table, read, kept, fixed, quarantined, dropped.

    Raises DataError if they do not add up.
    """
    content = import_report(folder) or {}
    columns = ["object", "table", "read", "kept", "fixed", "quarantined", "dropped"]
    table = pd.DataFrame(content.get("objects", []), columns=columns)
    if not (table["read"] == table[["kept", "fixed", "quarantined", "dropped"]].sum(axis=1)).all():
        raise DataError(f"{REPORT}: the rows do not add up; import again")
    return table


def disabled_metrics(folder: str | Path) -> dict[str, str]:
    """Metric -> why the import switched it off."""
    table = defect_actions(folder)
    off = table[table["action"] == "disabled"]
    return {str(row.table): f"{row.code} {row.text}" for row in off.itertuples()}


def owner_changes(folder: str | Path) -> pd.DataFrame:
    """What the import found of owners: performers who are not the deal's owner (D29), deals handed on (D35)."""
    table = defect_actions(folder)
    return table[table["code"].isin(["D28", "D29", "D31", "D35"])].reset_index(drop=True)


def unclassified_share(folder: str | Path) -> float | None:
    """Share of the imported activities that no rule matched; None for a folder no importer made."""
    content = import_report(folder)
    return None if content is None else float(content.get("unclassified_share", 0.0))


def sensitivity(folder: str | Path, study: Callable[[Path], pd.DataFrame]) -> pd.DataFrame:
    """The headline results with the threshold of `meaningful` at half, as configured, and at double.

    study: takes a data folder, returns findings (one row an activity). Returns the findings of the three runs under a
    first column `threshold` (half, as configured, double). Raises DataError where the import kept no variants, which
    means that no rule of `meaningful` has a numeric threshold.
    """
    folder = Path(folder)
    if not (folder / VARIANTS).is_file():
        raise DataError(
            f"{folder.name}: no rule of `meaningful` has a numeric threshold, or the folder was not imported; there is nothing to vary"
        )
    runs = [study(folder).assign(threshold="as configured")]
    with tempfile.TemporaryDirectory(prefix="workbench-health-") as work:
        for label, column in (("half", "at_half"), ("double", "at_double")):
            runs.append(study(varied(folder, Path(work) / label, column)).assign(threshold=label))
    table = pd.concat([runs[1], runs[0], runs[2]], ignore_index=True)
    return table[["threshold", *[c for c in table.columns if c != "threshold"]]]


def varied(folder: Path, target: Path, column: str) -> Path:
    """A copy of the data folder in which `is_meaningful` is the variant's."""
    shutil.copytree(
        folder, target, ignore=shutil.ignore_patterns("activities.parquet", "bridges", "quarantine.parquet")
    )
    with sql.connection() as database:
        database.execute(
            f"COPY (SELECT a.* REPLACE (CASE WHEN v.activity_id IS NULL THEN a.is_meaningful ELSE v.{column} END AS is_meaningful) "
            f"FROM read_parquet({sql.path(folder / 'activities.parquet')}) a LEFT JOIN read_parquet({sql.path(folder / VARIANTS)}) v USING (activity_id) "
            f"ORDER BY a.activity_id) TO {sql.text(str(target / 'activities.parquet'))} (FORMAT parquet)"
        )
    return target


def verdict(crm: Crm) -> Verdict:
    """What a reader must know before trusting any number of this folder, worst first."""
    sentences: list[str] = []
    table = coverage(crm)
    thin = table[(table["share"] < 0.5) & (table["weeks"] >= 8)]
    if len(thin):
        sentences.append(f"{len(thin)} of {len(table)} reps recorded something in fewer than half of their weeks.")
    late = late_logging(crm) if crm.has("activities", "logged_at") else None
    if late is None:
        sentences.append(
            "When records were written is not known, so a record made after the outcome cannot be told from one made before."
        )
    elif len(late) and (late["after_outcome"].fillna(0) > 0.1).any():
        sentences.append(
            "More than a tenth of some kind's records were written after their deal had closed; they do not count as predictors."
        )
    bulk = bulk_days(crm)
    if len(bulk):
        sentences.append(
            f"{int(bulk['activities'].sum()):,} records lie on {words.count(len(bulk), 'day')} of sudden bulk entry."
        )
    off = disabled_metrics(crm.folder)
    sentences += [f"{metric.capitalize()} is switched off: {why}" for metric, why in sorted(off.items())]
    return Verdict(not sentences, headline(crm, table, len(sentences)), tuple(sentences))


def headline(crm: Crm, covered: pd.DataFrame, problems: int) -> str:
    """The answer in one or two sentences."""
    kept = int(crm.counts["kept"].sum())
    read = int(crm.counts["read"].sum())
    share = covered["weeks_recorded"].sum() / max(int(covered["weeks"].sum()), 1)
    first = f"{kept:,} of {read:,} rows can be used; reps recorded something in {share:.0%} of their weeks."
    if problems == 0:
        return f"{first} Nothing was found that stands in the way of a study."
    word = "One thing" if problems == 1 else f"{problems} things"
    return f"{first} {word} to know before any number is believed."


def query(crm: Crm, text: str) -> pd.DataFrame:
    """Run SQL over the clean files of activities, reps and opportunities; optional columns the source lacks are null."""
    with sql.connection() as database:
        for table in ("activities", "reps", "opportunities"):
            missing = [
                f"CAST(NULL AS {kind}) AS {name}"
                for name, kind in OPTIONAL.items()
                if table == "activities" and not crm.has(table, name)
            ]
            listed = ", ".join(["*", *missing])
            database.execute(f"CREATE VIEW {table} AS SELECT {listed} FROM read_parquet({sql.paths(crm.files(table))})")
        return database.execute(text).df()
