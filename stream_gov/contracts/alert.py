"""What subscribers of the topic `drift-alerts` read: one message for each change in the life of an alert."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from stream_gov.contracts.result import content_id

__all__ = [
    "Alert",
    "AlertCause",
    "AlertChange",
    "AlertSeverity",
    "AlertStatus",
    "alert_event_id",
    "alert_group_id",
    "alert_id",
]


class AlertChange(StrEnum):
    """What happened to the alert."""

    OPENED = "opened"
    UPDATED = "updated"
    """Other columns or statistics are its causes, or its severity is another, or late events changed what was said."""
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    """Someone has taken it on."""
    SNOOZED = "snoozed"
    """Someone wants to hear nothing of it for a while."""
    UNSNOOZED = "unsnoozed"
    """That while is over, or was ended, and the drift is still on."""


class AlertStatus(StrEnum):
    """Where the alert stands after the change."""

    OPEN = "open"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    """Open, and someone has taken it on."""


class AlertSeverity(StrEnum):
    """How serious it is, the least first; the monitor says where each begins."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Place in the order, 0 for the least."""
        return list(AlertSeverity).index(self)


class AlertCause(msgspec.Struct, frozen=True, kw_only=True):
    """One column and statistic that drifts, or did and is not over yet; as it was in the newest window that could judge it."""

    column: str
    statistic: str
    value: float | None
    rule: str
    threshold: float | None = None
    p_value: float | None = None
    level: float | None = None
    tolerance: float | None = None
    n_reference: int
    n_window: int
    detail: str = ""
    """Further words, such as the names of new columns."""
    weight: float | None = None
    """How far it is beyond its rule, 1 at the edge: distance over bound, or where the bound is 0 or the rule a p-value, level over
    p-value. Null where there is no number: any distance is too much, or the distance is infinite."""
    severity: AlertSeverity = AlertSeverity.WARNING


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one alert. All columns of a model and segment that drift together are one alert."""

    id: str
    """Id of this message."""
    alert_id: str
    """Id of the alert, the same from `opened` to `resolved`."""
    sequence: int
    """0 when it opened; each change adds one."""
    change: AlertChange
    status: AlertStatus
    monitor: str
    model: str
    version: str
    segment: str
    """`""` for all events, otherwise such as `region=NSW`."""
    reference: str
    """What the windows are compared with, as in a result."""
    opened_window_start_ms: int
    opened_window_end_ms: int
    window_start_ms: int
    """Window that caused this change; start inclusive."""
    window_end_ms: int
    """Window that caused this change; end exclusive."""
    n_windows: int
    """Windows in which one of its causes drifted, since it opened."""
    causes: list[AlertCause]
    """What drifts or is not over yet, heaviest first; empty when resolved."""
    columns: list[str]
    """Every column named since it opened, sorted."""
    message: str
    """One sentence for people."""
    severity: AlertSeverity = AlertSeverity.WARNING
    """That of the heaviest cause; it rises at once, and falls only after `alerts.resolve_after` windows."""
    group_id: str = ""
    """The same for alerts of one model and version that belong together: page once for each."""
    by: str = ""
    """Who made this change; empty: the detector."""
    note: str = ""
    """What they wrote."""
    at_ms: int | None = None
    """When they did, by the clock of their machine, epoch milliseconds; null: the detector, which has no clock."""
    command_id: str = ""
    """Id of their command."""
    acknowledged_by: str = ""
    """Who has taken the alert on; empty: nobody."""
    snoozed_until_ms: int | None = None
    """Event time until which `updated` is held back; null: it is not snoozed."""


def alert_id(
    monitor: str, model: str, version: str, segment: str, opened_window_start_ms: int, opened_window_end_ms: int
) -> str:
    """Id of an alert: depends on where and when it opened, so that a replayed opening is the same alert."""
    return content_id("alert", monitor, model, version, segment, opened_window_start_ms, opened_window_end_ms)


def alert_group_id(
    monitor: str, model: str, version: str, opened_window_start_ms: int, opened_window_end_ms: int
) -> str:
    """Id of a group: all alerts of one model and version that open in this window, or later while that of all events is open."""
    return content_id("alert-group", monitor, model, version, opened_window_start_ms, opened_window_end_ms)


def alert_event_id(alert: str, sequence: int) -> str:
    """Id of one change of an alert."""
    return content_id("alert-event", alert, sequence)
