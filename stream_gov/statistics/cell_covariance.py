"""From the long-run covariance of pooled groups of cells to that of the cells themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import LongRun, NumericLayout, pooled_cells

__all__ = ["long_run_cell_covariance", "pool_of_cells", "score_inflation"]

_Array = NDArray[np.float64]


def pool_of_cells(layout: NumericLayout) -> NDArray[np.int64]:
    """Number of the pooled cell of the long-run covariance that each cell of a numeric column belongs to; shape `(n_cells,)`."""
    pool: NDArray[np.int64] = pooled_cells(layout.n_groups, kind="numeric")[layout.groups]
    return pool


def long_run_cell_covariance(long_run: LongRun, pool: NDArray[np.int64], shares: _Array) -> _Array:
    """Covariance per event of the shares of single cells, where the cells hold these shares.

    What the reference shows is the covariance of pooled groups of cells. Normalised by the shares (as `LongRun.normalised`) it is held to be the
    same whatever the shares are, as it is for independent draws. Inside a group values are taken to be spread over its cells as independent draws
    would be, with the variance inflated as that of the group's own share, or of the typical group if that is more. For independent draws this
    gives `diag(shares) - outer(shares, shares)`.

    Parameters
    ----------
    long_run
        Of the column in the reference.
    pool
        Pooled cell that each cell belongs to, shape `(k,)`.
    shares
        Of the cells, sum 1, shape `(k,)`.

    Returns
    -------
    Shape `(k, k)`, without negative eigenvalues. A pooled cell without rows in the reference has the variance inside of it only.
    """
    size = long_run.shares.size
    pooled = np.bincount(pool, weights=shares, minlength=size)
    within = np.divide(shares, pooled[pool], out=np.zeros_like(shares), where=pooled[pool] > 0)
    ratios = np.sqrt(np.divide(pooled, long_run.shares, out=np.zeros(size), where=long_run.filled))
    covariance = long_run.covariance * np.outer(ratios, ratios)
    # Scaled by other shares than its own its rows no longer sum to 0, as those of shares do, which sum to 1.
    sums = covariance.sum(axis=0)
    covariance = covariance - np.outer(pooled, sums) - np.outer(sums, pooled) + sums.sum() * np.outer(pooled, pooled)
    result: _Array = covariance[np.ix_(pool, pool)] * np.outer(within, within)
    same = pool[:, np.newaxis] == pool
    inside = np.diag(shares) - np.where(same, np.outer(shares, within), 0.0)
    result += _inflation_within(long_run)[pool] * inside
    return result


def score_inflation(long_run: LongRun, pool: NDArray[np.int64], shares: _Array, scores: _Array) -> float:
    """Long-run variance of a mean score over that of independent draws.

    Parameters
    ----------
    long_run, pool, shares
        As in :func:`long_run_cell_covariance`; the shares are those of the reference.
    scores
        Of the cells, shape `(k,)`.

    Returns
    -------
    Ratio, `>= 0`; that of the typical group where the scores do not vary.
    """
    size = long_run.shares.size
    pooled = np.bincount(pool, weights=shares, minlength=size)
    means = np.divide(
        np.bincount(pool, weights=shares * scores, minlength=size), pooled, out=np.zeros(size), where=pooled > 0
    )
    between = float(means @ long_run.covariance @ means)
    square = float(shares @ (scores * scores))
    within = float((_inflation_within(long_run)[pool] * shares) @ (scores - means[pool]) ** 2)
    independent = float(shares @ (scores - float(shares @ scores)) ** 2)
    if not independent > 1e-12 * square:  # equal scores, but for rounding
        return long_run.typical.ratio
    return (between + within) / independent


def _inflation_within(long_run: LongRun) -> _Array:
    """Of the variance inside each pooled cell. Values at the ends of a column come in longer spells than others, and so do those inside of them."""
    spread = long_run.shares * (1 - long_run.shares)
    own: _Array = np.divide(long_run.covariance.diagonal(), spread, out=np.zeros_like(spread), where=spread > 0)
    return np.maximum(own, long_run.typical.ratio)
