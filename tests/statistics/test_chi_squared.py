"""Chi-squared test of two samples: against scipy and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import chi_squared, chi_squared_degrees_of_freedom, chi_squared_p_value

PAIRS = st.lists(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)), min_size=2, max_size=15)


@given(pairs=PAIRS)
def test_chi_squared_agrees_with_scipy(pairs):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    filled = e + o > 0
    assume(filled.sum() > 1)
    theirs = stats.chi2_contingency(np.stack([e[filled], o[filled]]), correction=False)
    assert chi_squared(e, o) == pytest.approx(theirs.statistic, abs=1e-9)
    assert chi_squared_degrees_of_freedom(e, o) == theirs.dof
    assert chi_squared_p_value(e, o) == pytest.approx(theirs.pvalue, abs=1e-12)


def test_chi_squared_gives_the_values_that_frouros_publishes():
    # frouros, tests/integration/test_data_drift.py: [a, a, b, a, a, b] against [b, a, c, c, c, c]
    assert chi_squared([4, 2, 0], [1, 1, 4]) == pytest.approx(6.13333333)
    assert chi_squared_p_value([4, 2, 0], [1, 1, 4]) == pytest.approx(0.04657615, abs=1e-8)


def test_chi_squared_against_a_reference_without_noise_is_the_one_sample_test_of_evidently():
    # Evidently, tests/stattests/test_stattests.py: p 0.67309, which takes the reference's own counts as exact
    reference, window = np.array([16, 18, 16, 14, 12, 12]), np.array([16, 16, 16, 16, 16, 8])
    assert chi_squared_p_value(reference * 10**7, window) == pytest.approx(0.67309, abs=1e-5)
    assert chi_squared_p_value(reference, window) > 0.8  # with its noise the same difference is less remarkable


def test_chi_squared_is_undefined_without_counts_and_sure_of_nothing_with_one_cell():
    assert math.isnan(chi_squared([0, 0], [1, 2]))
    assert math.isnan(chi_squared_p_value([1, 2], [0, 0]))
    assert chi_squared_p_value([5, 0], [9, 0]) == 1.0
    assert chi_squared_degrees_of_freedom([5, 0], [9, 0]) == 0
    assert chi_squared_degrees_of_freedom([0], [0]) == 0
