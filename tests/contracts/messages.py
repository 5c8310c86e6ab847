"""Real messages of each kind, as they stand on the topics."""

from __future__ import annotations

from typing import Any

from stream_gov.contracts import (
    Alert,
    AlertCause,
    AlertChange,
    AlertStatus,
    Event,
    GroundTruth,
    Result,
    Verdict,
    alert_event_id,
    alert_id,
    result_id,
)

DAY_MS = 86_400_000
START_MS = 862_876_800_000  # 1997-05-06T00:00Z
END_MS = START_MS + 7 * DAY_MS


def an_event(**changes: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": "e-1",
        "model": "electricity",
        "version": "1",
        "timestamp": "1997-05-06T00:30:00+10:00",
        "features": {
            "nswprice": 0.05,
            "day": 3,
            "region": "NSW",
            "holiday": False,
            "vicprice": None,
            "embedding": [0.25, -1.5],
        },
        "prediction": "UP",
        "scores": {"UP": 0.75, "DOWN": 0.25},
    }
    return Event(**(fields | changes))


def a_ground_truth(**changes: Any) -> GroundTruth:
    fields: dict[str, Any] = {"event_id": "e-1", "model": "electricity", "timestamp": START_MS, "label": "DOWN"}
    return GroundTruth(**(fields | changes))


def a_result(**changes: Any) -> Result:
    fields: dict[str, Any] = {
        "id": result_id("electricity", "1", "", "vicprice", "psi", START_MS, END_MS),
        "monitor": "electricity",
        "model": "electricity",
        "version": "1",
        "segment": "",
        "column": "vicprice",
        "statistic": "psi",
        "window_start_ms": START_MS,
        "window_end_ms": END_MS,
        "revision": 0,
        "value": 3.25,
        "rule": "calibrated",
        "p_value": 1e-12,
        "level": 0.001,
        "tolerance": 0.1,
        "distance": 3.25,
        "n_reference": 17_520,
        "n_window": 336,
        "verdict": Verdict.DRIFT,
        "reference": "electricity-1996@1",
        "events": 336,
        "late": 0,
        "rejected": 0,
    }
    return Result(**(fields | changes))


def an_alert(**changes: Any) -> Alert:
    alert = alert_id("electricity", "electricity", "1", "", START_MS, END_MS)
    cause = AlertCause(
        column="vicprice",
        statistic="psi",
        value=3.25,
        rule="calibrated",
        p_value=1e-12,
        level=0.001,
        tolerance=0.1,
        n_reference=17_520,
        n_window=336,
    )
    fields: dict[str, Any] = {
        "id": alert_event_id(alert, 0),
        "alert_id": alert,
        "sequence": 0,
        "change": AlertChange.OPENED,
        "status": AlertStatus.OPEN,
        "monitor": "electricity",
        "model": "electricity",
        "version": "1",
        "segment": "",
        "reference": "electricity-1996@1",
        "opened_window_start_ms": START_MS,
        "opened_window_end_ms": END_MS,
        "window_start_ms": START_MS,
        "window_end_ms": END_MS,
        "n_windows": 1,
        "causes": [cause],
        "columns": ["vicprice"],
        "message": "electricity version 1: drift in vicprice",
    }
    return Alert(**(fields | changes))
