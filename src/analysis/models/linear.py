"""Least squares with two sets of fixed effects, exact on any panel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.errors import ParameterError
from analysis.models.absorb import Absorber, absorber, layout
from analysis.models.columns import Columns, as_columns
from analysis.models.design import Cells, Flags, Floats
from analysis.models.fit import Dropped, Fit, System, check_rows, keep_rows, name_tuple
from analysis.models.within import Within, net_vector, residuals, solve_normal, take_effects_off, take_out


def fit_ols(y: Floats, x: Floats | Columns, cells: Cells, names: Sequence[str] | None = None) -> Fit:
    """Regress y on x with unit effects and `cells.effect`.

    y: (n,) outcome in its own unit; x: (n, p) array or Columns (see `columns.lag_columns`); rows with an unknown value
    are left out and counted. Raises Refused when a regressor has no variation beside the effects or two regressors
    cannot be told apart; DataError on infinite values.
    """
    if np.ndim(y) != 1:
        raise ParameterError("fit_ols takes one outcome (n,); fit_ols_many takes several (n, k)")
    return fit_ols_many(np.asarray(y, np.float64)[:, None], x, cells, names)[0]


def fit_ols_many(y: Floats, x: Floats | Columns, cells: Cells, names: Sequence[str] | None = None) -> tuple[Fit, ...]:
    """The same regression of several outcomes (n, k) on the rows where all of them are known: one Fit an outcome."""
    columns = as_columns(x)
    outcomes = np.asarray(y, np.float64)
    used = check_rows(outcomes, columns, cells)
    labels = name_tuple(names, columns.width)
    columns, cells = keep_rows(columns, cells, used)
    outcomes = outcomes if used.all() else outcomes[used]
    work = absorber(layout(cells))
    net = net_vector(work, outcomes)
    return fit_projected(outcomes, net, columns, work, take_out(work, columns, net), used, labels)


def fit_projected(
    y: Floats,
    net_y: Floats,
    columns: Columns,
    work: Absorber,
    within: Within,
    used: Flags,
    names: tuple[str, ...] | None = None,
) -> tuple[Fit, ...]:
    """Fits (one per column of y) from outcomes (n, k) and regressors whose effects are already known."""
    plan = work.plan
    identity = np.eye(columns.width)
    bread = solve_normal(within, identity, names)
    coef = bread @ within.cross
    residual, raw = residuals(plan, columns, within, net_y, coef)
    codes = plan.cells.cluster
    scores = [take_effects_off(raw[k], plan, within, codes, residual[:, k]) for k in range(y.shape[1])]
    dropped = Dropped(int((~used).sum()), 0, 0, 0, float(1 - used.mean()))
    return tuple(
        Fit(
            family="ols",
            coef=coef[:, k].copy(),
            scores=scores[k],
            information=within.gram,
            bread=bread,
            fitted=y[:, k] - residual[:, k],
            residual=residual[:, k].copy(),
            used=used,
            dropped=dropped,
            objective=float(residual[:, k] @ residual[:, k]),
            null_objective=float(net_y[:, k] @ net_y[:, k]),
            steps=1,
            names=names,
            system=System(columns, y[:, k], None, work, within, None),
        )
        for k in range(y.shape[1])
    )
