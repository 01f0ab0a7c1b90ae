"""Files as they come: damaged, hostile, in every spelling; each refused in one sentence or read to the last row."""

import csv
import io
import json
import sqlite3

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_worlds import D, Importer, deal, salesforce, task, user, write_csv

from analysis.crm.importers.csvfile import batches, open_csv
from analysis.crm.importers.naming import field_key, object_key
from analysis.crm.importers.sections import Source
from analysis.crm.importers.sources import discover
from analysis.errors import AnalysisError, DataError, InputError

DAMAGE = {
    "NUL": (b"Id,OwnerId\n1,2\n3,\x00\n", r"Task.csv:3: the file holds a NUL byte"),
    "Latin-1": ("Id,Subject\n1,ok\n2,Grüße\n".encode("latin-1"), r"Task.csv:3: not UTF-8 text"),
    "CR only": (b"Id,OwnerId\r1,2\r", r"Task.csv:1: lines end in a lone carriage return"),
    "doubled quotes": (b'"""Id""","""OwnerId"""\n1,2\n', r"Task.csv:1: the header .* is quoted twice"),
    "cut off in a quote": (b'Id,Subject\n1,ok\n2,"never end', r"Task.csv:3: a quoted field begins here and never ends"),
    "cut off in a row": (
        b"Id,OwnerId,Type\n1,2,Call\n3,4",
        r"Task.csv:3: 2 fields where the header has 3; the file looks cut off",
    ),
    "too wide": (b"Id,OwnerId\n1,2,3\n", r"Task.csv:2: 3 fields where the header has 2"),
    "bad quoting": (b'Id,Subject\n1,"a"b\n', r"Task.csv:2: a quote inside a quoted field"),
    "empty": (b"", r"Task.csv: the file is empty"),
    "blank": (b"\n\n  \n", r"Task.csv: the file is empty"),
    "unnamed column": (b"Id,,Type\n1,2,3\n", r"Task.csv:1: column 2 has no name"),
    "twin columns": (b"Id,Id\n1,2\n", r"Task.csv:1: two columns are named 'Id'"),
    "UTF-16": ("Id,OwnerId\n1,2\n".encode("utf-16"), r"Task.csv:1: the file is UTF-16 text"),
    "workbook": (b"PK\x03\x04" + bytes(60), r"Task.csv:1: this is no CSV but a workbook"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_with_file_line_and_reason_and_nothing_is_written(tmp_path, name):
    content, words = DAMAGE[name]
    run = Importer(tmp_path)
    (salesforce(tmp_path / "src") / "Task.csv").write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        run(tmp_path / "src")
    assert caught.value.exit_code == 2 and not run.out.exists()
    assert not [p.name for p in tmp_path.iterdir() if p.name.startswith(".data")]


def test_damage_in_a_file_nobody_needs_stops_nothing(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src")
    (source / "Knowledge.csv").write_bytes(b"a\x00b")
    (source / "photo.png").write_bytes(b"\x89PNG")
    (source / "evil.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    (source / "evil.yaml").write_text("!!python/object/apply:os.system ['false']")
    report = run(source)
    assert [n["file"] for n in report.not_read] == ["Knowledge.csv"] and report.not_read[0]["rows"] is None
    assert run.report()["not_opened"] == ["evil.pkl", "evil.yaml", "photo.png"]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_read_when_announced(tmp_path, encoding):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", User=[user(n, Name=f"Jörg {n}") for n in range(4)])
    for file in source.iterdir():
        file.write_bytes(file.read_text("utf-8").encode(encoding))
    named = "utf-8" if encoding == "utf-8-sig" else encoding
    assert (
        run(source, swap={'crm = "salesforce"\n': f'crm = "salesforce"\nencoding = "{named}"\n'}).totals["read"] == 47
    )


def test_a_report_export_with_its_footer_and_headings(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", Task=None)
    names = {"Id": "Activity ID", "OwnerId": "Assigned To ID", "ActivityDate": "Date", "CompletedDateTime": "Completed Date/Time", "TaskSubtype": "Task Subtype",
             "CallDurationInSeconds": "Call Duration (seconds)", "CallDisposition": "Call Result", "WhatId": "Opportunity ID", "WhoId": "Contact/Lead ID",
             "CreatedDate": "Created Date"}  # fmt: skip
    rows = [
        {names.get(k, k): v[:15] if k in ("Id", "OwnerId", "WhatId", "WhoId") else v for k, v in task(n).items()}
        for n in range(20)
    ]
    write_csv(source / "Tasks.csv", rows)
    with (source / "Tasks.csv").open("a") as file:
        file.write(
            '\n"Confidential Information - Do Not Distribute"\n"Copyright (c) 2000-2026 salesforce.com, inc. All rights reserved."\n'
        )
    report = run(source, swap={'crm = "salesforce"\n': 'crm = "salesforce"\nlanding = "ui_csv"\ntimezone = "UTC"\n'})
    acts = run.table("activities")
    assert report.rows("footer", "dropped") == 2 and len(acts) == 20 and report.rows("D31", "fixed") == 20
    assert set(acts["opportunity_id"]) == {D[0], D[1], D[2]} and acts["duration_s"].notna().all()


def spelled(folder, spell, name):
    salesforce(folder)
    for file in list(folder.iterdir()):
        with file.open() as f:
            rows = [{spell(k): v for k, v in row.items()} for row in csv.DictReader(f)]
        file.unlink()
        write_csv(folder / f"{name(file.stem)}.csv", rows)
    return folder


def snake(text):
    import re

    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()


@pytest.mark.parametrize(
    ("spell", "name"),
    [
        (str, str),
        (snake, lambda s: f"sf_{snake(s)}_data"),
        (str.upper, str.upper),
        (lambda s: s[0].lower() + s[1:], lambda s: f"{s.lower()}s"),
        (lambda s: snake(s).replace("_", " "), lambda s: f"salesforce.{s}"),
    ],
    ids=["api", "fivetran", "upper", "camel", "spaced"],
)
def test_every_spelling_gives_the_same_folder(tmp_path, spell, name):
    plain, other = Importer(tmp_path), Importer(tmp_path)
    plain(salesforce(tmp_path / "src"))
    other.out = tmp_path / "other"
    other(spelled(tmp_path / "src2", spell, name))
    for table in ("activities", "opportunities", "reps"):
        assert plain.table(table).equals(other.table(table)), table


def test_two_spellings_with_values_are_refused_unless_one_is_chosen(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", Task=[task(n) | {"call_disposition": "Busy"} for n in range(20)])
    with pytest.raises(DataError, match=r"'call_disposition' and 'CallDisposition' are one field and both hold values"):
        run(source)
    run(source, swap={'crm = "salesforce"\n': 'crm = "salesforce"\nnaming = "snake"\n'})
    assert set(run.table("activities")["outcome"]) == {"busy"}
    salesforce(tmp_path / "src", Task=[task(n) | {"call_disposition": ""} for n in range(20)])
    run(source)
    assert "connected" in set(run.table("activities")["outcome"])


def test_parquet_json_lines_and_databases_give_what_csv_gives(tmp_path):
    import duckdb

    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src")
    run(source)
    expected = run.table("activities")
    forms = {name: tmp_path / name for name in ("parquet", "parts", "jsonl")}
    with sqlite3.connect(tmp_path / "crm.sqlite") as lite, duckdb.connect(str(tmp_path / "crm.duckdb")) as duck:
        for file in source.iterdir():
            with file.open() as f:
                rows = list(csv.DictReader(f))
            for folder in (*forms.values(), forms["parts"] / file.stem):
                folder.mkdir(exist_ok=True)
            duck.execute(f"CREATE TABLE {file.stem}_ AS SELECT * FROM read_csv('{file}', all_varchar = true)")
            duck.execute(f"COPY {file.stem}_ TO '{forms['parquet'] / file.stem}.parquet'")
            duck.execute(f"COPY (SELECT * FROM {file.stem}_ LIMIT 2) TO '{forms['parts'] / file.stem}/part-0.parquet'")
            duck.execute(f"COPY (SELECT * FROM {file.stem}_ OFFSET 2) TO '{forms['parts'] / file.stem}/part-1.parquet'")
            (forms["jsonl"] / f"{file.stem}.jsonl").write_text(
                "".join(json.dumps({"stream": file.stem, "data": r}) + "\n" for r in rows)
            )
            lite.execute(f"CREATE TABLE {file.stem}_ ({', '.join(rows[0])})")
            lite.executemany(
                f"INSERT INTO {file.stem}_ VALUES ({', '.join('?' * len(rows[0]))})", [list(r.values()) for r in rows]
            )
    lite.close()
    for place in (*forms.values(), f"sqlite:///{tmp_path}/crm.sqlite", f"duckdb:///{tmp_path}/crm.duckdb"):
        run(place)
        assert run.table("activities").equals(expected), place


def test_a_source_that_is_not_there(tmp_path):
    run = Importer(tmp_path)
    for place, words in (
        (tmp_path / "nowhere", "no such folder"),
        ("sqlite:////nowhere.db", "no such file"),
        ("mysql://h/d", "is not known"),
        ("postgresql://u:sesame@127.0.0.1:9/d", "could not be read after 3 attempts"),
    ):
        with pytest.raises((InputError, DataError), match=words) as caught:
            run(place)
        assert "sesame" not in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no CSV, parquet or JSON-lines file"):
        run(tmp_path / "empty")
    write_csv(tmp_path / "odd" / "recipes.csv", [{"a": 1}])
    with pytest.raises(InputError, match="none of the 1 tables is one of salesforce's"):
        run(tmp_path / "odd")


def test_a_damaged_parquet_file_is_refused(tmp_path):
    run = Importer(tmp_path)
    (salesforce(tmp_path / "src", Task=None) / "Task.parquet").write_bytes(b"PAR1" + bytes(50))
    with pytest.raises(DataError, match=r"Task.parquet: not a whole parquet file"):
        run(tmp_path / "src")


def test_a_header_without_rows_and_no_activities_at_all(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", Task=None)
    (source / "Task.csv").write_text("Id,OwnerId,Type,Subject,Description,TaskSubtype,CallDurationInSeconds\n")
    report = run(source)
    assert report.tables["activities"] == 0 and len(run.table("opportunities")) == 3


@pytest.mark.parametrize(
    ("spelling", "key"),
    [("ActivityDate", "activitydate"), ("activity_date", "activitydate"), ("Activity Date", "activitydate"), ("properties_hs_call_duration", "hscallduration"),
     ("properties__hs_call_duration", "hscallduration"), ("property_hs_call_duration", "hscallduration"), ("property_amount__value", "amount"),
     ("no_show__c", "noshowc"), ("no_show_c", "noshowc"), ("_fivetran_active", "fivetranactive"), ("Größe", "grsse")],
)  # fmt: skip
def test_field_keys(spelling, key):
    assert field_key(spelling) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [("sf_task_data", "task"), ("OpportunityFieldHistory", "opportunityfieldhistory"), ("salesforce.Task", "task"), ("tasks-2024-03", "tasks"),
     ("engagements_calls", "engagementscalls"), ("hubspot__deals", "deals"), ("data", "data")],
)  # fmt: skip
def test_object_keys(name, key):
    assert object_key(name) == key


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400) | st.text(alphabet='Id,;"\n\r\t x0é', max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(tmp_path, content):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    try:
        file = open_csv(path, "x.csv")
        rows = sum(batch.num_rows for batch in batches(file, file.header))
    except DataError as error:
        assert str(error).startswith("x.csv")
    else:
        assert rows >= 0 and all(file.header)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=12)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(cells, cells, cells), max_size=12))
def test_no_row_and_no_character_is_lost(tmp_path, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("a", "b", "c"), *rows])
    path = tmp_path / "y.csv"
    path.write_bytes(text.getvalue().encode())
    file = open_csv(path, "y.csv", delimiter=",")
    found = [
        tuple(row[c] for c in ("a", "b", "c")) for batch in batches(file, ("a", "b", "c")) for row in batch.to_pylist()
    ]
    assert found == rows


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda c: st.lists(c) | st.dictionaries(st.text(max_size=5), c),
        max_leaves=6,
    ).map(lambda v: json.dumps(v).encode())
)
def test_any_json_lines_are_read_or_refused(tmp_path, content):
    (tmp_path / "x.jsonl").write_bytes(content)
    tables, _ = discover(tmp_path, Source(crm="csv"))
    for table in (t for t in tables if t.name.startswith("x.jsonl")):
        assert table.damage is None or str(table.damage).startswith("x.jsonl")
        if table.damage is None:
            assert sum(b.num_rows for b in table.batches(table.columns)) >= 0
    (tmp_path / "x.jsonl").unlink()


hostile = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "9999-12-31",
        "00:00.0",
        "=cmd|' /C calc'!A0",
        "<script>",
        "'; DROP TABLE w_reps; --",
        '"',
        "𝔘nicode",
        "NaN",
        "1e999",
        "2026-02-30",
        "true",
        "007",
    ]
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_hostile_cells_lose_no_row(tmp_path, data):
    run = Importer(tmp_path)
    fields = data.draw(st.lists(st.sampled_from(sorted(task(0))), min_size=1, max_size=4, unique=True))
    tasks = [task(n) | {f: data.draw(hostile) for f in fields} if n % 4 == 0 else task(n) for n in range(12)]
    source = salesforce(
        tmp_path / "src",
        Task=tasks,
        Opportunity=[deal(n, **{data.draw(st.sampled_from(sorted(deal(0)))): data.draw(hostile)}) for n in range(3)],
    )
    try:
        report = run(source, extra="[people]\nunknown_rep_max_share = 1.0\n")
    except AnalysisError as error:
        assert str(error) and "Traceback" not in str(error)
    else:
        t = report.totals
        assert t["read"] == 19 == t["kept"] + t["fixed"] + t["quarantined"] + t["dropped"]


@pytest.mark.parametrize("length", ["1e999", "-1e999", "1e300"])
def test_a_length_beyond_all_numbers_puts_its_row_aside(tmp_path, length):
    tasks = [task(0) | {"CallDurationInSeconds": length}, *(task(n) for n in range(1, 12))]
    report = Importer(tmp_path)(salesforce(tmp_path / "src", Task=tasks, Opportunity=[deal(n) for n in range(3)]))
    t = report.totals
    assert t["quarantined"] == 1 and t["read"] == t["kept"] + t["fixed"] + t["quarantined"] + t["dropped"]
