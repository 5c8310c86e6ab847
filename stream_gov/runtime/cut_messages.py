"""Messages that a cut sends: summary records and dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from stream_gov.contracts import (
    MONITOR_ITSELF,
    IncidentRecord,
    PaneRecord,
    ResetRecord,
    SummaryRecord,
    WatermarkRecord,
    encode_record,
)
from stream_gov.decoding import Rejection
from stream_gov.runtime.cut_ledger import SourcePartition

__all__ = ["OutgoingMessage", "dead_letter", "events_by_model", "held_bytes", "summary_message"]

_MAX_HEADER_CHARS = 1_000
_BYTES_PER_LETTER = 500
"""About what a dead letter takes beside its payload."""


class OutgoingMessage(NamedTuple):
    """A message to deliver."""

    role: str
    """Which topic: `summaries` or `dead_letters`."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    everywhere: bool = False
    """One copy to each partition of the topic, instead of one to the partition of the key."""


def summary_message(record: SummaryRecord) -> OutgoingMessage:
    """Address a record: watermarks and resets to every partition, all others to the partition of their model."""
    if isinstance(record, (WatermarkRecord, ResetRecord)):
        return OutgoingMessage("summaries", None, encode_record(record), everywhere=True)
    if isinstance(record, IncidentRecord):
        return OutgoingMessage("summaries", MONITOR_ITSELF.encode(), encode_record(record))
    # Keyed by model: all versions and segments of a model meet in one partition.
    return OutgoingMessage("summaries", record.model.encode(), encode_record(record))


def dead_letter(
    source: SourcePartition, rejection: Rejection, key: bytes | None, value: bytes | None
) -> OutgoingMessage:
    """Make the dead letter of a rejected message; the headers say why it was rejected and where it stood."""
    headers = (
        ("reason", rejection.reason.value.encode()),
        ("detail", _header(rejection.detail)),
        ("topic", source.topic.encode()),
        ("partition", str(source.partition).encode()),
        ("offset", str(rejection.offset).encode()),
        ("model", _header(rejection.model or "")),
    )
    return OutgoingMessage("dead_letters", key, value, headers)


def _header(text: str) -> bytes:
    return text[:_MAX_HEADER_CHARS].encode("utf-8", "replace")


def held_bytes(letters: Iterable[OutgoingMessage]) -> int:
    """Memory that dead letters take, about."""
    return sum(_BYTES_PER_LETTER + len(letter.value or b"") for letter in letters)


def events_by_model(records: Sequence[SummaryRecord]) -> dict[str, int]:
    """Events that the records of a cut hold; those counted on two profiles count once."""
    by_pane: dict[tuple[str, str, int, str, int], int] = {}
    for record in records:
        if isinstance(record, PaneRecord) and not record.segment:
            key = (record.model, record.version, record.pane_start_ms, record.topic, record.partition)
            by_pane[key] = max(record.n_events, by_pane.get(key, 0))
    events: dict[str, int] = {}
    for (model, *_), n_events in by_pane.items():
        events[model] = events.get(model, 0) + n_events
    return events
