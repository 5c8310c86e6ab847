"""Summary of a categorical column: exact counts of the known categories, heavy hitters among the unseen."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import IncompatibleSummaryError
from stream_gov.summaries.heavy_hitters import HeavyHitters
from stream_gov.summaries.layout import CategoricalLayout
from stream_gov.summaries.packing import pack_counts, unpack_counts

__all__ = ["UNSEEN_CAPACITY", "CategoricalSummary", "category_name"]

UNSEEN_CAPACITY = 32
"""Unseen categories kept by name; a flood of new ones costs no more."""

_LONGEST_NAME = 120


def category_name(value: str | float | bool) -> str:
    """Text that stands for a category: numbers in their shortest decimal form, long text cut and made distinct by a hash.

    Examples
    --------
    >>> category_name(1), category_name(1.0), category_name(0.5), category_name(True), category_name("1")
    ('1', '1', '0.5', 'true', '1')
    """
    if isinstance(value, str):
        if len(value) <= _LONGEST_NAME:
            return value
        digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
        return f"{value[: _LONGEST_NAME - 15]}...{digest}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


class CategoricalSummary:
    """Counts of one categorical column; merging is exact for known categories and for the number of unseen ones.

    Parameters
    ----------
    layout
        The known categories, from the reference.

    Notes
    -----
    Error: counts of known categories, `n_unseen`, missing and type errors exact. Names of unseen categories by heavy hitters (see
    `HeavyHitters`): exact up to 32 of them. Empty: all counts 0.
    """

    __slots__ = ("counts", "layout", "n_missing", "n_type_errors", "unseen")

    kind = "categorical"

    def __init__(self, layout: CategoricalLayout) -> None:
        self.layout = layout
        self.counts: NDArray[np.int64] = np.zeros(len(layout.categories), np.int64)
        self.unseen = HeavyHitters(UNSEEN_CAPACITY)
        self.n_missing = 0
        self.n_type_errors = 0

    @property
    def n_unseen(self) -> int:
        """Values of categories that the reference does not know."""
        return self.unseen.n

    @property
    def n_valid(self) -> int:
        """Values of known and unseen categories."""
        return int(self.counts.sum()) + self.unseen.n

    @property
    def n(self) -> int:
        """Events seen: valid, missing and of a wrong type."""
        return self.n_valid + self.n_missing + self.n_type_errors

    def update_values(
        self, values: Iterable[str | float | bool], *, n_missing: int = 0, n_type_errors: int = 0
    ) -> None:
        """Add values, and how many more were missing or of a wrong type."""
        self.update_counts(Counter(values), n_missing=n_missing, n_type_errors=n_type_errors)

    def update_counts(
        self, counts: Mapping[str | float | bool, int], *, n_missing: int = 0, n_type_errors: int = 0
    ) -> None:
        """Add values by their counts, and how many more were missing or of a wrong type."""
        self.n_missing += n_missing
        self.n_type_errors += n_type_errors
        index = self.layout.index
        unseen: dict[str, int] = {}
        for value, count in counts.items():
            name = value if type(value) is str and len(value) <= _LONGEST_NAME else category_name(value)
            place = index.get(name)
            if place is None:
                unseen[name] = unseen.get(name, 0) + count
            else:
                self.counts[place] += count
        if unseen:
            self.unseen.update(unseen)

    def cell_counts(self) -> NDArray[np.int64]:
        """Counts of the known categories and, last, of all unseen ones together; shape `(known + 1,)`."""
        return np.append(self.counts, self.unseen.n)

    def merge(self, other: CategoricalSummary) -> CategoricalSummary:
        """Return the summary of both; neither is changed.

        Raises
        ------
        IncompatibleSummaryError
            The known categories differ.
        """
        if self.layout is not other.layout and self.layout != other.layout:
            msg = (
                f"cannot merge categorical summaries with different known categories ({len(self.layout.categories)} and "
                f"{len(other.layout.categories)}); build both from one reference profile"
            )
            raise IncompatibleSummaryError(msg)
        merged = CategoricalSummary(self.layout)
        merged.counts = self.counts + other.counts
        merged.unseen = self.unseen.merge(other.unseen)
        merged.n_missing = self.n_missing + other.n_missing
        merged.n_type_errors = self.n_type_errors + other.n_type_errors
        return merged

    def copy(self) -> CategoricalSummary:
        """Return an independent copy."""
        return self.merge(CategoricalSummary(self.layout))

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        unseen = self.unseen.to_state() if self.unseen.n else None
        return [self.n_missing, self.n_type_errors, pack_counts(self.counts), unseen]

    @classmethod
    def from_state(cls, state: list[Any], layout: CategoricalLayout) -> CategoricalSummary:
        """Read what :meth:`to_state` gave."""
        summary = cls(layout)
        summary.n_missing, summary.n_type_errors, counts, unseen = state
        summary.counts = unpack_counts(counts, len(layout.categories))
        if unseen is not None:
            summary.unseen = HeavyHitters.from_state(unseen)
        return summary
