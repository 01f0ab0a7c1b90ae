"""What study.json and the packs say of an activity, as small frames for notebooks and cards. Needs no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

KERNEL = ("lag", "estimate", "conf_low", "conf_high")


def activity_of(details: Mapping[str, Any], activity: str, team_id: str = "") -> Mapping[str, Any]:
    """What details (study.json, or a pack's) say of one activity in one scope; empty where it was refused."""
    scope = details.get("scopes", {}).get(team_id, {})
    return scope.get("activities", {}).get(activity, {})


def kernel_frame(details: Mapping[str, Any], activity: str, team_id: str = "", scale: float = 1.0) -> pd.DataFrame:
    """Delays of one activity: lag, estimate, conf_low, conf_high; log scale times `scale` (mean revenue gives money)."""
    frame = pd.DataFrame(activity_of(details, activity, team_id).get("kernel", {}), columns=list(KERNEL))
    frame[["estimate", "conf_low", "conf_high"]] *= scale
    return frame


def check_frame(details: Mapping[str, Any], activity: str, team_id: str = "") -> pd.DataFrame:
    """Checks of one activity: check, measured, limit, passed."""
    rows = activity_of(details, activity, team_id).get("checks", [])
    return pd.DataFrame(rows, columns=["check", "measured", "limit", "passed"])
