"""Logging regimes: a tool that multiplies what is logged is found, and habits alone are not taken for one."""

import numpy as np
import pandas as pd
import pytest
from evidence_tools import panel_of

from analysis.evidence.regimes import find_breaks, regime_units, split_statistics


def test_a_jump_is_placed_and_measured():
    rng = np.random.default_rng(1)
    series = np.r_[rng.poisson(5, 40), rng.poisson(15, 60)]
    position, ratio, z = split_statistics(series.astype(float))
    assert abs(position - 40) <= 1
    assert ratio == pytest.approx(3.0, rel=0.25)
    assert z > 10


def test_too_short_a_series_has_no_break():
    assert split_statistics(np.arange(20.0)) == (0, 1.0, 0.0)


def test_the_roll_out_is_found_where_it_happened_and_units_are_cut_there():
    panel, _ = panel_of("logging_break", teams=6)
    breaks = find_breaks(panel, panel.activities)
    assert {b.activity for b in breaks} == {"call"}
    hit = {rep for b in breaks for rep in b.rep_ids}
    cut = panel.frame.assign(unit=regime_units(panel, breaks)).groupby("rep_id")["unit"].nunique()
    assert set(cut.index[cut == 2]) == hit
    teams = panel.frame.drop_duplicates("rep_id").set_index("rep_id")["team_id"]
    assert teams[list(hit)].nunique() == 3
    assert np.median([b.ratio for b in breaks]) == pytest.approx(3.0, rel=0.3)


@pytest.mark.parametrize("seed", range(3))
def test_habits_and_seasons_are_not_breaks(seed):
    panel, _ = panel_of("null", seed=seed, teams=6)
    assert find_breaks(panel, panel.activities) == ()


def test_a_single_rep_is_not_a_roll_out():
    panel, _ = panel_of("null", teams=3)
    frame = panel.frame.copy()
    one = frame["rep_id"] == frame["rep_id"].iloc[0]
    late = frame["week"] > pd.Timestamp(frame["week"].median())
    frame.loc[one & late, "call"] *= 4
    assert find_breaks(type(panel)(frame, panel.activities, panel.outcomes), panel.activities) == ()
