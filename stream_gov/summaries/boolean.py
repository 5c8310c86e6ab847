"""Summary of a column of true and false."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.layout import BooleanLayout

__all__ = ["BooleanSummary"]


class BooleanSummary:
    """Exact counts of false, true, missing values and values of a wrong type."""

    __slots__ = ("layout", "n_false", "n_missing", "n_true", "n_type_errors")

    kind = "boolean"

    def __init__(self, layout: BooleanLayout) -> None:
        self.layout = layout
        self.n_false = 0
        self.n_true = 0
        self.n_missing = 0
        self.n_type_errors = 0

    @property
    def n_valid(self) -> int:
        """Values of false and true."""
        return self.n_false + self.n_true

    @property
    def n(self) -> int:
        """Events seen: valid, missing and of a wrong type."""
        return self.n_valid + self.n_missing + self.n_type_errors

    def update_values(self, values: Sequence[bool], *, n_missing: int = 0, n_type_errors: int = 0) -> None:
        """Add values, and how many more were missing or of a wrong type."""
        n_true = sum(values)
        self.n_true += n_true
        self.n_false += len(values) - n_true
        self.n_missing += n_missing
        self.n_type_errors += n_type_errors

    def update_counts(self, counts: Mapping[bool, int], *, n_missing: int = 0, n_type_errors: int = 0) -> None:
        """Add values by their counts, and how many more were missing or of a wrong type."""
        self.n_true += counts.get(True, 0)
        self.n_false += counts.get(False, 0)
        self.n_missing += n_missing
        self.n_type_errors += n_type_errors

    def cell_counts(self) -> NDArray[np.int64]:
        """Counts of false and of true, shape `(2,)`."""
        return np.array([self.n_false, self.n_true], np.int64)

    def merge(self, other: BooleanSummary) -> BooleanSummary:
        """Return the summary of both; neither is changed."""
        merged = BooleanSummary(self.layout)
        merged.n_false = self.n_false + other.n_false
        merged.n_true = self.n_true + other.n_true
        merged.n_missing = self.n_missing + other.n_missing
        merged.n_type_errors = self.n_type_errors + other.n_type_errors
        return merged

    def copy(self) -> BooleanSummary:
        """Return an independent copy."""
        return self.merge(BooleanSummary(self.layout))

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [self.n_missing, self.n_type_errors, self.n_false, self.n_true]

    @classmethod
    def from_state(cls, state: list[Any], layout: BooleanLayout) -> BooleanSummary:
        """Read what :meth:`to_state` gave."""
        summary = cls(layout)
        summary.n_missing, summary.n_type_errors, summary.n_false, summary.n_true = state
        return summary
