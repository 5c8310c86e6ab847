from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.detection.pane_log import BLOCK_ROWS, PaneLog

A, B, C = ("a", "mean"), ("b", "mean"), ("", "events")
SETS = [(A,), (A, B), (B, A, C), (C,)]


def restored(log: PaneLog, order: list[int]) -> PaneLog:
    fresh = PaneLog()
    for number in order:
        fresh.restore_block(number, log.block_state(number))
    return fresh


@given(
    st.lists(st.tuples(st.sampled_from(SETS), st.integers(0, 3)), max_size=150),
    st.integers(0, 200),
    st.randoms(use_true_random=False),
)
def test_it_gives_back_what_was_added_for_as_long_as_the_series_is_kept(rows, dropped, shuffle):
    log, model = PaneLog(), []
    for number, (names, skipped) in enumerate(rows):
        row = {name: float(number * 10 + i) for i, name in enumerate(names) if i != skipped}
        log.append(row, names)
        log.until_ms = number
        # A block has the series of its newest row: of others it forgets what it held.
        for earlier in model[number // BLOCK_ROWS * BLOCK_ROWS :]:
            for name in set(earlier) - set(names):
                del earlier[name]
        model.append(row)
    log.drop_before(dropped)
    first = min(dropped // BLOCK_ROWS, max(len(rows) - 1, 0) // BLOCK_ROWS) * BLOCK_ROWS
    order = log.block_numbers
    shuffle.shuffle(order)
    for each in (log, restored(log, order)):
        assert (each.next_row, each.until_ms) == (len(rows), len(rows) - 1 if rows else None)
        for name in (A, B, C):
            expected = [row.get(name, math.nan) for row in model[first:]]
            np.testing.assert_array_equal(each.values(name, first, len(rows)), expected)


def test_a_new_row_changes_one_block_only():
    log = PaneLog()
    for i in range(3 * BLOCK_ROWS + 1):
        log.append({A: float(i)}, [A])
    log.until_ms = 0
    assert log.changed == {0, 1, 2, 3}
    log.changed.clear()
    log.append({A: 0.0}, [A])
    assert log.changed == {3}
    log.drop_before(2 * BLOCK_ROWS)
    assert (log.dropped, log.block_numbers) == ({0, 1}, [2, 3])


def test_the_last_block_stays_though_nobody_needs_its_rows_since_it_tells_the_next_number():
    log = PaneLog()
    for i in range(BLOCK_ROWS):
        log.append({A: float(i)}, [A])
    log.until_ms = 7
    log.drop_before(1_000)
    assert log.block_numbers == [0]
    assert restored(log, [0]).next_row == BLOCK_ROWS


def test_a_damaged_block_is_refused():
    log = PaneLog()
    log.append({A: 1.0}, [A])
    log.until_ms = 7
    until, n_rows, names, packed = log.block_state(0)
    with pytest.raises(ValueError, match="a block of 2 rows and 1 series has 1 values"):
        PaneLog().restore_block(0, [until, n_rows + 1, names, packed])
