"""Kolmogorov-Smirnov on cells: against scipy on discrete and on continuous data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import ks_p_value, ks_statistic

SAMPLES = st.lists(st.integers(0, 12), min_size=4, max_size=200)


@given(x=SAMPLES, y=SAMPLES)
def test_ks_is_exact_where_every_value_has_its_cell(x, y):
    e, o = np.bincount(x, minlength=13), np.bincount(y, minlength=13)
    assert ks_statistic(e, o) == pytest.approx(stats.ks_2samp(x, y, method="asymp").statistic, abs=1e-12)


@given(seed=st.integers(0, 1000), k=st.integers(1, 30))
def test_ks_on_cells_is_a_lower_bound_within_the_largest_share(seed, k):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=300), rng.normal(0.3, 1.2, size=200)
    edges = np.quantile(x, np.arange(1, k + 1) / (k + 1))
    e = np.bincount(edges.searchsorted(x, side="right"), minlength=k + 1)
    o = np.bincount(edges.searchsorted(y, side="right"), minlength=k + 1)
    exact = stats.ks_2samp(x, y).statistic
    largest = max((e / 300).max(), (o / 200).max())
    assert exact - largest <= ks_statistic(e, o) <= exact + 1e-12


@pytest.mark.parametrize("n", [50, 200, 5_000])
@pytest.mark.parametrize("p", [0.5, 0.01, 0.001])
def test_ks_p_value_agrees_with_the_finite_sample_law(n, p):
    m = 20_000
    effective = n * m / (n + m)
    d = stats.kstwo.isf(p, round(effective))
    # Stephens' approximation stands for sqrt(n m / (n + m)), scipy's law for the nearest integer
    assert ks_p_value(d, n, m) == pytest.approx(p, rel=0.08)


def test_ks_p_value_is_that_of_scipy_on_large_samples():
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 10, 5_000), rng.integers(0, 10, 4_000)
    e, o = np.bincount(x, minlength=10), np.bincount(np.minimum(y + (rng.random(4_000) < 0.5), 9), minlength=10)
    theirs = stats.ks_2samp(np.repeat(np.arange(10), e), np.repeat(np.arange(10), o), method="asymp").pvalue
    assert 1e-12 < theirs < 1e-3
    assert ks_p_value(ks_statistic(e, o), 4_000, 5_000) == pytest.approx(theirs, rel=0.05)


def test_ks_tolerance_takes_its_part_of_the_distance():
    assert ks_p_value(0.15, 500, 5_000, tolerance=0.05) == pytest.approx(ks_p_value(0.10, 500, 5_000))
    assert ks_p_value(0.05, 10**6, 10**6, tolerance=0.05) == 1.0


def test_ks_is_zero_for_one_cell_and_nan_for_an_empty_side():
    assert ks_statistic([7], [3]) == 0
    assert math.isnan(ks_statistic([7, 1], [0, 0]))
    assert math.isnan(ks_p_value(math.nan, 5, 5))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0.1, 0, 5), "must have values"), ((0.1, 5, 0), "must have values"), ((0.1, 5, 5, -0.1), "tolerance")],
)
def test_ks_p_value_refuses_what_makes_no_sense(arguments, message):
    statistic, n, m, *rest = arguments
    with pytest.raises(ValueError, match=message):
        ks_p_value(statistic, n, m, tolerance=rest[0] if rest else 0.0)
