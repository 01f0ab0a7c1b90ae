"""Lags stay within a rep and never jump a gap; bases are well scaled; cells say what is compared with what."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from ragged_panels import ragged, settings

from analysis.errors import DataError, ParameterError
from analysis.models import design
from analysis.models.columns import Dense, as_columns, lag_columns
from analysis.models.design import cells_from_codes, lag_basis, lag_terms, make_cells, valid_rows


def looked_up(cells, x, lag):
    """The plain way: a dictionary of what each rep did in each period."""
    known = {(u, t): v for u, t, v in zip(cells.unit.tolist(), cells.time.tolist(), x, strict=True)}
    return np.array(
        [known.get((u, t - lag), np.nan) for u, t in zip(cells.unit.tolist(), cells.time.tolist(), strict=True)]
    )


def whole_window(cells, lags):
    """A window counts only when the rep has every period from the farthest lag to the farthest lead."""
    reach = range(min(0, *lags), max(0, *lags) + 1)
    return np.all([np.isfinite(looked_up(cells, np.zeros(cells.n), k)) for k in reach], axis=0)


@given(settings, st.sampled_from([(1,), (1, 2, 3), (0, 1, 2), (-4, -3, -2, -1), (2, 5), (-2, 0, 3)]))
@budget(max_examples=60, deadline=None)
def test_lags_equal_a_lookup_and_never_leak(how, lags):
    cells = ragged(**how).cells
    x = np.random.default_rng(how["seed"]).normal(size=cells.n)
    terms = lag_terms(cells, x, np.eye(len(lags)), lags)
    whole = whole_window(cells, lags)
    for column, lag in zip(terms.T, lags, strict=True):
        np.testing.assert_array_equal(column, np.where(whole, looked_up(cells, x, lag), np.nan))


def leaky_lag(cells, x, lag):
    """The planted fault: shifting rows without looking whose they are."""
    return np.concatenate([np.full(lag, np.nan), x[:-lag]])


def test_the_boundary_test_sees_a_leak():
    cells = ragged(seed=1).cells
    x = np.arange(cells.n, dtype=float)
    assert not np.array_equal(leaky_lag(cells, x, 2), looked_up(cells, x, 2), equal_nan=True)


def test_the_first_rows_of_a_rep_and_after_a_gap_have_no_lag():
    cells = cells_from_codes(["a"] * 5 + ["b"] * 3, [1, 2, 3, 5, 6, 4, 5, 6])
    assert valid_rows(cells, 1).tolist() == [False, True, True, False, True, False, True, True]
    assert valid_rows(cells, 2).tolist() == [False, False, True, False, False, False, False, True]
    assert valid_rows(cells, 1, max_lead=1).tolist() == [False, True, False, False, False, False, True, False]


def test_an_unknown_value_invalidates_the_rows_that_use_it_only():
    cells = cells_from_codes(["a"] * 6, range(6))
    x = np.array([1.0, 2.0, np.nan, 4.0, 5.0, 6.0])
    terms = lag_terms(cells, np.column_stack([x, np.ones(6)]), np.eye(1), [1])
    assert np.isnan(terms[:, 0]).tolist() == [True, False, False, True, False, False]
    assert np.isnan(terms[:, 1]).tolist() == [True, False, False, False, False, False]
    zero_weight = lag_terms(cells, x, np.array([[1.0], [0.0]]), [1, 2])
    assert np.isnan(zero_weight[4, 0]), "an unknown value with weight zero is still unknown"


@given(
    settings, st.sampled_from([("free", (1, 2, 3, 4)), ("polynomial", (1, 2, 3, 4, 5)), ("spline", (-4, -3, -2, -1))])
)
@budget(max_examples=40, deadline=None)
def test_lag_columns_equal_lag_terms_without_holding_them(how, kind_and_lags):
    kind, lags = kind_and_lags
    cells = ragged(**how).cells
    rng = np.random.default_rng(how["seed"])
    x = rng.normal(size=(cells.n, 3))
    x[rng.random(cells.n) < 0.03, 1] = np.nan
    basis = lag_basis(len(lags), kind)
    columns, whole = lag_columns(cells, x, basis, lags), lag_terms(cells, x, basis, lags)
    usable = columns.usable()
    np.testing.assert_array_equal(usable, np.isfinite(whole).all(axis=1))
    rows = np.flatnonzero(usable)
    if rows.size:
        np.testing.assert_allclose(columns.take(rows), whole[rows], atol=1e-12)
        np.testing.assert_allclose(columns.take(rows[1::2]), whole[rows[1::2]], atol=1e-12)


def test_lags_that_are_not_neighbours_are_gathered_one_by_one():
    cells = cells_from_codes([0] * 12, range(12))
    x = np.arange(24.0).reshape(12, 2)
    columns = lag_columns(cells, x, np.eye(2), [1, 4])
    rows = np.flatnonzero(columns.usable())
    np.testing.assert_array_equal(columns.take(rows), lag_terms(cells, x, np.eye(2), [1, 4])[rows])


@pytest.mark.parametrize("max_lag", [4, 8, 13, 26])
@pytest.mark.parametrize("kind", ["polynomial", "spline"])
@pytest.mark.parametrize("terms", [3, 4, 5])
def test_bases_are_well_scaled(max_lag, kind, terms):
    basis = lag_basis(max_lag, kind, terms)
    assert basis.shape == (max_lag, min(terms, max_lag))
    assert np.abs(basis).max() <= 1 + 1e-12
    assert np.linalg.cond(basis) < 15
    # A kernel that is the same at every lag must be within reach: the sum of lags is the headline.
    flat = basis @ np.linalg.lstsq(basis, np.ones(max_lag), rcond=None)[0]
    np.testing.assert_allclose(flat, 1, atol=1e-10)


def test_the_polynomial_basis_holds_every_quadratic_and_the_spline_a_kinked_line():
    lags = np.arange(1.0, 10)
    quadratic, basis = 3 - lags + 0.2 * lags**2, lag_basis(9, "polynomial", 3)
    np.testing.assert_allclose(basis @ np.linalg.lstsq(basis, quadratic, rcond=None)[0], quadratic, atol=1e-10)
    kinked, basis = 4 - np.abs(lags - 5), lag_basis(9, "spline", 3)
    np.testing.assert_allclose(basis @ np.linalg.lstsq(basis, kinked, rcond=None)[0], kinked, atol=1e-10)


def test_few_lags_are_free():
    np.testing.assert_array_equal(lag_basis(2, "polynomial", 3), np.eye(2))
    np.testing.assert_array_equal(lag_basis(5, "free"), np.eye(5))
    with pytest.raises(ParameterError, match="at least one lag"):
        lag_basis(0)
    with pytest.raises(ParameterError, match="polynomial, spline or free"):
        lag_basis(6, "cubic")


def panel_frame():
    weeks = pd.to_datetime(["2024-12-23", "2024-12-30", "2025-01-06"])
    team = {"a": "N", "b": "N", "c": "N", "d": "S", "e": "S"}
    rows = [(rep, team[rep], week) for rep in "abcde" for week in weeks if not (rep == "c" and week == weeks[2])]
    return pd.DataFrame(rows, columns=["rep_id", "team_id", "week"])


def test_small_teams_share_the_week_effect():
    cells = make_cells(panel_frame(), effects="team_week", cluster="team")
    frame = panel_frame().assign(effect=cells.effect, time=cells.time - cells.time.min())
    own = frame[(frame["team_id"] == "N") & (frame["time"] < 2)]
    shared = frame[~frame.index.isin(own.index)]
    assert set(own["effect"]).isdisjoint(shared["effect"])
    assert (shared.groupby("time")["effect"].nunique() == 1).all(), "two reps of N are left in week 3: they share"
    assert cells.cluster.max() == 1 and make_cells(panel_frame()).cluster.max() == 4


def test_weeks_are_consecutive_over_the_new_year_and_months_over_years():
    cells = make_cells(panel_frame())
    assert np.diff(cells.time[:3]).tolist() == [1, 1]
    months = panel_frame().iloc[:3].assign(week=pd.to_datetime(["2024-11-30", "2024-12-01", "2025-01-31"]))
    assert np.diff(make_cells(months, period="month").time).tolist() == [1, 1]


def test_unsorted_or_double_rows_are_refused():
    frame = panel_frame()
    with pytest.raises(DataError, match="not sorted"):
        make_cells(frame.iloc[::-1])
    with pytest.raises(DataError, match="not sorted"):
        cells_from_codes([0, 1, 0], [1, 1, 2])
    with pytest.raises(DataError, match="two rows"):
        make_cells(frame.loc[[0, 0, 1]])
    with pytest.raises(ParameterError):
        make_cells(frame, effects="day")


def test_infinite_values_are_an_error_and_wrong_sizes_too():
    with pytest.raises(DataError, match="infinite"):
        Dense(np.array([[1.0], [np.inf]])).usable()
    cells = cells_from_codes([0] * 4, range(4))
    with pytest.raises(ParameterError, match="basis"):
        lag_terms(cells, np.ones(4), np.eye(2), [1])
    with pytest.raises(ParameterError, match="basis"):
        lag_columns(cells, np.ones(4), np.eye(2), [1])


def test_dense_columns_never_let_the_callers_array_be_changed():
    values = np.ones((4, 2))
    part = as_columns(values).take(slice(0, 2))
    with pytest.raises(ValueError, match="read-only"):
        part += 1


def test_compact_closes_gaps_in_order():
    assert design.compact(np.array([5, 2, 2, 9])).tolist() == [1, 0, 0, 2]
