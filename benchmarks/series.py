"""Lag scan and out-of-sample comparison: ours beside statsmodels and a pandas loop, in one run.

    .venv/bin/python -m benchmarks.series --series 2000 --runs 3

The scan's rivals are timed on fewer series and scaled up, since they would take many minutes; every value they give
is compared with ours first. Prints medians of CPU seconds and their ratios as JSON.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.models.forecast import rolling_origin
from analysis.models.series import lag_scan

ACTIVITIES, LAGS, WEEKS = 8, 27, 148
CCF_SERIES, PANDAS_SERIES = 40, 3


def seconds(work: Callable[[], object], runs: int) -> float:
    """Median CPU seconds of several runs."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def scan_by_pandas(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Shift and correlate, one pair at a time."""
    out = np.empty((*x.shape[:2], LAGS))
    for s in range(x.shape[0]):
        outcome = pd.Series(y[s])
        for a in range(x.shape[1]):
            activity = pd.Series(x[s, a])
            out[s, a] = [activity.shift(lag).corr(outcome) for lag in range(LAGS)]
    return out


def scan_by_statsmodels(x: np.ndarray, y: np.ndarray, fft: bool) -> np.ndarray:
    """statsmodels' ccf, one pair at a time (its divisor is n, so values differ a little from Pearson's)."""
    from statsmodels.tsa.stattools import ccf

    pairs = [[ccf(y[s], x[s, a], adjusted=False, fft=fft)[:LAGS] for a in range(x.shape[1])] for s in range(x.shape[0])]
    return np.array(pairs)


def scan(n_series: int, runs: int) -> dict[str, float]:
    """CPU seconds of the whole scan by each route, and how many times slower than ours."""
    rng = np.random.default_rng(0)
    x = rng.poisson(3, (n_series, ACTIVITIES, WEEKS)).astype(float)
    y = rng.standard_normal((n_series, WEEKS))
    few, fewer = slice(0, CCF_SERIES), slice(0, PANDAS_SERIES)
    ours = lag_scan(x[fewer], y[fewer], LAGS - 1)
    error = float(np.abs(ours - scan_by_pandas(x[fewer], y[fewer])).max())
    if error > 1e-10:
        raise SystemExit(f"the scans disagree by {error}")
    own = seconds(lambda: lag_scan(x, y, LAGS - 1), runs)
    loop = seconds(lambda: scan_by_pandas(x[fewer], y[fewer]), runs) * n_series / PANDAS_SERIES
    ccf = min(
        seconds(lambda fft=fft: scan_by_statsmodels(x[few], y[few], fft), runs) * n_series / CCF_SERIES
        for fft in (True, False)
    )
    return {
        "series": n_series,
        "ours_s": own,
        "statsmodels_ccf_s": ccf,
        "pandas_loop_s": loop,
        "times_faster_than_ccf": ccf / own,
        "times_faster_than_pandas": loop / own,
        "largest_difference": error,
    }


def forecasts(n_units: int, runs: int) -> dict[str, float]:
    """CPU seconds of one rolling-origin comparison of six activities over 104 weeks."""
    rng = np.random.default_rng(1)
    unit, week = np.repeat(np.arange(n_units), 104), np.tile(np.arange(104), n_units)
    y = rng.poisson(0.4, unit.size).astype(float)
    base = rng.standard_normal((unit.size, 6))
    groups = {f"activity {k}": rng.standard_normal((unit.size, 3)) for k in range(6)}
    out = {"units": float(n_units)}
    for family in ("poisson", "gaussian"):
        out[f"{family}_s"] = seconds(lambda f=family: rolling_origin(y, base, groups, unit, week, family=f), runs)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    result = {"lag_scan": scan(options.series, options.runs)}
    result["rolling_origin"] = [forecasts(n_units, options.runs) for n_units in (8, 192)]
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
