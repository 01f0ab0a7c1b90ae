"""Tables for other programs: the same numbers back, units in the heading, nothing that a spreadsheet would run."""

import csv
import io

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import words
from analysis.errors import DataError
from analysis.reporting import exports

FIELDS = exports.findings_fields("EUR")
FORMULAS = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠1", " =1"]


def rows_of(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet(content, name=None):
    book = openpyxl.load_workbook(io.BytesIO(content))
    return book[name] if name else book.worksheets[0]


def test_the_codebook_covers_exactly_the_findings_table():
    from analysis.evidence.findings import COLUMNS

    assert [f.name for f in FIELDS] == list(COLUMNS)
    assert {f.name: f.unit for f in FIELDS}["effect"] == "EUR"
    assert {f.name: f.unit for f in exports.findings_fields("EUR", "month")}["lag_from"] == "months after the activity"


def test_numbers_come_back_unrounded_from_every_format():
    frame = samples.findings()
    back = {
        "csv": [float(r[2]) if r[2] else np.nan for r in rows_of(exports.csv_bytes(frame, FIELDS))[1:]],
        "xlsx": [np.nan if r[2] is None else r[2] for r in sheet(exports.xlsx_bytes({"f": frame})).values][1:],
        "parquet": pq.read_table(io.BytesIO(exports.parquet_bytes(frame, FIELDS)))["effect"].to_pylist(),
    }
    for kind, values in back.items():
        np.testing.assert_array_equal(np.array(values, float), frame["effect"], err_msg=kind)


def test_headings_carry_units_and_the_codebook_their_meaning():
    content = exports.xlsx_bytes({"findings": samples.findings()}, {"findings": FIELDS})
    heads = [c.value for c in sheet(content, "findings")[1]]
    assert "effect [EUR]" in heads and "activity" in heads
    codebook = {row[1]: row for row in sheet(content, "Codebook").values}
    assert codebook["effect"][:3] == ("findings", "effect", "EUR")
    assert "per one extra activity" in codebook["effect"][3]
    schema = pq.read_schema(io.BytesIO(exports.parquet_bytes(samples.findings(), FIELDS)))
    assert schema.field("effect").metadata[b"unit"] == b"EUR"


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_text_and_numbers_are_not_touched(text):
    frame = pd.DataFrame({"team": [text], "change": [-5.5], text: [-3]})
    head, row = rows_of(exports.csv_bytes(frame))
    assert row[0] == "'" + text and head[2] == "'" + text
    assert row[1:] == ["-5.5", "-3"]
    cells = sheet(exports.xlsx_bytes({"t": frame}))[2]
    assert cells[0].data_type == "s" and "f" not in {c.data_type for c in cells}
    assert [c.value for c in cells[1:]] == [-5.5, -3]


def test_links_and_numbers_in_text_stay_text():
    frame = pd.DataFrame({"id": ["007", "https://example.org/x", "internal:Sheet1!A1", "1e5", "TRUE"]})
    cells = [row[0] for row in sheet(exports.xlsx_bytes({"t": frame})).iter_rows(min_row=2)]
    assert [c.value for c in cells] == list(frame["id"])
    assert all(c.data_type == "s" and c.hyperlink is None for c in cells)


def test_every_type_is_written_as_itself():
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-11-02", None]),
            "n": pd.array([1, None], dtype="Int64"),
            "share": [0.5, np.nan],
            "ok": [True, False],
            "text": pd.Series(["a", None], dtype="str"),
        }
    )
    first, second = rows_of(exports.csv_bytes(frame))[1:]
    assert first == ["2026-11-02", "1", "0.5", "True", "a"]
    assert second == ["", "", "", "False", ""]
    row = next(sheet(exports.xlsx_bytes({"t": frame})).iter_rows(min_row=2))
    assert row[0].value.date().isoformat() == "2026-11-02" and row[3].value is True
    assert [c.value for c in next(sheet(exports.xlsx_bytes({"t": frame})).iter_rows(min_row=3))][:3] == [None] * 3


def test_same_bytes_each_time():
    frame = samples.findings()
    for make in (exports.csv_bytes, exports.parquet_bytes, lambda f: exports.xlsx_bytes({"f": f})):
        assert make(frame) == make(frame.copy())


def test_sheet_names_are_made_fit():
    frame = pd.DataFrame({"a": [1]})
    names = ["Scorecard: [north]/?*", "x" * 40, "X" * 40, "", "codebook"]
    book = openpyxl.load_workbook(io.BytesIO(exports.xlsx_bytes(dict.fromkeys(names, frame))))
    assert len(book.sheetnames) == 6
    assert len({n.casefold() for n in book.sheetnames}) == 6 and max(map(len, book.sheetnames)) <= 31


def test_a_table_too_long_for_a_sheet_is_refused(monkeypatch):
    monkeypatch.setattr(exports, "_ROWS", 3)
    with pytest.raises(DataError, match="parquet"):
        exports.xlsx_bytes({"t": pd.DataFrame({"a": range(4)})})


def test_findings_written_by_name_can_be_read_by_another_program(tmp_path):
    """The three files of one table agree with each other and with the sentence on the page."""
    files = exports.tables({"findings": samples.findings()}, {"findings": FIELDS}, name="north")
    assert set(files) == {"north.xlsx", "findings-table.csv", "findings-table.parquet"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    frame = pd.read_parquet(tmp_path / "findings-table.parquet")
    assert list(frame["sentence"]) == [words.finding_sentence(r, currency="EUR") for r in frame.to_dict("records")]
    assert list(pd.read_csv(tmp_path / "findings-table.csv")["effect [EUR]"].dropna()) == list(frame["effect"].dropna())


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_survives_csv_and_never_runs(text):
    _, (cell, other) = rows_of(exports.csv_bytes(pd.DataFrame({"a": [text], "b": ["x"]})))
    assert other == "x"
    assert cell.removeprefix("'") == text or cell == text
    assert not words.starts_formula(cell)
