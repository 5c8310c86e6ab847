"""The pane with which a drift begins, against a brute-force search, and how often it is seen by chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from stream_gov.diagnosis import change_pane
from tests.diagnosis.columns import reference_of, window_of

RNG = np.random.default_rng(12)
REFERENCE = reference_of(RNG.normal(0, 1, 20_000))


def panes(rng, means, n=100):
    return [window_of(REFERENCE, rng.normal(mean, 1, n)) for mean in means]


@pytest.mark.parametrize("at", [1, 3, 12, 23])
def test_the_pane_with_which_a_shift_begins_is_found(at):
    rng = np.random.default_rng(at)
    assert change_pane(REFERENCE, panes(rng, [0.0] * at + [2.0] * (24 - at), n=400)) == at


def test_the_split_is_the_one_of_the_largest_likelihood_ratio():
    rng = np.random.default_rng(3)
    drawn = panes(rng, [0.0] * 9 + [1.0] * 15, n=40)
    counts = np.array([p.cell_counts() for p in drawn])
    ratios = [
        stats.chi2_contingency(
            np.array([counts[:i].sum(axis=0), counts[i:].sum(axis=0)]), correction=False, lambda_="log-likelihood"
        ).statistic
        for i in range(1, 24)
    ]
    assert change_pane(REFERENCE, drawn) == int(np.argmax(ratios)) + 1


@pytest.mark.parametrize(
    ("why", "means"),
    [
        ("the whole window is shifted", [2.0] * 24),
        ("nothing happened", [0.0] * 24),
        ("day and night differ in the whole window, and the reference has neither", [2.0] * 12 + [-2.0] * 12),
        ("the drift was there before, and is over", [2.0] * 8 + [0.0] * 16),
        ("one pane tells no time", [2.0]),
        ("no pane at all", []),
    ],
)
def test_where_no_drift_begins_no_time_is_told(why, means):
    assert change_pane(REFERENCE, panes(np.random.default_rng(1), means, n=400)) is None, why


def test_missing_values_that_set_in_are_found():
    drawn = [window_of(REFERENCE, [0.0] * 90, n_missing=10 if i >= 5 else 0) for i in range(12)]
    assert change_pane(REFERENCE, drawn, statistic="missing_share") == 5
    assert change_pane(REFERENCE, drawn, statistic="type_error_share") is None


def test_empty_panes_are_no_change():
    drawn = panes(np.random.default_rng(1), [0.0] * 6 + [2.0] * 6, n=200)
    empty = window_of(REFERENCE, [])
    assert change_pane(REFERENCE, [empty, *drawn[:6], empty, *drawn[6:], empty]) in (7, 8)
    assert change_pane(REFERENCE, [empty] * 5) is None


def test_without_a_change_one_is_seen_less_often_than_once_in_a_hundred_windows():
    # the level is 0.001 by Bonferroni; small counts make the likelihood ratio somewhat larger than chi-squared
    rng = np.random.default_rng(7)
    seen = sum(change_pane(REFERENCE, panes(rng, [0.3] * 24, n=50)) is not None for _ in range(300))
    assert seen <= 3
