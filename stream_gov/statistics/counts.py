"""Counts of two samples in the same cells: what the statistics of distributions take."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["paired_counts", "paired_shares"]


def paired_counts(expected: ArrayLike, observed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both counts as float64 after checking that they can be compared.

    Raises
    ------
    ValueError
        The shapes differ, are not `(k,)` with `k >= 1`, or a count is negative, infinite or `nan`.
    """
    e = np.asarray(expected, dtype=np.float64)
    o = np.asarray(observed, dtype=np.float64)
    if e.shape != o.shape or e.ndim != 1 or not e.size:
        msg = (
            f"counts of the same cells are needed, got shapes {e.shape} and {o.shape}; "
            "give two sequences of one length (at least 1), same cells in the same order"
        )
        raise ValueError(msg)
    # nan fails every comparison; an infinite count makes an infinite sum
    if not (e.min() >= 0 and o.min() >= 0 and e.sum() < np.inf and o.sum() < np.inf):
        msg = f"counts must be finite and at least 0, got {e.tolist()!r} and {o.tolist()!r}"
        raise ValueError(msg)
    return e, o


def paired_shares(
    expected: ArrayLike, observed: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | tuple[None, None]:
    """Return both samples' shares, or `(None, None)` if one of them is empty.

    Examples
    --------
    >>> paired_shares([1, 3], [5, 5])
    (array([0.25, 0.75]), array([0.5, 0.5]))
    >>> paired_shares([1, 3], [0, 0])
    (None, None)
    """
    e, o = paired_counts(expected, observed)
    m, n = float(e.sum()), float(o.sum())
    if m == 0 or n == 0:
        return None, None
    return e / m, o / n
