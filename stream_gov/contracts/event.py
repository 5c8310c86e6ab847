"""What comes in: inference events and ground truth, and the reasons for which one is rejected."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec

__all__ = ["MAX_EVENT_BYTES", "Event", "GroundTruth", "RejectReason", "Scalar"]

Scalar = float | int | str | bool | None

Timestamp = (
    Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
    # less would be seconds
    | Annotated[int, msgspec.Meta(ge=100_000_000_000)]
)

MAX_EVENT_BYTES = 1_000_000
"""Larger messages are rejected unread; Kafka's own default limit is of the same size."""


class RejectReason(StrEnum):
    """Why an event went to the dead-letter topic; the header `reason` there."""

    MALFORMED_JSON = "malformed_json"
    INVALID_UTF8 = "invalid_utf8"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    WRONG_TYPE = "wrong_type"
    MISSING_FIELD = "missing_field"
    UNKNOWN_MODEL = "unknown_model"
    BAD_TIMESTAMP = "bad_timestamp"
    TIMESTAMP_IN_SECONDS = "timestamp_in_seconds"
    TIMESTAMP_TOO_OLD = "timestamp_too_old"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"


class Event(msgspec.Struct, kw_only=True):
    """One inference: the topic `inference-events`, JSON."""

    event_id: str
    model: str
    version: str
    timestamp: Timestamp
    """RFC 3339 with its offset from UTC, or epoch milliseconds."""
    features: dict[str, float | int | str | bool | list[float] | None]
    """By name; null is a missing value, a list of numbers an embedding."""
    prediction: float | int | str | bool | None = None
    """A number or a class."""
    scores: dict[str, float] | float | None = None
    """Class to probability, or one probability."""
    metadata: dict[str, Any] | None = None
    """Whatever the producer likes; ignored."""


class GroundTruth(msgspec.Struct, kw_only=True):
    """What the prediction should have been: the topic `ground-truth`, JSON."""

    event_id: str
    model: str
    timestamp: Timestamp
    """RFC 3339 with its offset from UTC, or epoch milliseconds; when the label became known."""
    label: float | int | str | bool
