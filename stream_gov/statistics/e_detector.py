"""Sequential test for a lasting shift that no single window shows: an e-detector on the cells of a column.

The null hypothesis is that every window comes from a distribution whose population stability index from the reference is at most the
tolerance. A window of `n` independent draws with shares `w` gives, for a score `a` of the cells and a number `lambda`, the e-value

    L = exp(n (lambda a.w - K)),   K = log max { sum(v exp(lambda a)) : PSI(v, r) <= tau }

whose mean is at most 1 whatever distribution within the tolerance the draws come from. From e-values of successive windows comes the e-detector of
Shiryaev-Roberts type, `M = L (1 + M before)`: the sum, over every window the shift may have begun with, of the evidence since. For every stopping
time `T` the mean of `M` at `T` is at most the mean of `T` under the null hypothesis, so the first time at which `M >= 1 / level` comes on average
no earlier than after `1 / level` windows (Shin, Ramdas and Rinaldo 2024, prop. 2.3). A weighted mean of e-detectors is one too: here over scores, for the
ways in which a column may shift, and over `lambda`, for shifts of several sizes beyond the tolerance.

Two things are not known exactly, and are allowed for:

- *Dependence.* A sum of `n` dependent scores has `f` times the variance of independent ones, with `f` from the reference's long-run
  covariance; then `n / f` stands for `n`. `f` is an estimate of `nu` degrees of freedom, and is raised by two of its standard errors.
- *The reference's own error*, which is the same in every window and does not average out: the tolerance is widened by three standard errors of the
  reference's mean score, `sqrt(tau)` by `3 sqrt(f / m)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stream_gov.summaries import LongRun, pooled_cells

__all__ = ["EDetectorPlan", "Evidence", "e_detector_plan"]

_Array = NDArray[np.float64]

SHIFTS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Sizes of shift beyond the tolerance that it is made for, as roots of the PSI: about standard deviations by which a normal mean moves."""

_CONTINUITY = 0.5
"""Rows added to each cell of the reference, so that a cell it never saw may be filled."""
_STANDARD_ERRORS_OF_REFERENCE = 2.5
_STANDARD_ERRORS_OF_INFLATION = 1.0
_MOST_OFTEN_FALLING = 0.1
"""Share from which a category is watched for a fall as well: the fall of a rare one shows in others just as well."""
_LARGEST_STEP = 50.0
"""Largest logarithm of one window's e-value: enough for any level, and far from what single precision holds."""
_STEEPEST = 30.0
"""Largest tilt between two cells: by a factor of `exp(30)`."""
_PRECISION = 1e-6
_MOST_STEPS = 100
_LEAST_SLOPE, _LONGEST_STEP = 0.1, 2.0
_OVERSHOOT = 10.0
"""How many times `1 / level` the evidence may reach, and to what part of it it must fall to end: so that an end does not take as long
as the shift has lasted, and evidence near the limit does not begin and end again and again."""


@dataclass(frozen=True, slots=True)
class EDetectorPlan:
    """What the windows of one column are compared with; made once from the reference.

    Arrays have one row for each score (`d` of them) and one column for each size of shift (`j`).
    """

    pool: NDArray[np.int64]
    """Pooled cell of each cell, shape `(n_cells,)`."""
    shares: _Array
    """Of the pooled cells in the reference, shape `(k,)`."""
    scores: _Array
    """Of the pooled cells, shape `(d, k)`."""
    inflation: _Array
    """Of the variance of each mean score, shape `(d,)`, at least 1."""
    slopes: _Array
    """`lambda`, shape `(d, j)`."""
    cumulants: _Array
    """`K`, shape `(d, j)`."""
    weights: _Array
    """Of the mean, which add up to 1; shape `(d, j)`."""
    by_slot: Mapping[int, _Array] = field(default_factory=dict)
    """Variance of each mean score in a slot of a season, times the number of values, raised like `inflation`; shape `(d,)` each."""

    def fresh(self) -> Evidence:
        """Evidence before the first window."""
        return Evidence(np.zeros(self.slopes.shape, np.float32), np.zeros(self.shares.size, np.int64))

    def update(
        self,
        before: Evidence,
        counts: ArrayLike,
        level: float,
        *,
        start_ms: int,
        expected: ArrayLike | None = None,
        slots: Mapping[int, int] | None = None,
    ) -> Evidence:
        """Take in the next window.

        Parameters
        ----------
        before
            Of the windows before it.
        counts
            Of the window per cell, shape `(n_cells,)`; a window without values changes nothing.
        level
            Chance of a false alarm in one window: one over the average run length.
        start_ms
            Start of the window.
        expected
            Counts of another reference for this window, such as that of its season, per cell; None: those the plan was made from. Its difference
            from the plan's reference is no shift. Where a score varies more in it than in the plan's reference, its variance counts, and its
            own error (it may be small) is added to the window's.
        slots
            Values of the window by slot of its season, where `expected` is given.
        """
        pooled = np.bincount(self.pool, weights=np.asarray(counts, np.float64))
        n = float(pooled.sum())
        if n == 0:
            return before
        shares, inflation = pooled / n, self.inflation
        if expected is not None:
            counted = np.bincount(self.pool, weights=np.asarray(expected, np.float64))
            m = float(counted.sum())
            if m == 0:
                return before
            seasonal: _Array = counted / m
            shares = shares - seasonal + self.shares
            pooled = np.rint(np.maximum(shares, 0.0) * n)  # as if the window had as much of each slot as the reference
            own = self._variances(self.shares)
            inflation = inflation * np.maximum(self._variances(seasonal) / own, 1.0)
            if self.by_slot and slots:
                of_slots = sum((w * self.by_slot[slot] for slot, w in slots.items()), np.zeros_like(own))
                # Not less than of any score in all slots together: a share that is small in a slot comes in bursts as long as those of the level.
                inflation = np.maximum(of_slots / (own * sum(slots.values())), self.inflation.max())
            n = n * m / (n + m)
        steps = self.slopes * (self.scores @ shares)[:, np.newaxis]
        steps -= self.cumulants
        steps *= (n / inflation)[:, np.newaxis]
        values = (before.values + 1.0) * np.exp(np.minimum(steps, _LARGEST_STEP, out=steps))
        value = float(np.vdot(self.weights, values))
        limit = 1 / level
        if value > _OVERSHOOT * limit:
            values *= _OVERSHOOT * limit / value
            value = _OVERSHOOT * limit
        alarm = value >= limit or (before.alarm and value >= limit / _OVERSHOOT)
        if before.alarm and not alarm:
            return self.fresh()
        # While a new beginning is as likely as an old one, the shift has not begun.
        begins = before.value <= 1 and not before.alarm
        return Evidence(
            values.astype(np.float32),  # what is kept between windows is what counts
            pooled.astype(np.int64) + (0 if begins else before.since_counts),
            start_ms if begins else before.since_ms,
            value,
            alarm,
        )

    def _variances(self, shares: _Array) -> _Array:
        """Variance of each score of one draw with these shares, shape `(d,)`."""
        variances: _Array = (self.scores**2) @ shares - (self.scores @ shares) ** 2
        return variances


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence for a lasting shift of one column, after some windows."""

    values: NDArray[np.float32]
    """The e-detectors, shape `(d, j)`."""
    since_counts: NDArray[np.int64]
    """Counts per pooled cell of the windows from `since_ms` on; with a season less what it changes in them."""
    since_ms: int = 0
    """Start of the window with which the shift began, if there is one."""
    value: float = 0.0
    """Their weighted mean: an alarm at `1 / level`."""
    alarm: bool = False
    """Whether it reached `1 / level`, and has not fallen to a tenth of it since."""


def e_detector_plan(
    expected: ArrayLike,
    *,
    kind: str,
    tolerance: float,
    long_run: LongRun | None = None,
    slots: Mapping[int, LongRun] | None = None,
    seasonal: bool = False,
) -> EDetectorPlan | None:
    """Make the plan of a column.

    Parameters
    ----------
    expected
        Counts of the reference per cell, shape `(n_cells,)`; of a categorical column the unseen values last.
    kind
        Of the column: `numeric`, `categorical` or `boolean`.
    tolerance
        Population stability index that counts as no drift, in nats, `>= 0`.
    long_run
        Long-run covariance of the column's shares; None: draws are taken to be independent.
    slots
        Long-run covariance in each slot of a season, for windows that are compared with slots.
    seasonal
        Windows are compared with slots of a season. A share that is small in the reference may be large in a slot, and fall there by more than
        it could in the reference; so the cumulants are then at least those of a normal distribution.

    Returns
    -------
    The plan; None where nothing can shift beyond the tolerance, as in a column of a single cell.

    References
    ----------
    Good (1953), The population frequencies of species and the estimation of population parameters, Biometrika 40.

    Shin, Ramdas and Rinaldo (2024), E-detectors: a nonparametric framework for sequential change detection, New England J. Stat. Data Sci. 2.
    """
    fine = np.asarray(expected, np.float64)
    pool = pooled_cells(fine.size, kind=kind)
    counts = np.bincount(pool, weights=fine).astype(np.float64)
    k, m = counts.size, float(counts.sum())
    if k < 2 or m == 0:
        return None
    if kind == "categorical":
        # Good and Turing: categories that the reference has once are as many of its rows as of the next ones are of categories it has not.
        counts[pool[-1]] = max(counts[pool[-1]], float((fine[:-1] == 1).sum()))
    shares = (counts + _CONTINUITY) / (counts.sum() + k * _CONTINUITY)
    scores, weights = _scores(shares, kind)
    variances = (scores**2) @ shares - (scores @ shares) ** 2
    inflation = np.ones(len(scores))
    if long_run is not None:
        inflation = np.maximum(_raised_variances(scores, long_run) / variances, _raise(long_run))
    roots = math.sqrt(tolerance) + _STANDARD_ERRORS_OF_REFERENCE * np.sqrt(inflation / m)
    # A share near 1 cannot rise beyond the tolerance, and hardly one of the sizes of shift.
    farthest = _psi_of_tilt(scores, shares, (_STEEPEST / np.ptp(scores, axis=1))[:, np.newaxis])[:, 0]
    possible = np.sqrt(farthest) >= roots + SHIFTS[0]
    if not possible.any():
        return None
    scores, weights, inflation, roots = scores[possible], weights[possible], inflation[possible], roots[possible]
    by_slot = {slot: _raised_variances(scores, known) for slot, known in (slots or {}).items()}
    weights = weights / weights.sum()
    targets = np.minimum((roots[:, np.newaxis] + np.array((0.0, *SHIFTS))) ** 2, farthest[possible, np.newaxis])
    tilts = _tilt(scores, shares, targets)
    slopes = tilts[:, 1:] - tilts[:, :1]
    cumulants = _largest_mean(slopes, scores, shares, np.repeat(roots[:, np.newaxis] ** 2, len(SHIFTS), axis=1))
    if seasonal:
        of_draw = ((scores**2) @ shares - (scores @ shares) ** 2)[:, np.newaxis]
        farthest_mean = (scores @ shares)[:, np.newaxis] + roots[:, np.newaxis] * np.sqrt(of_draw)
        cumulants = np.maximum(cumulants, slopes * farthest_mean + slopes**2 * of_draw / 2)
    weights = np.repeat(weights[:, np.newaxis] / len(SHIFTS), len(SHIFTS), axis=1)
    return EDetectorPlan(pool, shares, scores, inflation, slopes, cumulants, weights, by_slot)


def _raised_variances(scores: _Array, long_run: LongRun) -> _Array:
    """Variance of each mean score, times the number of values, raised by the standard error of its estimate."""
    variances: _Array = np.einsum("di,ij,dj->d", scores, long_run.covariance, scores) * _raise(long_run)
    return variances


def _raise(long_run: LongRun) -> float:
    return 1 + _STANDARD_ERRORS_OF_INFLATION * math.sqrt(2 / long_run.degrees)


def _scores(shares: _Array, kind: str) -> tuple[_Array, _Array]:
    """Ways in which a column may shift, and their weights.

    Of a numeric column its level and its spread (the rank of each cell among the reference, and its squared distance from the middle), up
    and down; and of every column the share of each cell.
    """
    cells = np.eye(shares.size)
    if kind == "numeric" and shares.size > 2:
        rank = np.cumsum(shares) - shares / 2 - 0.5
        spread = rank**2 - shares @ rank**2
        ways = np.stack([rank, -rank, spread, -spread])
        weights = [0.15, 0.15, 0.1, 0.1, *(0.5 / len(cells) for _ in cells)]
        return np.concatenate([ways, cells]), np.array(weights)
    falls = -cells[shares >= _MOST_OFTEN_FALLING] if shares.size > 2 else cells[:0]
    scores = np.concatenate([cells, falls])
    return scores, np.full(len(scores), 1 / len(scores))


def _tilt(scores: _Array, shares: _Array, target: _Array) -> _Array:
    """Find `theta` for which the shares tilted by `exp(theta score)` have the PSI `target` from `shares`; shape `(d, j)`, like `target`.

    The PSI of tilted shares is `theta` times the rise of the mean score, which grows with `theta`.
    """
    variances = ((scores**2) @ shares - (scores @ shares) ** 2)[:, np.newaxis]
    return _root(lambda theta: _psi_of_tilt(scores, shares, theta), np.sqrt(target / variances), target, 2.0)


def _psi_of_tilt(scores: _Array, shares: _Array, theta: _Array) -> _Array:
    tilted = special.softmax(theta[..., np.newaxis] * scores[:, np.newaxis, :] + np.log(shares), axis=2)
    psi: _Array = theta * ((tilted - shares) * scores[:, np.newaxis, :]).sum(axis=2)
    return psi


def _largest_mean(slopes: _Array, scores: _Array, shares: _Array, tolerance: _Array) -> _Array:
    """Logarithm of the largest mean of `exp(slope score)` over all shares whose PSI from `shares` is at most `tolerance`; shape `(d, j)`.

    At the largest mean of a vector `x` the ratio `q = v / r` solves `log q + 1 - 1 / q = (x - nu) / mu` in every cell, so `1 / q` is
    Wright's omega function of `1 - (x - nu) / mu`. `nu` follows from the sum of the shares, `mu` from the tolerance.
    """
    exponents = slopes[..., np.newaxis] * scores[:, np.newaxis, :]
    top = exponents.max(axis=2, keepdims=True)
    x = np.exp(exponents - top)  # in (0, 1]
    mean = x @ shares
    deviation = np.sqrt(np.maximum((x**2) @ shares - mean**2, 1e-300))

    largest_y = 1 - np.log(shares) - shares  # where one cell holds everything

    def shares_at(steepness: _Array) -> _Array:
        """Shares for a value of `1 / mu`, by Newton's method on the logarithm of their sum, which falls as `nu` grows."""
        nu = np.maximum(mean, (x - largest_y / steepness[..., np.newaxis]).max(axis=2))
        for _ in range(_MOST_STEPS):
            y = (x - nu[..., np.newaxis]) * steepness[..., np.newaxis]
            ratio = 1 / special.wrightomega(1 - y)
            total = ratio @ shares
            if np.abs(total - 1).max() <= _PRECISION:
                break
            nu = nu + np.log(total) * total / ((ratio**2 / (1 + ratio)) @ shares) / steepness
        v = ratio * shares
        normalised: _Array = v / v.sum(axis=2, keepdims=True)
        return normalised

    def psi_at(steepness: _Array) -> _Array:
        v = shares_at(steepness)
        psi: _Array = ((v - shares) * np.log(v / shares)).sum(axis=2)
        return psi

    # Locally q - 1 is half of (x - nu) / mu. A little beyond the tolerance, so that what is left of the error errs upwards.
    beyond = tolerance * (1 + 10 * _PRECISION)
    found = shares_at(_root(psi_at, 2 * np.sqrt(tolerance) / deviation, beyond, 2.0))
    largest: _Array = np.log((found * x).sum(axis=2)) + top[..., 0]
    return largest


def _root(function: Callable[[_Array], _Array], start: _Array, target: _Array, power: float) -> _Array:
    """Find where an increasing function that is about a power of its argument reaches the target; all arrays of one shape, positive.

    The secant method on logarithms, whose slope begins with `power`; bisection where it leaves what is known to hold the root.
    """
    log_x, log_target = np.log(start), np.log(target)
    slope = np.full(start.shape, power)
    low, high = np.full(start.shape, -np.inf), np.full(start.shape, np.inf)
    before: tuple[_Array, _Array] | None = None
    for _ in range(_MOST_STEPS):
        error = np.log(function(np.exp(log_x))) - log_target
        if np.abs(error).max() <= _PRECISION:
            break
        low, high = np.where(error < 0, log_x, low), np.where(error < 0, high, log_x)
        if before is not None:
            moved = log_x - before[0]
            slope = np.divide(error - before[1], moved, out=slope, where=np.abs(moved) > 1e-14)
        before = log_x, error
        step = np.clip(-error / np.maximum(slope, _LEAST_SLOPE), -_LONGEST_STEP, _LONGEST_STEP)
        outside = (log_x + step < low) | (log_x + step > high)
        log_x = np.where(outside, (low + high) / 2, log_x + step)
    return np.exp(log_x)
