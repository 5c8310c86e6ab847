"""First pass over a column: everything its layout is chosen from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stream_gov.reference.numeric_cells import ValueCounts
from stream_gov.reference.rows import ColumnValues, split_values
from stream_gov.summaries import ColumnSketch, HeavyHitters, category_name

__all__ = ["ColumnScan"]

_CATEGORIES_CAPACITY = 10_000


class ColumnScan:
    """Sketch, categories and order of one column, in bounded memory.

    Parameters
    ----------
    numbers_are_categories
        Count numbers as categories too: the monitor says that they are.

    Notes
    -----
    Error: categories exact up to 10,000 distinct ones, beyond that as `HeavyHitters` says. Everything but the sketch's quantiles
    depends on the values and on where the chunks end, on nothing else.
    """

    __slots__ = ("_last", "categories", "increasing", "n_lists", "numbers_are_categories", "sketch")

    def __init__(self, *, numbers_are_categories: bool = False) -> None:
        self.sketch = ColumnSketch()
        self.categories = HeavyHitters(_CATEGORIES_CAPACITY)
        self.numbers_are_categories = numbers_are_categories
        self.n_lists = 0
        """Values that are lists: vectors that nobody declared, perhaps."""
        self.increasing = True
        """Whether each value so far was a number larger than the one before."""
        self._last = -np.inf

    def update_missing(self, n: int) -> None:
        """Add rows that do not have the column."""
        self.sketch.n_missing += n
        self.increasing = self.increasing and not n

    def update(self, values: ColumnValues) -> None:
        """Add values of any JSON type."""
        numbers, strings, booleans, n_missing, n_other = split_values(values)
        sketch = self.sketch
        sketch.n_missing += n_missing
        sketch.n_other += n_other
        if n_other and not isinstance(values, np.ndarray):
            self.n_lists += sum(type(value) is list for value in values)
        if numbers.size:
            # Values near the largest float overflow the sketch's moments; the layout then takes the median.
            with np.errstate(over="ignore", invalid="ignore"):
                sketch.update_numbers(numbers)
        if strings:
            counts = _by_category(strings)
            sketch.n_strings += len(strings)
            sketch.categories.update(counts)
            self.categories.update(counts)
        if booleans:
            counts = _by_category(booleans)
            sketch.n_booleans += len(booleans)
            sketch.categories.update(counts)
            self.categories.update(counts)
        if numbers.size and self.numbers_are_categories:
            self.categories.update(_by_category(numbers.tolist()))
        self._follow_order(numbers, len(values))

    def _follow_order(self, numbers: NDArray[np.float64], n_rows: int) -> None:
        if self.increasing and n_rows:
            self.increasing = numbers.size == n_rows and bool(
                numbers[0] > self._last and np.all(numbers[1:] > numbers[:-1])
            )
            if self.increasing:
                self._last = float(numbers[-1])

    def few_numbers(self, largest: int) -> ValueCounts | None:
        """Return all distinct numbers with their exact counts, if there are at most `largest`; otherwise None."""
        numbers = self.sketch.numbers
        if numbers.error or len(numbers.counts) > largest or not numbers.counts:
            return None
        values = np.array([float(text) for text in numbers.counts]) + 0.0
        counts = np.array(list(numbers.counts.values()), np.int64)
        distinct, place = np.unique(values, return_inverse=True)
        return ValueCounts(distinct, np.bincount(place, weights=counts).astype(np.int64))


def _by_category(values: Iterable[str | float | bool]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for value, count in Counter(values).items():
        counts[category_name(value)] += count
    return counts
