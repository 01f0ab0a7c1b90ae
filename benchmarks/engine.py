"""The panel engine beside its peers: same data, same machine, turns taken in one run.

    .venv/bin/python -m benchmarks.engine            # 2,000 reps and 200 clusters, about five minutes
    .venv/bin/python -m benchmarks.engine --reps 500 --rounds 3

Prints medians of seconds and CPU seconds, ratios to ours (peer / ours), how far the estimates are apart, and peak
memory of processes of their own. Everything runs with one BLAS thread; pyfixest may use both cores.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from analysis.models.bootstrap import wild_cluster
from analysis.models.columns import lag_columns
from analysis.models.design import Cells, cells_from_codes, lag_basis, lag_terms
from analysis.models.inference import crv1, crv3
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml

PERIODS, ACTIVITIES, LAGS = 148, 8, 9
WIDTH = ACTIVITIES * LAGS
FORMULA = " + ".join(f"x{i}" for i in range(WIDTH))


@dataclass(frozen=True)
class Data:
    """A ragged panel: reps with 100 to 148 weeks, eight activities, a continuous outcome and a count."""

    cells: Cells
    activities: np.ndarray
    y: np.ndarray
    wins: np.ndarray


def ragged_panel(reps: int, seed: int = 0) -> Data:
    """Simulated data; the first activity matters."""
    rng = np.random.default_rng(seed)
    span = rng.integers(100, PERIODS + 1, reps)
    first = rng.integers(0, PERIODS - span + 1)
    unit = np.repeat(np.arange(reps), span)
    week = np.arange(unit.size) - np.repeat(np.cumsum(span) - span - first, span)
    x = rng.poisson(3, (unit.size, ACTIVITIES)).astype(float)
    level = rng.normal(size=reps)[unit] * 0.3
    y = level + 0.1 * x[:, 0] + rng.normal(size=unit.size)
    wins = rng.poisson(np.exp(-1 + level + 0.03 * x[:, 0])).astype(float)
    return Data(cells_from_codes(unit, week, week), x, y, wins)


def held_terms(data: Data, basis: np.ndarray) -> tuple[np.ndarray, Cells, np.ndarray]:
    """The lag matrix in full, which the peers need: terms, cells and rows used."""
    terms = lag_terms(data.cells, data.activities, basis, range(1, LAGS + 1))
    used = np.isfinite(terms).all(axis=1)
    return np.ascontiguousarray(terms[used]), data.cells.take(used), used


def as_frame(terms: np.ndarray, cells: Cells, y: np.ndarray) -> pd.DataFrame:
    """A frame as pyfixest takes it."""
    frame = pd.DataFrame(terms, columns=[f"x{i}" for i in range(terms.shape[1])])
    return frame.assign(y=y, unit=cells.unit, week=cells.effect)


def in_turns(rivals: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, dict[str, float]], dict[str, Any]]:
    """Median seconds and CPU seconds of each, one of each per round; and their last results."""
    wall: dict[str, list[float]] = {name: [] for name in rivals}
    cpu: dict[str, list[float]] = {name: [] for name in rivals}
    results = {name: run() for name, run in rivals.items()}  # imports and first-use costs are not timed
    for _ in range(rounds):
        for name, run in rivals.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            results[name] = run()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(time.process_time() - start_cpu)
    return {n: {"seconds": float(np.median(wall[n])), "cpu_s": float(np.median(cpu[n]))} for n in rivals}, results


def report(title: str, times: dict[str, dict[str, float]], apart: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of the table; the first rival is ours."""
    ours = next(iter(times.values()))
    return [
        {
            "task": title,
            "method": name,
            **{k: round(v, 4) for k, v in t.items()},
            "ratio": round(t["seconds"] / ours["seconds"], 1),
            "cpu_ratio": round(t["cpu_s"] / ours["cpu_s"], 1),
            "estimates_apart": apart.get(name),
        }
        for name, t in times.items()
    ]


def least_squares(data: Data, rounds: int) -> list[dict[str, Any]]:
    """72 free lags, rep and week effects, clustered by rep."""
    import pyfixest as pf

    terms, cells, used = held_terms(data, np.eye(LAGS))
    frame = as_frame(terms, cells, data.y[used])

    def ours() -> Any:
        fit = fit_ols(data.y, lag_columns(data.cells, data.activities, np.eye(LAGS), range(1, LAGS + 1)), data.cells)
        return fit.coef, np.sqrt(np.diag(crv1(fit)))

    def held() -> Any:
        fit = fit_ols(data.y[used], terms, cells)
        return fit.coef, np.sqrt(np.diag(crv1(fit)))

    def pyfixest() -> Any:
        fit = pf.feols(f"y ~ {FORMULA} | unit + week", frame, vcov={"CRV1": "unit"}, ssc=pf.ssc(k_fixef="none"))
        return fit.coef().to_numpy(), fit.se().to_numpy()

    rivals = {"ours, lag slices": ours, "ours, lag matrix": held, "pyfixest": pyfixest}
    rivals["statsmodels, demeaned"] = lambda: demeaned_statsmodels(terms, cells, data.y[used])
    times, results = in_turns(rivals, rounds)
    apart = {name: float(np.abs(r[0] - results["ours, lag slices"][0]).max()) for name, r in results.items()}
    return report(f"least squares, {WIDTH} lags, {cells.n} rows", times, apart)


def demeaned_statsmodels(terms: np.ndarray, cells: Cells, y: np.ndarray) -> Any:
    """Two-way demeaning by alternating means with numpy, then statsmodels with clustered errors."""
    import statsmodels.api as sm

    both = np.column_stack([y, terms])
    counts = [np.bincount(codes)[:, None] for codes in (cells.unit, cells.effect)]
    for _ in range(8):
        for codes, count in zip((cells.unit, cells.effect), counts, strict=True):
            sums = np.column_stack([np.bincount(codes, column) for column in both.T])
            both = both - (sums / count)[codes]
    fit = sm.OLS(both[:, 0], both[:, 1:]).fit(cov_type="cluster", cov_kwds={"groups": cells.cluster})
    return fit.params, fit.bse


def poisson(data: Data, rounds: int) -> list[dict[str, Any]]:
    """18 smooth lag terms of six activities on a count."""
    import pyfixest as pf

    six = Data(data.cells, data.activities[:, :6], data.y, data.wins)
    terms, cells, used = held_terms(six, lag_basis(LAGS))
    frame = as_frame(terms, cells, data.wins[used])
    formula = "y ~ " + " + ".join(f"x{i}" for i in range(terms.shape[1])) + " | unit + week"
    rivals: dict[str, Callable[[], Any]] = {
        "ours": lambda: fit_ppml(data.wins[used], terms, cells).coef,
        "fepois": lambda: pf.fepois(formula, frame, vcov={"CRV1": "unit"}).coef().to_numpy(),
    }
    times, results = in_turns(rivals, rounds)
    apart = {"fepois": float(np.abs(results["fepois"] - results["ours"]).max())}
    return report(f"Poisson, 18 terms, {cells.n} rows", times, apart)


def bootstrap(rounds: int, clusters: int = 200, draws: int = 9_999) -> list[dict[str, Any]]:
    """The restricted wild cluster bootstrap with Webb weights, one regressor of interest."""
    import statsmodels.api as sm
    from wildboottest.wildboottest import wildboottest

    rng = np.random.default_rng(1)
    unit, week = np.repeat(np.arange(clusters), 20), np.tile(np.arange(20), clusters)
    x, y = rng.normal(size=(unit.size, 3)), rng.normal(size=unit.size)
    fit = fit_ols(y, x, cells_from_codes(unit, week, week))
    weeks = np.eye(20)[week]
    means = np.column_stack([np.bincount(unit, column) / 20 for column in np.column_stack([y, x, weeks[:, 1:]]).T])
    within = np.column_stack([y, x, weeks[:, 1:]]) - means[unit]
    model = sm.OLS(within[:, 0], within[:, 1:])
    rivals: dict[str, Callable[[], Any]] = {
        "ours": lambda: wild_cluster(fit, [1, 0, 0], draws, interval=False).p_value,
        "ours, with interval": lambda: wild_cluster(fit, [1, 0, 0], draws).p_value,
        "wildboottest": lambda: float(
            wildboottest(model, B=draws, cluster=unit, param="x1", weights_type="webb", seed=1, show=False)[
                "p-value"
            ].iloc[0]
        ),
    }
    times, results = in_turns(rivals, rounds)
    apart = {name: abs(p - results["ours"]) for name, p in results.items()}
    return report(f"wild bootstrap, {clusters} clusters, {draws} draws", times, apart)


def jackknife(rounds: int) -> list[dict[str, Any]]:
    """CRV3 of a company: 24 teams x 8 reps x 104 weeks, 18 terms; pyfixest refits once a rep."""
    import pyfixest as pf

    rng = np.random.default_rng(2)
    unit, week = np.repeat(np.arange(192), 104), np.tile(np.arange(104), 192)
    x, y = rng.normal(size=(unit.size, 18)), rng.normal(size=unit.size)
    cells = cells_from_codes(unit, week, week)
    frame = as_frame(x, cells, y)
    formula = "y ~ " + " + ".join(f"x{i}" for i in range(18)) + " | unit + week"
    rivals: dict[str, Callable[[], Any]] = {
        "ours": lambda: np.sqrt(np.diag(crv3(fit_ols(y, x, cells)))),
        "pyfixest": lambda: (
            pf.feols(formula, frame, vcov={"CRV3": "unit"}, ssc=pf.ssc(k_adj=False, G_adj=False)).se().to_numpy()
            * np.sqrt(191 / 192)
        ),
    }
    times, results = in_turns(rivals, rounds)
    apart = {"pyfixest": float(np.abs(results["pyfixest"] / results["ours"] - 1).max())}
    return report("CRV3, 192 reps x 104 weeks, 18 terms", times, apart)


def memory_of(method: str, reps: int) -> dict[str, Any]:
    """Peak memory, in MB, of a process that makes the data and fits; `none` makes the data only."""
    command = [sys.executable, "-m", "benchmarks.engine", "--alone", method, "--reps", str(reps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def peak_kb() -> int:
    """Peak resident memory of this process (Linux); getrusage would report the parent's before exec."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


def alone(method: str, reps: int) -> None:
    """What `memory_of` starts."""
    import pyfixest as pf

    data = ragged_panel(reps)
    terms, cells, used = held_terms(data, np.eye(LAGS)) if "held" in method or method == "pyfixest" else (None,) * 3
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is held now
    before = peak_kb()
    if method == "slices":
        fit_ols(data.y, lag_columns(data.cells, data.activities, np.eye(LAGS), range(1, LAGS + 1)), data.cells)
    elif method == "held":
        fit_ols(data.y[used], terms, cells)
    elif method == "pyfixest":
        assert terms is not None and cells is not None
        pf.feols(f"y ~ {FORMULA} | unit + week", as_frame(terms, cells, data.y[used]), vcov={"CRV1": "unit"})
    peak = peak_kb()
    rows = data.cells.n
    given = (data.activities.nbytes + data.y.nbytes + 4 * data.cells.unit.nbytes) / 2**20
    held = rows * WIDTH * 8 / 2**20
    sizes = {"peak_mb": peak / 1024, "extra_mb": (peak - before) / 1024, "panel_mb": given, "lag_matrix_mb": held}
    print(json.dumps({"method": method, "reps": reps, **{k: round(v) for k, v in sizes.items()}}))


def run(reps: int = 2_000, rounds: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Times and memory as two tables."""
    warnings.filterwarnings("ignore")
    data = ragged_panel(reps)
    rows = [*least_squares(data, rounds), *poisson(data, rounds), *bootstrap(rounds), *jackknife(max(1, rounds // 2))]
    memory = [memory_of(m, reps) for m in ("slices", "held", "pyfixest")] + [memory_of("slices", 10 * reps)]
    return pd.DataFrame(rows), pd.DataFrame(memory)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reps", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--alone", choices=["slices", "held", "pyfixest"])
    chosen = parser.parse_args()
    if chosen.alone:
        alone(chosen.alone, chosen.reps)
        return
    times, memory = run(chosen.reps, chosen.rounds)
    print(times.to_string(index=False), memory.to_string(index=False), sep="\n\n")


if __name__ == "__main__":
    main()
