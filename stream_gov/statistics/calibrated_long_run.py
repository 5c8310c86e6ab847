"""The calibrated test of draws that depend on the draws before them: what `calibrated` does, under the law that the reference shows.

The statistic `T = F(window, reference) / (1/n + 1/m)`, the grouping of cells and the path to the tolerance are those of `calibrated`. What changes
is the law of `T`. Write `y = 2 (sqrt(w) - sqrt(r))`, so that `T = n_eff |y|**2` with `n_eff = 1 / (1/n + 1/m)`. For long samples `sqrt(n_eff) y` is
normal with covariance `R = D**-1/2 C D**-1/2`, where `C` is the long-run covariance of the cells' shares per event and `D = diag(r)`; for
independent draws `R` is a projection, and `T` chi-squared. So with the eigenpairs `lambda_i, e_i` of `R` and the crossing `v`:

1. `T` is distributed as `sum(lambda_i chi2_1(delta_i))` with `delta_i = n_eff (y(v) . e_i)**2 / lambda_i`; its tail by `mixture_tail`, and
   below 0.05 by `mixture_tail_far_out`.
2. The reference shows `R` by few independent blocks, `nu` of them. So the tail is spread. Without a tolerance as chi-squared of `h` degrees of
   freedom is spread to F of `h` and `nu sqrt(h)`, `h` those of Satterthwaite for the mixture: the sum of `h` equal eigenvalues is known with
   `nu h` degrees of freedom (Box 1954), the largest eigenvalue, which makes the far tail, with `nu`; of the values between, this one holds the
   level in simulations. With a tolerance as the normal distribution is spread to Student's of `nu` degrees.
3. Tests of single shares divide all counts by the inflation of the variance of that share, and are spread like Student's.
4. The p-value of independent draws is a lower bound: the caller takes the larger one.

The window is taken to depend on itself as the reference does; `R` is held to be the same where the shares are not, as it is for independent draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stream_gov.statistics.cell_groups import CellGroups, group_cells
from stream_gov.statistics.counts import paired_counts
from stream_gov.statistics.crossing import CONTINUITY, LARGEST_LEFT_OUT, SMALLEST_TOLERANCE, crossing, freeman_tukey
from stream_gov.statistics.divergences import Divergence
from stream_gov.statistics.kolmogorov_smirnov import ks_p_value
from stream_gov.statistics.mixture_tail import mixture_tail
from stream_gov.statistics.saddlepoint import mixture_tail_far_out
from stream_gov.statistics.share_rise import rise_p_value
from stream_gov.summaries import Inflation, LongRun, pooled_cells

__all__ = [
    "long_run_ks_p_value",
    "long_run_mean_shift_p_value",
    "long_run_p_value",
    "long_run_rise_p_value",
    "long_run_share_p_value",
    "long_run_unseen_p_value",
    "spread_p_value",
]

_Array = NDArray[np.float64]

_FAR_OUT = 0.05
"""Chance below which the tail is computed with a bounded relative error."""

_SMALLEST_EIGENVALUE = 1e-9
"""Relative to the largest: below it a direction has no variance (that of the constant)."""


class _Law(TypedDict):
    inflation: Inflation
    degrees: float


def spread_p_value(p_value: float, degrees: float) -> float:
    """P-value of a normal statistic whose variance is an estimate with so many degrees of freedom.

    The point that the normal distribution exceeds with probability `p_value`, referred to Student's distribution.

    Examples
    --------
    >>> round(spread_p_value(0.001, 30), 5), spread_p_value(0.7, 30), spread_p_value(0.0, 30)
    (0.00214, 0.7, 0.0)
    """
    if not 0 < p_value < 0.5:
        return p_value
    return float(special.stdtr(degrees, special.ndtri(p_value)))


def long_run_p_value(
    expected: ArrayLike,
    observed: ArrayLike,
    long_run: LongRun,
    divergence: Divergence,
    *,
    tolerance: float = 0.0,
    kind: str = "numeric",
) -> float:
    """Chance of samples at least this far apart if their true divergence is at most the tolerance.

    Parameters
    ----------
    expected, observed
        Counts per cell of the column, shape `(k,)`.
    long_run
        Of the column in the reference.
    divergence
        Measure of the tolerance, and of the direction in which it is crossed.
    tolerance
        In nats, `>= 0`.
    kind
        Of the column; categories stand in the order of their counts, with the unseen values last.

    Returns
    -------
    P-value in `[0, 1]`; `nan` if either side has no counts. Take the larger of it and that of independent draws.
    """
    fine, window = paired_counts(expected, observed)
    m, n = float(fine.sum()), float(window.sum())
    if m == 0 or n == 0:
        return math.nan
    if tolerance < SMALLEST_TOLERANCE:
        tolerance = 0.0
    pool = pooled_cells(fine.size, kind=kind)
    e: _Array = np.bincount(pool, weights=fine).astype(np.float64)
    o: _Array = np.bincount(pool, weights=window).astype(np.float64)
    present = e + o > 0
    e, o = e[present], o[present]

    def limit(shares: _Array) -> _Array:
        return divergence.tolerated_share(shares, tolerance)

    law: _Law = {"inflation": long_run.typical, "degrees": long_run.degrees}
    groups = group_cells(e, o, ordered=kind != "categorical")
    p_values: list[float] = []
    if groups.expected.size > 1:
        left_out = max(groups.left_expected / m, groups.left_observed / n)
        within = tolerance / (1 - min(left_out, LARGEST_LEFT_OUT))
        p_values.append(_p_value_of_groups(groups, present, long_run, divergence, within))
    empty = e == 0
    if empty.any():
        # As for independent draws: cells seen once in the reference stand for those it missed.
        once, twice = int((fine == 1).sum()), int((fine == 2).sum())
        dispersion = (once + 2 * twice + 1) / (once + 1)
        count = float(o[empty].sum())
        p_values.append(long_run_rise_p_value(count, n, once, m, limit, **law, dispersion=dispersion))
    if groups.left_expected + groups.left_observed > 0 and not (empty.any() and groups.left_expected == 0):
        p_values.append(long_run_rise_p_value(groups.left_observed, n, groups.left_expected, m, limit, **law))
    return min(len(p_values) * min(p_values), 1.0) if p_values else 1.0


def long_run_rise_p_value(
    count: float,
    n: float,
    reference_count: float,
    n_reference: float,
    limit: Callable[[_Array], _Array],
    *,
    inflation: Inflation,
    degrees: float,
    dispersion: float = 1.0,
) -> float:
    """Chance of at least `count` in a window of `n` if its true share is at most `limit(true share of the reference)`.

    The exact test of independent draws (`rise_p_value`) of all counts divided by the inflation, spread like Student's distribution.

    Parameters
    ----------
    count, n, reference_count, n_reference, limit, dispersion
        As in `rise_p_value`.
    inflation
        Of the variance of the share; below 1 it counts as 1.
    degrees
        Of freedom of the inflation.

    Returns
    -------
    P-value in `[0, 1]`; `nan` if either sample is empty.
    """
    f = max(inflation.ratio, 1.0)
    p_value = rise_p_value(count / f, n / f, reference_count / f, n_reference / f, limit, dispersion=dispersion)
    return spread_p_value(p_value, degrees)


def long_run_share_p_value(
    count: int,
    n: int,
    reference_count: int,
    n_reference: int,
    long_run: LongRun,
    inflation: Inflation,
    *,
    tolerance: float,
) -> float:
    """Chance of at least `count` in a window of `n` if its true share is at most the reference's plus the tolerance.

    Where the reference had none of them their dependence is not known, and the draws are taken to be independent.
    """
    return long_run_rise_p_value(
        count,
        n,
        reference_count,
        n_reference,
        lambda shares: shares + tolerance,
        inflation=inflation,
        degrees=long_run.degrees_at(inflation.lag),
    )


def long_run_unseen_p_value(expected: ArrayLike, observed: ArrayLike, long_run: LongRun, *, tolerance: float) -> float:
    """`unseen_share_p_value` with the inflation of the typical known category, that of unseen ones not being known."""
    e, o = np.asarray(expected), np.asarray(observed)
    once, twice, m = int((e[:-1] == 1).sum()), int((e[:-1] == 2).sum()), int(e.sum())
    count = min(int(e[-1]) + once, m)
    return long_run_rise_p_value(
        int(o[-1]),
        int(o.sum()),
        count,
        m,
        lambda shares: shares + tolerance,
        inflation=long_run.typical,
        degrees=long_run.degrees,
        dispersion=(count + 2 * twice + 1) / (count + 1),
    )


def long_run_ks_p_value(statistic: float, n: int, m: int, long_run: LongRun, *, tolerance: float) -> float:
    """`ks_p_value` with both samples divided by the largest inflation of a cumulative share; conservative."""
    f = max(long_run.cumulative.ratio, 1.0)
    p_value = ks_p_value(statistic, max(n / f, 1.0), max(m / f, 1.0), tolerance=tolerance)
    return spread_p_value(p_value, long_run.degrees)


def long_run_mean_shift_p_value(
    *,
    mean_reference: float,
    variance_reference: float,
    n_reference: int,
    mean_window: float,
    variance_window: float,
    n_window: int,
    long_run: LongRun,
    tolerance: float,
) -> float:
    """Chance of a difference of means at least this large, in either direction, if the true shift is within the tolerance.

    As `mean_shift_p_value`, with both variances of means inflated and the degrees of freedom of the inflation. A short window of dependent
    values varies less within than the column does, so the larger of both samples' variances stands for the window's.
    """
    if n_reference < 2 or n_window < 2:
        return math.nan
    f = max(long_run.mean.ratio, 1.0)
    of_window = max(variance_window, variance_reference) / n_window
    of_reference = variance_reference / n_reference * (1 + tolerance * tolerance / 2)
    error = math.sqrt(f * (of_window + of_reference))
    if not error > 0:
        return math.nan
    degrees = long_run.degrees_at(long_run.mean.lag)
    difference, allowed = abs(mean_window - mean_reference), tolerance * math.sqrt(variance_reference)
    near = special.stdtr(degrees, -(difference - allowed) / error)
    far = special.stdtr(degrees, -(difference + allowed) / error)
    return min(float(near + far), 1.0)


def _p_value_of_groups(
    groups: CellGroups, present: NDArray[np.bool_], long_run: LongRun, divergence: Divergence, tolerance: float
) -> float:
    e, o = groups.expected, groups.observed
    m, n = float(e.sum()), float(o.sum())
    if m == 0 or n == 0:
        return 1.0
    if e.size == 2:

        def limit(shares: _Array) -> _Array:
            return divergence.tolerated_share(shares, tolerance)

        normalised = _merged(groups, present, long_run)
        inflation = Inflation(max(float(normalised.trace()), 1.0), long_run.lag)
        law: _Law = {"inflation": inflation, "degrees": long_run.degrees}
        rises = [long_run_rise_p_value(float(o[i]), n, float(e[i]), m, limit, **law) for i in (0, 1)]
        return min(2 * min(rises), 1.0)
    r = (e + CONTINUITY) / (m + e.size * CONTINUITY)
    w = (o + CONTINUITY) / (n + o.size * CONTINUITY)
    if tolerance > 0 and divergence.value(w, r) <= tolerance:
        return 1.0
    if e.size == long_run.filled.sum() and (present == long_run.filled).all() and groups.members.size == e.size:
        values, vectors = long_run.eigen
    else:
        values, vectors = np.linalg.eigh(_merged(groups, present, long_run))
    kept = values > _SMALLEST_EIGENVALUE * float(values[-1])
    if values[-1] <= 0:
        return 0.0  # the shares of blocks do not vary at all: independent draws are the bound
    values, vectors = values[kept], vectors[:, kept]
    effective_n = 1 / (1 / n + 1 / m)
    statistic = effective_n * freeman_tukey(w, r)
    if tolerance == 0:
        tail = _tail(statistic, values, np.zeros_like(values))
        of_mixture = float(values.sum()) ** 2 / float(values @ values)  # Satterthwaite's degrees of freedom
        point = float(special.chdtri(of_mixture, tail)) / of_mixture
        return float(special.fdtrc(of_mixture, long_run.degrees * math.sqrt(of_mixture), point)) if tail > 0 else 0.0
    at = crossing(w, r, divergence, tolerance)
    length = freeman_tukey(at.v, r)
    coordinates = 2 * (np.sqrt(at.v) - np.sqrt(r)) @ vectors
    noncentralities = effective_n * coordinates**2 / values
    # `sqrt(T)` has this variance along the path; the divergence may vary more.
    along = float((coordinates**2 * values).sum()) / length
    variance = _variance(at.by_v, at.v, values, vectors) / n + _variance(at.by_r, r, values, vectors) / m
    kappa = max(math.sqrt(variance * effective_n / along) * at.slope_of_root(r) / at.slope, 1.0)
    root = math.sqrt(effective_n * length)
    drawn = max(root + (math.sqrt(statistic) - root) / kappa, 0.0)
    return spread_p_value(_tail(drawn * drawn, values, noncentralities), long_run.degrees)


def _tail(value: float, weights: _Array, noncentralities: _Array) -> float:
    """Matching moments is quick, and good in the middle; far out it is two times too small at 1e-5."""
    quick = mixture_tail(value, weights, noncentralities)
    return quick if quick > _FAR_OUT else mixture_tail_far_out(value, weights, noncentralities)


def _merged(groups: CellGroups, present: NDArray[np.bool_], long_run: LongRun) -> _Array:
    """`D**-1/2 C D**-1/2` of the groups. A group without rows in the reference is taken to vary as the typical cell."""
    belongs = np.zeros((groups.expected.size + 1, long_run.shares.size))
    belongs[groups.members, np.flatnonzero(present)] = 1.0  # members -1: the last row
    belongs = belongs[:-1]
    shares = belongs @ long_run.shares
    covariance = belongs @ long_run.covariance @ belongs.T
    filled = shares > 0
    weights = np.divide(1.0, np.sqrt(shares), out=np.zeros_like(shares), where=filled)
    normalised: _Array = covariance * np.outer(weights, weights)
    normalised[~filled, ~filled] = long_run.typical.ratio
    return normalised


def _variance(gradient: _Array, shares: _Array, values: _Array, vectors: _Array) -> float:
    """Variance per event of the divergence: its gradient by `y` is that by the shares times their square root."""
    coordinates = ((gradient - float(shares @ gradient)) * np.sqrt(shares)) @ vectors
    return float(values @ coordinates**2)
