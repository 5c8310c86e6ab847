"""Joint first and second moments of a model's numeric columns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import IncompatibleSummaryError
from stream_gov.summaries.layout import NumericLayout

__all__ = ["CovarianceSummary"]

_RESOLUTION = 2.0**12
# Clipped at 32 scales from the center: |q| <= 2**17, products below 2**34. A chunk of 2**13 rows sums below 2**47, so the float matrix
# product is exact; the int64 totals hold 2**29 rows at the clip, and far more in practice.
_CLIP = 2.0**17
_CHUNK = 8_192


class CovarianceSummary:
    """Covariance of numeric columns over the rows in which all of them are present; merging is exact and free of order.

    Parameters
    ----------
    columns
        Layouts by name, `d` of them, in a fixed order; each column is centered and scaled by its layout.

    Notes
    -----
    Error: values are rounded to `scale / 2**12` and clipped at 32 scales from the center. Empty: `nan` throughout.
    Cost: `update_rows` O(d**2) per row (one matrix product), `merge` O(d**2).
    """

    __slots__ = ("columns", "cross", "n", "sums")

    def __init__(self, columns: dict[str, NumericLayout]) -> None:
        self.columns = columns
        d = len(columns)
        self.n = 0
        self.sums: NDArray[np.int64] = np.zeros(d, np.int64)
        self.cross: NDArray[np.int64] = np.zeros((d, d), np.int64)

    def update_rows(self, rows: NDArray[np.float64]) -> None:
        """Add rows, shape `(m, d)`; rows with a NaN are left out."""
        layouts = self.columns.values()
        center = np.array([c.center for c in layouts])
        scale = np.array([c.scale for c in layouts])
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            chunk = chunk[~np.isnan(chunk).any(axis=1)]
            with np.errstate(over="ignore"):  # a distance that no float holds is infinite here, and clipped
                q = np.clip(np.rint((chunk - center) * (_RESOLUTION / scale)), -_CLIP, _CLIP)
            self.n += len(q)
            self.sums += q.sum(axis=0).astype(np.int64)
            self.cross += (q.T @ q).astype(np.int64)

    def mean(self) -> NDArray[np.float64]:
        """Means in the columns' units, shape `(d,)`."""
        center = np.array([c.center for c in self.columns.values()])
        scale = np.array([c.scale for c in self.columns.values()])
        return center + (self.sums / self.n if self.n else math.nan) * (scale / _RESOLUTION)

    def covariance(self) -> NDArray[np.float64]:
        """Sample covariance (divisor `n - 1`) in the columns' units, shape `(d, d)`; `nan` with fewer than two rows."""
        d = len(self.columns)
        if self.n < 2:
            return np.full((d, d), math.nan)
        scale = np.array([c.scale for c in self.columns.values()]) / _RESOLUTION
        scaled = (self.cross - np.outer(self.sums, self.sums / self.n)) / (self.n - 1)
        return scaled * np.outer(scale, scale)

    def merge(self, other: CovarianceSummary) -> CovarianceSummary:
        """Return the summary of both; neither is changed."""
        if list(self.columns) != list(other.columns):
            msg = f"cannot merge covariances of different columns: {list(self.columns)} and {list(other.columns)}"
            raise IncompatibleSummaryError(msg)
        merged = CovarianceSummary(self.columns)
        merged.n = self.n + other.n
        merged.sums = self.sums + other.sums
        merged.cross = self.cross + other.cross
        return merged

    def to_state(self) -> list[Any]:
        """Plain data, for packing: the upper triangle only."""
        upper = self.cross[np.triu_indices(len(self.columns))]
        return [self.n, self.sums.astype("<i8").tobytes(), upper.astype("<i8").tobytes()]

    @classmethod
    def from_state(cls, state: list[Any], columns: dict[str, NumericLayout]) -> CovarianceSummary:
        """Read what :meth:`to_state` gave."""
        summary = cls(columns)
        summary.n, sums, upper = state
        summary.sums = np.frombuffer(sums, "<i8").astype(np.int64)
        rows, cols = np.triu_indices(len(columns))
        summary.cross[rows, cols] = np.frombuffer(upper, "<i8")
        summary.cross[cols, rows] = summary.cross[rows, cols]
        return summary
