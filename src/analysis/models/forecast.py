"""Out of sample: does knowing the activities make next week's forecast better than the same model without them?

Rolling origin. The model (unit effects plus columns) is fitted on all weeks before an origin, forecasts the following
weeks, and the origin moves on. Two nested models are compared by the encompassing test of Clark & West (2007), since a
larger true model pays for its extra parameters and the plain comparison of losses (Diebold & Mariano 1995) has no
power. For counts the same idea is taken on the Poisson score: do the changes in the log forecast point where the
smaller model is wrong? Evidence is summed by week, so shocks shared by all units count once, and its long-run variance
is a cosine average with t critical values (Lazarus, Lewis, Stock & Watson 2018), which keeps its size where
Newey-West and plain weekly sums reject a true null 6 to 14 % of the time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError, Refused
from analysis.models.tails import t_upper
from analysis.models.unit_effects import fit_units, refit_without, unit_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

MIN_TRAINING_WEEKS = 20
MIN_FORECAST_WEEKS = 12
# Cosines kept per forecast week: 12 of 52 weeks leave room for errors that persist for about two months.
COSINES_PER_WEEK = 12 / 52


@dataclass(frozen=True, slots=True)
class Gain:
    """What a set of columns adds to the forecast.

    gain: share of the loss saved, 1 - loss_with / loss_without (negative = worse). statistic, p_value: Clark-West,
    one-sided, null "adds nothing", t with df degrees of freedom. dm_p: Diebold-Mariano beside it. loss: mean Poisson
    deviance or mean squared error per forecast. n_forecasts: unit-weeks forecast; n_weeks: weeks forecast.
    """

    gain: float
    statistic: float
    p_value: float
    dm_p: float
    df: int
    loss_with: float
    loss_without: float
    n_forecasts: int
    n_weeks: int


@dataclass(frozen=True, slots=True)
class OutOfSample:
    """by_group: gain of each group over the same model without it; together: all groups over the baseline alone."""

    by_group: Mapping[str, Gain]
    together: Gain


@dataclass(frozen=True, slots=True)
class _Rows:
    y: Floats
    x: Floats
    unit: Ints
    week: Ints


def rolling_origin(
    y: ArrayLike,
    base: ArrayLike,
    groups: Mapping[str, ArrayLike],
    unit: ArrayLike,
    time: ArrayLike,
    *,
    family: str = "poisson",
    within: ArrayLike | None = None,
    cluster: ArrayLike | None = None,
    start: int | None = None,
    refit_every: int = 4,
) -> OutOfSample:
    """Expanding-window forecasts with and without each group of columns.

    y: (n,) outcome, counts or amounts >= 0 for family 'poisson', any for 'gaussian'. base: (n, p) columns of the
    baseline (season, own lags; p may be 0); unit effects are always in. groups: name -> (n, q) columns known before
    the week begins (lags >= 1). unit: (n,) labels; time: (n,) integer weeks. within: (n,) labels of cells, such as
    team x week: forecasts are then judged by who does better inside a cell, given the cell's total, so that shocks
    shared by a cell cannot count. cluster: (n,) labels (teams, or units when there are many) whose errors may persist
    for longer than two months: the more cautious of both p-values is then given. start: first week forecast, default half way. refit_every: weeks between fits.
    Units without an outcome before an origin are not forecast there (a Poisson unit effect needs one).
    Raises InputError for unusable arrays, Refused when too few weeks or units can be forecast.
    Source: Clark & West (2007); West (1996) for the scheme.
    """
    rows, order, columns = _prepare(y, base, groups, unit, time, family)
    smaller = [~keep for keep in columns.values()]
    smaller.append(np.logical_and.reduce(smaller))
    full, without = _forecasts(rows, smaller, _first_week(rows.week, start), refit_every, family)
    cells, blocks = (
        None if labels is None else np.unique(np.asarray(labels)[order], return_inverse=True)[1]
        for labels in (within, cluster)
    )
    gains = [_gain(rows, full, eta, cells, blocks, family) for eta in without]
    return OutOfSample(dict(zip(columns, gains, strict=False)), gains[-1])


def season_terms(weeks: ArrayLike, period_ends: Sequence[date] = ()) -> Floats:
    """Calendar columns every baseline may know: the year's two first harmonics and the last two weeks of a quota period.

    weeks: (n,) datetime64 Mondays. period_ends: first days after the company's quota periods, repeated in the years
    around them; none: calendar quarters. Returns (n, 5). The harmonics are left at zero when less than a year is seen.
    """
    monday = np.asarray(weeks, dtype="datetime64[D]")
    angle = 2 * np.pi * (monday - monday.astype("datetime64[Y]")).astype(float)[:, None] / 365.25 * np.array([1.0, 2.0])
    if np.ptp(monday.astype(np.int64)) < 364:
        waves = np.zeros((monday.size, 4))
    else:
        waves = np.hstack([np.sin(angle), np.cos(angle)])
    recorded = np.unique(np.asarray(period_ends, dtype="datetime64[D]"))
    ends = _every_year(recorded, monday)
    following = ends[np.searchsorted(ends, monday, side="right")]
    return np.column_stack([waves, (following - monday).astype(np.int64) <= _closing_days(recorded)])


def _every_year(ends: NDArray[np.datetime64], monday: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """These ends (none: the first days of calendar quarters) in every year from before the weeks to after them."""
    if not ends.size:
        ends = np.array(["2000-01-01", "2000-04-01", "2000-07-01", "2000-10-01"], dtype="datetime64[D]")
    month = ends.astype("datetime64[M]")
    first, last = (
        monday.min().astype("datetime64[Y]").astype(int) - 1,
        monday.max().astype("datetime64[Y]").astype(int) + 1,
    )
    years = np.arange(first, last + 1)[:, None] - ends.astype("datetime64[Y]").astype(int)
    return np.unique((month + 12 * years).astype("datetime64[D]") + (ends - month))


def _closing_days(recorded: NDArray[np.datetime64]) -> int:
    """How far ahead of a Monday a period's end still counts: two weeks of a quarter, one of a month."""
    between = np.diff(recorded).astype(int)
    months = between.size > 0 and np.median(between) < 56
    return 7 if months else 14


def recent_mean(y: ArrayLike, unit: ArrayLike, time: ArrayLike, window_weeks: int) -> Floats:
    """Own past of each unit: mean outcome over the window_weeks weeks before this one (fewer at the start).

    y, unit, time: (n,), one row per unit and week in any order. Returns (n,); NaN in a unit's first week. Rows count
    as weeks, so a gap is bridged by the rows before it.
    """
    values, label, week = np.asarray(y, dtype=float), np.unique(np.asarray(unit), return_inverse=True)[1], time
    order = np.lexsort((np.asarray(week), label))
    total = np.concatenate([[0.0], np.cumsum(values[order])])
    position = np.arange(values.size)
    begins = np.searchsorted(label[order], label[order], side="left")
    since = np.maximum(begins, position - window_weeks)
    with np.errstate(invalid="ignore"):
        mean = (total[position] - total[since]) / (position - since)
    out = np.empty_like(mean)
    out[order] = mean
    return out


def _prepare(
    y: ArrayLike, base: ArrayLike, groups: Mapping[str, ArrayLike], unit: ArrayLike, time: ArrayLike, family: str
) -> tuple[_Rows, Ints, dict[str, Flags]]:
    outcome, week = np.asarray(y, dtype=float), np.asarray(time).astype(np.int64)
    if not groups:
        raise InputError("rolling origin: name at least one group of columns to test")
    blocks = [np.asarray(block, dtype=float).reshape(outcome.size, -1) for block in (base, *groups.values())]
    x = np.hstack(blocks)
    if not (np.isfinite(outcome).all() and np.isfinite(x).all()):
        raise InputError("rolling origin: some rows hold values that are not known; pass complete rows only")
    if family == "poisson" and (outcome < 0).any():
        raise InputError("rolling origin: a Poisson outcome cannot be negative; use family 'gaussian'")
    codes = np.unique(np.asarray(unit), return_inverse=True)[1]
    order = np.lexsort((week, codes))
    ends = np.cumsum([block.shape[1] for block in blocks])
    place = np.arange(x.shape[1])
    members = {name: (place >= ends[j]) & (place < ends[j + 1]) for j, name in enumerate(groups)}
    scale = x.std(axis=0)
    # Scaling changes no forecast; it only keeps the solves well conditioned.
    x = (x - x.mean(axis=0)) / np.where(scale > 0, scale, 1.0)
    return _Rows(outcome[order], x[order], codes[order], week[order]), order, members


def _first_week(week: Ints, start: int | None) -> int:
    first = int(week.min() + (week.max() - week.min() + 1) // 2) if start is None else start
    before, after = first - int(week.min()), int(week.max()) - first + 1
    if before < MIN_TRAINING_WEEKS or after < MIN_FORECAST_WEEKS:
        raise Refused(
            f"rolling origin needs {MIN_TRAINING_WEEKS} weeks to learn from and {MIN_FORECAST_WEEKS} to forecast; "
            f"there are {before} and {after}"
        )
    return first


def _forecasts(
    rows: _Rows, smaller: list[Flags], first: int, refit_every: int, family: str
) -> tuple[Floats, list[Floats]]:
    """Linear predictors out of sample, (n,) for the full model and for each smaller one; NaN where not forecast."""
    full = np.full(rows.y.size, np.nan)
    without = [full.copy() for _ in smaller]
    slopes = None
    for origin in range(first, int(rows.week.max()) + 1, refit_every):
        seen = rows.week < origin
        past = unit_rows(rows.y[seen], rows.x[seen], rows.unit[seen], family)
        if past.codes.size == 0:
            continue
        ahead = np.flatnonzero((rows.week >= origin) & (rows.week < origin + refit_every))
        ahead = ahead[rows.unit[ahead] <= past.codes[-1]]
        fit = fit_units(past, family, slopes)
        slopes = fit.slopes
        full[ahead] = rows.x[ahead] @ fit.slopes + fit.levels[rows.unit[ahead]]
        for eta, fewer in zip(without, refit_without(past, family, fit, smaller), strict=True):
            eta[ahead] = rows.x[ahead] @ fewer.slopes + fewer.levels[rows.unit[ahead]]
    return full, without


def _gain(rows: _Rows, full: Floats, small: Floats, cells: Ints | None, blocks: Ints | None, family: str) -> Gain:
    known = np.flatnonzero(np.isfinite(full) & np.isfinite(small))
    weeks = rows.week[known]
    n_weeks = np.unique(weeks).size
    if n_weeks < MIN_FORECAST_WEEKS:
        raise Refused(f"rolling origin: only {n_weeks} weeks follow weeks with an outcome; {MIN_FORECAST_WEEKS} needed")
    y, eta_1, eta_0 = rows.y[known], full[known], small[known]
    if family == "poisson":
        # A forecast a hundred times off its rival is a failed fit, not a finding; bound what one row can say.
        eta_1 = eta_0 + np.clip(eta_1 - eta_0, -np.log(100), np.log(100))
    cell = None if cells is None else cells[known]
    block = None if blocks is None else blocks[known]
    mu_1, mu_0 = (_expected(y, eta, cell, family) for eta in (eta_1, eta_0))
    loss_1, loss_0 = (_loss(y, mu, family) for mu in (mu_1, mu_0))
    step = eta_1 - eta_0 if family == "poisson" else mu_1 - mu_0
    statistic, df = _cautious_t((y - mu_0) * step, weeks, block)
    rival, rival_df = _cautious_t(loss_0 - loss_1, weeks, block)
    return Gain(
        gain=float(1 - loss_1.sum() / loss_0.sum()),
        statistic=statistic,
        p_value=float(t_upper(statistic, df)),
        dm_p=float(t_upper(rival, rival_df)),
        df=df,
        loss_with=float(loss_1.mean()),
        loss_without=float(loss_0.mean()),
        n_forecasts=int(known.size),
        n_weeks=int(n_weeks),
    )


def _expected(y: Floats, eta: Floats, cell: Ints | None, family: str) -> Floats:
    if family == "poisson":
        mu = np.exp(np.clip(eta, -30.0, 30.0))
        if cell is None:
            return mu
        return mu * (np.bincount(cell, y) / np.maximum(np.bincount(cell, mu), 1e-300))[cell]
    if cell is None:
        return eta
    return eta + (np.bincount(cell, y - eta) / np.maximum(np.bincount(cell), 1))[cell]


def _loss(y: Floats, mu: Floats, family: str) -> Floats:
    if family == "gaussian":
        return (y - mu) ** 2
    positive = np.where(y > 0, y, 1.0)
    return 2 * (y * np.log(positive / np.maximum(mu, 1e-300)) * (y > 0) - (y - mu))


def _cautious_t(f: Floats, week: Ints, block: Ints | None) -> tuple[float, int]:
    """t of sum(f) = 0 over weeks, or over blocks of units where those are given and say less; with its df."""
    sums = np.bincount(np.unique(week, return_inverse=True)[1], f)
    waves = max(4, round(COSINES_PER_WEEK * sums.size))
    phase = np.pi * np.arange(1, waves + 1)[:, None] * (np.arange(sums.size) + 0.5) / sums.size
    choices = [(float(2 * np.mean((np.cos(phase) @ sums) ** 2)), waves)]
    if block is not None:
        by_block = np.bincount(np.unique(block, return_inverse=True)[1], f)
        choices.append((float(by_block.size * np.var(by_block, ddof=1)), by_block.size - 1))
    tests = [(float(f.sum() / np.sqrt(v)) if v > 0 else 0.0, df) for v, df in choices]
    return max(tests, key=lambda test: float(t_upper(*test)))
