# ruff: noqa: S608 - values in these queries are quoted by rules.quote, names by rules.name
"""The import from end to end: export in, checked data folder out, or one sentence why not.

Everything happens in a private folder beside the target; the target is replaced as a whole when every row is answered for.
Events stream through an on-disk engine with a memory limit; an import that is killed leaves the old data as it was.
"""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.crm.importers import (
    accounting,
    activities,
    checks,
    deals,
    landing,
    leads,
    money,
    people,
    sidetables,
    touches,
    writer,
)
from analysis.crm.importers.config import Config, load_config
from analysis.crm.importers.job import Job, Progress
from analysis.crm.importers.mappings import Mapping, mapping_of
from analysis.crm.importers.naming import field_key
from analysis.crm.importers.privacy import load_key
from analysis.crm.importers.report import ImportReport, report_content
from analysis.crm.importers.rules import quote
from analysis.crm.importers.sections import CRMS
from analysis.crm.importers.sources import SourceTable, discover
from analysis.crm.importers.strict import nearest
from analysis.errors import AnalysisError, ConfigError, InputError

SMALL_BYTES = 8_000_000
DATED_SHARE = 0.9
STAGED_SHARE = 0.30  # of the whole, told as progress


def import_crm(
    crm: str,
    source: str | Path,
    out: str | Path,
    config: str | Path,
    *,
    progress: Progress | None = None,
    key_file: str | Path | None = None,
    memory: str = "800MB",
) -> ImportReport:
    """Turn a CRM export into a contract data folder.

    crm: salesforce, hubspot, dynamics365, pipedrive or csv. source: a folder of CSV, parquet or JSON-lines files, or a
    database URL. out: the folder to write, new, empty or an earlier import. config: the base TOML file. progress: called
    with what is being done and the share done (0 to 1). key_file: where the pseudonym key lies (default: WORKBENCH_KEY_FILE,
    else the user's configuration folder). memory: the engine's limit.

    Raises ConfigError for a configuration that says something unknown, InputError for a source or target that cannot be
    used, DataError for a damaged file, DefectRefused for data that cannot be imported honestly. Nothing is written then.
    """
    if crm not in CRMS:
        raise InputError(f"{crm!r} is no CRM this importer knows.{nearest(crm, CRMS)}")
    out = Path(out)
    settings = load_config(config, crm)
    one_currency(settings)
    sources = tuple(p for p in (Path(str(source)),) if "://" not in str(source))
    writer.refuse_foreign(out)
    if any(out.resolve().is_relative_to(p.resolve()) for p in sources):
        raise InputError(f"{out}: OUT must not lie inside the source.")
    key = load_key(Path(key_file) if key_file else None, (out, *sources))
    tables, unopened = discover(source, settings.source)
    with writer.workshop(out) as folder:
        con = landing.open_engine(folder, memory, small=sum(t.size for t in tables) < SMALL_BYTES)
        try:
            job = Job(con, settings, mapping_of(crm), key, folder, progress=progress)
            return run(job, tables, unopened, source, out, folder)
        except Exception as error:
            raise readable(error) from error if isinstance(error, AnalysisError) else None
        finally:
            con.close()


def readable(error: Exception) -> Exception:
    """What the engine says, as a sentence, without contents of rows; our own errors and bugs as they are."""
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return InputError(
            "the import needs more memory than its limit or more disk than there is; free some space or raise the limit."
        )
    if isinstance(error, duckdb.IOException):
        return InputError("the disk could not be written while importing; what was there before is untouched.")
    return error


def run(
    job: Job, tables: list[SourceTable], unopened: list[str], source: str | Path, out: Path, folder: Path
) -> ImportReport:
    """Stage, build, judge, account, write, publish."""
    not_read = stage_all(job, tables)
    job.details["rates_file"] = read_rates(job, source)
    job.tell("telling people apart", STAGED_SHARE)
    team = people.build_people(job)
    job.details["team_keys"] = {**{t.lower(): t for t in team.teams}, **team.team_keys}
    job.details["people_keys"] = team.keys
    job.ledger.settle()
    job.tell("classifying activities", 0.35)
    leads.build_contacts(job)
    activities.build_activities(job)
    job.ledger.settle()
    job.tell("reading deals", 0.50)
    deals.build_deals(job)
    job.ledger.settle()
    leads.build_leads(job)
    money.build_credits(job)
    money.build_quotas(job)
    job.as_of = export_day(job)
    job.tell("judging activities", 0.60)
    touches.judge_activities(job)
    leads.build_campaigns(job)
    leads.first_touches(job)
    sidetables.build_memberships(job, team)
    sidetables.build_absences(job)
    sidetables.write_reps(job, team)
    job.ledger.settle()
    fill_memberships(job)
    job.tell("judging the whole", 0.80)
    checks.judge_import(job)
    off = checks.judge_metrics(job)
    return finish(job, out, folder, not_read, unopened, off)


def finish(
    job: Job, out: Path, folder: Path, not_read: list[dict[str, Any]], unopened: list[str], off: set[str]
) -> ImportReport:
    """Account for every row, write, publish."""
    accounting.note_masks(job)
    objects = accounting.account(job)
    ready = folder / "ready"
    ready.mkdir()
    written = writer.write_tables(job, ready, off)
    content = report_content(job, objects, written, not_read, unopened)
    writer.write_report(ready, content)
    job.con.close()
    job.tell("publishing", 0.98)
    writer.publish(ready, out)
    job.tell("done", 1.0)
    return ImportReport(
        job.mapping.crm, out, tuple(objects), written, tuple(job.ledger.entries), tuple(not_read), content
    )


def stage_all(job: Job, tables: list[SourceTable]) -> list[dict[str, Any]]:
    """Stage every object that is needed; count what is not read. Rules that name an unknown field are refused."""
    found, others = landing.recognise(tables, job.mapping, job.config)
    if not found:
        raise InputError(f"none of the {len(tables)} tables is one of {job.mapping.crm}'s; name them in source.files.")
    extra = check_fields(job.config, job.mapping, found)
    contacts = job.config.base.contacts
    unneeded = set() if (contacts.vp_or_above or contacts.manager or contacts.user) else {"contacts"}
    size = sum(table.size for own in found.values() for table in own)
    before = 0
    for name, own in sorted(found.items()):
        share = STAGED_SHARE * before / max(size, 1)
        job.tell(f"reading {name}", share)
        if job.mapping.object(name).role in unneeded:
            others += own
        else:
            counted = [telling(table, job, name, share) for table in own]
            job.staged[name] = landing.stage(job.con, job.mapping.object(name), counted, job.config, extra)
        before += sum(table.size for table in own)
    job.short_ids = job.mapping.id_macro != "clean_id" and any(
        landing.has_short_ids(job.con, s) for s in job.staged.values()
    )
    unknown = set(job.config.source.expect) - {t.name for t in tables}
    if unknown:
        file = min(unknown)
        raise ConfigError(
            f"{job.config.base_name}: source.expect: no file {file!r} in the source.{nearest(file, [t.name for t in tables])}"
        )
    return [count_unread(table) for table in others]


def telling(table: SourceTable, job: Job, name: str, share: float) -> SourceTable:
    """The same table; as its batches are read, the rows read so far are told."""
    if job.progress is None or table.batches is None:
        return table
    read = table.batches

    def batches(wanted: tuple[str, ...]) -> Iterator[Any]:
        rows = 0
        for batch in read(wanted):
            rows += batch.num_rows
            job.tell(f"reading {name}: {rows:,} rows", share)
            yield batch

    return replace(table, batches=batches)


def count_unread(table: SourceTable) -> dict[str, Any]:
    """A table nobody needs: its rows are counted, its contents are not looked at."""
    if table.damage is not None:
        return {"file": table.name, "rows": None, "reason": f"not needed, and damaged: {table.damage}"}
    try:
        if table.parquet is not None:
            import pyarrow.parquet as pq

            rows: int | None = pq.read_metadata(table.parquet).num_rows
        else:
            assert table.batches is not None
            rows = sum(batch.num_rows for batch in table.batches(()))
    except AnalysisError:
        rows = None
    return {"file": table.name, "rows": rows, "reason": "no table of the contract needs it"}


def check_fields(config: Config, mapping: Mapping, found: dict[str, list[SourceTable]]) -> set[str]:
    """The fields rules and money name beyond the mapping's; one that neither the CRM nor the export knows is refused."""
    columns = {field_key(c): c for tables in found.values() for t in tables for c in t.columns}
    known = {field_key(s): api for o in mapping.objects for api, more in o.spellings.items() for s in (api, *more)}
    files = [config.base, *config.teams.values()]
    settings = config.base.money
    wanted = {f: f"[[activity]] {rule.id}" for file in files for rule in file.activity for f in rule.fields()}
    wanted |= {
        f: "[money]" for f in (settings.field, settings.list_field, settings.units_field, settings.margin_field) if f
    }
    for name, where in sorted(wanted.items()):
        if field_key(name) not in columns and field_key(name) not in known:
            valid = {
                *columns.values(),
                *(api for o in mapping.objects for api in o.spellings if not api.startswith("_")),
            }
            raise ConfigError(
                f"{config.base_name}: {where}: neither {mapping.crm} nor this export has a field {name!r}.{nearest(name, valid)}"
            )
    objects = {o.name.lower() for o in mapping.of_role("activities")}
    for file in files:
        for rule in file.activity:
            if rule.when_object and rule.when_object.lower() not in objects:
                valid = {o.name for o in mapping.of_role("activities")}
                raise ConfigError(
                    f"{config.base_name}: [[activity]] {rule.id}: {mapping.crm} has no object {rule.when_object!r}.{nearest(rule.when_object, valid)}"
                )
    return set(wanted)


def one_currency(config: Config) -> None:
    """All amounts of one data folder share one currency."""
    base = config.base.team.reporting_currency
    for team_id, file in config.teams.items():
        if file.team.reporting_currency != base:
            raise ConfigError(
                f"team {team_id}: reporting_currency {file.team.reporting_currency} differs from the company's {base}; one data folder has one."
            )


def read_rates(job: Job, source: str | Path) -> list[tuple[str, str | None, float]]:
    """Exchange rates of money.rates_file, beside the export: currency, month (2026-11), rate."""
    name = job.config.base.money.rates_file
    if name is None:
        return []
    path = Path(str(source)) / name
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(r["currency"].upper(), r.get("month") or None, float(r["rate"])) for r in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"money.rates_file {name}: needs a CSV beside the export with currency, month (2026-11) and rate."
        ) from error
    return rows


def export_day(job: Job) -> dt.date | None:
    """The day the export was made: as configured, else the latest time the CRM itself has written into any row.

    Unknown when fewer than nine in ten activities carry such a time: a day inferred from a few rows would send good rows
    to quarantine as done in the future.
    """
    if job.config.source.extracted_on is not None:
        return job.config.source.extracted_on
    ticked = [s.object.name for s in job.objects("activities") if "system_clock" in s.object.values]
    clock = (
        f"CASE WHEN _src IN ({', '.join(quote(name) for name in ticked)}) THEN clock_utc END"
        if ticked
        else "NULL::TIMESTAMP"
    )
    rows, written, latest, deals = job.rows(
        f"SELECT count(*), count(coalesce(created_utc, {clock})), greatest(max(created_utc), max({clock})), "
        "(SELECT max(created_utc) FROM o1) FROM a1 WHERE _d = 0"
    )[0]
    if not rows or written < DATED_SHARE * rows:
        return None
    found = max(moment for moment in (latest, deals, job.latest_version) if moment is not None)
    job.details["inferred_day"] = True
    return found.date()


def fill_memberships(job: Job) -> None:
    """One spell a rep since the day today's teams are known, where no history is given and the configuration names that day."""
    since = job.config.base.people.teams_known_since
    if since is None or job.count("w_memberships", "_d = 0 AND _q = 0"):
        return
    job.run(
        "INSERT INTO w_memberships BY NAME SELECT '' AS _src, row_number() OVER (ORDER BY rep_id) AS _row, 0 AS _d, 0 AS _q, 0 AS _f, rep_id, team_id, "
        f"CAST(NULL AS VARCHAR) AS manager, greatest(DATE '{since}', coalesce(hired_on, DATE '{since}')) AS valid_from, left_on + 1 AS valid_to FROM w_reps WHERE _d = 0 AND _q = 0 "
        f"AND (left_on IS NULL OR left_on >= greatest(DATE '{since}', coalesce(hired_on, DATE '{since}')))"
    )
