"""What every summary of a column can do."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries.layout import ColumnLayout

__all__ = ["ColumnSummary"]


class ColumnSummary(Protocol):
    """Summary of one column over some events.

    Merging is associative and commutative, and an empty summary is its neutral element; `tests/laws` holds every kind to it.
    """

    n_missing: int
    n_type_errors: int

    @property
    def layout(self) -> ColumnLayout:
        """The cells counted in."""

    @property
    def kind(self) -> str:
        """`numeric`, `categorical` or `boolean`."""

    @property
    def n(self) -> int:
        """Events seen: valid, missing and of a wrong type."""

    @property
    def n_valid(self) -> int:
        """Values counted in cells."""

    def cell_counts(self) -> NDArray[np.int64]:
        """Counts per group of cells, shape `(g,)`; two summaries of one layout have the same groups in the same order."""

    def merge(self, other: Self) -> Self:
        """Return the summary of both; neither is changed."""

    def to_state(self) -> list[Any]:
        """Plain data, for packing; equal content gives equal data."""

    def copy(self) -> Self:
        """Return an independent copy."""
