"""A turned clock is named where the turned reference fits and no other turn does."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stream_gov.diagnosis.clock_shift import CYCLES, find_clock_shift
from tests.diagnosis.columns import reference_of, window_of

N_REFERENCE = 20_000
BUSY = np.array([1, 1, 1, 1, 2, 4, 8, 12, 14, 10, 9, 9, 10, 9, 8, 8, 9, 10, 8, 5, 3, 2, 2, 1.0])


def steps_of(n_steps):
    """A busy stretch in the first half of a cycle."""
    at = np.arange(n_steps) / n_steps
    shares = np.exp(-((at - 0.4) ** 2) / 0.02) + np.exp(-((at - 0.7) ** 2) / 0.005) / 2 + 0.05
    return shares / shares.sum()


def seconds_of_day(rng, n):
    return rng.choice(24, n, p=BUSY / BUSY.sum()) * 3_600.0 + rng.uniform(0, 3_600, n)


@pytest.mark.parametrize(
    ("n_steps", "as_text"),
    [*((n, False) for n in CYCLES if n <= 50), *((n, True) for n in CYCLES)],  # more numbers have no cells of their own
)
@pytest.mark.parametrize("turn", [1, -2, 3])
def test_a_cycle_turned_by_whole_steps_is_found(n_steps, turn, as_text):
    rng = np.random.default_rng(n_steps)
    first = 1 if n_steps in (7, 12) else 0
    turn *= max(1, n_steps // 24)

    def draw(n, by=0):
        values = (rng.choice(n_steps, n, p=steps_of(n_steps)) + by) % n_steps + first
        return [str(v) for v in values] if as_text else values.astype(float)

    reference = reference_of(draw(N_REFERENCE))
    mapping = find_clock_shift(reference, window_of(reference, draw(4_000, turn)))
    assert mapping is not None
    assert mapping.offset == turn
    assert f"{turn:+d} of {n_steps}" in mapping.name


@pytest.mark.parametrize("n", [2_000, 10_000])
@pytest.mark.parametrize("unit", [1.0, 1_000.0, 1 / 60, 1 / 3_600])
@pytest.mark.parametrize("turn", [1, 2, -3])
def test_a_time_of_day_moved_by_whole_hours_is_found(n, unit, turn):
    rng = np.random.default_rng(2)
    reference = reference_of(seconds_of_day(rng, N_REFERENCE) * unit)
    moved = (seconds_of_day(rng, n) + turn * 3_600) % 86_400 * unit
    mapping = find_clock_shift(reference, window_of(reference, moved))
    assert mapping is not None
    assert mapping.offset == pytest.approx(turn * 3_600 * unit)


@pytest.mark.parametrize("turn", [1, -2, 10])
@pytest.mark.parametrize("unit", [1.0, 1_000.0])
def test_delays_moved_by_whole_hours_are_found(turn, unit):
    rng = np.random.default_rng(2)
    reference = reference_of(rng.gamma(2, 60, N_REFERENCE) * unit)
    window = window_of(reference, (rng.gamma(2, 60, 2_000) + turn * 3_600) * unit)
    mapping = find_clock_shift(reference, window)
    assert mapping is not None
    assert (mapping.factor, mapping.offset) == (1.0, turn * 3_600 * unit)


def near_misses():
    rng = np.random.default_rng(2)
    hours = rng.choice(24, N_REFERENCE, p=BUSY / BUSY.sum())
    day, delays = seconds_of_day(rng, N_REFERENCE), rng.gamma(2, 60, N_REFERENCE)
    even = rng.choice(24, N_REFERENCE)
    twice = (rng.normal(6 * 3_600, 3_600, N_REFERENCE) + 43_200 * (rng.random(N_REFERENCE) < 0.5)) % 86_400
    twice[:2] = 0, 86_399
    return {
        "half of the events are turned": (hours, (hours[:4_000] + 3 * (rng.random(4_000) < 0.5)) % 24),
        "another day with other busy hours": (hours, rng.choice(24, 4_000)),
        "the cycle is the same": (hours, hours[:4_000]),
        "every turn of an even cycle looks alike": (even, (even[:4_000] + 3) % 24),
        "the day moves by half an hour": (day, (day[:4_000] + 1_800) % 86_400),
        "the day is busy all the time": (day, rng.uniform(0, 86_400, 4_000)),
        "the day repeats itself after twelve hours": (twice, (twice[:4_000] + 3 * 3_600) % 86_400),
        "delays grow by 50 minutes": (delays, delays[:2_000] + 3_000),
        "delays grow by an hour and spread more": (delays, delays[:2_000] * 1.2 + 3_600 - 24),
        "half of the delays grow by an hour": (delays, delays[:2_000] + 3_600 * (rng.random(2_000) < 0.5)),
        "19 numbers are no cycle": (hours % 19, (hours[:4_000] % 19 + 2) % 19),
        "numbers with a gap are no cycle": (hours * 2, (hours[:4_000] + 2) % 24 * 2),
        "values beside the cycle": (hours, np.append((hours[:4_000] + 2) % 24, 99)),
    }


@pytest.mark.parametrize("why", near_misses())
def test_what_is_no_turn_of_a_clock_is_not_called_one(why):
    before, after = near_misses()[why]
    reference = reference_of(np.asarray(before, np.float64))
    assert find_clock_shift(reference, window_of(reference, after)) is None


def test_a_column_that_is_too_spread_out_tells_no_hours():
    rng = np.random.default_rng(2)
    reference = reference_of(rng.normal(0, 40_000, N_REFERENCE))
    assert find_clock_shift(reference, window_of(reference, rng.normal(3_600, 40_000, 2_000))) is None


def test_empty_sides_and_other_kinds_are_no_clock():
    for values in ([True, False] * 50, ["a", "b"] * 50, np.arange(24.0).repeat(10)):
        reference = reference_of(values)
        assert find_clock_shift(reference, window_of(reference, [])) is None
        assert find_clock_shift(reference, reference) is None


def test_the_stated_share_of_other_days_is_taken_for_a_turn():
    """The turned reference must fit: of 200 other shapes of a day none does."""
    rng = np.random.default_rng(6)
    reference = reference_of(rng.choice(24, N_REFERENCE, p=BUSY / BUSY.sum()).astype(float))
    named = 0
    for _ in range(200):
        shares = np.exp(rng.normal(0, 1, 24)) * math.e
        window = window_of(reference, rng.choice(24, 1_000, p=shares / shares.sum()))
        named += find_clock_shift(reference, window) is not None
    assert named == 0
