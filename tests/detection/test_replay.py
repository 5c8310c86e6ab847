from __future__ import annotations

import numpy as np

from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for


def send(driver: Driver, hours: range, *, shift: float = 0.0, seed: int = 1) -> None:
    rng = np.random.default_rng(seed)
    for hour in hours:
        for i in range(100):
            at = T0 + hour * HOUR + i * 30_000
            driver.feed({"x": float(rng.normal(shift, 1)), "color": "red"}, at=at, partition=i % 2)
        driver.cut()


def replay(driver: Driver, name: str, hours: range, **more) -> None:
    driver.begin_replay(name, from_time=T0 + hours[0] * HOUR, until_time=T0 + (hours[-1] + 1) * HOUR - 1)
    send(driver, hours, **more)
    driver.finish()


def counted(driver: Driver) -> list[tuple[int, int, int]]:
    return [
        ((r.window_start_ms - T0) // HOUR, r.events, r.late)
        for r in driver.results(statistic="events", newest_revisions=False)
    ]


def test_a_replay_of_old_events_is_not_late_though_live_time_is_ahead():
    watched = monitor()
    driver = Driver(watched, profile_for(watched), partitions=2)
    driver.advance(T0 + 10_000 * HOUR)
    replay(driver, "a", range(3))
    assert counted(driver) == [(0, 100, 0), (1, 100, 0), (2, 100, 0)]


def test_the_same_replay_twice_gives_the_same_results_and_alerts_twice():
    watched = monitor()
    driver = Driver(watched, profile_for(watched), partitions=2)
    for name in ("a", "b"):
        replay(driver, name, range(4), shift=4.0)
    results, alerts = driver.results(newest_revisions=False), driver.alerts()
    half = len(driver._results) // 2
    assert driver._results[:half] == driver._results[half:]
    assert len(results) == 2 * half
    assert alerts[: len(alerts) // 2] == alerts[len(alerts) // 2 :]
    assert alerts


def test_a_replay_broken_off_is_not_counted_together_with_the_next():
    watched = monitor(window="{size: 4h, every: 1h}")
    broken, whole = (Driver(watched, profile_for(watched), partitions=2) for _ in range(2))
    broken.begin_replay("a", from_time=T0, until_time=T0 + 6 * HOUR)
    send(broken, range(3))
    for driver in (broken, whole):
        replay(driver, "b", range(6))
    assert broken.results() == whole.results()
    assert broken.alerts() == whole.alerts()


def test_windows_close_as_the_replay_goes_on():
    watched = monitor()
    driver = Driver(watched, profile_for(watched), partitions=2)
    driver.begin_replay("a", from_time=T0, until_time=T0 + 6 * HOUR)
    send(driver, range(3))
    assert counted(driver) == []
    driver.advance(T0 + 2 * HOUR)
    assert counted(driver) == [(0, 100, 0), (1, 100, 0)]


def test_live_events_wait_for_the_replay_to_end_and_are_counted_then():
    watched = monitor()
    driver = Driver(watched, profile_for(watched), partitions=2)
    live = range(1_000, 1_002)
    send(driver, live)
    replay(driver, "a", range(2))
    assert counted(driver)[:2] == [(0, 100, 0), (1, 100, 0)]
    driver.advance(T0 + 1_002 * HOUR)
    held = [c for c in counted(driver) if c[1]]
    assert held == [(0, 100, 0), (1, 100, 0), (1_000, 100, 0), (1_001, 100, 0)]


def test_a_replay_survives_a_restart_in_the_middle():
    watched = monitor()
    drivers = [Driver(watched, profile_for(watched), partitions=2) for _ in range(2)]
    for restarted, driver in enumerate(drivers):
        driver.advance(T0 + 10_000 * HOUR)
        driver.begin_replay("a", from_time=T0, until_time=T0 + 4 * HOUR - 1)
        send(driver, range(2))
        if restarted:
            driver.restart()
        send(driver, range(2, 4), shift=4.0)
        driver.finish()
    assert drivers[0].results() == drivers[1].results()
    assert drivers[0].alerts() == drivers[1].alerts()
