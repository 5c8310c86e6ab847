from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_gov.contracts import NO_WATERMARK, Verdict, WatermarkRecord
from stream_gov.detection import MAX_EMPTY_WINDOWS
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for


def normal_events(driver: Driver, rng, *, start: int, n: int, shift: float = 0.0, **more) -> None:
    for i in range(n):
        features = {"x": float(rng.normal(shift, 1)), "color": rng.choice(["red", "red", "red", "blue"]).item()}
        driver.feed(features, at=start + i * HOUR // n, **more)


def events_of(driver: Driver, **wanted) -> list[tuple[int, int, int, int]]:
    """Hour, events, late and rejected of every closed window."""
    found = driver.results(statistic="events", **({"segment": ""} | wanted))
    return [((r.window_start_ms - T0) // HOUR, r.events, r.late, r.rejected) for r in found]


def test_a_window_closes_when_event_time_passes_its_end_and_not_before(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.cut()
    assert driver.results() == []
    driver.advance(T0 + HOUR - 1)
    assert driver.results() == []
    driver.advance(T0 + HOUR)
    assert events_of(driver) == [(0, 100, 0, 0)]


def test_drift_opens_an_alert_that_names_the_column_and_resolves_when_it_is_gone(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    for hour, shift in enumerate([0.0, 3.0, 3.0, 0.0]):
        normal_events(driver, rng, start=T0 + hour * HOUR, n=300, shift=shift)
    driver.finish()
    assert [r.verdict.value for r in driver.results(column="x", statistic="psi")] == [
        "stable",
        "drift",
        "drift",
        "stable",
    ]
    assert [(a.change.value, a.columns, (a.window_start_ms - T0) // HOUR) for a in driver.alerts()] == [
        ("opened", ["x"], 1),
        ("resolved", ["x"], 3),
    ]
    assert driver.alerts()[1].n_windows == 2


def test_few_events_are_insufficient_and_never_stable(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=19)
    driver.finish()
    assert {r.verdict for r in driver.results()} == {Verdict.INSUFFICIENT}
    assert all("min_events" in r.reason or "19" in r.reason for r in driver.results())


def test_without_a_reference_every_verdict_is_insufficient_and_says_why(rng):
    driver = Driver(monitor())
    normal_events(driver, rng, start=T0, n=100)
    driver.finish()
    (result,) = driver.results()
    assert (result.statistic, result.verdict, result.events) == ("events", Verdict.INSUFFICIENT, 100)
    assert "base" in result.reason


def test_overlapping_windows_each_hold_the_events_of_their_span(rng):
    watched = monitor(window="{size: 3h, every: 1h}")
    driver = Driver(watched, profile_for(watched))
    for hour, n in enumerate([30, 40, 50, 60]):
        normal_events(driver, rng, start=T0 + hour * HOUR, n=n)
    driver.finish()
    assert [n for _, n, _, _ in events_of(driver)] == [30, 70, 120, 150, 110, 60]


def test_late_events_within_the_allowed_lateness_revise_the_window(rng):
    watched = monitor(window="{size: 1h, allowed_lateness: 2h}")
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.advance(T0 + HOUR)
    normal_events(driver, rng, start=T0, n=50)
    driver.cut()
    driver.advance(T0 + HOUR + 1)
    found = driver.results(statistic="events", newest_revisions=False)
    assert [(r.revision, r.events, r.late) for r in found] == [(0, 100, 0), (1, 150, 0)]
    assert len({r.id for r in found}) == 1


def test_later_events_are_counted_and_reported_and_leave_the_closed_window_alone(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.advance(T0 + HOUR)
    normal_events(driver, rng, start=T0, n=7)
    normal_events(driver, rng, start=T0 + HOUR, n=50)
    driver.finish()
    assert events_of(driver) == [(0, 100, 0, 0), (1, 50, 7, 0)]
    assert sum(step.late.get("shop", 0) for step in driver.steps) == 7


def test_late_events_after_the_last_window_are_reported_all_the_same(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.advance(T0 + HOUR)
    normal_events(driver, rng, start=T0, n=7)
    driver.advance(T0 + HOUR)
    assert events_of(driver) == [(0, 100, 7, 0)]


def test_revisions_keep_what_was_reported_late_before(rng):
    watched = monitor(window="{size: 1h, allowed_lateness: 1h}")
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0 + 2 * HOUR, n=100)
    driver.advance(T0 + 3 * HOUR)
    normal_events(driver, rng, start=T0, n=3)  # too late
    normal_events(driver, rng, start=T0 + 2 * HOUR, n=10)  # revises
    driver.advance(T0 + 3 * HOUR + 1)
    normal_events(driver, rng, start=T0 + 2 * HOUR, n=5)
    driver.advance(T0 + 3 * HOUR + 2)
    assert events_of(driver) == [(2, 115, 3, 0)]


def test_a_late_revision_of_the_newest_window_can_open_an_alert(rng):
    watched = monitor(window="{size: 1h, allowed_lateness: 2h}")
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.advance(T0 + HOUR)
    assert driver.alerts() == []
    normal_events(driver, rng, start=T0, n=300, shift=4.0)
    driver.advance(T0 + HOUR + 1)
    (alert,) = driver.alerts()
    assert (alert.change.value, alert.columns) == ("opened", ["x"])


def test_a_silent_model_sees_its_windows_close_and_then_keeps_quiet(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.advance(T0 + 500 * HOUR)
    counts = events_of(driver)
    assert counts[0] == (0, 100, 0, 0)
    assert counts[1:] == [(hour, 0, 0, 0) for hour in range(1, MAX_EMPTY_WINDOWS + 1)]
    assert {r.verdict for r in driver.results()[-3:]} == {Verdict.INSUFFICIENT}
    driver.advance(T0 + 600 * HOUR)
    assert not [key for key in driver.table if key.startswith('["series"') or key.startswith('["pane"')]
    normal_events(driver, rng, start=T0 + 600 * HOUR, n=50)
    driver.advance(T0 + 601 * HOUR)
    assert events_of(driver)[-1] == (600, 50, 0, 0)


def test_an_open_alert_stays_open_while_the_model_is_silent(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=300, shift=4.0)
    driver.advance(T0 + 500 * HOUR)
    assert [a.change.value for a in driver.alerts()] == ["opened"]
    normal_events(driver, rng, start=T0 + 500 * HOUR, n=300)
    driver.advance(T0 + 501 * HOUR)
    assert [a.change.value for a in driver.alerts()] == ["opened", "resolved"]


def test_segments_are_judged_against_their_own_rows(rng):
    watched = monitor("segments: [color]")
    driver = Driver(watched, profile_for(watched))
    for i in range(400):
        color = "red" if i % 2 else "blue"
        driver.feed({"x": float(rng.normal(3 if color == "blue" else 0, 1)), "color": color}, at=T0 + i)
    driver.finish()
    assert driver.verdict(column="x", statistic="psi", segment="color=blue") is Verdict.DRIFT
    assert driver.verdict(column="x", statistic="psi", segment="color=red") is Verdict.STABLE
    assert {a.segment for a in driver.alerts()} == {"", "color=blue"}


def test_new_and_missing_columns_are_named(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    for i in range(400):
        driver.feed({"x": float(rng.normal()), "colour": "red"}, at=T0 + i)
    driver.finish()
    (alert,) = driver.alerts()
    details = {c.statistic: c.detail for c in alert.causes}
    assert details["new_columns"] == "new columns colour"
    assert details["missing_columns"] == "missing columns color"


def test_records_sent_twice_change_nothing(rng):
    watched = monitor()
    once, twice = (
        Driver(watched, profile_for(watched), partitions=2),
        Driver(watched, profile_for(watched), partitions=2),
    )
    for driver in (once, twice):
        local = np.random.default_rng(3)
        for hour in range(3):
            normal_events(driver, local, start=T0 + hour * HOUR, n=100, partition=hour % 2)
            driver.cut(send_twice=driver is twice)
        driver.finish()
    assert once.results() == twice.results()
    assert once.alerts() == twice.alerts()
    assert sum(s.repeated for s in twice.steps) > 0


@pytest.mark.parametrize("what", ["partitions are added", "an idle partition wakes up"])
def test_late_events_do_not_revise_a_closed_window_when_event_time_is_waited_for(rng, what):
    """Event time went back then, so that what was late opened windows again whose events were forgotten."""
    watched = monitor()
    driver = Driver(watched, profile_for(watched), partitions=2)
    for hour in range(4):
        normal_events(driver, rng, start=T0 + hour * HOUR, n=40, partition=0)
        driver.cut()
        driver.take(WatermarkRecord("inference-events", 1, 2, 0, 0, NO_WATERMARK, idle=True))
    driver.advance(T0 + 4 * HOUR)
    before = events_of(driver)
    n = 4 if what == "partitions are added" else 2
    driver.take(WatermarkRecord("inference-events", n - 1, n, 0, 1, NO_WATERMARK, idle=False))
    normal_events(driver, rng, start=T0 + HOUR, n=10, partition=0)
    driver.cut()
    driver.finish()
    found = events_of(driver)
    assert [counted for _, counted, _, _ in found] == [counted for _, counted, _, _ in before] == [40] * 4
    assert sum(late for _, _, late, _ in found) == 10


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize("lateness", ["0s", "1h"])
def test_late_and_rejected_events_sent_twice_are_counted_once(lateness, replaced):
    """Also while they are counted on two profiles, since the reference is being replaced."""
    watched = monitor(window=f"{{size: 2h, every: 1h, allowed_lateness: {lateness}}}")

    def said(*, twice: bool, replaced: bool) -> list[tuple[int, int, int, int]]:
        rng = np.random.default_rng(3)
        driver = Driver(watched, profile_for(watched), partitions=2)
        for hour in range(6):
            normal_events(driver, rng, start=T0 + hour * HOUR, n=40, partition=hour % 2)
            driver.cut(send_twice=twice)
        driver.advance(T0 + 6 * HOUR)
        if replaced:
            driver.put_reference(profile_for(watched, revision=2))
        for hour in (0, 1, 5, 0):
            for first in (0, HOUR // 2):
                normal_events(driver, rng, start=T0 + hour * HOUR + first, n=10, partition=hour % 2)
                bad = b'{"model": "shop", "version": "1", "event_id": "x", "timestamp": %d, "features": 5}'
                at = T0 + hour * HOUR + first
                driver.feed_bytes([bad % at, bad % at], at=at, partition=hour % 2)
            driver.cut(send_twice=twice)
            driver.restart()
        driver.finish()
        return events_of(driver)

    once = said(twice=False, replaced=False)
    assert sum(late for _, _, late, _ in once) >= 60
    assert sum(rejected for *_, rejected in once) >= 16
    assert said(twice=True, replaced=replaced) == said(twice=False, replaced=replaced) == once


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_restart_from_the_table_changes_nothing(every):
    watched = monitor(window="{size: 2h, every: 1h, allowed_lateness: 1h}")
    drivers = [Driver(watched, profile_for(watched), partitions=2) for _ in range(2)]
    for restarted, driver in enumerate(drivers):
        rng = np.random.default_rng(5)
        for part in range(20):
            normal_events(driver, rng, start=T0 + part * HOUR // 4, n=40, shift=part // 8 * 3.0, partition=part % 2)
            driver.cut()
            if restarted and part % every == 0:
                driver.restart()
        driver.finish()
    assert drivers[0].results(newest_revisions=False) == drivers[1].results(newest_revisions=False)
    assert drivers[0].alerts() == drivers[1].alerts()
    assert drivers[0].alerts()


def test_a_monitor_changed_while_running_takes_effect(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=300, shift=1.0)
    driver.advance(T0 + HOUR)
    assert driver.verdict(column="x", statistic="psi") is Verdict.DRIFT
    driver.put_monitor(
        watched.model_copy(update={"checks": tuple(c.model_copy(update={"threshold": 50.0}) for c in watched.checks)})
    )
    normal_events(driver, rng, start=T0 + HOUR, n=300, shift=1.0)
    driver.advance(T0 + 2 * HOUR)
    assert driver.verdict(column="x", statistic="psi") is Verdict.STABLE


def test_a_monitor_taken_away_is_forgotten(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=300)
    driver.cut()
    driver.catalog._monitors.clear()
    driver.advance(T0 + HOUR)
    assert driver.results() == []
    assert set(driver.table) == {'["time"]'}


def test_a_reference_replaced_while_running_leaves_no_window_without_one(rng):
    watched = monitor(window="{size: 2h, every: 1h}")
    driver = Driver(watched, profile_for(watched))
    for hour in range(6):
        if hour == 3:
            driver.put_reference(profile_for(watched, revision=2, shift=0.1))
        normal_events(driver, rng, start=T0 + hour * HOUR, n=100)
        driver.cut()
    driver.finish()
    used = [(r.reference, r.events) for r in driver.results(statistic="events")]
    assert used == [
        ("base@1", 100),
        ("base@1", 200),
        ("base@1", 200),
        ("base@1", 200),
        ("base@2", 200),
        ("base@2", 200),
        ("base@2", 100),
    ]


def test_going_back_to_an_older_reference_leaves_no_window_without_one(rng):
    """Of two that hold all events of a window the one that the monitor names is compared, though the other is newer."""
    watched = monitor(window="{size: 2h, every: 1h}")
    driver = Driver(watched, profile_for(watched, revision=2, shift=0.1))
    driver.catalog.put_profile(profile_for(watched))
    for hour in range(6):
        if hour == 3:
            driver.put_monitor(watched.model_copy(update={"reference": "base@1"}))
        normal_events(driver, rng, start=T0 + hour * HOUR, n=100)
        driver.cut()
    driver.finish()
    used = [(r.reference, r.events) for r in driver.results(statistic="events")]
    assert used == [
        ("base@2", 100),
        ("base@2", 200),
        ("base@2", 200),
        ("base@2", 200),
        ("base@1", 200),
        ("base@1", 200),
        ("base@1", 100),
    ]


def test_rejected_events_are_accounted_for_in_their_window(rng):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.feed_bytes(
        [b'{"model": "shop", "version": "1", "event_id": "x", "timestamp": %d, "features": 5}' % T0], at=T0
    )
    driver.finish()
    assert len(driver.rejections) == 1
    assert events_of(driver, version="1") == [(0, 100, 0, 1)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([0, 1, 2]),
    st.integers(0, 2**32),
)
def test_events_counted_late_and_rejected_are_the_events_sent(plan, lateness, seed):
    """Over tumbling windows, whatever the order, the partitions and the cuts."""
    watched = monitor(window=f"{{size: 1h, allowed_lateness: {lateness}h}}")
    driver = Driver(watched, profile_for(watched), partitions=2)
    shuffle = random.Random(seed)
    for hour, partition, good in plan:
        at = T0 + hour * HOUR + shuffle.randrange(HOUR)
        if good:
            driver.feed({"x": 0.5, "color": "red"}, at=at, partition=partition % 2)
        else:
            driver.feed_bytes(
                [b'{"model": "shop", "version": "1", "timestamp": %d}' % at], at=at, partition=partition % 2
            )
        if shuffle.random() < 0.3:
            driver.cut(partition % 2)
        if shuffle.random() < 0.1:
            driver.restart()
    driver.finish()
    totals: Counter[str] = Counter()
    for _, events, late, rejected in events_of(driver):
        totals.update(events=events, late=late, rejected=rejected)
    assert totals["events"] + totals["late"] == sum(good for _, _, good in plan)
    assert totals["rejected"] == sum(not good for _, _, good in plan)


def test_results_do_not_depend_on_how_partitions_interleave():
    watched = monitor()
    seen = []
    for seed in range(3):
        driver = Driver(watched, profile_for(watched), partitions=3)
        rng = np.random.default_rng(1)
        events = [(float(rng.normal(hour, 1)), T0 + hour * HOUR + i * 1000) for hour in range(4) for i in range(200)]
        by_partition = [events[p::3] for p in range(3)]
        order = random.Random(seed)
        while any(by_partition):
            p = order.choice([p for p in range(3) if by_partition[p]])
            for x, at in by_partition[p][:20]:
                driver.feed({"x": x, "color": "red"}, at=at, partition=p)
            by_partition[p] = by_partition[p][20:]
            driver.cut(p)
        driver.finish()
        seen.append((driver.results(), driver.alerts()))
    assert seen[0] == seen[1] == seen[2]
    assert sum(r.late for r in seen[0][0]) == 0
