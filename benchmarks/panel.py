"""Rep x week panel from events: ours beside polars, pandas and DuckDB, on the same files, in one run.

    .venv/bin/python -m benchmarks.panel --rows 10000000 --runs 3
    .venv/bin/python -m benchmarks.panel --rows 50000000 --runs 1 --limit-gb 12 --engines ours,polars-streaming,polars,pandas

Makes the data itself (time-ordered parquet partitions, one a quarter), runs every engine in a process of its own,
takes turns, and prints medians of seconds, CPU seconds and peak memory, with ratios to ours. Every engine must
give the same panel: counts by kind, meaningful attempts, talk minutes, distinct accounts, wins, revenue. An engine that
needs more than --limit-gb of address space is reported as failed.
"""

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

KINDS = ("call", "demo", "email", "meeting", "proposal", "visit")
WEEKS, REPS, ACCOUNTS_PER_REP, QUARTERS = 208, 2000, 150, 16
FIRST_MONDAY = "2022-01-03"
SUMS = (*KINDS, *(f"{kind}__meaningful" for kind in KINDS), "talk_s", "accounts", "wins", "revenue")


def generate(folder: Path, rows: int) -> None:
    """Write reps, activities (16 parquet files in order of time) and rows / 25 opportunities."""
    import duckdb

    (folder / "activities").mkdir(parents=True)
    with duckdb.connect() as database:
        database.execute("SET threads = 2; SET memory_limit = '1GB'; SET preserve_insertion_order = false")
        database.execute(
            f"COPY (SELECT 'R' || lpad(i::VARCHAR, 5, '0') AS rep_id, 'T' || (i // 8) AS team_id, "
            f"DATE '{FIRST_MONDAY}' AS hired_on FROM range({REPS}) t(i)) TO '{folder}/reps.parquet' (FORMAT parquet)"
        )
        for quarter in range(QUARTERS):
            database.execute(_quarter(folder, quarter, rows))
        database.execute(_opportunities(folder, rows // 25))


def _quarter(folder: Path, quarter: int, rows: int) -> str:
    first, last = rows * quarter // QUARTERS, rows * (quarter + 1) // QUARTERS
    weeks = WEEKS // QUARTERS
    day = f"DATE '{FIRST_MONDAY}' + CAST({7 * weeks * quarter} + (i - {first}) * {7 * weeks} // {last - first} AS INT)"
    names = ", ".join(f"'{kind}'" for kind in KINDS)
    return (
        "COPY (SELECT 'A' || lpad(i::VARCHAR, 9, '0') AS activity_id, 'R' || lpad(r::VARCHAR, 5, '0') AS rep_id, "
        f"[{names}][1 + (h // 7919) % {len(KINDS)}] AS kind, {day} AS occurred_on, "
        "CASE WHEN h % 3 > 0 THEN (h // 31) % 1800 END AS duration_s, (h // 97) % 4 = 0 AS is_meaningful, "
        "CASE WHEN (h // 13) % 50 = 0 THEN 'sequence' ELSE 'human' END AS origin, "
        "CASE WHEN (h // 17) % 40 = 0 THEN 'planned' ELSE 'done' END AS status, "
        f"'C' || lpad((r * {ACCOUNTS_PER_REP} + (h // 211) % {ACCOUNTS_PER_REP})::VARCHAR, 7, '0') AS account_id "
        f"FROM (SELECT i, (hash(i) >> 8)::BIGINT AS h, (hash(i + 1000000007) % {REPS})::BIGINT AS r "
        f"FROM range({first}, {last}) t(i)) ORDER BY i) "
        f"TO '{folder}/activities/{quarter:02d}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 1000000)"
    )


def _opportunities(folder: Path, count: int) -> str:
    return (
        "COPY (SELECT 'O' || lpad(i::VARCHAR, 8, '0') AS opportunity_id, "
        f"'R' || lpad((h % {REPS})::VARCHAR, 5, '0') AS rep_id, DATE '{FIRST_MONDAY}' + CAST(h // 5 % {7 * WEEKS - 60} "
        f"AS INT) AS created_on, 'closed' AS stage, CASE WHEN h % 4 = 0 THEN 'won' ELSE 'lost' END AS status, "
        f"DATE '{FIRST_MONDAY}' + CAST(h // 5 % {7 * WEEKS - 60} + h // 11 % 60 AS INT) AS closed_on, "
        "(h // 23 % 100000)::DOUBLE AS amount "
        f"FROM (SELECT i, (hash(i + 77) >> 8)::BIGINT AS h FROM range({count}) t(i)) ORDER BY i) "
        f"TO '{folder}/opportunities.parquet' (FORMAT parquet)"
    )


# ---- engines: each takes the folder and gives a DataFrame rep_id, week, *SUMS --------------------------------------


def ours(folder: Path):
    """The workbench's panel of data already checked."""
    return _finished(_crm(folder))


def ours_with_check(folder: Path):
    """The workbench from the files as they lie: contract check, quarantine, cross-table rules, then the panel."""
    from analysis.crm import read

    return _finished(read(folder))


def _crm(folder: Path):
    """Checked data without the check: what a second panel of the same data costs."""
    import pandas as pd

    from analysis.crm.reading import Crm

    paths = {"reps": [folder / "reps.parquet"], "opportunities": [folder / "opportunities.parquet"]}
    paths["activities"] = sorted((folder / "activities").glob("*.parquet"))
    names = {
        "reps": ("rep_id", "team_id", "hired_on"),
        "opportunities": ("opportunity_id", "rep_id", "created_on", "stage", "status", "closed_on", "amount"),
        "activities": ("activity_id", "rep_id", "kind", "occurred_on", "duration_s", "is_meaningful", "origin"),
    }
    names["activities"] += ("status", "account_id")
    coverage = pd.DataFrame({"table": ["opportunities"], "column": ["amount"], "share": [1.0]})
    empty = pd.DataFrame()
    return Crm(folder, empty, empty, empty, coverage, (), paths, names, paths, None)


def _finished(crm):
    from analysis import panel

    frame = panel.build(crm).frame
    return frame.assign(talk_s=(frame["talk_time_min"] * 60).round())


def polars(folder: Path, engine: str = "in-memory"):
    import polars as pl

    effort = pl.scan_parquet(folder / "activities" / "*.parquet").filter(
        (pl.col("status") == "done") & (pl.col("origin") == "human")
    )
    counts = [(pl.col("kind") == kind).sum().alias(kind) for kind in KINDS]
    meaning = [
        ((pl.col("kind") == kind) & pl.col("is_meaningful")).sum().alias(f"{kind}__meaningful") for kind in KINDS
    ]
    acts = effort.group_by("rep_id", pl.col("occurred_on").dt.truncate("1w").alias("week")).agg(
        *counts, *meaning, pl.col("duration_s").sum().alias("talk_s"), pl.col("account_id").n_unique().alias("accounts")
    )
    won = pl.scan_parquet(folder / "opportunities.parquet").filter(pl.col("status") == "won")
    wins = won.group_by("rep_id", pl.col("closed_on").dt.truncate("1w").alias("week")).agg(
        pl.len().alias("wins"), pl.col("amount").sum().alias("revenue")
    )
    joined = acts.join(wins, on=["rep_id", "week"], how="full", coalesce=True).collect(engine=engine)
    return joined.to_pandas()


def polars_streaming(folder: Path):
    return polars(folder, "streaming")


def pandas(folder: Path):
    import pandas as pd

    names = ["rep_id", "kind", "occurred_on", "duration_s", "is_meaningful", "origin", "status", "account_id"]
    rows = pd.read_parquet(folder / "activities", columns=names)
    rows = rows[(rows["status"] == "done") & (rows["origin"] == "human")]
    rows["week"] = pd.to_datetime(rows["occurred_on"])
    rows["week"] -= pd.to_timedelta(rows["week"].dt.day_of_week, unit="D")
    rows["kind"] = rows["kind"].astype("category")
    by = ["rep_id", "week"]
    counts = rows.groupby([*by, "kind"], observed=True).agg(n=("kind", "size"), m=("is_meaningful", "sum")).unstack()
    counts.columns = [kind if what == "n" else f"{kind}__meaningful" for what, kind in counts.columns]
    rest = rows.groupby(by).agg(talk_s=("duration_s", "sum"), accounts=("account_id", "nunique"))
    won = pd.read_parquet(folder / "opportunities.parquet").query("status == 'won'")
    won["week"] = pd.to_datetime(won["closed_on"])
    won["week"] -= pd.to_timedelta(won["week"].dt.day_of_week, unit="D")
    wins = won.groupby(by).agg(wins=("amount", "size"), revenue=("amount", "sum"))
    return counts.join(rest).join(wins, how="outer").reset_index()


def duckdb(folder: Path):
    import duckdb as engine

    counts = ", ".join(f"count(*) FILTER (kind = '{k}') AS {k}" for k in KINDS)
    meaning = ", ".join(f"count(*) FILTER (kind = '{k}' AND is_meaningful) AS {k}__meaningful" for k in KINDS)
    with engine.connect(config={"threads": 2}) as database:
        return (
            database.sql(
                f"SELECT * FROM (SELECT rep_id, date_trunc('week', occurred_on) AS week, {counts}, {meaning}, "
                "sum(duration_s)::DOUBLE AS talk_s, count(DISTINCT account_id) AS accounts "
                f"FROM read_parquet('{folder}/activities/*.parquet') WHERE status = 'done' AND origin = 'human' GROUP BY ALL) "
                "FULL JOIN (SELECT rep_id, date_trunc('week', closed_on) AS week, count(*) AS wins, sum(amount) AS revenue "
                f"FROM read_parquet('{folder}/opportunities.parquet') WHERE status = 'won' GROUP BY ALL) USING (rep_id, week)"
            )
            .to_arrow_table()
            .to_pandas()
        )


ENGINES: dict[str, Callable] = {
    "ours": ours,
    "ours-with-check": ours_with_check,
    "polars": polars,
    "polars-streaming": polars_streaming,
    "duckdb": duckdb,
    "pandas": pandas,
}


def _peak_mb() -> float:
    """Peak memory of this program: ru_maxrss would begin with that of the process it was started from."""
    status = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def measure(engine: str, folder: Path) -> dict[str, object]:
    """Run one engine in this process; seconds and CPU without imports, peak memory of the whole process."""
    import numpy  # noqa: F401 - imports are not what is compared
    import pandas as pd
    import pyarrow.parquet  # noqa: F401

    for name in ("analysis.panel", "analysis.crm", "polars" if "polars" in engine else "duckdb"):
        __import__(name)
    wall, cpu = time.perf_counter(), time.process_time()
    frame = ENGINES[engine](folder)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = _peak_mb()
    frame["week"] = pd.to_datetime(frame["week"]).astype("datetime64[us]")
    table = frame[["rep_id", "week", *SUMS]].fillna(0).astype(dict.fromkeys(SUMS, "float64"))
    table = table[(table[list(SUMS)] != 0).any(axis=1)].sort_values(["rep_id", "week"], ignore_index=True)
    digest = hashlib.sha256(table.to_csv(index=False, float_format="%.6g").encode()).hexdigest()
    return {"seconds": wall, "cpu": cpu, "mb": peak, "rows": len(table), "digest": digest}


def in_own_process(engine: str, folder: Path, limit_gb: float | None) -> dict[str, float] | str:
    """Measure one engine in a fresh interpreter with one BLAS thread; the last line it said where it failed."""
    command = [sys.executable, "-m", "benchmarks.panel", "--engine", engine, "--folder", str(folder)]
    if limit_gb is not None:
        command += ["--limit-gb", str(limit_gb)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if run.returncode:
        return (run.stderr.strip().splitlines() or [f"killed by signal {-run.returncode}"])[-1][:120]
    return json.loads(run.stdout)


def compare(folder: Path, engines: list[str], runs: int, limit_gb: float | None) -> None:
    """Every engine `runs` times, in turn; medians, ratios to ours; every panel must be the same."""
    found: dict[str, list[dict]] = {engine: [] for engine in engines}
    failed: dict[str, str] = {}
    for _ in range(runs):
        for engine in engines:
            result = in_own_process(engine, folder, limit_gb)
            if isinstance(result, str):
                failed[engine] = result
            else:
                found[engine].append(result)
    digests = {run["digest"] for results in found.values() for run in results}
    if len(digests) != 1:
        raise RuntimeError(
            f"the panels differ: { {e: r[0]['digest'][:12] for e, r in found.items() if r} }, failed: {failed}"
        )
    base = statistics.median(run["cpu"] for run in found["ours"])
    print(f"{'engine':24}{'s':>8}{'CPU s':>8}{'MB':>8}{'CPU / ours':>12}")
    for engine, results in found.items():
        if engine in failed:
            print(f"{engine:24}  failed: {failed[engine]}")
            continue
        wall, cpu, mb = (statistics.median(run[key] for run in results) for key in ("seconds", "cpu", "mb"))
        print(f"{engine:24}{wall:8.2f}{cpu:8.2f}{mb:8.0f}{cpu / base:12.2f}")
    print(f"{found['ours'][0]['rows']:,} rows, the same in every engine")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--engines", default=",".join(ENGINES), help="which, separated by commas")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--folder", type=Path, help="use the data in this folder, made by an earlier run")
    parser.add_argument("--limit-gb", type=float, help="address space of each engine")
    chosen = parser.parse_args()
    if chosen.limit_gb is not None:
        resource.setrlimit(resource.RLIMIT_AS, (int(chosen.limit_gb * 2**30),) * 2)
    if chosen.engine:
        print(json.dumps(measure(chosen.engine, chosen.folder)))
        return
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="panel-benchmark-"))
    try:
        if chosen.folder is None:
            generate(folder, chosen.rows)
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet")) / 1e6
        print(f"{chosen.rows:,} activities, {chosen.rows // 25:,} opportunities, {size:,.0f} MB of parquet", flush=True)
        compare(folder, chosen.engines.split(","), chosen.runs, chosen.limit_gb)
    finally:
        if chosen.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
