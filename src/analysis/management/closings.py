"""When in a period deals close: in most companies at its end, which a plan made in the middle of it must know."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats, mean_by
from analysis.management.managers import attainment
from analysis.management.records import won_credit

SPREAD = 0.15  # log points by which the rest of a period usually differs from an even spread: a judgement, shrinks thin records


def usual_by_now(book: Book, elapsed: float) -> tuple[float, float, float]:
    """Share of a quota period's bookings made after this share of its days, company-wide, over complete periods.

    Returns value, low, high (95 %, periods as units). Without two complete periods: elapsed itself, no interval.
    """
    return book.shared(f"usual by {elapsed!r} of a period", lambda: _usual_by_now(book, elapsed))


def _usual_by_now(book: Book, elapsed: float) -> tuple[float, float, float]:
    done = attainment(book)
    if isinstance(done, NotRecorded):
        return elapsed, float("nan"), float("nan")
    won = won_credit(book)
    day, money = won["closed_on"].to_numpy(dtype="datetime64[D]"), won["credit"].to_numpy(dtype=float)
    shares = []
    for start, end in done[["period_start", "period_end"]].drop_duplicates().itertuples(index=False):
        first, last = np.datetime64(start, "D"), np.datetime64(end, "D")
        cut = first + np.timedelta64(round(elapsed * (end - start).days), "D")
        total = money[(day >= first) & (day < last)].sum()
        if total > 0:
            shares.append(money[(day >= first) & (day < cut)].sum() / total)
    if len(shares) < 2:
        return elapsed, float("nan"), float("nan")
    frame = pd.DataFrame({"all": 0, "share": shares})
    found = mean_by(frame, ["all"], "share").iloc[0]
    return float(found["value"]), float(max(found["conf_low"], 0.0)), float(min(found["conf_high"], 1.0))


def rest_of_period(book: Book, elapsed: float, draws: int, seed: int = 0) -> Floats:
    """(draws,) factor on what closes in the rest of a period, against closings spread evenly over it.

    From `usual_by_now`, drawn with its uncertainty over past periods and pulled towards one as far as those are few; ones
    where fewer than two complete periods are known, or nothing of the period is left. Normal-normal shrinkage on the log scale.
    """
    usual, low, high = usual_by_now(book, elapsed)
    if not (np.isfinite(low) and 0 < elapsed < 1 and 0 < usual < 1):
        return np.ones(draws)
    log_factor = np.log((1 - usual) / (1 - elapsed))
    error = max((high - low) / 2 / 1.96, 1e-6) / (1 - usual)
    kept = SPREAD**2 / (SPREAD**2 + error**2)
    noise = np.random.default_rng([seed, 1]).standard_normal(draws)
    return np.exp(kept * log_factor + np.sqrt(kept) * error * noise)
