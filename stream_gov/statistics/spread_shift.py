"""Change of the spread of a numeric column."""

from __future__ import annotations

import math

from scipy import special

__all__ = ["spread_shift", "spread_shift_p_value"]


def spread_shift(*, sd_reference: float, sd_window: float) -> float:
    """Natural logarithm of the ratio of the standard deviations, with its sign.

    `ln(sd_window / sd_reference)`: 0.69 is twice the spread, -0.69 half of it.

    Parameters
    ----------
    sd_reference, sd_window
        In the column's unit, `>= 0`.

    Returns
    -------
    Log ratio, any real number: positive where the window is wider; 0 for equal spreads; `nan` where one sample does not vary.

    Raises
    ------
    ValueError
        A standard deviation is negative.

    Examples
    --------
    >>> round(spread_shift(sd_reference=2.0, sd_window=1.0), 4)
    -0.6931
    >>> spread_shift(sd_reference=2.0, sd_window=0.0)
    nan

    References
    ----------
    Nakagawa et al. (2015), Meta-analysis of variation (their lnVR, without its correction for small samples), Methods Ecol. Evol. 6.
    """
    if sd_reference < 0 or sd_window < 0:
        msg = f"standard deviations must not be negative, got {sd_reference!r} and {sd_window!r}"
        raise ValueError(msg)
    return math.log(sd_window / sd_reference) if sd_reference > 0 and sd_window > 0 else math.nan


def spread_shift_p_value(
    *, variance_reference: float, n_reference: int, variance_window: float, n_window: int
) -> float:
    """Chance of a ratio of variances at least this far from 1, in either direction, if both columns are normal with one variance.

    Twice the smaller tail of Fisher's F.

    Parameters
    ----------
    variance_reference, variance_window
        Sample variances (divisor `n - 1`), in the column's unit squared.
    n_reference, n_window
        Sample sizes.

    Returns
    -------
    P-value in `[0, 1]`; `nan` where a sample has fewer than two values or does not vary.

    Raises
    ------
    ValueError
        A variance is negative.

    Notes
    -----
    It assumes a normal column, at every sample size: the variance of a column with kurtosis `k` varies `(k - 1) / 2` times as much as F
    allows, so a heavy-tailed column (`k > 3`) fires far more often than the level says. For that reason there is no calibrated test.

    Examples
    --------
    >>> round(spread_shift_p_value(variance_reference=1.0, n_reference=1000, variance_window=1.3, n_window=500), 5)
    0.00059

    References
    ----------
    Box (1953), Non-normality and tests on variances, Biometrika 40.
    """
    if variance_reference < 0 or variance_window < 0:
        msg = f"variances must not be negative, got {variance_reference!r} and {variance_window!r}"
        raise ValueError(msg)
    if n_reference < 2 or n_window < 2 or not (variance_reference > 0 and variance_window > 0):
        return math.nan
    ratio = variance_window / variance_reference
    lower = special.fdtr(n_window - 1, n_reference - 1, ratio)
    upper = special.fdtrc(n_window - 1, n_reference - 1, ratio)
    return min(2 * float(min(lower, upper)), 1.0)
