"""Deals of people who left: a colleague owns them now, and only the history tells who closed them."""

import pandas as pd


def passed_on(reps: pd.DataFrame, deals: pd.DataFrame) -> pd.DataFrame:
    """Deals of people who left, now owned by a colleague: opportunity_id, old, new, on. The history keeps who closed them."""
    here = reps[reps["left_on"].isna()].groupby("team_id")["rep_id"].min()
    gone = reps[reps["left_on"].notna()].assign(new=lambda rows: rows["team_id"].map(here)).dropna(subset=["new"])
    moved = deals.merge(gone[["rep_id", "new", "left_on"]], on="rep_id")
    return pd.DataFrame(
        {
            "opportunity_id": moved["opportunity_id"],
            "old": moved["rep_id"],
            "new": moved["new"],
            "on": pd.to_datetime(moved["left_on"]) + pd.Timedelta(days=3, hours=8),
        }
    )
