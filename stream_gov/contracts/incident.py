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
    """The same where an incident is told twice, as after a crash."""
    at_ms: int
    """When, by the clock of the worker, epoch milliseconds."""
    scope: str = ""
    """Keeps the alerts of several detectors apart: the model, or the partition of the summaries, that only one of them has."""


class ResetRecord(msgspec.Struct, frozen=True, array_like=True, tag="reset"):
    """The offsets of a source partition begin anew: what was received of it before does not make new records repetitions.

    Sent to every partition of the topic of summaries, before any record of the new offsets.
    """

    topic: str
    partition: int
    reset_id: str
    """The same where a reset is told twice."""
