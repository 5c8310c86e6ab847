"""Shares and the exact test of their rise: against Fisher's test of scipy, and against numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate, stats

from stream_gov.statistics import (
    missing_share,
    share_rise_p_value,
    type_error_share,
    unseen_share,
    unseen_share_p_value,
)

TABLES = st.tuples(st.integers(1, 3_000), st.integers(1, 3_000), st.floats(0, 1), st.floats(0, 0.3))


@given(table=TABLES)
@example(table=(1132, 11, 0.5, 0.0))
def test_rise_without_tolerance_is_the_exact_test_of_fisher(table):
    n, m, share, reference_share = table
    x, e = int(share * n), int(reference_share * m)
    theirs = stats.fisher_exact([[x, n - x], [e, m - e]], alternative="greater").pvalue
    assert share_rise_p_value(x, n, e, m) == pytest.approx(theirs, rel=1e-4 if n <= 200 * m else 1e-1, abs=1e-11)


@pytest.mark.parametrize(("x", "n", "e", "m"), [(3, 50, 2, 17_520), (30, 1_000, 10, 20_000), (40, 100, 300, 1_000)])
def test_rise_is_precise_where_the_reference_is_the_larger_sample(x, n, e, m):
    theirs = stats.fisher_exact([[x, n - x], [e, m - e]], alternative="greater").pvalue
    assert share_rise_p_value(x, n, e, m) == pytest.approx(theirs, rel=1e-9)


def test_rise_gives_the_p_value_that_evidently_publishes():
    # Evidently, tests/stattests/test_stattests.py: six a against six b, two-sided p .0021; the two sides are alike here
    assert 2 * share_rise_p_value(6, 6, 0, 6) == pytest.approx(0.0021, abs=1e-4)


@pytest.mark.parametrize(("x", "n", "e", "m"), [(12, 200, 3, 1_000), (60, 1_000, 0, 5_000), (5, 50, 40, 1_000)])
@pytest.mark.parametrize("tolerance", [0.01, 0.05])
def test_rise_beyond_a_tolerance_is_the_mean_of_binomial_tails(x, n, e, m, tolerance):
    share = stats.beta(e + 1, m - e)
    inner, _ = integrate.quad(
        lambda r: share.pdf(r) * stats.binom.sf(x - 1, n, min(r + tolerance, 1)),
        share.ppf(1e-15),
        share.isf(1e-15),
        points=[share.mean()],
        epsabs=0,
        epsrel=1e-9,
        limit=500,
    )
    assert share_rise_p_value(x, n, e, m, tolerance=tolerance) == pytest.approx(inner, rel=1e-5)


@given(table=TABLES, tolerance=st.floats(0, 1))
def test_rise_is_a_p_value_that_grows_with_the_tolerance_and_falls_with_the_count(table, tolerance):
    n, m, share, reference_share = table
    x, e = int(share * n), int(reference_share * m)
    p = share_rise_p_value(x, n, e, m, tolerance=tolerance)
    assert 0 <= p <= 1
    assert share_rise_p_value(x, n, e, m, tolerance=min(1.0, tolerance + 0.1)) >= p - 1e-12
    if x < n:
        assert share_rise_p_value(x + 1, n, e, m, tolerance=tolerance) <= p + 1e-12


def test_rise_has_its_plain_ends():
    assert share_rise_p_value(0, 100, 0, 100) == 1.0
    assert share_rise_p_value(100, 100, 100, 100) == 1.0
    assert share_rise_p_value(50, 100, 0, 100, tolerance=1.0) == 1.0
    assert share_rise_p_value(100, 100, 0, 10_000) < 1e-100
    assert math.isnan(share_rise_p_value(0, 0, 1, 100))
    assert math.isnan(share_rise_p_value(1, 100, 0, 0))


@pytest.mark.parametrize("arguments", [(-1, 10, 0, 10), (11, 10, 0, 10), (1, 10, 11, 10), (1, 10, -1, 10)])
def test_rise_refuses_counts_that_are_not_within_their_samples(arguments):
    with pytest.raises(ValueError, match="within their samples"):
        share_rise_p_value(*arguments)


@pytest.mark.parametrize("tolerance", [-0.1, 1.1, math.nan])
def test_rise_refuses_a_tolerance_that_is_no_difference_of_shares(tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        share_rise_p_value(1, 10, 0, 10, tolerance=tolerance)
    with pytest.raises(ValueError, match="tolerance"):
        unseen_share_p_value([10, 0], [9, 1], tolerance=tolerance)


@pytest.mark.parametrize("share", [missing_share, type_error_share, unseen_share])
def test_share_is_a_share_undefined_without_events_and_refuses_other_counts(share):
    assert share(1, 4) == 0.25
    assert share(4, 4) == 1.0
    assert math.isnan(share(0, 0))
    for count, n in ((-1, 4), (5, 4)):
        with pytest.raises(ValueError, match="between 0"):
            share(count, n)


def test_unseen_values_are_rarer_than_categories_seen_once_would_have_it():
    # With no category seen once or twice the reference says nothing of unseen ones: Fisher's test against none of 1,000
    theirs = stats.fisher_exact([[2, 48], [0, 1_000]], alternative="greater").pvalue
    assert unseen_share_p_value([900, 100, 0], [45, 3, 2]) == pytest.approx(theirs, rel=1e-6)
    # With 20 seen once it is Fisher's test against 20 of 1,000
    theirs = stats.fisher_exact([[2, 48], [20, 980]], alternative="greater").pvalue
    reference = [880, 100, *[1] * 20, 0]
    assert unseen_share_p_value(reference, [45, 3, *[0] * 20, 2]) == pytest.approx(theirs, rel=1e-6)


def test_unseen_share_p_value_is_undefined_for_an_empty_side_and_refuses_other_categories():
    assert math.isnan(unseen_share_p_value([1, 0], [0, 0]))
    assert math.isnan(unseen_share_p_value([0, 0], [0, 3]))
    with pytest.raises(ValueError, match="same categories"):
        unseen_share_p_value([1, 0], [1, 0, 0])


def test_unseen_share_p_value_takes_all_of_a_reference_of_singletons_as_unseen():
    assert unseen_share_p_value(np.array([1, 1, 1, 0]), np.array([0, 0, 0, 3])) == 1.0
