"""Row groups in order of time: every row once, whatever the order of files, and the day that is over is truly over."""

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.panel import events, partitions


def written(path: Path, days: list[int], group: int, statistics: bool = True) -> Path:
    table = pa.table(
        {
            "n": pa.array(range(len(days))),
            "occurred_on": pa.array([date(1970, 1, 1) + timedelta(days=day) for day in days], pa.date32()),
            "kind": pa.array(["call"] * len(days)),
        }
    )
    pq.write_table(table, path, row_group_size=group, write_statistics=statistics)
    return path


def read(files: list[Path]) -> list[tuple[int, list[int]]]:
    """(the day said to be over before, the days read) a batch."""
    found = partitions.batches(files, ("occurred_on", "kind", "absent"), ("kind",), "occurred_on")
    return [(over, batch.column("occurred_on").cast(pa.int32()).to_pylist()) for batch, over in found]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=40), min_size=1, max_size=4),
    st.integers(1, 9),
    st.sets(st.integers(0, 3)),
)
def test_every_row_once_and_none_before_the_day_that_is_over(tmp_path_factory, files, group, blind):
    folder = tmp_path_factory.mktemp("parts")
    paths = [written(folder / f"{n}.parquet", days, group, n not in blind) for n, days in enumerate(files)]
    got = read(paths)
    assert sorted(day for _, days in got for day in days) == sorted(day for days in files for day in days)
    for place, (over, _) in enumerate(got):
        assert all(day >= over for _, days in got[place:] for day in days)


def test_files_in_any_order_are_read_in_order_of_time(tmp_path):
    late, early = written(tmp_path / "a.parquet", [20, 21, 22, 23], 2), written(tmp_path / "b.parquet", [1, 2, 3], 2)
    assert read([late, early]) == [(1, [1, 2]), (3, [3]), (20, [20, 21]), (22, [22, 23])]


@pytest.mark.parametrize("rows", [200, 5])
def test_weeks_are_forgotten_while_reading(tmp_path, rows, monkeypatch):
    """Of time-ordered files no more than the weeks of one row group are held at once."""
    most = 0
    finish = events.DistinctAccounts.finish

    def watched(self, before):
        nonlocal most
        most = max(most, len(self._held))
        finish(self, before)

    monkeypatch.setattr(events.DistinctAccounts, "finish", watched)
    table = pa.table(
        {
            "rep_id": pa.array(["r"] * 400),
            "kind": pa.array(["call"] * 400),
            "account_id": pa.array([f"a{n % 3}" for n in range(400)]),
            "occurred_on": pa.array([date(2024, 1, 1) + timedelta(days=n) for n in range(400)], pa.date32()),
        }
    )
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=rows)
    tally = events.count([tmp_path / "x.parquet"], ("r",))
    assert {int(counts[0]) for counts in tally.accounts.values()} <= {1, 2, 3} and len(tally.accounts) == 58
    assert most <= rows // 7 + 2
