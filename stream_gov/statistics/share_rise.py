"""Exact test that a share rose beyond what is allowed, with the sampling error of both samples."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["rise_p_value", "share_rise_p_value"]

# Nodes over 18 standard deviations of the reference's share. 64 are exact to about 1e-12 while the samples are of like size; where the window is
# much the larger its binomial tail is a steep step among them, and 192 are exact to 1e-5 of the p-value up to 200 times the size.
_FEW, _MANY = np.polynomial.legendre.leggauss(64), np.polynomial.legendre.leggauss(192)
_MUCH_LARGER = 10
_BELOW, _ABOVE = 8.0, 10.0


def share_rise_p_value(count: int, n: int, reference_count: int, n_reference: int, *, tolerance: float = 0.0) -> float:
    """Chance of at least `count` in a window of `n` if its true share is at most the reference's plus the tolerance.

    With tolerance 0 it is Fisher's exact one-sided test. See :func:`rise_p_value` for the method.

    Parameters
    ----------
    count, n
        Events of interest in the window, of `n`.
    reference_count, n_reference
        The same in the reference.
    tolerance
        Rise of the share that counts as no drift, in `[0, 1]`.

    Returns
    -------
    P-value in `[0, 1]`; 1 for `count = 0`; `nan` if either sample is empty.

    Raises
    ------
    ValueError
        A count is outside of its sample, or the tolerance outside `[0, 1]`.

    Examples
    --------
    >>> round(share_rise_p_value(7, 100, 2, 200), 6)  # scipy.stats.fisher_exact([[7, 93], [2, 198]], "greater")
    0.007443
    >>> share_rise_p_value(7, 100, 2, 200, tolerance=0.05) > 0.3
    True
    """
    if not 0 <= tolerance <= 1:
        msg = f"tolerance is a difference of shares between 0 and 1, got {tolerance!r}"
        raise ValueError(msg)

    def limit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
        return shares + tolerance

    return rise_p_value(count, n, reference_count, n_reference, limit)


def rise_p_value(
    count: float,
    n: float,
    reference_count: float,
    n_reference: float,
    limit: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    dispersion: float = 1.0,
) -> float:
    """Chance of at least `count` in a window of `n` if its true share is at most `limit(true share of the reference)`.

    The reference's true share `r` is not known: it has the upper fiducial distribution `Beta(reference_count + 1, n_reference -
    reference_count)`, the one whose quantiles are the upper limits of Clopper and Pearson. The p-value is the mean over it of the binomial
    tail `P(X >= count | n, limit(r))`. With `limit(r) = r` this is Fisher's exact one-sided p-value (Altham 1969), so it extends Fisher's
    test to a tolerance, and like it is conservative.

    Parameters
    ----------
    count, n
        Events of interest in the window, of `n`.
    reference_count, n_reference
        The same in the reference.
    limit
        Largest share that counts as no drift, for each share of the reference; not decreasing; 1 or more where nothing is drift.
    dispersion
        Variance of `reference_count` relative to that of a binomial count, `>= 1`.

    Returns
    -------
    P-value in `[0, 1]`; 1 for `count = 0`; `nan` if either sample is empty. Below about `1e-10` only the order of magnitude is meant.

    Raises
    ------
    ValueError
        A count is outside of its sample, or `dispersion` below 1.

    References
    ----------
    Altham (1969), Exact Bayesian analysis of a 2x2 contingency table, and Fisher's exact significance test, J. R. Stat. Soc. B 31.
    Clopper and Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial, Biometrika 26.
    """
    if not (0 <= count <= n and 0 <= reference_count <= n_reference):
        msg = f"counts must lie within their samples, got {count} of {n} and {reference_count} of {n_reference}"
        raise ValueError(msg)
    if not dispersion >= 1:
        msg = f"dispersion must be at least 1, got {dispersion!r}"
        raise ValueError(msg)
    if n == 0 or n_reference == 0:
        return math.nan
    if count == 0 or reference_count == n_reference:
        return 1.0
    # In the angle t with r = sin(t)**2 the distribution is nearly normal, with one standard deviation for every share. Its density is
    # sin(t)**(2 a - 1) cos(t)**(2 b - 1); a below 1/2 would have a pole at 0.
    spread = min(dispersion, 2 * (reference_count + 1))
    a = (reference_count + 1) / spread
    b = (n_reference - reference_count) / spread
    middle = math.asin(math.sqrt(reference_count / n_reference))
    deviation = 0.5 * math.sqrt(spread / n_reference)
    start, stop = max(middle - _BELOW * deviation, 0.0), min(middle + _ABOVE * deviation, math.pi / 2)
    nodes, node_weights = _FEW if n <= _MUCH_LARGER * n_reference else _MANY
    angles = start + (stop - start) / 2 * (nodes + 1)
    sines = np.sin(angles)
    logs = (2 * a - 1) * np.log(sines) + (2 * b - 1) * np.log(np.cos(angles))
    weights = node_weights * np.exp(logs - logs.max())
    tails = special.betainc(count, n - count + 1, np.minimum(limit(sines * sines), 1.0))
    return min(float(weights @ tails / weights.sum()), 1.0)
