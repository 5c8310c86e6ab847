"""Shifts of how numeric columns hang together, from their joint first and second moments alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import CovarianceSummary, PaneSummary

__all__ = ["EXPLAINED", "ROWS_PER_COLUMN", "correlation_shift", "most_shifted_pair", "reconstruction_error"]

_Array = NDArray[np.float64]

EXPLAINED = 0.8
"""Share of the reference's variance that the principal components kept explain at least."""
ROWS_PER_COLUMN = 10
"""With fewer complete rows than this times the columns a covariance is too uncertain."""
_LEAST_ERROR = 1e-9
"""Mean squared error per column below which the components kept explain everything, and an error has nothing to be compared with."""


def reconstruction_error(reference: PaneSummary, window: PaneSummary) -> float:
    """Logarithm of the mean squared error of the window's rows, rebuilt from the reference's principal components, over that of the reference's own.

    Rows are standardised by mean and standard deviation of the reference. With the projector `P` on its first principal components (as few as explain
    80 % of the variance), `R` its correlations and `S` the second moment of the window's standardised rows, the errors are `tr((1 - P) S)` and
    `tr((1 - P) R)`: the mean over rows of the squared distance from their projection, exact without the rows (Jolliffe 2002, Principal
    Component Analysis). 0: rows lie as far from the components as those of the reference; 0.7: twice the squared distance.

    Returns
    -------
    Signed, in nats; `nan` where a side has no joint moments or too few complete rows, fewer than two columns vary, or the components explain all of the
    reference.
    """
    pair = _sides(reference, window)
    if pair is None:
        return math.nan
    before, after = pair
    means, spreads, correlations, varies = _standardised(before)
    if varies.sum() < 2:
        return math.nan
    values, vectors = np.linalg.eigh(correlations)
    values, vectors = values[::-1], vectors[:, ::-1]
    n_kept = min(int(np.searchsorted(np.cumsum(values) / values.sum(), EXPLAINED - 1e-12)) + 1, values.size - 1)
    rest = vectors[:, n_kept:]
    moved = (after.mean()[varies] - means) / spreads
    spread = after.covariance()[np.ix_(varies, varies)] * ((after.n - 1) / after.n) / np.outer(spreads, spreads)
    own = float(np.trace(rest.T @ correlations @ rest)) * (before.n - 1) / before.n
    error = float(np.trace(rest.T @ (spread + np.outer(moved, moved)) @ rest))
    if own <= _LEAST_ERROR * varies.sum():
        return math.nan
    return math.log(max(error, 1e-300) / own)


def correlation_shift(reference: PaneSummary, window: PaneSummary) -> float:
    """Largest change of the correlation of two columns, 0 to 2; `nan` where there is none to compare."""
    return _shifts(reference, window)[0]


def most_shifted_pair(reference: PaneSummary, window: PaneSummary) -> tuple[str, str, float, float] | None:
    """Return the two columns whose correlation changed most, and it before and after; None where there are none."""
    shift, i, j, before, after = _shifts(reference, window)
    if math.isnan(shift) or reference.covariance is None:
        return None
    names = list(reference.covariance.columns)
    return names[i], names[j], before, after


def _shifts(reference: PaneSummary, window: PaneSummary) -> tuple[float, int, int, float, float]:
    nothing = math.nan, 0, 0, math.nan, math.nan
    pair = _sides(reference, window)
    if pair is None:
        return nothing
    before, after = (_correlations(side) for side in pair)
    changes = np.triu(np.abs(after - before), 1)
    changes[np.tril_indices(len(changes))] = -1.0
    changes = np.where(np.isnan(changes), -1.0, changes)
    if changes.size == 0 or changes.max() < 0:
        return nothing
    i, j = np.unravel_index(int(np.argmax(changes)), changes.shape)
    return float(changes[i, j]), int(i), int(j), float(before[i, j]), float(after[i, j])


def _sides(reference: PaneSummary, window: PaneSummary) -> tuple[CovarianceSummary, CovarianceSummary] | None:
    before, after = reference.covariance, window.covariance
    if before is None or after is None:
        return None
    least = max(ROWS_PER_COLUMN * len(before.columns), 2)
    return (before, after) if before.n >= least and after.n >= least else None


def _standardised(side: CovarianceSummary) -> tuple[_Array, _Array, _Array, NDArray[np.bool_]]:
    """Means, standard deviations and correlations of the columns that vary, and which do."""
    covariance = side.covariance()
    variances = np.diag(covariance)
    varies = variances > 0
    spreads = np.sqrt(variances[varies])
    return side.mean()[varies], spreads, covariance[np.ix_(varies, varies)] / np.outer(spreads, spreads), varies


def _correlations(side: CovarianceSummary) -> _Array:
    """Shape `(d, d)`, `nan` where a column does not vary."""
    covariance = side.covariance()
    spreads = np.sqrt(np.where(np.diag(covariance) > 0, np.diag(covariance), math.nan))
    correlations: _Array = covariance / np.outer(spreads, spreads)
    return correlations
