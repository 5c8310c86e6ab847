"""Finds times that run ahead or behind: a cycle such as the hour of day turned by whole steps, or times moved by whole hours."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stream_gov.contracts import ValueMapping
from stream_gov.diagnosis.cell_distribution import interpolated_share_below, kurtosis_bound, share_below, spread_holds
from stream_gov.diagnosis.unit_change import SAMPLING_ERRORS, sampling_band, shape_distance
from stream_gov.diagnosis.value_maps import LinearMap
from stream_gov.summaries import AnyColumnSummary, CategoricalSummary, NumericSummary

__all__ = ["CYCLES", "find_clock_shift"]

CYCLES = {7: "day of week", 12: "month", 24: "hour of day", 48: "half-hour of day", 96: "quarter-hour of day"}
"""Steps of the cycles that are known; the reference must hold all of them, as consecutive whole numbers."""
_HOURS = {3_600.0: "seconds", 3_600_000.0: "milliseconds"}
_DAYS = {24.0: "hours", 1_440.0: "minutes", 86_400.0: "seconds", 86_400_000.0: "milliseconds"}
_SPANS_THE_DAY = 0.8
_MOST_HOURS = 14  # the farthest time zone is 14 hours ahead
_FALSE_ALARM = 0.001
_LEFT = 0.2
"""What a turn may leave of the distance."""
_TOLD = 1.5
"""How many times as far as the best turn, and as sampling and interpolation make on average, the second best must be."""
_TOLERANCE = 0.02
"""Distance, of Freeman and Tukey or of the distribution functions, that days may differ by."""
_PRECISION = 0.02
"""Of an hour: how well the move of the mean must be known to say that it is whole hours."""
_SPREAD = 0.05


def find_clock_shift(reference: AnyColumnSummary, window: AnyColumnSummary) -> ValueMapping | None:
    """Look for a turn of a cycle, a time of day moved by whole hours, or times and delays moved by whole hours.

    A *cycle* is a column of 7, 12, 24, 48 or 96 consecutive whole numbers, each with at least one value in the reference (numbers or
    categories). With `d` the distance of Freeman and Tukey, `sum (sqrt(w) - sqrt(r))^2` of the shares, and `u = (1/m + 1/n) / 4`, the best turn by
    `k` steps is believed if it fits (`d / u` at most the 99.9 % quantile of chi-squared with one degree less than there are steps, plus 0.02 for `d`),
    is told from the second best (`d / u` apart by the 99.9 % quantile with one degree), and leaves at most a fifth of the distance, less the `d` that sampling
    makes on average.

    A *time of day* is a numeric column within [0, P), P = 24, 1,440, 86,400 or 86,400,000, that spans at least 0.8 P. The best turn by whole hours is believed if
    the distribution functions are within twice the sampling error (of one in 1,000) plus 0.02, the distance is a fifth of that without the turn
    at most, and the second best is half as far again, and half as far again as sampling and interpolation make on average (by Watson's statistic, interpolated in the cells).

    Other *times and delays* in seconds or milliseconds moved by `k` hours (1 to 14), earlier or later, if the mean moved by that within three of its sampling
    errors, these are at most 2 % of an hour, the standard deviation is the same within three of its sampling errors and within 5 %,
    and the moved shape fits within its sampling error plus 0.02.

    Returns
    -------
    The turn, or None.

    References
    ----------
    Freeman and Tukey (1950), Transformations related to the angular and the square root, Annals of Mathematical Statistics 21.
    Watson (1961), Goodness-of-fit tests on a circle, Biometrika 48.
    """
    if not (reference.n_valid and window.n_valid):
        return None
    cycle = _cycle_shares(reference, window)
    if cycle is not None:
        return _turn_of_cycle(*cycle, reference.n_valid, window.n_valid)
    if not (isinstance(reference, NumericSummary) and isinstance(window, NumericSummary)):
        return None
    return _turn_of_day(reference, window) or _moved_by_hours(reference, window)


# --- cycles --------------------------------------------------------------------------------------------------------------------------

_Shares = NDArray[np.float64]


def _cycle_shares(reference: AnyColumnSummary, window: AnyColumnSummary) -> tuple[_Shares, _Shares] | None:
    """Shares of the steps in their order; None where the column is no cycle that is known."""
    match reference, window:
        case NumericSummary(), NumericSummary():
            atoms = reference.layout.atoms
            if atoms.size not in CYCLES or np.any(atoms != np.round(atoms)):
                return None
            places = np.searchsorted(reference.layout.edges, atoms) + 1
            steps = atoms.astype(np.int64).tolist()
            before, after = reference.counts[places], window.counts[places]
        case CategoricalSummary(), CategoricalSummary():
            names = reference.layout.categories
            if len(names) not in CYCLES or not all(re.fullmatch("[0-9]{1,2}", name) for name in names):
                return None
            steps = [int(name) for name in names]
            before, after = reference.counts, window.counts
        case _:
            return None
    order = np.argsort(steps)
    if [steps[i] for i in order] != list(range(min(steps), min(steps) + len(steps))) or not np.all(before > 0):
        return None
    if int(before.sum()) != reference.n_valid or int(after.sum()) != window.n_valid:
        return None  # values beside the steps
    return before[order] / reference.n_valid, after[order] / window.n_valid


def _turn_of_cycle(before: _Shares, after: _Shares, m: int, n: int) -> ValueMapping | None:
    steps = before.size
    unit = (1 / m + 1 / n) / 4
    distances = [_freeman_tukey(np.roll(before, k), after) for k in range(steps)]
    best, second = sorted(range(steps), key=distances.__getitem__)[:2]
    fits = distances[best] <= float(stats.chi2.ppf(1 - _FALSE_ALARM, steps - 1)) * unit + _TOLERANCE
    told = distances[second] - distances[best] >= float(stats.chi2.ppf(1 - _FALSE_ALARM, 1)) * unit
    expected = (steps - 1) * unit
    explains = distances[best] - expected <= _LEFT * (distances[0] - expected)
    if best == 0 or not (fits and told and explains):
        return None
    turn = _shortest(best, steps)
    return ValueMapping(name=f"{CYCLES[steps]} turned by {turn:+d} of {steps}", offset=float(turn))


def _freeman_tukey(before: _Shares, after: _Shares) -> float:
    return float(((np.sqrt(after) - np.sqrt(before)) ** 2).sum())


def _shortest(turn: int, steps: int) -> int:
    return turn - steps if turn > steps / 2 else turn


# --- times of day --------------------------------------------------------------------------------------------------------------------


def _turn_of_day(reference: NumericSummary, window: NumericSummary) -> ValueMapping | None:
    for period, unit in _DAYS.items():
        within = (
            reference.minimum >= 0 and reference.maximum < period and 0 <= window.minimum <= window.maximum < period
        )
        if not within or reference.maximum - reference.minimum < _SPANS_THE_DAY * period:
            continue
        turns = [_Turn.of(reference, window, period, hours * period / 24) for hours in range(24)]
        best, second = sorted(range(24), key=lambda hours: turns[hours].average)[:2]
        least = turns[best].least
        fits = least <= 2 * sampling_band(reference, window) + _TOLERANCE and least <= _LEFT * turns[0].least
        # Watson's statistic of samples of one distribution is a twelfth of the sum of 1/m and 1/n on average, and interpolation in a cell is
        # off by up to half of its share.
        cell = float(reference.counts.max()) / reference.n_valid
        noise = math.sqrt((1 / reference.n_valid + 1 / window.n_valid + cell**2) / 12)
        if best and fits and turns[second].average >= _TOLD * max(turns[best].average, noise):
            hours = _shortest(best, 24)
            return ValueMapping(name=f"time of day in {unit}, {hours:+d} h", offset=hours * period / 24)
    return None


@dataclass(frozen=True, slots=True)
class _Turn:
    """How far the turned reference is from the window, by their distribution functions on the line from 0 to the period."""

    least: float
    """Largest difference at an edge, the least that the cells allow."""
    average: float
    """Root of Watson's statistic: the standard deviation of the differences, where the values of a cell are taken for evenly spread. Unlike
    their mean square it does not depend on where the circle is cut."""

    @classmethod
    def of(cls, reference: NumericSummary, window: NumericSummary, period: float, turn: float) -> _Turn:
        edges = reference.layout.edges
        at = edges[(edges > 0) & (edges < period)]
        start = np.array([period - turn])  # what turns to 0
        # Below `t` lie, of the reference, the values of [start, start + t) for t <= turn, and those of [0, t - turn) and of [start, period) beyond.
        wrapped = at > turn
        ends = np.where(wrapped, at - turn, start + at)
        start_low, start_high = share_below(reference, start)
        end_low, end_high = share_below(reference, ends)
        low, high = share_below(window, at, slack=0.0)
        one = np.where(wrapped, 1.0, 0.0)
        apart = np.maximum(low - (one + end_high - start_low), (one + end_low - start_high) - high)
        expected = one + interpolated_share_below(reference, ends) - interpolated_share_below(reference, start)
        off = interpolated_share_below(window, at) - expected
        return cls(float(np.maximum(apart, 0.0).max(initial=0.0)), float(off.std()) if off.size else 0.0)


# --- times and delays ----------------------------------------------------------------------------------------------------------------


def _moved_by_hours(reference: NumericSummary, window: NumericSummary) -> ValueMapping | None:
    if not (spread_holds(reference) and spread_holds(window)):
        return None
    sd, window_sd = reference.standard_deviation(), window.standard_deviation()
    if not (sd > 0 and window_sd > 0):
        return None
    error = math.sqrt(1 / reference.n_valid + 1 / window.n_valid)
    spread_error = SAMPLING_ERRORS * error * math.sqrt((kurtosis_bound(reference) - 1) / 4)
    if abs(math.log(window_sd / sd)) > min(spread_error, _SPREAD):
        return None
    moved = window.mean() - reference.mean()
    for hour, unit in _HOURS.items():
        hours = round(moved / hour)
        mean_error = SAMPLING_ERRORS * error * sd
        if not 1 <= abs(hours) <= _MOST_HOURS or mean_error > _PRECISION * hour:
            continue
        shifted = LinearMap("", 1.0, hours * hour, "fine")
        if abs(moved - hours * hour) <= mean_error and (
            shape_distance(reference, window, shifted) <= sampling_band(reference, window) + _TOLERANCE
        ):
            return ValueMapping(name=f"times in {unit}, {hours:+d} h", factor=1.0, offset=hours * hour)
    return None
