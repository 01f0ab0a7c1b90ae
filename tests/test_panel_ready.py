"""Ready-made panels: weekly and monthly, CSV and parquet, and every way they can be wrong."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from crm_tables import company
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import panel
from analysis.errors import AnalysisError, DataError

TOML = 'activities = ["call"]\noutcomes = ["wins", "revenue"]\nperiod = "week"\ncurrency = "EUR"\n'
CSV = """rep_id,team_id,week,call,wins,revenue,price,note
007,a,2024-01-01,3,0,0,2.5,x
007,a,2024-01-08,,1,12.5,2.6,y
008,b,2024-01-08,4,0,0,,z
008,b,2024-01-01,1,0,0,2.5,z
"""


def folder(path: Path, csv: str | bytes = CSV, toml: str = TOML) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / "panel.csv").write_bytes(csv if isinstance(csv, bytes) else csv.encode())
    (path / "panel.toml").write_text(toml)
    return path


def test_a_weekly_panel_is_read_sorted_and_typed(tmp_path: Path):
    found = panel.load(folder(tmp_path))
    assert found.frame["rep_id"].tolist() == ["007", "007", "008", "008"]
    assert [f"{week:%m-%d}" for week in found.frame["week"]] == ["01-01", "01-08", "01-01", "01-08"]
    np.testing.assert_array_equal(found.frame["call"], [3, np.nan, 1, 4])
    assert (found.activities, found.outcomes, found.period, found.currency) == (
        ("call",),
        ("wins", "revenue"),
        "week",
        "EUR",
    )
    assert "price" in found.frame  # a description that is a number stays
    assert "note" not in found.frame  # one that is not a number goes
    assert {str(found.frame[name].dtype) for name in ("call", "wins", "revenue")} == {"float64"}
    assert str(found.frame["week"].dtype) == "datetime64[us]"
    assert found.notes == ()


def test_parquet_gives_the_same_panel(tmp_path: Path):
    csv = panel.read_panel(folder(tmp_path / "c"))
    other = folder(tmp_path / "p")
    frame = pd.read_csv(other / "panel.csv", dtype={"rep_id": "str"}, parse_dates=["week"])
    (other / "panel.csv").unlink()
    frame.to_parquet(other / "panel.parquet", index=False)
    assert panel.read_panel(other).fingerprint == csv.fingerprint
    frame.assign(week=frame["week"].dt.date).to_parquet(other / "panel.parquet", index=False)
    assert panel.read_panel(other).fingerprint == csv.fingerprint


def test_missing_weeks_are_filled_in_as_not_known_and_noted(tmp_path: Path):
    csv = "rep_id,team_id,week,call,wins,revenue\n007,a,2024-01-01,3,0,0\n007,b,2024-01-22,1,0,0\n008,a,2024-01-08,1,0,0\n"
    found = panel.read_panel(folder(tmp_path, csv))
    assert found.frame["call"].isna().tolist() == [False, True, True, False, False]
    assert found.frame["team_id"].tolist() == ["a", "a", "a", "b", "a"]
    assert found.notes == ("filled in as not known: 2 weeks missing between a rep's first and last",)


def test_a_monthly_panel(tmp_path: Path):
    csv = "rep_id,team_id,month,call,wins,revenue\n007,a,2023-12-01,3,0,0\n007,a,2024-02-01,1,0,0\n"
    found = panel.read_panel(folder(tmp_path, csv, TOML.replace('"week"', '"month"')))
    assert found.period == "month"
    assert [f"{week:%Y-%m-%d}" for week in found.frame["week"]] == ["2023-12-01", "2024-01-01", "2024-02-01"]
    assert found.notes == ("filled in as not known: 1 month missing between a rep's first and last",)


@pytest.mark.parametrize(("as_of", "rows"), [(date(2024, 1, 13), 2), (date(2024, 1, 14), 4)])
def test_as_of_keeps_complete_periods_only(tmp_path: Path, as_of: date, rows: int):
    assert len(panel.load(folder(tmp_path), as_of=as_of).frame) == rows


def test_as_of_before_everything_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="no complete period"):
        panel.load(folder(tmp_path), as_of=date(2023, 1, 1))


WRONG_ROWS = {
    "doubled": (CSV + "007,a,2024-01-08,1,0,0,1,x\n", "line 6: rep 007 has two rows for 2024-01-08"),
    "not a Monday": (CSV.replace("2024-01-08,4", "2024-01-09,4"), "line 4: week must be the Monday"),
    "not a date": (CSV.replace("2024-01-08,4", "8 Jan,4"), "line 4: week is not a date"),
    "not a number": (CSV.replace(",12.5,", ",twelve,"), "line 3: revenue holds 'twelve'"),
    "infinite": (CSV.replace(",12.5,", ",inf,"), "line 3: revenue holds"),
    "negative": (CSV.replace("2024-01-08,4", "2024-01-08,-4"), "line 4: activity call is negative"),
    "nameless rep": (CSV.replace("008,b,2024-01-08", ",b,2024-01-08"), "line 4: rep_id must be text"),
    "no such column": (CSV.replace("revenue", "turnover"), "column revenue is missing"),
    "header only": (CSV.splitlines()[0] + "\n", "no rows"),
    "truncated": (CSV[:-12], "line 5.*truncated"),
    "Latin-1": (CSV.replace("x", "ü").encode("latin-1"), "line 2: not UTF-8"),
}


@pytest.mark.faults
@pytest.mark.parametrize("fault", WRONG_ROWS)
def test_a_wrong_panel_is_named_with_its_line(tmp_path: Path, fault: str):
    content, expected = WRONG_ROWS[fault]
    with pytest.raises(DataError, match=rf"panel\.csv.*{expected}"):
        panel.load(folder(tmp_path, content))


WRONG_TOML = {
    "unknown key": (TOML + "outcome = 1\n", "unknown key 'outcome', did you mean outcomes"),
    "period": (TOML.replace('"week"', '"day"'), "must be week or month"),
    "currency": (TOML.replace('"EUR"', '"euro"'), "ISO 4217"),
    "no activities": (TOML.replace('["call"]', "[]"), "activities must be a list"),
    "named twice": (TOML.replace('["call"]', '["call", "call"]'), "names a column twice"),
    "both": (TOML.replace('["call"]', '["wins"]'), "wins cannot be an activity or outcome and something else"),
    "a key column": (TOML.replace('["call"]', '["week"]'), "week cannot be"),
    "not TOML": ("activities = [", "docs/data-contract.md"),
    "cycle": (TOML + "cycle_days_p75 = -3\n", "number of days above 0"),
}


@pytest.mark.parametrize("fault", WRONG_TOML)
def test_a_wrong_description_is_named(tmp_path: Path, fault: str):
    content, expected = WRONG_TOML[fault]
    with pytest.raises(DataError, match=rf"panel\.toml.*{expected}"):
        panel.load(folder(tmp_path, toml=content))


def test_a_missing_description_and_doubled_files_are_named(tmp_path: Path):
    path = folder(tmp_path)
    (path / "panel.parquet").write_bytes(b"x")
    with pytest.raises(DataError, match="are both there"):
        panel.load(path)
    (path / "panel.csv").unlink()
    with pytest.raises(DataError, match=r"panel\.parquet cannot be read"):
        panel.load(path)
    (path / "panel.toml").unlink()
    with pytest.raises(DataError, match=r"panel\.toml is missing"):
        panel.load(path)


def test_a_folder_with_tables_and_a_panel_is_refused(tmp_path: Path):
    with pytest.raises(DataError, match="a ready panel and tables"):
        panel.load(folder(company(tmp_path)))


def test_a_real_retail_panel_enters_through_the_same_door(tmp_path: Path, shared: Path):
    sales = pd.read_csv(shared / "truth" / "cheese.csv")
    number = sales.groupby("RETAILER").cumcount()
    frame = pd.DataFrame(
        {
            "rep_id": sales["RETAILER"],
            "team_id": sales["RETAILER"].str.split(" - ").str[0],
            "week": pd.Timestamp("1990-01-01") + pd.to_timedelta(7 * number, unit="D"),
            "display": sales["DISP"],
            "volume": sales["VOLUME"],
        }
    )
    toml = 'activities = ["display"]\noutcomes = ["volume"]\nperiod = "week"\n'
    found = panel.load(folder(tmp_path, frame.to_csv(index=False), toml))
    assert len(found.frame) == 5555
    assert found.frame["rep_id"].nunique() == 88
    assert found.frame["volume"].sum() == sales["VOLUME"].sum()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text('07a8,-.1e2024-01\n"x', max_size=40), max_size=5), raw=st.binary(max_size=40))
def test_any_rows_are_read_or_refused(tmp_path: Path, lines: list[str], raw: bytes):
    content = CSV.encode() + "\n".join(lines).encode() + (raw if len(lines) == 5 else b"")
    try:
        found = panel.load(folder(tmp_path, content))
    except AnalysisError as error:
        assert "panel.csv" in str(error)
        assert "\n" not in str(error)
    else:
        assert not found.frame.duplicated(["rep_id", "week"]).any()
        assert (found.frame["week"].dt.day_of_week == 0).all()
