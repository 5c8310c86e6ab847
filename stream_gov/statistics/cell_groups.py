"""Cells of two samples grouped until each holds enough for a test on large-sample theory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENOUGH", "CellGroups", "group_cells"]

ENOUGH = 5.0
"""Fitted count, in the smaller sample, from which a cell stands for itself (Cochran's rule)."""

_MUCH_LARGER = 20.0
"""A reference so many times as large as the window tells alone which cells are small. Counts of a reference are often equal, being cut at its
quantiles, and then the events of the window would decide: at exactly 50 events in ten equal cells the cells that chance left low were joined, and
the test fired three times too often."""

_LEAST = 1.0
"""Fitted count from which what is left at the end makes a group; Cochran's rule allows a few such groups among larger ones."""

_SCATTER = np.uint64(2_654_435_761)  # Knuth's multiplicative hash: an order that has nothing to do with the counts


@dataclass(frozen=True, slots=True)
class CellGroups:
    """Counts per group of cells, and what no group could take."""

    expected: NDArray[np.float64]
    observed: NDArray[np.float64]
    left_expected: float
    left_observed: float
    members: NDArray[np.int64]
    """Group of each cell given, -1 where none took it; shape `(k,)`."""


def group_cells(expected: NDArray[np.float64], observed: NDArray[np.float64], *, ordered: bool) -> CellGroups:
    """Group cells by their counts in both samples together, so that without drift no group is favoured by the grouping.

    A cell whose fitted count in the smaller sample (its share in both samples together, times the size) is at least 5 stands for itself;
    smaller ones are joined until they reach it. What remains joins the group before, or stands alone from 1 on, or is left out. Of a reference
    at least 20 times as large as the window the share in it alone counts.

    Parameters
    ----------
    expected, observed
        Counts per cell, shape `(k,)`, both samples not empty. Cells empty in both must have been dropped.
    ordered
        Whether the cells stand in an order that was not taken from these counts, such as that of a numeric column: then neighbours are
        joined. Otherwise (categories by falling count) joining in that order would set cells that the reference drew too often against cells
        that it drew too seldom, so cells are joined in a scattered order.

    Notes
    -----
    The cells that are empty in the reference are joined with all cells that hold little of it, even where the window fills them. Where
    cells come from the reference, an empty one stands for everything the reference happened to miss, and only together with what it happened to
    catch once or twice is it a fair sample.

    References
    ----------
    Cochran (1954), Some methods for strengthening the common chi-squared tests, Biometrics 10.
    """
    m, n = float(expected.sum()), float(observed.sum())
    total = expected + observed
    fitted = _fitted(expected, observed, m, n)
    members = np.arange(expected.size)
    empty = expected == 0
    if empty.any():
        scarce = empty | (total * (m / (n + m)) < ENOUGH)
        if np.count_nonzero(scarce) > 1:
            kept = ~scarce
            members = np.where(kept, np.cumsum(kept) - 1, np.count_nonzero(kept))
            expected = np.append(expected[kept], expected[scarce].sum())
            observed = np.append(observed[kept], observed[scarce].sum())
            fitted = _fitted(expected, observed, m, n)
    small = fitted < ENOUGH
    if not small.any():
        return CellGroups(expected, observed, 0.0, 0.0, members)
    places = np.flatnonzero(small)
    if not ordered:
        scattered = places.astype(np.uint64) * _SCATTER % np.uint64(2**32)
        places = places[np.argsort(scattered)]
    grouped_expected, grouped_observed = list(expected[~small]), list(observed[~small])
    n_large = len(grouped_expected)
    group_of = np.where(small, 0, np.cumsum(~small) - 1)
    joined = np.empty(places.size, np.int64)
    sum_expected = sum_observed = sum_fitted = 0.0
    triples = zip(expected[places].tolist(), observed[places].tolist(), fitted[places].tolist(), strict=True)
    for i, (e, o, f) in enumerate(triples):
        joined[i] = len(grouped_expected)
        sum_expected += e
        sum_observed += o
        sum_fitted += f
        if sum_fitted >= ENOUGH:
            grouped_expected.append(sum_expected)
            grouped_observed.append(sum_observed)
            sum_expected = sum_observed = sum_fitted = 0.0
    if sum_fitted >= _LEAST:
        grouped_expected.append(sum_expected)
        grouped_observed.append(sum_observed)
        sum_expected = sum_observed = 0.0
    elif len(grouped_expected) > n_large:
        joined[joined == len(grouped_expected)] -= 1
        grouped_expected[-1] += sum_expected
        grouped_observed[-1] += sum_observed
        sum_expected = sum_observed = 0.0
    else:
        joined[joined == len(grouped_expected)] = -1
    group_of[places] = joined
    return CellGroups(
        np.array(grouped_expected), np.array(grouped_observed), sum_expected, sum_observed, group_of[members]
    )


def _fitted(expected: NDArray[np.float64], observed: NDArray[np.float64], m: float, n: float) -> NDArray[np.float64]:
    """Count of each cell in the smaller sample without drift."""
    return expected * (n / m) if m >= _MUCH_LARGER * n else (expected + observed) * (min(n, m) / (n + m))
