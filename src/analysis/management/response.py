"""Response time against conversion: what is left of the slope once source, hour of week and rep are held fixed.

Leads nobody contacted stay in, as a class of their own. What reps know about a lead and the data do not (they may
call the hot ones first) cannot be held fixed, and the answer says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from analysis import words
from analysis.errors import Refused
from analysis.management.book import Book, NotRecorded
from analysis.management.handoff import lead_clock
from analysis.management.intervals import Floats, wilson
from analysis.management.logit import fit_logit

SAY = words.Voice("management.refused")
BINS_H = (0.0, 1.0, 4.0, 8.0, 24.0, np.inf)
BIN_NAMES = ("within 1 hour", "1 to 4 hours", "4 to 8 hours", "8 to 24 hours", "later", "never contacted")
MIN_CONVERTED = 30  # leads below which response times are not compared
SETTLE_DAYS = 60  # leads younger than this may still convert and are left out


@dataclass(frozen=True, slots=True)
class ResponseEffect:
    """Log odds of conversion per doubling of the business hours to first touch: adjusted, and the raw slope.

    bins: response class, n, converted, share, conf_low, conf_high (raw, Wilson).
    """

    per_doubling: float
    conf_low: float
    conf_high: float
    p_value: float
    naive_per_doubling: float
    bins: pd.DataFrame
    n: int
    n_reps: int


def response_effect(book: Book) -> ResponseEffect | NotRecorded:
    """Effect of a doubled response time on the odds that a lead becomes an opportunity. Raises Refused when thin."""
    gap = book.need("leads", "handed_off_at", "first_touch_at", "opportunity_id", "assigned_rep_id")
    if gap:
        return gap
    clock = lead_clock(book)
    if isinstance(clock, NotRecorded):
        return clock
    settled = book.as_of.tz_localize("UTC") - pd.Timedelta(days=SETTLE_DAYS)
    rows = clock.loc[(clock["handed_off_at"] <= settled) & clock["rep_id"].notna()].reset_index(drop=True)
    y: Floats = np.asarray(rows["opportunity_id"].notna(), dtype=np.float64)
    if y.sum() < MIN_CONVERTED:
        raise Refused(SAY.text("few_converted", {"converted": int(y.sum()), "needed": MIN_CONVERTED}))
    # Where no uncontacted lead ever converted they tell nothing about the slope; they stay in the classes.
    never = rows["first_touch_h"].isna().to_numpy()
    keep = np.ones(len(y), dtype=bool) if y[never].any() else ~never
    design = _design(rows.loc[keep], y[keep])
    fit = fit_logit(design, y[keep], pd.factorize(rows.loc[keep, "rep_id"])[0].astype(np.int64))
    value, low, high, p = fit.interval(np.eye(design.shape[1])[0])
    raw = _raw_slope(rows, y)
    return ResponseEffect(value, low, high, p, raw, _bins(rows, y), len(rows), fit.groups)


def _design(rows: pd.DataFrame, y: Floats) -> Floats:
    """Doublings of the response time (0 if never), never contacted, source, weekday and part of day.

    Levels in which all or none converted join the reference level: they have no finite effect of their own.
    """
    hours = rows["first_touch_h"].clip(lower=0.1).to_numpy(dtype=float)
    never = np.isnan(hours)
    columns = [np.where(never, 0.0, np.log2(np.where(never, 1.0, hours))), never.astype(float)]
    part = np.digitize(rows["hour"], [9, 12, 15, 17])
    factors = [rows["weekday"].clip(upper=5).to_numpy(), part]
    if "source" in rows:
        factors.append(pd.factorize(rows["source"].fillna("unknown"), sort=True)[0])
    for factor in factors:
        levels = [factor == level for level in np.unique(factor)]
        columns += [here.astype(float) for here in levels[1:] if 0 < y[here].sum() < here.sum()]
    return np.column_stack([column for column in columns if np.ptp(column) > 0 or column is columns[0]])


def _raw_slope(rows: pd.DataFrame, y: Floats) -> float:
    """Slope of the plain logistic regression on response time, contacted leads only (what is usually quoted)."""
    hours = rows["first_touch_h"].clip(lower=0.1).to_numpy(dtype=float)
    keep = ~np.isnan(hours)
    design = np.column_stack([np.ones(keep.sum()), np.log2(hours[keep])])
    beta = np.zeros(2)
    for _ in range(25):
        p = special.expit(design @ beta)
        step = np.linalg.solve(design.T @ (design * (p * (1 - p))[:, None]), design.T @ (y[keep] - p))
        beta = beta + step
        if np.abs(step).max() < 1e-9:  # each step squares the error: what is left is rounding
            break
    return float(beta[1])


def _bins(rows: pd.DataFrame, y: Floats) -> pd.DataFrame:
    hours = rows["first_touch_h"].to_numpy(dtype=float)
    place = np.where(np.isnan(hours), len(BIN_NAMES) - 1, np.digitize(np.nan_to_num(hours), BINS_H[1:-1], right=True))
    n = np.bincount(place, minlength=len(BIN_NAMES))
    won = np.bincount(place, y, minlength=len(BIN_NAMES))
    low, high = wilson(won, n)
    with np.errstate(invalid="ignore"):
        share = won / n
    return pd.DataFrame(
        {
            "response": BIN_NAMES,
            "n": n,
            "converted": won.astype(int),
            "share": share,
            "conf_low": low,
            "conf_high": high,
        }
    )
