"""What goes into the real flow and comes out of it, held against the published schemas."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import AlertAction, AlertChange, AlertCommandRecord, Event, Verdict
from stream_gov.testing import Driver
from tests.contracts.messages import an_event
from tests.contracts.test_avro_schema import parsed, through_avro
from tests.contracts.test_schemas import on_the_wire, validator_of
from tests.detection.scenario import HOUR, T0, monitor, profile_for


@pytest.fixture(scope="module")
def driven() -> Driver:
    """An hour as the reference, an empty one, two that drift, what people say of that, and one that is normal again."""
    watched = monitor("alerts: {resolve_after: 1}\nsegments: [color]")
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(11)
    for hour, shift in ((0, 0.0), (2, 3.0), (3, 3.0), (4, 0.0)):
        for i, x in enumerate(rng.normal(shift, 1, 400)):
            # in the second hour of drift another column joins
            features = {"x": float(x), "color": "blue" if i % 4 == 1 or (hour == 3 and i % 2) else "red"}
            driver.feed(features, at=T0 + hour * HOUR + i * 8_000)
        if hour == 3:
            driver.advance(T0 + 4 * HOUR)
            for i, action in enumerate((AlertAction.ACKNOWLEDGE, AlertAction.SNOOZE, AlertAction.UNSNOOZE)):
                alert = driver.alerts()[-1].alert_id
                driver.take(AlertCommandRecord("shop", alert, f"c{i}", action, "anna", "a note", T0, T0 + 9 * HOUR))
    driver.finish()
    return driver


def test_scenario_has_every_verdict_and_every_change(driven):
    assert {r.verdict for r in driven.results()} == set(Verdict)
    assert {a.change for a in driven.alerts()} == set(AlertChange)


@pytest.mark.parametrize("name", ["result", "alert"])
def test_what_the_detector_sends_is_valid(driven, name):
    messages = driven.results() if name == "result" else driven.alerts()
    validator, avro = validator_of(name), parsed(name)
    for message in messages:
        wire = on_the_wire(message)
        validator.validate(wire)
        assert msgspec.convert(through_avro(avro, wire), type(message)) == message


VALUES = [0.5, 3, -7, True, False, None, "red", ""]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize(
    "timestamp", [T0, "2026-01-01T00:00:00Z", "2026-01-01T10:30:00.5+10:30"], ids=["number", "utc", "offset"]
)
def test_event_that_the_schema_allows_is_not_rejected(timestamp, value):
    event = an_event(model="shop", timestamp=timestamp, features={"x": value, "color": value}, prediction=value)
    wire = on_the_wire(event)
    validator_of("event").validate(wire)
    assert rejections_of(wire) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"model": 7},
        {"features": [1]},
        {"timestamp": None},
        {"timestamp": 862_876_800},
        {"event_id": None},
        *({field: ...} for field in ("event_id", "model", "version", "timestamp", "features")),
    ],
    ids=str,
)
def test_event_that_the_schema_refuses_is_rejected(changes):
    wire = on_the_wire(an_event(model="shop", timestamp=T0, features={"x": 0.5, "color": "red"})) | changes
    wire = {key: value for key, value in wire.items() if value is not ...}
    assert not validator_of("event").is_valid(wire)
    assert len(rejections_of(wire)) == 1


def rejections_of(wire: dict[str, object]) -> list[str]:
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    driver.feed_bytes([json.dumps(wire).encode()], at=T0)
    driver.cut()
    return [rejection.reason.value for rejection in driver.rejections]


def test_event_read_back_from_avro_is_the_event_that_was_written():
    event = an_event(timestamp=T0)
    back = through_avro(parsed("event"), on_the_wire(event))
    assert msgspec.convert(back, Event) == event
