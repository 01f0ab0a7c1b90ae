"""A fitted panel regression: what every inference starts from.

Least squares and Poisson regression share one form. With weights w (ones, or the fitted means) and score residuals r
(y minus fitted), the estimate solves sum(x~ r) = 0 where x~ are the regressors net of both sets of fixed effects in
the metric w, and the information is sum(w x~ x~').
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from analysis.errors import DataError, ParameterError, Refused
from analysis.models.absorb import Absorber
from analysis.models.columns import Columns, Subset
from analysis.models.design import Cells, Codes, Flags, Floats
from analysis.models.within import Within, net_blocks, net_sums, product

Family = Literal["ols", "ppml"]


@dataclass(frozen=True, slots=True)
class Dropped:
    """What could not be used: rows with an unknown value; for Poisson also units and effect cells whose outcome is
    always zero, and rows whose mean the data push to zero; share: rows dropped / rows given."""

    unknown_rows: int
    zero_units: int
    zero_effects: int
    separated_rows: int
    share: float


NOTHING_DROPPED = Dropped(0, 0, 0, 0, 0.0)


@dataclass(frozen=True, slots=True)
class System:
    """The regression behind a fit, kept so that inference can go back to the rows.

    columns, y, offset: as fitted (n_obs rows); work, within: effects and net regressors in the metric `weight`
    (n_obs,) or None for ones.
    """

    columns: Columns
    y: Floats
    offset: Floats | None
    work: Absorber
    within: Within
    weight: Floats | None

    @property
    def cells(self) -> Cells:
        """Codes of the rows used."""
        return self.work.plan.cells

    def blocks(self) -> Iterator[tuple[slice, Floats]]:
        """Rows and their regressors net of all effects."""
        return net_blocks(self.work.plan, self.columns, self.within)


@dataclass(frozen=True, slots=True)
class Fit:
    """A panel regression with unit effects and a second set of effects.

    family: "ols" or "ppml"; coef (p,): outcome per regressor unit (ppml: change of the log mean); scores (G, p): sums
    of x~ r by cluster; information, bread (p, p): sum of w x~ x~' and its inverse; fitted (n_obs,): expected outcome
    with effects; residual (n_obs,): y - fitted; used (n,): which of the rows given entered; objective: residual sum of
    squares, or the Poisson deviance; null_objective: the same with the effects alone (ols only, else NaN).
    """

    family: Family
    coef: Floats
    scores: Floats
    information: Floats
    bread: Floats
    fitted: Floats = field(repr=False)
    residual: Floats = field(repr=False)
    used: Flags = field(repr=False)
    dropped: Dropped
    objective: float
    null_objective: float
    steps: int
    names: tuple[str, ...] | None
    system: System = field(repr=False)

    @property
    def n_obs(self) -> int:
        """Rows used."""
        return int(self.residual.size)

    @property
    def n_clusters(self) -> int:
        """Clusters with at least one row used."""
        return int(self.scores.shape[0])

    @property
    def n_coef(self) -> int:
        """Number of regressors."""
        return int(self.coef.size)


def check_rows(y: Floats, columns: Columns, cells: Cells, offset: Floats | None = None) -> Flags:
    """Rows in which everything is known (n,); raises ParameterError on unequal lengths, Refused when none is left."""
    lengths = {"y": y.shape[0], "X": columns.n, "cells": cells.n} | ({} if offset is None else {"offset": offset.size})
    if len(set(lengths.values())) > 1:
        raise ParameterError(f"rows differ in number: {lengths}")
    usable = columns.usable() & np.isfinite(y).reshape(y.shape[0], -1).all(axis=1)
    if np.isinf(y).any():
        raise DataError("the outcome holds an infinite value; correct it")
    if offset is not None:
        usable &= np.isfinite(offset)
    if not usable.any():
        raise Refused("no row has the outcome and every regressor known")
    return usable


def keep_rows(columns: Columns, cells: Cells, used: Flags) -> tuple[Columns, Cells]:
    """Columns and gapless cells of the rows used."""
    if used.all():
        return columns, cells.take(slice(None))
    rows = np.flatnonzero(used)
    return Subset(columns, rows), cells.take(rows)


def score_sums(fit: Fit, codes: Codes) -> Floats:
    """Sums (levels, p) of x~ r by any code of the rows used: periods, other clusters."""
    return sums_by(fit.system, codes, fit.residual)


def sums_by(system: System, codes: Codes, row_weight: Floats) -> Floats:
    """Sums (levels, p) of row_weight * x~ by code."""
    return net_sums(system.work.plan, system.columns, system.within, codes, row_weight)


def net_regressor(fit: Fit, weights: Floats) -> Floats:
    """x~ bread weights (n_obs,) or (n_obs, q) for weights (p,) or (p, q).

    Up to scale it is the regressor whose coefficient alone is the contrast (Frisch, Waugh & Lovell).
    """
    direction = fit.bread @ weights
    system = fit.system
    within, cells = system.within, system.cells
    net = product(system.work.plan, system.columns, direction)
    net -= (within.unit_part @ direction)[cells.unit]
    return net - (within.effect_part @ direction)[cells.effect]


def name_tuple(names: Sequence[str] | None, width: int) -> tuple[str, ...] | None:
    """Names checked against the number of regressors."""
    if names is not None and len(names) != width:
        raise ParameterError(f"{len(names)} names for {width} regressors")
    return None if names is None else tuple(names)
