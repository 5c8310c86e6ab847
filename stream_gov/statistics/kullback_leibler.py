"""Kullback-Leibler divergence of the window from the reference."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stream_gov.statistics.counts import paired_shares
from stream_gov.statistics.psi import PSI_FLOOR

__all__ = ["kullback_leibler"]


def kullback_leibler(expected: ArrayLike, observed: ArrayLike, *, floor: float = PSI_FLOOR) -> float:
    """Kullback-Leibler divergence of the observed sample from the expected one, both counted in the same cells: `KL(o || e)`.

    Sum over cells of `o * ln(o / e) - o + e`; `e`, `o` are the cells' shares, raised to `floor` where smaller, as in the population stability
    index. It is what events cost, on average, in a code made for the reference. Without floors the last two terms add up to 0; with them they
    keep every term from being negative, and the divergences of both directions add up to the index.

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.
    floor
        Smallest share, in `(0, 1)`. It caps what one empty cell can add, so values compare only at equal `floor`.

    Returns
    -------
    Divergence in nats, `>= 0`; 0 for equal shares; `nan` if either side has no counts. Not symmetric: a cell that fills counts for more
    than one that empties.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or `floor` is outside `(0, 1)`.

    Notes
    -----
    For shares close together it is half of the population stability index.

    Examples
    --------
    >>> round(kullback_leibler([50, 50], [90, 10]), 4)  # 0.9 ln 1.8 + 0.1 ln 0.2
    0.3681
    >>> round(kullback_leibler([90, 10], [50, 50]), 4)  # 0.5 ln 5/9 + 0.5 ln 5
    0.5108

    References
    ----------
    Kullback and Leibler (1951), On information and sufficiency, Ann. Math. Stat. 22.
    """
    if not 0 < floor < 1:
        msg = f"floor must lie between 0 and 1, got {floor!r}; use a small share such as {PSI_FLOOR}"
        raise ValueError(msg)
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    return float(special.kl_div(np.maximum(o, floor), np.maximum(e, floor)).sum())
