"""Energy distance of two samples counted in the same cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream_gov.statistics.cell_widths import cell_widths
from stream_gov.statistics.counts import paired_counts
from stream_gov.statistics.quadratic_form import distance

__all__ = ["energy_distance", "energy_distance_rows"]


def energy_distance(
    edges: ArrayLike, expected: ArrayLike, observed: ArrayLike, *, low: float, high: float, unit: float = 1.0
) -> float:
    """Energy distance: the root of twice the squared difference of the cumulative distributions, integrated over the values.

    Its square is `2 E|X - Y| - E|X - X'| - E|Y - Y'|` for values `X`, `X'` of one sample and `Y`, `Y'` of the other; each sample's mass is spread
    evenly inside a cell.

    Parameters
    ----------
    edges
        Strictly increasing, in the column's unit, shape `(k,)`. Cell `i` is `[edges[i - 1], edges[i])`; the first and the last are open.
    expected, observed
        Counts per cell, shape `(k + 1,)`.
    low, high
        Least and largest value of both samples together: they close the open cells. Ignored on a side whose open cell both samples leave
        empty.
    unit
        What values are measured in, in the column's unit, `> 0`: 1 for the column's unit, the reference's standard deviation for a distance that
        one threshold fits for every column.

    Returns
    -------
    Distance, `>= 0`, in the root of `unit`s (values four times as far apart are twice as far by it); 0 for equal shares; `nan` if either side
    has no counts, or `unit` is 0 or `nan`.

    Raises
    ------
    ValueError
        The number of cells does not fit the edges, the edges do not increase, a count is negative or not finite, a needed `low` or `high` is
        not finite or on the wrong side of its edge, or `unit` is negative.

    Notes
    -----
    Exact where values have cells of their own (atoms); otherwise mass is at most one cell from where its value is.

    Examples
    --------
    >>> energy_distance([1.0, 1.5, 2.0], [9, 0, 0, 0], [0, 0, 0, 9], low=1.0, high=2.0)  # two values, 1 apart: sqrt(2)
    1.414...

    References
    ----------
    Székely and Rizzo (2013), Energy statistics: a class of statistics based on distances, J. Stat. Plan. Inference 143.
    """
    if unit < 0:
        msg = f"unit must not be negative, got {unit!r}"
        raise ValueError(msg)
    e, o = paired_counts(expected, observed)
    if not (e.any() and o.any() and unit > 0):
        return math.nan
    return distance(energy_distance_rows(edges, e, o, low=low, high=high, unit=unit), e, o)


def energy_distance_rows(
    edges: ArrayLike, expected: ArrayLike, observed: ArrayLike, *, low: float, high: float, unit: float
) -> NDArray[np.float64]:
    """Matrix `L` with which the distance is `|L (w - r)|`, for its test; shape `(2 k, k)` for `k` cells.

    Inside a cell the difference of the cumulative distributions runs straight from `a` to `b`, and the mean of its square is that of the middle
    and a twelfth of `(b - a)**2`.
    """
    e, o = paired_counts(expected, observed)
    weights = np.sqrt(2 * cell_widths(edges, e + o > 0, low=low, high=high) / unit)[:, np.newaxis]
    ends = np.eye(e.size)
    rows: NDArray[np.float64] = np.concatenate(
        [(np.tri(e.size) - ends / 2) * weights, ends * (weights / math.sqrt(12))]
    )
    return rows
