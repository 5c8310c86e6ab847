"""What the cells of a numeric column tell of its distribution: shares below a value and quantiles, each with its error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.summaries import NumericSummary

__all__ = [
    "Quantile",
    "interpolated_share_below",
    "kurtosis_bound",
    "mean_holds",
    "quantile",
    "share_below",
    "spread_holds",
]

# `NumericSummary` clips what it adds to its moments at this many spreads of the reference from its center.
_CLIP_SCALES = 2.0**28
# Moments are those of values rounded to 2**-16 of the reference's spread; a spread of fewer such steps is mostly rounding.
_ROUNDING_SCALES = 2.0**-16
_LEAST_STEPS = 16


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile, and the ends of the cell that holds it."""

    value: float
    low: float
    high: float

    @property
    def error(self) -> float:
        """The most that `value` is off."""
        return self.high - self.low


def quantile(summary: NumericSummary, rank: float) -> Quantile:
    """Interpolate a quantile in the cell that holds it.

    The ends of a cell are narrowed by the least and the largest value, which are exact; a cell of one value is exact.

    Parameters
    ----------
    summary
        Of a numeric column.
    rank
        In `[0, 1]`: the value with this share of the values at or below it (the inverse of the empirical distribution function).

    Returns
    -------
    The value lies in the same cell as the exact one, so it is off by at most the length of the cell. All `nan` without values.
    """
    n = summary.n_valid
    if not n:
        return Quantile(math.nan, math.nan, math.nan)
    cumulative = np.cumsum(summary.counts)
    target = min(max(rank * n, 1.0), float(n))
    # 1e-9: rank * n may be a rounding above the whole number that it stands for
    cell = int(np.searchsorted(cumulative, target - 1e-9 * n, side="left"))
    edges = summary.layout.edges
    low = max(float(edges[cell - 1]) if cell > 0 else -math.inf, summary.minimum)
    high = min(float(edges[cell]) if cell < edges.size else math.inf, summary.maximum)
    if cell > 0 and cell < edges.size and np.nextafter(edges[cell - 1], math.inf) == edges[cell]:
        high = low
    high = max(low, high)
    inside = (target - float(cumulative[cell] - summary.counts[cell])) / float(summary.counts[cell])
    # halves first: the difference of the ends may be more than the largest float
    value = min(max(low * (1 - inside) + high * inside, low), high)
    return Quantile(value, low, high)


def share_below(
    summary: NumericSummary, values: NDArray[np.float64], *, slack: float = 1e-9
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bounds of the share of values that are less than each of `values`.

    Parameters
    ----------
    summary
        Of a numeric column with values.
    values
        Any floats, shape `(k,)`.
    slack
        Relative error of `values`: the bounds hold for all that lies so near.

    Returns
    -------
    Lower and upper bound, shape `(k,)` each. Without slack they are equal at the edges of the cells; beyond the range of the values they always are.
    """
    edges, n = summary.layout.edges, summary.n_valid
    below = np.concatenate(([0.0], np.cumsum(summary.counts)[:-1], [float(n)])) / n  # at -inf, at each edge, at inf
    near = np.abs(values) * slack
    with np.errstate(over="ignore"):
        least, largest = values - near, values + near
    lower = below[np.searchsorted(edges, least, side="right")]
    upper = below[np.searchsorted(edges, largest, side="left") + 1]
    lower = np.where(least > summary.maximum, 1.0, np.where(least <= summary.minimum, 0.0, lower))
    upper = np.where(largest > summary.maximum, 1.0, np.where(largest <= summary.minimum, 0.0, upper))
    return lower, upper


def interpolated_share_below(summary: NumericSummary, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of values below each of `values`, as if those of a cell were evenly spread; within the bounds of :func:`share_below`."""
    edges, n, last = summary.layout.edges, summary.n_valid, summary.maximum
    cumulative = np.concatenate(([0.0], np.cumsum(summary.counts)[:-1] / n, [1.0]))  # at -inf, at each edge, at inf
    inner = (edges > summary.minimum) & (edges < last)
    place = int(np.searchsorted(edges, last, side="left"))
    is_edge = place < edges.size and edges[place] == last
    knots = np.concatenate(([summary.minimum], edges[inner], [last]))
    below = np.concatenate(([0.0], cumulative[1:-1][inner], [cumulative[place + 1] if is_edge else 1.0]))
    found = np.where(values <= summary.minimum, 0.0, np.interp(values, knots, below))
    return np.where(values > last, 1.0, found)


def mean_holds(summary: NumericSummary) -> bool:
    """Tell whether the mean is that of the values: there are some, none lies so far out that it was clipped, and it is a float."""
    layout = summary.layout
    farthest = max(abs(summary.minimum - layout.center), abs(summary.maximum - layout.center))
    return summary.n_valid > 0 and farthest < _CLIP_SCALES * layout.scale and math.isfinite(summary.mean())


def spread_holds(summary: NumericSummary) -> bool:
    """Tell whether the standard deviation is that of the values: there are two or more, none was clipped, and it is not mere rounding."""
    if summary.n_valid < 2 or not mean_holds(summary):
        return False
    if summary.minimum == summary.maximum:
        return True
    return _LEAST_STEPS * _ROUNDING_SCALES * summary.layout.scale <= summary.standard_deviation() < math.inf


def kurtosis_bound(summary: NumericSummary) -> float:
    """Upper estimate of the kurtosis (3 for normal values), from cells, moments and extremes.

    Values of the inner cells count at the middle of what the extremes leave of the cell. What they leave of the variance is that of the two open cells, whose values lie no
    farther out than the extremes: so their fourth moment is at most that rest times the square of the farther extreme.

    Returns
    -------
    At least 1; infinity where there is no spread.
    """
    n, edges = summary.n_valid, summary.layout.edges
    sd = summary.standard_deviation() if n > 1 else 0.0
    if not sd > 0:
        return math.inf
    mean = summary.mean()
    inside = np.clip(edges, summary.minimum, summary.maximum)
    middles = inside[:-1] / 2 + inside[1:] / 2
    z_inner = (middles - mean) / sd
    shares = summary.counts[1:-1] / n if edges.size else np.empty(0)
    inner_second = float((shares * z_inner**2).sum())
    inner_fourth = float((shares * z_inner**4).sum())
    farthest = max(abs(summary.minimum - mean), abs(summary.maximum - mean)) / sd
    return max(1.0, inner_fourth + max(1.0 - inner_second, 0.0) * farthest**2)
