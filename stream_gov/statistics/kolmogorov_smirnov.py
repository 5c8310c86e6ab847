"""Kolmogorov-Smirnov distance of two samples counted in the same ordered cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stream_gov.statistics.counts import paired_shares

__all__ = ["ks_p_value", "ks_statistic"]


def ks_statistic(expected: ArrayLike, observed: ArrayLike) -> float:
    """Largest difference of the two cumulative shares at the boundaries of the cells.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells, ascending, shape `(k,)`.

    Returns
    -------
    Difference of shares, in `[0, 1]`; 0 for equal shares and for a single cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    It is a lower bound of the distance of the samples themselves, which may differ more inside a cell: by at most the larger of the two
    samples' shares in one cell. Where every distinct value has a cell of its own, it is exact.

    Examples
    --------
    >>> ks_statistic([1, 1, 1, 1], [0, 0, 2, 2])
    0.5

    References
    ----------
    Smirnov (1948), Table for estimating the goodness of fit of empirical distributions, Ann. Math. Stat. 19.
    """
    e, o = paired_shares(expected, observed)
    if e is None or o is None:
        return math.nan
    return min(float(np.abs(np.cumsum(o - e)[:-1]).max(initial=0.0)), 1.0)


def ks_p_value(statistic: float, n: float, m: float, *, tolerance: float = 0.0) -> float:
    """Chance of at least this distance between samples of `n` and `m` independent draws whose true distance is within the tolerance.

    Kolmogorov's limit at `(d + 0.12 + 0.11 / s) * s`, `s = sqrt(n m / (n + m))`, the approximation of Stephens to the finite-sample
    law. With a tolerance, `d` is what the distance is beyond it: by the triangle inequality the distance of the samples exceeds the true
    one by no more than the sampling error, and that has this law.

    Parameters
    ----------
    statistic
        Distance, in `[0, 1]`.
    n, m
        Sample sizes, at least 1.
    tolerance
        True distance that counts as no drift, in `[0, 1]`.

    Returns
    -------
    P-value in `[0, 1]`; `nan` if `statistic` is. On cells, on discrete data and with a tolerance above 0 it is conservative: too large,
    never too small by more than the approximation (a few per cent of itself).

    Raises
    ------
    ValueError
        A sample size is below 1, or the tolerance is outside `[0, 1]`.

    Examples
    --------
    >>> round(ks_p_value(0.1, 1000, 1000), 6)
    8.1e-05
    >>> ks_p_value(0.1, 1000, 1000, tolerance=0.1)
    1.0

    References
    ----------
    Stephens (1970), Use of the Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables, J. R. Stat. Soc. B 32.
    """
    if n < 1 or m < 1:
        msg = f"both samples must have values, got n={n} and m={m}"
        raise ValueError(msg)
    if not 0 <= tolerance <= 1:
        msg = f"tolerance is a difference of shares between 0 and 1, got {tolerance!r}"
        raise ValueError(msg)
    beyond = statistic - tolerance
    if beyond <= 0:
        return 1.0
    root = math.sqrt(n * m / (n + m))
    return float(special.kolmogorov((root + 0.12 + 0.11 / root) * beyond))
