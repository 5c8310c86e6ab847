"""The mixture of the slots of a season: the reference of a window, with as much of each slot as the window has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import (
    AnyColumnSummary,
    BooleanSummary,
    CategoricalSummary,
    CovarianceSummary,
    HeavyHitters,
    NumericSummary,
    PaneSummary,
)

__all__ = ["effective_rows", "largest_remainder", "mixture"]

_Counts = NDArray[np.int64]

_WEIGHT_BITS = 24
"""A row's weight is kept as an integer of so many bits: then every sum over rows is exact, on every machine."""
_INTEGER_BITS = 62


def effective_rows(rows: Sequence[int], window: Sequence[int]) -> int:
    """Size of a sample whose shares are as exact as those of the mixture of some slots: `1 / sum(w_s**2 / m_s)`, rounded.

    With weights in proportion to the rows of the slots it is all their rows.

    Parameters
    ----------
    rows
        Rows `m_s` of each slot, at least 1, shape `(s,)`.
    window
        Events of the window in each slot, shape `(s,)`; the weights `w_s` are their shares.

    Examples
    --------
    >>> effective_rows([100, 300], [5, 15]), effective_rows([100, 300], [10, 10]), effective_rows([100, 300], [0, 7])
    (400, 300, 300)
    """
    n = sum(window)
    return max(round(n * n / sum(k * k / m for k, m in zip(window, rows, strict=True))), 1)


def largest_remainder(numerators: Sequence[int], total: int) -> list[int]:
    """Whole numbers in proportion to some others that sum to a total: each rounded down, then one more for the largest remainders.

    Of equal remainders the first come first.

    Parameters
    ----------
    numerators
        At least 0, not all of them 0.
    total
        At least 0.

    Examples
    --------
    >>> largest_remainder([1, 1, 1], 100), largest_remainder([2, 4, 6], 6)
    ([34, 33, 33], [1, 2, 3])
    """
    whole = sum(numerators)
    pairs = [divmod(numerator * total, whole) for numerator in numerators]
    counts = [count for count, _ in pairs]
    missing = total - sum(counts)
    if missing:
        for i in sorted(range(len(pairs)), key=lambda i: -pairs[i][1])[:missing]:
            counts[i] += 1
    return counts


@dataclass(frozen=True, slots=True)
class _Weights:
    """Of a row in each slot, as integers."""

    of_row: _Counts
    listed: list[int]

    @classmethod
    def of(cls, rows: Sequence[int], window: Sequence[int]) -> _Weights:
        bits = min(_WEIGHT_BITS, _INTEGER_BITS - sum(rows).bit_length())
        if bits < 1:
            msg = f"a reference of {sum(rows):,} rows is too large to be mixed; build it from a sample of the rows"
            raise ValueError(msg)
        ratios = [k / m for k, m in zip(window, rows, strict=True)]
        largest = max(ratios)
        # proportional counts have the same ratio, and so the same weight
        listed = [max(round(ratio / largest * 2**bits), 1) for ratio in ratios]
        return cls(np.array(listed, np.int64), listed)

    def sum(self, counts: Sequence[_Counts]) -> list[int]:
        """Weighted sums of the counts of each slot."""
        total: list[int] = (self.of_row @ np.array(counts)).tolist()
        return total

    def sum_of_integers(self, numbers: Sequence[int]) -> int:
        """Weighted sum of integers of any size."""
        return sum(weight * number for weight, number in zip(self.listed, numbers, strict=True))


def mixture(slots: Sequence[PaneSummary], window: Sequence[int]) -> PaneSummary:
    """Summary of a sample with the shares of the slots' mixture and of the size of its precision.

    Every count is the nearest whole number to its share of that size, by largest remainders; moments are those of the mixture of
    distributions, in whole steps; extremes are those of the slots. With weights in proportion to the slots' rows it is their merged summary.

    Parameters
    ----------
    slots
        Summaries of one layout, each of at least one row.
    window
        Events of the window in each slot, shape `(s,)`; slots of which the window has none count for nothing.

    Returns
    -------
    A new summary; see `effective_rows` for its number of events.

    Raises
    ------
    ValueError
        The window has no events in these slots.

    Notes
    -----
    Every sum is one of integers, so it is the same on every machine. Weights have 24 bits, so a slot of which the window has less than a
    ten-millionth of the largest weight may weigh a little too much.
    """
    if not any(window):
        msg = f"a mixture of {len(slots)} slots needs a window with events in them"
        raise ValueError(msg)
    slots, window = zip(*((slot, k) for slot, k in zip(slots, window, strict=True) if k), strict=True)
    if len(slots) == 1:
        return slots[0].merge(PaneSummary(slots[0].layout))
    rows = [slot.n_events for slot in slots]
    weights = _Weights.of(rows, window)
    mixed = PaneSummary(slots[0].layout)
    mixed.n_events = effective_rows(rows, window)
    mixed.first_ms = min((slot.first_ms for slot in slots if slot.first_ms is not None), default=None)
    mixed.last_ms = max((slot.last_ms for slot in slots if slot.last_ms is not None), default=None)
    for name, empty in mixed.columns.items():
        _mix_column(empty, [slot.columns[name] for slot in slots], weights, mixed.n_events)
    parts = [slot.covariance for slot in slots if slot.covariance is not None]
    if mixed.covariance is not None and len(parts) == len(slots):
        _mix_covariance(mixed.covariance, parts, weights, rows, mixed.n_events)
    return mixed


def _mix_column(mixed: AnyColumnSummary, parts: Sequence[AnyColumnSummary], weights: _Weights, n_rows: int) -> None:
    numerators = [
        *weights.sum([part.counts if isinstance(part, NumericSummary) else part.cell_counts() for part in parts]),
        weights.sum_of_integers([part.n_missing for part in parts]),
        weights.sum_of_integers([part.n_type_errors for part in parts]),
    ]
    *cells, mixed.n_missing, mixed.n_type_errors = largest_remainder(numerators, n_rows)
    match mixed:
        case NumericSummary():
            mixed.counts = np.array(cells, np.int64)
            _mix_moments(mixed, [part for part in parts if isinstance(part, NumericSummary)], weights, numerators)
        case CategoricalSummary():
            mixed.counts = np.array(cells[:-1], np.int64)
            unseen = [part.unseen for part in parts if isinstance(part, CategoricalSummary)]
            mixed.unseen = _mix_unseen(unseen, weights, cells[-1])
        case BooleanSummary():
            mixed.n_false, mixed.n_true = cells


def _mix_moments(
    mixed: NumericSummary, parts: Sequence[NumericSummary], weights: _Weights, numerators: Sequence[int]
) -> None:
    n, valid = mixed.n_valid, sum(numerators[:-2])
    if not n:
        return
    mixed.sum_q = _nearest(n * weights.sum_of_integers([part.sum_q for part in parts]), valid)
    mixed.sum_q2 = _nearest(n * weights.sum_of_integers([part.sum_q2 for part in parts]), valid)
    # rounded apart from each other they could give a variance below 0
    mixed.sum_q2 = max(mixed.sum_q2, -(-(mixed.sum_q**2) // n))
    mixed.minimum = min(part.minimum for part in parts if not math.isnan(part.minimum))
    mixed.maximum = max(part.maximum for part in parts if not math.isnan(part.maximum))


def _mix_unseen(parts: Sequence[HeavyHitters], weights: _Weights, n: int) -> HeavyHitters:
    mixed = HeavyHitters(max(part.capacity for part in parts))
    whole = weights.sum_of_integers([part.n for part in parts])
    if not whole or not n:
        return mixed
    names = sorted({name for part in parts for name in part.counts})
    named = {name: weights.sum_of_integers([part.counts.get(name, 0) for part in parts]) for name in names}
    counts = largest_remainder([*named.values(), whole - sum(named.values())], n)
    mixed.update({name: count for name, count in zip(names, counts, strict=False) if count})
    mixed.n = n
    mixed.error += -(-n * weights.sum_of_integers([part.error for part in parts]) // whole)
    return mixed


def _mix_covariance(
    mixed: CovarianceSummary,
    parts: Sequence[CovarianceSummary],
    weights: _Weights,
    rows: Sequence[int],
    n_rows: int,
) -> None:
    complete = weights.sum_of_integers([part.n for part in parts])
    mixed.n = _nearest(n_rows * complete, weights.sum_of_integers(rows))
    if not mixed.n:
        return
    for name in ("sums", "cross"):
        # products of sums of squares and weights need more than 64 bits
        total = sum(w * getattr(part, name).astype(object) for w, part in zip(weights.listed, parts, strict=True))
        flat = [_nearest(mixed.n * value, complete) for value in np.ravel(total).tolist()]
        setattr(mixed, name, np.array(flat, np.int64).reshape(getattr(mixed, name).shape))


def _nearest(numerator: int, denominator: int) -> int:
    """Quotient rounded to the nearest integer, halves up."""
    return (2 * numerator + denominator) // (2 * denominator)
