"""Total variation distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.counts import paired_shares

__all__ = ["total_variation"]


def total_variation(expected: ArrayLike, observed: ArrayLike) -> float:
    """Total variation distance of two samples counted in the same cells: the share of the events that would have to move.

    Half of the sum over cells of `|o - e|`; `e`, `o` are the cells' shares. It is the largest change of the share of any set of cells, as
    `l_infinity` is that of one cell.

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.

    Returns
    -------
    Difference of shares, in `[0, 1]`; 0 for equal shares, 1 where no cell is shared; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    Without any drift its mean grows with the number of cells, about `0.4 * sqrt(k * (1/n + 1/m))` for equal ones. There is no test: its law
    is that of a sum of dependent absolute values, of which no approximation holds in the tail.

    Examples
    --------
    >>> round(total_variation([1, 9], [3, 7]), 6)
    0.2

    References
    ----------
    Gibbs and Su (2002), On choosing and bounding probability metrics, Int. Stat. Rev. 70.
    """
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    return min(float(np.abs(o - e).sum()) / 2, 1.0)
