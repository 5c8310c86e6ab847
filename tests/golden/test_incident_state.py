"""Incidents that the first release with them remembered are gone on with."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stream_gov.contracts import IncidentKind, IncidentRecord, WatermarkRecord
from stream_gov.detection.incidents import QUIET_MS
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for

FILE = Path(__file__).parent / "states" / "format-1-incidents.msgpack"
NOW = T0 + 17 * HOUR
LOSS = IncidentRecord(IncidentKind.DATA_LOSS, "events/3", 250, "250 events were deleted", "events/3/0-250", NOW)
BOUND = IncidentRecord(IncidentKind.BOUND_HIT, "series_per_model", 7, "left out", "series/1", NOW, scope="shop")


def driver() -> Driver:
    """The detector with the state that holds two open alerts, of `LOSS` and `BOUND`."""
    driver = Driver(monitor(), profile_for(monitor()))
    driver.table = msgspec.msgpack.decode(FILE.read_bytes(), type=dict[str, bytes])
    driver.restart()
    return driver


def test_the_same_incident_told_again_after_the_upgrade_counts_once_and_another_one_joins() -> None:
    going_on = driver()
    going_on.take(LOSS)
    assert going_on.alerts() == []
    going_on.take(
        IncidentRecord(IncidentKind.DATA_LOSS, "events/4", 50, "50 events were deleted", "events/4/0-50", NOW + 1)
    )
    (alert,) = going_on.alerts()
    assert (alert.change.value, alert.sequence, alert.columns) == ("updated", 1, ["events/3", "events/4"])
    assert sum(cause.value or 0 for cause in alert.causes) == 300


def test_what_was_open_before_the_upgrade_resolves_when_its_hour_is_over() -> None:
    going_on = driver()
    going_on.take(WatermarkRecord("events", 0, 1, 0, 0, -(2**62), idle=False, now_ms=NOW + QUIET_MS + 1))
    assert {(a.segment, a.change.value, a.sequence) for a in going_on.alerts()} == {
        ("data_loss", "resolved", 1),
        ("bound_hit=shop", "resolved", 1),
    }
