"""The past that a detector kept for a trailing reference is taken over by every later release."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np

from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for

GOLDEN = Path(__file__).parent / "states" / "format-1-trailing.msgpack"
"""After eight hours: written by the first release that had trailing references."""


def fresh_driver() -> Driver:
    watched = monitor("trailing: {length: 6h}", window="{size: 1h, allowed_lateness: 1h}")
    return Driver(watched, profile_for(watched))


def hour_of_events(driver: Driver, hour: int) -> None:
    for i, x in enumerate(np.random.default_rng(hour).normal(hour / 20, 1, 100)):
        driver.feed({"x": float(x), "color": "red" if i % 3 else "blue"}, at=T0 + hour * HOUR + i * HOUR // 100)
    driver.advance(T0 + (hour + 1) * HOUR)


def test_a_detector_goes_on_from_a_past_that_was_kept():
    whole, taken_over = fresh_driver(), fresh_driver()
    taken_over.table = msgspec.msgpack.decode(GOLDEN.read_bytes(), type=dict[str, bytes])
    for hour in range(8):
        hour_of_events(whole, hour)
    taken_over._next_offset, taken_over._cut_from = list(whole._next_offset), list(whole._cut_from)
    taken_over.restart()
    for driver in (whole, taken_over):
        for hour in range(8, 16):
            hour_of_events(driver, hour)
    found = taken_over.results(newest_revisions=False)
    assert found == [r for r in whole.results(newest_revisions=False) if r.window_start_ms >= T0 + 8 * HOUR]
    assert {r.n_reference for r in found if r.statistic == "psi"} == {600}


def test_the_keys_and_values_stay_as_they_are():
    table = msgspec.msgpack.decode(GOLDEN.read_bytes(), type=dict[str, bytes])
    kept = {tuple(json.loads(key)): msgspec.msgpack.decode(value) for key, value in table.items()}
    assert kept[("trail", "shop", "1", "")] == [1, [["base@1", [[T0, None, False]]]]]
    steps = {key: value for key, value in kept.items() if key[0] == "step"}
    # the eighth hour is in a pane yet, since it may be revised for an hour
    assert [key[1:] for key in sorted(steps)] == [("shop", "1", "", T0 + h * HOUR, HOUR, "base@1") for h in range(7)]
    assert {(value[0], value[1], len(value)) for value in steps.values()} == {(1, 100, 3)}
