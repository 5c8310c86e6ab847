"""Shifts of mean and spread, with their tests: against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import mean_shift, mean_shift_p_value, spread_shift, spread_shift_p_value

SAMPLES = st.tuples(
    st.integers(2, 100), st.integers(2, 100), st.floats(-3, 3), st.floats(0.1, 5), st.integers(0, 10**6)
)


def moments(reference, window):
    return {
        "mean_reference": reference.mean(),
        "variance_reference": reference.var(ddof=1),
        "n_reference": reference.size,
        "mean_window": window.mean(),
        "variance_window": window.var(ddof=1),
        "n_window": window.size,
    }


@given(sample=SAMPLES)
def test_mean_shift_without_tolerance_is_the_test_of_welch(sample):
    m, n, shift, spread, seed = sample
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=m), rng.normal(shift, spread, size=n)
    theirs = stats.ttest_ind(y, x, equal_var=False)
    assert mean_shift_p_value(**moments(x, y)) == pytest.approx(theirs.pvalue, rel=1e-9)


def test_mean_shift_has_the_statistic_of_the_t_test_that_evidently_publishes():
    # Evidently, tests/stattests/test_stattests.py, t-test p .084: Student's, which takes the variances as equal. With samples of one size
    # Welch's statistic is the same, and only his degrees of freedom are fewer.
    x = np.array([38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0])
    y = np.array([39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8])
    welch = stats.ttest_ind(x, y, equal_var=False)
    ours = mean_shift_p_value(**moments(x, y))
    assert ours == pytest.approx(welch.pvalue)
    assert 2 * stats.t.sf(stats.t.isf(ours / 2, welch.df), 14) == pytest.approx(0.084, abs=0.0005)


@pytest.mark.parametrize("tolerance", [0.05, 0.5])
def test_mean_shift_at_the_tolerance_has_even_chances(tolerance):
    p = mean_shift_p_value(
        mean_reference=5.0,
        variance_reference=4.0,
        n_reference=10**6,
        mean_window=5.0 - 2 * tolerance,
        variance_window=4.0,
        n_window=10**5,
        tolerance=tolerance,
    )
    assert p == pytest.approx(0.5, abs=1e-6)


def test_mean_shift_has_the_sign_of_the_move_and_the_unit_of_the_reference():
    assert mean_shift(mean_reference=1.0, sd_reference=0.5, mean_window=2.0) == 2.0
    assert mean_shift(mean_reference=1.0, sd_reference=0.5, mean_window=0.0) == -2.0
    assert math.isnan(mean_shift(mean_reference=1.0, sd_reference=0.0, mean_window=1.0))
    assert math.isnan(mean_shift(mean_reference=math.nan, sd_reference=1.0, mean_window=1.0))
    assert math.isnan(mean_shift(mean_reference=1.0, sd_reference=math.nan, mean_window=1.0))


def test_tests_of_moments_are_undefined_where_nothing_varies_or_one_value_is_all():
    some = {"mean_reference": 0.0, "variance_reference": 1.0, "n_reference": 10, "mean_window": 1.0}
    assert math.isnan(mean_shift_p_value(**some, variance_window=math.nan, n_window=1))
    still = {**some, "variance_reference": 0.0}
    assert math.isnan(mean_shift_p_value(**still, variance_window=0.0, n_window=10))
    assert math.isnan(spread_shift_p_value(variance_reference=0.0, n_reference=9, variance_window=1.0, n_window=9))
    assert math.isnan(spread_shift_p_value(variance_reference=1.0, n_reference=9, variance_window=math.nan, n_window=1))


@given(sample=SAMPLES)
def test_spread_shift_p_value_is_twice_the_smaller_tail_of_f(sample):
    m, n, _, spread, seed = sample
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=m).var(ddof=1), rng.normal(0, spread, size=n).var(ddof=1)
    law = stats.f(n - 1, m - 1)
    ours = spread_shift_p_value(variance_reference=x, n_reference=m, variance_window=y, n_window=n)
    assert ours == pytest.approx(min(1.0, 2 * min(law.cdf(y / x), law.sf(y / x))), rel=1e-9)
    swapped = spread_shift_p_value(variance_reference=y, n_reference=n, variance_window=x, n_window=m)
    assert ours == pytest.approx(swapped, rel=1e-6)


def test_spread_shift_is_a_log_ratio():
    assert spread_shift(sd_reference=2.0, sd_window=4.0) == pytest.approx(math.log(2))
    assert spread_shift(sd_reference=4.0, sd_window=2.0) == pytest.approx(-math.log(2))
    assert math.isnan(spread_shift(sd_reference=0.0, sd_window=1.0))
    assert math.isnan(spread_shift(sd_reference=math.nan, sd_window=1.0))


def test_negative_spreads_and_tolerances_are_refused():
    with pytest.raises(ValueError, match="sd_reference"):
        mean_shift(mean_reference=0.0, sd_reference=-1.0, mean_window=0.0)
    with pytest.raises(ValueError, match="negative"):
        spread_shift(sd_reference=1.0, sd_window=-1.0)
    with pytest.raises(ValueError, match="negative"):
        spread_shift_p_value(variance_reference=-1.0, n_reference=9, variance_window=1.0, n_window=9)
    with pytest.raises(ValueError, match="tolerance"):
        mean_shift_p_value(
            mean_reference=0.0,
            variance_reference=1.0,
            n_reference=9,
            mean_window=0.0,
            variance_window=1.0,
            n_window=9,
            tolerance=-0.1,
        )
