"""Local projections: one regression per delay, as a check of the smooth kernel.

The distributed lag fits all delays at once through three smooth terms. Here every delay gets a regression of its own:
the outcome h weeks after an activity on that activity, given what was done in the weeks before and after. No form is
imposed, so the band is wide; a kernel that leaves it has been bent by its own smoothness."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.errors import InputError
from analysis.models.design import Cells, lag_basis, lag_terms
from analysis.models.inference import contrast
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml
from analysis.models.tails import t_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Projections:
    """responses: one row per lag_weeks: estimate, std_error, low, high (95 % for this lag alone), band_low, band_high
    (95 % for all lags together, Bonferroni), n. Unit: change of the log mean (ppml) or of the outcome (ols) per extra
    activity that many weeks earlier. df: clusters - 1."""

    responses: pd.DataFrame
    df: int


def local_projections(
    y: ArrayLike,
    activity: ArrayLike,
    cells: Cells,
    max_lag: int,
    controls: ArrayLike | None = None,
    *,
    family: Literal["ppml", "ols"] = "ppml",
) -> Projections:
    """Response of the outcome at each delay 1..max_lag to one extra activity, delay by delay.

    y: (n,); activity: (n,) counts, NaN where not known; cells: who and when; controls: (n, q) columns already lagged
    (other activities), NaN rows are dropped. Beside the lag in question stand the weeks next to it, one by
    one, and the sums of the weeks beyond them on either side, so that a busy spell is not credited to one week.
    Raises InputError for an empty window; Refused where the panel fit refuses.
    Source: Jorda (2005), with unit and period effects; jackknife errors by cluster.
    """
    if max_lag < 1:
        raise InputError(f"local projections: a window of {max_lag} weeks holds no delay")
    outcome, counts = np.asarray(y, dtype=float), np.asarray(activity, dtype=float)
    others = np.empty((cells.n, 0)) if controls is None else np.asarray(controls, dtype=float).reshape(cells.n, -1)
    lags = lag_terms(cells, counts, lag_basis(max_lag, "free"), range(1, max_lag + 1))
    rows, df = [], 0
    for lag in range(1, max_lag + 1):
        columns = np.column_stack([lags[:, lag - 1], *_beside(lags, lag - 1), others])
        fit = (fit_ppml if family == "ppml" else fit_ols)(outcome, columns, cells)
        one = contrast(fit, np.eye(fit.n_coef)[0])
        rows.append((lag, one.estimate, one.std_error, one.conf_low, one.conf_high, fit.n_obs))
        df = one.df
    table = pd.DataFrame(rows, columns=["lag_weeks", "estimate", "std_error", "low", "high", "n"])
    half = _simultaneous(df, max_lag) * table["std_error"]
    table.insert(5, "band_low", table["estimate"] - half)
    table.insert(6, "band_high", table["estimate"] + half)
    return Projections(table, df)


def outside_band(projections: Projections, kernel: ArrayLike) -> list[int]:
    """Lags (weeks) at which a kernel, (L,) in the same unit, leaves the joint band; an empty list is agreement.

    Raises InputError when the kernel has another number of lags.
    """
    shape, table = np.asarray(kernel, dtype=float), projections.responses
    if shape.shape != (len(table),):
        raise InputError(f"local projections hold {len(table)} lags, the kernel {shape.size}: use the same window")
    beyond = (shape < table["band_low"].to_numpy()) | (shape > table["band_high"].to_numpy())
    return [int(lag) for lag in table["lag_weeks"].to_numpy()[beyond]]


def _beside(lags: Floats, place: int) -> list[Floats]:
    near = [lags[:, at] for at in (place - 1, place + 1) if 0 <= at < lags.shape[1]]
    far = [part.sum(axis=1) for part in (lags[:, : max(place - 1, 0)], lags[:, place + 2 :]) if part.shape[1]]
    return near + far


def _simultaneous(df: int, tests: int) -> float:
    return float(t_quantile(1 - 0.025 / tests, df))
