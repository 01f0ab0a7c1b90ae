"""Shapes of delay: how one activity's effect is spread over the weeks after it."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def triangular(first_week: int, last_week: int, peak_week: int) -> tuple[float, ...]:
    """Weights at lags 1..last_week that rise to the peak and fall again; zero before first_week; they sum to 1.

    Raises ValueError unless 1 <= first_week <= peak_week <= last_week.
    """
    if not 1 <= first_week <= peak_week <= last_week:
        raise ValueError(f"a kernel needs 1 <= first <= peak <= last, not {first_week}, {peak_week}, {last_week}")
    lags = np.arange(1, last_week + 1)
    rise = (lags - first_week + 1) / (peak_week - first_week + 1)
    fall = (last_week + 1 - lags) / (last_week + 1 - peak_week)
    height = np.clip(np.minimum(rise, fall), 0.0, None)
    return tuple(float(weight) for weight in height / height.sum())


def mean_lag(weights: tuple[float, ...]) -> float:
    """Average delay in weeks of weights at lags 1, 2, ..."""
    shares = np.asarray(weights)
    return float((np.arange(1, len(shares) + 1) * shares).sum() / shares.sum())


def stack(kernels: list[tuple[float, ...]]) -> Floats:
    """Kernels as one array, lag_weeks x kind, padded with zeros; row 0 is lag 1."""
    longest = max((len(kernel) for kernel in kernels), default=0)
    table = np.zeros((max(longest, 1), len(kernels)))
    for column, kernel in enumerate(kernels):
        table[: len(kernel), column] = kernel
    return table
