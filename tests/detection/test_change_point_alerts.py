"""What online detectors signal, as verdicts and alerts, and the state that is kept of them."""

from __future__ import annotations

import numpy as np

from stream_gov.contracts import Verdict
from stream_gov.detection.change_points import ChangePoints, FedPane
from stream_gov.detection.judge import Window
from stream_gov.detection.pane_log import BLOCK_ROWS
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0
from tests.detection.test_change_points import QUICK, events_of_hour, feed_hour, monitor_of, profile_for, verdicts

# --- verdicts and alerts ---------------------------------------------------------------------------------------------------------------


def test_a_signal_opens_an_alert_which_resolves_when_the_new_level_was_learnt_and_found_steady():
    watched = monitor_of(QUICK["page_hinkley"], more="alerts: {resolve_after: 3}")
    driver = Driver(watched, profile_for(watched))
    for hour in range(40):
        feed_hour(driver, hour, [{"x": 10.0 if hour < 12 else 20.0}] * 20)
    driver.finish()
    said = verdicts(driver, statistic="page_hinkley_mean")
    # 5 values to begin with; the signal; 4 values are too few again, the fifth makes the detector judge
    assert said == "iiii" + "s" * 8 + "d" + "iiii" + "s" * 23
    opened, resolved = driver.alerts()
    assert opened.message == ("shop: x: change signalled by page_hinkley_mean, now 5.06 (1 pane value after 12)")
    (cause,) = opened.causes
    assert (cause.column, cause.statistic, cause.rule, cause.n_reference, cause.n_window) == (
        "x",
        "page_hinkley_mean",
        "detector",
        12,
        1,
    )
    assert (opened.change.value, (opened.window_start_ms - T0) // HOUR) == ("opened", 12)
    assert (resolved.change.value, (resolved.window_start_ms - T0) // HOUR) == ("resolved", 12 + 4 + 3)
    assert resolved.message == "shop: steady again after a change (x)"


def test_a_signal_opens_an_alert_at_once_however_persistent_drift_must_be():
    watched = monitor_of(QUICK["page_hinkley"], more="alerts: {open_after: {windows: 3, of: 5}}")
    driver = Driver(watched, profile_for(watched))
    for hour in range(30):
        feed_hour(driver, hour, [{"x": 10.0 if hour < 12 else 20.0}] * 20)
    driver.finish()
    opened, resolved = driver.alerts()
    assert (opened.change.value, (opened.window_start_ms - T0) // HOUR) == ("opened", 12)
    assert (opened.severity.value, opened.causes[0].weight) == ("warning", 1.0)
    assert resolved.message == "shop: steady again after a change (x)"


def test_what_happens_in_a_maintenance_is_not_fed_and_its_end_is_no_change():
    closed = "maintenance: [{from: 2026-01-01T12:00Z, until: 2026-01-01T18:00Z}]"
    for more, signals in ((closed, 0), ("", 1)):
        watched = monitor_of(QUICK["page_hinkley"], QUICK["events"], more=more)
        driver = Driver(watched, profile_for(watched))
        for hour in range(30):
            if hour != 14:  # nothing at all in one hour of it
                feed_hour(driver, hour, [{"x": 90.0 if 12 <= hour < 18 else 10.0}] * (2 if 12 <= hour < 18 else 20))
        driver.finish()
        found = [r for r in driver.results() if r.rule == "detector"]
        assert (sum(r.verdict is Verdict.DRIFT for r in found) > 0) == bool(signals)
        in_it = [r for r in found if 12 <= (r.window_start_ms - T0) // HOUR < 18]
        assert {r.maintenance for r in in_it} == {bool(more)}
        if more:
            assert {(r.n_window, r.verdict.value) for r in in_it} == {(0, "insufficient")}
            assert [r.n_window for r in found if r not in in_it] == [1] * 48
        assert len(driver.alerts()) >= signals


def test_why_a_detector_cannot_say_yet_is_in_the_reason():
    watched = monitor_of(QUICK["kswin"])
    driver = Driver(watched, profile_for(watched))
    for hour in range(12):
        feed_hour(driver, hour, events_of_hour(1, hour))
    driver.finish()
    reasons = [r.reason for r in driver.results(statistic="kswin_mean")]
    assert reasons[0] == "kswin has 1 of the 12 pane values it needs, since it began or signalled last"
    assert reasons[-2:] == ["kswin has 11 of the 12 pane values it needs, since it began or signalled last", ""]


# --- state -----------------------------------------------------------------------------------------------------------------------------


def test_what_is_kept_is_bounded_and_a_closed_window_rewrites_little():
    watched = monitor_of("{detector: adwin, series: events}", "{detector: kswin, series: events}")
    points, kept, written = ChangePoints(), {}, []
    from stream_gov.detection.state import kept_detectors

    rng = np.random.default_rng(2)
    for i in range(5_000):
        window = Window(
            model="shop",
            version="1",
            segment="",
            start_ms=i * HOUR,
            end_ms=(i + 1) * HOUR,
            revision=0,
            events=1,
            late=0,
            rejected=0,
        )
        points.judge(watched, window, [FedPane(i * HOUR, int(rng.poisson(50)), None)], None)
        updates = kept_detectors(("shop", "1", ""), points)
        written.append(sum(len(v) for v in updates.values() if v))
        assert sum(value is not None for value in updates.values()) <= 2, "one block, and where memories begin"
        for key, value in updates.items():
            if value is None:
                del kept[key]
            else:
                kept[key] = value
    assert len(kept) <= 2_000 // BLOCK_ROWS + 3
    assert sum(map(len, kept.values())) < 2_000 * 8 + 70 * 100
    assert max(written) < BLOCK_ROWS * 8 + 400
