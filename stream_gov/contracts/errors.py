"""Every error stream-gov raises on purpose, grouped by what the caller should do.

::

    StreamGovError
    ├── ConfigurationError          mend the configuration, then start again        (exit code 2)
    ├── DataError                   mend the data                                   (exit code 2)
    │   ├── RejectedEventError      one event; it goes to the dead-letter topic
    │   ├── UnreadableProfileError  a reference profile this release cannot read
    │   └── UnreadableRecordError   a summary record this release cannot read
    ├── UnavailableError            a server does not answer: wait and try again    (exit code 3)
    └── IncompatibleSummaryError    two summaries that cannot be merged or compared: a mistake in the caller
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_gov.contracts.event import RejectReason

__all__ = [
    "ConfigurationError",
    "DataError",
    "IncompatibleSummaryError",
    "RejectedEventError",
    "StreamGovError",
    "UnavailableError",
    "UnreadableProfileError",
    "UnreadableRecordError",
]


class StreamGovError(Exception):
    """Base of all errors raised on purpose."""

    exit_code = 1


class ConfigurationError(StreamGovError):
    """A monitor file, a setting or a flag is wrong. Remedy: mend the place the message names."""

    exit_code = 2


class DataError(StreamGovError):
    """A data file or a stored object is wrong. Remedy: mend or rebuild what the message names."""

    exit_code = 2


class RejectedEventError(DataError):
    """One event that cannot be counted. Remedy: mend its producer; the dead letter holds the event and this reason."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


class UnreadableProfileError(DataError):
    """A reference profile is damaged or of a later format. Remedy: upgrade stream-gov, or build the reference again."""


class UnreadableRecordError(DataError):
    """A summary record is damaged or of a later format. Remedy: upgrade `detect` before `ingest`."""


class UnavailableError(StreamGovError):
    """A server does not answer. Remedy: start it or mend the address; long-running workers retry by themselves."""

    exit_code = 3


class IncompatibleSummaryError(StreamGovError):
    """Two summaries differ in layout. Remedy: build both from one reference profile."""
