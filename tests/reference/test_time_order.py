"""Rows of several partitions, brought into the order of time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.reference import RowBatch
from stream_gov.reference.time_order import in_time_order, sorted_chunks

partitions = st.lists(st.lists(st.integers(0, 50), max_size=40), min_size=1, max_size=4)


def batches(times: list[int], sizes: list[int], partition: int = 0) -> Iterator[RowBatch]:
    """Rows that say where they are from."""
    start = 0
    while start < len(times):
        size = sizes[start % len(sizes)]
        part = times[start : start + size]
        names = [f"{partition}-{start + i}" for i in range(len(part))]
        yield RowBatch({"row": names}, len(part), times_ms=np.array(part, np.int64))
        start += size


def read(found: Iterator[RowBatch]) -> list[tuple[int, str]]:
    return [(int(t), str(row)) for batch in found for t, row in zip(batch.times_ms, batch.columns["row"], strict=True)]


@given(partitions, st.lists(st.integers(1, 9), min_size=1, max_size=3))
def test_with_room_for_all_rows_the_result_is_sorted_and_lacks_none(times: list[list[int]], sizes: list[int]) -> None:
    found = read(in_time_order([lambda p=p, t=t: batches(t, sizes, p) for p, t in enumerate(times)], size=1_000))
    expected = [(t, p, i) for p, part in enumerate(times) for i, t in enumerate(part)]
    assert found == [(t, f"{p}-{i}") for t, p, i in sorted(expected)]


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 20))
def test_the_result_depends_on_the_rows_alone_not_on_the_batches(times: list[int], size: int) -> None:
    assert read(sorted_chunks(batches(times, [1]), size)) == read(sorted_chunks(batches(times, [7, 3]), size))


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(8, 20))
def test_rows_that_come_less_than_the_buffer_too_late_are_put_in_their_place(jitter: list[int], size: int) -> None:
    arrived = sorted(range(len(jitter)), key=lambda i: i + jitter[i])
    found = [t for t, _ in read(sorted_chunks(batches(arrived, [5]), size))]
    assert found == sorted(arrived)
