"""Dark accounts: silence judged by the account's own rhythm, what counts as contact, the last mile by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from management_world import activities_table, book, day, days, deals_table, reps_table

from analysis.management.book import Book, NotRecorded
from analysis.management.dark import dark_accounts, done_on_dark
from analysis.management.last_mile import last_mile

AS_OF = 400


def drawn(accounts: int, seed: int, *, dark: int = 0, shape: float = 2.0) -> tuple[Book, set[str]]:
    """Accounts with rhythms from 4 to 40 days; the first `dark` of the quick ones fall silent five mean gaps ago."""
    rng = np.random.default_rng(seed)
    mean = rng.choice([4.0, 8.0, 16.0, 40.0], accounts)
    quiet = set(np.flatnonzero(mean <= 8)[:dark])
    name, on = [], []
    for number in range(accounts):
        stop = AS_OF - 12 * mean[number] if number in quiet else AS_OF
        times = np.cumsum(rng.gamma(shape, mean[number] / shape, int(60 + 600 / mean[number])))
        times = times[times <= stop + rng.uniform(0, mean[number]) - 0]
        times = times[times <= (stop if number in quiet else AS_OF)]
        name += [f"c{number}"] * len(times)
        on += np.floor(times).tolist()
    rows = activities_table(["r0"] * len(on), ["call"] * len(on), on, account_id=name, is_meaningful=True)
    rows["account_id"] = rows["account_id"].astype("str")
    deals = deals_table(["r0"], [1], [5], [1], [1.0], AS_OF).assign(account_id="c0")
    held = book({"reps": reps_table(1, 2), "activities": rows, "opportunities": deals}, AS_OF)
    return held, {f"c{number}" for number in quiet}


@pytest.mark.parametrize("shape", [1.0, 4.0])
def test_accounts_in_their_rhythm_are_not_called_dark(shape: float) -> None:
    held, _ = drawn(800, 1, shape=shape)
    found = dark_accounts(held)
    assert not isinstance(found, NotRecorded)
    assert found.accounts["dark"].mean() <= 0.003
    for level in (0.05, 0.2):
        rate = (found.accounts["chance"] <= level).mean()
        assert rate <= level + 3 * np.sqrt(level * (1 - level) / len(found.accounts))
    # Ninety days of silence are nothing for an account seen every forty days.
    assert found.falsely > 0


def test_dark_accounts_are_found_among_slow_ones() -> None:
    held, truth = drawn(600, 2, dark=40)
    found = dark_accounts(held)
    assert not isinstance(found, NotRecorded)
    called = set(found.accounts.loc[found.accounts["dark"], "account_id"])
    assert len(called & truth) >= 36
    assert len(called - truth) <= 0.1 * len(called) + 3
    assert found.missed >= 10  # the quick ones among them have been silent for less than ninety days
    top = found.accounts.iloc[0]
    assert top["silent_days"] > 5 * top["usual_days"]


def test_a_mailed_account_that_does_not_answer_is_dark() -> None:
    held, truth = drawn(200, 3, dark=5)
    account = sorted(truth)[0]
    mails = activities_table(["r0"] * 60, ["email"] * 60, range(AS_OF - 59, AS_OF + 1), account_id=account)
    mails["is_meaningful"] = False
    mails["origin"] = "human"
    both = pd.concat([held.frame("activities"), mails], ignore_index=True)
    found = dark_accounts(replace(held, tables={**held.tables, "activities": both}))
    assert not isinstance(found, NotRecorded) and "two-way" in found.contact
    assert account in set(found.accounts.loc[found.accounts["dark"], "account_id"])
    done = done_on_dark(replace(held, tables={**held.tables, "activities": both}), found)
    since = done[(done["phase"] == "since") & (done["kind"] == "email")].iloc[0]
    assert since["attempts"] >= 30 and since["meaningful"] == 0 and since["generic"] == since["attempts"]
    assert np.isnan(since["senior"])  # the level is not recorded


def test_any_effort_counts_where_nothing_came_back_is_recorded() -> None:
    held, _ = drawn(100, 4)
    rows = held.frame("activities").drop(columns="is_meaningful")
    found = dark_accounts(replace(held, tables={**held.tables, "activities": rows}))
    assert not isinstance(found, NotRecorded) and "any effort" in found.contact


def test_few_contacts_are_no_rhythm() -> None:
    rows = activities_table(["r0"] * 3, ["call"] * 3, [1, 5, 9], account_id="c0")
    held = book(
        {"reps": reps_table(1, 1), "activities": rows, "opportunities": deals_table(["r0"], [0], [9], [1], [1.0], 50)},
        50,
    )
    assert "no account has 5 days" in str(dark_accounts(held))
    bare = Book({**held.tables, "activities": rows.drop(columns="account_id")}, held.as_of)
    assert dark_accounts(bare) == NotRecorded(("activities.account_id",))


def test_last_mile_by_hand() -> None:
    deals = deals_table(["r0"] * 3, [0, 0, 0], [60, 70, 999], [1, 0, 1], [10.0] * 3, 200)
    deals["account_id"] = ["x", "y", "z"]
    asks = activities_table(
        ["r0"] * 3, ["proposal"] * 3, [40, 40, 40], opportunity_id=["o0", "o1", "o2"], account_id=["x", "y", "z"]
    )
    after = activities_table(["r0"] * 3, ["call"] * 3, [50, 30, 65], opportunity_id=None, account_id=["x", "y", "x"])
    asks["contact_level"], asks["is_meaningful"] = "user", True
    after["contact_level"], after["is_meaningful"] = ["vp_or_above", "user", "user"], [True, True, True]
    rows = pd.concat([asks, after], ignore_index=True)
    found = last_mile(book({"reps": reps_table(1, 2), "activities": rows, "opportunities": deals}, 200), weeks=52)
    assert not isinstance(found, NotRecorded)
    company = found[found["team_id"] == ""].set_index(["check", "outcome"])["value"]
    assert company["touched", "won"] == 1 and company["touched", "lost"] == 0
    assert company["senior", "won"] == 1 and company["meaningful", "open and quiet"] == 0
    assert company["touches_per_week", "won"] == pytest.approx(1 / (20 / 7))


def test_last_mile_without_asks_says_so() -> None:
    held, _ = drawn(20, 5)
    assert "stage_changes" in str(last_mile(held))


def test_silence_is_counted_to_today_only() -> None:
    held, _ = drawn(50, 6)
    later = held.frame("activities").iloc[:1].assign(occurred_on=day(AS_OF + 30))
    found = dark_accounts(
        replace(held, tables={**held.tables, "activities": pd.concat([held.frame("activities"), later])})
    )
    assert not isinstance(found, NotRecorded)
    assert (found.accounts["silent_days"] >= 0).all() and found.accounts["last_contact"].max() <= days([AS_OF])[0]
