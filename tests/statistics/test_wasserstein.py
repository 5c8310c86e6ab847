"""Wasserstein distance on cells: against scipy, exactly for mass spread evenly, within the stated error for the samples themselves."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import wasserstein

COUNTS = st.lists(st.integers(0, 50), min_size=6, max_size=6).filter(any)
WIDTHS = st.lists(st.floats(0.01, 10), min_size=6, max_size=6)


def cells(edges, x):
    return np.bincount(edges.searchsorted(x, side="right"), minlength=edges.size + 1)


@given(e=COUNTS, o=COUNTS, widths=WIDTHS)
def test_wasserstein_agrees_with_scipy_for_mass_spread_evenly_in_each_cell(e, o, widths):
    bounds = np.concatenate(([0.0], np.cumsum(widths)))
    pieces = 200  # points per cell that stand for an even spread; each is off by half a piece at most
    points = np.concatenate([a + (np.arange(pieces) + 0.5) / pieces * (b - a) for a, b in itertools.pairwise(bounds)])
    theirs = stats.wasserstein_distance(points, points, np.repeat(e, pieces), np.repeat(o, pieces))
    ours = wasserstein(bounds[1:-1], e, o, low=bounds[0], high=bounds[-1])
    assert ours == pytest.approx(theirs, abs=max(widths) / pieces)


@given(seed=st.integers(0, 1000), k=st.integers(1, 40))
def test_wasserstein_is_within_its_stated_error_of_the_samples(seed, k):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=400), rng.gamma(2, 1, size=150)
    edges = np.unique(np.quantile(x, np.arange(1, k + 1) / (k + 1)))
    e, o = cells(edges, x), cells(edges, y)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    first = low if e[0] + o[0] else edges[0]
    last = high if e[-1] + o[-1] else edges[-1]
    error = np.diff(np.concatenate(([first], edges, [last]))) @ (e / 400 + o / 150) / 2
    assert abs(wasserstein(edges, e, o, low=low, high=high) - stats.wasserstein_distance(x, y)) <= error + 1e-12


def test_wasserstein_is_exact_where_values_have_cells_of_their_own():
    atoms = np.array([0.0, 1.0, 5.0])
    edges = np.union1d(atoms, np.nextafter(atoms, np.inf))
    x, y = np.repeat(atoms, [5, 3, 2]), np.repeat(atoms, [1, 1, 8])
    ours = wasserstein(edges, cells(edges, x), cells(edges, y), low=0.0, high=5.0)
    assert ours == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-12)


@pytest.mark.parametrize(
    ("mean", "published", "rounding"),
    [
        # NannyML, tests/drift/test_univariate_drift_methods.py: seed 1, N(0, 1), 10,000, against N(mean, 1), 1,000
        (1, 1.01, 0.005),
        (-4, 3.99, 0.005),
    ],
)
def test_wasserstein_gives_the_values_that_nannyml_publishes(mean, published, rounding):
    rng = np.random.RandomState(1)
    x, y = rng.normal(0, 1, 10_000), rng.normal(mean, 1, 1_000)
    edges = np.linspace(min(x.min(), y.min()), max(x.max(), y.max()), 2_001)[1:-1]
    ours = wasserstein(edges, cells(edges, x), cells(edges, y), low=min(x.min(), y.min()), high=max(x.max(), y.max()))
    assert ours == pytest.approx(published, abs=rounding)


def test_wasserstein_gives_the_value_that_frouros_publishes():
    # frouros, tests/integration/test_data_drift.py: seed 31 for both, N(1, 1) and N(5, 2), 100 each
    x, y = np.random.RandomState(31).normal(1, 1, 100), np.random.RandomState(31).normal(5, 2, 100)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    edges = np.linspace(low, high, 10_001)[1:-1]
    ours = wasserstein(edges, cells(edges, x), cells(edges, y), low=low, high=high)
    assert ours == pytest.approx(3.85346006, abs=(high - low) / 10_000)


@given(e=COUNTS, o=COUNTS, widths=WIDTHS)
def test_wasserstein_is_symmetric_and_zero_only_for_equal_shares(e, o, widths):
    bounds = np.concatenate(([0.0], np.cumsum(widths)))
    ours = wasserstein(bounds[1:-1], e, o, low=bounds[0], high=bounds[-1])
    assert ours == pytest.approx(wasserstein(bounds[1:-1], o, e, low=bounds[0], high=bounds[-1]))
    assert 0 <= ours <= bounds[-1]
    assert wasserstein(bounds[1:-1], e, e, low=bounds[0], high=bounds[-1]) == 0
    if not np.allclose(np.array(e) / sum(e), np.array(o) / sum(o)):
        assert ours > 0


def test_wasserstein_scales_with_its_unit_and_is_nan_without_one():
    assert wasserstein([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=4.0) == 0.25
    assert math.isnan(wasserstein([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=0.0))
    assert math.isnan(wasserstein([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=math.nan))
    assert math.isnan(wasserstein([1.0], [0, 0], [0, 10], low=0.0, high=2.0))


def test_wasserstein_needs_no_bound_of_an_open_cell_that_is_empty():
    assert wasserstein([0.0, 1.0, 2.0], [0, 4, 0, 0], [0, 0, 4, 0], low=0.1, high=1.9) == 1.0


def test_wasserstein_of_a_single_cell_is_zero():
    assert wasserstein([], [4], [9], low=0.0, high=3.0) == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1, 2, 3], [1, 2, 3], 0.0, 2.0, 1.0), "make 2 cells"),
        (([2.0, 1.0], [1, 2, 3], [1, 2, 3], 0.0, 3.0, 1.0), "strictly increasing"),
        (([1.0], [1, 2], [1, 2], 1.5, 2.0, 1.0), "enclose"),
        (([1.0], [1, 2], [1, 2], 0.0, math.nan, 1.0), "enclose"),
        (([1.0], [1, 2], [1, 2], 0.0, 2.0, -1.0), "unit"),
    ],
)
def test_wasserstein_refuses_cells_that_do_not_fit(arguments, message):
    edges, e, o, low, high, unit = arguments
    with pytest.raises(ValueError, match=message):
        wasserstein(edges, e, o, low=low, high=high, unit=unit)
