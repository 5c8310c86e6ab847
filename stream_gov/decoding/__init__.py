"""From event bytes to pane summaries: decoding, checking and counting, without any I/O."""

from __future__ import annotations

from stream_gov.decoding.counting_plan import PREDICTION_COLUMN, SCORE_COLUMN, CountingPlan
from stream_gov.decoding.intake import MIN_EVENT_TIME_MS, Intake, Rejection
from stream_gov.decoding.nesting import MAX_DEPTH
from stream_gov.decoding.timestamps import LARGEST_TIME_MS, TimeBounds, format_time, read_timestamp

__all__ = [
    "LARGEST_TIME_MS",
    "MAX_DEPTH",
    "MIN_EVENT_TIME_MS",
    "PREDICTION_COLUMN",
    "SCORE_COLUMN",
    "CountingPlan",
    "Intake",
    "Rejection",
    "TimeBounds",
    "format_time",
    "read_timestamp",
]
