"""What every sink has in common: three moments, what it takes, and how it says that something is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from stream_gov.contracts import Alert, DataError, Result
from stream_gov.endpoints import Health

__all__ = [
    "ALL_EVENTS",
    "NO_VERSION",
    "WHOLE_MODEL",
    "Finding",
    "Record",
    "RefusedRecordsError",
    "Sink",
    "SinkCounts",
]

Record = Result | Alert
"""What sinks take: the messages of the topics of metrics and alerts."""


ALL_EVENTS = "(all)"
"""Tag or label `segment` where the record is of all events. InfluxDB has no empty tags, and Prometheus takes an empty label for none."""
WHOLE_MODEL = "(model)"
"""Tag or label `column` where a statistic is of the whole model."""
NO_VERSION = "(none)"
"""Tag or label `version` where the events carry none."""


class RefusedRecordsError(DataError):
    """The store will never take some of these records. Remedy: in the message; the sink writes the others."""

    def __init__(self, message: str, *, all_refused: bool = False) -> None:
        super().__init__(message)
        self.all_refused = all_refused
        """The store refused every record of the delivery, so there is no need to look for the bad one."""


class Sink(Protocol):
    """A place that results and alerts are written to.

    Every method may raise `UnavailableError` (the place does not answer) or `ConfigurationError` (it answers, and a setting is wrong): the
    caller waits and tries again. Only `flush` may also raise :class:`RefusedRecordsError`.
    """

    @property
    def name(self) -> str:
        """Short name, part of the consumer group's."""
        ...

    def setup(self) -> None:
        """Connect, and prove that records can be written."""
        ...

    def add(self, record: Record) -> None:
        """Take one record into the buffer."""
        ...

    def flush(self) -> None:
        """Deliver what was added since the last flush, or raise.

        The buffer is empty afterwards, also when this raises: the caller keeps the records and adds them again. So what has been delivered
        in part is delivered twice, and a sink must write a record twice as if once.
        """
        ...

    def close(self) -> None:
        """Let go of connections; safe to call more than once, and without `setup`."""
        ...


@dataclass(slots=True)
class SinkCounts:
    """How a sink is doing. Written by its own thread; another may read it at any time, for `/metrics`."""

    written: int = 0
    """Records the store has accepted."""
    unreadable: int = 0
    """Messages that are no result or alert; skipped."""
    refused: int = 0
    """Records the store will never take; skipped."""
    lost: int = 0
    """Messages that retention deleted before they were read."""
    failures: int = 0
    """Attempts that failed and were repeated."""
    trouble: str = ""
    """What the sink is waiting for; empty while all is well."""
    lag_by_partition: dict[tuple[str, int], int] = field(default_factory=dict)
    """Messages still to be written, by topic and partition, for the partitions this worker has."""
    health: Health = field(default_factory=Health)
    """What `/livez` and `/readyz` tell."""

    @property
    def lag(self) -> int:
        """Messages still to be written."""
        return sum(list(self.lag_by_partition.values()))


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that `stream-gov doctor` reports."""

    problem: str
    remedy: str
