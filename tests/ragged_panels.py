"""Small ragged panels and the plain, slow way of doing what the engine does, for tests."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from analysis.models.design import Cells, cells_from_codes


@dataclass(frozen=True)
class Sample:
    """A panel with p regressors, a continuous outcome y and a count."""

    frame: pd.DataFrame
    cells: Cells
    x: np.ndarray
    y: np.ndarray
    count: np.ndarray


def ragged(seed=0, units=9, periods=24, p=3, teams=3, effects="week", cluster="unit", moves=0.03, holes=0.05) -> Sample:
    """Reps join late, leave early, miss weeks and change teams; regressors and outcome carry rep and week effects."""
    rng = np.random.default_rng(seed)
    rows = []
    for unit in range(units):
        team = unit % teams
        for time in range(rng.integers(0, periods // 3), rng.integers(2 * periods // 3, periods)):
            team = rng.integers(teams) if rng.random() < moves else team
            if rng.random() > holes:
                rows.append((unit, time, team))
    frame = pd.DataFrame(rows, columns=["unit", "time", "team"])
    unit_effect, week_effect = rng.normal(size=units), rng.normal(size=periods)
    base = unit_effect[frame["unit"]] + week_effect[frame["time"]]
    x = rng.normal(size=(len(frame), p)) + 0.5 * base[:, None]
    y = x[:, 0] - 0.5 * x[:, -1] + base + rng.normal(size=len(frame))
    count = rng.poisson(np.exp(0.3 * x[:, 0] - 0.2 * x[:, -1] + 0.3 * base)).astype(float)
    effect = frame["time"] if effects == "week" else frame["team"] * 1_000 + frame["time"]
    cells = cells_from_codes(frame["unit"], frame["time"], effect, frame[cluster])
    return Sample(frame, cells, x, y, count)


def dummies(cells: Cells) -> np.ndarray:
    """Dummy columns of both sets of effects."""
    return np.hstack([np.eye(codes.max() + 1)[codes] for codes in (cells.unit, cells.effect)])


def net_of_effects(values: np.ndarray, cells: Cells, weight: np.ndarray | None = None) -> np.ndarray:
    """Residuals of a (weighted) regression on all dummies, by least squares."""
    root = np.sqrt(np.ones(cells.n) if weight is None else weight)
    shape = (-1, *[1] * (values.ndim - 1))
    fitted = np.linalg.lstsq(dummies(cells) * root[:, None], values * root.reshape(shape), rcond=None)[0]
    return values - dummies(cells) @ fitted


def dummy_coef(y: np.ndarray, x: np.ndarray, cells: Cells) -> np.ndarray:
    """Coefficients of x in the regression on x and all dummies."""
    return np.linalg.lstsq(np.hstack([x, dummies(cells)]), y, rcond=None)[0][: x.shape[1]]


def jackknife_coef(y: np.ndarray, x: np.ndarray, cells: Cells, fit=dummy_coef) -> np.ndarray:
    """The same without each cluster in turn (G, p)."""
    clusters = range(cells.cluster.max() + 1)
    return np.array([fit(y[keep], x[keep], cells.take(keep)) for keep in (cells.cluster != g for g in clusters)])


def rank_left(x: np.ndarray, cells: Cells) -> int:
    """How many of the regressors vary beside the effects: what a refusal must be about."""
    return int(np.linalg.matrix_rank(net_of_effects(x, cells), tol=1e-8))


settings = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 10_000),
        "units": st.integers(8, 14),
        "periods": st.integers(12, 26),
        "teams": st.integers(2, 3),
        "effects": st.sampled_from(["week", "team_week"]),
        "cluster": st.sampled_from(["unit", "team"]),
        "moves": st.sampled_from([0.0, 0.02, 0.2]),
        "holes": st.sampled_from([0.0, 0.2]),
    }
)
