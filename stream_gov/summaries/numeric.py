"""Summary of a numeric column: exact counts in the reference's cells, exact moments, extremes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import IncompatibleSummaryError
from stream_gov.summaries.layout import NumericLayout
from stream_gov.summaries.packing import pack_counts, pack_integer, unpack_counts, unpack_integer

__all__ = ["NumericColumns", "NumericSummary"]

_CHUNK = 8_192
# Integers below 2**53 are exact in a float64. With |q| <= 2**20 a chunk's sum of squares stays below 2**(40 + 13), so numpy's fast
# float sums are exact whatever their order.
_FAST_BOUND = 2.0**20
# 16 million reference spreads from the reference's center. Beyond it values count as this far away: their sums would need more than
# 64 bits, and no statistic tells such distances apart.
_CLIP = 2.0**44
_LOW_BITS = 20


class NumericSummary:
    """Counts, moments and extremes of one numeric column; merging is exact and free of order.

    Parameters
    ----------
    layout
        Cells, groups, center and scale, from the reference.

    Notes
    -----
    Error: counts exact. Mean and variance are those of the values rounded to `scale / 2**16` (at most `scale / 2**17` off each) and
    clipped at `2**28` scales from the center. NaN never enters: it counts as missing before. Empty: `n_valid == 0`, mean, variance and extremes `nan`.
    Cost: `update_values` O(log k) per value, `merge` O(k).
    """

    __slots__ = ("counts", "layout", "maximum", "minimum", "n_missing", "n_type_errors", "sum_q", "sum_q2")

    kind = "numeric"

    def __init__(self, layout: NumericLayout) -> None:
        self.layout = layout
        self.counts: NDArray[np.int64] = np.zeros(layout.n_cells, np.int64)
        self.n_missing = 0
        self.n_type_errors = 0
        self.sum_q = 0
        self.sum_q2 = 0
        self.minimum = math.nan
        self.maximum = math.nan

    @property
    def n_valid(self) -> int:
        """Values counted in cells."""
        return int(self.counts.sum())

    @property
    def n(self) -> int:
        """Events seen: valid, missing and of a wrong type."""
        return self.n_valid + self.n_missing + self.n_type_errors

    def update_values(self, values: NDArray[np.float64], *, n_missing: int = 0, n_type_errors: int = 0) -> None:
        """Add values (finite float64, shape `(m,)`), and how many more were missing or of a wrong type."""
        self.n_missing += n_missing
        self.n_type_errors += n_type_errors
        for start in range(0, values.size, _CHUNK):
            self._update_chunk(values[start : start + _CHUNK])

    def _update_chunk(self, values: NDArray[np.float64]) -> None:
        layout = self.layout
        low, high = float(values.min()), float(values.max())
        self._widen(low, high)
        self.counts += np.bincount(layout.edges.searchsorted(values, side="right"), minlength=layout.n_cells)
        center, factor = layout.center, layout.factor
        with np.errstate(over="ignore"):  # an infinite step is clipped
            steps = np.rint((values - center) * factor)
        if max(abs(low - center), abs(high - center)) * factor < _FAST_BOUND:
            self.sum_q += int(steps.sum())
            self.sum_q2 += int(steps @ steps)
        else:
            self._add_far_steps(steps)

    def _widen(self, low: float, high: float) -> None:
        # Adding 0.0 makes a negative zero positive: which of the two equal zeros comes first must not change the bytes.
        if not (self.minimum <= low):  # also where it is nan
            self.minimum = low + 0.0
        if not (self.maximum >= high):
            self.maximum = high + 0.0

    def _add_sorted(
        self, values: NDArray[np.float64], steps: NDArray[np.float64], sum_q: int | None, sum_q2: float
    ) -> None:
        self._widen(float(values[0]), float(values[-1]))
        below = values.searchsorted(self.layout.edges)
        counts = self.counts
        counts[:-1] += below
        counts[1:] -= below
        counts[-1] += values.size
        if sum_q is None:
            self._add_far_steps(steps)
        else:
            self.sum_q += sum_q
            self.sum_q2 += int(sum_q2)

    def _add_far_steps(self, steps: NDArray[np.float64]) -> None:
        q = np.clip(steps, -_CLIP, _CLIP).astype(np.int64)
        upper, lower = q >> _LOW_BITS, q & ((1 << _LOW_BITS) - 1)
        self.sum_q += int(q.sum())
        self.sum_q2 += (
            (int(upper @ upper) << (2 * _LOW_BITS)) + (int(upper @ lower) << (_LOW_BITS + 1)) + int(lower @ lower)
        )

    def mean(self) -> float:
        """Mean of the valid values, in the column's unit; `nan` without values."""
        n = self.n_valid
        return self.layout.center + self.sum_q / n / self.layout.factor if n else math.nan

    def variance(self) -> float:
        """Sample variance (divisor `n - 1`), in the column's unit squared; `nan` with fewer than two values."""
        n = self.n_valid
        if n < 2:
            return math.nan
        # The numerator is an exact integer, so nothing cancels however far the mean is from zero.
        return (n * self.sum_q2 - self.sum_q**2) / (n * (n - 1)) / self.layout.factor**2

    def standard_deviation(self) -> float:
        """Square root of :meth:`variance`."""
        return math.sqrt(self.variance())

    def cell_counts(self) -> NDArray[np.int64]:
        """Counts per group of cells, shape `(n_groups,)`."""
        layout = self.layout
        counts = np.bincount(layout.groups, weights=self.counts, minlength=layout.n_groups)
        return counts.astype(np.int64)

    def merge(self, other: NumericSummary) -> NumericSummary:
        """Return the summary of both; neither is changed.

        Raises
        ------
        IncompatibleSummaryError
            The layouts differ.
        """
        if self.layout is not other.layout and self.layout != other.layout:
            msg = (
                f"cannot merge numeric summaries with different cells ({self.layout.n_cells} and {other.layout.n_cells}); "
                "build both from one reference profile"
            )
            raise IncompatibleSummaryError(msg)
        merged = NumericSummary(self.layout)
        merged.counts = self.counts + other.counts
        merged.n_missing = self.n_missing + other.n_missing
        merged.n_type_errors = self.n_type_errors + other.n_type_errors
        merged.sum_q = self.sum_q + other.sum_q
        merged.sum_q2 = self.sum_q2 + other.sum_q2
        merged.minimum = float(np.fmin(self.minimum, other.minimum))
        merged.maximum = float(np.fmax(self.maximum, other.maximum))
        return merged

    @classmethod
    def merge_all(cls, parts: Sequence[NumericSummary]) -> NumericSummary:
        """Return the summary of many of one layout, at least one: what merging them one by one gives, in a fraction of the time."""
        merged = cls(parts[0].layout)
        merged.counts = np.sum([part.counts for part in parts], axis=0)
        merged.n_missing = sum(part.n_missing for part in parts)
        merged.n_type_errors = sum(part.n_type_errors for part in parts)
        merged.sum_q = sum(part.sum_q for part in parts)
        merged.sum_q2 = sum(part.sum_q2 for part in parts)
        merged.minimum = min((part.minimum for part in parts if part.minimum == part.minimum), default=math.nan)
        merged.maximum = max((part.maximum for part in parts if part.maximum == part.maximum), default=math.nan)
        return merged

    def copy(self) -> NumericSummary:
        """Return an independent copy."""
        return self.merge(NumericSummary(self.layout))

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [
            self.n_missing,
            self.n_type_errors,
            pack_counts(self.counts),
            pack_integer(self.sum_q),
            pack_integer(self.sum_q2),
            self.minimum,
            self.maximum,
        ]

    @classmethod
    def from_state(cls, state: list[Any], layout: NumericLayout) -> NumericSummary:
        """Read what :meth:`to_state` gave."""
        summary = cls(layout)
        summary.n_missing, summary.n_type_errors, counts, sum_q, sum_q2, summary.minimum, summary.maximum = state
        summary.counts = unpack_counts(counts, layout.n_cells)
        summary.sum_q, summary.sum_q2 = unpack_integer(sum_q), unpack_integer(sum_q2)
        return summary


class NumericColumns:
    """Updates several numeric summaries at once, from values sorted by column: a fraction of the cost of one by one, the same sums.

    Parameters
    ----------
    layouts
        Of the columns, `d` of them, in the order of the rows given to :meth:`update_sorted`.
    """

    def __init__(self, layouts: Sequence[NumericLayout]) -> None:
        self._layouts = tuple(layouts)
        self._centers = np.array([layout.center for layout in layouts])[:, np.newaxis]
        self._factors = np.array([layout.factor for layout in layouts])[:, np.newaxis]

    def update_sorted(
        self,
        summaries: Sequence[NumericSummary],
        values: NDArray[np.float64],
        n_type_errors: NDArray[np.int64],
    ) -> None:
        """Add one row of values to each summary.

        Parameters
        ----------
        summaries
            One for each layout.
        values
            Finite or NaN, each row sorted with NaN last, shape `(d, m)`, `m` from 1 to 8,192.
        n_type_errors
            How many of each row's NaN stand for values of a wrong type, shape `(d,)`; the others are missing.
        """
        m = values.shape[1]
        if not 1 <= m <= _CHUNK:
            msg = f"give 1 to {_CHUNK} values of each column at once, got {m}"
            raise ValueError(msg)
        # A few columns at a time: a scratch array beyond some 100 kB comes as fresh memory, whose page faults cost more than the sums.
        step = max(1, _CHUNK // m)
        for start in range(0, len(summaries), step):
            part = slice(start, start + step)
            self._update_part(summaries[part], values[part], n_type_errors[part].tolist(), part)

    def _update_part(
        self, summaries: Sequence[NumericSummary], values: NDArray[np.float64], n_type_errors: list[int], part: slice
    ) -> None:
        m = values.shape[1]
        n_valid = [m] * len(summaries)
        last: NDArray[np.float64]
        with np.errstate(over="ignore", invalid="ignore"):  # infinite steps are clipped, their sums not used
            steps = values - self._centers[part]
            steps *= self._factors[part]
            np.rint(steps, out=steps)
            last = steps[:, -1]
            if np.isnan(last).any():
                missing = np.isnan(values)
                steps[missing] = 0.0
                n_valid = (m - missing.sum(axis=1)).tolist()
                last = steps[np.arange(len(steps)), np.array(n_valid) - 1]
            is_near = np.maximum(np.abs(steps[:, 0]), np.abs(last)) < _FAST_BOUND
            sums, squares = steps.sum(axis=1).tolist(), np.einsum("ij,ij->i", steps, steps).tolist()
        for i, (summary, n, wrong) in enumerate(zip(summaries, n_valid, n_type_errors, strict=True)):
            summary.n_type_errors += wrong
            summary.n_missing += m - n - wrong
            if n:
                sum_q = int(sums[i]) if is_near[i] else None
                summary._add_sorted(values[i, :n], steps[i, :n], sum_q, squares[i])  # noqa: SLF001  # same module
