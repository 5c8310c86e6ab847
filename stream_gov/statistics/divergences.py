"""Divergences of shares, in the form that the calibrated test needs: value, gradient, and what they allow a single share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stream_gov.statistics.psi import PSI_FLOOR

__all__ = ["JENSEN_SHANNON_NATS", "KULLBACK_LEIBLER_NATS", "PSI_NATS", "SQUARED_HELLINGER", "Divergence"]

_Array = NDArray[np.float64]
_LARGEST_LOGIT = 25.0  # shares from 1.4e-11 to 1 - 1.4e-11
_TABLE_SIZE = 2001  # a step of 0.025 in the logit: interpolation is off by less than 1e-4 of a share's odds
_BISECTIONS = 50


@dataclass(frozen=True, kw_only=True, eq=False)
class Divergence:
    """A divergence of two distributions on the same cells.

    All of this module are f-divergences, so merging cells never increases one. The symmetric ones agree with each other up to a factor, and with
    `4 * sum((sqrt(w) - sqrt(r))**2)`, to third order in the log ratio of the shares; Kullback and Leibler's, of the window from the reference,
    to second.
    """

    value: Callable[[_Array, _Array], float]
    """Of shares `w` and `r`, all positive."""
    gradient: Callable[[_Array, _Array], tuple[_Array, _Array]]
    """Derivatives by `w` and by `r`, each up to a constant (shares sum to 1, so a constant has no effect)."""
    two_cells: Callable[[_Array, _Array], _Array]
    """Value for two cells, by the logits of the share of one of them in `w` and in `r`."""
    floor: float
    """Smallest share of the reference that a cell is taken to have when asking how far it may rise."""

    def tolerated_share(self, shares: _Array, tolerance: float) -> _Array:
        """Largest share a part of the cells may rise to without the divergence being beyond the tolerance.

        Parameters
        ----------
        shares
            The part's share in the reference, in `[0, 1]`; raised to `floor`.
        tolerance
            Divergence in nats, `>= 0`.

        Returns
        -------
        The share `w >= r` where the divergence of `(w, 1 - w)` and `(r, 1 - r)` equals the tolerance. Merging cells never increases a
        divergence, so whatever moves a part's share further is beyond the tolerance on all cells.
        """
        if tolerance == 0:
            return shares
        logits, tolerated = _tolerated_logits(self, tolerance)
        return special.expit(np.interp(special.logit(np.maximum(shares, self.floor)), logits, tolerated))  # type: ignore[no-any-return]


@lru_cache(maxsize=256)
def _tolerated_logits(divergence: Divergence, tolerance: float) -> tuple[_Array, _Array]:
    # The divergence of two cells increases with the distance of the logits, so bisection cannot fail.
    logits = np.linspace(-_LARGEST_LOGIT, _LARGEST_LOGIT, _TABLE_SIZE)
    low, high = logits.copy(), np.full(_TABLE_SIZE, 2 * _LARGEST_LOGIT)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        beyond = divergence.two_cells(middle, logits) > tolerance
        high = np.where(beyond, middle, high)
        low = np.where(beyond, low, middle)
    low.flags.writeable = False
    logits.flags.writeable = False
    return logits, low


def _psi(w: _Array, r: _Array) -> float:
    return float((w - r) @ np.log(w / r))


def _psi_gradient(w: _Array, r: _Array) -> tuple[_Array, _Array]:
    ratio = w / r
    log_ratio = np.log(ratio)
    return log_ratio - 1 / ratio, -log_ratio - ratio


def _psi_of_two_cells(w: _Array, r: _Array) -> _Array:
    return (special.expit(w) - special.expit(r)) * (w - r)  # type: ignore[no-any-return]


def _jensen_shannon(w: _Array, r: _Array) -> float:
    average = (w + r) / 2
    return float(w @ np.log(w / average) + r @ np.log(r / average)) / 2


def _jensen_shannon_gradient(w: _Array, r: _Array) -> tuple[_Array, _Array]:
    average = (w + r) / 2
    return np.log(w / average) / 2, np.log(r / average) / 2


def _jensen_shannon_of_two_cells(w: _Array, r: _Array) -> _Array:
    total = np.zeros_like(r)
    for sign in (1.0, -1.0):
        p, q = special.expit(sign * w), special.expit(sign * r)
        average = (p + q) / 2
        total += special.rel_entr(p, average) + special.rel_entr(q, average)
    return total / 2


PSI_NATS = Divergence(value=_psi, gradient=_psi_gradient, two_cells=_psi_of_two_cells, floor=PSI_FLOOR)
"""Population stability index, without a floor for the window's shares."""

JENSEN_SHANNON_NATS = Divergence(
    value=_jensen_shannon,
    gradient=_jensen_shannon_gradient,
    two_cells=_jensen_shannon_of_two_cells,
    floor=math.exp(-_LARGEST_LOGIT),
)
"""Jensen-Shannon divergence; it is finite at empty cells, so its floor only keeps a logit finite."""


def _squared_hellinger(w: _Array, r: _Array) -> float:
    difference = np.sqrt(w) - np.sqrt(r)
    return float(difference @ difference) / 2


def _squared_hellinger_gradient(w: _Array, r: _Array) -> tuple[_Array, _Array]:
    return -np.sqrt(r / w) / 2, -np.sqrt(w / r) / 2


def _squared_hellinger_of_two_cells(w: _Array, r: _Array) -> _Array:
    total = np.zeros_like(r)
    for sign in (1.0, -1.0):
        total += (np.sqrt(special.expit(sign * w)) - np.sqrt(special.expit(sign * r))) ** 2
    return total / 2


def _kullback_leibler(w: _Array, r: _Array) -> float:
    return float(w @ np.log(w / r))


def _kullback_leibler_gradient(w: _Array, r: _Array) -> tuple[_Array, _Array]:
    return np.log(w / r), -w / r


def _kullback_leibler_of_two_cells(w: _Array, r: _Array) -> _Array:
    # kl_div, not rel_entr: its terms do not cancel where the shares are nearly equal
    return special.kl_div(special.expit(w), special.expit(r)) + special.kl_div(special.expit(-w), special.expit(-r))  # type: ignore[no-any-return]


SQUARED_HELLINGER = Divergence(
    value=_squared_hellinger,
    gradient=_squared_hellinger_gradient,
    two_cells=_squared_hellinger_of_two_cells,
    floor=math.exp(-_LARGEST_LOGIT),
)
"""Square of Hellinger's distance, in no unit; it is finite at empty cells, so its floor only keeps a logit finite."""

KULLBACK_LEIBLER_NATS = Divergence(
    value=_kullback_leibler,
    gradient=_kullback_leibler_gradient,
    two_cells=_kullback_leibler_of_two_cells,
    floor=PSI_FLOOR,
)
"""Kullback-Leibler divergence of the window from the reference, without a floor for the window's shares."""
