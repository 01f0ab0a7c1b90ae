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
        team = _team_then(book.frame("memberships"), frame, on).fillna(team)
    return frame.assign(team_id=team)


def _team_then(spells: pd.DataFrame, frame: pd.DataFrame, on: str) -> pd.Series:
    days = frame[on]
    if getattr(days.dt, "tz", None) is not None:
        days = days.dt.tz_localize(None)
    asked = pd.DataFrame({"rep_id": frame["rep_id"].to_numpy(), "day": days.to_numpy(), "row": np.arange(len(frame))})
    asked = asked.dropna(subset=["day"]).sort_values("day", kind="stable")
    spells = spells.assign(valid_from=spells["valid_from"].astype(asked["day"].dtype)).sort_values("valid_from")
    found = pd.merge_asof(asked, spells, left_on="day", right_on="valid_from", by="rep_id")
    if "valid_to" in found:
        found.loc[found["valid_to"].notna() & (found["valid_to"] <= found["day"]), "team_id"] = None
    then = found.set_index("row")["team_id"].reindex(np.arange(len(frame)))
    return pd.Series(then.to_numpy(), index=frame.index)


def effort(book: Book) -> pd.DataFrame:
    """Activities that count as effort: done by a human. A blank status means done, a blank origin means human."""
    rows = book.frame("activities")
    keep = np.ones(len(rows), dtype=bool)
    if "status" in rows:
        keep &= (rows["status"].isna() | (rows["status"] == "done")).to_numpy()
    if "origin" in rows:
        keep &= (rows["origin"].isna() | (rows["origin"] == "human")).to_numpy()
    keep &= (rows["occurred_on"] <= book.as_of).to_numpy()
    return rows.loc[keep]


def attempts(book: Book) -> pd.DataFrame:
    """Effort directed at a customer: neither received nor internal (an unknown direction counts as outgoing)."""
    rows = effort(book)
    if "direction" not in rows:
        return rows
    return rows.loc[~rows["direction"].isin(["in", "internal"])]


def won_credit(book: Book) -> pd.DataFrame:
    """One row per won deal and credited rep: the deal's columns, `share` and `credit` (amount x share)."""
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


def worked_weeks(book: Book) -> pd.DataFrame:
    """One row per rep and complete week in service: rep_id, team_id, week (Monday), worked_share 0..1.

    worked_share is the share of the five working days that was neither absence nor holiday, where those are recorded.
    """
    people = with_team(book, service(book), "end") if book.has("memberships") else service(book)
    first, last = _monday_after(people["start"]), _monday_before(people["end"] + DAY)
    counts = ((last - first).dt.days // 7).clip(lower=0).to_numpy()
    rows = people.loc[people.index.repeat(counts), ["rep_id", "team_id"]].reset_index(drop=True)
    step = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows["week"] = np.repeat(first.to_numpy(), counts) + step * np.timedelta64(7, "D")
    rows = with_team(book, rows, "week") if book.has("memberships") else rows
    return rows.assign(worked_share=1.0 - _days_off(book, rows) / 5.0)


def _monday_after(days: pd.Series) -> pd.Series:
    return days + pd.to_timedelta((7 - days.dt.dayofweek) % 7, unit="D")


def _monday_before(days: pd.Series) -> pd.Series:
    return days - pd.to_timedelta(days.dt.dayofweek, unit="D")


def _days_off(book: Book, rows: pd.DataFrame) -> np.ndarray:
    off = np.zeros(len(rows))
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
        return off
    days = pd.concat(free).drop_duplicates()
    days = days.loc[days["day"].dt.dayofweek < 5]
    count = days.assign(week=monday_of(days["day"])).groupby(["rep_id", "week"]).size().rename("off").reset_index()
    merged = rows[["rep_id", "week"]].merge(count, on=["rep_id", "week"], how="left")
    return merged["off"].fillna(0.0).to_numpy(dtype=float)


def _holidays(book: Book) -> pd.DataFrame:
    table = book.frame("holidays")
    reps = book.frame("reps")[["rep_id", "team_id"]]
    shared = table.loc[table["team_id"].isna()] if "team_id" in table else table
    everyone = shared[["date"]].merge(reps[["rep_id"]], how="cross")
    own = table.dropna(subset=["team_id"]).merge(reps, on="team_id") if "team_id" in table else everyone.iloc[:0]
    return pd.concat([everyone, own])[["rep_id", "date"]].rename(columns={"date": "day"})
