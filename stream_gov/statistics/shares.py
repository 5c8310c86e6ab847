"""Shares of events whose value is missing, of a wrong type, or of a category the reference does not know."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from stream_gov.statistics.share_rise import rise_p_value

__all__ = ["expected_unseen_share", "missing_share", "type_error_share", "unseen_share", "unseen_share_p_value"]


def missing_share(n_missing: int, n: int) -> float:
    """Share of events without a value: no key, null, or `nan`.

    Parameters
    ----------
    n_missing
        Events without a value.
    n
        Events.

    Returns
    -------
    Share in `[0, 1]`; `nan` without events.

    Raises
    ------
    ValueError
        `n_missing` is not within `[0, n]`.

    Examples
    --------
    >>> missing_share(5, 20)
    0.25
    """
    return _share("n_missing", n_missing, n)


def type_error_share(n_type_errors: int, n: int) -> float:
    """Share of events whose value is of another JSON type than the reference's, such as text where numbers were.

    Parameters
    ----------
    n_type_errors
        Events with such a value.
    n
        Events.

    Returns
    -------
    Share in `[0, 1]`; `nan` without events.

    Raises
    ------
    ValueError
        `n_type_errors` is not within `[0, n]`.

    Examples
    --------
    >>> type_error_share(0, 20)
    0.0
    """
    return _share("n_type_errors", n_type_errors, n)


def unseen_share(n_unseen: int, n_valid: int) -> float:
    """Share of valid values in categories that the reference does not know.

    Parameters
    ----------
    n_unseen
        Values of such categories.
    n_valid
        Valid values.

    Returns
    -------
    Share in `[0, 1]`; `nan` without valid values.

    Raises
    ------
    ValueError
        `n_unseen` is not within `[0, n_valid]`.

    Examples
    --------
    >>> unseen_share(1, 20)
    0.05
    """
    return _share("n_unseen", n_unseen, n_valid)


def _share(name: str, count: int, n: int) -> float:
    if not 0 <= count <= n:
        msg = f"{name} must lie between 0 and the number of events, got {count} of {n}"
        raise ValueError(msg)
    return count / n if n else math.nan


def expected_unseen_share(expected: ArrayLike) -> float:
    """Share of values in a window without drift that the reference does not know, by what is rare in the reference (Good 1953).

    Parameters
    ----------
    expected
        Counts of the reference per known category and, last, of all unseen ones; shape `(k + 1,)`.

    Returns
    -------
    Share in `[0, 1]`; `nan` without counts.

    Examples
    --------
    >>> expected_unseen_share([90, 9, 1, 0])  # one category in a hundred values was seen once
    0.01
    """
    e = np.asarray(expected)
    m = int(e.sum())
    return min(int(e[-1]) + int((e[:-1] == 1).sum()), m) / m if m else math.nan


def unseen_share_p_value(expected: ArrayLike, observed: ArrayLike, *, tolerance: float = 0.0) -> float:
    """Chance of at least this many unseen values if their true share is at most the reference's plus the tolerance.

    The known categories are those of the reference, so the reference itself has hardly an unseen value, whatever the true share. What it has
    instead are categories seen once: each of them would be unseen had that one row been left out. Their number, with the values counted as
    unseen, estimates the reference's own unseen share (Good 1953), with variance `(N1 + 2 N2) / m**2` for `N1`, `N2` categories seen once and
    twice (Robbins 1968, Esty 1983). The rest is :func:`stream_gov.statistics.rise_p_value`.

    Parameters
    ----------
    expected, observed
        Counts per known category and, last, of all unseen ones; shape `(k + 1,)`.
    tolerance
        Rise of the share that counts as no drift, in `[0, 1]`.

    Returns
    -------
    P-value in `[0, 1]`; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, or the tolerance is outside `[0, 1]`.

    Examples
    --------
    >>> unseen_share_p_value([900, 100, 0], [45, 3, 2]) < 0.01  # no category seen once: an unseen value is rare
    True
    >>> unseen_share_p_value([700, 262] + 38 * [1] + [0], [33, 15] + 38 * [0] + [2]) > 0.1  # here it is not
    True

    References
    ----------
    Good (1953), The population frequencies of species and the estimation of population parameters, Biometrika 40.
    Esty (1983), A normal limit law for a nonparametric estimator of the coverage of a random sample, Ann. Stat. 11.
    """
    if not 0 <= tolerance <= 1:
        msg = f"tolerance is a difference of shares between 0 and 1, got {tolerance!r}"
        raise ValueError(msg)
    e, o = np.asarray(expected), np.asarray(observed)
    if e.shape != o.shape or e.ndim != 1 or not e.size:
        msg = f"counts of the same categories are needed, got shapes {e.shape} and {o.shape}"
        raise ValueError(msg)
    m = int(e.sum())
    once, twice = int((e[:-1] == 1).sum()), int((e[:-1] == 2).sum())
    count = min(int(e[-1]) + once, m)
    return rise_p_value(
        int(o[-1]),
        int(o.sum()),
        count,
        m,
        lambda shares: shares + tolerance,
        dispersion=(count + 2 * twice + 1) / (count + 1),
    )
