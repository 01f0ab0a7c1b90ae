"""Published numbers of series, pooling and survival methods, computed by the package's public functions.

`published_table(shared)` joins them with the published values and tolerances; tests and docs/methods read it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from analysis.models.dynamics import ardl, transfer_function
from analysis.models.multiplicity import benjamini_hochberg, bonferroni
from analysis.models.pooling import dersimonian_laird, paule_mandel, random_slopes
from analysis.models.series import granger, prewhitened_ccf
from analysis.models.survival import cox


def pinkham(data: pd.DataFrame) -> Iterator[float]:
    line = ardl(data["sales"], data["advertising"], x_lags=0)
    yield from (line.coefficients.loc["const", "estimate"], line.long_run, line.r2)


def bjsales(data: pd.DataFrame) -> Iterator[float]:
    ccf = prewhitened_ccf(data["lead"], data["sales"], 8, order=(0, 1, 1))
    yield ccf.peak_lag
    model = transfer_function(data["sales"], data["lead"], ccf.peak_lag, difference=1, ma_order=1)
    yield from (model.omega, model.delta, model.theta[0], model.const, model.sigma2)
    yield from (ccf.filter["mean"], ccf.filter["ma"][0], ccf.filter["sigma2"])
    yield float((abs(ccf.values[:3]) >= 0.164).sum())


def fertil3(data: pd.DataFrame) -> Iterator[float]:
    fit = ardl(data["gfr"], data["pe"], x_lags=2, controls=data[["ww2", "pill"]])
    estimate, error = fit.coefficients["estimate"], fit.coefficients["std_error"]
    yield from estimate[["x.L0", "x.L1", "x.L2", "ww2", "pill"]]
    yield from error[["x.L0", "x.L1"]]
    yield from (fit.long_run, fit.long_run_se, fit.joint_p, fit.lagged_p, fit.r2)
    change = ardl(data["gfr"].diff()[1:], data["pe"].diff()[1:], x_lags=2)
    yield from change.coefficients["estimate"]
    yield from (change.coefficients.loc["x.L2", "std_error"], change.r2)


def chickegg(data: pd.DataFrame) -> Iterator[float]:
    for cause, effect in (("chicken", "egg"), ("egg", "chicken")):
        test = granger(data[cause], data[effect], 3)
        yield from (test.f, test.p_value)


def bh1995(data: pd.DataFrame) -> Iterator[float]:
    yield from (float((adjust(data["p"]) <= 0.05).sum()) for adjust in (benjamini_hochberg, bonferroni))


def sleepstudy(data: pd.DataFrame) -> Iterator[float]:
    fit = random_slopes(data["Reaction"], data["Days"], data["Subject"])
    yield from (fit.intercept, fit.slope, fit.slope_se, fit.sd_intercept, fit.sd_slope, fit.correlation)
    yield from (fit.sd_residual, fit.reml_criterion)
    yield fit.units.loc[308, "slope"] - fit.slope


def eightschools(data: pd.DataFrame) -> Iterator[float]:
    pooled = paule_mandel(data["effect"], data["se"])
    yield from (pooled.mean, pooled.mean_se, pooled.q, pooled.q_p)
    yield dersimonian_laird(data["effect"], data["se"]).tau2


def rossi(data: pd.DataFrame) -> Iterator[float]:
    table = pd.DataFrame(
        {
            "fin": data["fin"] == "yes",
            "age": data["age"],
            "race": data["race"] == "black",
            "wexp": data["wexp"] == "yes",
            "mar": data["mar"] == "married",
            "paro": data["paro"] == "yes",
            "prio": data["prio"],
        }
    ).astype(float)
    fit = cox(data["week"], data["arrest"] == 1, table)
    yield from fit.loc[["fin", "age", "prio"], "log_hazard"]
    yield from fit.loc[["fin", "prio"], "std_error"]


CASES: dict[str, Callable[[pd.DataFrame], Iterator[float]]] = {
    maker.__name__: maker for maker in (pinkham, bjsales, fertil3, chickegg, bh1995, sleepstudy, eightschools, rossi)
}


def published_table(shared: Path) -> pd.DataFrame:
    """One row per published number: name, number (what), published, ours, tol; in the order of cases.json."""
    rows = []
    for case in json.loads((shared / "truth" / "cases.json").read_text(encoding="utf-8")):
        if case["name"] in CASES:
            ours = [float(value) for value in CASES[case["name"]](pd.read_csv(shared / "truth" / case["file"]))]
            for entry, value in zip(case["published"], ours, strict=True):
                rows.append((case["name"], entry["what"], float(entry["published"]), value, float(entry["tol"])))
    return pd.DataFrame(rows, columns=["name", "number", "published", "ours", "tol"])
