"""Frames that several questions share: who belonged where, what counts as effort, who gets the credit, weeks worked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.calendars import monday_of
from analysis.management.book import Book

DAY = pd.Timedelta(days=1)


def with_team(book: Book, frame: pd.DataFrame, on: str) -> pd.DataFrame:
    """The frame with `team_id`: the rep's team on the day in column `on` (memberships rule over reps.team_id)."""
    now = book.frame("reps").set_index("rep_id")["team_id"]
    team = frame["rep_id"].map(now)
    if book.has("memberships"):
        spells = book.frame("memberships")
        moved = frame["rep_id"].isin(_movers(spells, now)).to_numpy()
        team = team.mask(moved, _team_then(spells, frame.loc[moved], on).reindex(frame.index)).fillna(team)
    return frame.assign(team_id=team)


def _movers(spells: pd.DataFrame, now: pd.Series) -> set[str]:
    """Reps whose history is more than one spell in the team they are in now."""
    several = spells["rep_id"].duplicated(keep=False)
    return set(spells.loc[several | (spells["team_id"] != spells["rep_id"].map(now)), "rep_id"])


def _team_then(spells: pd.DataFrame, frame: pd.DataFrame, on: str) -> pd.Series:
    days = frame[on]
    if getattr(days.dt, "tz", None) is not None:
        days = days.dt.tz_localize(None)
    asked = frame[["rep_id"]].assign(day=days, row=np.arange(len(frame)))
    asked = asked.dropna(subset=["day"]).sort_values("day", kind="stable")
    spells = spells.assign(valid_from=spells["valid_from"].astype(asked["day"].dtype)).sort_values("valid_from")
    found = pd.merge_asof(asked, spells, left_on="day", right_on="valid_from", by="rep_id")
    if "valid_to" in found:
        found.loc[found["valid_to"].notna() & (found["valid_to"] <= found["day"]), "team_id"] = None
    then = found.set_index("row")["team_id"].reindex(np.arange(len(frame)))
    return pd.Series(then.to_numpy(), index=frame.index)


def effort(book: Book) -> pd.DataFrame:
    """Activities that count as effort: done by a human. A blank status means done, a blank origin means human.

    Only the columns that management asks for, and `team_id`, the rep's team on that day.
    """
    return book.shared("effort", lambda: _effort(book))


_ASKED = "rep_id kind occurred_on occurred_at duration_s direction outcome contact_level is_meaningful account_id"


def _effort(book: Book) -> pd.DataFrame:
    rows = book.frame("activities")
    columns = [name for name in (*_ASKED.split(), "opportunity_id") if name in rows]
    keep = np.ones(len(rows), dtype=bool)
    if "status" in rows:
        keep &= (rows["status"].isna() | (rows["status"] == "done")).to_numpy()
    if "origin" in rows:
        keep &= (rows["origin"].isna() | (rows["origin"] == "human")).to_numpy()
    keep &= (rows["occurred_on"] <= book.as_of).to_numpy()
    return with_team(book, rows[columns].loc[keep], "occurred_on")


def attempts(book: Book) -> pd.DataFrame:
    """Effort that concerns a customer: all but internal (an answer received closes an attempt and counts with it)."""
    rows = effort(book)
    if "direction" not in rows:
        return rows
    internal = rows["direction"].eq("internal").fillna(False)
    return rows.loc[~internal] if internal.any() else rows


def won_credit(book: Book) -> pd.DataFrame:
    """One row per won deal and credited rep: the deal's columns, `share` and `credit` (amount x share)."""
    return book.shared("won_credit", lambda: _won_credit(book))


def _won_credit(book: Book) -> pd.DataFrame:
    deals = book.frame("opportunities")
    won = deals.loc[deals["status"] == "won"]
    if not book.has("credits"):
        return won.assign(share=1.0, credit=won["amount"].astype(float))
    split = book.frame("credits")[["opportunity_id", "rep_id", "share"]]
    joined = won.merge(split.rename(columns={"rep_id": "credited"}), on="opportunity_id", how="left")
    whole = joined["credited"].isna()
    joined["rep_id"] = joined["credited"].where(~whole, joined["rep_id"])
    joined["share"] = joined["share"].where(~whole, 1.0).astype(float)
    return joined.drop(columns="credited").assign(credit=joined["amount"].astype(float) * joined["share"])


def service(book: Book) -> pd.DataFrame:
    """Per rep: `start` and `end` (inclusive) of the time seen, `hired_on`, `team_id`, `role` where recorded.

    start is the hire date where known and not before the first record of the folder, else the rep's first activity.
    """
    reps = book.frame("reps").set_index("rep_id")
    days = book.frame("activities").groupby("rep_id")["occurred_on"].agg(["min", "max"]).reindex(reps.index)
    opening = book.frame("activities")["occurred_on"].min()
    hired = reps["hired_on"] if "hired_on" in reps else pd.Series(pd.NaT, index=reps.index)
    left = reps["left_on"] if "left_on" in reps else pd.Series(pd.NaT, index=reps.index)
    start = hired.where(hired.notna(), days["min"])
    start = start.where(start.isna() | (start > opening), opening)
    end = left.where(left.notna() & (left < book.as_of), book.as_of)
    role = reps["role"].fillna("ae") if "role" in reps else "ae"
    out = pd.DataFrame({"team_id": reps["team_id"], "role": role, "hired_on": hired, "start": start, "end": end})
    return out.loc[out["start"].notna() & (out["start"] <= out["end"])].rename_axis("rep_id").reset_index()


def worked_days(book: Book, since: pd.Timestamp | None = None) -> pd.DataFrame:
    """One row per rep and working day in service from `since`: rep_id, team_id (of that day), day, worked 0 or 1.

    Working days are Monday to Friday; worked is 0 on recorded absences and holidays.
    """
    people = service(book)
    first = people["start"] if since is None else people["start"].where(people["start"] > since, since)
    counts = ((people["end"] - first).dt.days + 1).clip(lower=0).to_numpy()
    rows = people.loc[people.index.repeat(counts), ["rep_id"]].reset_index(drop=True)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows["day"] = np.repeat(first.to_numpy(dtype="datetime64[us]"), counts) + step * np.timedelta64(1, "D")
    rows = rows.loc[rows["day"].dt.day_of_week < 5].reset_index(drop=True)
    return with_team(book, rows, "day").assign(worked=1 - _off(book, rows))


def worked_weeks(book: Book) -> pd.DataFrame:
    """One row per rep and complete week in service: rep_id, team_id, week (Monday), worked_share 0..1."""
    return book.shared("worked_weeks", lambda: _worked_weeks(book))


def _worked_weeks(book: Book) -> pd.DataFrame:
    days = worked_days(book)
    days["week"] = monday_of(days["day"])
    weeks = days.groupby(["rep_id", "week"], sort=True).agg(
        team_id=("team_id", "first"), worked=("worked", "sum"), seen=("day", "size")
    )
    weeks = weeks.loc[weeks["seen"] == 5].reset_index()
    return weeks.assign(worked_share=weeks["worked"] / 5.0)[["rep_id", "team_id", "week", "worked_share"]]


def _off(book: Book, rows: pd.DataFrame) -> np.ndarray:
    """1 where the rep was absent or had a holiday on the day."""
    free: list[pd.DataFrame] = []
    if book.has("absences"):
        spells = book.frame("absences")
        length = (spells["to_date"] - spells["from_date"]).dt.days.clip(lower=0).to_numpy()
        days = spells.loc[spells.index.repeat(length), ["rep_id", "from_date"]].reset_index(drop=True)
        offset = np.arange(len(days)) - np.repeat(np.cumsum(length) - length, length)
        free.append(pd.DataFrame({"rep_id": days["rep_id"], "day": days["from_date"] + pd.to_timedelta(offset, "D")}))
    if book.has("holidays"):
        free.append(_holidays(book))
    if not free:
        return np.zeros(len(rows), dtype=int)
    days = pd.concat(free).drop_duplicates().assign(off=1)
    days["day"] = days["day"].astype(rows["day"].dtype)
    return rows[["rep_id", "day"]].merge(days, on=["rep_id", "day"], how="left")["off"].fillna(0).to_numpy(dtype=int)


def _holidays(book: Book) -> pd.DataFrame:
    table = book.frame("holidays")
    reps = book.frame("reps")[["rep_id", "team_id"]]
    shared = table.loc[table["team_id"].isna()] if "team_id" in table else table
    everyone = shared[["date"]].merge(reps[["rep_id"]], how="cross")
    own = table.dropna(subset=["team_id"]).merge(reps, on="team_id") if "team_id" in table else everyone.iloc[:0]
    return pd.concat([everyone, own])[["rep_id", "date"]].rename(columns={"date": "day"})
