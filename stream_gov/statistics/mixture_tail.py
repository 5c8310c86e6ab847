"""Tail of a weighted sum of independent noncentral chi-squared variables of one degree of freedom."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["mixture_tail", "spread_mixture_tail"]


def mixture_tail(
    value: float, weights: NDArray[np.float64], noncentralities: NDArray[np.float64] | None = None
) -> float:
    """Chance that `sum(weights * chi2_1(noncentralities))` is greater than `value`.

    The sum is replaced by one noncentral chi-squared variable with the same mean, variance and skewness, and of the kurtoses possible with
    these the nearest (Liu, Tang and Zhang 2009). Exact for equal weights without noncentrality.

    Parameters
    ----------
    value
        Any number.
    weights
        At least one positive, none negative; shape `(k,)`.
    noncentralities
        `>= 0`, shape `(k,)`; None for 0.

    Returns
    -------
    Chance in `[0, 1]`, absolute error mostly below 0.01 in the middle and some per cent of itself in the upper tail (see the tests, which
    compare with Imhof's integral); 0 below about 1e-15.

    Examples
    --------
    >>> import numpy as np
    >>> round(mixture_tail(16.918978, np.ones(9)), 4)  # the 95% point of chi-squared with 9 degrees of freedom
    0.05

    References
    ----------
    Liu, Tang and Zhang (2009), A new chi-square approximation to the distribution of non-negative definite quadratic forms in non-central normal
    variables, Comput. Stat. Data Anal. 53.
    """
    squares = weights * weights
    if noncentralities is None:
        first, second = float(weights.sum()), float(squares.sum())
        third, fourth = float(squares @ weights), float(squares @ squares)
    else:
        first = float(weights @ (1 + noncentralities))
        second = float(squares @ (1 + 2 * noncentralities))
        third = float((squares * weights) @ (1 + 3 * noncentralities))
        fourth = float((squares * squares) @ (1 + 4 * noncentralities))
    skewness, kurtosis = third / second**1.5, fourth / second**2
    if skewness * skewness > kurtosis:
        a = 1 / (skewness - math.sqrt(skewness * skewness - kurtosis))
        noncentrality = skewness * a**3 - a * a
        degrees = a * a - 2 * noncentrality
    else:
        a, noncentrality = 1 / skewness, 0.0
        degrees = a * a
    standardised = (value - first) / math.sqrt(2 * second)
    point = standardised * math.sqrt(2) * a + degrees + noncentrality
    if point <= 0:
        return 1.0
    if noncentrality <= 0:
        return float(special.chdtrc(degrees, point))
    return max(1.0 - float(special.chndtr(point, degrees, noncentrality)), 0.0)


def spread_mixture_tail(tail: float, weights: NDArray[np.float64], degrees: float) -> float:
    """Tail of `sum(weights * chi2_1)` whose weights are estimates with so many degrees of freedom.

    As chi-squared of `h` degrees of freedom is spread to F of `h` and `degrees * sqrt(h)`, with `h = sum(weights)**2 / sum(weights**2)`, those of
    Satterthwaite for the mixture (see `calibrated_long_run`).

    Parameters
    ----------
    tail
        Of the mixture, in `[0, 1]`.
    weights
        None negative, at least one positive; shape `(k,)`.
    degrees
        Positive.
    """
    if not tail > 0:
        return 0.0
    h = float(weights.sum()) ** 2 / float(weights @ weights)
    point = float(special.chdtri(h, tail)) / h
    return float(special.fdtrc(h, degrees * math.sqrt(h), point))
