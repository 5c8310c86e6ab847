"""L-infinity distance: the largest change of any one share."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.counts import paired_shares

__all__ = ["l_infinity"]


def l_infinity(expected: ArrayLike, observed: ArrayLike) -> float:
    """Largest absolute difference between the two samples' shares in one cell.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells in the same order, shape `(k,)`.

    Returns
    -------
    Difference of shares, in `[0, 1]`; 0 for equal shares; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Examples
    --------
    >>> round(l_infinity([1, 9], [3, 7]), 6)
    0.2

    References
    ----------
    Breck, Polyzotis, Roy, Whang and Zinkevich (2019), Data validation for machine learning, MLSys.
    """
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    return float(np.abs(o - e).max())
