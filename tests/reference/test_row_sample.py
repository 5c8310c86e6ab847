from __future__ import annotations

import numpy as np
import pytest

from stream_gov.reference.row_sample import RowSample


def sample_of(values: np.ndarray, size: int, cuts: list[int]) -> np.ndarray:
    sample = RowSample(size)
    for part in np.split(values, cuts):
        sample.update({"x": part}, len(part))
    return sample.numbers("x")


def test_all_rows_are_kept_up_to_the_size():
    values = np.arange(1_000.0)

    np.testing.assert_array_equal(sample_of(values, 1_000, [10, 500]), values)


def test_the_sample_does_not_depend_on_the_batches():
    values = np.arange(50_000.0)
    whole = sample_of(values, 500, [])

    assert whole.size == 500
    for cuts in ([1], [7, 8, 20_000], list(range(0, 50_000, 333))):
        np.testing.assert_array_equal(sample_of(values, 500, cuts), whole)


def test_quantiles_of_the_sample_have_the_stated_error():
    # The rank of a sample quantile is off by at most 0.5 / sqrt(size) in standard error. Five of them: chance 6e-7 for random rows,
    # and the rows are fixed, so this cannot fail by chance.
    size, n = 2_000, 100_000
    ranks = sample_of(np.arange(n) / n, size, [])

    for p in np.arange(1, 10) / 10:
        assert abs(np.quantile(ranks, p) - p) < 5 * 0.5 / np.sqrt(size)


def test_neighbouring_rows_are_drawn_independently():
    drawn = np.zeros(100_000)
    drawn[sample_of(np.arange(100_000.0), 10_000, []).astype(int)] = 1

    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 5 / np.sqrt(100_000)


def test_a_column_that_comes_late_or_goes_early_keeps_its_rows():
    sample = RowSample(10)
    sample.update({"a": np.array([1.0, 2.0])}, 2)
    sample.update({"b": np.array([3.0, np.nan])}, 2)

    assert sample.numbers("a").tolist() == [1, 2]
    assert sample.numbers("b").tolist() == [3]
    assert sample.numbers("c").tolist() == []


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        RowSample(0)
