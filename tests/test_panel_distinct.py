"""Distinct accounts: equal to sets, in any order, in memory or spilled, for ids of any length."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.errors import DataError
from analysis.panel import distinct
from analysis.panel.distinct import DistinctAccounts, text_hashes


@settings(deadline=None)
@given(st.lists(st.text(max_size=90), max_size=60))
def test_hashes_are_equal_exactly_where_texts_are(texts: list[str]):
    hashes = text_hashes(pa.array(texts, pa.string()))
    assert len({(text, number) for text, number in zip(texts, hashes.tolist(), strict=True)}) == len(set(texts))
    assert len(set(hashes.tolist())) == len(set(texts))


def test_a_text_has_one_hash_in_every_batch_slice_and_type():
    short, long = ["C1", "C22"], ["x" * 70, "C1", "", "y" * 8]
    alone = text_hashes(pa.array(["C1"], pa.string()))[0]
    assert text_hashes(pa.array(short))[0] == alone
    assert text_hashes(pa.array(long))[1] == alone
    assert text_hashes(pa.array(long).slice(1, 2))[0] == alone
    assert text_hashes(pa.array(long, pa.large_string()))[1] == alone


def test_near_ids_do_not_collide():
    ids = [f"0015g00000{number:08d}AAA" for number in range(200_000)]
    assert len(np.unique(text_hashes(pa.array(ids)))) == len(ids)
    bits = np.unique(text_hashes(pa.array(ids)) >> np.uint64(11))  # the 53 bits that 2,000 reps leave
    assert len(bits) == len(ids)


@pytest.mark.oracle
@pytest.mark.parametrize("pending", [1, 500, 10**9])
def test_counts_equal_sets_in_memory_and_spilled(tmp_path: Path, pending: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distinct, "_PENDING_KEYS", pending)
    rng = np.random.default_rng(5)
    seen: dict[tuple[int, int], set[int]] = {}
    held = DistinctAccounts(tmp_path, reps=17)
    for _ in range(20):
        week, rep, account = rng.integers(-3, 9, 100), rng.integers(0, 17, 100), rng.integers(0, 30, 100)
        held.add(week, rep, text_hashes(pa.array([f"acc-{a}" for a in account])))
        for w, r, a in zip(week.tolist(), rep.tolist(), account.tolist(), strict=True):
            seen.setdefault((w, r), set()).add(a)
    counted = {(week, rep): int(n) for week, row in held.counts() for rep, n in enumerate(row) if n}
    assert counted == {key: len(accounts) for key, accounts in seen.items()}
    assert (len(list(tmp_path.iterdir())) > 0) == (pending < 10**9)


def test_one_rep_and_no_rows(tmp_path: Path):
    held = DistinctAccounts(tmp_path, reps=1)
    held.add(np.array([], dtype=int), np.array([], dtype=int), np.array([], dtype=np.uint64))
    assert list(held.counts()) == []
    held.add(np.array([4, 4]), np.array([0, 0]), text_hashes(pa.array(["a", "b"])))
    assert [(week, row.tolist()) for week, row in held.counts()] == [(4, [2])]


def test_ids_of_one_length_hash_as_among_others():
    """The short way for texts of even length gives the numbers of the general way."""
    for length in (1, 7, 8, 9, 15, 16, 18, 63, 64, 65):
        even = [f"{number:0{length}d}"[-length:] for number in range(8)]
        assert text_hashes(pa.array(even)).tolist() == text_hashes(pa.array([*even, "odd one"])).tolist()[:8]
        assert text_hashes(pa.array(even).slice(3)).tolist() == text_hashes(pa.array(even)).tolist()[3:]


def test_finished_weeks_are_counted_and_forgotten_and_may_not_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(distinct, "_PENDING_KEYS", 3)
    held = DistinctAccounts(tmp_path, reps=2)
    names = text_hashes(pa.array(["a", "b", "a", "c"]))
    held.add(np.array([4, 4, 4, 5]), np.array([0, 0, 1, 1]), names)  # spilled: four are more than three
    held.add(np.array([4, 5]), np.array([0, 1]), names[:2])
    held.finish(5)
    with pytest.raises(DataError, match="statistics contradict its rows"):
        held.add(np.array([4]), np.array([0]), names[:1])
    assert [(week, row.tolist()) for week, row in held.counts()] == [(4, [2, 1]), (5, [0, 2])]
