"""Online detectors in the whole flow: what they are fed, when, and what becomes of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from stream_gov.contracts import Monitor, Verdict
from stream_gov.detection.change_detector import river_detector
from stream_gov.detection.change_points import MAX_SILENT_PANES
from stream_gov.detection.series_detectors import KEEP_DETECTORS_MS
from stream_gov.reference import ProfileBuilder, ReferenceProfile, RowBatch, build_profile
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0

BASE = """
monitor: shop
model: shop
reference: base
window: {window}
min_events: 10
checks: [{{statistic: type_error_share, threshold: 0.9}}]
{more}
detectors:
{detectors}
"""
QUICK = {
    "adwin": "{detector: adwin, series: mean, columns: [x], clock: 1, grace_period: 4, min_window_length: 2, delta: 0.3}",
    "page_hinkley": "{detector: page_hinkley, series: mean, columns: [x], min_instances: 5, threshold: 2}",
    "kswin": "{detector: kswin, series: mean, columns: [x], window_size: 12, stat_size: 5, alpha: 0.05}",
    "hddm_a": "{detector: hddm_a, series: missing_share, columns: [x], drift_confidence: 0.3, two_sided_test: true}",
    "hddm_w": "{detector: hddm_w, series: missing_share, columns: [x], drift_confidence: 0.3, two_sided_test: true}",
    "events": "{detector: page_hinkley, series: events, min_instances: 5, threshold: 30}",
    "error_rate": "{detector: adwin, series: error_rate, columns: [wrong], clock: 1, grace_period: 4, min_window_length: 2, delta: 0.5}",
}


def monitor_of(*detectors: str, window: str = "{size: 1h}", more: str = "") -> Monitor:
    text = BASE.format(window=window, more=more, detectors="\n".join(f"  - {d}" for d in detectors) or "  []")
    return Monitor.from_yaml(text, source="test")


def profile_for(watched: Monitor, *, revision: int = 1, center: float = 10.0, spread: float = 2.0) -> ReferenceProfile:
    """4,000 rows: x normal, color red or blue, wrong true in one of ten."""
    rng = np.random.default_rng(7)
    colors = ["red", "blue", "red", "red"] if revision == 1 else ["red", "blue", "green", "red"]
    rows = RowBatch(
        {"x": rng.normal(center, spread, 4_000), "color": colors * 1_000, "wrong": [False] * 3_600 + [True] * 400},
        n_rows=4_000,
    )
    return build_profile(
        lambda: [rows],
        ProfileBuilder.for_monitor(watched),
        name="base",
        revision=revision,
        model="shop",
        source="test",
        created_ms=0,
    )


def events_of_hour(seed: int, hour: int, n: int = 20, *, after: int = 30) -> list[dict[str, object]]:
    """Events of one pane; from the hour `after` on everything is otherwise."""
    rng = np.random.default_rng([seed, hour])
    late = hour >= after
    found = []
    for _ in range(n * (3 if late else 1)):
        x: object = float(rng.normal(13.0 if late else 10.0, 1.0))
        if rng.random() < (0.6 if late else 0.1):
            x = None
        color = str(rng.choice(["red", "blue", "green"], p=[0.4, 0.2, 0.4] if late else [0.6, 0.4, 0.0]))
        found.append({"x": x, "color": color, "wrong": bool(rng.random() < (0.7 if late else 0.1))})
    return found


def feed_hour(driver: Driver, hour: int, events: list[dict[str, object]], **more) -> None:
    for i, event in enumerate(events):
        driver.feed(event, at=T0 + hour * HOUR + i * 1_000, **more)


def verdicts(driver: Driver, **wanted) -> str:
    """First letters of the verdicts, window by window."""
    return "".join(r.verdict.value[0] for r in driver.results(**wanted))


# --- what is fed -------------------------------------------------------------------------------------------------------------------


def by_hand(series: str, events: list[dict[str, object]], profile: ReferenceProfile) -> float:
    """Value of a pane, from its events."""
    xs = [e["x"] for e in events if e["x"] is not None]
    reference = profile.segments[""].columns["x"]
    match series:
        case "mean":
            return (np.mean(xs) - reference.mean()) / reference.standard_deviation()
        case "missing_share":
            return 1 - len(xs) / len(events)
        case "error_rate":
            return sum(bool(e["wrong"]) for e in events) / len(events)
        case "unseen_share":
            return sum(e["color"] == "green" for e in events) / len(events)
        case _:
            return float(len(events))


@pytest.mark.parametrize("window", ["{size: 1h}", "{size: 4h, every: 2h}", "{size: 5h, every: 1h}"])
def test_each_pane_is_fed_once_in_order_and_signals_are_those_of_river_fed_by_hand(window):
    watched = monitor_of(
        *QUICK.values(), "{detector: adwin, series: unseen_share, clock: 1, delta: 0.5}", window=window, more="pane: 1h"
    )
    profile = profile_for(watched)
    driver = Driver(watched, profile)
    panes = [events_of_hour(1, hour) for hour in range(60)]
    for hour, events in enumerate(panes):
        feed_hour(driver, hour, events)
        driver.cut()
    driver.finish()
    every = watched.window.every_ms // HOUR
    first_end = driver.results(statistic="events")[0].window_end_ms
    for config in watched.detectors:
        column = (config.columns or ("color" if config.series == "unseen_share" else "",))[0]
        river = river_detector(config)
        expected = []
        for end in range(first_end, T0 + 60 * HOUR + 1, every * HOUR):
            signalled, value = False, math.nan
            for hour in range((end - T0) // HOUR - every, (end - T0) // HOUR):
                if hour >= 0:
                    value = by_hand(config.series, panes[hour], profile)
                    river.update(value)
                    signalled |= river.drift_detected
            expected.append((end, signalled, pytest.approx(value, rel=1e-3, abs=1e-6)))
        found = driver.results(column=column, statistic=config.statistic)
        assert [(r.window_end_ms, r.verdict is Verdict.DRIFT, r.value) for r in found[: len(expected)]] == expected
        assert sum(signal for _, signal, _ in expected) >= 1, config.statistic
        assert {r.verdict for r in found[len(expected) :]} <= {Verdict.INSUFFICIENT}, "nothing new in the last windows"
        assert {(r.rule, r.reference) for r in found} == {("detector", "base@1")}
    ids = [r.id for r in driver.results(newest_revisions=False)]
    assert len(set(ids)) == len(ids)


def test_a_detector_without_columns_watches_all_that_have_the_series():
    watched = monitor_of(
        "{detector: adwin, series: mean}",
        "{detector: adwin, series: mean, columns: [x], clock: 1}",
        "{detector: hddm_w, series: type_error_share}",
        "{detector: page_hinkley, series: unseen_share}",
        more="columns: {exclude: [prediction]}",
    )
    driver = Driver(watched, profile_for(watched))
    feed_hour(driver, 0, events_of_hour(1, 0))
    driver.finish()
    found = {(r.column, r.statistic): r for r in driver.results() if r.rule == "detector"}
    assert set(found) == {
        ("x", "adwin_mean"),
        ("wrong", "adwin_mean"),
        ("x", "hddm_w_type_error_share"),
        ("color", "hddm_w_type_error_share"),
        ("wrong", "hddm_w_type_error_share"),
        ("color", "page_hinkley_unseen_share"),
    }
    assert found[("wrong", "adwin_mean")].value == by_hand("error_rate", events_of_hour(1, 0), profile_for(watched))
    assert "1 of the 25 pane" in found[("x", "adwin_mean")].reason, "the one that names the column watches it"
    assert "1 of the 32 pane" in found[("wrong", "adwin_mean")].reason


def test_a_column_of_another_kind_that_is_named_is_insufficient_and_says_why():
    watched = monitor_of("{detector: adwin, series: error_rate, columns: [x]}", "{detector: kswin, series: mean}")
    driver = Driver(watched, profile_for(watched))
    feed_hour(driver, 0, events_of_hour(1, 0))
    driver.finish()
    (result,) = driver.results(column="x", statistic="adwin_error_rate")
    assert (result.verdict, result.value) == (Verdict.INSUFFICIENT, None)
    assert result.reason == "error_rate is of boolean columns, and x is numeric; see `columns.types`"
    assert driver.results(column="color", statistic="kswin_mean") == []


def test_a_mean_has_no_unit_where_the_reference_does_not_vary():
    watched = monitor_of("{detector: adwin, series: mean, columns: [x]}")
    driver = Driver(watched, profile_for(watched, spread=0.0))
    feed_hour(driver, 0, events_of_hour(1, 0))
    driver.finish()
    (result,) = driver.results(statistic="adwin_mean")
    assert (result.verdict, result.value) == (Verdict.INSUFFICIENT, None)
    assert result.reason == "the reference does not vary, so the mean has no unit"


def test_without_a_reference_only_the_number_of_events_is_watched():
    watched = monitor_of(QUICK["events"], QUICK["adwin"])
    driver = Driver(watched)
    for hour in range(40):
        feed_hour(driver, hour, events_of_hour(1, hour))
    driver.finish()
    found = [r for r in driver.results() if r.rule == "detector"]
    assert {r.statistic for r in found} == {"page_hinkley_events"}
    assert [r.value for r in found] == [20.0] * 30 + [60.0] * 10
    assert Verdict.DRIFT in {r.verdict for r in found}


def test_panes_with_less_than_their_share_of_min_events_are_left_out():
    """min_events 10 in windows of 4 panes: 3 valid values a pane."""
    watched = monitor_of(
        QUICK["adwin"], "{detector: adwin, series: missing_share, columns: [x]}", window="{size: 4h}", more="pane: 1h"
    )
    driver = Driver(watched, profile_for(watched))
    for hour, n_valid in enumerate([3, 2, 5, 0]):
        feed_hour(driver, hour, [{"x": 10.0}] * n_valid + [{"x": None}] * 3)
    feed_hour(driver, 4, [{"x": None}] * 50)
    driver.finish()
    first, second = driver.results(column="x", statistic="adwin_mean")
    assert (first.n_window, second.n_window) == (2, 0)
    assert second.reason == "no pane since the window before has a value (at least 3 of 10 min_events)"
    assert [r.n_window for r in driver.results(column="x", statistic="adwin_missing_share")] == [4, 1]


def test_panes_without_events_count_as_none_between_others_unless_the_silence_is_long():
    watched = monitor_of(QUICK["events"], "{detector: adwin, series: mean}", window="{size: 1m}")
    driver = Driver(watched, profile_for(watched))
    pane = 60_000
    for minute in (0, 1, 5, 5 + MAX_SILENT_PANES + 1, 5 + 2 * MAX_SILENT_PANES + 3):
        driver.feed_bytes([], at=T0)
        for _ in range(20):
            driver.feed({"x": 1.0}, at=T0 + minute * pane)
        driver.advance(T0 + (minute + 1) * pane)
    found = [r for r in driver.results(statistic="page_hinkley_events", column="") if r.n_window]
    assert [r.n_window for r in found] == [1, 1, 4, 1 + MAX_SILENT_PANES, 1]
    assert [r.value for r in found] == [20.0] * 5
    assert [r.n_window for r in driver.results(statistic="adwin_mean", column="x")] == [1] * 5


# --- late, repeated, restarted, replayed ---------------------------------------------------------------------------------------------


def test_late_events_are_not_fed_again_and_a_revision_keeps_what_was_said():
    watched = monitor_of(QUICK["page_hinkley"], window="{size: 1h, allowed_lateness: 5h}")
    driver = Driver(watched, profile_for(watched))
    for hour in range(10):
        feed_hour(driver, hour, [{"x": 30.0 if hour == 9 else 10.0}] * 20)
        driver.advance(T0 + (hour + 1) * HOUR)
    (opened,) = driver.alerts()
    assert "signalled by page_hinkley_mean" in opened.message
    for _ in range(2):
        feed_hour(driver, 9, [{"x": 10.0}] * 500)
        feed_hour(driver, 8, [{"x": 90.0}] * 500)
        driver.restart()
        driver.advance(T0 + 10 * HOUR)
    assert [r.revision for r in driver.results(statistic="page_hinkley_mean", newest_revisions=False)] == [0] * 10
    assert [r.revision for r in driver.results(statistic="events", newest_revisions=False)][-3:] == [0, 1, 2]
    assert driver.alerts() == [opened], "the signal stands, and so does its alert"
    feed_hour(driver, 10, [{"x": 10.0}] * 20)
    driver.advance(T0 + 11 * HOUR)
    newest = driver.results(statistic="page_hinkley_mean")[-1]
    assert (newest.n_reference, newest.n_window) == (0, 1), "the memory is empty since the signal, whatever came late"


def test_a_pane_whose_step_has_passed_is_not_fed_though_windows_that_hold_it_are_still_open():
    watched = monitor_of(QUICK["page_hinkley"], window="{size: 4h, every: 1h}")
    driver = Driver(watched, profile_for(watched))
    for hour in (0, 1, 3):  # nothing in the hour 2 when it closes
        feed_hour(driver, hour, [{"x": 10.0}] * 20)
        driver.advance(T0 + min(hour + 1, 3) * HOUR)
    feed_hour(driver, 2, [{"x": 90.0}] * 500)
    driver.advance(T0 + 4 * HOUR)
    found = driver.results(statistic="page_hinkley_mean")
    assert [r.n_window for r in found] == [1, 1, 0, 1]
    assert found[-1].events == 560, "the window itself does hold it"
    assert abs(found[-1].value) < 0.1


def test_a_window_in_a_long_silence_that_is_judged_for_the_first_time_when_late_events_come_is_not_fed():
    watched = monitor_of(QUICK["page_hinkley"], window="{size: 1h, allowed_lateness: 100h}")
    driver = Driver(watched, profile_for(watched))
    for hour in (0, 1, 60):
        driver.advance(T0 + hour * HOUR)
        feed_hour(driver, hour, [{"x": 10.0}] * 20)
    driver.advance(T0 + 61 * HOUR)
    feed_hour(driver, 45, [{"x": 90.0}] * 500)
    driver.advance(T0 + 61 * HOUR)
    found = {(r.window_start_ms - T0) // HOUR: r for r in driver.results(statistic="page_hinkley_mean")}
    assert {hour: (r.n_reference, r.n_window) for hour, r in found.items() if hour in (0, 1, 45, 60)} == {
        0: (0, 1),
        1: (1, 1),
        60: (2, 1),
        45: (3, 0),
    }
    assert "no pane since the window before" in found[45].reason


def test_state_is_read_in_whatever_order_a_table_gives_it():
    watched = monitor_of(*QUICK.values())
    drivers = [Driver(watched, profile_for(watched)) for _ in range(2)]
    for turned, driver in enumerate(drivers):
        for hour in range(40):
            feed_hour(driver, hour, events_of_hour(6, hour))
            driver.advance(T0 + (hour + 1) * HOUR)
            if turned:
                driver.table = dict(sorted(driver.table.items(), reverse=hour % 2 == 0))
                driver.restart()
    assert drivers[0].results() == drivers[1].results()


@pytest.mark.parametrize("window", ["{size: 1h}", "{size: 3h, every: 1h, allowed_lateness: 2h}"])
def test_a_restart_after_every_step_changes_no_verdict_of_any_detector(window):
    watched = monitor_of(
        *QUICK.values(),
        "{detector: kswin, series: unseen_share, window_size: 10, stat_size: 4, alpha: 0.05}",
        window=window,
    )
    drivers = [Driver(watched, profile_for(watched), partitions=2) for _ in range(2)]
    for restarted, driver in enumerate(drivers):
        for hour in range(50):
            events = events_of_hour(4, hour, after=25)
            feed_hour(driver, hour, events[::2], partition=0)
            feed_hour(driver, hour, events[1::2], partition=1)
            if hour % 7 == 5:
                feed_hour(driver, hour - 1, events[:5])
            for partition in range(2):
                driver.cut(partition)
                if restarted:
                    driver.restart()
        driver.finish()
    assert drivers[0].results(newest_revisions=False) == drivers[1].results(newest_revisions=False)
    assert drivers[0].alerts() == drivers[1].alerts()
    assert drivers[0].table == drivers[1].table
    signalled = {r.statistic for r in drivers[0].results() if r.verdict is Verdict.DRIFT and r.rule == "detector"}
    assert signalled == {d.statistic for d in watched.detectors}


def test_records_sent_twice_and_partitions_that_interleave_otherwise_change_nothing():
    watched = monitor_of(*QUICK.values(), window="{size: 2h, every: 1h}")
    found = []
    for order, twice in itertools.product([(0, 1, 2), (2, 0, 1)], [False, True]):
        driver = Driver(watched, profile_for(watched), partitions=3)
        for hour in range(40):
            events = events_of_hour(2, hour)
            for p in order:
                feed_hour(driver, hour, events[p::3], partition=p)
                driver.cut(p, send_twice=twice)
        driver.finish()
        found.append((driver.results(), driver.alerts()))
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_replay_begins_anew_and_gives_the_same_twice(restarted):
    watched = monitor_of(*QUICK.values())
    driver = Driver(watched, profile_for(watched))
    for hour in range(40):
        feed_hour(driver, hour, events_of_hour(3, hour))
    driver.advance(T0 + 40 * HOUR)
    found = []
    for name in ("once", "again"):
        before = len(driver.results(newest_revisions=False)), len(driver.alerts())
        driver.begin_replay(name, from_time=T0 + 10 * HOUR, until_time=T0 + 40 * HOUR - 1)
        for hour in range(10, 40):
            feed_hour(driver, hour, events_of_hour(3, hour))
            driver.cut()
            if restarted:
                driver.restart()
        driver.finish()
        found.append((driver._results[before[0] :], driver._alerts[before[1] :]))
    assert found[0] == found[1]
    firsts = [r for r in found[0][0] if r.rule == "detector" and r.window_start_ms == T0 + 10 * HOUR]
    assert {r.n_reference for r in firsts} == {0}


# --- changes while it runs -------------------------------------------------------------------------------------------------------------


def test_a_detector_with_other_parameters_begins_anew_and_the_others_go_on():
    watched = monitor_of(QUICK["adwin"], QUICK["page_hinkley"])
    driver = Driver(watched, profile_for(watched))
    for hour in range(20):
        if hour == 10:
            driver.put_monitor(monitor_of(QUICK["adwin"].replace("clock: 1", "clock: 2"), QUICK["page_hinkley"]))
        feed_hour(driver, hour, [{"x": 10.0 + hour % 2}] * 20)
        driver.advance(T0 + (hour + 1) * HOUR)
    assert [r.n_reference for r in driver.results(statistic="adwin_mean")] == [*range(10), *range(10)]
    assert [r.n_reference for r in driver.results(statistic="page_hinkley_mean")] == list(range(20))


def test_detectors_taken_out_of_the_monitor_leave_nothing_behind():
    watched = monitor_of(*QUICK.values())
    driver = Driver(watched, profile_for(watched))
    feed_hour(driver, 0, events_of_hour(1, 0))
    driver.advance(T0 + HOUR)
    assert sum(key.startswith('["detectors"') for key in driver.table) == 2
    driver.put_monitor(monitor_of())
    feed_hour(driver, 1, events_of_hour(1, 1))
    driver.advance(T0 + 2 * HOUR)
    assert not any(key.startswith('["detectors"') for key in driver.table)
    assert not [r for r in driver.results() if r.rule == "detector" and r.window_end_ms > T0 + HOUR]


def test_a_replaced_reference_changes_the_unit_of_the_mean_and_begins_anew_what_it_defines():
    watched = monitor_of(QUICK["adwin"], "{detector: adwin, series: unseen_share, clock: 1}")
    restarting, staying = (Driver(watched, profile_for(watched)) for _ in range(2))
    for driver in (restarting, staying):
        for hour in range(40):
            if hour == 20:
                driver.put_reference(profile_for(watched, revision=2, center=0.0, spread=5.0))
            rng = np.random.default_rng(hour)
            feed_hour(driver, hour, [{"x": float(rng.normal(10, 1)), "color": "green"} for _ in range(20)])
            driver.advance(T0 + (hour + 1) * HOUR)
            if driver is restarting:
                driver.restart()
    mean = staying.results(column="x", statistic="adwin_mean")
    assert [r.n_reference for r in mean] == list(range(40)), "what was fed is kept, in the column's own unit"
    assert all(abs(r.value) < 0.5 for r in mean if r.reference == "base@1")
    assert all(1.7 < r.value < 2.3 for r in mean if r.reference == "base@2")
    assert Verdict.DRIFT not in {r.verdict for r in mean}, "another unit is no change"
    unseen = staying.results(column="color", statistic="adwin_unseen_share")
    assert [(r.n_reference, r.value) for r in unseen] == [(n, 1.0) for n in range(20)] + [(n, 0.0) for n in range(20)]
    assert restarting.results() == staying.results()


def test_a_model_taken_away_takes_its_detectors_with_it():
    watched = monitor_of(*QUICK.values())
    driver = Driver(watched, profile_for(watched))
    feed_hour(driver, 0, events_of_hour(1, 0))
    driver.advance(T0 + HOUR)
    driver.catalog._monitors.clear()
    driver.advance(T0 + 2 * HOUR)
    assert set(driver.table) == {'["time"]'}


def test_a_silent_model_keeps_its_detectors_over_a_week_and_not_for_ever():
    watched = monitor_of(QUICK["adwin"])
    driver = Driver(watched, profile_for(watched))
    hour = 0
    for silence in (0, 7 * 24, KEEP_DETECTORS_MS // HOUR + 1):
        driver.advance(T0 + (hour + silence) * HOUR)
        hour += silence
        for _ in range(3):
            feed_hour(driver, hour, [{"x": 10.0}] * 20)
            hour += 1
    assert not any(key.startswith('["detectors"') for key in driver.table), "forgotten, and not yet begun anew"
    driver.finish()
    assert [r.n_reference for r in driver.results(statistic="adwin_mean")] == [0, 1, 2, 3, 4, 5, 0, 1, 2]


def test_segments_have_detectors_of_their_own():
    watched = monitor_of(QUICK["page_hinkley"], more="segments: [color]")
    driver = Driver(watched, profile_for(watched))
    for hour in range(20):
        jump = 10.0 if hour >= 15 else 0.0
        feed_hour(driver, hour, [{"x": 10.0 + jump, "color": "blue"}, {"x": 10.0, "color": "red"}] * 20)
    driver.finish()
    assert "d" in verdicts(driver, statistic="page_hinkley_mean", segment="color=blue")
    assert "d" not in verdicts(driver, statistic="page_hinkley_mean", segment="color=red")
