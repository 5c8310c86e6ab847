"""What the tests of the store share."""

from __future__ import annotations

from typing import Any

from stream_gov.contracts import Alert, AlertChange, AlertStatus, Result, alert_event_id
from tests.contracts.messages import DAY_MS, END_MS, START_MS, a_result, an_alert

WEEK_MS = 7 * DAY_MS


def in_week(n: int, **changes: Any) -> Result:
    """A result of another window, with an id of its own."""
    window = {"window_start_ms": START_MS + n * WEEK_MS, "window_end_ms": END_MS + n * WEEK_MS}
    fields = {"id": f"w{n}-{changes.get('column', '')}-{changes.get('model', '')}"} | window | changes
    return a_result(**fields)


def an_event(sequence: int, alert: str = "alert-1", **changes: Any) -> Alert:
    change = AlertChange.OPENED if sequence == 0 else AlertChange.UPDATED
    fields = {"id": alert_event_id(alert, sequence), "alert_id": alert, "sequence": sequence, "change": change}
    return an_alert(**(fields | changes))


RESOLVED: dict[str, Any] = {"change": AlertChange.RESOLVED, "status": AlertStatus.RESOLVED, "causes": []}
