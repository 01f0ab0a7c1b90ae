# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""The data folder: contract tables as parquet, in a fixed order, published as a whole or not at all.

Only the contract's columns leave; every id that is no opaque id is keyed like a rep; a column nobody filled is absent, as
the contract wants it. The finished folder takes the old one's place in one rename.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.crm.contract import TABLES, Column
from analysis.crm.importers.accounting import quarantine_sql
from analysis.crm.importers.job import Job
from analysis.crm.importers.privacy import OPAQUE, pseudonym
from analysis.crm.importers.rules import quote
from analysis.errors import InputError

REPORT = "import_report.json"
QUARANTINE = "quarantine.parquet"
GOOD = "_d = 0 AND _q = 0"
PSEUDONYMS = ("rep_id", "manager_id", "assigned_rep_id", "owner_id", "team_id")
SOURCES = {
    "reps": f"SELECT * FROM w_reps WHERE {GOOD}",
    "teams": "SELECT * FROM t_teams",
    "memberships": f"SELECT m.*, k.pseudonym AS manager_id FROM w_memberships m LEFT JOIN manager_key k ON k.raw = m.manager WHERE {GOOD}",
    "activities": f"SELECT * FROM w_activities WHERE {GOOD}",
    "opportunities": f"SELECT * FROM w_opportunities WHERE {GOOD}",
    "stage_changes": "SELECT deal AS opportunity_id, at_utc AS changed_at, from_stage, to_stage, is_bulk FROM w_history h "
    f"WHERE h._d = 0 AND h._q = 0 AND field = 'stage' AND deal IN (SELECT opportunity_id FROM w_opportunities WHERE {GOOD})",
    "credits": f"SELECT * FROM w_credits WHERE {GOOD}",
    "quotas": f"SELECT * FROM w_quotas WHERE {GOOD}",
    "leads": f"SELECT * FROM w_leads WHERE {GOOD}",
    "campaigns": f"SELECT * FROM w_campaigns WHERE {GOOD}",
    "coaching": f"SELECT c.*, k.pseudonym AS manager_id FROM w_coaching c LEFT JOIN manager_key k ON k.raw = c.manager WHERE {GOOD}",
    "absences": f"SELECT * FROM w_absences WHERE {GOOD}",
    "holidays": f"SELECT * FROM w_holidays WHERE {GOOD}",
}
KINDS = {"date": "DATE", "int": "BIGINT", "number": "DOUBLE", "share": "DOUBLE", "bool": "BOOLEAN"}


def write_tables(job: Job, folder: Path, off: set[str]) -> dict[str, int]:
    """Write every table that has rows (the required ones always); returns rows a table."""
    job.make("manager_key", "SELECT ''::VARCHAR AS raw, ''::VARCHAR AS pseudonym WHERE false")
    people = job.details["people_keys"]
    raws = job.rows(
        "SELECT DISTINCT manager, manager FROM (SELECT manager FROM w_memberships UNION SELECT manager FROM w_coaching) WHERE manager IS NOT NULL"
    )
    for key, raw in sorted(raws):
        job.con.execute("INSERT INTO manager_key VALUES (?, ?)", [raw, pseudonym(job.key, people.get(key, key))])
    key_loose_ids(job)
    prove_pseudonyms(job)
    written = {}
    for number, (name, select) in enumerate(SOURCES.items()):
        rows = write_table(job, folder, name, select, off if name == "activities" else set())
        job.tell(f"writing {name}", 0.85 + 0.1 * number / len(SOURCES))
        if rows is not None:
            written[name] = rows
    copy(
        job,
        f'SELECT "table", file, row, {safe("source_id")} AS source_id, code, reason FROM ({quarantine_sql(job)}) q {join("source_id")} ORDER BY ALL',
        folder / QUARANTINE,
    )
    write_bridges(job, folder)
    return written


def prove_pseudonyms(job: Job) -> None:
    """No column that names a person may hold anything but pseudonyms: the last check before anything is written."""
    for name, select in SOURCES.items():
        have = [d[0] for d in job.con.execute(f"SELECT * FROM ({select}) LIMIT 0").description]
        for column in ("rep_id", "manager_id", "assigned_rep_id"):
            if column in have and column in TABLES[name].columns:
                where = f"{column} IS NOT NULL AND NOT regexp_full_match({column}, 'r_[a-z2-7]{{16}}')"
                if job.one(f"SELECT count(*) FROM ({select}) WHERE {where}"):
                    raise AssertionError(f"{name}.{column} holds something that is no pseudonym")


def write_table(job: Job, folder: Path, name: str, select: str, off: set[str]) -> int | None:
    """One contract table; None when it has no rows and need not exist."""
    table = TABLES[name]
    have = [d[0] for d in job.con.execute(f"SELECT * FROM ({select}) LIMIT 0").description]
    columns = [c for c in table.columns.values() if c.name in have and c.name not in off]
    counts = job.rows(f"SELECT count(*), {', '.join(f'count({c.name})' for c in columns)} FROM ({select})")[0]
    if counts[0] == 0 and not table.required:
        return None
    filled = [c for c, n in zip(columns, counts[1:], strict=True) if n or c.required]
    listed = ", ".join(f"{cast(c)} AS {c.name}" for c in filled)
    joins = " ".join(join(c.name) for c in filled if loose(c))
    copy(job, f"SELECT {listed} FROM ({select}) q {joins} ORDER BY ALL", folder / f"{name}.parquet")
    return int(counts[0])


def loose(column: Column) -> bool:
    """Whether a column holds ids of the source that might be no opaque ids."""
    return column.type == "id" and column.name not in PSEUDONYMS


def cast(column: Column) -> str:
    """SQL of a column in the contract's type."""
    if loose(column):
        return safe(column.name)
    if column.type == "instant":
        return f"CAST(q.{column.name} AS TIMESTAMP) AT TIME ZONE 'UTC'"
    return f"CAST(q.{column.name} AS {KINDS.get(column.type, 'VARCHAR')})"


def safe(column: str) -> str:
    """SQL of an id that may leave: as it is when opaque, else its keyed stand-in."""
    return f"coalesce(k_{column}.safe, CAST(q.{column} AS VARCHAR))"


def join(column: str) -> str:
    """The join that `safe` needs."""
    return f"LEFT JOIN loose_id k_{column} ON k_{column}.raw = CAST(q.{column} AS VARCHAR)"


def key_loose_ids(job: Job) -> None:
    """loose_id(raw, safe): every id that is no opaque id (a name, an address, a number to call), keyed like a rep."""
    selects = []
    for name, select in SOURCES.items():
        have = [d[0] for d in job.con.execute(f"SELECT * FROM ({select}) LIMIT 0").description]
        selects += [
            f"SELECT {c.name}::VARCHAR AS raw FROM ({select})"
            for c in TABLES[name].columns.values()
            if loose(c) and c.name in have
        ]
    selects.append(f"SELECT source_id AS raw FROM ({quarantine_sql(job)})")
    opaque = f"regexp_full_match(raw, {quote(OPAQUE)}) AND regexp_matches(raw, '[0-9]') AND NOT regexp_full_match(raw, '[0-9]+([ ()./-]+[0-9]+)+')"
    found = job.rows(
        f"SELECT DISTINCT raw FROM ({' UNION ALL '.join(selects)}) WHERE raw IS NOT NULL AND NOT ({opaque}) AND NOT starts_with(raw, 'r_')"
    )
    import pyarrow as pa

    raws = sorted(raw for (raw,) in found)
    table = pa.table(
        {
            "raw": pa.array(raws, pa.string()),
            "safe": pa.array([pseudonym(job.key, raw, "k") for raw in raws], pa.string()),
        }
    )
    job.con.register("_loose", table)
    job.make("loose_id", "SELECT * FROM _loose")
    job.con.unregister("_loose")
    job.details["keyed_ids"] = len(raws)


def write_bridges(job: Job, folder: Path) -> None:
    """What the contract has no table for: `meaningful` at half and double its threshold, and who else attended a meeting."""
    bridges = folder / "bridges"
    bridges.mkdir()
    varied = f"{GOOD} AND is_meaningful IS NOT NULL"
    if job.count(
        "w_activities",
        f"{varied} AND (meaningful_half IS DISTINCT FROM is_meaningful OR meaningful_double IS DISTINCT FROM is_meaningful)",
    ):
        copy(
            job, f"SELECT {safe('activity_id')} AS activity_id, meaningful_half AS at_half, meaningful_double AS at_double "
            f"FROM (SELECT * FROM w_activities WHERE {varied}) q {join('activity_id')} ORDER BY ALL", bridges / "meaningful.parquet")  # fmt: skip
    if job.count("w_activities", "child AND rep_id IS NOT NULL"):
        copy(
            job,
            f"SELECT {safe('activity_id')} AS activity_id, rep_id, occurred_on FROM (SELECT m.activity_id, c.rep_id, c.occurred_on FROM w_activities c "
            f"LEFT JOIN (SELECT occurred_at, touched, min(activity_id) AS activity_id FROM w_activities WHERE {GOOD} AND meeting GROUP BY 1, 2) m "
            f"ON m.occurred_at = c.occurred_at AND m.touched IS NOT DISTINCT FROM c.touched WHERE c.child AND c.rep_id IS NOT NULL) q {join('activity_id')} ORDER BY ALL",
            bridges / "attendees.parquet",
        )
    with contextlib.suppress(OSError):
        bridges.rmdir()  # stays when it holds anything


def copy(job: Job, select: str, path: Path) -> None:
    """A query's result as one parquet file."""
    job.run(f"COPY ({select}) TO {quote(str(path))} (FORMAT parquet, COMPRESSION zstd)")


def write_report(folder: Path, content: dict[str, Any]) -> None:
    """import_report.json, readable and in a fixed order."""
    (folder / REPORT).write_text(
        json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8"
    )


@contextlib.contextmanager
def workshop(out: Path) -> Iterator[Path]:
    """A private folder beside `out` to build in, gone afterwards; remains of a killed import are swept first.

    Raises InputError when another import into `out` is under way, or `out` holds something else.
    """
    import tempfile

    import filelock

    refuse_foreign(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(out.parent / f".{out.name}.import.lock"))
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise InputError(f"{out}: another import into this folder is under way; wait until it is done.") from error
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}).") from error
    try:
        for remains in out.parent.glob(f".{out.name}.importing-*"):
            shutil.rmtree(remains, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.importing-", dir=out.parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"{out}: the import could not be written ({error.strerror}); what was there before is untouched."
        ) from error
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            (out.parent / f".{out.name}.import.lock").unlink()


def refuse_foreign(out: Path) -> None:
    """Refuse to replace anything that is not an earlier import or an empty folder; never follow a link."""
    if out.is_symlink():
        raise InputError(f"{out}: is a link; name the folder itself.")
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; OUT is a folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / REPORT).is_file():
        raise InputError(f"{out}: the folder holds something that no import wrote; name a new or empty one.")


def publish(ready: Path, out: Path) -> None:
    """Put the finished folder in place; an earlier one is exchanged in one step where the system can do that."""
    for path in sorted(ready.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    ready.chmod(0o755)
    if not out.exists():
        ready.rename(out)
    elif not exchange(ready, out):
        aside = ready.with_name(ready.name + "-old")
        out.rename(aside)
        ready.rename(out)
        shutil.rmtree(aside, ignore_errors=True)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders atomically (Linux renameat2); False where that cannot be done."""
    try:
        call = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    at_cwd, swap = -100, 2
    return bool(call(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), swap) == 0)
