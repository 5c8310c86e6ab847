"""The calibrated test of independent draws: is the true distance of two distributions within the tolerance, or beyond it?

For every statistic of distributions the null hypothesis is "the true distance is at most the tolerance", and both samples are random.

Large cells. Locally the population stability index is a squared length: without drift `PSI / (1/n + 1/m)` follows the chi-squared distribution
with `k - 1` degrees of freedom (Yurdakul 2018), and at a true distance `tau` the noncentral one with noncentrality `tau / (1/n + 1/m)`. Its
own logarithms spoil this where a cell holds few events: with a cell of 100 that fell to 7 it fires 18 times too often at level 0.001. So the test
measures both the samples and the tolerance by `F = 4 sum((sqrt(w) - sqrt(r))**2)` (Freeman and Tukey 1950), which equals the PSI to third order in
the log ratio and whose square roots have one variance for every share:

1. `T = F(window, reference) / (1/n + 1/m)`, half an event added to each count.
2. The tolerance is crossed at the point `v` of the path `r**(1 - s) w**s` from the reference to the window where the *PSI* of `v` and `r` is
   `tau`; the noncentrality is `F(v, r) / (1/n + 1/m)`. So a window beyond the tolerance is found however little it is beyond, given enough events.
3. Far from the reference the PSI varies more than `F` does, by a factor `kappa` (delta method, at `v`); `sqrt(T)` is drawn towards the square
   root of the noncentrality by that factor. For a small tolerance it is 1.
4. The p-value is the noncentral chi-squared tail. With two cells it is twice the smaller of two exact tests, one for each cell.

Small cells are grouped (`cell_groups`); what stays below 1 expected event, and the part of the window where the reference has nothing, are tested
for a rise by the exact test of `share_rise`. Tests of the same window are put together by Bonferroni's inequality.

This is the place where draws are taken to be independent. Where they are not, the law of `T` changes and nothing else: see `calibrated_long_run`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stream_gov.statistics.cell_groups import group_cells
from stream_gov.statistics.counts import paired_counts
from stream_gov.statistics.crossing import CONTINUITY, LARGEST_LEFT_OUT, SMALLEST_TOLERANCE, crossing, freeman_tukey
from stream_gov.statistics.divergences import (
    JENSEN_SHANNON_NATS,
    KULLBACK_LEIBLER_NATS,
    PSI_NATS,
    SQUARED_HELLINGER,
    Divergence,
)
from stream_gov.statistics.share_rise import rise_p_value

__all__ = [
    "distance_in_nats",
    "hellinger_p_value",
    "jensen_shannon_p_value",
    "kullback_leibler_p_value",
    "psi_p_value",
]

_Array = NDArray[np.float64]


def psi_p_value(expected: ArrayLike, observed: ArrayLike, *, tolerance: float = 0.0, ordered: bool = True) -> float:
    """Chance of samples at least this far apart if their true population stability index is at most the tolerance.

    Parameters
    ----------
    expected, observed
        Counts (not shares) of independent draws per cell, same cells in the same order, shape `(k,)`.
    tolerance
        True index, in nats, that counts as no drift; `>= 0`.
    ordered
        Whether the order of the cells was not taken from these counts; False for categories sorted by their count.

    Returns
    -------
    P-value in `[0, 1]`; 1 where both samples lie in one and the same cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or the tolerance is negative or not finite.

    Notes
    -----
    The method is at the top of this module. Chance of a false alarm in simulations, for 2 to 3,000 cells, windows of 50 to 10,000, references
    of 2,000 and 20,000, tolerances from 0 to 1 and the true distance at the tolerance: at most the level, within the error of 20,000 windows.
    One exception, at tolerance 0 only: up to twice the level where the reference missed one or two of hundreds of categories and the window
    is so large that each of them comes several times. Where cells are small it is conservative. A cell empty in the reference is taken to have a
    true share of `PSI_FLOOR` at least, as in the index.

    Examples
    --------
    >>> psi_p_value([1000] * 10, [100] * 10)
    1.0
    >>> psi_p_value([17_520, 0], [25, 25], tolerance=0.1) < 1e-6  # half of the window where the reference has nothing
    True
    >>> psi_p_value([17_520, 0], [9_999, 1], tolerance=0.1)  # one stray event
    1.0

    References
    ----------
    Yurdakul (2018), Statistical properties of population stability index, Western Michigan University.
    Freeman and Tukey (1950), Transformations related to the angular and the square root, Ann. Math. Stat. 21.
    """
    _check_tolerance(tolerance)
    return _divergence_p_value(expected, observed, PSI_NATS, tolerance, ordered=ordered)


def jensen_shannon_p_value(
    expected: ArrayLike, observed: ArrayLike, *, tolerance: float = 0.0, ordered: bool = True
) -> float:
    """Chance of samples at least this far apart if their true Jensen-Shannon distance (base 2) is at most the tolerance.

    The divergence in nats is an eighth of the population stability index to third order, so the test is that of :func:`psi_p_value` with the
    tolerance measured by the divergence.

    Parameters
    ----------
    expected, observed
        Counts (not shares) of independent draws per cell, same cells in the same order, shape `(k,)`.
    tolerance
        True distance, in `[0, 1]`, that counts as no drift.
    ordered
        Whether the order of the cells was not taken from these counts; False for categories sorted by their count.

    Returns
    -------
    P-value in `[0, 1]`; 1 where both samples lie in one and the same cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or the tolerance is outside `[0, 1]`.

    Examples
    --------
    >>> jensen_shannon_p_value([1000] * 10, [80] * 5 + [120] * 5) < 1e-4  # distance 0.085
    True
    >>> jensen_shannon_p_value([1000] * 10, [80] * 5 + [120] * 5, tolerance=0.1)
    1.0
    """
    _check_tolerance(tolerance)
    if tolerance > 1:
        msg = f"a Jensen-Shannon distance is at most 1, got a tolerance of {tolerance!r}"
        raise ValueError(msg)
    return _divergence_p_value(expected, observed, JENSEN_SHANNON_NATS, distance_in_nats(tolerance), ordered=ordered)


def hellinger_p_value(
    expected: ArrayLike, observed: ArrayLike, *, tolerance: float = 0.0, ordered: bool = True
) -> float:
    """Chance of samples at least this far apart if their true Hellinger distance is at most the tolerance.

    The test is that of :func:`psi_p_value` with the tolerance measured by the distance. Its square is an eighth of `F`, by which that test
    measures the samples, so here `kappa` is 1.

    Parameters
    ----------
    expected, observed
        Counts (not shares) of independent draws per cell, same cells in the same order, shape `(k,)`.
    tolerance
        True distance, in `[0, 1]`, that counts as no drift.
    ordered
        Whether the order of the cells was not taken from these counts; False for categories sorted by their count.

    Returns
    -------
    P-value in `[0, 1]`; 1 where both samples lie in one and the same cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or the tolerance is outside `[0, 1]`.

    Examples
    --------
    >>> hellinger_p_value([1000] * 10, [80] * 5 + [120] * 5) < 1e-4  # distance 0.071
    True
    >>> hellinger_p_value([1000] * 10, [80] * 5 + [120] * 5, tolerance=0.08)
    1.0
    """
    _check_tolerance(tolerance)
    if tolerance > 1:
        msg = f"a Hellinger distance is at most 1, got a tolerance of {tolerance!r}"
        raise ValueError(msg)
    return _divergence_p_value(expected, observed, SQUARED_HELLINGER, tolerance * tolerance, ordered=ordered)


def kullback_leibler_p_value(
    expected: ArrayLike, observed: ArrayLike, *, tolerance: float = 0.0, ordered: bool = True
) -> float:
    """Chance of samples at least this far apart if the true Kullback-Leibler divergence of the window is at most the tolerance.

    The test is that of :func:`psi_p_value` with the tolerance measured by the divergence of the window from the reference.

    Parameters
    ----------
    expected, observed
        Counts (not shares) of independent draws per cell, same cells in the same order, shape `(k,)`.
    tolerance
        True divergence, in nats, that counts as no drift; `>= 0`.
    ordered
        Whether the order of the cells was not taken from these counts; False for categories sorted by their count.

    Returns
    -------
    P-value in `[0, 1]`; 1 where both samples lie in one and the same cell; `nan` if either side has no counts.

    Raises
    ------
    ValueError
        The lengths differ, a count is negative or not finite, or the tolerance is negative or not finite.

    Examples
    --------
    >>> kullback_leibler_p_value([1000] * 10, [80] * 5 + [120] * 5) < 1e-4  # divergence 0.020
    True
    >>> kullback_leibler_p_value([1000] * 10, [80] * 5 + [120] * 5, tolerance=0.025)
    1.0
    """
    _check_tolerance(tolerance)
    return _divergence_p_value(expected, observed, KULLBACK_LEIBLER_NATS, tolerance, ordered=ordered)


def distance_in_nats(distance: float) -> float:
    """Jensen-Shannon divergence in nats of a Jensen-Shannon distance (base 2).

    Examples
    --------
    >>> round(distance_in_nats(1.0), 6)
    0.693147
    """
    return distance * distance * math.log(2)


def _check_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        msg = f"tolerance must be finite and at least 0, got {tolerance!r}"
        raise ValueError(msg)


def _divergence_p_value(
    expected: ArrayLike, observed: ArrayLike, divergence: Divergence, tolerance: float, *, ordered: bool
) -> float:
    e, o = paired_counts(expected, observed)
    m, n = float(e.sum()), float(o.sum())
    if m == 0 or n == 0:
        return math.nan
    if tolerance < SMALLEST_TOLERANCE:
        tolerance = 0.0
    present = e + o > 0
    if not present.all():
        e, o = e[present], o[present]

    def limit(shares: _Array) -> _Array:
        return divergence.tolerated_share(shares, tolerance)

    groups = group_cells(e, o, ordered=ordered)
    p_values: list[float] = []
    if groups.expected.size > 1:
        # By the chain rule the divergence of all cells is at least that of the grouped ones among themselves times their share.
        left_out = max(groups.left_expected / m, groups.left_observed / n)
        within = tolerance / (1 - min(left_out, LARGEST_LEFT_OUT))
        p_values.append(_p_value_of_groups(groups.expected, groups.observed, divergence, within))
    empty = e == 0
    if empty.any():
        # Cells seen once in the reference stand for those it missed (Good 1953); see `unseen_share_p_value`.
        once, twice = int((e == 1).sum()), int((e == 2).sum())
        dispersion = (once + 2 * twice + 1) / (once + 1)
        p_values.append(rise_p_value(float(o[empty].sum()), n, once, m, limit, dispersion=dispersion))
    if groups.left_expected + groups.left_observed > 0 and not (empty.any() and groups.left_expected == 0):
        p_values.append(rise_p_value(groups.left_observed, n, groups.left_expected, m, limit))
    return min(len(p_values) * min(p_values), 1.0) if p_values else 1.0


def _p_value_of_groups(e: _Array, o: _Array, divergence: Divergence, tolerance: float) -> float:
    m, n = float(e.sum()), float(o.sum())
    if m == 0 or n == 0:
        return 1.0
    if e.size == 2:

        def limit(shares: _Array) -> _Array:
            return divergence.tolerated_share(shares, tolerance)

        rises = [rise_p_value(float(o[i]), n, float(e[i]), m, limit) for i in (0, 1)]
        return min(2 * min(rises), 1.0)
    r = (e + CONTINUITY) / (m + e.size * CONTINUITY)
    w = (o + CONTINUITY) / (n + o.size * CONTINUITY)
    effective_n = 1 / (1 / n + 1 / m)
    statistic = effective_n * freeman_tukey(w, r)
    if tolerance == 0:
        return float(special.chdtrc(e.size - 1, statistic))
    if divergence.value(w, r) <= tolerance:
        return 1.0
    at = crossing(w, r, divergence, tolerance)
    noncentrality = effective_n * freeman_tukey(at.v, r)
    variance = _variance_of_mean(at.by_v, at.v) / n + _variance_of_mean(at.by_r, r) / m
    # sqrt(T) has variance 1, and grows along the path by sqrt(effective_n) * slope_of_root
    kappa = max(math.sqrt(variance * effective_n) * at.slope_of_root(r) / at.slope, 1.0)
    root = math.sqrt(noncentrality)
    drawn = root + (math.sqrt(statistic) - root) / kappa
    return max(1.0 - float(special.chndtr(drawn * drawn, e.size - 1, noncentrality)), 0.0)


def _variance_of_mean(values: _Array, shares: _Array) -> float:
    mean = float(shares @ values)
    return max(float(shares @ (values * values)) - mean * mean, 0.0)
