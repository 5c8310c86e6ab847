"""First Wasserstein distance of two samples counted in the same cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.cell_widths import cell_widths
from stream_gov.statistics.counts import paired_shares

__all__ = ["wasserstein"]


def wasserstein(
    edges: ArrayLike, expected: ArrayLike, observed: ArrayLike, *, low: float, high: float, unit: float = 1.0
) -> float:
    """First Wasserstein (earth mover's) distance: how far, on average, mass must be moved to turn one sample into the other.

    The area between the two cumulative distributions, each sample's mass spread evenly inside a cell.

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
        What to measure in, in the column's unit, `> 0`: 1 for the column's unit, the reference's standard deviation for a distance that
        one threshold fits for every column.

    Returns
    -------
    Distance in `unit`s, `>= 0`; 0 for equal shares; `nan` if either side has no counts, or `unit` is 0 or `nan`.

    Raises
    ------
    ValueError
        The number of cells does not fit the edges, the edges do not increase, a count is negative or not finite, a needed `low` or `high` is
        not finite or on the wrong side of its edge, or `unit` is negative.

    Notes
    -----
    Error against the distance of the samples themselves: at most half of the sum over cells of the cell's width times the sum of the two
    samples' shares in it (a sample spread evenly is at most half a width from where its values are). Cells of atoms have no width.

    Examples
    --------
    >>> wasserstein([1.0], [10, 0], [0, 10], low=0.0, high=2.0)  # all mass moves by one cell
    1.0
    >>> wasserstein([1.0], [10, 0], [0, 10], low=0.0, high=2.0, unit=0.5)
    2.0

    References
    ----------
    Vallender (1974), Calculation of the Wasserstein distance between probability distributions on the line, Theory Probab. Appl. 18.
    """
    e, o = paired_shares(expected, observed)
    if unit < 0:
        msg = f"unit must not be negative, got {unit!r}"
        raise ValueError(msg)
    if e is None or o is None or not unit > 0:
        return math.nan
    widths = cell_widths(edges, e + o > 0, low=low, high=high)
    # Inside a cell the difference of the cumulative shares runs straight from `a` to `b`; where it changes sign the area is that of two
    # triangles, otherwise of a trapezium.
    difference = np.concatenate(([0.0], np.cumsum(o - e)))
    difference[-1] = 0.0
    a, b = np.abs(difference[:-1]), np.abs(difference[1:])
    crosses = difference[:-1] * difference[1:] < 0
    total = a + b
    mean = np.where(crosses, (a * a + b * b) / (2 * np.where(total > 0, total, 1.0)), total / 2)
    return float(mean @ widths) / unit
