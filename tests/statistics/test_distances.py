"""PSI, Jensen-Shannon, Hellinger, total variation, Kullback-Leibler, L-infinity: against scipy, against published numbers, and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance

from stream_gov.statistics import (
    hellinger,
    jensen_shannon,
    jensen_shannon_divergence,
    kullback_leibler,
    l_infinity,
    psi,
    total_variation,
)

COUNTS = st.lists(st.integers(0, 10_000), min_size=1, max_size=20)
PAIRS = COUNTS.flatmap(
    lambda e: st.tuples(st.just(e), st.lists(st.integers(0, 10_000), min_size=len(e), max_size=len(e)))
)
DISTANCES = [psi, jensen_shannon, jensen_shannon_divergence, hellinger, total_variation, kullback_leibler, l_infinity]
SYMMETRIC = [d for d in DISTANCES if d is not kullback_leibler]
UPPER_ENDS = {psi: 2 * math.log(1e4), kullback_leibler: 9.22}


@pytest.mark.parametrize("statistic", DISTANCES)
@given(pair=PAIRS)
def test_distance_is_in_its_range(statistic, pair):
    e, o = pair
    assume(sum(e) and sum(o))
    assert 0 <= statistic(e, o) <= UPPER_ENDS.get(statistic, 1.0)


@pytest.mark.parametrize("statistic", SYMMETRIC)
@given(pair=PAIRS)
def test_distance_is_symmetric(statistic, pair):
    e, o = pair
    assume(sum(e) and sum(o))
    assert statistic(e, o) == pytest.approx(statistic(o, e), abs=1e-12)


@pytest.mark.parametrize("statistic", [d for d in DISTANCES if d is not l_infinity])  # a merged cell may change more
@given(pair=PAIRS, data=st.data())
def test_distance_never_rises_when_cells_are_merged(statistic, pair, data):
    e, o = np.array(pair[0]) + 1, np.array(pair[1]) + 1  # psi and kullback_leibler raise small shares to their floor
    assume(statistic not in (psi, kullback_leibler) or min(e.min() / e.sum(), o.min() / o.sum()) > 1e-4)
    pool = np.array(data.draw(st.lists(st.integers(0, 3), min_size=e.size, max_size=e.size)))
    merged = [np.bincount(pool, weights=counts, minlength=4) for counts in (e, o)]
    assert statistic(*merged) <= statistic(e, o) + 1e-9


@pytest.mark.parametrize("statistic", DISTANCES)
@given(counts=COUNTS, times=st.integers(1, 1000))
def test_distance_of_equal_shares_is_zero(statistic, counts, times):
    assume(sum(counts))
    assert statistic(counts, [c * times for c in counts]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("statistic", DISTANCES)
def test_distance_is_nan_where_a_side_is_empty(statistic):
    assert math.isnan(statistic([0, 0], [1, 2]))
    assert math.isnan(statistic([1, 2], [0, 0]))


@pytest.mark.parametrize("statistic", DISTANCES)
@pytest.mark.parametrize(
    ("e", "o", "message"),
    [
        ([1, 2], [1, 2, 3], "same cells"),
        ([], [], "at least 1"),
        ([[1, 2]], [[1, 2]], "same cells"),
        ([1, -1], [1, 1], "at least 0"),
        ([1, 1], [1, math.nan], "finite"),
        ([1, math.inf], [1, 1], "finite"),
    ],
)
def test_distance_refuses_what_are_no_counts_of_the_same_cells(statistic, e, o, message):
    with pytest.raises(ValueError, match=message):
        statistic(e, o)


@pytest.mark.parametrize("statistic", [psi, kullback_leibler])
@pytest.mark.parametrize("floor", [0, 1, -0.1, math.nan])
def test_a_floor_that_is_no_share_is_refused(statistic, floor):
    with pytest.raises(ValueError, match="floor"):
        statistic([1, 1], [1, 1], floor=floor)


@given(pair=PAIRS)
def test_kullback_leibler_is_the_relative_entropy_of_the_window(pair):
    e, o = np.array(pair[0]) + 1, np.array(pair[1]) + 1
    assume(min(e.min() / e.sum(), o.min() / o.sum()) > 1e-4)
    assert kullback_leibler(e, o) == pytest.approx(stats.entropy(o, e), abs=1e-12)


@given(pair=PAIRS)
def test_kullback_leibler_of_both_directions_adds_up_to_psi_with_and_without_empty_cells(pair):
    e, o = pair
    assume(sum(e) and sum(o))
    assert kullback_leibler(e, o) + kullback_leibler(o, e) == pytest.approx(psi(e, o), abs=1e-9)


def test_kullback_leibler_is_finite_where_the_reference_has_nothing():
    # frouros gives infinity here; with the floor it is what an event costs where one in 10,000 is expected
    assert kullback_leibler([100, 0], [0, 100]) == pytest.approx(math.log(1e4), abs=1e-3)
    assert kullback_leibler([100, 0], [50, 50]) > kullback_leibler([50, 50], [100, 0])


@given(pair=PAIRS)
def test_hellinger_is_the_root_of_one_less_the_coefficient_of_bhattacharyya(pair):
    e, o = (np.array(counts) for counts in pair)
    assume(e.sum() and o.sum())
    coefficient = np.sqrt((e / e.sum()) * (o / o.sum())).sum()
    assert hellinger(e, o) ** 2 == pytest.approx(1 - coefficient, abs=1e-9)


@given(pair=PAIRS)
def test_total_variation_is_the_largest_change_of_a_set_of_cells(pair):
    e, o = (np.array(counts) for counts in pair)
    assume(e.sum() and o.sum())
    change = o / o.sum() - e / e.sum()
    assert total_variation(e, o) == pytest.approx(change[change > 0].sum(), abs=1e-12)
    assert l_infinity(e, o) <= total_variation(e, o) + 1e-12


@given(pair=PAIRS)
def test_distances_bound_each_other_as_they_must(pair):
    e, o = pair
    assume(sum(e) and sum(o))
    h, v = hellinger(e, o), total_variation(e, o)
    assert h * h <= v + 1e-12  # Le Cam
    assert v <= h * math.sqrt(2 - h * h) + 1e-12
    shares = min(c / sum(counts) for counts in pair for c in counts)
    if shares > 1e-4:
        assert v <= math.sqrt(kullback_leibler(e, o) / 2) + 1e-9  # Pinsker


def test_hellinger_and_total_variation_give_the_values_that_others_publish():
    # Evidently, tests/stattests/test_stattests.py: categories 1 to 6
    assert hellinger([16, 18, 16, 14, 12, 12], [16, 16, 16, 16, 16, 8]) == pytest.approx(0.06812, abs=1e-5)
    # NannyML, tests/drift/test_univariate_drift_methods.py: categories abcd against abce
    assert hellinger([1, 1, 1, 1, 0], [1, 1, 1, 0, 1]) == pytest.approx(0.50, abs=0.005)
    # frouros, tests/integration/test_data_drift.py: seed 31 for both, N(1, 1) and N(5, 2), 100 each, and N(1, 1) twice in sequence, 500 each;
    # 10 equal bins over both. The complement of the intersection of two histograms is their total variation.
    x, y = np.random.RandomState(31).normal(1, 1, 100), np.random.RandomState(31).normal(5, 2, 100)
    assert hellinger(*histograms(x, y)) == pytest.approx(0.74509099, abs=1e-6)
    assert total_variation(*histograms(x, y)) == pytest.approx(0.78, abs=1e-9)
    rng = np.random.RandomState(31)
    assert hellinger(*histograms(rng.normal(1, 1, 500), rng.normal(1, 1, 500))) == pytest.approx(0.04792538, abs=1e-6)


@pytest.mark.parametrize(("mean", "published"), [(-2, 0.63), (7, 1.0)])
def test_hellinger_of_normal_samples_is_that_of_nannyml(mean, published):
    # NannyML, same file: seed 1, N(0, 1), 10,000 against N(mean, 1), 1,000; Doane's bins of the reference, and one for what lies outside
    rng = np.random.RandomState(1)
    x, y = rng.normal(0, 1, 10_000), rng.normal(mean, 1, 1_000)
    edges = np.histogram_bin_edges(x, bins="doane")
    e, o = np.histogram(x, edges)[0], np.histogram(y, edges)[0]
    assert hellinger([*e, 0], [*o, 1_000 - o.sum()]) == pytest.approx(published, abs=0.005)


def histograms(x, y):
    edges = np.linspace(min(x.min(), y.min()), max(x.max(), y.max()), 11)
    return np.histogram(x, edges)[0], np.histogram(y, edges)[0]


@given(pair=PAIRS)
def test_psi_is_the_sum_of_both_divergences_of_kullback_and_leibler(pair):
    e, o = np.array(pair[0]) + 1, np.array(pair[1]) + 1  # no empty cells, so no floor: shares are above 1e-4
    assume(min(e.min() / e.sum(), o.min() / o.sum()) > 1e-4)
    r, w = e / e.sum(), o / o.sum()
    both = sum(p * math.log(p / q) + q * math.log(q / p) for p, q in zip(w, r, strict=True))
    assert psi(e, o) == pytest.approx(both, abs=1e-12)


def test_psi_caps_an_empty_cell_by_its_floor():
    assert psi([100, 0], [50, 50], floor=0.01) == pytest.approx(-0.5 * math.log(0.5) + 0.49 * math.log(50))


def test_psi_gives_the_values_that_scouter_publishes():
    # scouter, psi/monitor.rs, pairs of shares (.3, .2) (.4, .4) (.3, .4)
    assert psi([3, 4, 3], [2, 4, 4]) == pytest.approx(0.069315, abs=1e-6)
    # scouter, psi/theory.md; the page prints no result, it was recomputed by hand
    assert psi([20, 30, 24, 26], [16, 28, 32, 24]) == pytest.approx(0.034921, abs=1e-6)


def test_psi_gives_the_value_that_frouros_publishes():
    # frouros, tests/integration/test_data_drift.py: seed 31, N(1, 1) twice in sequence, 500 each, 10 equal bins over both
    rng = np.random.RandomState(31)
    x, y = rng.normal(1, 1, 500), rng.normal(1, 1, 500)
    edges = np.linspace(min(x.min(), y.min()), max(x.max(), y.max()), 11)
    assert psi(np.histogram(x, edges)[0], np.histogram(y, edges)[0]) == pytest.approx(0.01840072, abs=1e-6)


@given(pair=PAIRS, base=st.sampled_from([2.0, math.e, 10.0]))
def test_jensen_shannon_agrees_with_scipy(pair, base):
    e, o = pair
    assume(sum(e) and sum(o))
    assert jensen_shannon(e, o, base=base) == pytest.approx(
        np.nan_to_num(distance.jensenshannon(e, o, base=base)), abs=1e-7
    )


def test_jensen_shannon_gives_the_values_that_others_publish():
    # TFDV, anomalies/metrics_test.cc: two histograms with [1,2][2,3] = 2, 2 and [2,4][4,6] = 2, 2, cut at all their edges; in bits
    assert jensen_shannon_divergence([2, 2, 0, 0], [0, 1, 1, 2]) == pytest.approx(0.65563906222)
    assert jensen_shannon_divergence([1, 0], [0, 1]) == 1.0
    # NannyML, tests/drift/test_univariate_drift_methods.py: categories abcd against abce
    assert jensen_shannon([1, 1, 1, 1, 0], [1, 1, 1, 0, 1]) == pytest.approx(0.50, abs=0.005)
    # Evidently, issue 494: fully separated distributions
    assert jensen_shannon([1, 0], [0, 1], base=math.e) == pytest.approx(0.83255461)


def test_jensen_shannon_of_normal_samples_is_that_of_nannyml():
    # NannyML, same file: seed 1, N(0, 1), 10,000 against 1,000; Doane's bins of the reference, and one for what lies outside
    rng = np.random.RandomState(1)
    x, y = rng.normal(0, 1, 10_000), rng.normal(0, 1, 1_000)
    edges = np.histogram_bin_edges(x, bins="doane")
    e, o = np.histogram(x, edges)[0], np.histogram(y, edges)[0]
    assert jensen_shannon([*e, 0], [*o, 1_000 - o.sum()]) == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("base", [1.0, 0.5, -2.0, math.nan])
def test_jensen_shannon_refuses_a_base_of_no_use(base):
    with pytest.raises(ValueError, match="base"):
        jensen_shannon([1, 1], [1, 1], base=base)


def test_jensen_shannon_in_nats_is_an_eighth_of_psi_near_equality():
    e, o = [10_000, 10_000, 10_000], [10_100, 9_950, 9_950]
    assert 8 * jensen_shannon_divergence(e, o, base=math.e) == pytest.approx(psi(e, o), rel=1e-3)


@pytest.mark.parametrize(
    ("e", "o", "published"),
    [
        # TFDV, anomalies/metrics_test.cc
        ([1, 9], [3, 7], 0.2),
        ([0, 9, 1], [3, 7, 0], 0.3),
        # NannyML, tests/drift/test_univariate_drift_methods.py: a, b, c twice each, against a further d, and against b only
        ([2, 2, 2, 0], [2, 2, 2, 1], 0.14),
        ([2, 2, 2], [0, 6, 0], 0.67),
    ],
)
def test_l_infinity_gives_the_values_that_others_publish(e, o, published):
    assert l_infinity(e, o) == pytest.approx(published, abs=0.005)
