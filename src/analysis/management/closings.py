"""When in a period deals close: in most companies at its end, which a plan made in the middle of it must know."""

from __future__ import annotations

import numpy as np

from analysis.management.book import Book, NotRecorded
from analysis.management.intervals import Floats, cell_means
from analysis.management.managers import attainment
from analysis.management.records import won_credit
from analysis.management.roster import day_numbers

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
    day, money = day_numbers(won["closed_on"]), won["credit"].to_numpy(dtype=float)
    shares = []
    for first, last in dict.fromkeys(
        zip(*(day_numbers(done[f"period_{end}"]) for end in ("start", "end")), strict=True)
    ):
        cut = first + round(elapsed * (last - first))
        total = money[(day >= first) & (day < last)].sum()
        if total > 0:
            shares.append(money[(day >= first) & (day < cut)].sum() / total)
    if len(shares) < 2:
        return elapsed, float("nan"), float("nan")
    found = cell_means(np.zeros(len(shares), dtype=np.int64), np.array(shares))
    value, low, high = (float(found[name][0]) for name in ("value", "conf_low", "conf_high"))
    return value, max(low, 0.0), min(high, 1.0)


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
