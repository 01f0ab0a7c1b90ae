"""Does one more still help? The shape of each activity's answer at company scope, tested and counted like the rest.

A straight line hides an activity that helps up to a point. Curvature is tested beside all other activities; a turning
point is named only where the family of curvature tests says that there is a curve.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis import words
from analysis.errors import AnalysisError
from analysis.evidence.sample import Sample
from analysis.models.multiplicity import benjamini_hochberg
from analysis.models.response import Response, diminishing_returns

SAY = words.Voice("evidence.shapes")


@dataclass(frozen=True, slots=True)
class Shape:
    """One activity's answer: the fitted response (None where it cannot be told) and the counted p of its curvature."""

    activity: str
    response: Response | None
    curvature_q: float

    @property
    def saturates(self) -> bool:
        """Whether more stops helping within what was ever done, counting every test."""
        r = self.response
        return r is not None and r.shape == "saturating" and self.curvature_q <= 0.05 and np.isfinite(r.turning_point)


def shapes(sample: Sample) -> tuple[Shape, ...]:
    """The shape of every discretionary activity of a scope that was not refused."""
    found: list[Response | None] = []
    n_terms = sample.basis.shape[1]
    for k in range(len(sample.activities)):
        others = np.delete(sample.terms, slice(k * n_terms, (k + 1) * n_terms), axis=1)
        controls = np.hstack([others, sample.controls])
        y = np.where(sample.keep, sample.outcomes[sample.plan.outcome], np.nan)
        try:
            found.append(diminishing_returns(y, sample.counts[:, k], sample.cells, sample.plan.max_lag, controls))
        except AnalysisError:
            found.append(None)
    q = benjamini_hochberg([np.nan if r is None else r.curvature_p for r in found])
    return tuple(Shape(name, r, float(v)) for name, r, v in zip(sample.activities, found, q, strict=True))


def shape_sentence(shape: Shape, period: str = "week") -> str:
    """One sentence for an activity that saturates; "" for any other."""
    r = shape.response
    if r is None or not shape.saturates:
        return ""
    values = {
        "activity": shape.activity,
        "point": SAY.number(r.turning_point, decimals=0),
        "low": SAY.number(r.turning_low, decimals=0),
        "high": SAY.number(r.turning_high, decimals=0) if np.isfinite(r.turning_high) else SAY.text("not_bounded"),
    }
    return SAY.text(f"saturates_{period}", values)
