from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_gov.reference.rows import Rechunker, RowBatch, as_numbers, split_values


def test_values_are_sorted_by_json_type():
    numbers, strings, booleans, n_missing, n_other = split_values(
        [1, 2.5, "a", "", True, None, float("nan"), float("inf"), 10**400, [1], {"a": 1}]
    )

    assert numbers.tolist() == [1, 2.5]
    assert (strings, booleans, n_missing, n_other) == (["a", ""], [True], 2, 4)


def test_an_array_holds_numbers_and_missing_values():
    numbers, strings, booleans, n_missing, n_other = split_values(np.array([1, np.nan, -np.inf, 3]))

    assert (numbers.tolist(), strings, booleans, n_missing, n_other) == ([1, 3], [], [], 1, 1)


def test_what_is_no_number_becomes_nan():
    np.testing.assert_array_equal(as_numbers([1, "2", None, True, 10**400]), [1, np.nan, np.nan, np.nan, np.inf])


@given(st.lists(st.integers(0, 7), max_size=20), st.integers(1, 5))
def test_chunks_have_one_size_and_lose_no_row(sizes, size):
    rechunker = Rechunker(size)
    chunks, n = [], 0
    for m in sizes:
        values = np.arange(n, n + m, dtype=float)
        batch = RowBatch({"a": values, "b": list(values)}, m, times_ms=np.arange(n, n + m), versions=["1"] * m)
        chunks.extend(rechunker.feed(batch))
        n += m
    chunks.extend(rechunker.rest())

    assert [c.n_rows for c in chunks[:-1]] == [size] * (len(chunks) - 1)
    assert [v for c in chunks for v in c.columns["a"]] == list(range(n))
    assert [v for c in chunks for v in c.columns["b"]] == list(range(n))
    assert [t for c in chunks for t in c.times_ms] == list(range(n))
    assert sum(len(c.versions) for c in chunks) == n


def test_a_column_that_some_batches_lack_is_missing_there():
    rechunker = Rechunker(10)
    assert list(rechunker.feed(RowBatch({"a": np.array([1.0])}, 1))) == []
    assert list(rechunker.feed(RowBatch({"b": ["x"]}, 1))) == []
    (chunk,) = rechunker.rest()

    assert dict(chunk.columns) == {"a": [1.0, None], "b": [None, "x"]}


def test_a_batch_with_columns_of_different_lengths_is_refused():
    with pytest.raises(ValueError, match="'b' has 1 values in a batch of 2 rows"):
        RowBatch({"a": [1, 2], "b": [1]}, 2)
    with pytest.raises(ValueError, match="times_ms has 1 values in a batch of 2 rows"):
        RowBatch({"a": [1, 2]}, 2, times_ms=np.array([1]))
