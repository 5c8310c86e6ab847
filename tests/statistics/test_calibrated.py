"""The calibrated tests: their laws in the large, the cases that must and must not fire, and what they refuse.

Rates of false alarms are in `test_false_alarms.py`.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from stream_gov.statistics import (
    hellinger,
    hellinger_p_value,
    jensen_shannon,
    jensen_shannon_p_value,
    kullback_leibler,
    kullback_leibler_p_value,
    psi,
    psi_p_value,
)

HUGE = 10**12
P_VALUES = [psi_p_value, jensen_shannon_p_value, hellinger_p_value, kullback_leibler_p_value]
PAIRS = st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000)), min_size=1, max_size=40)


def counts_at_psi(k, n, target):
    """Counts of a window of `n` on `k` equal cells, tilted so that the index is nearly `target`."""
    tilt = np.linspace(-1, 1, k)
    low, high = 0.0, 5.0
    for _ in range(60):
        middle = (low + high) / 2
        shares = np.exp(middle * tilt) / np.exp(middle * tilt).sum()
        low, high = (middle, high) if psi(np.full(k, HUGE), shares * n) < target else (low, middle)
    return shares * n


@pytest.mark.parametrize(("k", "n", "published"), [(10, 400, 0.0423), (20, 1_000, 0.0301), (10, 1_000, 0.017)])
def test_psi_p_value_is_five_per_cent_at_the_thresholds_that_scouter_publishes(k, n, published):
    # scouter, crates/scouter_types/src/psi/alert.rs: chi-squared quantile at 95 % over the window's size, the reference taken as exact
    assert stats.chi2.isf(0.05, k - 1) / n == pytest.approx(published, abs=1e-4)
    assert psi_p_value([HUGE] * k, counts_at_psi(k, n, published)) == pytest.approx(
        0.05, rel=0.2
    )  # half an event more in each cell costs a little


@pytest.mark.parametrize("m", [2_000, 20_000])
@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.1])
def test_psi_p_value_is_the_noncentral_tail_of_yurdakul_in_large_cells(m, tolerance):
    k, n = 10, 20_000
    effective = 1 / (1 / n + 1 / m)
    observed = counts_at_psi(k, n, tolerance + 20 / effective * (1 + math.sqrt(tolerance * effective) / 3))
    statistic = effective * psi([HUGE] * k, observed)
    theirs = stats.ncx2.sf(statistic, k - 1, effective * tolerance) if tolerance else stats.chi2.sf(statistic, k - 1)
    assert 1e-8 < theirs < 0.05
    assert psi_p_value([m / k] * k, observed, tolerance=tolerance) == pytest.approx(theirs, rel=0.25)


@pytest.mark.parametrize("tolerance", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("p_value", P_VALUES)
@given(pairs=PAIRS, ordered=st.booleans())
def test_result_is_a_p_value_whatever_the_counts(p_value, tolerance, pairs, ordered):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    p = p_value(e, o, tolerance=tolerance, ordered=ordered)
    assert 0 <= p <= 1
    assert p == p_value(e.astype(float), list(o), tolerance=tolerance, ordered=ordered)


@pytest.mark.parametrize("p_value", P_VALUES)
@given(pairs=PAIRS, tolerance=st.sampled_from([0.0, 1e-30, 1e-9, 0.001, 0.01, 0.1, 0.4]))
def test_more_tolerance_never_gives_a_smaller_p_value(p_value, pairs, tolerance):
    e, o = np.array(pairs).T
    assume(e.sum() and o.sum())
    p = p_value(e, o, tolerance=tolerance)
    # the two laws meet at tolerance 0 up to rounding, and a path ends within 1e-5 of where it should
    assert p_value(e, o, tolerance=tolerance * 1.1 + 0.001) >= p * (1 - 1e-3) - 1e-9


@pytest.mark.parametrize("p_value", P_VALUES)
@given(pairs=PAIRS)
def test_equal_shares_never_fire(p_value, pairs):
    e = np.array(pairs)[:, 0]
    assume(e.sum())
    assert p_value(e, e) > 0.5
    assert p_value(e, e, tolerance=0.1) > 0.5


@pytest.mark.parametrize("p_value", P_VALUES)
@pytest.mark.parametrize("tolerance", [0.0, 0.1])
@pytest.mark.parametrize(
    ("e", "o"),
    [
        ([17_520, 0], [25, 25]),
        ([17_520, 0], [0, 50]),
        ([0, 17_520, 0], [12, 25, 13]),
        ([0, 17_520], [50, 0]),
        ([17_519, 1], [25, 25]),
        ([17_500, 20], [0, 50]),
        ([17_520, *[0] * 20], [25, *[1] * 5, *[2] * 10, *[0] * 5]),
    ],
)
def test_constant_column_that_begins_to_move_fires_at_once(p_value, tolerance, e, o):
    assert p_value(e, o, tolerance=tolerance) < 1e-9
    assert p_value(e, o, tolerance=tolerance, ordered=False) < 1e-9


@pytest.mark.parametrize("p_value", P_VALUES)
def test_one_stray_event_of_ten_thousand_never_fires(p_value):
    assert p_value([17_520, 0], [9_999, 1], tolerance=0.1) > 0.99
    # without tolerance it is Fisher's test: one event of 27,520 was in the smaller sample
    fisher = stats.fisher_exact([[1, 9_999], [0, 17_520]], alternative="greater").pvalue
    assert p_value([17_520, 0], [9_999, 1]) == pytest.approx(fisher)


def test_new_category_fires_from_the_share_that_the_floored_index_tolerates():
    # (w - 1e-4) * (logit(w) - logit(1e-4)) = 0.1 at w = 0.0191
    reference = [10**6, 0]
    assert psi(reference, [9_809, 191]) == pytest.approx(0.1, abs=0.001)
    assert psi_p_value(reference, [99_000, 1_000], tolerance=0.1) > 0.99
    assert psi_p_value(reference, [97_000, 3_000], tolerance=0.1) < 1e-9


def test_new_category_is_seen_among_hundreds_of_rare_ones_in_a_small_window():
    reference = [*np.repeat(58, 300), 0]
    window = np.zeros(301, int)
    window[np.arange(0, 300, 6)] = 1
    assert psi_p_value(reference, window, ordered=False) > 0.1
    window[-1] = 4
    assert psi_p_value(reference, window, ordered=False) < 1e-3


@pytest.mark.parametrize(
    ("measure", "p_value"), list(zip([psi, jensen_shannon, hellinger, kullback_leibler], P_VALUES, strict=True))
)
@pytest.mark.parametrize("shape", ["tilt", "one cell up", "one cell down"])
def test_with_enough_events_just_beyond_the_tolerance_is_drift_and_just_within_is_not(measure, p_value, shape):
    # However unlike its surroundings the change is, the verdict of a very large window is that of the value itself
    k = 10
    direction = {"tilt": np.linspace(-1, 1, k), "one cell up": np.eye(k)[3], "one cell down": -np.eye(k)[3]}[shape]
    changed = np.exp(1.0 * direction) / np.exp(1.0 * direction).sum() * 10**9
    reference = np.full(k, 10**8)
    value = measure(reference, changed)
    assert p_value(reference, changed, tolerance=value * 0.99) < 1e-9
    assert p_value(reference, changed, tolerance=value * 1.01) > 0.99


def test_power_is_that_of_the_plain_noncentral_test():
    # Ten cells, a normal column that moves by half a standard deviation (index 0.238), tolerance 0.1, level 0.001
    rng = np.random.default_rng(11)
    edges = stats.norm.ppf(np.arange(1, 10) / 10)
    shares = np.diff(np.concatenate(([0], stats.norm.cdf(edges - 0.5), [1])))
    n, m, runs = 500, 20_000, 1_000
    effective = 1 / (1 / n + 1 / m)
    ours = plain = 0
    for e, o in zip(rng.multinomial(m, np.full(10, 0.1), runs), rng.multinomial(n, shares, runs), strict=True):
        ours += psi_p_value(e, o, tolerance=0.1) < 0.001
        w, r = (o + 0.5) / (n + 5), (e + 0.5) / (m + 5)
        plain += stats.ncx2.sf(effective * float((w - r) @ np.log(w / r)), 9, effective * 0.1) < 0.001
    assert plain > 500
    assert ours > plain - 60


@pytest.mark.parametrize("p_value", P_VALUES)
def test_nothing_can_be_said_of_an_empty_side_or_a_single_cell(p_value):
    assert math.isnan(p_value([0, 0], [1, 2]))
    assert math.isnan(p_value([1, 2], [0, 0]))
    assert p_value([100], [50]) == 1.0
    assert p_value([100, 0], [50, 0]) == 1.0


@pytest.mark.parametrize("p_value", P_VALUES)
@pytest.mark.parametrize("tolerance", [-0.1, math.nan, math.inf])
def test_tolerance_that_is_no_distance_is_refused(p_value, tolerance):
    with pytest.raises(ValueError, match="tolerance"):
        p_value([1, 2], [2, 1], tolerance=tolerance)


@pytest.mark.parametrize("p_value", [jensen_shannon_p_value, hellinger_p_value])
def test_tolerance_beyond_the_largest_distance_is_refused(p_value):
    with pytest.raises(ValueError, match="at most 1"):
        p_value([1, 2], [2, 1], tolerance=1.5)


@pytest.mark.parametrize("p_value", P_VALUES)
def test_counts_of_other_cells_are_refused(p_value):
    with pytest.raises(ValueError, match="same cells"):
        p_value([1, 2], [1, 2, 3])
