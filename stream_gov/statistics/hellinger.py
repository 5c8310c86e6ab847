"""Hellinger distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.counts import paired_shares

__all__ = ["hellinger"]


def hellinger(expected: ArrayLike, observed: ArrayLike) -> float:
    """Hellinger distance of two samples counted in the same cells: a metric that needs no floor for empty cells.

    `sqrt(1 - sum(sqrt(e * o)))` with the shares `e`, `o`; the sum is Bhattacharyya's coefficient.

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.

    Returns
    -------
    Distance without unit, in `[0, 1]`; 0 for equal shares, 1 where no cell is shared; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    For shares close together its square is an eighth of the population stability index.

    Examples
    --------
    >>> hellinger([7, 0], [0, 3])
    1.0
    >>> round(hellinger([1, 1], [9, 1]), 6)  # sqrt(1 - sqrt(0.5 * 0.9) - sqrt(0.5 * 0.1))
    0.32492

    References
    ----------
    Hellinger (1909), Neue Begründung der Theorie quadratischer Formen von unendlichvielen Veränderlichen, J. reine angew. Math. 136.
    """
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    # Half of the sum of squares is 1 less the coefficient, without the rounding of a difference from 1.
    difference = np.sqrt(o) - np.sqrt(e)
    return min(math.sqrt(float(difference @ difference) / 2), 1.0)
