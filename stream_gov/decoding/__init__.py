"""From event bytes to pane summaries: decoding, checking and counting, without any I/O."""

from __future__ import annotations

from stream_gov.decoding.column_values import segment_value
from stream_gov.decoding.counting_plan import PREDICTION_COLUMN, SCORE_COLUMN, CountingPlan
from stream_gov.decoding.event_decoder import DecodedBlock, EventDecoder
from stream_gov.decoding.intake import MIN_EVENT_TIME_MS, Intake, Rejection
from stream_gov.decoding.model_decoder import NEW_COLUMN_SAMPLE, EventGroup, ModelDecoder
from stream_gov.decoding.nesting import MAX_DEPTH
from stream_gov.decoding.segment_names import SegmentNames, segment_labels, segment_name
from stream_gov.decoding.timestamps import LARGEST_TIME_MS, TimeBounds, format_time, read_timestamp

__all__ = [
    "LARGEST_TIME_MS",
    "MAX_DEPTH",
    "MIN_EVENT_TIME_MS",
    "NEW_COLUMN_SAMPLE",
    "PREDICTION_COLUMN",
    "SCORE_COLUMN",
    "CountingPlan",
    "DecodedBlock",
    "EventDecoder",
    "EventGroup",
    "Intake",
    "ModelDecoder",
    "Rejection",
    "SegmentNames",
    "TimeBounds",
    "format_time",
    "read_timestamp",
    "segment_labels",
    "segment_name",
    "segment_value",
]
