"""Anderson and Darling's distance of two samples counted in the same ordered cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stream_gov.statistics.counts import paired_counts
from stream_gov.statistics.quadratic_form import distance

__all__ = ["anderson_darling", "anderson_darling_rows"]


def anderson_darling(expected: ArrayLike, observed: ArrayLike) -> float:
    """Root mean square of the difference of the two cumulative shares, in units of what it varies by: it sees the tails as well as the middle.

    `sqrt(sum(h_j (W_j - R_j)**2 / (H_j (1 - H_j) - h_j / 4)))` over cells, with the cumulative shares `W`, `R` and pooled `H` at the middle of each
    cell (all below and half of what is in it), and the pooled shares `h`: the version for ties of Scholz and Stephens.

    Parameters
    ----------
    expected, observed
        Counts per cell, same cells, ascending, shape `(k,)`.

    Returns
    -------
    Distance without unit, `>= 0`; 0 for equal shares and for a single cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or a count is negative or not finite.

    Notes
    -----
    The classical statistic `A2` is its square times `n m / (n + m)` and `(N - 1) / N`, `N = n + m`. It is given without these factors, since `A2` grows with
    the samples. Where the samples differ it depends on their sizes through the pooled shares, without bound (logarithmically) as one of
    them becomes small against the other; compare values at like ratios only.

    Examples
    --------
    >>> anderson_darling([2, 2, 0, 0], [0, 0, 2, 2])
    1.517...

    References
    ----------
    Scholz and Stephens (1987), K-sample Anderson-Darling tests, J. Am. Stat. Assoc. 82, equation (7).
    """
    return distance(anderson_darling_rows(expected, observed), expected, observed)


def anderson_darling_rows(expected: ArrayLike, observed: ArrayLike) -> NDArray[np.float64]:
    """Matrix `L` with which the distance is `|L (w - r)|`, for its test; shape `(k, k)`."""
    e, o = paired_counts(expected, observed)
    pooled = (e + o) / max(float(e.sum() + o.sum()), 1.0)
    middle = np.cumsum(pooled) - pooled / 2
    spread = middle * (1 - middle) - pooled / 4
    # Cells empty on both sides weigh nothing, wherever they stand; a single cell with everything has no spread.
    counted = (pooled > 0) & (spread > 1e-12)
    weights = np.sqrt(np.divide(pooled, spread, out=np.zeros_like(pooled), where=counted))
    rows: NDArray[np.float64] = (np.tri(e.size) - np.eye(e.size) / 2) * weights[:, np.newaxis]
    return rows
