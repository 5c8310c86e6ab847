"""What subscribers of the topic `drift-alerts` read: one message for each change in the life of an alert."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from stream_gov.contracts.diagnosis import Histogram, SegmentFinding, Shift, ValueMapping
from stream_gov.contracts.result import content_id

__all__ = ["Alert", "AlertCause", "AlertChange", "AlertStatus", "alert_event_id", "alert_id"]


class AlertChange(StrEnum):
    """What happened to the alert."""

    OPENED = "opened"
    UPDATED = "updated"
    RESOLVED = "resolved"


class AlertStatus(StrEnum):
    """Where the alert stands after the change."""

    OPEN = "open"
    RESOLVED = "resolved"


class AlertCause(msgspec.Struct, frozen=True, kw_only=True):
    """One check that drifted in the window."""

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
    kind: str = ""
    """What sort of change it is, see `CauseKind`; empty where it was not found out."""
    description: str = ""
    """What happened, in words and in the column's own unit."""
    shift: Shift | None = None
    """How far the column moved; at its first cause only, for the 100 heaviest columns."""
    histogram: Histogram | None = None
    """Before and after; at the column's first cause only, for the 10 heaviest columns."""
    mapping: ValueMapping | None = None
    """Where the kind is `unit_change` or `clock_shift`."""
    carrier: SegmentFinding | None = None
    """Where the kind is `segment_only`."""
    since_ms: int | None = None
    """Start of the first window of the unbroken run in which this check drifts; windows that cannot be judged do not break it."""
    change_ms: int | None = None
    """Start of the pane at which the column's distribution changed most, where the change lies inside this window and is beyond chance."""


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
    """The profile compared with, `name@revision`."""
    opened_window_start_ms: int
    opened_window_end_ms: int
    window_start_ms: int
    """Window that caused this change; start inclusive."""
    window_end_ms: int
    """Window that caused this change; end exclusive."""
    n_windows: int
    """Windows with drift since it opened."""
    causes: list[AlertCause]
    """What drifted in this window, the causes of one column together, the heaviest column first; empty when resolved."""
    columns: list[str]
    """Every column named since it opened, sorted."""
    message: str
    """One sentence for people."""


def alert_id(
    monitor: str, model: str, version: str, segment: str, opened_window_start_ms: int, opened_window_end_ms: int
) -> str:
    """Id of an alert: depends on where and when it opened, so that a replayed opening is the same alert."""
    return content_id("alert", monitor, model, version, segment, opened_window_start_ms, opened_window_end_ms)


def alert_event_id(alert: str, sequence: int) -> str:
    """Id of one change of an alert."""
    return content_id("alert-event", alert, sequence)
