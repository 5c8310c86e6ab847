"""What ingest workers tell the detector of the monitor itself: events it has lost, a topic that was made anew, a bound it has met."""

from __future__ import annotations

from enum import StrEnum

import msgspec

__all__ = ["MONITOR_ITSELF", "IncidentKind", "IncidentRecord", "ResetRecord"]

MONITOR_ITSELF = "(stream-gov)"
"""Stands for the model in alerts that the monitor raises about itself."""


class IncidentKind(StrEnum):
    """What happened; `docs/runbook.md` says what to do about each."""

    DATA_LOSS = "data_loss"
    """Events were deleted before they were read: windows lack them, and nothing brings them back."""
    TOPIC_RECREATED = "topic_recreated"
    """A topic was deleted and made anew, or has lost its end: what it holds now is read from its beginning."""
    BOUND_HIT = "bound_hit"
    """Something was left out, since a bound of size was met."""


class IncidentRecord(msgspec.Struct, frozen=True, array_like=True, tag="incident"):
    """One incident. Comes once from each worker that meets it; the detector makes one alert of all that are of a kind."""

    kind: IncidentKind
    subject: str
    """What it is about: `inference-events/3` (topic and partition), or the name of a bound."""
    n: int
    """Events lost or left out."""
    detail: str
    """One sentence for people."""
    incident_id: str
    """The same where an incident is told twice, as after a crash: the subject, a slash, and what tells it from others of the subject. Of
    `topic_recreated` that is the `reset_id` that follows: told whenever a partition is read for the first time, it is news only where
    the detector has received records of another topic."""
    at_ms: int
    """When, by the clock of the worker, epoch milliseconds."""
    scope: str = ""
    """Keeps the alerts of several detectors apart: the model, or the partition of the summaries, that only one of them has."""


class ResetRecord(msgspec.Struct, frozen=True, array_like=True, tag="reset"):
    """The offsets of a source partition are those of this topic: what was received of another one of its name makes no record of
    this one a repetition.

    Sent to every partition of the topic of summaries, before any record of the new offsets.
    """

    topic: str
    partition: int
    reset_id: str
    """Id of the topic, as the broker gives it, and where its offsets begin anew for another reason, which."""
