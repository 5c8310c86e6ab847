"""What crosses a boundary: events, summary records, results, alerts, monitor files, errors."""

from __future__ import annotations

from stream_gov.contracts.alert import (
    Alert,
    AlertCause,
    AlertChange,
    AlertSeverity,
    AlertStatus,
    alert_event_id,
    alert_group_id,
    alert_id,
)
from stream_gov.contracts.alert_command import AlertAction, AlertCommandRecord
from stream_gov.contracts.alert_policy import AlertPolicy, OpenAfter
from stream_gov.contracts.diagnosis import (
    CauseKind,
    ColumnFacts,
    Histogram,
    SegmentFinding,
    ShareChange,
    Shift,
    ValueMapping,
)
from stream_gov.contracts.durations import Duration, format_duration, parse_duration
from stream_gov.contracts.errors import (
    ConfigurationError,
    DataError,
    IncompatibleSummaryError,
    RejectedEventError,
    StreamGovError,
    UnavailableError,
    UnreadableProfileError,
    UnreadableRecordError,
)
from stream_gov.contracts.event import MAX_EVENT_BYTES, Event, GroundTruth, RejectReason, Scalar
from stream_gov.contracts.incident import MONITOR_ITSELF, IncidentKind, IncidentRecord, ResetRecord
from stream_gov.contracts.maintenance import Maintenance
from stream_gov.contracts.monitor import (
    STATISTIC_NAMES,
    Budget,
    Check,
    ColumnSelection,
    Monitor,
    WindowConfig,
)
from stream_gov.contracts.result import Result, Verdict, content_id, result_id
from stream_gov.contracts.seasons import Season, slot_names
from stream_gov.contracts.summary_record import (
    NO_WATERMARK,
    PaneRecord,
    ReplayRecord,
    SummaryRecord,
    WatermarkRecord,
    decode_record,
    encode_record,
)
from stream_gov.contracts.trailing import MAX_TRAILING_STEPS, TrailingConfig

__all__ = [
    "MAX_EVENT_BYTES",
    "MAX_TRAILING_STEPS",
    "MONITOR_ITSELF",
    "NO_WATERMARK",
    "STATISTIC_NAMES",
    "Alert",
    "AlertAction",
    "AlertCause",
    "AlertChange",
    "AlertCommandRecord",
    "AlertPolicy",
    "AlertSeverity",
    "AlertStatus",
    "Budget",
    "CauseKind",
    "Check",
    "ColumnFacts",
    "ColumnSelection",
    "ConfigurationError",
    "DataError",
    "Duration",
    "Event",
    "GroundTruth",
    "Histogram",
    "IncidentKind",
    "IncidentRecord",
    "IncompatibleSummaryError",
    "Maintenance",
    "Monitor",
    "OpenAfter",
    "PaneRecord",
    "RejectReason",
    "RejectedEventError",
    "ReplayRecord",
    "ResetRecord",
    "Result",
    "Scalar",
    "Season",
    "SegmentFinding",
    "ShareChange",
    "Shift",
    "StreamGovError",
    "SummaryRecord",
    "TrailingConfig",
    "UnavailableError",
    "UnreadableProfileError",
    "UnreadableRecordError",
    "ValueMapping",
    "Verdict",
    "WatermarkRecord",
    "WindowConfig",
    "alert_event_id",
    "alert_group_id",
    "alert_id",
    "content_id",
    "decode_record",
    "encode_record",
    "format_duration",
    "parse_duration",
    "result_id",
    "slot_names",
]
