"""Grouping of small cells: nothing is lost, every group holds enough, and the reference's own order favours none."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from stream_gov.statistics.cell_groups import ENOUGH, group_cells

PAIRS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(0, 300)).filter(lambda pair: sum(pair) > 0), min_size=1, max_size=60
)


@given(pairs=PAIRS, ordered=st.booleans())
def test_groups_hold_all_events_and_nearly_all_groups_hold_enough(pairs, ordered):
    e, o = np.array(pairs, float).T
    assume(e.sum() and o.sum())
    groups = group_cells(e, o, ordered=ordered)
    assert groups.expected.sum() + groups.left_expected == e.sum()
    assert groups.observed.sum() + groups.left_observed == o.sum()
    m, n = e.sum(), o.sum()
    fitted = (groups.expected + groups.observed) * min(n, m) / (n + m)
    assert (fitted >= ENOUGH - 1e-9).sum() >= fitted.size - 1
    assert fitted.size == 0 or fitted.min() >= 1 - 1e-9
    assert (groups.left_expected + groups.left_observed) * min(n, m) / (n + m) < 1


def test_large_cells_are_left_as_they_are():
    e, o = np.array([100.0, 200.0, 300.0]), np.array([30.0, 20.0, 10.0])
    groups = group_cells(e, o, ordered=True)
    assert groups.expected.tolist() == e.tolist()
    assert groups.observed.tolist() == o.tolist()


def test_neighbours_are_joined_where_the_order_is_the_columns_own():
    e, o = np.full(10, 100.0), np.array([3.0, 2.0, 1.0, 4.0, 5.0, 3.0, 2.0, 4.0, 2.0, 4.0])  # 3 expected per cell
    groups = group_cells(e, o, ordered=True)
    assert groups.expected.tolist() == [200] * 5
    assert groups.observed.tolist() == [5, 5, 8, 6, 6]


def test_cells_empty_in_the_reference_are_joined_with_those_it_hardly_has():
    e, o = np.array([1_000.0, 1_000.0, 2.0, 1.0, 0.0]), np.array([900.0, 1_000.0, 1.0, 2.0, 80.0])
    groups = group_cells(e, o, ordered=False)
    assert groups.expected.tolist() == [1_000, 1_000, 3]
    assert groups.observed.tolist() == [900, 1_000, 83]


def test_cells_of_equal_totals_are_not_joined_in_the_order_of_the_reference():
    # 200 cells of 6 events each, sorted by how many of them the reference drew: joined in this order the first groups would be full
    # of the reference and the last of the window
    e = np.repeat([6.0, 5.0, 4.0, 3.0, 2.0], 40)
    o = 6 - e
    m = e.sum()
    by_order, scattered = (group_cells(np.append(e, 10 * m), np.append(o, m), ordered=x) for x in (True, False))
    shares = [(groups.expected / (groups.expected + groups.observed))[1:-1].std() for groups in (by_order, scattered)]
    assert shares[1] < shares[0] / 2
