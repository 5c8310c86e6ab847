"""Sketch of a column about which nothing is known yet: what a reference profile is made from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch
from numpy.typing import NDArray

from stream_gov.summaries.categorical import category_name
from stream_gov.summaries.heavy_hitters import HeavyHitters

__all__ = ["ColumnSketch"]

_KLL_K = 200
_NUMBERS_CAPACITY = 256
_CATEGORIES_CAPACITY = 1_000


class ColumnSketch:
    """Types, quantiles, moments and frequent values of a column of any type, in bounded memory.

    Notes
    -----
    Error: counts by type exact; quantiles of numbers within 1.33 % of rank (single-sided, 99 % confidence, KLL with `k` = 200: the
    error is one of rank, not of value); frequent numbers and categories as `HeavyHitters` says (256 and 1,000 kept); mean and
    variance within float rounding. KLL tosses coins, so merging in another order gives another, equally good, sketch.

    References
    ----------
    Karnin, Lang and Liberty (2016), Optimal quantile approximation in streams, FOCS. Chan, Golub and LeVeque (1983), Algorithms for
    computing the sample variance, The American Statistician 37.
    """

    __slots__ = (
        "categories",
        "mean",
        "n_booleans",
        "n_missing",
        "n_numbers",
        "n_other",
        "n_strings",
        "numbers",
        "quantiles",
        "squares",
    )

    def __init__(self) -> None:
        self.n_missing = 0
        self.n_numbers = 0
        self.n_strings = 0
        self.n_booleans = 0
        self.n_other = 0
        self.quantiles = kll_doubles_sketch(_KLL_K)
        self.numbers = HeavyHitters(_NUMBERS_CAPACITY)
        self.categories = HeavyHitters(_CATEGORIES_CAPACITY)
        self.mean = 0.0
        self.squares = 0.0
        """Sum of squared distances from the mean."""

    @property
    def n(self) -> int:
        """Values seen, of any type."""
        return self.n_missing + self.n_numbers + self.n_strings + self.n_booleans + self.n_other

    def update_values(self, values: Sequence[Any]) -> None:
        """Add values of any JSON type; None and NaN are missing, infinities and all else count in `n_other`."""
        by_type: dict[type, list[Any]] = {}
        for value in values:
            by_type.setdefault(type(value), []).append(value)
        for kind, items in by_type.items():
            if kind is type(None):
                self.n_missing += len(items)
            elif kind is bool:
                self.n_booleans += len(items)
                self.categories.update({category_name(v): c for v, c in Counter(items).items()})
            elif kind is str:
                self.n_strings += len(items)
                counts: Counter[str] = Counter()
                for text, count in Counter(items).items():
                    counts[category_name(text)] += count
                self.categories.update(counts)
            elif kind in (int, float):
                self.update_numbers(np.array(items, np.float64))
            else:
                self.n_other += len(items)

    def update_numbers(self, values: NDArray[np.float64]) -> None:
        """Add numbers, shape `(m,)`; NaN is missing, infinity counts in `n_other`."""
        missing = np.isnan(values)
        finite = values[np.isfinite(values)]
        self.n_missing += int(missing.sum())
        self.n_other += int(values.size - missing.sum() - finite.size)
        if not finite.size:
            return
        self.quantiles.update(finite)
        distinct, counts = np.unique(finite, return_counts=True)
        self.numbers.update({repr(float(v)): int(c) for v, c in zip(distinct, counts, strict=True)})
        with np.errstate(over="ignore", invalid="ignore"):  # near the largest float the moments end as infinity or NaN
            mean = float(finite.mean())
            squares = float(((finite - mean) ** 2).sum())
        self._combine(int(finite.size), mean, squares)

    def _combine(self, n: int, mean: float, squares: float) -> None:
        total = self.n_numbers + n
        if not n:
            return
        delta = mean - self.mean
        self.squares += squares + delta * delta * self.n_numbers * n / total
        self.mean += delta * n / total
        self.n_numbers = total

    def quantile(self, rank: float) -> float:
        """Quantile of the numbers at a rank in `[0, 1]`; `nan` without numbers."""
        return float(self.quantiles.get_quantile(rank)) if self.n_numbers else math.nan

    def variance(self) -> float:
        """Sample variance of the numbers; `nan` with fewer than two."""
        return self.squares / (self.n_numbers - 1) if self.n_numbers > 1 else math.nan

    def merge(self, other: ColumnSketch) -> ColumnSketch:
        """Return the sketch of both; neither is changed."""
        merged = ColumnSketch()
        for name in ("n_missing", "n_strings", "n_booleans", "n_other"):
            setattr(merged, name, getattr(self, name) + getattr(other, name))
        for part in (self, other):
            merged._combine(part.n_numbers, part.mean, part.squares)
            if part.n_numbers:
                merged.quantiles.merge(part.quantiles)
        merged.numbers = self.numbers.merge(other.numbers)
        merged.categories = self.categories.merge(other.categories)
        return merged

    def copy(self) -> ColumnSketch:
        """Return an independent copy."""
        return self.merge(ColumnSketch())

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [
            [self.n_missing, self.n_numbers, self.n_strings, self.n_booleans, self.n_other],
            [self.mean, self.squares],
            self.quantiles.serialize() if self.n_numbers else b"",
            self.numbers.to_state() if self.numbers.n else None,
            self.categories.to_state() if self.categories.n else None,
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> ColumnSketch:
        """Read what :meth:`to_state` gave."""
        sketch = cls()
        counts, moments, quantiles, numbers, categories = state
        sketch.n_missing, sketch.n_numbers, sketch.n_strings, sketch.n_booleans, sketch.n_other = counts
        sketch.mean, sketch.squares = moments
        if quantiles:
            sketch.quantiles = kll_doubles_sketch.deserialize(quantiles)
        if numbers is not None:
            sketch.numbers = HeavyHitters.from_state(numbers)
        if categories is not None:
            sketch.categories = HeavyHitters.from_state(categories)
        return sketch
