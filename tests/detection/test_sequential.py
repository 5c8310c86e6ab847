"""The e-detector in the detector: gathered once for each window, kept, moved between workers, and begun anew when what it rests on changes."""

from __future__ import annotations

import numpy as np
import pytest

from stream_gov.contracts import AlertChange, Monitor, Verdict
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, profile_for

CHECKS = "[{statistic: psi, tolerance: 0.1}, {statistic: e_detector, tolerance: 0.0}]"


def watched(*, every: str = "1h", size: str = "1h", extra: str = "", checks: str = CHECKS) -> Monitor:
    text = f"""
monitor: shop
model: shop
reference: base
window: {{size: {size}, every: {every}, allowed_lateness: 2h}}
min_events: 20
calibration: independent
checks: {checks}
{extra}
"""
    return Monitor.from_yaml(text, source="test")


def feed_hours(driver: Driver, hours: range, *, shift: float = 0.0, n: int = 100, seed: int = 1) -> None:
    for hour in hours:
        rng = np.random.default_rng([seed, hour])
        for i, x in enumerate(rng.normal(shift, 1, n)):
            driver.feed({"x": float(x), "color": "red" if i % 4 else "blue"}, at=T0 + hour * HOUR + i * 30_000)


def test_a_small_lasting_shift_becomes_an_alert_that_says_since_when():
    mine = watched()
    driver = Driver(mine, profile_for(mine))
    feed_hours(driver, range(20))
    feed_hours(driver, range(20, 60), shift=0.3)
    driver.finish()
    assert all(r.verdict is Verdict.STABLE for r in driver.results(column="x", statistic="psi")), "no window shows it"
    results = driver.results(column="x", statistic="e_detector")
    first = next(r for r in results if r.verdict is Verdict.DRIFT)
    assert first.rule == "sequential"
    assert first.value >= first.threshold
    assert first.threshold == pytest.approx(-np.log10(first.level))
    assert T0 + 15 * HOUR <= first.since_ms <= T0 + 25 * HOUR
    assert first.window_start_ms <= T0 + 40 * HOUR
    assert first.distance > 0
    opened = [a for a in driver.alerts() if a.change is AlertChange.OPENED]
    assert [c.statistic for c in opened[0].causes] == ["e_detector"]
    assert "lasting shift" in opened[0].message
    assert all(r.since_ms is None for r in results if r.verdict is Verdict.STABLE)


def test_a_restart_after_every_window_changes_no_evidence():
    mine = watched()
    plain, restarted = (Driver(mine, profile_for(mine)) for _ in range(2))
    for hour in range(30):
        for driver in (plain, restarted):
            feed_hours(driver, range(hour, hour + 1), shift=0.25 if hour > 10 else 0)
            driver.advance(T0 + (hour + 1) * HOUR)
        restarted.restart()
    assert plain.results() == restarted.results()
    assert any(r.verdict is Verdict.DRIFT for r in plain.results(statistic="e_detector"))


def test_of_overlapping_windows_only_the_new_part_is_taken_in():
    """Evidence of windows of 4 hours every hour is that of windows of one hour."""
    hourly, overlapping = watched(), watched(size="4h")
    evidence = {}
    for mine in (hourly, overlapping):
        driver = Driver(mine, profile_for(mine))
        feed_hours(driver, range(24), shift=0.2)
        driver.advance(T0 + 24 * HOUR)
        evidence[mine.window.size] = [
            (r.window_end_ms, r.value) for r in driver.results(column="x", statistic="e_detector")
        ]
    assert evidence[4 * HOUR] == evidence[HOUR]


def test_a_window_judged_again_after_late_events_is_not_taken_in_again():
    mine = watched()
    driver = Driver(mine, profile_for(mine))
    feed_hours(driver, range(5), shift=0.3)
    driver.advance(T0 + 5 * HOUR)
    before = driver.results(column="x", statistic="e_detector")[-1]
    driver.feed({"x": 9.0, "color": "red"}, at=T0 + 4 * HOUR + 1)
    driver.advance(T0 + 5 * HOUR + 1)
    after = driver.results(column="x", statistic="e_detector")[-1]
    assert (before.revision, after.revision) == (0, 1)
    assert after.value == before.value
    assert driver.results(column="x", statistic="psi")[-1].value != pytest.approx(0)


def test_evidence_begins_anew_with_another_reference_or_tolerance():
    mine = watched()
    profile = profile_for(mine)
    driver = Driver(mine, profile)
    feed_hours(driver, range(12), shift=0.3)
    driver.advance(T0 + 12 * HOUR)
    gathered = driver.results(column="x", statistic="e_detector")[-1].value
    assert gathered > 1
    driver.put_monitor(watched(checks="[{statistic: e_detector, tolerance: 0.02}]"))
    feed_hours(driver, range(12, 13), shift=0.3)
    driver.advance(T0 + 13 * HOUR)
    assert driver.results(column="x", statistic="e_detector")[-1].value < gathered / 2
    driver.put_reference(profile_for(mine, revision=2, shift=0.3), count_on_old=False)
    feed_hours(driver, range(13, 16), shift=0.3)
    driver.advance(T0 + 16 * HOUR)
    last = driver.results(column="x", statistic="e_detector")[-1]
    assert (last.reference, last.verdict) == ("base@2", Verdict.STABLE)
    assert last.value < 0.5


def test_segments_have_evidence_of_their_own():
    mine = watched(extra="segments: [color]")
    driver = Driver(mine, profile_for(mine))
    for hour in range(30):
        rng = np.random.default_rng(hour)
        for i, x in enumerate(rng.normal(0, 1, 100)):
            color = "red" if i % 4 else "blue"
            driver.feed(
                {"x": float(x) + (0.8 if color == "blue" and hour > 5 else 0), "color": color}, at=T0 + hour * HOUR + i
            )
    driver.finish()
    drifting = {
        segment: sum(
            r.verdict is Verdict.DRIFT for r in driver.results(column="x", statistic="e_detector", segment=segment)
        )
        for segment in ("color=blue", "color=red")
    }
    assert drifting["color=blue"] > 10
    assert drifting["color=red"] == 0


def test_nothing_is_left_of_a_series_that_is_forgotten():
    mine = watched()
    driver = Driver(mine, profile_for(mine))
    feed_hours(driver, range(3))
    driver.advance(T0 + 3 * HOUR)
    assert any(key.startswith('["sequential"') for key in driver.table)
    driver.advance(T0 + 60 * HOUR)
    assert [key for key in driver.table if "shop" in key] == []


def test_too_small_a_reference_or_a_column_of_one_value_is_insufficient():
    mine = watched(extra="").model_copy(update={"min_events": 5_000})
    driver = Driver(mine, profile_for(mine))
    feed_hours(driver, range(2))
    driver.finish()
    (result, *_) = driver.results(column="x", statistic="e_detector")
    assert result.verdict is Verdict.INSUFFICIENT
    assert "the reference has 4000 valid values, fewer than min_events = 5000" in result.reason
    assert result.value is None


def test_fewer_events_than_min_events_since_the_shift_began_are_insufficient():
    mine = watched().model_copy(update={"min_events": 250})
    driver = Driver(mine, profile_for(mine))
    feed_hours(driver, range(5))
    feed_hours(driver, range(5, 10), shift=3.0)
    driver.finish()
    found = {
        (r.window_end_ms - T0) // HOUR: (r.verdict, r.reason)
        for r in driver.results(column="x", statistic="e_detector")
    }
    assert found[6][0] is found[7][0] is Verdict.INSUFFICIENT
    assert found[7][1] == "200 valid values since a shift seems to have begun, fewer than min_events = 250"
    assert found[8][0] is Verdict.DRIFT
