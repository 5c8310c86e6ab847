"""Saddlepoint approximation of a tail, and of the two laws that the tests of this package need it for."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stream_gov.statistics.mixture_tail import mixture_tail

__all__ = ["Scores", "difference_tail", "mixture_tail_far_out"]

_Array = NDArray[np.float64]

_STEPS = 80
_PRECISION = 1e-7
"""Of the saddlepoint equation, in standard deviations; the tail is off by about as much, relatively."""
_NEAR_MEAN = 1e-3
"""Signed root below which a tail is that of the middle: there the correction is a ratio of two vanishing terms."""


def _upper_tail(root: float, weight: float) -> float:
    """Lugannani and Rice's tail in the form of Barndorff-Nielsen, which is never below 0 or above 1.

    `root` is `sign(t) sqrt(2 (t x - K(t)))` and `weight` is `t sqrt(K''(t))`, at the saddlepoint `K'(t) = x`.
    """
    return float(special.ndtr(-(root + math.log(weight / root) / root)))


def mixture_tail_far_out(value: float, weights: _Array, noncentralities: _Array) -> float:
    """Chance that `sum(weights * chi2_1(noncentralities))` is greater than `value`, with a bounded relative error however far out.

    Parameters
    ----------
    value
        Any number.
    weights
        Positive, at least one; shape `(k,)`.
    noncentralities
        `>= 0`, shape `(k,)`.

    Returns
    -------
    Chance in `[0, 1]`, within 10 % of itself in the upper tail, for chances down to 1e-6 and below. `mixture_tail`, which matches moments, is
    two times too small there if one weight is larger than the others, as it is for all statistics of cumulative shares.

    Examples
    --------
    >>> import numpy as np
    >>> cramer_von_mises = 1 / (np.pi * np.arange(1, 200)) ** 2
    >>> round(mixture_tail_far_out(1.16786, cramer_von_mises, np.zeros(199)), 5)  # its tabulated point of 0.001
    0.00106

    References
    ----------
    Kuonen (1999), Saddlepoint approximations for distributions of quadratic forms in normal variables, Biometrika 86.
    """
    if value <= 0:
        return 1.0
    # The equation K'(t) = value has one root below 1 / (2 max(weights)); K' rises from 0 to infinity.
    most = 0.5 / float(weights.max())
    t, low, high = 0.0, -math.inf, most
    q, slope = np.ones_like(weights), 1.0
    for _ in range(_STEPS):
        q = 1 / (1 - 2 * t * weights)
        scaled = weights * q
        error = float(scaled @ (1 + noncentralities * q)) - value
        slope = 2 * float((scaled * scaled) @ (1 + 2 * noncentralities * q))
        if abs(error) <= _PRECISION * math.sqrt(slope):
            break
        low, high = (t, high) if error < 0 else (low, t)
        t -= error / slope
        if not low < t < high:
            t = (low + high) / 2 if low > -math.inf else 2 * high - most
    cumulant = 0.5 * float(np.log(q).sum()) + t * float((noncentralities * weights) @ q)
    square = 2 * (t * value - cumulant)
    if square < _NEAR_MEAN**2:
        return mixture_tail(value, weights, noncentralities)
    return _upper_tail(math.copysign(math.sqrt(square), t), t * math.sqrt(slope))


class Scores:
    """A sample as the test of a mean sees it: the scores of the cells, their true shares, and how many were drawn.

    Parameters
    ----------
    scores
        Shape `(k,)`.
    shares
        `>= 0`, sum 1, shape `(k,)`.
    n
        Size of the sample, positive; need not be an integer.
    """

    __slots__ = ("mean", "n", "scores", "shares", "variance")

    def __init__(self, scores: _Array, shares: _Array, n: float) -> None:
        if shares.min() <= 0:
            filled = shares > 0
            scores, shares = scores[filled], shares[filled]
        self.scores, self.shares, self.n = scores, shares, n
        self.mean = float(shares @ scores)
        centred = scores - self.mean
        self.variance = float(shares @ (centred * centred))
        """Of one draw."""

    def tilted(self, t: float) -> tuple[float, float, float]:
        """Logarithm of the mean of `exp(t score)`, and mean and variance of the score where the shares are weighted with that."""
        weights = t * self.scores
        largest = float(weights.max())
        weights -= largest
        np.exp(weights, out=weights)
        weights *= self.shares
        total = float(weights.sum())
        mean = float(weights @ self.scores) / total
        centred = self.scores - mean
        centred *= centred
        return largest + math.log(total), mean, float(weights @ centred) / total


def difference_tail(value: float, first: Scores, second: Scores) -> float:
    """Chance that the mean score of the first sample exceeds that of the second by at least `value`.

    Draws are independent. The approximation knows the whole law of the scores, so it holds for small samples of scores that are nearly always the
    same, such as those of a column that is mostly zero, where a normal approximation fires up to ten times too often.

    Parameters
    ----------
    value
        Of the difference of the means.
    first, second
        The samples; the scores need not be the same.

    Returns
    -------
    Chance in `[0, 1]`. Of scores on a lattice it is about the chance of more than `value` and half of that of just `value`: give a value half
    a step lower.

    Examples
    --------
    >>> import numpy as np
    >>> coin = Scores(np.array([0.0, 1.0]), np.array([0.5, 0.5]), 20)
    >>> certain = Scores(np.array([0.5]), np.array([1.0]), 1)
    >>> round(difference_tail(17.5 / 20 - 0.5, coin, certain), 6)  # at least 18 heads of 20: exactly 0.000201
    0.000235

    References
    ----------
    Lugannani and Rice (1980), Saddle point approximation for the distribution of the sum of independent random variables, Adv. Appl. Probab. 12.
    Barndorff-Nielsen (1986), Inference on full or partial parameters based on the standardized signed log likelihood ratio, Biometrika 73.
    """
    mean = first.mean - second.mean
    variance = first.variance / first.n + second.variance / second.n
    if not variance > 0:
        return 0.0 if value > mean else 1.0
    if value >= float(first.scores.max()) - float(second.scores.min()):
        return _chance_of_the_largest(value, first, second)
    if value <= float(first.scores.min()) - float(second.scores.max()):
        return 1.0
    t, low, high = (value - mean) / variance, -math.inf, math.inf
    cumulant, slope = 0.0, variance
    for _ in range(_STEPS):
        log_first, mean_first, variance_first = first.tilted(t / first.n)
        log_second, mean_second, variance_second = second.tilted(-t / second.n)
        cumulant = first.n * log_first + second.n * log_second
        slope = variance_first / first.n + variance_second / second.n
        error = mean_first - mean_second - value
        if abs(error) <= _PRECISION * math.sqrt(variance):
            break
        low, high = (t, high) if error < 0 else (low, t)
        t = t - error / slope if slope > 0 else math.nan
        if not low < t < high:
            t = (low + high) / 2 if high - low < math.inf else 2 * (low if low > -math.inf else high)
    square = 2 * (t * value - cumulant)
    if square < _NEAR_MEAN**2 or not slope > 0:
        return float(special.ndtr((mean - value) / math.sqrt(variance))) if square < 1 else math.exp(-square / 2)
    return _upper_tail(math.copysign(math.sqrt(square), t), t * math.sqrt(slope))


def _chance_of_the_largest(value: float, first: Scores, second: Scores) -> float:
    top, bottom = float(first.scores.max()), float(second.scores.min())
    if value > top - bottom:
        return 0.0
    logarithm = first.n * math.log(float(first.shares[first.scores == top].sum()))
    logarithm += second.n * math.log(float(second.shares[second.scores == bottom].sum()))
    return math.exp(min(logarithm, 0.0))
