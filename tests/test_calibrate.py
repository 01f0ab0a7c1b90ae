"""Calibration on the user's own data: rotation breaks timing only, planting adds what it says, the count is honest."""

import numpy as np
import pytest
from evidence_tools import panel_of

from analysis.evidence.calibrate import Desk, band, calibrate, plant, quick_q
from analysis.evidence.plan import make_plan
from analysis.evidence.regimes import regime_units
from analysis.evidence.sample import make_sample


@pytest.fixture(scope="module")
def desk():
    panel, _ = panel_of("demo", seed=7, teams=6, reps=6, weeks=80)
    return Desk(panel, make_plan(panel), regime_units(panel, ()), 0)


def test_rotation_keeps_habits_and_loses_the_timing(desk):
    rotated = desk.rotated(3).frame
    before, after = desk.panel.frame, rotated
    for kind in desk.plan.activities:
        assert (before.groupby("rep_id")[kind].sum() == after.groupby("rep_id")[kind].sum()).all()
    assert before["wins"].equals(after["wins"])
    claimed = quick_q(desk.panel, desk.plan, desk.units) <= 0.05
    lost = quick_q(desk.rotated(3), desk.plan, desk.units) <= 0.05
    assert claimed.sum() >= 2 > lost.sum()


def test_planting_adds_the_stated_share(desk):
    panel = desk.rotated(5)
    k = desk.plan.discretionary.index("call")
    grown = [plant(panel, desk.plan, k, 0.4, [s]).frame["wins"].sum() for s in range(5)]
    assert np.mean(grown) == pytest.approx(panel.frame["wins"].sum(), rel=0.1)
    sample = make_sample(plant(panel, desk.plan, k, 0.4, [0]), desk.plan)
    assert (sample.y == np.round(sample.y)).all()
    assert quick_q(plant(panel, desk.plan, k, 0.8, [0]), desk.plan, desk.units)[k] < 0.05


def test_the_result_depends_on_the_seed_only_not_on_the_number_of_processes(desk):
    runs = [calibrate(desk.panel, shifts=8, seed=1, jobs=jobs, planted=2) for jobs in (1, 2)]
    assert runs[0].summary() == runs[1].summary()
    assert runs[0].company_claims <= 2


def test_thin_data_cannot_be_calibrated():
    panel, _ = panel_of("demo", teams=1, reps=3, weeks=40)
    assert calibrate(panel).summary()[0].startswith("Cannot be calibrated: 3 reps")


def test_a_share_is_told_with_its_uncertainty():
    assert band(1, 20) == "5.0%, between 0.9% and 23.6%"
    assert band(0, 0) == "no draws"
