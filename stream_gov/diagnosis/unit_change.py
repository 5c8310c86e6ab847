"""Finds a change of unit: the window's values are those of the reference, mapped by a known factor or formula.

Values scaled by 1000 all lie beyond the last cell, so the map is found from exact moments and extremes, and then the whole shape must fit.
With `m` and `n` values, standard deviation `sd` of the reference, and the map `f(x) = a x + b`:

- `location`: the distance of the window's mean from `f(mean)`, in units of `|a| sd`; its sampling error is `e = sqrt(1/m + 1/n)`;
- `scale`: the logarithm of the window's standard deviation over `|a| sd`; its sampling error is `e sqrt((k - 1) / 4)`, `k` the kurtosis;
- `moved`: the distance of `f(mean)` from the mean, in units of the larger of `sd` and `|a| sd`;
- `shape`: how far the window's distribution function is, at any edge, outside of what the cells of the reference allow for the mapped one.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import ValueMapping
from stream_gov.diagnosis.cell_distribution import kurtosis_bound, mean_holds, share_below, spread_holds
from stream_gov.diagnosis.value_maps import CURVES, LINEAR_MAPS, Curve, LinearMap
from stream_gov.summaries import NumericSummary

__all__ = ["SAMPLING_ERRORS", "find_unit_change", "sampling_band", "shape_distance"]

_FACTORS = np.array([change.factor for change in LINEAR_MAPS])
_OFFSETS = np.array([change.offset for change in LINEAR_MAPS])

SAMPLING_ERRORS = 3.0
"""Sampling errors that a fit may be off."""
_LOCATION = 0.25
_LOCATION_OF_MOVED = 1 / 20
_MOST_LOCATION = 1.0
_SHAPE = 0.1
_SHAPE_OF_LOCATION = 0.4
"""A window may differ from the reference otherwise, too: it is of another week. The farther values moved, the more of that is allowed: a
normal column that is off by `d` standard deviations is off by `0.4 d` in its distribution function."""
_COARSE_SCALE = math.log(1.15)
_SCALE_CAP = math.log(2)
"""However large the sampling error."""
_ALIKE = math.log(1.05)
"""Of factors as near as this that fit alike, such as 1,000 and 1,024, the first in the table is named; farther ones leave the factor open."""
_TOLD_APART = 10.83
"""Difference of two misfits from which the worse one is out of the question: the 99.9 % quantile of chi-squared with one degree."""
_WITHIN_SAMPLING = 13.82
"""Misfit that sampling makes, with two degrees."""
_LEAST_EXCESS = 0.04
"""Of the kurtosis over 1, which is that of two values: what keeps its sampling error from being 0."""
_FINE_SCALE = math.log(1.1)
_FINE_RATIO = 0.02
"""A fine factor is told from others by the ratio of the means."""
_BETTER_THAN_A_FACTOR = math.log(1.1)
"""A formula with an offset must explain the spread by so much better than any plain factor."""
_FINE_MOVED = 3.0
"""A fine factor such as 2.54 is believed where values moved by three standard deviations: by less, a population may move by itself."""
_PRECISE = 0.05
"""Or, of a formula with an offset, where mean and spread are known and fit to this."""
_PRECISE_SHAPE = 0.02
_EXTREMES = math.log(1.1)
_EQUAL = 1e-9
_PLACES = 16
_CURVE_LOCATION = 0.25
_CURVE_SCALE = math.log(1.25)
_CURVE_LEAST = 0.5
_CURVE_SHAPE = 0.1
_CURVE_CONTRAST = 3.0
"""A logarithm is told from a straight line where it changes the spread at least so much."""
_FALSE_SHAPE = 0.001
"""Chance that sampling alone takes the shape out of its band (Massart 1990)."""


def find_unit_change(reference: NumericSummary, window: NumericSummary) -> ValueMapping | None:
    """Look for a known map that takes the reference to the window.

    Location and shape may be off by 0.25 and 0.1; where values moved by `d > 5`, by `d / 20` (at most 1) and by 0.4 of what that is more.

    A coarse map (a power of ten, 60, 3,600, 86,400, a power of 1,024, or one of these with the sign flipped) must fit the location so
    (or within three sampling errors), the scale within 15 % plus three sampling errors (never worse than twofold), and the shape so,
    plus its sampling error. If several fit that are not within 5 % of each other, the best is named only if it is within its sampling error and the
    others fit worse beyond chance (99.9 % quantiles of chi-squared); else the factor is open.

    A fine map (inch to cm, Celsius to Fahrenheit, ...) must fit the scale within 10 % plus three sampling errors; a plain factor the ratio of
    the means within 2 % (or three sampling errors), a formula with an offset the spread by 10 % better than the plain factor that the
    ratio of the means would be; and either, where values
    moved by three standard deviations or more, location and shape so; or, if it has an offset, location and scale both within three
    sampling errors where these are at most 0.05, and the shape within 0.02 plus its sampling error. So a population whose mean doubles
    is no change of unit.

    A flipped sign must fit like a fine map; or all values must have been at or above 0 and be at or below it now (or the reverse), the
    location within 0.25 and the shape within 0.02.

    Where moments cannot tell (values so far out that the sums were clipped, or so near to each other that the spread is rounding), least and
    largest value must both fit a power of ten within 10 %.

    A curve (a logarithm, or its inverse) is looked for where all values allow it: location within 0.25 and scale within 25 % of the
    mapped cells, the shape within 0.1 plus sampling error, no value below the least mapped one by more than 0.5, and a spread that changes
    at least threefold.

    Returns
    -------
    The map, or None. None too where a side has fewer than 2 values or the reference does not vary, unless both sides are one value and these
    fit a power of ten exactly.

    References
    ----------
    Massart (1990), The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality, Annals of Probability 18.
    """
    if reference.n_valid < 2 or window.n_valid < 2 or not mean_holds(reference):
        return None
    was_constant, is_constant = reference.minimum == reference.maximum, window.minimum == window.maximum
    if was_constant != is_constant:
        return None
    if was_constant or not spread_holds(reference) or not spread_holds(window):
        linear = _fit_extremes(reference, window)
    else:
        linear = _fit_moments(reference, window)
        curve = _fit_curve(reference, window) if linear is None else ""
        if curve:
            return ValueMapping(name=curve)
    return None if linear is None else ValueMapping(name=linear.name, factor=linear.factor, offset=linear.offset)


def sampling_band(reference: NumericSummary, window: NumericSummary) -> float:
    """Largest difference of two distribution functions that sampling makes in all but a thousandth of cases."""
    return math.sqrt(math.log(2 / _FALSE_SHAPE) / 2 * (1 / reference.n_valid + 1 / window.n_valid))


def shape_distance(reference: NumericSummary, window: NumericSummary, change: LinearMap | Curve) -> float:
    """Least Kolmogorov-Smirnov distance of the mapped reference and the window that both sides' cells allow, over all edges of both.

    At an edge of the window's cells the window's share below it is exact, and that of the mapped reference lies between bounds that the cells
    give; at a mapped edge of the reference it is the other way round.

    Returns
    -------
    In `[0, 1]`; 0 where the cells allow that the distributions are equal. It never exceeds the true distance of the samples.
    """
    edges = reference.layout.edges
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        origins = change.invert(edges)
        images = change.apply(edges)
    back = np.isfinite(origins)
    there = np.isfinite(images)
    return max(
        _outside(
            share_below(window, edges[back], slack=0.0),
            _mapped(share_below(reference, origins[back]), change.increasing),
        ),
        _outside(
            _mapped(share_below(reference, edges[there], slack=0.0), change.increasing),
            share_below(window, images[there]),
        ),
    )


_Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]


def _mapped(bounds: _Bounds, increasing: bool) -> _Bounds:  # the only thing to know of a map
    return bounds if increasing else (1 - bounds[1], 1 - bounds[0])


def _outside(one: _Bounds, other: _Bounds) -> float:
    apart = np.maximum(one[0] - other[1], other[0] - one[1])
    return float(np.maximum(apart, 0.0).max(initial=0.0))


@dataclass(frozen=True, slots=True)
class _Fit:
    change: LinearMap
    location: float
    scale: float
    moved: float
    misfit: float
    """Sum of the squares of location and scale, each in its own sampling error."""


def _fit_moments(reference: NumericSummary, window: NumericSummary) -> LinearMap | None:
    mean, sd = reference.mean(), reference.standard_deviation()
    window_mean, window_sd = window.mean(), window.standard_deviation()
    if not (sd > 0 and window_sd > 0):
        return None
    error = math.sqrt(1 / reference.n_valid + 1 / window.n_valid)
    relative = math.sqrt(max(kurtosis_bound(reference) - 1, _LEAST_EXCESS) / 4)
    location_error = SAMPLING_ERRORS * error
    scale_error = min(SAMPLING_ERRORS * error * relative, _SCALE_CAP)
    band = sampling_band(reference, window)
    cv = sd / abs(mean) if mean else math.inf
    expected_sd = window_mean / mean * sd if mean else 0.0  # if the ratio of the means were a plain factor
    plain_factor_off = abs(math.log(window_sd) - math.log(expected_sd)) if 0 < expected_sd < math.inf else math.inf

    def fit(change: LinearMap) -> _Fit:
        mapped_mean, mapped_sd = change.factor * mean + change.offset, abs(change.factor) * sd
        location = abs(window_mean - mapped_mean) / mapped_sd
        scale = abs(math.log(window_sd) - math.log(mapped_sd))
        return _Fit(
            change,
            location=location,
            scale=scale,
            moved=abs(mapped_mean - mean) / max(sd, mapped_sd),
            misfit=(location / error) ** 2 + (scale / (error * relative)) ** 2,
        )

    def fits(f: _Fit) -> bool:
        change = f.change
        allowed = _allowed_location(f, cv, location_error)
        if change.tier == "coarse":
            near = f.location <= max(allowed, location_error) and f.scale <= min(
                _COARSE_SCALE + scale_error, _SCALE_CAP
            )
            return near and shape(f) <= band + _SHAPE + _SHAPE_OF_LOCATION * (allowed - _LOCATION)
        if f.scale > min(_FINE_SCALE + scale_error, _SCALE_CAP):
            return False
        if change.offset and plain_factor_off < f.scale + _BETTER_THAN_A_FACTOR:
            return False
        if f.moved >= _FINE_MOVED and f.location <= allowed:
            return shape(f) <= band + _SHAPE + _SHAPE_OF_LOCATION * (allowed - _LOCATION)
        precise = change.offset != 0 and f.location <= location_error <= _PRECISE and f.scale <= scale_error <= _PRECISE
        mirrored = change.tier == "flip" and _has_crossed_zero(reference, window) and f.location <= _LOCATION
        return (precise or mirrored) and shape(f) <= band + _PRECISE_SHAPE

    def shape(f: _Fit) -> float:
        return shape_distance(reference, window, f.change)

    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):  # what cannot fit at all is left out at once
        mapped_sds = np.abs(_FACTORS) * sd
        near = np.abs(np.log(window_sd / mapped_sds)) <= _SCALE_CAP
        near &= np.abs(window_mean - (_FACTORS * mean + _OFFSETS)) <= max(_MOST_LOCATION, location_error) * mapped_sds
    found = [f for f in map(fit, itertools.compress(LINEAR_MAPS, near)) if fits(f)]
    return _one_of(found)


def _has_crossed_zero(reference: NumericSummary, window: NumericSummary) -> bool:
    return (reference.minimum >= 0 >= window.maximum) or (reference.maximum <= 0 <= window.minimum)


def _allowed_location(f: _Fit, cv: float, sampling: float) -> float:
    """How far the mean may be off, in standard deviations; `cv` is the reference's standard deviation over its mean."""
    allowed = min(max(_LOCATION, f.moved * _LOCATION_OF_MOVED), _MOST_LOCATION)
    if f.change.tier == "fine" and f.change.offset == 0:
        allowed = min(allowed, max(_FINE_RATIO / cv, sampling))
    return allowed


def _one_of(found: Sequence[_Fit]) -> LinearMap | None:
    """Choose the map that fits best, the first in the table of those that the data cannot tell apart.

    None if these differ by more than 5 %; or if others differ by more, and the best is not within its sampling error either: then the
    factor may as well be one between them.
    """
    if not found:
        return None
    best = min(found, key=lambda f: f.misfit)
    rivals = found if best.misfit > _WITHIN_SAMPLING else [f for f in found if f.misfit - best.misfit < _TOLD_APART]
    for f in rivals:
        if f.change.offset != best.change.offset:
            return None
        if abs(math.log(abs(f.change.factor / best.change.factor))) > _ALIKE:
            return None
    return next(f.change for f in found if f.misfit - best.misfit < _TOLD_APART)


def _fit_extremes(reference: NumericSummary, window: NumericSummary) -> LinearMap | None:
    """Fit least and largest value alone, by a power of ten."""
    low, high = reference.minimum, reference.maximum
    is_constant = low == high
    for change in LINEAR_MAPS:
        if change.tier != "coarse" or not math.log10(abs(change.factor)).is_integer():
            continue
        ends = sorted((change.factor * low, change.factor * high))
        off = max(_log_ratio(window.minimum, ends[0], ends), _log_ratio(window.maximum, ends[1], ends))
        if is_constant and off <= _EQUAL:
            return change
        if not is_constant and off <= _EXTREMES:
            allowed = sampling_band(reference, window) + _SHAPE
            return change if shape_distance(reference, window, change) <= allowed else None
    return None


def _log_ratio(value: float, expected: float, ends: Sequence[float]) -> float:
    """How far a value is from what it should be, by their ratio; near zero by their distance in units of the whole range."""
    size = max(abs(ends[0]), abs(ends[1]))
    if size == 0:
        return math.inf  # zeros have no unit
    if abs(expected) <= 1e-3 * size:
        return abs(value - expected) / size
    ratio = value / expected
    return abs(math.log(ratio)) if ratio > 0 else math.inf


_NEARLY_ALIKE = {"natural logarithm", "natural logarithm of 1 + x"}


def _fit_curve(reference: NumericSummary, window: NumericSummary) -> str:
    """Name of the curve that fits; empty if none does."""
    edges, sd, window_sd = reference.layout.edges, reference.standard_deviation(), window.standard_deviation()
    if not edges.size or abs(math.log(window_sd) - math.log(sd)) < math.log(_CURVE_CONTRAST):
        return ""
    band = sampling_band(reference, window)
    lows, highs = np.concatenate(([-math.inf], edges)), np.concatenate((edges, [math.inf]))
    places = (np.arange(_PLACES) + 0.5) / _PLACES
    # Values of a cell are taken for evenly spread, those of the two open ones for ever rarer towards their extreme.
    spread = np.tile(np.full(_PLACES, 1 / _PLACES), (lows.size, 1))
    spread[0], spread[-1] = 2 * places / _PLACES, 2 * (1 - places) / _PLACES
    weights = spread * (reference.counts / reference.n_valid)[:, np.newaxis]
    found: list[tuple[float, Curve]] = []
    for curve in CURVES:
        if not (reference.minimum > curve.least and reference.maximum <= curve.most):
            continue
        # an empty cell beyond the extremes shrinks to one of them, so that no curve is asked for more than it can map
        low, high = (np.clip(ends, reference.minimum, reference.maximum) for ends in (lows, highs))
        values = curve.apply(low[:, np.newaxis] * (1 - places) + high[:, np.newaxis] * places)
        with np.errstate(over="ignore", invalid="ignore"):  # an exponential may leave the floats; then it does not fit
            mean = float((weights * values).sum())
            variance = float((weights * (values - mean) ** 2).sum())
        if not 0 < variance < math.inf:
            continue
        mapped_sd = math.sqrt(variance)
        location = abs(window.mean() - mean) / mapped_sd
        scale = abs(math.log(window_sd) - math.log(mapped_sd))
        if location > _CURVE_LOCATION or scale > _CURVE_SCALE:
            continue
        if window.minimum < float(curve.apply(np.array([reference.minimum]))[0]) - _CURVE_LEAST * mapped_sd:
            continue  # values below the least that the curve gives
        if shape_distance(reference, window, curve) > band + _CURVE_SHAPE:
            continue
        found.append((location + scale, curve))
    if not found:
        return ""
    _, best = min(found, key=lambda pair: pair[0])
    logarithms = {curve.name for _, curve in found} & _NEARLY_ALIKE
    return "natural logarithm (of x, or of 1 + x)" if best.name in logarithms == _NEARLY_ALIKE else best.name
