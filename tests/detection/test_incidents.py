"""What the monitor says about itself: lost events, topics made anew, bounds that were met."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_gov.contracts import (
    MONITOR_ITSELF,
    AlertAction,
    AlertCommandRecord,
    AlertSeverity,
    IncidentKind,
    IncidentRecord,
    PaneRecord,
    ResetRecord,
    WatermarkRecord,
)
from stream_gov.detection import detector
from stream_gov.detection.incidents import MAX_SUBJECTS, QUIET_MS
from stream_gov.testing import Driver
from tests.detection.scenario import HOUR, T0, monitor, profile_for
from tests.detection.test_detector import events_of, normal_events

NOW = T0 + 17 * HOUR
MINUTE = 60_000


def incident(n: int = 5, *, at_ms: int = NOW, subject: str = "events/3", **more: Any) -> IncidentRecord:
    content = {"kind": IncidentKind.DATA_LOSS, "detail": "gone", "incident_id": f"{subject}-{at_ms}-{n}", **more}
    return IncidentRecord(subject=subject, n=n, at_ms=at_ms, **content)


def watermark(now_ms: int) -> WatermarkRecord:
    return WatermarkRecord("events", 0, 1, 0, 0, -(2**62), idle=False, now_ms=now_ms)


def command(driver: Driver, action: AlertAction, number: int, **more: Any) -> AlertCommandRecord:
    last = driver.alerts()[-1]
    return AlertCommandRecord(MONITOR_ITSELF, last.alert_id, f"c{number}", action, "kim", "seen", NOW, **more)


@pytest.fixture
def driver() -> Driver:
    return Driver(monitor(), profile_for(monitor()))


def said(driver: Driver) -> list[tuple[str, list[str], float]]:
    return [(a.change.value, a.columns, sum(c.value or 0 for c in a.causes)) for a in driver.alerts()]


def test_a_loss_opens_one_alert_that_says_what_was_lost(driver: Driver) -> None:
    driver.take(incident(5))
    (alert,) = driver.alerts()
    assert (alert.model, alert.segment, alert.status, alert.severity) == (
        "(stream-gov)",
        "data_loss",
        "open",
        AlertSeverity.CRITICAL,
    )
    (cause,) = alert.causes
    assert (cause.column, cause.statistic, cause.value, cause.description) == ("events/3", "data_loss", 5.0, "gone")
    assert "events/3" in alert.message
    assert "5 in all" in alert.message


def test_the_same_loss_told_twice_counts_once_also_after_a_restart(driver: Driver) -> None:
    driver.take(incident(5))
    driver.restart()
    driver.take(incident(5))
    driver.take(incident(3, at_ms=NOW + 11 * MINUTE))
    assert said(driver) == [("opened", ["events/3"], 5), ("updated", ["events/3"], 8)]


def test_further_losses_are_one_alert_told_when_a_partition_joins_and_else_every_ten_minutes(driver: Driver) -> None:
    driver.take(incident(5))
    for minute in range(1, 10):
        driver.take(incident(1, at_ms=NOW + minute * MINUTE))
    assert said(driver) == [("opened", ["events/3"], 5)]
    driver.take(incident(2, at_ms=NOW + 9 * MINUTE, subject="events/4"))
    assert said(driver)[1:] == [("updated", ["events/3", "events/4"], 16)]
    driver.take(incident(1, at_ms=NOW + 18 * MINUTE))
    driver.take(incident(1, at_ms=NOW + 19 * MINUTE))
    assert said(driver)[2:] == [("updated", ["events/3", "events/4"], 18)]
    assert [a.sequence for a in driver.alerts()] == [0, 1, 2]
    assert len({a.alert_id for a in driver.alerts()}) == 1


def test_it_resolves_after_an_hour_without_another_by_the_clock_of_ingest(driver: Driver) -> None:
    driver.take(incident(5))
    driver.take(incident(1, at_ms=NOW + 5 * MINUTE))
    driver.take(watermark(NOW + 5 * MINUTE + QUIET_MS - 1))
    assert len(driver.alerts()) == 1
    driver.restart()
    driver.take(watermark(NOW + 5 * MINUTE + QUIET_MS))
    assert said(driver)[1:] == [("resolved", ["events/3"], 0)]
    driver.take(watermark(NOW + 60 * MINUTE + QUIET_MS))
    driver.take(incident(5))
    assert len(driver.alerts()) == 2, "told before, and known still"
    driver.take(incident(7, at_ms=NOW + 5 * HOUR))
    assert driver.alerts()[2].change == "opened"
    assert driver.alerts()[2].alert_id != driver.alerts()[0].alert_id


def test_kinds_are_alerts_of_their_own(driver: Driver) -> None:
    driver.take(incident(5))
    driver.take(incident(2, kind=IncidentKind.BOUND_HIT))
    assert [(a.segment, a.change.value) for a in driver.alerts()] == [
        ("data_loss", "opened"),
        ("bound_hit", "opened"),
    ]
    assert len({a.alert_id for a in driver.alerts()}) == 2


def test_people_can_take_it_on_snooze_it_and_resolve_it(driver: Driver) -> None:
    driver.take(incident(5))
    driver.take(command(driver, AlertAction.ACKNOWLEDGE, 1))
    driver.take(command(driver, AlertAction.ACKNOWLEDGE, 1))
    driver.take(command(driver, AlertAction.SNOOZE, 2, until_ms=NOW + 40 * MINUTE))
    driver.restart()
    driver.take(incident(2, at_ms=NOW + 20 * MINUTE, subject="events/4"))
    driver.take(watermark(NOW + 40 * MINUTE))
    driver.take(command(driver, AlertAction.RESOLVE, 3))
    assert [a.change.value for a in driver.alerts()] == [
        "opened",
        "acknowledged",
        "snoozed",
        "unsnoozed",
        "resolved",
    ]
    assert driver.alerts()[3].columns == ["events/3", "events/4"]
    assert driver.alerts()[3].acknowledged_by == "kim"
    assert driver.take(command(driver, AlertAction.RESOLVE, 4)).unanswered == 1


def test_subjects_are_bounded_and_nothing_is_left_out_of_the_sum(driver: Driver) -> None:
    for i in range(MAX_SUBJECTS + 50):
        driver.take(incident(1, subject=f"events/{i}"))
    driver.take(incident(1, at_ms=NOW + 11 * MINUTE))
    last = driver.alerts()[-1]
    assert len(last.causes) == MAX_SUBJECTS + 1
    assert sum(c.value or 0 for c in last.causes) == MAX_SUBJECTS + 51


def test_series_beyond_the_bound_are_told(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector, "MAX_SERIES_PER_MODEL", 2)
    driver.take(watermark(NOW))
    for i in range(4):
        driver.take(PaneRecord("shop", str(i), "", "", T0, HOUR, "events", 0, i, i + 1, 10, 0, b""))
    assert [(a.segment, a.change.value, a.columns) for a in driver.alerts()] == [
        ("bound_hit=shop", "opened", ["series_per_model"])
    ]
    assert "more than 2 versions and segments" in driver.alerts()[0].message


def test_a_topic_that_was_made_anew_is_counted_from_its_beginning() -> None:
    """The new events have offsets that were received before: they are no repetitions."""
    rng = np.random.default_rng(1)
    watched = monitor(window="{size: 1h, allowed_lateness: 1h}")
    driver = Driver(watched, profile_for(watched))
    normal_events(driver, rng, start=T0, n=100)
    driver.cut()
    anew = Driver(watched, profile_for(watched))  # its offsets begin at 0
    normal_events(anew, rng, start=T0 + HOUR // 2, n=60)
    records: list[Any] = []
    take = anew.take
    anew.take = lambda record: (records.append(record), take(record))[1]  # type: ignore[method-assign]
    anew.cut()
    topic = records[0].topic
    made_anew = incident(0, kind=IncidentKind.TOPIC_RECREATED, subject=f"{topic}/0", incident_id=f"{topic}/0/id-2")
    for _ in range(2):  # both the reset and the records come twice
        driver.take(made_anew)
        driver.take(ResetRecord(topic, 0, "id-2"))
        driver.restart()
    assert said(driver) == [("opened", [f"{topic}/0"], 0)]
    for record in records * 2:
        driver.take(record)
    driver.finish()
    assert sum(n for _, n, _, _ in events_of(driver)) == 160


def test_that_a_topic_is_read_for_the_first_time_is_no_news(driver: Driver) -> None:
    first = incident(0, kind=IncidentKind.TOPIC_RECREATED, subject="events/0", incident_id="events/0/id-1")
    for _ in range(2):
        driver.take(first)
        driver.take(ResetRecord("events", 0, "id-1"))
        driver.take(WatermarkRecord("events", 0, 1, 0, 500, T0, idle=False))
        driver.restart()
    assert driver.alerts() == []
    assert driver.take(ResetRecord("events", 0, "id-1")).repeated == 1
