"""Distance of the vectors of a window from those of the reference, both taken for normal: by their means and covariances."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream_gov.statistics.calibrated_long_run import spread_p_value, upper_mixture_tail
from stream_gov.statistics.mixture_tail import spread_mixture_tail
from stream_gov.summaries import CovarianceSummary, VectorLongRun

__all__ = [
    "LEAST_VECTORS_PER_DIMENSION",
    "frechet_distance",
    "frechet_of_summaries",
    "frechet_p_value",
    "long_run_frechet_p_value",
    "mean_vector_p_value",
]

_Array = NDArray[np.float64]

LEAST_VECTORS_PER_DIMENSION = 10
"""With fewer vectors than this times their dimensions a covariance is too uncertain for a distance that rests on it."""
_SMALLEST_EIGENVALUE = 1e-9
"""Relative to the largest: below it a direction has no variance."""


def frechet_distance(
    *,
    mean_reference: _Array,
    covariance_reference: _Array,
    mean_window: _Array,
    covariance_window: _Array,
    n_reference: float = math.inf,
    n_window: float = math.inf,
) -> float:
    """Frechet distance of two normal distributions, in spreads of the reference.

    `sqrt((|a - b|**2 + tr(A + B - 2 (A**(1/2) B A**(1/2))**(1/2)) - bias) / tr(A))` with means `a`, `b` and covariances `A` (reference), `B`; the
    second Wasserstein distance of the two, not squared, in units of the square root of the reference's total variance: 0.1 is a shift of all vectors by a
    tenth of their usual distance from their mean. Sampling alone makes the plain distance positive, so what it adds to the square on average
    is taken away: `tr(B)/n + tr(A)/m` in the means, which is exact, and in the covariances
    `(1/n + 1/m) (sum_i l_i / 2 + sum_{i != j} l_i l_j / (2 (l_i + l_j)))` with the eigenvalues `l` of `A`, which is right to first order for
    independent draws of a normal distribution without drift.

    Parameters
    ----------
    mean_reference, mean_window
        Shape `(k,)`.
    covariance_reference, covariance_window
        Sample covariances (divisor `n - 1`), shape `(k, k)`.
    n_reference, n_window
        Sample sizes; infinite for distributions that are known, and then nothing is taken away.

    Returns
    -------
    Distance `>= 0`; 0 where chance explains it all; `nan` where the reference does not vary or a moment is undefined.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.eye(2)
    >>> round(frechet_distance(mean_reference=np.zeros(2), covariance_reference=one, mean_window=np.ones(2), covariance_window=4 * one), 6)
    1.414214

    References
    ----------
    Dowson and Landau (1982), The Frechet distance between multivariate normal distributions, J. Multivariate Anal. 12. Heusel et al. (2017), GANs
    trained by a two time-scale update rule converge to a local Nash equilibrium, NeurIPS: the distance of embeddings, squared. The term of the
    covariances is the second derivative of the distance, see Takatsu (2011), Wasserstein geometry of Gaussian measures, Osaka J. Math. 48.
    """
    a, b = covariance_reference, covariance_window
    total = float(np.trace(a))
    difference = mean_window - mean_reference
    if not (total > 0 and math.isfinite(total) and np.isfinite(b).all() and np.isfinite(difference).all()):
        return math.nan
    values, vectors = np.linalg.eigh(a)
    values = np.maximum(values, 0.0)
    root = (vectors * np.sqrt(values)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ b @ root), 0.0)).sum()
    plain = float(difference @ difference) + total + float(np.trace(b)) - 2 * float(shared)
    sums = np.add.outer(values, values)
    products = np.divide(np.multiply.outer(values, values), sums, out=np.zeros_like(sums), where=sums > 0)
    of_covariances = float(products.sum() + products.trace()) / 2
    bias = (float(np.trace(b)) + of_covariances) / n_window + (total + of_covariances) / n_reference
    return math.sqrt(max(plain - bias, 0.0) / total)


def mean_vector_p_value(
    difference: _Array, covariance: _Array, *, allowed: float = 0.0, degrees: float = math.inf
) -> float:
    """Chance of means at least this far apart if the true ones are at most `allowed` apart.

    The squared length of a normal vector with this covariance is distributed as `sum(l_i chi2_1(d_i))` with the eigenvalues `l`; at the
    boundary, `allowed` away in the direction observed, `d_i` is the squared coordinate of that point along the eigenvector over `l_i`.

    Parameters
    ----------
    difference
        Of the two means, shape `(k,)`.
    covariance
        Of the difference, that is, of its sampling error; shape `(k, k)`.
    allowed
        In the unit of the difference, `>= 0`.
    degrees
        Of freedom of the covariance where it is an estimate: the tail is spread by it, as in `calibrated_long_run`.

    Returns
    -------
    P-value in `[0, 1]`; `nan` where nothing varies or a moment is undefined.

    References
    ----------
    Liu, Tang and Zhang (2009), see `mixture_tail`; far out Kuonen (1999), see `mixture_tail_far_out`.
    """
    if not (np.isfinite(covariance).all() and np.isfinite(difference).all()):
        return math.nan
    values, vectors = np.linalg.eigh(covariance)
    if not values[-1] > 0:
        return math.nan
    squared = float(difference @ difference)
    if squared <= allowed * allowed:
        return 1.0
    kept = values > _SMALLEST_EIGENVALUE * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    if allowed == 0:
        tail = upper_mixture_tail(squared, values, np.zeros_like(values))
        return tail if math.isinf(degrees) else spread_mixture_tail(tail, values, degrees)
    coordinates = difference @ vectors * (allowed / math.sqrt(squared))
    tail = upper_mixture_tail(squared, values, coordinates**2 / values)
    return tail if math.isinf(degrees) else spread_p_value(tail, degrees)


def frechet_of_summaries(reference: CovarianceSummary, window: CovarianceSummary) -> float:
    """Frechet distance of two samples, bias taken away; `nan` with fewer than 10 vectors for each dimension on either side."""
    if min(reference.n, window.n) < LEAST_VECTORS_PER_DIMENSION * len(reference.columns):
        return math.nan
    return frechet_distance(
        mean_reference=reference.mean(),
        covariance_reference=reference.covariance(),
        mean_window=window.mean(),
        covariance_window=window.covariance(),
        n_reference=reference.n,
        n_window=window.n,
    )


def frechet_p_value(reference: CovarianceSummary, window: CovarianceSummary, tolerance: float) -> float:
    """Chance of means at least this far apart if the true Frechet distance is at most the tolerance, for independent draws.

    Only the means are tested. The distance of the means is at most the Frechet distance, so if the means are further apart than the tolerance
    the distance is too: the test holds its level, whatever the distributions. A change of the covariance alone it does not see.

    Parameters
    ----------
    tolerance
        In spreads of the reference, `>= 0`.

    Returns
    -------
    P-value in `[0, 1]`; `nan` with fewer than two vectors on either side, or where the reference does not vary.
    """
    if min(reference.n, window.n) < 2:
        return math.nan
    of_window, of_reference = window.covariance() / window.n, reference.covariance() / reference.n
    first, second = float(np.trace(of_window)), float(np.trace(of_reference))
    degrees = (
        (first + second) ** 2 / (first**2 / (window.n - 1) + second**2 / (reference.n - 1))
        if first + second > 0
        else 1.0
    )
    return _of_means(reference, window, of_window + of_reference, tolerance, degrees)


def long_run_frechet_p_value(
    reference: CovarianceSummary, window: CovarianceSummary, tolerance: float, long_run: VectorLongRun
) -> float:
    """`frechet_p_value` where vectors depend on those before them as the reference shows; take the larger of the two.

    Where the window varies more than the reference, so does its mean, in proportion.
    """
    if min(reference.n, window.n) < 2:
        return math.nan
    total, of_window = float(np.trace(reference.covariance())), float(np.trace(window.covariance()))
    wider = max(of_window / total, 1.0) if total > 0 else 1.0
    covariance = wider * long_run.of_window / window.n + long_run.of_reference / reference.n
    return _of_means(reference, window, covariance, tolerance, long_run.degrees)


def _of_means(
    reference: CovarianceSummary, window: CovarianceSummary, covariance: _Array, tolerance: float, degrees: float
) -> float:
    known = reference.covariance()
    total = float(np.trace(known))
    difference = window.mean() - reference.mean()
    squared = float(difference @ difference)
    if tolerance > 0 and squared > 0 and total > 0:
        # The unit is an estimate as well: the error of the square root of the total variance, for normal vectors.
        of_unit = tolerance**2 * float((known * known).sum()) / (2 * reference.n * total)
        covariance = covariance + np.outer(difference, difference) * (of_unit / squared)
    return mean_vector_p_value(difference, covariance, allowed=tolerance * math.sqrt(max(total, 0.0)), degrees=degrees)
