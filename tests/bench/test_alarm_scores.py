"""The measures of `bench/detection.py` against the numbers that river's documentation of `drift.evaluate` (08ef02c) states."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.alarm_scores import score


def at(*times: int) -> list[tuple[int, int]]:
    return [(t, t) for t in times]


@pytest.mark.parametrize(
    ("alarms", "drifts", "measure", "value"),
    [
        ([110, 900], at(100), "precision", 0.5),
        ([110, 130], at(100, 500), "recall", 2 / 3),
        ([110, 130], at(100, 500), "missed", 0.5),
        ([110], at(100, 500), "missed", 0.5),
        ([110, 530], at(100, 500, 900), "delay", 20.0),
        ([110, 900], at(100), "false_alarm_rate", 1 / 1000),
        ([200, 300, 500], [], "between_false_alarms", 150.0),
        ([110, 400, 700], at(100, 900), "mean_time_ratio", 15.0),
    ],
)
def test_published_scores_are_found(alarms, drifts, measure, value):
    assert getattr(score(alarms, drifts, delta_max=50, n=1000), measure) == pytest.approx(value)


def test_what_is_undefined_is_nan():
    nothing = score([], at(100), delta_max=50, n=1000)
    assert math.isnan(nothing.precision)
    assert math.isnan(nothing.delay)
    assert (nothing.missed, nothing.false_alarm_rate, nothing.n_alarms) == (1.0, 0.0, 0)
    assert math.isnan(score([1], [], delta_max=50, n=1000).missed)
    assert math.isnan(score([110, 300], at(100), delta_max=50, n=1000).mean_time_ratio), "one false alarm has no gap"


def test_the_window_of_a_drift_is_closed_on_both_sides_and_longer_by_delta_max():
    drift = [(100, 120)]
    assert [score([t], drift, delta_max=5, n=1000).n_false for t in (99, 100, 120, 125, 126)] == [1, 0, 0, 0, 1]


def test_lengths_that_are_none_are_refused():
    with pytest.raises(ValueError, match="delta_max and n must be at least 1, got 0 and 10"):
        score([], [], delta_max=0, n=10)


@given(st.lists(st.integers(0, 500), unique=True), st.lists(st.integers(0, 9), unique=True))
def test_each_alarm_is_true_or_false_and_each_drift_found_or_missed(alarms, drifts):
    drifts = [(50 * d, 50 * d + 5) for d in sorted(drifts)]
    found = score(sorted(alarms), drifts, delta_max=10, n=500)
    hit = {i for i, (start, end) in enumerate(drifts) if any(start <= a <= end + 10 for a in alarms)}
    true = sum(any(start <= a <= end + 10 for start, end in drifts) for a in alarms)
    assert found.n_false == len(alarms) - true
    if drifts:
        assert found.missed == pytest.approx(1 - len(hit) / len(drifts))
