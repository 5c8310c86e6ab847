"""States and alerts that the first release wrote are taken over in the middle of an alert's life, as if it had gone on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import Alert, alert_group_id
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for

FOLDER = Path(__file__).parent / "states"
# By hour: shift of x, share of blue. What the golden files were made of: `updated` after 3 hours, and so on.
PLAN = [(0.0, 0.25), (3.0, 0.25), (3.0, 0.9), (0.0, 0.25), (0.0, 0.25), (0.0, 0.25)]
HOURS = {"opened": 2, "updated": 3, "ending": 4}


def alerts() -> list[Alert]:
    lines = (FOLDER / "format-1-alerts.json").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Alert) for line in lines]


def driver_from(name: str) -> Driver:
    """The detector with the state of a golden file, and ingest where it was; alerts as the first release drove them."""
    watched = monitor(
        "segments: [color]\nalerts: {resolve_after: 2, hysteresis: 0, severities: {warning: 1}}",
        window="{size: 1h, allowed_lateness: 1h}",
    )
    driver = Driver(watched, profile_for(watched))
    driver.table = msgspec.msgpack.decode((FOLDER / f"format-1-{name}.msgpack").read_bytes(), type=dict[str, bytes])
    driver._next_offset, driver._cut_from = [200 * HOURS[name]], [200 * HOURS[name]]
    driver.restart()
    return driver


def hour_of_events(driver: Driver, hour: int) -> None:
    shift, blue = PLAN[hour]
    for i, x in enumerate(np.random.default_rng(hour).normal(shift, 1, 200)):
        color = "blue" if i % 100 < 100 * blue else "red"
        driver.feed({"x": float(x), "color": color}, at=T0 + hour * HOUR + i * HOUR // 200)
    driver.advance(T0 + (hour + 1) * HOUR)


@pytest.mark.parametrize("name", HOURS)
def test_an_alert_in_a_state_of_the_first_release_goes_on_as_it_would_have_there(name):
    driver = driver_from(name)
    for hour in range(HOURS[name], len(PLAN)):
        hour_of_events(driver, hour)
    told = [
        msgspec.structs.replace(a, group_id="", causes=[msgspec.structs.replace(c, weight=None) for c in a.causes])
        for a in driver.alerts()
    ]
    expected = [a for a in alerts() if a.window_end_ms > T0 + HOURS[name] * HOUR]
    assert told == expected
    assert expected


@pytest.mark.parametrize("name", HOURS)
def test_a_late_event_revises_the_window_that_was_judged_before_the_upgrade(name):
    """As much as it takes to undo the drift of its last hour: events like those of the reference."""
    driver = driver_from(name)
    hour = HOURS[name] - 1
    (last, *_) = [a for a in reversed(alerts()) if not a.segment and a.window_end_ms <= T0 + HOURS[name] * HOUR]
    for i, x in enumerate(np.random.default_rng(99).normal(0, 1, 20_000)):
        driver.feed({"x": float(x), "color": "blue" if i % 4 == 1 else "red"}, at=T0 + hour * HOUR + i)
    driver.advance(T0 + HOURS[name] * HOUR + 1)
    told = [(a.alert_id, a.sequence, a.change.value) for a in driver.alerts() if not a.segment]
    expected = {
        "opened": [(last.alert_id, 1, "resolved")],  # it should not have opened
        "updated": [(last.alert_id, 2, "updated")],  # back to what the window before had said, and one window over
        "ending": [],
    }
    assert told == expected[name]


def test_alerts_of_a_state_of_the_first_release_are_in_the_group_of_their_window():
    driver = driver_from("updated")
    groups = [
        s.alert.last.group_id for by_key in driver._state.series.values() for s in by_key.values() if s.alert.last
    ]
    assert groups == [alert_group_id("shop", "shop", "1", T0 + HOUR, T0 + 2 * HOUR)] * 3


def test_messages_of_the_first_release_are_read():
    found = alerts()
    assert {a.change.value for a in found} == {"opened", "updated", "resolved"}
    assert {(a.severity, a.group_id, a.by, a.at_ms, a.snoozed_until_ms) for a in found} == {
        ("warning", "", "", None, None)
    }
    assert all(c.weight is None for a in found for c in a.causes)
