"""Pearson's chi-squared test that two samples have the same distribution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stream_gov.statistics.counts import paired_counts

__all__ = ["chi_squared", "chi_squared_degrees_of_freedom", "chi_squared_p_value"]


def chi_squared(expected: ArrayLike, observed: ArrayLike) -> float:
    """Pearson's statistic of the homogeneity of two samples counted in the same cells; both are taken to be random.

    Sum over both samples and all cells of `(count - fitted)**2 / fitted`, the fitted counts from the shares of both samples together.
    Cells empty in both are left out.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells in the same order, shape `(k,)`.

    Returns
    -------
    Statistic without unit, in `[0, n + m]`; 0 for equal shares; `nan` if either side has no counts. It grows with the sample sizes, so it
    is the p-value that can be judged.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Examples
    --------
    >>> round(chi_squared([4, 2, 0], [1, 1, 4]), 6)
    6.133333

    References
    ----------
    Pearson (1911), On the probability that two independent distributions of frequency are really samples from the same population,
    Biometrika 8.
    """
    return _statistic(*paired_counts(expected, observed))


def _statistic(e: NDArray[np.float64], o: NDArray[np.float64]) -> float:
    m, n = float(e.sum()), float(o.sum())
    if m == 0 or n == 0:
        return math.nan
    difference = math.sqrt(m / n) * o - math.sqrt(n / m) * e
    total = e + o
    return float((difference * difference) @ (1.0 / np.where(total > 0, total, 1.0)))


def chi_squared_degrees_of_freedom(expected: ArrayLike, observed: ArrayLike) -> int:
    """Cells that are not empty in both samples, less one; 0 if there is none.

    Examples
    --------
    >>> chi_squared_degrees_of_freedom([4, 2, 0, 0], [1, 1, 4, 0])
    2
    """
    e, o = paired_counts(expected, observed)
    return max(int(np.count_nonzero(e + o)) - 1, 0)


def chi_squared_p_value(expected: ArrayLike, observed: ArrayLike) -> float:
    """Chance of at least this statistic if both samples are independent draws from one distribution.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells in the same order, shape `(k,)`.

    Returns
    -------
    P-value in `[0, 1]`; 1 where there is only one cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    From the chi-squared distribution, which holds where the fitted counts are about 5 or more (Cochran 1954). With smaller ones the
    chance of a false alarm is several times the level; :func:`stream_gov.statistics.psi_p_value` takes care of them.

    Examples
    --------
    >>> round(chi_squared_p_value([4, 2, 0], [1, 1, 4]), 6)
    0.046576

    References
    ----------
    Cochran (1954), Some methods for strengthening the common chi-squared tests, Biometrics 10.
    """
    e, o = paired_counts(expected, observed)
    statistic = _statistic(e, o)
    degrees = int(np.count_nonzero(e + o)) - 1
    if math.isnan(statistic):
        return math.nan
    return float(special.chdtrc(degrees, statistic)) if degrees > 0 else 1.0
