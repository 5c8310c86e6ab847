"""Where the path from a reference to a window leaves the tolerance, measured by a divergence; shared by the calibrated tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_gov.statistics.divergences import Divergence

__all__ = ["CONTINUITY", "LARGEST_LEFT_OUT", "SMALLEST_TOLERANCE", "Crossing", "crossing", "freeman_tukey"]

_Array = NDArray[np.float64]

CONTINUITY = 0.5
"""Events added to every count. At level 0.001 five cells, four of which expect 8 events, fire 1.8 times as often as they should; with 0.375
(Anscombe) 2.2 times, with 1 hardly ever, cells of 5 least of all."""

SMALLEST_TOLERANCE = 1e-12
"""Below it (in nats) a tolerance is 0: no sample is large enough to tell, and the squares on the path to it would vanish."""

LARGEST_LEFT_OUT = 0.999
_PATH_STEPS = 30
_PATH_PRECISION = 1e-5


@dataclass(frozen=True, slots=True)
class Crossing:
    """The point `v` of the path `r**(1 - s) w**s` where the divergence from `r` is the tolerance."""

    v: _Array
    tangent: _Array
    """Derivative of `v` by `s`."""
    by_v: _Array
    """Derivative of the divergence by `v`, up to a constant."""
    by_r: _Array
    slope: float
    """Derivative of the divergence by `s`."""

    def slope_of_root(self, r: _Array) -> float:
        """Derivative of the square root of `freeman_tukey(v, r)` by `s`."""
        return 2 * float((1 - np.sqrt(r / self.v)) @ self.tangent) / math.sqrt(freeman_tukey(self.v, r))


def freeman_tukey(w: _Array, r: _Array) -> float:
    """`4 sum((sqrt(w) - sqrt(r))**2)`."""
    difference = np.sqrt(w) - np.sqrt(r)
    return 4 * float(difference @ difference)


def crossing(w: _Array, r: _Array, divergence: Divergence, tolerance: float) -> Crossing:
    """Find it by Newton's method; the divergence increases along the path, in three steps it is there as a rule.

    Parameters
    ----------
    w, r
        Shares of window and reference, all positive, whose divergence is greater than the tolerance.
    divergence
        Measure of the tolerance.
    tolerance
        In nats, positive.
    """
    log_r = np.log(r)
    direction = np.log(w) - log_r
    s = min(math.sqrt(tolerance / divergence.value(w, r)), 1.0)
    for _ in range(_PATH_STEPS):
        v = np.exp(log_r + s * direction)
        v /= v.sum()
        by_v, by_r = divergence.gradient(v, r)
        tangent = v * (direction - float(v @ direction))
        slope = float(by_v @ tangent)
        error = divergence.value(v, r) - tolerance
        if abs(error) <= _PATH_PRECISION * tolerance:
            break
        s = min(max(s - error / slope, s / 2), 1.0)
    return Crossing(v, tangent, by_v, by_r, slope)
