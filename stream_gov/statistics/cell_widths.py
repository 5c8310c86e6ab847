"""Widths of the cells of a numeric column, the open ones closed by the extremes of both samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["cell_widths"]


def cell_widths(edges: ArrayLike, filled: NDArray[np.bool_], *, low: float, high: float) -> NDArray[np.float64]:
    """Width of each cell.

    Parameters
    ----------
    edges
        Strictly increasing, in the column's unit, shape `(k,)`. Cell `i` is `[edges[i - 1], edges[i])`; the first and the last are open.
    filled
        Whether one of the samples has values in the cell, shape `(k + 1,)`.
    low, high
        Least and largest value of both samples together. Ignored on a side whose open cell is empty: that cell has no width.

    Returns
    -------
    In the column's unit, `>= 0`, shape `(k + 1,)`.

    Raises
    ------
    ValueError
        The number of cells does not fit the edges, the edges do not increase, or a needed `low` or `high` is not finite or on the wrong side of
        its edge.

    Examples
    --------
    >>> cell_widths([1.0, 3.0], np.array([True, True, False]), low=0.5, high=2.0).tolist()
    [0.5, 2.0, 0.0]
    """
    cuts = np.asarray(edges, dtype=np.float64)
    if cuts.ndim != 1 or filled.size != cuts.size + 1 or np.any(cuts[1:] <= cuts[:-1]):
        msg = (
            f"{cuts.size} strictly increasing edges make {cuts.size + 1} cells, got counts of {filled.size} cells "
            f"and edges {cuts.tolist()!r}"
        )
        raise ValueError(msg)
    first = low if filled[0] or not cuts.size else float(cuts[0])
    last = high if filled[-1] or not cuts.size else float(cuts[-1])
    widths: NDArray[np.float64] = np.diff(np.concatenate(([first], cuts, [last])))
    if not (math.isfinite(first) and math.isfinite(last)) or widths[0] < 0 or widths[-1] < 0:
        msg = f"low and high must enclose the values of both samples, got low={low!r}, high={high!r} for edges {cuts.tolist()!r}"
        raise ValueError(msg)
    return widths
