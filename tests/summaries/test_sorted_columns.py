"""Updating many columns at once, from sorted values, is the same to the last byte as one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.summaries import BooleanLayout, BooleanSummary, NumericColumns, NumericLayout, NumericSummary

LAYOUTS = [
    NumericLayout(np.array([-1.0, 0.0, np.nextafter(0.0, 1.0), 2.5]), np.array([0, 0, 1, 2, 2]), 0.5, 1.5),
    NumericLayout(np.empty(0), np.array([0]), 1e6, 1e-6),
    NumericLayout(np.array([1e300]), np.array([0, 1]), -1e300, 1e290),
]

cells = st.one_of(
    st.floats(-5, 5), st.floats(allow_infinity=False), st.sampled_from([math.nan, 0.0, -0.0, 2.5, 1e308, -1e308, 1e6])
)


def sorted_rows(rows: list[list[float]]) -> np.ndarray:
    return np.sort(np.array(rows, np.float64), axis=1)


@given(
    rows=st.integers(1, 30).flatmap(lambda m: st.lists(st.lists(cells, min_size=m, max_size=m), min_size=3, max_size=3))
)
def test_sorted_columns_are_counted_as_values_one_by_one(rows):
    at_once, one_by_one = ([NumericSummary(layout) for layout in LAYOUTS] for _ in range(2))
    wrong = np.array([min(1, sum(map(math.isnan, row))) for row in rows])
    for _ in range(2):
        NumericColumns(LAYOUTS).update_sorted(at_once, sorted_rows(rows), wrong)
    for summary, row, n_wrong in zip(one_by_one, rows, wrong.tolist(), strict=True):
        for value in row * 2:
            if not math.isnan(value):
                summary.update_values(np.array([value]))
        n_missing = sum(map(math.isnan, row)) - n_wrong
        summary.update_values(np.empty(0), n_missing=2 * n_missing, n_type_errors=2 * n_wrong)
    assert repr([s.to_state() for s in at_once]) == repr([s.to_state() for s in one_by_one])


@pytest.mark.parametrize("m", [1, 100, 4_096, 8_192])
def test_any_number_of_columns_and_rows_up_to_the_bound(m):
    rng = np.random.default_rng(m)
    layouts = LAYOUTS * 5
    values = rng.normal(size=(15, m)) * rng.choice([1.0, 1e7, 1e-7], (15, 1))
    values[3, : m // 2] = math.nan
    values[4] = math.nan
    summaries = [NumericSummary(layout) for layout in layouts]
    NumericColumns(layouts).update_sorted(summaries, np.sort(values, axis=1), np.zeros(15, np.int64))
    for summary, row in zip(summaries, values, strict=True):
        alone = NumericSummary(summary.layout)
        alone.update_values(row[~np.isnan(row)], n_missing=int(np.isnan(row).sum()))
        assert repr(summary.to_state()) == repr(alone.to_state())


@pytest.mark.parametrize("m", [0, 8_193])
def test_more_rows_than_sums_stay_exact_for_are_refused(m):
    with pytest.raises(ValueError, match=f"1 to 8192 values of each column at once, got {m}"):
        NumericColumns(LAYOUTS[:1]).update_sorted([NumericSummary(LAYOUTS[0])], np.zeros((1, m)), np.zeros(1, np.int64))


@pytest.mark.parametrize("values", [[0.0, -0.0], [-0.0, 0.0]])
def test_the_two_zeros_are_one_extreme(values):
    summary = NumericSummary(LAYOUTS[0])
    summary.update_values(np.array(values))
    assert math.copysign(1, summary.minimum) == math.copysign(1, summary.maximum) == 1


def test_a_boolean_summary_takes_counts():
    summary, other = BooleanSummary(BooleanLayout()), BooleanSummary(BooleanLayout())
    summary.update_counts({True: 3, False: 2}, n_missing=1, n_type_errors=4)
    other.update_values([True, False, True, True, False], n_missing=1, n_type_errors=4)
    assert summary.to_state() == other.to_state()
