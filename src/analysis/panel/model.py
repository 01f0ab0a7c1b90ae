"""The panel: one row a rep and week, what models read and nothing else."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from analysis.calendars import period_end

KEYS = ("rep_id", "team_id", "week")
NO_CURRENCY = "XXX"  # ISO 4217: no currency


@dataclass(frozen=True, eq=False)
class Panel:
    """Activities and outcomes of every rep in every week (or month), without gaps.

    frame: sorted by rep_id, week; one row for every period from joining to leaving. `week` is the Monday (or the
    first of the month). One column a name in `activities` (counts) and `outcomes`; columns with `__` or not named in
    either are descriptions (talk_time_min, accounts, worked_share ...), not predictors. NaN means not known, 0 known
    to be none.
    currency: ISO 4217 code of every money column, XXX where the data do not say.
    cycle_days_p75: three quarters of won deals closed within so many days of their creation; None where not known.
    notes: sentences on what was left out or filled in while the panel was made.
    late: per activity, the share of its records written only after the deal they served had closed; such records are
    in `<kind>__late` and not in the activity's count.
    advanced: per activity, the share of its records on deals that had already reached an advanced stage: an activity
    that mostly follows such deals marks sales rather than making them.
    quota_ends: the first days after the recorded quota periods, in order; empty where no quotas are recorded.
    """

    frame: pd.DataFrame
    activities: tuple[str, ...]
    outcomes: tuple[str, ...]
    period: str = "week"
    currency: str = NO_CURRENCY
    cycle_days_p75: float | None = None
    notes: tuple[str, ...] = ()
    late: Mapping[str, float] = field(default_factory=dict)
    advanced: Mapping[str, float] = field(default_factory=dict)
    quota_ends: tuple[date, ...] = ()

    @property
    def teams(self) -> tuple[str, ...]:
        """Team ids, in order."""
        return tuple(sorted(self.frame["team_id"].unique()))

    @property
    def last_day(self) -> pd.Timestamp:
        """The last day of its last period."""
        return period_end(self.frame["week"].max(), self.period)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over names, types and values: equal panels, equal fingerprint, on every machine."""
        digest = hashlib.sha256(repr((self.activities, self.outcomes, self.period, self.currency)).encode())
        for name in self.frame.columns:
            digest.update(f"\n{name}:".encode())
            digest.update(_bytes(self.frame[name]))
        return digest.hexdigest()


def _bytes(values: pd.Series) -> bytes:
    if values.dtype == "str":
        return "\0".join(values).encode()
    if values.dtype.kind == "M":
        return values.to_numpy().astype("datetime64[D]").astype("<i8").tobytes()
    number = values.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # -0.0 and 0.0 are the same number
    return np.where(np.isnan(number), np.nan, number).tobytes()
