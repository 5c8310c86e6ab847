"""The layout in InfluxDB: results and alerts as points. `docs/influxdb.md` describes it for readers of the data."""

from __future__ import annotations

from typing import TypedDict

from stream_gov.contracts import Alert, AlertStatus, Result, Verdict
from stream_gov.sinks.sink import ALL_EVENTS, NO_VERSION, WHOLE_MODEL, Record

__all__ = ["MEASUREMENTS", "Point", "PointKey", "point_of"]

MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "drift": ("model", "version", "segment", "column", "statistic"),
    "window": ("model", "version", "segment"),
    "alert": ("model", "version", "segment"),
}
"""Tags of each measurement. Everything that may take a new value with every window is a field: tags decide the number of series."""

PointKey = tuple[str, tuple[str, ...], int]
"""Measurement, values of its tags, and time: two points that agree in them overwrite each other."""

_MAX_CHANGES_APART = 999
"""Changes of one alert in one window that keep points of their own; a millisecond holds no more microseconds."""

Field = float | str | None
"""An integer stays one on the way; None, NaN and infinity are left out by the client."""


class Point(TypedDict):
    """A point as the client takes it; the time is in microseconds."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Field]
    time: int


def point_of(record: Record) -> tuple[PointKey, Point]:
    """Return the point of a record, and what identifies it; times are in microseconds."""
    if isinstance(record, Alert):
        return _alert_point(record)
    # The result with rule "none" is the one that every window has: its accounting.
    return _window_point(record) if record.rule == "none" else _drift_point(record)


def _drift_point(result: Result) -> tuple[PointKey, Point]:
    tags = (
        result.model,
        result.version or NO_VERSION,
        result.segment or ALL_EVENTS,
        result.column or WHOLE_MODEL,
        result.statistic,
    )
    return _point(
        "drift",
        tags,
        result.window_end_ms * 1_000,
        {
            "value": _real(result.value),
            "threshold": _real(result.threshold),
            "tolerance": _real(result.tolerance),
            "distance": _real(result.distance),
            "p_value": _real(result.p_value),
            "level": _real(result.level),
            "drift": None if result.verdict is Verdict.INSUFFICIENT else int(result.verdict is Verdict.DRIFT),
            "n_reference": result.n_reference,
            "n_window": result.n_window,
            **_about_window(result),
        },
    )


def _window_point(result: Result) -> tuple[PointKey, Point]:
    tags = (result.model, result.version or NO_VERSION, result.segment or ALL_EVENTS)
    return _point(
        "window",
        tags,
        result.window_end_ms * 1_000,
        {
            "events": result.events,
            "late": result.late,
            "rejected": result.rejected,
            "maintenance": int(result.maintenance),
            "n_reference": result.n_reference,
            **_about_window(result),
        },
    )


def _about_window(result: Result) -> dict[str, Field]:
    return {
        "verdict": result.verdict.value,
        "reason": result.reason,
        "rule": result.rule,
        "reference": result.reference,
        "monitor": result.monitor,
        "revision": result.revision,
        "window_start_ms": result.window_start_ms,
    }


def _alert_point(alert: Alert) -> tuple[PointKey, Point]:
    tags = (alert.model, alert.version or NO_VERSION, alert.segment or ALL_EVENTS)
    return _point(
        "alert",
        tags,
        # Late events may change an alert several times in one window: every change has a microsecond of its own.
        alert.window_end_ms * 1_000 + min(alert.sequence, _MAX_CHANGES_APART),
        {
            "open": int(alert.status is not AlertStatus.RESOLVED),
            "change": alert.change.value,
            "status": alert.status.value,
            # A field, since it may change from one message to the next: as a tag it would tear the series of an alert apart.
            "severity": alert.severity.value,
            "acknowledged_by": alert.acknowledged_by,
            # Always there: a field that is left out would keep its last value.
            "snoozed_until_ms": alert.snoozed_until_ms or 0,
            "by": alert.by,
            "note": alert.note,
            "message": alert.message,
            "columns": ", ".join(alert.columns),
            "n_columns": len(alert.columns),
            "n_windows": alert.n_windows,
            "alert_id": alert.alert_id,
            "group_id": alert.group_id,
            "sequence": alert.sequence,
            "reference": alert.reference,
            "monitor": alert.monitor,
            "window_start_ms": alert.window_start_ms,
            "opened_window_start_ms": alert.opened_window_start_ms,
        },
    )


def _point(measurement: str, tags: tuple[str, ...], time_us: int, fields: dict[str, Field]) -> tuple[PointKey, Point]:
    names = MEASUREMENTS[measurement]
    return (measurement, tags, time_us), {
        "measurement": measurement,
        "tags": dict(zip(names, tags, strict=True)),
        "fields": fields,
        "time": time_us,
    }


def _real(value: float | None) -> float | None:
    # JSON has one kind of number: 3.0 may arrive as 3, and a field of InfluxDB keeps the type of its first value
    return None if value is None else float(value)
