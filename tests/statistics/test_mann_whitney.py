"""Mann and Whitney's comparison: against scipy and by brute force, its test against the usual one and against Fisher's, and its laws.

Rates of false alarms are in `test_false_alarms.py` and `test_calibrated_long_run.py`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import ks_p_value, ks_statistic, mann_whitney, mann_whitney_p_value, mean_shift_p_value
from stream_gov.statistics.mann_whitney import long_run_mann_whitney_p_value
from stream_gov.summaries import Inflation, LongRun

SAMPLES = st.lists(st.integers(0, 12), min_size=4, max_size=200)
PAIRS = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=1, max_size=40)


def counts(*samples):
    """Counts of each sample in cells of single values."""
    values = np.unique(np.concatenate(samples))
    return [np.bincount(values.searchsorted(sample), minlength=values.size) for sample in samples]


@given(x=SAMPLES, y=SAMPLES)
def test_value_is_scipys_u_over_all_pairs_less_one_half(x, y):
    e, o = np.bincount(x, minlength=13), np.bincount(y, minlength=13)
    u = stats.mannwhitneyu(y, x, method="asymptotic", use_continuity=False).statistic
    assert mann_whitney(e, o) == pytest.approx(u / len(x) / len(y) - 0.5, abs=1e-12)


@given(x=SAMPLES, y=SAMPLES)
def test_value_counts_the_pairs(x, y):
    a, b = np.array(x)[:, np.newaxis], np.array(y)
    expected = ((b > a) + 0.5 * (b == a)).mean() - 0.5
    assert mann_whitney(np.bincount(x, minlength=13), np.bincount(y, minlength=13)) == pytest.approx(expected)


@given(seed=st.integers(0, 1000), k=st.integers(2, 40))
def test_value_on_cells_is_within_its_stated_error_of_the_samples(seed, k):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=300), rng.normal(0.3, 1.5, size=200)
    edges = np.quantile(x, np.arange(1, k) / k)
    e, o = (np.bincount(edges.searchsorted(v, side="right"), minlength=k) for v in (x, y))
    exact = stats.mannwhitneyu(y, x).statistic / 60_000 - 0.5
    assert abs(mann_whitney(e, o) - exact) <= (e / 300) @ (o / 200) / 2 + 1e-12


def test_a_shift_of_a_normal_column_has_the_value_of_the_closed_form():
    bounds = np.concatenate([[-np.inf], stats.norm.ppf(np.arange(1, 400) / 400), [np.inf]])
    for shift in (-1.0, 0.1, 0.5, 2.0):
        o = np.diff(stats.norm.cdf(bounds - shift))
        assert mann_whitney(np.full(400, 1.0), o) == pytest.approx(stats.norm.cdf(shift / math.sqrt(2)) - 0.5, abs=2e-4)


def test_p_value_is_that_of_evidently():
    # Evidently, tests/stattests/test_stattests.py: values 1 to 6, reference against current, one-sided; U is scipy's for the same data
    reference, current = [16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]
    assert mann_whitney(current, reference) == pytest.approx(3856 / 88**2 - 0.5)
    assert mann_whitney_p_value(reference, current) / 2 == pytest.approx(0.481, abs=0.02)


@pytest.mark.parametrize("n", [50, 300, 2_000])
@pytest.mark.parametrize("shift", [0.02, 0.1, 0.25])
def test_p_value_without_ties_is_that_of_scipy(n, shift):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=3_000), rng.normal(shift * math.sqrt(500 / n), 1, size=n)
    theirs = stats.mannwhitneyu(x, y, method="asymptotic").pvalue
    # far out theirs, from the normal law, is too large: ranks have no tails
    assert mann_whitney_p_value(*counts(x, y)) == pytest.approx(theirs, rel=0.1 if theirs > 1e-4 else 0.6)


@given(seed=st.integers(0, 1000), n=st.integers(40, 300), values=st.integers(6, 30))
def test_p_value_with_ties_is_near_that_of_scipy_which_is_corrected_for_them(seed, n, values):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(values))
    x, y = rng.choice(values, 2_000, p=shares), rng.choice(values, n, p=shares)
    assume(np.unique(x).size > 4)
    theirs = stats.mannwhitneyu(x, y, method="asymptotic").pvalue
    # half a step of a pooled rank (a cell), where scipy allows for half a step of one pair
    assert theirs * 0.7 < mann_whitney_p_value(*counts(x, y)) < theirs + 0.15


@pytest.mark.parametrize(("share", "n"), [(0.5, 60), (0.05, 100), (0.002, 400)])
def test_p_value_of_two_cells_is_twice_that_of_fisher(share, n):
    m = 5_000
    checked = 0
    for count in range(n):
        e, o = [round(m * (1 - share)), round(m * share)], [n - count, count]
        tail = "greater" if o[1] / n > share else "less"
        exact = 2 * stats.fisher_exact([[o[1], o[0]], [e[1], e[0]]], alternative=tail).pvalue
        if 1e-5 < exact < 0.2:
            checked += 1
            assert 0.85 * exact < mann_whitney_p_value(e, o) < 3 * exact, count
    assert checked >= 3


@given(pairs=PAIRS)
def test_value_turns_its_sign_with_the_order_and_with_the_samples(pairs):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    value = mann_whitney(e, o)
    assert -0.5 <= value <= 0.5
    assert mann_whitney(e[::-1], o[::-1]) == pytest.approx(-value, abs=1e-12)
    assert mann_whitney(o, e) == pytest.approx(-value, abs=1e-12)
    assert mann_whitney(7 * e, 3 * o) == pytest.approx(value, abs=1e-12)


@given(pairs=PAIRS, tolerance=st.sampled_from([0.0, 0.02, 0.1, 0.3]))
def test_p_value_is_the_same_in_either_direction(pairs, tolerance):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    p = mann_whitney_p_value(e, o, tolerance=tolerance)
    assert 0 <= p <= 1
    assert mann_whitney_p_value(e[::-1], o[::-1], tolerance=tolerance) == pytest.approx(p, rel=1e-6, abs=1e-300)


@given(pairs=PAIRS, tolerance=st.sampled_from([0.0, 1e-9, 0.001, 0.01, 0.1, 0.4]))
def test_more_tolerance_never_gives_a_smaller_p_value(pairs, tolerance):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    p = mann_whitney_p_value(e, o, tolerance=tolerance)
    assert mann_whitney_p_value(e, o, tolerance=min(tolerance * 1.1 + 0.001, 0.5)) >= p * (1 - 1e-6)


@given(pairs=PAIRS)
def test_equal_shares_never_fire(pairs):
    e = np.array(pairs)[:, 0]
    assume(e.sum())
    assert mann_whitney_p_value(e, 3 * e) > 0.99
    assert mann_whitney_p_value(e, e, tolerance=0.1) == 1.0


def test_with_a_tolerance_it_is_near_the_test_of_brunner_and_munzel_of_the_difference_beyond_it():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=40_000).round(1), rng.normal(0.5, 1.3, size=10_000).round(1)
    value = mann_whitney(*counts(x, y))
    e, o = counts(x, y)
    ranks = {name: np.cumsum(c / c.sum()) - c / c.sum() / 2 for name, c in (("x", e), ("y", o))}
    variances = [c / c.sum() @ (r - c / c.sum() @ r) ** 2 for c, r in ((o, ranks["x"]), (e, ranks["y"]))]
    error = math.sqrt(variances[0] / 10_000 + variances[1] / 40_000)
    theirs = stats.brunnermunzel(x, y, distribution="normal")
    assert abs(theirs.statistic) == pytest.approx(value / error, rel=1e-3)
    for beyond in (2.0, 3.0, 4.0):
        found = mann_whitney_p_value(e, o, tolerance=value - beyond * error)
        assert found == pytest.approx(stats.norm.sf(beyond), rel=0.2)


def test_window_in_one_cell_at_the_end_is_judged():
    e, low, high = [1_000] * 10, [60] + [0] * 9, [0] * 9 + [60]
    for o in (low, high):
        assert mann_whitney_p_value(e, o) < 1e-12
        assert mann_whitney_p_value(e, o, tolerance=0.3) < 1e-5
        assert mann_whitney_p_value(e, o, tolerance=0.46) == 1.0  # the value is 0.45


def test_location_shifts_are_found_before_ks_finds_them_and_a_change_of_spread_is_not():
    rng, found = np.random.default_rng(6), {"mann_whitney": 0, "ks": 0, "t": 0}
    edges = stats.norm.ppf(np.arange(1, 40) / 40)
    for _ in range(300):
        x, y = rng.normal(size=5_000), rng.normal(0.18, 1, size=300)
        e, o = (np.bincount(edges.searchsorted(v, side="right"), minlength=40) for v in (x, y))
        found["mann_whitney"] += mann_whitney_p_value(e, o) < 0.01
        found["ks"] += ks_p_value(ks_statistic(e, o), 300, 5_000) < 0.01
        found["t"] += (
            mean_shift_p_value(
                mean_reference=x.mean(),
                variance_reference=x.var(ddof=1),
                n_reference=5_000,
                mean_window=y.mean(),
                variance_window=y.var(ddof=1),
                n_window=300,
            )
            < 0.01
        )
    assert found["ks"] < 0.85 * found["mann_whitney"]
    assert found["mann_whitney"] > 0.9 * found["t"]  # 3/pi of its efficiency, and no moments needed
    wide = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], edges, [np.inf]]) / 2))
    assert abs(mann_whitney(np.ones(40), wide)) < 1e-12


def known_of(shares, factor, *, n_blocks=10**9):
    shares = np.asarray(shares, float)
    return LongRun(
        block_rows=50,
        n_blocks=n_blocks,
        lag=0,
        shares=shares,
        covariance=factor * (np.diag(shares) - np.outer(shares, shares)),
        mean=Inflation(),
        missing=Inflation(),
        type_errors=Inflation(),
    )


CELLS = np.arange(20) // 2
RISING = np.linspace(75, 125, 20).round()


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_with_the_covariance_of_independent_draws_it_is_the_test_of_independent_draws(tolerance):
    found = long_run_mann_whitney_p_value([1_000] * 20, RISING, CELLS, known_of([0.1] * 10, 1.0), tolerance=tolerance)
    independent = mann_whitney_p_value([1_000] * 20, RISING, tolerance=tolerance)
    assert 1e-12 < independent < 0.01
    assert found == pytest.approx(independent, rel=0.05)


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_ten_times_the_covariance_is_a_tenth_of_the_events(tolerance):
    e, o = np.full(20, 100_000), 10 * RISING
    found = long_run_mann_whitney_p_value(e, o, CELLS, known_of([0.1] * 10, 10.0), tolerance=tolerance)
    assert found == pytest.approx(mann_whitney_p_value(e / 10, o / 10, tolerance=tolerance), rel=0.05)


def test_a_reference_that_is_nearly_one_value_is_compared_without_overflow():
    # the first weeks of the electricity example: a column that stood still in its reference moves
    known = known_of([0.0, 17_424 / 17_520, 0.0, 96 / 17_520, 0.0], 20.0, n_blocks=350)
    p_value = long_run_mann_whitney_p_value(
        [0, 17_424, 0, 96, 0], [213, 2, 64, 0, 57], np.arange(5), known, tolerance=0.1
    )
    assert 0 <= p_value <= 1


def test_few_blocks_make_a_test_more_careful():
    p_values = [
        long_run_mann_whitney_p_value([1_000] * 20, RISING, CELLS, known_of([0.1] * 10, 1.0, n_blocks=blocks))
        for blocks in (10**6, 300, 30)
    ]
    assert p_values == sorted(p_values)
    assert p_values[2] > 3 * p_values[0]


def test_a_window_shorter_than_the_dependence_may_lie_at_one_end():
    # fifty rows that are one draw: of one draw in a hundred all of them lie beyond the 99 % point
    one_draw = known_of([0.1] * 10, 50.0)
    e, o = [1_000] * 20, [0] * 19 + [50]
    assert long_run_mann_whitney_p_value(e, o, CELLS, one_draw) > 0.02
    assert mann_whitney_p_value(e, o) < 1e-12


def test_nothing_to_compare_is_undefined():
    assert math.isnan(mann_whitney([0, 0], [1, 2]))
    assert math.isnan(mann_whitney_p_value([1, 2], [0, 0]))
    assert math.isnan(mann_whitney_p_value([0, 0], [0, 1], tolerance=0.1))
    assert math.isnan(long_run_mann_whitney_p_value([0.0] * 20, RISING, CELLS, known_of([0.1] * 10, 1.0)))
    assert mann_whitney([5], [3]) == 0
    assert mann_whitney_p_value([5], [3]) == 1.0


@pytest.mark.parametrize("tolerance", [-0.1, 0.6, math.nan, math.inf])
def test_a_tolerance_that_is_no_difference_of_chances_is_refused(tolerance):
    with pytest.raises(ValueError, match=r"between 0 and 0\.5"):
        mann_whitney_p_value([1, 2], [2, 1], tolerance=tolerance)


def test_counts_of_different_cells_are_refused():
    with pytest.raises(ValueError, match="same cells"):
        mann_whitney_p_value([1, 2], [2, 1, 4])
    with pytest.raises(ValueError, match="at least 0"):
        mann_whitney([1, -2], [2, 1])
