"""Jensen-Shannon divergence and distance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stream_gov.statistics.counts import paired_shares

__all__ = ["jensen_shannon", "jensen_shannon_divergence"]


def jensen_shannon_divergence(expected: ArrayLike, observed: ArrayLike, *, base: float = 2.0) -> float:
    """Jensen-Shannon divergence of two samples counted in the same cells.

    `(KL(e || a) + KL(o || a)) / 2` with the shares `e`, `o` and their average `a`; a term with share 0 is 0, so no floor is needed.

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.
    base
        Of the logarithm, greater than 1: 2 gives bits, `math.e` nats.

    Returns
    -------
    Divergence in `[0, log_base(2)]`, so in `[0, 1]` for base 2; 0 for equal shares, the upper end where no cell is shared; `nan` if
    either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or `base` is not greater than 1.

    Notes
    -----
    For shares close together it is an eighth of the population stability index (both in nats).

    Examples
    --------
    >>> jensen_shannon_divergence([1, 0], [0, 1])
    1.0
    >>> round(jensen_shannon_divergence([1, 1], [3, 1]), 6)  # 1/2 (0.5 ln 0.8 + 0.5 ln 4/3 + 0.75 ln 1.2 + 0.25 ln 2/3) / ln 2
    0.048795

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37.
    """
    if not base > 1:
        msg = f"base must be greater than 1, got {base!r}; use 2 for bits or math.e for nats"
        raise ValueError(msg)
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    average = (e + o) / 2
    nats = float(np.sum(special.rel_entr(e, average) + special.rel_entr(o, average))) / 2
    # rounding may leave a hair outside of the range
    return min(max(nats, 0.0), math.log(2)) / math.log(base)


def jensen_shannon(expected: ArrayLike, observed: ArrayLike, *, base: float = 2.0) -> float:
    """Jensen-Shannon distance: the square root of the divergence, which makes it a metric.

    Parameters
    ----------
    expected, observed
        Counts (not shares) per cell, same cells in the same order, shape `(k,)`.
    base
        Of the logarithm, greater than 1. Values compare only at equal `base`.

    Returns
    -------
    Distance without unit, in `[0, 1]` for base 2 and in `[0, 0.8326]` for base `e`; 0 for equal shares; `nan` if either side has no
    counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or `base` is not greater than 1.

    Examples
    --------
    >>> jensen_shannon([7, 0], [0, 3])
    1.0
    >>> round(jensen_shannon([7, 0], [0, 3], base=math.e), 4)  # the square root of ln 2
    0.8326

    References
    ----------
    Endres and Schindelin (2003), A new metric for probability distributions, IEEE Trans. Inf. Theory 49.
    """
    return math.sqrt(jensen_shannon_divergence(expected, observed, base=base))
