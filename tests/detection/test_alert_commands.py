"""What people say of alerts, taken in by the detector beside the summaries of a real stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import Alert, AlertAction, AlertCommandRecord, AlertStatus
from stream_gov.detection.alert_attention import MAX_COMMANDS_KNOWN
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for


def hour_of(driver: Driver, hour: int, *, shift: float = 0.0, n: int = 200, strange: bool = False) -> None:
    """An hour of events, and event time at its end."""
    for i, x in enumerate(np.random.default_rng(hour).normal(shift, 1, n)):
        more = {"colour": "red"} if strange else {}
        color = ["red", "blue", "red", "red"][i % 4]
        driver.feed({"x": float(x), "color": color, **more}, at=T0 + hour * HOUR + i * HOUR // n)
    driver.advance(T0 + (hour + 1) * HOUR)


def drifting(*, hours: int = 1, extra: str = "", **more: Any) -> Driver:
    """A model whose alert has opened with its first hour."""
    watched = monitor(extra, **more)
    driver = Driver(watched, profile_for(watched))
    for hour in range(hours):
        hour_of(driver, hour, shift=3.0)
    return driver


_COMMANDS = iter(range(10**6))


def say(driver: Driver, action: str, **changes: Any) -> list[Alert]:
    """Give a command about the alert that opened last; return what was told."""
    fields = {
        "model": "shop",
        "alert_id": driver.alerts()[-1].alert_id,
        "command_id": f"command-{next(_COMMANDS)}",
        "action": AlertAction(action),
        "by": "anna",
        "note": "",
        "at_ms": T0 + 17,
    }
    return driver.take(AlertCommandRecord(**(fields | changes))).alerts


def changes(driver: Driver) -> list[str]:
    return [a.change.value for a in driver.alerts()]


def test_an_acknowledged_alert_says_by_whom_until_it_resolves():
    driver = drifting()
    (told,) = say(driver, "acknowledge", note="new price list")
    opened = driver.alerts()[0]
    assert (told.alert_id, told.sequence, told.change, told.status) == (
        opened.alert_id,
        1,
        "acknowledged",
        "acknowledged",
    )
    assert (told.by, told.note, told.at_ms, told.acknowledged_by) == ("anna", "new price list", T0 + 17, "anna")
    assert told.message == "shop: acknowledged by anna: new price list"
    assert told.causes == opened.causes
    hour_of(driver, 1, shift=3.0, strange=True)
    updated = driver.alerts()[-1]
    assert (updated.change, updated.status, updated.acknowledged_by, updated.by) == (
        "updated",
        "acknowledged",
        "anna",
        "",
    )
    hour_of(driver, 2)
    resolved = driver.alerts()[-1]
    assert (resolved.change, resolved.status, resolved.acknowledged_by) == ("resolved", "resolved", "anna")


def test_a_command_sent_twice_changes_nothing():
    driver = drifting()
    assert len(say(driver, "acknowledge", command_id="one")) == 1
    assert say(driver, "acknowledge", command_id="one", by="ben") == []
    assert driver.steps[-1].repeated == 1
    assert driver.steps[-1].updates == {}
    driver.restart()
    assert say(driver, "acknowledge", command_id="one") == []


def test_so_many_commands_are_remembered_and_no_more():
    driver = drifting()
    for n in range(MAX_COMMANDS_KNOWN + 1):
        say(driver, "acknowledge", command_id=f"c{n}")
    assert say(driver, "acknowledge", command_id="c1") == []
    (series,) = driver._state.series["shop"].values()
    assert len(series.attention.commands) == MAX_COMMANDS_KNOWN


@pytest.mark.parametrize("other", [{"alert_id": "0" * 32}, {"model": "nobody"}])
def test_a_command_that_names_no_open_alert_is_counted_and_changes_nothing(other):
    driver = drifting()
    assert say(driver, "resolve", **other) == []
    assert driver.steps[-1].unanswered == 1
    assert driver.steps[-1].updates == {}


def test_a_command_about_a_resolved_alert_is_counted_and_changes_nothing():
    driver = drifting()
    hour_of(driver, 1)
    assert changes(driver) == ["opened", "resolved"]
    assert say(driver, "acknowledge") == []
    assert driver.steps[-1].unanswered == 1


def test_a_snoozed_alert_keeps_updates_to_itself_and_tells_once_when_event_time_has_passed():
    driver = drifting(extra="alerts: {severities: {warning: 1}}")
    (told,) = say(driver, "snooze", until_ms=T0 + 3 * HOUR + HOUR // 2)
    assert told.snoozed_until_ms == T0 + 3 * HOUR + HOUR // 2
    assert told.message == "shop: snoozed until 2026-01-01 03:30 UTC by anna"
    hour_of(driver, 1, shift=3.0, strange=True)
    driver.restart()
    hour_of(driver, 2, shift=3.0, strange=True)
    assert changes(driver) == ["opened", "snoozed"]
    driver.advance(T0 + 3 * HOUR + HOUR // 2 - 1)
    assert changes(driver) == ["opened", "snoozed"]
    driver.advance(T0 + 3 * HOUR + HOUR // 2)
    assert changes(driver) == ["opened", "snoozed", "unsnoozed"]
    ended = driver.alerts()[-1]
    # With what was kept back, and the window that it is from.
    assert [c.statistic for c in ended.causes] == ["new_columns", "psi"]
    assert (ended.window_end_ms, ended.snoozed_until_ms, ended.by) == (T0 + 2 * HOUR, None, "")
    assert ended.message == "shop: the snooze is over and the drift is not (new columns colour, x)"
    driver.advance(T0 + 4 * HOUR)
    assert changes(driver) == ["opened", "snoozed", "unsnoozed"]


def test_a_snooze_ends_between_the_windows_that_one_step_closes_as_it_would_have_one_by_one():
    told = []
    for at_once in (False, True):
        driver = drifting(extra="alerts: {severities: {warning: 1}}")
        say(driver, "snooze", until_ms=T0 + 2 * HOUR + 1, command_id="s")
        for hour in (1, 2, 3):
            for i, x in enumerate(np.random.default_rng(hour).normal(3.0, 1, 200)):
                more = {"colour": "red"} if hour == 3 else {}
                driver.feed({"x": float(x), "color": "red", **more}, at=T0 + hour * HOUR + i)
            if not at_once:
                driver.advance(T0 + (hour + 1) * HOUR)
        driver.feed({"x": 0.0, "color": "red"}, at=T0 + 4 * HOUR)  # closes what is left, in one step
        driver.cut()
        told.append(driver.alerts())
    assert told[0] == told[1]
    assert [a.change.value for a in told[0]] == ["opened", "snoozed", "unsnoozed", "updated"]


def test_a_snoozed_alert_resolves_all_the_same():
    driver = drifting()
    say(driver, "snooze", until_ms=T0 + 9 * HOUR)
    hour_of(driver, 1)
    assert changes(driver) == ["opened", "snoozed", "resolved"]
    driver.advance(T0 + 10 * HOUR)
    assert changes(driver) == ["opened", "snoozed", "resolved"]
    hour_of(driver, 10, shift=3.0)
    assert changes(driver)[-1] == "opened"
    assert driver.alerts()[-1].snoozed_until_ms is None


def test_a_snooze_is_broken_by_a_severity_above_that_of_its_beginning():
    driver = drifting(extra="alerts: {severities: {warning: 1, critical: 40}}")
    assert driver.alerts()[0].severity == "warning"
    say(driver, "snooze", until_ms=T0 + 9 * HOUR)
    hour_of(driver, 1, shift=60.0)
    assert changes(driver) == ["opened", "snoozed", "updated"]
    assert (driver.alerts()[-1].severity, driver.alerts()[-1].snoozed_until_ms) == ("critical", T0 + 9 * HOUR)
    hour_of(driver, 2, shift=60.0, strange=True)
    assert changes(driver) == ["opened", "snoozed", "updated"]


def test_a_snooze_can_be_ended_by_hand_and_only_once():
    driver = drifting()
    say(driver, "snooze", until_ms=T0 + 9 * HOUR)
    (told,) = say(driver, "unsnooze", by="ben", note="it matters after all")
    assert (told.change, told.by, told.snoozed_until_ms) == ("unsnoozed", "ben", None)
    assert say(driver, "unsnooze") == []
    driver.advance(T0 + 10 * HOUR)
    assert changes(driver) == ["opened", "snoozed", "unsnoozed"]


def test_an_alert_resolved_by_hand_opens_anew_when_drift_goes_on():
    driver = drifting()
    (told,) = say(driver, "resolve", note="retrained")
    assert (told.status, told.causes, told.by) == (AlertStatus.RESOLVED, [], "anna")
    hour_of(driver, 1, shift=3.0)
    first, _, again = driver.alerts()
    assert (again.change, again.sequence) == ("opened", 0)
    assert again.alert_id != first.alert_id
    assert again.opened_window_end_ms == T0 + 2 * HOUR


def test_it_opens_anew_only_when_drift_has_persisted_anew():
    driver = drifting(hours=2, extra="alerts: {open_after: {windows: 2, of: 3}}")
    assert changes(driver) == ["opened"]
    say(driver, "resolve")
    hour_of(driver, 2, shift=3.0)
    assert changes(driver) == ["opened", "resolved"]
    hour_of(driver, 3, shift=3.0)
    assert changes(driver) == ["opened", "resolved", "opened"]


def test_late_events_do_not_open_again_what_was_resolved_by_hand():
    driver = drifting(window="{size: 1h, allowed_lateness: 2h}")
    say(driver, "resolve")
    for i in range(300):
        driver.feed({"x": 5.0 + i % 7, "color": "blue"}, at=T0 + i)
    driver.advance(T0 + HOUR + 1)
    assert driver.results(statistic="psi", column="color")[0].revision == 1
    assert changes(driver) == ["opened", "resolved"]


def test_late_events_that_open_an_alert_again_find_it_acknowledged_still():
    watched = monitor(window="{size: 1h, allowed_lateness: 3h}")
    driver = Driver(watched, profile_for(watched))
    hour_of(driver, 0, shift=3.0)
    say(driver, "acknowledge")
    hour_of(driver, 1)
    assert changes(driver) == ["opened", "acknowledged", "resolved"]
    for i in range(2_000):
        driver.feed({"x": 4.0, "color": "red"}, at=T0 + HOUR + i)
    driver.advance(T0 + 2 * HOUR + 1)
    assert changes(driver)[3:] == ["updated"]
    assert (driver.alerts()[-1].status, driver.alerts()[-1].acknowledged_by) == ("acknowledged", "anna")


def test_a_severity_that_falls_and_rises_to_where_it_was_does_not_break_a_snooze():
    driver = drifting(extra="alerts: {severities: {warning: 1, critical: 25}}")
    assert driver.alerts()[0].severity == "critical"
    say(driver, "snooze", until_ms=T0 + 9 * HOUR)
    for hour, shift in ((1, 1.0), (2, 3.0)):
        hour_of(driver, hour, shift=shift)
        (series,) = driver._state.series["shop"].values()
        assert series.alert.last.severity == {1: "warning", 2: "critical"}[hour]
    assert changes(driver) == ["opened", "snoozed"]


def test_late_events_that_open_a_snoozed_alert_again_are_told():
    driver = drifting(window="{size: 1h, allowed_lateness: 3h}")
    say(driver, "snooze", until_ms=T0 + 9 * HOUR)
    hour_of(driver, 1)
    assert changes(driver) == ["opened", "snoozed", "resolved"]
    for i in range(2_000):
        driver.feed({"x": 4.0, "color": "red"}, at=T0 + HOUR + i)
    driver.advance(T0 + 2 * HOUR + 1)
    assert (driver.alerts()[-1].change, driver.alerts()[-1].status) == ("updated", "open")
    assert driver.alerts()[-1].snoozed_until_ms == T0 + 9 * HOUR
