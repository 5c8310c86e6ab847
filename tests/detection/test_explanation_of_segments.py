"""An alert says which segment carries a drift, or that none does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import Alert, AlertChange
from stream_gov.reference import ProfileBuilder, RowBatch, build_profile
from stream_gov.testing import Driver
from tests.detection.broken_streams import HOUR, T0
from tests.detection.scenario import monitor, profile_for

# --- segments ------------------------------------------------------------------------------------------------------------------------------


def segmented(shifts: dict[str, float], *, extra: str = "", partitions: int = 1, hours: int = 2) -> Driver:
    """Three regions; in the second hour some of them shift."""
    watched = monitor("segments: [region]\n" + extra, min_events="50")
    rng = np.random.default_rng(5)
    regions = ["NSW", "VIC", "QLD"]
    n = 3_000
    of_row = [regions[i % 3] for i in range(n)]
    rows = RowBatch({"x": rng.normal(0, 1, n), "region": of_row}, n)
    profile = build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=1,
        model="shop",
        source="test",
        created_ms=0,
    )
    driver = Driver(watched, profile, partitions=partitions)
    for hour in range(hours):
        for i in range(900):
            region = regions[i % 3]
            shift = shifts.get(region, 0.0) if hour else 0.0
            driver.feed(
                {"x": float(rng.normal(shift, 1)), "region": region},
                at=T0 + hour * HOUR + i * 3_000,
                partition=i % partitions,
            )
    driver.finish()
    return driver


def alert_of_all(driver: Driver) -> Alert:
    (alert,) = (a for a in driver.alerts() if a.segment == "" and a.change is AlertChange.OPENED)
    return alert


def test_a_drift_that_one_segment_carries_names_it():
    alert = alert_of_all(segmented({"VIC": 4.0}))
    (cause,) = alert.causes
    assert cause.kind == "segment_only"
    assert cause.carrier is not None
    assert (cause.carrier.segment, cause.carrier.kind, cause.carrier.n_searched) == (
        "region=VIC",
        "population_drift",
        3,
    )
    assert cause.carrier.n_window == 300
    assert cause.carrier.p_value is not None
    assert cause.carrier.p_value < 1e-6
    assert cause.description.startswith("only in region=VIC: mean ")
    assert "x: only in region=VIC" in alert.message
    assert cause.shift.window.n_valid == 900  # the shift is that of all events


@pytest.mark.parametrize("shifts", [dict.fromkeys(["NSW", "VIC", "QLD"], 2.0), {"NSW": 3.0, "VIC": 3.0}])
def test_a_drift_of_more_than_one_segment_is_not_blamed_on_one(shifts):
    (cause,) = alert_of_all(segmented(shifts)).causes
    assert (cause.kind, cause.carrier) == ("population_drift", None)


def test_the_alert_of_a_segment_searches_no_other():
    driver = segmented({"VIC": 4.0})
    (alert,) = (a for a in driver.alerts() if a.segment == "region=VIC")
    assert {c.carrier for c in alert.causes} == {None}
    assert alert.message.startswith("shop [region=VIC]: x: mean ")


def test_the_segment_is_the_same_however_partitions_interleave_and_windows_overlap():
    one = segmented({"VIC": 4.0}, extra="pane: 30m")
    three = segmented({"VIC": 4.0}, extra="pane: 30m", partitions=3)
    assert [msgspec.json.encode(a) for a in one.alerts()] == [msgspec.json.encode(a) for a in three.alerts()]


def test_while_a_reference_is_replaced_segments_are_those_of_the_profile_that_the_window_is_compared_with():
    driver = segmented({"VIC": 2.5}, hours=1)
    rng = np.random.default_rng(8)
    old = driver.catalog.profiles_for("shop")[0]
    renewed = replace(old, revision=2, layout=replace(old.layout, id="base@2"), segments=old.segments)
    for i in range(900):
        region = ["NSW", "VIC", "QLD"][i % 3]
        if i == 300:
            driver.put_reference(renewed)
        x = float(rng.normal(2.5 if region == "VIC" else 0.0, 1))
        driver.feed({"x": x, "region": region}, at=T0 + HOUR + i * 3_000)
    driver.finish()
    alert = alert_of_all(driver)
    assert alert.reference == "base@1"  # it holds all events of the window
    (cause,) = alert.causes
    assert cause.carrier is not None
    assert (cause.carrier.segment, cause.carrier.n_window) == ("region=VIC", 300)
    assert cause.shift.window.n_valid == 900


def test_late_events_revise_the_explanation_too():
    watched = monitor(window="{size: 1h, allowed_lateness: 2h}")
    driver = Driver(watched, profile_for(watched))
    rng = np.random.default_rng(1)
    colors = itertools.cycle(["red", "blue", "red", "red"])

    def feed(n, shift):
        for i in range(n):
            driver.feed({"x": float(rng.normal(shift, 1)), "color": next(colors)}, at=T0 + i * 1_000)

    feed(200, 3.0)
    driver.advance(T0 + HOUR)
    feed(200, 4.0)
    driver.advance(T0 + HOUR + 1)
    first, second = driver.alerts()
    assert second.change is AlertChange.UPDATED
    assert second.causes[0].shift.window.n_valid == 400
    assert second.causes[0].since_ms == first.causes[0].since_ms == T0
    assert first.causes[0].shift.window.mean == pytest.approx(3.0, abs=0.3)
    assert second.causes[0].shift.window.mean == pytest.approx(3.5, abs=0.3)
