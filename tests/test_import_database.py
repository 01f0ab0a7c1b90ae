"""Exports that lie in a database: a real PostgreSQL server on loopback, read-only, cut in the middle, read to the last row."""

import csv
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from import_worlds import Importer, salesforce, task

from analysis.crm.importers import database
from analysis.errors import DataError, InputError

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin")) if Path("/usr/lib/postgresql").is_dir() else []


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A PostgreSQL server of the test's own; skipped where none is installed or nobody but root may start it."""
    pytest.importorskip("psycopg", reason="the extra `warehouse` is not installed")
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed (Debian package postgresql)")
    place = tmp_path_factory.mktemp("postgres")
    as_user = []
    if os.geteuid() == 0:
        if shutil.which("runuser") is None or subprocess.run(["id", "nobody"], capture_output=True).returncode:
            pytest.skip("PostgreSQL does not run as root, and there is no other user to run it")
        as_user = ["runuser", "-u", "nobody", "--"]
        shutil.chown(place, "nobody")
        for parent in place.parents:
            if parent.stat().st_uid == 0 and parent != Path("/tmp") and str(parent).startswith("/tmp/"):
                parent.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(*command):
        return subprocess.run([*as_user, *map(str, command)], check=True, capture_output=True, cwd=place, timeout=120)

    run(BINARIES[-1] / "initdb", "-D", place / "data", "-U", "postgres", "-A", "trust", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
    run(BINARIES[-1] / "pg_ctl", "-D", place / "data", "-o", options, "-w", "-l", place / "log", "start")
    yield f"postgresql://postgres:hunter2@127.0.0.1:{port}/postgres"
    run(BINARIES[-1] / "pg_ctl", "-D", place / "data", "-m", "immediate", "stop")


@pytest.fixture
def landed(server, tmp_path):
    """A Salesforce export as CSV and the same in the server, in a schema of its own."""
    import psycopg

    source = salesforce(tmp_path / "src", Task=[task(n) for n in range(120)])
    with psycopg.connect(server, autocommit=True) as con:
        con.execute("DROP SCHEMA IF EXISTS salesforce CASCADE")
        con.execute("CREATE SCHEMA salesforce")
        for file in source.iterdir():
            with file.open() as f:
                rows = list(csv.DictReader(f))
            columns = ", ".join(f'"{c}" text' for c in rows[0])
            con.execute(f'CREATE TABLE salesforce."{file.stem.lower()}" ({columns})')
            with con.cursor() as cursor:
                places = ", ".join(["%s"] * len(rows[0]))
                cursor.executemany(
                    f'INSERT INTO salesforce."{file.stem.lower()}" VALUES ({places})', [list(r.values()) for r in rows]
                )
    return source


def test_postgres_gives_what_the_files_give(server, landed, tmp_path):
    run = Importer(tmp_path)
    run(landed)
    expected = {name: run.table(name) for name in ("activities", "opportunities", "reps")}
    run(server)
    for name, frame in expected.items():
        assert run.table(name).equals(frame), name
    assert "hunter2" not in (run.out / "import_report.json").read_text()


def test_the_connection_cannot_write(server):
    import psycopg

    with database.connect_postgres(server)() as con, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        con.execute("CREATE TABLE mine (a int)")


def test_a_cut_connection_is_tried_again_and_no_row_comes_twice(server, landed, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_S", 0.01)
    monkeypatch.setattr(database, "BATCH_ROWS", 20)
    honest, cuts = database.read, []

    def cut(connection, schema, table, wanted, scheme):
        for number, batch in enumerate(honest(connection, schema, table, wanted, scheme)):
            if table == "task" and number == 2 and len(cuts) < 2:
                cuts.append(connection)
                connection.close()
            yield batch

    monkeypatch.setattr(database, "read", cut)
    run = Importer(tmp_path)
    assert run(server).tables["activities"] == 120 and len(cuts) == 2


def test_a_connection_that_stays_cut_is_a_clear_failure(server, landed, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "WAIT_S", 0.01)
    monkeypatch.setattr(database, "BATCH_ROWS", 20)
    honest = database.read

    def cut(connection, schema, table, wanted, scheme):
        for batch in honest(connection, schema, table, wanted, scheme):
            yield batch
            connection.close()

    monkeypatch.setattr(database, "read", cut)
    run = Importer(tmp_path)
    with pytest.raises(DataError, match=r"salesforce\.\w+: the connection was lost after \d+ rows") as caught:
        run(server)
    assert "hunter2" not in str(caught.value) and not run.out.exists()


def test_an_empty_database(tmp_path):
    import sqlite3

    sqlite3.connect(tmp_path / "empty.sqlite").close()
    (tmp_path / "empty.sqlite").touch()
    with pytest.raises((InputError, DataError)):
        database.tables(f"sqlite:///{tmp_path}/empty.sqlite")


def test_a_password_in_a_drivers_message_is_removed():
    error = RuntimeError("connection to postgresql://me:sesame@host failed: password=sesame wrong")
    assert "sesame" not in database.safe(error)
