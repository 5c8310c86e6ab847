"""Population stability index."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.counts import paired_shares

__all__ = ["PSI_FLOOR", "psi"]

PSI_FLOOR = 1e-4
"""Smallest share that a cell is taken to have: an empty cell adds at most `ln(10_000) = 9.2` times its other share."""


def psi(expected: ArrayLike, observed: ArrayLike, *, floor: float = PSI_FLOOR) -> float:
    """Population stability index of two samples counted in the same cells: how far apart their distributions are.

    Sum over cells of `(o - e) * ln(o / e)`; `e`, `o` are the cells' shares, raised to `floor` where smaller, so that an empty cell
    gives a large but finite term. It is the sum of both Kullback-Leibler divergences (Jeffreys' divergence).

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.
    floor
        Smallest share, in `(0, 1)`. It caps what one empty cell can add, so values compare only at equal `floor`.

    Returns
    -------
    Index in nats, `>= 0`; 0 for equal shares; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or `floor` is outside `(0, 1)`.

    Notes
    -----
    Without any drift its mean is about `(k - 1) * (1/n + 1/m)`, so a fixed threshold fits one pair of sample sizes only; see
    :func:`stream_gov.statistics.psi_p_value`.

    Examples
    --------
    >>> psi([50, 50], [500, 500])
    0.0
    >>> round(psi([50, 50], [90, 10]), 4)  # by hand: 0.4 ln 1.8 - 0.4 ln 0.2
    0.8789

    References
    ----------
    Jeffreys (1946), An invariant form for the prior probability in estimation problems, Proc. R. Soc. A 186.
    Yurdakul (2018), Statistical properties of population stability index, Western Michigan University.
    """
    if not 0 < floor < 1:
        msg = f"floor must lie between 0 and 1, got {floor!r}; use a small share such as {PSI_FLOOR}"
        raise ValueError(msg)
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    e, o = np.maximum(e, floor), np.maximum(o, floor)
    return float((o - e) @ np.log(o / e))
