"""The warehouse gives the panel of the data folder, to the row: DuckDB through Ibis, a real PostgreSQL server, local Spark."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from crm_tables import activities, company

from analysis import panel
from analysis.crm import read
from analysis.crm.contract import TABLES
from analysis.crm.warehouse import Warehouse, WarehouseError, open_warehouse
from analysis.errors import DataError
from analysis.panel.pushdown import from_warehouse

ibis = pytest.importorskip("ibis", reason="the extra `warehouse` is not installed")

TODAY = date(2025, 6, 30)
NOT_PUSHED_DOWN = ["pipeline_factored"]
_SQL = {"id": "TEXT", "text": "TEXT", "word": "TEXT", "date": "DATE", "instant": "TIMESTAMPTZ", "int": "BIGINT"}
_SQL |= {"number": "DOUBLE PRECISION", "share": "DOUBLE PRECISION", "bool": "BOOLEAN"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company with every table the panel reads: late records, sequences, splits, moves, absences."""
    rng = np.random.default_rng(3)
    n = 600
    days = pd.date_range("2024-01-01", periods=180).strftime("%Y-%m-%d").to_numpy()
    at = rng.integers(0, 170, n)
    acts = activities(
        list(zip(rng.choice(["007", "008", "009", "010"], n), rng.choice(["call", "visit"], n), days[at], strict=True))
    ).assign(
        duration_s=pd.array(rng.integers(0, 900, n), dtype="Int64").copy(),
        is_meaningful=rng.choice([True, False, None], n),
        contact_level=rng.choice(["vp_or_above", "user", "unknown", None], n),
        origin=rng.choice(["human", "human", "sequence", None], n),
        status=rng.choice(["done", "done", "planned", None], n),
        account_id=rng.choice(["c1", "c2", "c3", None], n),
        opportunity_id=rng.choice([f"o{i}" for i in range(60)], n),
        logged_at=[
            f"{days[i + k]}T23:30:00Z" if k < 9 else None for i, k in zip(at, rng.integers(0, 10, n), strict=True)
        ],
    )
    spells = pd.DataFrame(
        [("007", "a", "2024-01-01", "2024-03-06"), ("007", "b", "2024-03-06", None)],
        columns=["rep_id", "team_id", "valid_from", "valid_to"],
    )
    away = pd.DataFrame({"rep_id": ["008"], "from_date": ["2024-02-01"], "to_date": ["2024-02-14"]})
    off = pd.DataFrame({"date": ["2024-01-01", "2024-05-01"], "team_id": [None, "b"]})
    path = tmp_path_factory.mktemp("warehouse")
    company(path, "parquet", activities=acts, memberships=spells, absences=away, holidays=off)
    deals = pd.read_parquet(path / "opportunities.parquet").assign(margin=1.25)
    deals["amount"] = deals["amount"] + 0.37 + 1 / 3  # sums that rounding decides
    deals.to_parquet(path / "opportunities.parquet", index=False)
    won = deals.loc[deals["status"] == "won", "opportunity_id"].iloc[:5]
    shares = pd.DataFrame(
        {"opportunity_id": won.repeat(3), "rep_id": ["007", "008", "009"] * 5, "share": [0.3, 0.3, 0.4] * 5}
    )
    shares.to_parquet(path / "credits.parquet", index=False)
    return path


def same(one: panel.Panel, other: panel.Panel) -> None:
    """Equal to the row and the bit, apart from what is not pushed down."""
    pd.testing.assert_frame_equal(
        one.frame.drop(columns=NOT_PUSHED_DOWN), other.frame.drop(columns=NOT_PUSHED_DOWN), check_exact=True
    )
    for name in ("activities", "outcomes", "currency", "cycle_days_p75", "notes", "late"):
        assert getattr(one, name) == getattr(other, name), name


def duckdb_warehouse(folder: Path, file: Path) -> Warehouse:
    """The tables of a clean folder in a DuckDB database."""
    import duckdb

    crm = read(folder, today=TODAY)
    with duckdb.connect(str(file)) as database:
        for table in crm.tables():
            files = [str(path) for path in crm.files(table)]
            database.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet({files})")
    return open_warehouse(f"duckdb://{file}")


@pytest.mark.oracle
@pytest.mark.parametrize("as_of", [None, date(2024, 4, 10)])
def test_duckdb_through_ibis_gives_the_panel_of_the_folder(folder: Path, tmp_path: Path, as_of: date | None):
    crm = read(folder, today=TODAY)
    same(from_warehouse(duckdb_warehouse(folder, tmp_path / "w.db"), as_of=as_of), panel.build(crm, as_of=as_of))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company that records nothing but what it must, and has not won a deal."""
    path = company(tmp_path_factory.mktemp("bare"), "parquet", seed=5)
    (path / "teams.parquet").unlink()
    for table in ("activities", "opportunities"):
        frame = pd.read_parquet(path / f"{table}.parquet")
        if table == "opportunities":
            frame = frame[frame["status"] != "won"].assign(status="open")
        frame[list(TABLES[table].required_columns)].to_parquet(path / f"{table}.parquet", index=False)
    return path


@pytest.mark.oracle
@pytest.mark.parametrize("as_of", [None, date(2024, 4, 10)])
def test_a_company_that_records_the_least(bare: Path, tmp_path: Path, as_of: date | None):
    crm = read(bare, today=TODAY)
    same(from_warehouse(duckdb_warehouse(bare, tmp_path / "w.db"), as_of=as_of), panel.build(crm, as_of=as_of))


# ---- a real PostgreSQL server ------------------------------------------------------------------------------------------


class Server:
    """A PostgreSQL cluster on loopback, run as `nobody` where the tests run as root (it refuses to be root)."""

    def __init__(self, home: Path) -> None:
        self.home, self.data = home, home / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        if os.getuid() == 0:
            shutil.chown(home, "nobody")
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")

    def _run(self, *command: str) -> None:
        runuser = shutil.which("runuser") or "/usr/sbin/runuser"
        prefix = [runuser, "-u", "nobody", "--"] if os.getuid() == 0 else []
        run = subprocess.run(
            [*prefix, *command], check=False, capture_output=True, cwd=self.home, timeout=60, text=True
        )
        if run.returncode:
            log = self.home / "log"
            raise RuntimeError(f"{command[0]}: {run.stderr} {log.read_text()[-2000:] if log.exists() else ''}")

    def start(self) -> None:
        if (self.data / "postmaster.pid").exists():
            raise RuntimeError("the server is still running")
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.home} -c fsync=off"
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", str(self.home / "log"), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", str(self.data), "-w", "-m", mode, "stop")

    @property
    def url(self) -> str:
        return f"postgres://postgres:hunter2@127.0.0.1:{self.port}/postgres"


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """A running server that holds the tables of `folder`."""
    missing = [name for name in ("initdb", "pg_ctl", "postgres") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"PostgreSQL is not installed ({', '.join(missing)} not found)")
    home = Path("/tmp") / f"workbench-pg-{os.getpid()}"  # a socket's path must be short, and `nobody` must reach it
    home.mkdir(mode=0o755)
    running = Server(home)
    running.start()
    try:
        load(running, folder)
        yield running
    finally:
        try:
            running.stop()
        finally:
            shutil.rmtree(home, ignore_errors=True)


def load(server: Server, folder: Path) -> None:
    import psycopg

    crm = read(folder, today=TODAY)
    with psycopg.connect(server.url, autocommit=True) as database:
        for table in crm.tables():
            frame = crm.frame(table)
            spec = TABLES[table].columns
            database.execute(f"CREATE TABLE {table} ({', '.join(f'{n} {_SQL[spec[n].type]}' for n in frame.columns)})")
            with database.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in frame.astype(object).where(frame.notna(), None).itertuples(index=False):
                    copy.write_row(row)


@pytest.mark.oracle
@pytest.mark.parametrize("as_of", [None, date(2024, 4, 10)])
def test_postgres_gives_the_panel_of_the_folder(folder: Path, server: Server, as_of: date | None):
    crm = read(folder, today=TODAY)
    same(from_warehouse(server.url, as_of=as_of), panel.build(crm, as_of=as_of))


def test_the_session_cannot_write(server: Server):
    import psycopg

    warehouse = open_warehouse(server.url)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        warehouse.attempt(lambda backend: backend.raw_sql("DELETE FROM reps"))


@pytest.mark.faults
def test_a_cut_connection_is_opened_again(folder: Path, server: Server):
    import psycopg

    warehouse = open_warehouse(server.url)
    warehouse.wait_s = (0.0, 0.0)
    assert warehouse.has("reps")
    with psycopg.connect(server.url, autocommit=True) as database:
        cut = database.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'postgres' "
            "AND pid <> pg_backend_pid()"
        ).fetchone()
    assert cut is not None
    assert cut[0] >= 1
    same(from_warehouse(warehouse), panel.build(read(folder, today=TODAY)))


@pytest.mark.faults
def test_a_server_cut_in_mid_query_gives_bounded_attempts_and_one_sentence(server: Server):
    warehouse = open_warehouse(server.url)
    warehouse.wait_s = (0.01, 0.01)
    opened = []
    opener = warehouse.opener

    def counting() -> object:
        opened.append(1)
        return opener()

    def endless(backend: object) -> object:
        threading.Timer(0.5, server.stop).start()  # the query below is under way when the server dies
        return backend.raw_sql("SELECT pg_sleep(30)")  # type: ignore[attr-defined]

    warehouse.opener = counting  # type: ignore[assignment]
    begun = time.monotonic()
    try:
        with pytest.raises(WarehouseError, match=r"postgres://127\.0\.0\.1/postgres was cut off 3 times") as caught:
            warehouse.attempt(endless)
    finally:
        server.start()
    assert len(opened) == 3
    assert time.monotonic() - begun < 25
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 1


# ---- Spark in local mode -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def session() -> Iterator[object]:
    """A local Spark session on two threads, in a zone of its own: days must not move with the machine's."""
    pyspark = pytest.importorskip("pyspark", reason="the extra `spark` is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 or later; no java found")
    from pyspark.sql import SparkSession

    assert int(pyspark.__version__.split(".")[0]) >= 4
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.extraJavaOptions", "-Duser.timezone=America/St_Johns")
    builder = builder.config("spark.sql.session.timeZone", "Asia/Kolkata").config("spark.sql.shuffle.partitions", "2")
    held = builder.config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
    try:
        yield held
    finally:
        held.stop()


def spark_warehouse(session: Any, folder: Path) -> Warehouse:
    """The clean tables of a folder as views of the session."""
    crm = read(folder, today=TODAY)
    for table in TABLES:
        session.catalog.dropTempView(table)
    for table in crm.tables():
        session.read.parquet(*map(str, crm.files(table))).createOrReplaceTempView(table)
    return Warehouse(lambda: ibis.pyspark.connect(session), "spark")


@pytest.mark.oracle
@pytest.mark.parametrize("as_of", [None, date(2024, 4, 10)])
def test_spark_gives_the_panel_of_the_folder_and_of_duckdb(
    folder: Path, tmp_path: Path, session: object, as_of: date | None
):
    through = from_warehouse(spark_warehouse(session, folder), as_of=as_of)
    same(through, panel.build(read(folder, today=TODAY), as_of=as_of))
    same(through, from_warehouse(duckdb_warehouse(folder, tmp_path / "w.db"), as_of=as_of))
    assert through.frame.shape[0] > 50 and through.frame["revenue"].sum() > 0


@pytest.mark.oracle
@pytest.mark.parametrize("as_of", [None, date(2024, 4, 10)])
def test_spark_gives_the_panel_of_a_company_that_records_the_least(bare: Path, session: object, as_of: date | None):
    same(from_warehouse(spark_warehouse(session, bare), as_of=as_of), panel.build(read(bare, today=TODAY), as_of=as_of))


SPARK_DIES = """
import os, signal, sys, threading
import ibis
from pyspark.sql import SparkSession
from analysis.crm.warehouse import Warehouse, WarehouseError

session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
held = Warehouse(lambda: ibis.pyspark.connect(session), "spark", wait_s=(0.01, 0.01))
assert held.attempt(lambda backend: backend.raw_sql("SELECT 1").collect())
java = session.sparkContext._gateway.proc.pid
threading.Timer(2, lambda: os.kill(java, signal.SIGKILL)).start()
endless = "SELECT count(*) FROM range(4000000000000) WHERE hash(id) = 5"
try:
    held.attempt(lambda backend: backend.raw_sql(endless).collect())
except WarehouseError as error:
    print(error)
"""


@pytest.mark.faults
def test_a_spark_that_dies_in_mid_query_gives_one_sentence(session: object):
    """In a process of its own: a killed engine takes every session of its process along."""
    command = [sys.executable, "-c", SPARK_DIES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.stdout.startswith("spark was cut off 3 times"), done.stdout + done.stderr[-2000:]


# ---- refusals ----------------------------------------------------------------------------------------------------------


def test_a_missing_table_or_column_is_named(folder: Path, tmp_path: Path):
    import duckdb

    warehouse = duckdb_warehouse(folder, tmp_path / "w.db")
    with duckdb.connect(str(tmp_path / "w.db")) as database:
        database.execute("ALTER TABLE activities DROP COLUMN kind")
    with pytest.raises(DataError, match="table activities lacks kind"):
        from_warehouse(warehouse)


def test_an_unknown_rep_is_refused(folder: Path, tmp_path: Path):
    import duckdb

    warehouse = duckdb_warehouse(folder, tmp_path / "w.db")
    with duckdb.connect(str(tmp_path / "w.db")) as database:
        database.execute("DELETE FROM reps WHERE rep_id = '009'")
    with pytest.raises(DataError, match="rep_id 009 is not in reps"):
        from_warehouse(warehouse)


def test_a_wrong_query_is_not_tried_again(folder: Path, tmp_path: Path):
    warehouse = duckdb_warehouse(folder, tmp_path / "w.db")
    tried = []

    def wrong(backend: object) -> object:
        tried.append(1)
        return backend.table("reps").no_such_column  # type: ignore[attr-defined]

    with pytest.raises(AttributeError):
        warehouse.ask(wrong)  # type: ignore[arg-type]
    assert tried == [1]


def test_what_is_not_a_url_is_refused():
    with pytest.raises(DataError, match="given as a URL"):
        open_warehouse("warehouse")
