"""What the readers promise of any bytes: read to the last row and cell, or refused in one sentence that names the file.

Each target takes bytes and a scratch folder and raises where the promise is broken. test_fuzz.py runs them on the seeds below
and, where atheris is installed, by coverage guidance. By hand, for as long as one likes:

    python tests/fuzz_targets.py config CORPUS_FOLDER -max_total_time=600
"""

import csv
import io
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

try:
    import atheris
except ImportError:
    atheris = None

if atheris is not None and __name__ == "__main__":
    with atheris.instrument_imports(include=["analysis"]):
        from analysis.crm import checking, csvfile  # noqa: F401 - imported here to be watched
        from analysis.crm.importers import config, rules, sections, strict  # noqa: F401
        from analysis.crm.importers import csvfile as export  # noqa: F401

from import_worlds import CONFIG

from analysis.crm.checking import check
from analysis.crm.importers.config import load_config
from analysis.crm.importers.csvfile import batches, open_csv
from analysis.crm.importers.rules import choose_sql, condition_sql, seconds_from_text
from analysis.errors import AnalysisError

ENCODINGS = ("utf-8", "cp1252", "latin-1", "utf-16")
DELIMITERS = (None, ",", ";", "\t")
TODAY = date(2026, 11, 16)
SANE = CONFIG.format(crm="salesforce").strip().splitlines()
CONTRACT = {
    "activities": ["activity_id,rep_id,kind,occurred_on", "a1,007,call,2024-01-02"],
    "opportunities": ["opportunity_id,rep_id,created_on,stage,status,amount", "o1,007,2024-01-02,s,open,5"],
}


def one_sentence(error: AnalysisError, file: str) -> None:
    """A refusal names the file, is one line of readable length, and has the exit code of bad input."""
    text = str(error)
    assert file in text and "\n" not in text and 10 < len(text) < 2000 and error.exit_code == 2, text[:300]


def export_csv(data: bytes, folder: Path) -> None:
    """The importers' CSV reader. First byte: encoding and delimiter; the rest: the file."""
    choice, content = data[0] if data else 0, data[1:]
    encoding, delimiter = ENCODINGS[choice % 4], DELIMITERS[choice // 4 % 4]
    path = folder / "x.csv"
    path.write_bytes(content)
    try:
        file = open_csv(path, "x.csv", encoding, delimiter)
        found = [row for batch in batches(file, file.header) for row in batch.to_pylist()]
    except AnalysisError as error:
        one_sentence(error, "x.csv")
        return
    text = io.StringIO(content.decode("utf-8-sig" if encoding == "utf-8" else encoding), newline="")
    rows = [row for row in csv.reader(text, delimiter=file.delimiter, strict=True) if any(row) or len(row) > 1]
    rows = [row for row in rows if len(row) > 1 or row[0].strip()]
    assert [column.strip() for column in rows[0]][: len(file.header)] == list(file.header)
    assert len(found) == len(rows) - 1
    for row, cells in zip(found, rows[1:], strict=True):
        assert row["_footer"] or [row[column] for column in file.header] == cells[: len(file.header)]


def contract_csv(data: bytes, folder: Path) -> None:
    """The contract's reader: the bytes are reps.csv of a small data folder."""
    for table, lines in CONTRACT.items():
        (folder / f"{table}.csv").write_text("\n".join(lines) + "\n")
    (folder / "reps.csv").write_bytes(data)
    try:
        crm = check(folder, max_quarantine_share=1.0, today=TODAY).crm
    except AnalysisError as error:
        one_sentence(error, ".csv")
        return
    counts = crm.counts.set_index("table")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    assert counts.loc["reps", "read"] == sum(bool(row) for row in rows[1:])
    assert (counts["read"] == counts["kept"] + counts["quarantined"] + counts["dropped"]).all()
    assert len(crm.quarantine) == counts["quarantined"].sum() and crm.quarantine["reason"].str.len().gt(0).all()


def config_file(data: bytes, folder: Path) -> None:
    """The configuration reader: the bytes are the whole file."""
    path = folder / "crm.toml"
    path.write_bytes(data)
    try:
        held = load_config(path)
    except AnalysisError as error:
        one_sentence(error, "crm.toml")
        return
    runs(dict(enumerate(held.base.activity)))


def config_value(data: bytes, folder: Path) -> None:
    """A sane configuration with one thing changed. First byte: the line; the rest: what stands after its first `=`."""
    lines, text = list(SANE), data[1:].decode("utf-8", "replace")
    at = (data[0] if data else 0) % len(lines)
    key, equals, _ = lines[at].partition("=")
    lines[at] = f"{key}{equals}{text}" if equals else f"{lines[at]}\n{text}"
    config_file("\n".join(lines).encode(), folder)


def runs(found: dict) -> None:
    """Rules that were accepted are SQL that the engine runs."""
    import duckdb

    def column(field: str) -> str:
        return "w.text"

    parts = [choose_sql(found, what, column) for what in ("Task", "Event")]
    parts += [condition_sql(condition, column) for rule in found.values() for condition in rule.conditions()]
    parts += [seconds for rule in found.values() if (seconds := seconds_from_text(rule, column))]
    with duckdb.connect() as engine:
        rows = engine.execute(
            f"SELECT {', '.join(parts)} FROM (VALUES ('5 minute 12 second'), (NULL)) w(text)"
        ).fetchall()
    assert len(rows) == 2


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "export_csv": export_csv,
    "contract_csv": contract_csv,
    "config_file": config_file,
    "config_value": config_value,
}
SEEDS: dict[str, list[bytes]] = {
    "export_csv": [
        b"\x00Id,OwnerId\n1,2\n3,4\n",
        b'\x00Id,Subject\r\n1,"two\r\nlines, one cell"\r\n2,"say ""no"""\r\n',
        b"\x00Id,Subject\n1,2\n\n\"Copyright (c) 2026 somebody\"\n",
        b"\x03Id,OwnerId\n1,2\n",  # said to be UTF-16 and is not: no byte order mark
        b"\x03" + "Id,Größe\n1,2\n".encode("utf-16"),
        b"\x01Id;Gr\xf6\xdfe\n1;2\n",
        b"\x01Id,x\n1,\x81\n",  # a byte that cp1252 does not have
        b"\x00\xef\xbb\xbfId,OwnerId\n1,2,,\n",
        b"\x00Id\n \n1\n",
        b"\x00Id,\x00\n",
        b"\x0cId\tOwnerId\n1\t2\n",
    ],
    "contract_csv": [
        b"rep_id,team_id\n007,a\n008,b\n",
        b'rep_id,team_id\r\n"007","a"\r\n\r\n007,a\r\n',
        b"rep_id,team_id,hired_on\n007,a,2024-02-30\n,b,2024-01-01\n",
        b"\xef\xbb\xbfrep_id,team_id\n007,a",
        b"rep_id;team_id\n007;a\n",
        b'rep_id,team_id\n"007,a\n',
    ],
    "config_file": ["\n".join(SANE).encode(), b"schema = 1\n[source]\ncrm = 'csv'\n", b"schema = 1\nteam_files = ['']\n[source]\ncrm = 'csv'\n"],
    "config_value": [
        bytes([SANE.index(line)]) + value
        for line in SANE
        if "{" in line or "pattern" in line or line.startswith(("schema", "timezone"))
        for value in (b" inf", b" nan", b" 1e999", b" -1", b" " + b"9" * 400, b' ""', b" []", b" {}", b' "\\u0000"', b" true")
    ]
    + [
        bytes([SANE.index('kind = "meeting"')]) + b' "meeting"\nwhen = [{ field = "Subject", ' + test + b" }]"
        for test in (b"gt = inf", b"eq = nan", b"lte = 1e400", b"gt = 1" + b"0" * 400, b"eq = 1" + b"0" * 400, b"in = [inf]", b'matches = "a++"', b'matches = "a{2000}"',
                     b'matches = "(?i)x"', b'matches = "\\\\Z"', b'eq = "\\u0000"', b"eq = 2026-01-01", b"like = \"'; DROP TABLE x; --\"")
    ]
    + [
        bytes([SANE.index('kind = "meeting"')]) + b' "meeting"\n[activity_defaults]\n' + setting
        for setting in (b"backdated_days = 10000000000", b"max_call_hours = inf", b"bulk_min_rows = -1", b"unclassified_max_share = 7")
    ],
}  # fmt: skip


def main() -> None:
    """Fuzz one target until libFuzzer stops it."""
    chosen = TARGETS[sys.argv.pop(1)]
    with tempfile.TemporaryDirectory() as scratch:
        atheris.Setup(sys.argv, lambda data: chosen(data, Path(scratch)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
