"""The model with its effects and nothing else, and one Newton step from it: near zero as good as a full fit, at a fifth of the cost.

Rotated copies of the data change the activities and nothing else, so the outcome's effects and the metric of its errors
are worked out once and shared by all of them. For least squares the step is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from analysis.evidence.sample import Array
from analysis.models.absorb import Absorber, absorber, layout
from analysis.models.columns import Dense
from analysis.models.design import Cells
from analysis.models.ppml import without_zeros
from analysis.models.within import Within, net_sums, net_vector, take_out

SWEEPS = 200


@dataclass(frozen=True, slots=True)
class NullModel:
    """used: (n,) rows; work: effects in the metric of weight (rows used,) or None for ones; residual: (rows used, 1)."""

    used: Array
    work: Absorber
    residual: Array
    weight: Array | None

    def net(self, columns: Array) -> tuple[Dense, Within]:
        """All columns (n, p) of the rows used, and what they are net of the effects."""
        dense = Dense(np.ascontiguousarray(columns[self.used]))
        return dense, take_out(self.work, dense, self.residual, self.weight)

    def t_values(self, columns: Array, contrasts: Array) -> Array:
        """(m,) contrasts (m, p) of the step over their cluster-robust errors, both at the model without regressors."""
        dense, within = self.net(columns)
        plan = self.work.plan
        scores = net_sums(plan, dense, within, plan.cells.cluster, self.residual[:, 0])
        directions = np.linalg.lstsq(within.gram, contrasts.T, rcond=None)[0]
        spread = np.sqrt(((scores @ directions) ** 2).sum(axis=0))
        return np.asarray(within.cross[:, 0] @ directions / spread)


def null_model(y: Array, cells: Cells, usable: Array, model: Literal["multiplicative", "additive"]) -> NullModel:
    """The effects of an outcome (n,) in the usable rows; additive: the outcome as a share of its mean. Raises Refused when
    the outcome is zero everywhere."""
    used = usable & np.isfinite(y)
    if model == "additive":
        work = absorber(layout(cells.take(used)))
        return NullModel(used, work, net_vector(work, (y[used] / y[used].mean())[:, None]), None)
    outcome = np.maximum(np.where(used, y, 0.0), 0.0)
    used, _ = without_zeros(outcome, cells, used)
    kept = cells.take(used)
    mean = effects_only(outcome[used], kept)
    return NullModel(used, absorber(layout(kept), mean), (outcome[used] - mean)[:, None], mean)


def effects_only(y: Array, cells: Cells) -> Array:
    """Poisson means (n,) with both sets of effects and nothing else, by proportional fitting; units are fitted last."""
    mean = np.full(y.size, y.mean())
    for _ in range(SWEEPS):
        before = mean
        for codes in (cells.effect, cells.unit):
            mean = mean * (np.bincount(codes, y) / np.bincount(codes, mean))[codes]
        if np.abs(mean - before).max() <= 1e-10 * y.mean():
            break
    return mean
