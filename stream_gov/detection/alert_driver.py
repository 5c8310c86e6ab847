"""Drives the alert of a series: by its windows, by what people say, by time, and by what is done to the series as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from stream_gov.contracts import Alert, AlertCommandRecord, AlertStatus, Monitor, Result
from stream_gov.detection.alert_attention import obey, snooze_is_over
from stream_gov.detection.alert_lifecycle import advance, closed, ended, revise
from stream_gov.detection.state import Series, SeriesKey

__all__ = [
    "end_alert",
    "find_alert",
    "judge_alert",
    "obey_command",
    "settle_taken_back",
    "snoozed_until",
    "take_back",
    "wake_alert",
]

MAX_TAKEN_BACK = 8
"""Alerts of a series that replays have taken back, one broken off after the other; the oldest beyond it are ended at once."""


def judge_alert(
    series: Series,
    monitor: Monitor,
    results: Sequence[Result],
    details: Mapping[str, str],
    *,
    again: bool,
    maintenance: bool,
    group_id: str,
) -> list[Alert]:
    """Take in the newest window of a series, or take it in once more (`again`) since late events have changed it.

    Returns
    -------
    The messages to send.
    """
    more: dict[str, Any] = {"attention": series.attention, "maintenance": maintenance, "group_id": group_id}
    if again:
        standing = series.alert.last or series.alert_said
        series.alert, event = revise(series.alert_before, standing, results, monitor.alerts, details, **more)
    else:
        series.alert_before, series.alert_said = series.alert, None
        series.alert, event = advance(series.alert, results, monitor.alerts, details, **more)
    return _said(series, event)


def wake_alert(series: Series, now_ms: int) -> list[Alert]:
    """End the snooze of an open alert if event time has passed it."""
    over = snooze_is_over(series.alert.last, series.attention, now_ms)
    if over is None:
        return []
    series.attention, event = over
    series.alert = msgspec.structs.replace(series.alert, last=event)
    return _said(series, event)


def snoozed_until(series: Series) -> int:
    """Return the event time at which :func:`wake_alert` has something to do; beyond all time if there is none."""
    until_ms = series.attention.of(series.alert.last).snoozed_until_ms
    return 2**62 if until_ms is None else until_ms


def find_alert(series: Mapping[SeriesKey, Series], alert_id: str) -> SeriesKey | None:
    """Return the series whose open alert has this id."""
    for key, candidate in series.items():
        if candidate.alert.last is not None and candidate.alert.last.alert_id == alert_id:
            return key
    return None


def obey_command(series: Series, command: AlertCommandRecord) -> list[Alert]:
    """Do what someone wants of the open alert of a series; nothing if it was done before."""
    last = series.alert.last
    if last is None:
        return []
    series.attention, event = obey(last, series.attention, command)
    if event is not None:
        over = event.status is AlertStatus.RESOLVED
        series.alert = closed(series.alert) if over else msgspec.structs.replace(series.alert, last=event)
    return _said(series, event)


def end_alert(series: Series, why: str) -> list[Alert]:
    """Return the messages that end whatever is open of a series that is about to be forgotten."""
    standing = [*series.taken_back, *([] if series.alert.last is None else [series.alert.last])]
    return [ended(alert, why) for alert in standing]


def take_back(series: Series, reopened_ms: int) -> tuple[tuple[Alert, ...], list[Alert]]:
    """Say what becomes of the alerts of a series whose windows that end after `reopened_ms` a replay takes back.

    Returns
    -------
    Those that may open anew, since they had opened in one of these windows; and messages to send now: what opened before is over, since
    the windows it rests on are not replayed.
    """
    standing = {
        a.alert_id: a for a in (*series.taken_back, *([] if series.alert.last is None else [series.alert.last]))
    }
    open_anew = [a for a in standing.values() if a.opened_window_end_ms > reopened_ms][-MAX_TAKEN_BACK:]
    over = [a for a in standing.values() if a not in open_anew]
    return tuple(open_anew), [ended(a, "over, since the time after it had opened is replayed") for a in over]


def settle_taken_back(series: Series) -> list[Alert]:
    """End alerts that a replay took back and has not opened anew, once the windows in which they had opened are closed."""
    until = series.closed_until_ms
    if not series.taken_back or until is None:
        return []
    over = [a for a in series.taken_back if a.opened_window_end_ms <= until]
    series.taken_back = tuple(a for a in series.taken_back if a not in over)
    return [ended(a, "taken back: replayed, the window in which it had opened opens none") for a in over]


def _said(series: Series, event: Alert | None) -> list[Alert]:
    if event is None:
        return []
    series.alert_said = event
    series.taken_back = tuple(a for a in series.taken_back if a.alert_id != event.alert_id)
    return [event]
