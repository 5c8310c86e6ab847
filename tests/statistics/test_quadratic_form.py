"""Cramér and von Mises, Anderson and Darling, energy: against scipy, the tests against scipy's and against simulated laws, and the laws of all three.

Rates of false alarms are in `test_false_alarms.py` and `test_calibrated_long_run.py`.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import anderson_darling, cramer_von_mises, energy_distance, wasserstein
from stream_gov.statistics.anderson_darling import anderson_darling_rows
from stream_gov.statistics.cramer_von_mises import cramer_von_mises_rows
from stream_gov.statistics.energy_distance import energy_distance_rows
from stream_gov.statistics.quadratic_form import distance, long_run_quadratic_form_p_value, quadratic_form_p_value
from stream_gov.summaries import Inflation, LongRun

SAMPLES = st.lists(st.integers(0, 12), min_size=4, max_size=60)
PAIRS = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=2, max_size=30)


def energy_rows(e, o):
    """Of equally spaced cells of width 1, closed by values half a cell beyond their edges."""
    e = np.asarray(e)
    return energy_distance_rows(np.arange(e.size - 1.0), e, o, low=-0.5, high=e.size - 1.5, unit=2.0)


ROWS = {"cramer_von_mises": cramer_von_mises_rows, "anderson_darling": anderson_darling_rows, "energy": energy_rows}
every_form = pytest.mark.parametrize("rows_of", ROWS.values(), ids=ROWS)


def counts(x, y):
    """Counts of both in cells of single values."""
    values = np.unique(np.concatenate([x, y]))
    return [np.bincount(values.searchsorted(sample), minlength=values.size) for sample in (x, y)]


def atoms(x, y):
    """Edges that give every value a cell of its own, and counts."""
    values = np.unique(np.concatenate([x, y]))
    edges = np.union1d(values, np.nextafter(values, np.inf))
    return edges, *(np.bincount(edges.searchsorted(v, side="right"), minlength=edges.size + 1) for v in (x, y))


@pytest.mark.parametrize(("m", "n"), [(60, 40), (500, 37), (30, 200)])
def test_cramer_von_mises_without_ties_is_scipys_statistic_over_its_factor(m, n):
    rng = np.random.default_rng(m)
    x, y = rng.normal(size=m), rng.normal(0.4, 1.3, size=n)
    theirs = stats.cramervonmises_2samp(x, y).statistic
    # T = n m / (n + m) times the square; scipy centres it at the mean of its exact law, which for the formula used here is nothing
    assert m * n / (m + n) * cramer_von_mises(*counts(x, y)) ** 2 == pytest.approx(theirs, rel=1e-9)


@given(x=SAMPLES, y=SAMPLES)
def test_cramer_von_mises_with_ties_is_the_mean_of_both_orders(x, y):
    """Each order by itself is the integral over the pooled sample, which scipy's formula for midranks is not: it is not 0 for equal shares."""
    x, y = np.array(x, float), np.array(y, float)

    def one_order(sign):
        pooled = np.concatenate([x, y]) * sign
        f, g = ((v[:, np.newaxis] * sign <= pooled).mean(axis=0) for v in (x, y))
        return float(((f - g) ** 2).mean())

    assert cramer_von_mises(*counts(x, y)) ** 2 == pytest.approx((one_order(1) + one_order(-1)) / 2, abs=1e-12)


def normalised(a2, m, n):
    """As scipy gives it: `(A2 - 1) / sigma`, with the variance of Scholz and Stephens (1987), equation (4), for two samples."""
    total, inverse = m + n, 1 / m + 1 / n
    h = (1 / np.arange(1, total)).sum()
    g = sum((1 / ((total - i) * np.arange(i + 1, total))).sum() for i in range(1, total - 1))
    a = 4 * g - 6 + (10 - 6 * g) * inverse
    b = 4 * (2 * g - 4) + 16 * h + (2 * g - 14 * h - 4) * inverse - 8 * h + 4 * g - 6
    c = 4 * (6 * h + 2 * g - 2) + 2 * (4 * h - 4 * g + 6) + (2 * h - 6) * inverse + 4 * h
    d = 4 * (2 * h + 6) - 8 * h
    variance = (a * total**3 + b * total**2 + c * total + d) / ((total - 1) * (total - 2) * (total - 3))
    return (a2 - 1) / math.sqrt(variance)


def squared(e, o):
    m, n = sum(e), sum(o)
    return (m + n - 1) / (m + n) * m * n / (m + n) * anderson_darling(e, o) ** 2


@pytest.mark.filterwarnings("ignore:p-value")  # scipy caps its p-values and says so
@pytest.mark.parametrize("values", [3, 10, 10**9])
@pytest.mark.parametrize(("m", "n"), [(60, 40), (30, 90)])
def test_anderson_darling_is_scipys_statistic_over_its_factor_with_and_without_ties(values, m, n):
    rng = np.random.default_rng(values + m)
    x, y = rng.integers(0, values, m), np.minimum(rng.integers(0, values, n) + values // 5, values - 1)
    theirs = stats.anderson_ksamp([x, y], variant="midrank")
    assert normalised(squared(*counts(x, y)), m, n) == pytest.approx(theirs.statistic, rel=1e-9)


def test_p_value_of_anderson_darling_is_that_of_evidently():
    # Evidently, tests/stattests/test_stattests.py: two samples of 8; scipy interpolates between tabulated points
    x, y = [38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0], [39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8]
    e, o = counts(x, y)
    assert normalised(squared(e, o), 8, 8) == pytest.approx(1.7183096744)
    assert quadratic_form_p_value(anderson_darling_rows(e, o), e, o) == pytest.approx(0.0635, abs=0.02)


def test_p_value_of_cramer_von_mises_is_that_of_evidently():
    # Evidently, same file: scipy's normal samples of seeds 0 and 1, 100 each
    e, o = counts(stats.norm.rvs(size=100, random_state=0), stats.norm.rvs(size=100, random_state=1))
    assert quadratic_form_p_value(cramer_von_mises_rows(e, o), e, o) == pytest.approx(0.8076839, abs=0.02)


@pytest.mark.parametrize("shift", [0.1, 0.3, 0.45])
def test_p_value_of_cramer_von_mises_without_ties_is_that_of_scipy(shift):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=300), rng.normal(shift, 1, size=100)
    e, o = counts(x, y)
    theirs = stats.cramervonmises_2samp(x, y, method="asymptotic").pvalue
    assert quadratic_form_p_value(cramer_von_mises_rows(e, o), e, o) == pytest.approx(theirs, rel=0.15, abs=0.02)


@pytest.mark.filterwarnings("ignore:p-value")
def test_p_value_of_anderson_darling_is_that_of_scipy():
    rng, checked = np.random.default_rng(4), 0
    for shift in (0.1, 0.2, 0.3, 0.4):
        x, y = rng.normal(size=400).round(1), rng.normal(shift, 1, size=100).round(1)
        theirs = stats.anderson_ksamp([x, y], variant="midrank").pvalue
        if 0.001 < theirs < 0.25:
            checked += 1
            e, o = counts(x, y)
            # theirs is interpolated in a table, for no ties; 20,000 permutations of the second pair gave 0.0215, scipy 0.0184, this 0.0220
            assert quadratic_form_p_value(anderson_darling_rows(e, o), e, o) == pytest.approx(theirs, rel=0.3)
    assert checked >= 2


@given(x=SAMPLES, y=SAMPLES, unit=st.sampled_from([0.5, 1.0, 3.0]))
def test_energy_distance_is_scipys_where_values_have_cells_of_their_own(x, y, unit):
    x, y = np.array(x, float), np.array(y, float)
    edges, e, o = atoms(x, y)
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    found = energy_distance(edges, e, o, low=low, high=high, unit=unit)
    assert found == pytest.approx(stats.energy_distance(x / unit, y / unit), abs=1e-6)


@given(seed=st.integers(0, 1000), k=st.integers(3, 30))
def test_energy_distance_on_cells_is_that_of_mass_spread_evenly_in_each(seed, k):
    rng = np.random.default_rng(seed)
    bounds = np.cumsum(rng.random(k + 1) + 0.01)
    e, o = rng.integers(0, 50, (2, k))
    assume(e.sum() and o.sum())
    pieces = 100
    points = np.concatenate(
        [bounds[i] + (np.arange(pieces) + 0.5) / pieces * (bounds[i + 1] - bounds[i]) for i in range(k)]
    )
    theirs = stats.energy_distance(points, points, np.repeat(e, pieces), np.repeat(o, pieces))
    found = energy_distance(bounds[1:-1], e, o, low=bounds[0], high=bounds[-1])
    assert found == pytest.approx(theirs, abs=0.01)


def test_energy_distance_gives_the_values_that_others_publish():
    # Evidently, tests/stattests/test_stattests.py: a sample against itself plus 5
    x = np.array([38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0])
    edges, e, o = atoms(x, x + 5)
    assert energy_distance(edges, e, o, low=38.7, high=63.0) == pytest.approx(1.9, abs=0.1)
    # frouros, tests/integration/test_data_drift.py: seed 31 for both, N(1, 1) and N(5, 2), 100 each
    x, y = np.random.RandomState(31).normal(1, 1, 100), np.random.RandomState(31).normal(5, 2, 100)
    edges, e, o = atoms(x, y)
    found = energy_distance(edges, e, o, low=min(x.min(), y.min()), high=max(x.max(), y.max()))
    assert found == pytest.approx(2.11059982, abs=1e-6)


def test_energy_distance_grows_with_the_root_of_a_move_and_knows_no_unit():
    near = energy_distance([0.0, 1.0, 2.0], [9, 0, 0, 0], [0, 0, 0, 9], low=-1.0, high=3.0)
    assert energy_distance([0.0, 4.0, 8.0], [9, 0, 0, 0], [0, 0, 0, 9], low=-4.0, high=12.0) == pytest.approx(2 * near)
    assert math.isnan(energy_distance([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=0.0))
    assert math.isnan(energy_distance([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=math.nan))
    assert math.isnan(energy_distance([1.0], [0, 0], [0, 10], low=0.0, high=2.0))
    with pytest.raises(ValueError, match="unit"):
        energy_distance([1.0], [1, 2], [1, 2], low=0.0, high=2.0, unit=-1.0)
    with pytest.raises(ValueError, match="enclose"):
        energy_distance([1.0], [1, 2], [1, 2], low=1.5, high=2.0)
    with pytest.raises(ValueError, match="make 2 cells"):
        energy_distance([1.0], [1, 2, 3], [1, 2, 3], low=0.0, high=2.0)


def test_energy_distance_needs_no_bound_of_an_open_cell_that_is_empty():
    given_bounds = energy_distance([0.0, 1.0, 2.0], [0, 4, 0, 0], [0, 0, 4, 0], low=0.1, high=1.9)
    assert given_bounds == energy_distance([0.0, 1.0, 2.0], [0, 4, 0, 0], [0, 0, 4, 0], low=math.nan, high=math.nan)


@given(pairs=PAIRS)
def test_squared_energy_is_between_what_the_mean_and_the_largest_difference_make_of_wasserstein(pairs):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    cells = {"edges": np.arange(e.size - 1.0), "low": -0.5, "high": e.size - 1.5}
    w = wasserstein(cells["edges"], e, o, low=cells["low"], high=cells["high"])
    squared = energy_distance(cells["edges"], e, o, low=cells["low"], high=cells["high"]) ** 2
    assert 2 * w * w / e.size <= squared + 1e-9  # Cauchy and Schwarz over a width of at most k
    assert squared <= 2 * w + 1e-9  # no difference is above 1


@every_form
@given(pairs=PAIRS)
def test_distance_is_symmetric_the_same_in_reverse_and_zero_only_for_equal_shares(rows_of, pairs):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    found = distance(rows_of(e, o), e, o)
    assert found == pytest.approx(distance(rows_of(o, e), o, e), abs=1e-9)
    assert found == pytest.approx(distance(rows_of(e[::-1], o[::-1]), e[::-1], o[::-1]), abs=1e-7)
    assert found == pytest.approx(distance(rows_of(5 * e, 5 * o), 5 * e, 5 * o), abs=1e-9)
    assert distance(rows_of(e, 7 * e), e, 7 * e) == pytest.approx(0, abs=1e-9)
    if np.abs(e / e.sum() - o / o.sum()).max() > 1e-6:
        assert found > 0


@given(pairs=PAIRS)
def test_cramer_von_mises_is_at_most_the_root_of_one_half(pairs):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    assert cramer_von_mises(e, o) <= math.sqrt(0.5) + 1e-9
    assert cramer_von_mises([3, 0, 0], [0, 0, 5]) == pytest.approx(math.sqrt(0.5))


@every_form
@given(pairs=PAIRS, tolerance=st.sampled_from([0.0, 1e-9, 0.001, 0.02, 0.1, 0.4]))
def test_result_is_a_p_value_and_more_tolerance_never_gives_a_smaller_one(rows_of, pairs, tolerance):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    rows = rows_of(e, o)
    p = quadratic_form_p_value(rows, e, o, tolerance=tolerance)
    assert 0 <= p <= 1
    if (
        min(e.sum(), o.sum()) >= 50
    ):  # of a handful of events the covariance at the edge changes more than the distance to it
        more = quadratic_form_p_value(rows, e, o, tolerance=tolerance * 1.1 + 0.001)
        # near their means two saddlepoint tails may be a few per cent off, one up and one down
        assert more >= p * 0.9 or p < 1e-8


@every_form
@given(pairs=PAIRS)
def test_equal_shares_never_fire(rows_of, pairs):
    e = np.array(pairs)[:, 0]
    assume(e.sum())
    assert quadratic_form_p_value(rows_of(e, 3 * e), e, 3 * e) > 0.99
    assert quadratic_form_p_value(rows_of(e, e), e, e, tolerance=0.1) == 1.0


@every_form
def test_law_without_drift_is_that_of_simulated_samples(rows_of):
    rng, shares = np.random.default_rng(7), np.array([0.05, 0.1, 0.3, 0.2, 0.15, 0.1, 0.1])
    p_values = []
    for e, o in zip(rng.multinomial(3_000, shares, 4_000), rng.multinomial(300, shares, 4_000), strict=True):
        p_values.append(quadratic_form_p_value(rows_of(e, o), e, o))
    for chance in (0.5, 0.2, 0.05, 0.01):
        assert np.mean(np.array(p_values) < chance) == pytest.approx(chance, rel=0.02 / math.sqrt(chance) + 0.1)


@every_form
def test_window_that_holds_what_the_reference_never_had_is_judged(rows_of):
    e, o = np.array([1_000, 1_000, 0, 0]), np.array([0, 0, 30, 30])
    assert quadratic_form_p_value(rows_of(e, o), e, o) < 1e-9
    assert quadratic_form_p_value(rows_of(e, o), e, o, tolerance=0.1) < 1e-6


@every_form
def test_nothing_to_compare_is_undefined_and_one_cell_is_no_drift(rows_of):
    some, none = np.array([3, 4]), np.array([0, 0])
    for e, o in ((some, none), (none, some), (none, none)):
        assert math.isnan(distance(rows_of(e, o), e, o))
        assert math.isnan(quadratic_form_p_value(rows_of(e, o), e, o, tolerance=0.1))
    one, same = np.array([0, 9]), np.array([0, 4])
    assert distance(rows_of(one, same), one, same) == 0
    assert quadratic_form_p_value(rows_of(one, same), one, same) == 1.0


@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_a_tolerance_that_is_no_distance_is_refused(tolerance):
    with pytest.raises(ValueError, match="at least 0"):
        quadratic_form_p_value(np.eye(2), [1, 2], [2, 1], tolerance=tolerance)


@pytest.mark.parametrize(
    "value", [cramer_von_mises, anderson_darling, partial(energy_distance, [1.0], low=0.0, high=2.0)]
)
def test_counts_of_different_cells_are_refused(value):
    with pytest.raises(ValueError, match="same cells"):
        value([1, 2], [2, 1, 4])
    with pytest.raises(ValueError, match="at least 0"):
        value([1, -2], [2, 1])


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
RISING = np.linspace(80, 120, 20).round()


@every_form
@pytest.mark.parametrize("tolerance", [0.0, 0.01])
def test_with_the_covariance_of_independent_draws_it_is_the_test_of_independent_draws(rows_of, tolerance):
    e = np.full(20, 1_000)
    rows = rows_of(e, RISING)
    found = long_run_quadratic_form_p_value(rows, e, RISING, CELLS, known_of([0.1] * 10, 1.0), tolerance=tolerance)
    independent = quadratic_form_p_value(rows, e, RISING, tolerance=tolerance)
    assert independent < 0.01
    assert found == pytest.approx(independent, rel=0.1)


@every_form
@pytest.mark.parametrize("tolerance", [0.0, 0.01])
def test_ten_times_the_covariance_is_a_tenth_of_the_events(rows_of, tolerance):
    e, o = np.full(20, 100_000), 10 * RISING
    rows = rows_of(e, o)
    found = long_run_quadratic_form_p_value(rows, e, o, CELLS, known_of([0.1] * 10, 10.0), tolerance=tolerance)
    assert found == pytest.approx(quadratic_form_p_value(rows, e / 10, o / 10, tolerance=tolerance), rel=0.1)


@every_form
def test_few_blocks_make_a_test_more_careful(rows_of):
    e = np.full(20, 1_000)
    p_values = [
        long_run_quadratic_form_p_value(
            rows_of(e, RISING), e, RISING, CELLS, known_of([0.1] * 10, 1.0, n_blocks=blocks)
        )
        for blocks in (10**6, 300, 30)
    ]
    assert p_values == sorted(p_values)
    assert p_values[2] > 3 * p_values[0]
