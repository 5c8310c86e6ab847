from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from stream_gov.contracts import MAX_TRAILING_STEPS, ConfigurationError, Monitor, Result, TrailingConfig, Verdict
from stream_gov.detection import backtest
from stream_gov.detection.trailing import Trail
from stream_gov.reference import RowBatch
from stream_gov.reference.counting import count_rows
from stream_gov.statistics import psi
from stream_gov.summaries import PaneSummary
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, profile_for

DAY = 24 * HOUR
MONITOR = """
monitor: shop
model: shop
reference: base
window: {size: 1h}
min_events: 20
trailing: {length: 6h}
checks:
  - {statistic: psi, threshold: 0.5}
  - {statistic: mean_shift, tolerance: 0, level: 0.001}
"""


def monitor(**changed: str) -> Monitor:
    """The monitor above, keys replaced, added or (by "") taken away."""
    keys = yaml.safe_load(MONITOR) | {key: yaml.safe_load(value) for key, value in changed.items()}
    return Monitor.from_mapping({key: value for key, value in keys.items() if value is not None}, source="test")


def event(time_ms: int, x: float, color: str = "red") -> bytes:
    content = {"event_id": f"e{time_ms}{x}", "model": "shop", "version": "1", "timestamp": time_ms, "prediction": None}
    return json.dumps(content | {"features": {"x": x, "color": color}}).encode()


def hours_of(rng: np.random.Generator, hours: range, *, n: int = 100, start: int = T0, shift: float = 0.0) -> list:
    """Events of some hours, `n` in each, in the order of their times."""
    return [
        (t, event(t, float(rng.normal(shift, 1)), rng.choice(["red", "red", "blue"]).item()))
        for hour in hours
        for t in (start + hour * HOUR + np.arange(n) * HOUR // n).tolist()
    ]


def feed(driver: Driver, events: list, **more) -> None:
    for t, value in events:
        driver.feed_bytes([value], at=t, **more)


def steps_in(driver: Driver) -> list[list]:
    return sorted(json.loads(key) for key in driver.table if key.startswith('["step"'))


def test_until_enough_of_the_past_is_there_windows_are_insufficient_and_say_why():
    rng, watched = np.random.default_rng(1), monitor()
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(9)))
    driver.finish()
    found = driver.results(statistic="events")
    assert [r.verdict for r in found] == [Verdict.INSUFFICIENT] * 6 + [Verdict.STABLE] * 3
    assert found[2].reason == (
        "too little of the past: it would have to begin 2025-12-31T20:00:00Z, and what was counted for base@1 begins 2026-01-01T00:00:00Z"
    )
    assert {r.reference for r in found} == {"base@1~6h"}
    assert [r.n_reference for r in driver.results(statistic="psi", column="x")] == [600] * 3


@pytest.mark.parametrize(
    ("trailing", "window", "stretch"),
    [
        ("{length: 6h}", "{size: 1h}", (6, 12)),
        ("{length: 4h, gap: 3h}", "{size: 1h}", (5, 9)),
        ("{length: 4h}", "{size: 2h, every: 1h}", (8, 12)),
        ("{length: 6h}", "{size: 2h, every: 2h, allowed_lateness: 5h}", (6, 12)),
        ("{length: 8h, gap: 2h}", "{size: 4h, every: 2h, allowed_lateness: 1h}", (2, 10)),
    ],
)
def test_a_window_is_compared_with_exactly_its_stretch_of_the_past(trailing, window, stretch):
    rng, watched = np.random.default_rng(2), monitor(trailing=trailing, window=window)
    profile = profile_for(watched)
    live = [e for hour in range(20) for e in hours_of(rng, range(hour, hour + 1), n=30 + hour, shift=hour / 10)]
    results = [r for r in backtest(live, watched, profile) if isinstance(r, Result)]
    found = next(r for r in results if r.window_start_ms == T0 + 12 * HOUR and (r.column, r.statistic) == ("x", "psi"))

    panes = []
    for start, end in (stretch, (12, (found.window_end_ms - T0) // HOUR)):
        chosen = [json.loads(v)["features"] for t, v in live if start <= (t - T0) / HOUR < end]
        pane = PaneSummary(profile.layout)
        count_rows(pane, RowBatch({k: [row[k] for row in chosen] for k in ("x", "color")}, len(chosen)))
        panes.append(pane)
    assert (found.n_reference, found.n_window) == tuple(pane.n_events for pane in panes)
    assert found.value == psi(*(pane.columns["x"].cell_counts() for pane in panes))


def test_a_sudden_change_is_found_and_forgotten_when_it_has_become_the_past():
    rng, watched = np.random.default_rng(3), monitor()
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(8)) + hours_of(rng, range(8, 20), shift=2.0))
    driver.finish()
    drifted = [
        (r.window_start_ms - T0) // HOUR for r in driver.results(column="x", statistic="psi") if r.verdict == "drift"
    ]
    assert drifted[:3] == [8, 9, 10]
    assert max(drifted) < 14
    assert [a.change.value for a in driver.alerts()][-1] == "resolved"
    assert {a.reference for a in driver.alerts()} == {"base@1~6h"}


def test_what_differs_from_the_profile_for_good_is_no_drift():
    rng, watched = np.random.default_rng(4), monitor()
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(20), shift=5.0))
    driver.finish()
    assert {r.verdict.value for r in driver.results(column="x")} == {"stable"}


def scene(driver: Driver, *, restarts: int = 0, partitions: int = 1) -> None:
    rng = np.random.default_rng(5)
    for part in range(40):
        shift = 1.5 if part >= 28 else 0.0
        chunk = hours_of(rng, range(part, part + 1), n=60, shift=shift)
        late = [(t - 3 * HOUR, v) for t, v in chunk[:5]] if part % 3 == 0 else []
        for i, (t, value) in enumerate(chunk):
            driver.feed_bytes([value], at=t, partition=i % partitions)
        for t, _ in late:
            driver.feed_bytes([event(t, 0.5)], at=t)
        driver.cut(send_twice=part % 5 == 0)
        if restarts and part % restarts == 0:
            driver.restart()
    driver.finish()


@pytest.mark.parametrize("lateness", ["0s", "4h"])
@pytest.mark.parametrize("restarts", [1, 2, 7])
def test_a_restart_in_the_middle_changes_nothing(restarts, lateness):
    watched = monitor(window=f"{{size: 2h, every: 1h, allowed_lateness: {lateness}}}", trailing="{length: 5h, gap: 1h}")
    once, again = (Driver(watched, profile_for(watched)) for _ in range(2))
    scene(once)
    scene(again, restarts=restarts)
    assert again.results(newest_revisions=False) == once.results(newest_revisions=False)
    assert again.alerts() == once.alerts()
    assert once.alerts()
    assert again.table == once.table


def test_the_order_of_partitions_changes_nothing_and_live_equals_a_backtest():
    rng = np.random.default_rng(6)
    watched = monitor(window="{size: 3h, every: 1h}")
    profile = profile_for(watched)
    live = hours_of(rng, range(20), n=40)
    one = Driver(watched, profile, partitions=3)
    for partition in (2, 0, 1):  # each partition as a whole, the last one first
        feed(one, [e for i, e in enumerate(live) if i % 3 == partition], partition=partition)
        one.cut(partition)
    one.finish()
    expected = [r for r in backtest(live, watched, profile) if isinstance(r, Result)]
    assert sorted(expected, key=lambda r: r.id) == sorted(one.results(), key=lambda r: r.id)
    assert sum(r.verdict is Verdict.STABLE for r in expected) > 20


def test_late_events_are_in_the_past_of_later_windows():
    rng, watched = np.random.default_rng(7), monitor(window="{size: 1h, allowed_lateness: 3h}")
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(8)))
    driver.cut()
    feed(driver, hours_of(rng, range(5, 6), n=7))  # two hours late
    feed(driver, hours_of(rng, range(8, 10)))
    driver.cut()
    feed(driver, hours_of(rng, range(1, 2), n=9))  # too late
    feed(driver, hours_of(rng, range(10, 13)))
    driver.finish()
    found = driver.results(column="x", statistic="psi")
    assert [((r.window_start_ms - T0) // HOUR, r.n_reference) for r in found] == [
        (6, 600), (7, 607), (8, 607), (9, 607), (10, 607), (11, 607), (12, 600),
    ]  # fmt: skip


def test_a_replaced_reference_begins_a_past_of_its_own():
    rng, watched = np.random.default_rng(8), monitor()
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(10)))
    driver.put_reference(profile_for(watched, revision=2))
    feed(driver, hours_of(rng, range(10, 13)))
    driver.put_reference(profile_for(watched, revision=2), count_on_old=False)
    feed(driver, hours_of(rng, range(13, 20)))
    driver.finish()
    said = [(r.reference, r.verdict.value, r.reason) for r in driver.results(statistic="events")]
    # of equal counts the newer profile is compared with, whose past begins with hour 10
    assert [of for of, _, _ in said] == ["base@1~6h"] * 10 + ["base@2~6h"] * 10
    assert [v for _, v, _ in said[6:]] == ["stable"] * 4 + ["insufficient"] * 6 + ["stable"] * 4
    assert "what was counted for base@2 begins 2026-01-01T10:00:00Z" in said[12][2]


def test_the_steps_kept_are_bounded_and_go_when_they_are_not_needed():
    rng = np.random.default_rng(9)
    watched = monitor(window="{size: 1h}", trailing="{length: 14d}", min_events="1")
    driver = Driver(watched, profile_for(watched))
    most = 0
    for day in range(30):
        feed(driver, hours_of(rng, range(24 * day, 24 * day + 24), n=2))
        driver.cut()
        most = max(most, len(steps_in(driver)))
    assert watched.trailing.step_ms(HOUR) == 6 * HOUR
    assert 56 <= most <= MAX_TRAILING_STEPS + 2
    assert driver.results(column="x", statistic="psi")[-1].n_reference == 14 * 24 * 2

    driver.put_monitor(watched.model_copy(update={"trailing": None}))
    feed(driver, hours_of(rng, range(720, 723), n=2))
    driver.cut()
    assert not [key for key in driver.table if key.startswith(('["step"', '["trail"'))]


def test_a_silent_series_keeps_its_past_while_it_may_be_compared_with_it_and_then_nothing():
    rng, watched = np.random.default_rng(10), monitor(trailing="{length: 40h, gap: 10h}")
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(50)))
    driver.advance(T0 + 90 * HOUR)  # beyond the empty windows that a silent series reports
    assert len([r for r in driver.results(statistic="events") if not r.events]) == 30
    assert steps_in(driver)
    n_updates = sum(len(step.updates) for step in driver.steps)
    for hour in range(90, 94):
        driver.advance(T0 + hour * HOUR)
        driver.restart()
    feed(driver, hours_of(rng, range(94, 95)))
    driver.advance(T0 + 95 * HOUR)
    found = driver.results(column="x", statistic="psi")[-1]
    assert found.n_reference == 600  # of hours 44 to 49: from 94 - 50 to 94 - 10 nothing else was there
    assert sum(len(step.updates) for step in driver.steps) - n_updates < 60
    driver.advance(T0 + 1_000 * HOUR)
    driver.advance(T0 + 1_001 * HOUR)
    assert list(driver.table) == ['["time"]']


def test_a_stretch_without_events_is_insufficient():
    rng, watched = np.random.default_rng(11), monitor(trailing="{length: 2h}")
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(rng, range(4)) + hours_of(rng, range(8, 9)))
    driver.finish()
    (found,) = [r for r in driver.results(statistic="events") if r.window_start_ms == T0 + 8 * HOUR]
    assert found.reason == "no events from 2026-01-01T06:00:00Z to 2026-01-01T08:00:00Z, with which it is compared"


def test_the_same_replay_twice_gives_the_same_results_twice():
    watched = monitor(window="{size: 2h, every: 1h}")
    driver = Driver(watched, profile_for(watched), partitions=2)
    live = hours_of(np.random.default_rng(12), range(24 * 40, 24 * 40 + 12))
    feed(driver, live)
    driver.cut()
    runs = []
    for name in ("first", "second"):
        before = len(driver.results(newest_revisions=False))
        driver.begin_replay(name, from_time=T0, until_time=T0 + 20 * HOUR - 1)
        for i, (t, value) in enumerate(hours_of(np.random.default_rng(13), range(20))):
            driver.feed_bytes([value], at=t, partition=i % 2)
        driver.finish()
        runs.append(sorted(driver._results[before:], key=lambda r: (r.id, r.revision)))
        feed(driver, hours_of(np.random.default_rng(14), range(24 * 40 + 12, 24 * 40 + 13)))
    replayed = [[r for r in run if r.window_end_ms < T0 + 30 * HOUR] for run in runs]
    assert replayed[0] == replayed[1]
    assert sum(r.verdict is Verdict.STABLE for r in replayed[0]) > 20


@pytest.mark.parametrize("ahead", [15, 1_000])
def test_a_replay_of_an_older_time_is_no_past_of_live_time(ahead):
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    driver.advance(T0 + ahead * HOUR)
    driver.begin_replay("old", from_time=T0, until_time=T0 + 12 * HOUR - 1)
    feed(driver, hours_of(np.random.default_rng(15), range(12)))
    driver.finish()
    feed(driver, hours_of(np.random.default_rng(16), range(ahead, ahead + 10)))
    driver.advance(T0 + (ahead + 10) * HOUR)
    found = [
        (r.window_start_ms - T0) // HOUR for r in driver.results(statistic="events") if r.verdict is Verdict.STABLE
    ]
    assert found == [*range(6, 12), *range(ahead + 6, ahead + 10)]


def test_a_replay_of_what_came_just_before_is_the_past_of_live_time():
    watched = monitor()
    driver = Driver(watched, profile_for(watched))
    feed(driver, hours_of(np.random.default_rng(17), range(12)))
    driver.advance(T0 + 12 * HOUR)
    driver.begin_replay("again", from_time=T0 + 3 * HOUR, until_time=T0 + 12 * HOUR - 1)
    feed(driver, hours_of(np.random.default_rng(18), range(3, 12), n=50))
    driver.finish()
    feed(driver, hours_of(np.random.default_rng(19), range(12, 14)))
    driver.advance(T0 + 14 * HOUR)
    found = driver.results(column="x", statistic="psi")
    sizes = {(r.window_start_ms - T0) // HOUR: r.n_reference for r in found}
    assert {hour: sizes[hour] for hour in (9, 10, 12, 13)} == {9: 300, 10: 300, 12: 300, 13: 350}
    # what was before the replay had been forgotten in part when it began, so its past begins with its hour 3
    assert [(r.window_start_ms - T0) // HOUR for r in driver.results(statistic="events") if "too little" in r.reason][
        -1
    ] == 8


@pytest.mark.parametrize(
    ("trailing", "message"),
    [
        ("{length: 90m}", "trailing.length (1h30m) and trailing.gap (0s) must be multiples of window.every (1h)"),
        ("{length: 2h, gap: 1m}", "must be multiples of window.every (1h)"),
        ("{length: 0s}", "length at least one"),
        ("{length: 1h, gap: 167h}", "a step would be 3h, too coarse for a length of 1h"),
        ("{}", "trailing.length: this key is required"),
        ("{length: 7d, gaps: 1d}", "did you mean `gap`?"),
        ("7d", "a mapping with the keys `length`, `gap` is expected"),
    ],
)
def test_a_past_that_cannot_be_kept_is_refused_with_the_remedy(trailing, message):
    with pytest.raises(ConfigurationError) as caught:
        monitor(trailing=trailing)
    assert message in str(caught.value)
    with pytest.raises(ConfigurationError, match="trailing: the events are counted in the cells of a reference"):
        monitor(reference="")


@pytest.mark.parametrize("every", [1, 2, 5])
@pytest.mark.parametrize(("length", "gap"), [(1, 0), (10, 3), (64, 0), (60, 40), (700, 0), (130, 70)])
def test_a_stretch_is_made_of_whole_steps_that_end_before_the_window(every, length, gap):
    config = TrailingConfig.model_construct(length=length * every, gap=gap * every)
    step = config.step_ms(every)
    assert step % every == 0
    assert step == every or (length + gap) * every > MAX_TRAILING_STEPS * (step - every)
    for window in range(1_000 * every, 1_100 * every, every):
        start, end = config.stretch(window, every)
        assert start % step == end % step == 0
        assert 0 <= window - gap * every - end < step
        assert 0 <= end - start - length * every < step
        if step == every:
            assert (start, end) == (window - (gap + length) * every, window - gap * every)


def test_stretches_of_watching_are_bounded():
    trail = Trail()
    for i in range(100):
        trail.watch("p@1", 100_000 - 1_000 * i, every_ms=1, step_ms=1, replayed=i % 2 == 0)
    assert len(trail.watched["p@1"]) <= 16


def test_what_lasts_becomes_the_past_so_the_e_detector_is_not_asked():
    rng, watched = np.random.default_rng(20), monitor(checks="")
    driver = Driver(watched, profile_for(watched))
    assert "e_detector" in {check.statistic for check in watched.checks}
    feed(driver, hours_of(rng, range(8)))
    driver.finish()
    said = {r.statistic for r in driver.results()}
    assert "psi" in said
    assert "e_detector" not in said
    assert not [key for key in driver.table if key.startswith('["sequential"')]
    with pytest.raises(
        ConfigurationError, match="e_detector finds shifts that last, and with `trailing` what lasts becomes the past"
    ):
        monitor(checks="[{statistic: e_detector, tolerance: 0.1}]")
    assert Monitor.from_json_bytes(watched.to_json_bytes(), source="topic") == watched
