"""Alerts of segments, windows in maintenance, replays: what the detector does with alerts beside judging one series."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from stream_gov.contracts import Alert, AlertStatus, Monitor, alert_group_id
from stream_gov.detection import backtest
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for
from tests.detection.test_alert_commands import changes, drifting, hour_of, say

SEGMENTS = "segments: [color]"


def by_segment(driver: Driver) -> dict[str, list[Alert]]:
    found: dict[str, list[Alert]] = defaultdict(list)
    for alert in driver.alerts():
        found[alert.segment].append(alert)
    return found


def colored(driver: Driver, hour: int, *, red: float = 0.0, blue: float = 0.0, n: int = 400) -> None:
    """An hour in which a quarter is blue, as in the reference; each color with a shift of its own."""
    for i, x in enumerate(np.random.default_rng(hour).normal(0, 1, n)):
        color = "blue" if i % 4 == 1 else "red"
        driver.feed({"x": float(x) + (blue if color == "blue" else red), "color": color}, at=T0 + hour * HOUR + i)


def group_of(hour: int) -> str:
    return alert_group_id("shop", "shop", "1", T0 + hour * HOUR, T0 + (hour + 1) * HOUR)


def test_alerts_that_open_in_one_window_are_one_group():
    driver = drifting(extra=SEGMENTS)
    assert {a.segment for a in driver.alerts()} == {"", "color=red", "color=blue"}
    assert {a.group_id for a in driver.alerts()} == {group_of(0)}
    assert len({a.alert_id for a in driver.alerts()}) == 3


def test_a_segment_that_joins_later_is_in_the_group_of_the_alert_of_all_events_while_that_is_open():
    watched = monitor(SEGMENTS)
    driver = Driver(watched, profile_for(watched))
    for hour, (red, blue) in enumerate([(3.0, 0.0), (3.0, 3.0), (0.0, 0.0), (0.0, 3.0)]):
        colored(driver, hour, red=red, blue=blue)
        driver.advance(T0 + (hour + 1) * HOUR)
    found = by_segment(driver)
    assert [(a.change.value, a.group_id) for a in found["color=blue"]] == [
        ("opened", group_of(0)),
        ("resolved", group_of(0)),
        ("opened", group_of(3)),
    ]
    assert {a.group_id for a in found["color=red"]} == {group_of(0)}


@pytest.mark.parametrize("order", [(1, 1, 1, 1, 1, 1), (6,), (2, 3, 1)], ids=str)
def test_groups_do_not_depend_on_how_many_windows_a_step_closes(order):
    watched = monitor(SEGMENTS)
    driver, hour = Driver(watched, profile_for(watched)), 0
    shifts = [(0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (0.0, 0.0), (0.0, 3.0), (3.0, 3.0)]
    for n in order:
        for _ in range(n):
            colored(driver, hour, red=shifts[hour][0], blue=shifts[hour][1])
            hour += 1
        driver.advance(T0 + hour * HOUR)
    told = sorted((a.window_end_ms, a.segment, a.change.value, a.group_id) for a in driver.alerts())
    groups = {(end, segment): group for end, segment, change, group in told if change == "opened"}
    assert {s: [g for (_, seg), g in sorted(groups.items()) if seg == s] for s in ("", "color=red", "color=blue")} == {
        "": [group_of(1), group_of(4)],
        "color=red": [group_of(1), group_of(4)],
        "color=blue": [group_of(1), group_of(4)],
    }


@pytest.mark.parametrize(("opens_in", "group"), [(0, 0), (2, 1)], ids=["open by then", "open only since"])
def test_a_segment_that_only_late_events_bring_joins_the_group_that_was_open_then(opens_in, group):
    watched = monitor(SEGMENTS + "\ncolumns: {exclude: [color]}", window="{size: 1h, allowed_lateness: 3h}")
    driver = Driver(watched, profile_for(watched))
    for hour in range(3):
        shift = 3 if hour >= opens_in else 0
        for i, x in enumerate(np.random.default_rng(hour).normal(shift, 1, 400)):
            driver.feed({"x": float(x), "color": "red"}, at=T0 + hour * HOUR + i)
        driver.advance(T0 + (hour + 1) * HOUR)
    for i, x in enumerate(np.random.default_rng(9).normal(3, 1, 100)):
        driver.feed({"x": float(x), "color": "blue"}, at=T0 + HOUR + i)
    driver.advance(T0 + 3 * HOUR + 1)
    blue = by_segment(driver)["color=blue"][0]
    assert (blue.change, blue.opened_window_end_ms, blue.group_id) == ("opened", T0 + 2 * HOUR, group_of(group))


LIFE = """
segments: [color]
alerts: {open_after: {windows: 2, of: 3}, resolve_after: 2, hysteresis: 0.2, severities: {info: 1, warning: 10, critical: 30}}
maintenance: [{from: "2026-01-01T07:30Z", until: "2026-01-01T08:30Z"}]
"""


def test_alerts_of_a_backtest_are_those_of_a_live_run_with_persistence_severities_groups_and_maintenance():
    watched = monitor(LIFE)
    profile = profile_for(watched)
    rng = np.random.default_rng(5)
    shifts = [0, 2, 0, 2, 2, 5, 5, 5, 0, 2, 0, 0, 3, 0, 0, 3, 3]
    events = []
    for hour, shift in enumerate(shifts):
        for i, x in enumerate(rng.normal(0, 1, 160)):
            color = "blue" if i % 4 == 1 else "red"
            shifted = float(x) + (shift if color == "red" or hour % 3 else 0)
            events.append((T0 + hour * HOUR + i * 20_000, {"x": shifted, "color": color}))
    packed = [
        (at, json.dumps({"event_id": f"{i}", "model": "shop", "version": "1", "timestamp": at, "features": f}).encode())
        for i, (at, f) in enumerate(events)
    ]
    expected = [r for r in backtest(packed, watched, profile, out_of_orderness_ms=0) if isinstance(r, Alert)]
    for partitions, cut_every, restart in ((1, 40, False), (3, 70, True)):
        driver = Driver(watched, profile, partitions=partitions)
        for i, (at, features) in enumerate(events):
            driver.feed(features, at=at, partition=i % partitions)
            if i % cut_every == 0:
                driver.cut()
                if restart:
                    driver.restart()
        driver.finish()
        assert sorted(driver.alerts(), key=lambda a: a.id) == sorted(expected, key=lambda a: a.id)
    assert {a.change.value for a in expected} == {"opened", "updated", "resolved"}
    assert len({a.severity for a in expected}) > 1
    assert len({a.group_id for a in expected}) < len({a.alert_id for a in expected})


# --- maintenance --------------------------------------------------------------------------------------------------------------------


def test_a_window_in_maintenance_is_judged_and_published_and_touches_no_alert():
    extra = 'maintenance: [{from: "2026-01-01T01:59Z", until: "2026-01-01T03:00Z"}]'
    driver = drifting(extra=extra)
    for hour, shift in ((1, 0.0), (2, 9.0)):  # would resolve it, and open another
        hour_of(driver, hour, shift=shift, strange=True)
    assert changes(driver) == ["opened"]
    assert [(r.verdict.value, r.maintenance) for r in driver.results(column="x", statistic="psi")] == [
        ("drift", False),
        ("stable", True),
        ("drift", True),
    ]
    assert [r.maintenance for r in driver.results(statistic="events")] == [False, True, True]
    hour_of(driver, 3)
    assert changes(driver) == ["opened", "resolved"]
    assert driver.alerts()[-1].n_windows == 1


def test_windows_in_maintenance_count_for_no_persistence():
    extra = 'alerts: {open_after: {windows: 2, of: 2}}\nmaintenance: [{from: "2026-01-01T01:00Z", until: "2026-01-01T02:00Z"}]'
    driver = drifting(hours=2, extra=extra)
    assert changes(driver) == []
    hour_of(driver, 2, shift=3.0)
    assert [a.window_end_ms for a in driver.alerts()] == [T0 + 3 * HOUR]


def test_late_events_of_a_window_in_maintenance_touch_no_alert():
    extra = 'maintenance: [{from: "2026-01-01T00:00Z", until: "2026-01-01T01:00Z"}]'
    driver = drifting(extra=extra, window="{size: 1h, allowed_lateness: 2h}")
    for i in range(300):
        driver.feed({"x": 5.0, "color": "blue"}, at=T0 + i)
    driver.advance(T0 + HOUR + 1)
    assert driver.results(statistic="events")[0].revision == 1
    assert changes(driver) == []


def test_a_maintenance_that_is_written_down_afterwards_takes_back_what_late_events_judge_again():
    driver = drifting(window="{size: 1h, allowed_lateness: 2h}")
    extra = 'maintenance: [{from: "2026-01-01T00:00Z", until: "2026-01-01T01:00Z"}]'
    driver.put_monitor(monitor(extra, window="{size: 1h, allowed_lateness: 2h}"))
    driver.feed({"x": 5.0, "color": "blue"}, at=T0)
    driver.advance(T0 + HOUR + 1)
    assert changes(driver) == ["opened", "resolved"]


# --- replays, and monitors that go ----------------------------------------------------------------------------------------------------


def replayed(driver: Driver, name: str, hours: dict[int, float], *, until: int | None = None) -> None:
    last = max(hours)
    driver.begin_replay(name, from_time=T0 + min(hours) * HOUR, until_time=T0 + (last + 1) * HOUR - 1)
    for hour, shift in hours.items():
        for i, x in enumerate(np.random.default_rng(hour).normal(shift, 1, 200)):
            driver.feed({"x": float(x), "color": ["red", "blue", "red", "red"][i % 4]}, at=T0 + hour * HOUR + i)
    driver.cut()
    driver.finish()


def ends(driver: Driver) -> dict[str, str]:
    """By alert the change that was told last."""
    return {a.alert_id: a.change.value for a in driver.alerts()}


def test_a_replay_ends_an_alert_that_had_opened_before_the_time_it_replays():
    driver = drifting(hours=3)
    replayed(driver, "a", {1: 3.0, 2: 3.0})
    first, over, anew = driver.alerts()
    assert (over.alert_id, over.change, over.sequence) == (first.alert_id, "resolved", 1)
    assert over.message == "shop: over, since the time after it had opened is replayed"
    assert (anew.change, anew.opened_window_end_ms) == ("opened", T0 + 2 * HOUR)


def test_a_replay_that_opens_an_alert_as_before_says_the_same_again():
    driver = drifting(hours=3)
    (first,) = driver.alerts()
    replayed(driver, "a", {0: 3.0, 1: 3.0, 2: 3.0})
    assert driver.alerts() == [first, first]


def test_a_replay_that_does_not_open_an_alert_again_takes_it_back():
    driver = drifting(hours=2)
    say(driver, "acknowledge")
    replayed(driver, "a", {0: 0.0, 1: 3.0})
    first, _, *rest = driver.alerts()
    assert [(a.alert_id == first.alert_id, a.change.value, a.sequence) for a in rest] == [
        (False, "opened", 0),
        (True, "resolved", 2),
    ]
    assert rest[1].message.startswith("shop: taken back")


def test_a_replay_that_is_broken_off_and_begun_anew_takes_back_once():
    driver = drifting(hours=2)
    driver.begin_replay("a", from_time=T0, until_time=T0 + 2 * HOUR - 1)
    driver.restart()
    replayed(driver, "b", {0: 0.0, 1: 0.0})
    assert changes(driver) == ["opened", "resolved"]


def test_a_replay_without_events_of_a_segment_takes_its_alert_back():
    watched = monitor(SEGMENTS)
    driver = Driver(watched, profile_for(watched))
    hour_of(driver, 0)
    hour_of(driver, 1, shift=3.0)
    assert by_segment(driver)["color=blue"][0].opened_window_end_ms == T0 + 2 * HOUR
    driver.begin_replay("a", from_time=T0, until_time=T0 + 2 * HOUR - 1)
    for hour in (0, 1):
        for i, x in enumerate(np.random.default_rng(hour).normal(0, 1, 200)):
            driver.feed({"x": float(x), "color": "red"}, at=T0 + hour * HOUR + i)
        driver.advance(T0 + (hour + 1) * HOUR)
        assert [a.change.value for a in by_segment(driver)["color=blue"]] == ["opened", "resolved"][: hour + 1]
    driver.finish()
    driver.advance(T0 + 50 * HOUR)
    assert not [key for key in driver.table if "color=blue" in key]


def test_a_monitor_that_is_taken_away_ends_its_alerts():
    driver = drifting(extra=SEGMENTS)
    driver.catalog._monitors.clear()
    driver.advance(T0 + 2 * HOUR)
    assert ends(driver) == {a.alert_id: "resolved" for a in driver.alerts()}
    assert driver.alerts()[-1].message == "shop [color=red]: over, since its monitor was taken away"


@pytest.mark.parametrize("seed", range(8))
def test_whatever_happens_to_a_model_its_alerts_are_whole_and_no_restart_is_seen(seed):
    """Windows, late events, replays, commands and restarts in a random order."""
    told = []
    for restarts in (False, True):
        rng = np.random.default_rng(seed)
        watched = monitor(LIFE, window="{size: 1h, allowed_lateness: 1h}")
        driver, hour = Driver(watched, profile_for(watched)), 0
        for n in range(40):
            match rng.integers(10):
                case 0 | 1 | 2 | 3 | 4:
                    colored(driver, hour, red=rng.choice([0, 0, 3, 6]), blue=rng.choice([0, 3]), n=80)
                    hour += 1
                    driver.advance(T0 + hour * HOUR)
                case 5 | 6 if hour:
                    colored(driver, hour - 1, red=rng.choice([0, 5]), n=80)
                    driver.advance(T0 + hour * HOUR + n)
                case 7 | 8 if driver.alerts():
                    action = str(rng.choice(["acknowledge", "snooze", "unsnooze", "resolve"]))
                    chosen = driver.alerts()[-int(rng.integers(1, 4)) :][0]
                    until = T0 + (hour + 2) * HOUR
                    say(driver, action, command_id=f"{n}", until_ms=until, alert_id=chosen.alert_id)
                case 9 if hour > 2 and n % 2:
                    since = hour - 2
                    replayed(driver, f"r{n}", {since + i: float(rng.choice([0, 3])) for i in range(2)})
            if restarts and rng.random() < 0.5:
                driver.restart()
            elif not restarts:
                rng.random()
        told.append(driver.alerts())
    assert told[0] == told[1]
    by_id: dict[str, list[Alert]] = defaultdict(list)
    for alert in told[0]:
        by_id[alert.alert_id].append(alert)
    assert len(by_id) > 2
    open_now: dict[str, set[str]] = defaultdict(set)
    for alert in told[0]:
        open_now[alert.segment].discard(alert.alert_id)
        if alert.status is not AlertStatus.RESOLVED:
            open_now[alert.segment].add(alert.alert_id)
    assert all(len(found) <= 1 for found in open_now.values())
    for messages in by_id.values():
        # A replay may tell an alert once more from its beginning; apart from that each message follows the one before.
        assert all(b.sequence in (0, a.sequence + 1) for a, b in pairwise(messages))
        assert messages[0].sequence == 0


def test_a_monitor_without_any_of_this_is_written_as_ever():
    plain = Monitor.from_yaml("{monitor: a, model: a, window: {size: 1h}}", source="f")
    assert json.loads(plain.to_json_bytes()) == {"monitor": "a", "model": "a", "window": {"size": "1h"}}
