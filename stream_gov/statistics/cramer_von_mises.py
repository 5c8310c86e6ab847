"""Cramér and von Mises's distance of two samples counted in the same ordered cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream_gov.statistics.counts import paired_counts
from stream_gov.statistics.quadratic_form import distance

__all__ = ["cramer_von_mises", "cramer_von_mises_rows"]


def cramer_von_mises(expected: ArrayLike, observed: ArrayLike) -> float:
    """Root mean square of the difference of the two cumulative shares, over the values of both samples together.

    `sqrt(sum(t_j (W_j - R_j)**2))` over the boundaries of the cells, with the cumulative shares `W`, `R` and for `t_j` the mean of the pooled
    shares of the two cells that meet there: so the distance is the same if the order is reversed.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells, ascending, shape `(k,)`.

    Returns
    -------
    Difference of shares, in `[0, 1 / sqrt(2)]`; 0 for equal shares and for a single cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    The classical statistic `T` is its square times `n m / (n + m)`: exactly where every value has a cell of its own and there are no ties. It is
    given without that factor, since `T` grows with the samples. It hardly depends on the sample sizes, only through the pooled shares.

    Examples
    --------
    >>> cramer_von_mises([2, 2, 0, 0], [0, 0, 2, 2])
    0.612...

    References
    ----------
    Anderson (1962), On the distribution of the two-sample Cramér-von Mises criterion, Ann. Math. Stat. 33.
    Lockhart, Spinelli and Stephens (2007), Cramér-von Mises statistics for discrete distributions with unknown parameters, Can. J. Stat. 35.
    """
    return distance(cramer_von_mises_rows(expected, observed), expected, observed)


def cramer_von_mises_rows(expected: ArrayLike, observed: ArrayLike) -> NDArray[np.float64]:
    """Matrix `L` with which the distance is `|L (w - r)|`, for its test; shape `(k - 1, k)`."""
    e, o = paired_counts(expected, observed)
    pooled = (e + o) / max(float(e.sum() + o.sum()), 1.0)
    weights = np.sqrt((pooled[:-1] + pooled[1:]) / 2)
    rows: NDArray[np.float64] = np.tri(e.size - 1, e.size) * weights[:, np.newaxis]
    return rows
