"""Who, when and with whom each row is compared, and the lags of an activity.

Rows are rep-weeks (or rep-months) sorted by rep and time. A lag never crosses a rep or a gap: the value `k` periods
earlier exists only where the same rep has a row exactly `k` periods earlier and, rows being unique, one for every
period in between. Lags enter a regression through a few smooth terms, so that one activity costs three numbers and
not a dozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import DataError, ParameterError

Codes = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SMALLEST_TEAM_WITH_OWN_WEEK_EFFECTS = 3


@dataclass(frozen=True, slots=True)
class Cells:
    """Codes of n rows sorted by (unit, time).

    unit: the rep; time: consecutive integers, one per period; effect: the second fixed effect (week, or team x week);
    cluster: the group whose rows may depend on each other (rep or team). All (n,), codes start at 0.
    """

    unit: Codes
    time: Codes
    effect: Codes
    cluster: Codes

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.unit.size)

    def take(self, rows: Codes | Flags | slice) -> Cells:
        """The cells of some rows (an increasing index, a mask or a slice), codes gapless again and 32 bits wide."""
        unit = compact(self.unit[rows])
        cluster = unit if self.cluster is self.unit else compact(self.cluster[rows])
        return Cells(unit, self.time[rows], compact(self.effect[rows]), cluster)


def compact(codes: Codes) -> Codes:
    """Codes 0..k-1 in the order of the old codes, without the levels that no longer occur; 32 bits."""
    present = np.bincount(codes) > 0
    narrow = codes.astype(np.int32)
    return narrow if present.all() else (np.cumsum(present, dtype=np.int32) - 1)[narrow]


def cells_from_codes(
    unit: ArrayLike, time: ArrayLike, effect: ArrayLike | None = None, cluster: ArrayLike | None = None
) -> Cells:
    """Cells from any labels; `effect=None` means no second effect, `cluster=None` clusters by unit.

    Raises DataError unless rows are sorted by (unit, time) and each pair occurs once.
    """
    unit_codes = pd.factorize(np.asarray(unit))[0].astype(np.int64)
    times = np.asarray(time).astype(np.int64)
    _require_sorted(unit_codes, times, "the panel")
    second = np.zeros(unit_codes.size, np.int64) if effect is None else _codes(effect)
    return Cells(unit_codes, times, second, unit_codes if cluster is None else _codes(cluster))


def make_cells(
    frame: pd.DataFrame,
    effects: Literal["week", "team_week"] = "week",
    cluster: Literal["rep", "team"] = "rep",
    period: Literal["week", "month"] = "week",
) -> Cells:
    """Cells of a panel frame with columns rep_id, team_id, week, sorted by rep_id and week.

    effects="team_week" gives every team its own effect for each week in which it has at least three reps; rows of
    smaller teams share the plain week effect, which keeps them in the regression without a perfect fit.
    Raises DataError when the frame is not sorted or a rep has two rows for one period.
    """
    if effects not in ("week", "team_week") or cluster not in ("rep", "team"):
        raise ParameterError(f"effects must be week or team_week and cluster rep or team, not {effects}, {cluster}")
    time = period_number(frame["week"], period)
    unit = pd.factorize(frame["rep_id"])[0].astype(np.int64)
    _require_sorted(unit, time, "the panel frame")
    team = pd.factorize(frame["team_id"])[0].astype(np.int64)
    effect = compact(time - time.min()) if unit.size else time
    if effects == "team_week":
        effect = _team_week(team, effect)
    return Cells(unit, time, effect, unit if cluster == "rep" else team)


def period_number(dates: pd.Series, period: Literal["week", "month"] = "week") -> Codes:
    """Weeks since 1970-01-05 (a Monday) or months since January 1970, as integers."""
    days = pd.to_datetime(dates).to_numpy().astype("datetime64[D]")
    if period == "month":
        return days.astype("datetime64[M]").astype(np.int64)
    if period != "week":
        raise ParameterError(f"period must be week or month, not {period}")
    return np.floor_divide(days.astype(np.int64) - 4, 7)


def _team_week(team: Codes, week: Codes) -> Codes:
    """Effect codes: one per (team, week) with enough reps, one per week for the rest."""
    weeks = int(week.max()) + 1
    joint = team * weeks + week
    enough = np.bincount(joint)[joint] >= SMALLEST_TEAM_WITH_OWN_WEEK_EFFECTS
    plain = (int(team.max()) + 1) * weeks
    return compact(np.where(enough, joint, plain + week))


def _codes(labels: ArrayLike) -> Codes:
    return pd.factorize(np.asarray(labels), sort=True)[0].astype(np.int64)


def _require_sorted(unit: Codes, time: Codes, what: str) -> None:
    """factorize numbers units by first appearance, so sorted blocks have non-decreasing codes."""
    if unit.size and unit.min() < 0:
        raise DataError(f"{what}: a row has no rep; every row needs one")
    step_unit, step_time = np.diff(unit), np.diff(time)
    if (step_unit < 0).any() or ((step_unit == 0) & (step_time < 0)).any():
        raise DataError(f"{what} is not sorted by rep and time; sort it first")
    if ((step_unit == 0) & (step_time == 0)).any():
        raise DataError(f"{what} has two rows for one rep and period; add them up first")


def lag_basis(max_lag: int, kind: Literal["polynomial", "spline", "free"] = "polynomial", terms: int = 3) -> Floats:
    """Shapes a lag kernel may take: (L, terms) for lags 1..L; the kernel is `basis @ coefficients`.

    polynomial: orthogonal polynomials, the first column constant, each scaled to a largest value of one (Almon 1965).
    spline: B-splines of degree min(3, terms - 2), so that at least one knot lies inside. free: one term per lag.
    No more terms than lags are ever returned.
    """
    if max_lag < 1 or terms < 1:
        raise ParameterError(f"a lag window needs at least one lag and one term, not {max_lag} and {terms}")
    if kind == "free" or terms >= max_lag:
        return np.eye(max_lag)
    if kind == "polynomial":
        powers = np.vander(np.linspace(-1, 1, max_lag), terms, increasing=True)
        columns = np.linalg.qr(powers)[0]
        columns *= np.sign(columns[-1])
        return columns / np.abs(columns).max(axis=0)
    if kind == "spline":
        return _spline_columns(max_lag, terms)
    raise ParameterError(f"the lag basis must be polynomial, spline or free, not {kind}")


def _spline_columns(max_lag: int, terms: int) -> Floats:
    from scipy.interpolate import BSpline

    degree = max(0, min(3, terms - 2))
    inner = np.linspace(1, max_lag, terms - degree + 1)
    knots = np.concatenate([np.full(degree, 1.0), inner, np.full(degree, float(max_lag))])
    return np.asarray(BSpline.design_matrix(np.arange(1.0, max_lag + 1), knots, degree).toarray())


def valid_rows(cells: Cells, max_lag: int, max_lead: int = 0) -> Flags:
    """Rows (n,) whose rep has a row for each of the `max_lag` periods before and `max_lead` periods after."""
    rows = _reaches(cells, max_lag)
    return rows & _reaches(cells, -max_lead) if max_lead else rows


def _reaches(cells: Cells, lag: int) -> Flags:
    """Rows with a row of the same unit exactly `lag` periods earlier (later when negative)."""
    ok = np.zeros(cells.n, bool)
    late, early = _slices(cells.n, lag)
    ok[late] = (cells.unit[late] == cells.unit[early]) & (cells.time[late] - cells.time[early] == lag)
    return ok


def _slices(n: int, lag: int) -> tuple[slice, slice]:
    """Where rows and their lagged partners sit: rows[first] pairs with rows[second]."""
    if lag >= 0:
        return slice(min(lag, n), n), slice(0, max(n - lag, 0))
    return slice(0, max(n + lag, 0)), slice(min(-lag, n), n)


def lag_terms(cells: Cells, x: Floats, basis: Floats, lags: Sequence[int] | Codes) -> Floats:
    """Smooth lag terms of one or several activities.

    x: (n,) or (n, activities); basis: (L, terms); lags: the L lags that the rows of `basis` stand for (negative =
    leads). Returns (n, activities * terms), the terms of the first activity first. A row without its whole window, or
    with an unknown (NaN) value in it, is NaN.
    """
    series = np.asarray(x, np.float64).reshape(cells.n, -1)
    lag_list = [int(lag) for lag in lags]
    if basis.shape[0] != len(lag_list):
        raise ParameterError(f"the basis has {basis.shape[0]} rows for {len(lag_list)} lags")
    out = np.zeros((cells.n, series.shape[1], basis.shape[1]))
    for weights, lag in zip(basis, lag_list, strict=True):
        late, early = _slices(cells.n, lag)
        out[late] += series[early, :, None] * weights
    # NaN times a zero weight is still NaN: unknown values must never be guessed to be zero.
    out[~valid_rows(cells, max(0, *lag_list), max(0, *(-lag for lag in lag_list)))] = np.nan
    return out.reshape(cells.n, -1)
