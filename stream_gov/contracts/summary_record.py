"""Records of the topic of summaries: what ingest workers, and people, tell the detector, packed.

A value is one byte (the format version) and a MessagePack array whose first item is the kind. Every record of an ingest worker carries the
cut of source offsets it comes from, and every command of a person an id, so that a record sent twice can be told.
"""

from __future__ import annotations

import msgspec

from stream_gov.contracts.alert_command import AlertCommandRecord
from stream_gov.contracts.errors import UnreadableRecordError
from stream_gov.contracts.incident import IncidentRecord, ResetRecord

__all__ = [
    "NO_WATERMARK",
    "RECORD_FORMAT",
    "PaneRecord",
    "ReplayRecord",
    "SummaryRecord",
    "WatermarkRecord",
    "decode_record",
    "encode_record",
]

NO_WATERMARK = -(2**62)
"""Watermark of a cut in which no event had a readable time."""

RECORD_FORMAT = 1
"""Format version that this release writes; later releases read it too."""


class PaneRecord(msgspec.Struct, frozen=True, array_like=True, tag="pane", omit_defaults=False):
    """Summary of the events of one model, version, segment and pane in one cut of one source partition."""

    model: str
    version: str
    segment: str
    profile: str
    """Layout the summary is counted in: `name@revision`; empty where the model has no reference."""
    pane_start_ms: int
    pane_ms: int
    topic: str
    partition: int
    from_offset: int
    to_offset: int
    """Exclusive."""
    n_events: int
    n_rejected: int
    summary: bytes
    """Of `PaneSummary.to_bytes`; empty where `n_events` is 0."""


class WatermarkRecord(msgspec.Struct, frozen=True, array_like=True, tag="watermark"):
    """End of a cut: no record of an offset below `to_offset` of this source partition comes after it.

    Sent to every partition of the topic of summaries, since a model that falls silent must still see its windows close. While a
    partition brings nothing, its owner repeats the record with `from_offset == to_offset`, so that the detector needs no clock:
    who reads the partition knows whether it is idle or only slow.
    """

    topic: str
    partition: int
    n_partitions: int
    """Partitions of the source topic: windows wait until each was heard of."""
    from_offset: int
    to_offset: int
    watermark_ms: int
    """No event older than this is expected from this partition any more; `NO_WATERMARK` where the cut had no event time."""
    idle: bool
    """The partition was read to its end and brings nothing: it holds no window open."""
    now_ms: int = 0
    """The worker's clock, epoch milliseconds; incidents end by it, windows never. 0 from a worker of an earlier release."""


class ReplayRecord(msgspec.Struct, frozen=True, array_like=True, tag="replay"):
    """How far a replay of one model has come in one source partition.

    A replay brings old events, which the clock of live traffic would count as late. So a replayed model has a clock of its own: from
    the first record of a replay to its end, event time of that model is the least `watermark_ms` over the source partitions.
    """

    model: str
    topic: str
    partition: int
    from_offset: int
    to_offset: int
    watermark_ms: int
    """No event of this replay older than this comes after it; at the end the time at which every window of it is closed for good."""
    replay: str = ""
    """Id of the replay. A new one takes back what the model's windows from `from_ms` on have held."""
    ended: bool = True
    from_ms: int = 0
    """Least event time of the replay."""
    until_ms: int = 0
    """Largest event time of the replay."""


SummaryRecord = PaneRecord | WatermarkRecord | ReplayRecord | AlertCommandRecord | IncidentRecord | ResetRecord

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[SummaryRecord] = msgspec.msgpack.Decoder(SummaryRecord)


def encode_record(record: SummaryRecord) -> bytes:
    """Pack a record; equal records give equal bytes."""
    return bytes((RECORD_FORMAT,)) + _encoder.encode(record)


def decode_record(data: bytes) -> SummaryRecord:
    """Read a record of this or an earlier format.

    Raises
    ------
    UnreadableRecordError
        The bytes are damaged, or of a later format or kind.
    """
    if not data:
        msg = "a summary record is empty; was the topic written by something other than stream-gov?"
        raise UnreadableRecordError(msg)
    if data[0] != RECORD_FORMAT:
        msg = f"summary record of format {data[0]}, this release reads format {RECORD_FORMAT}; upgrade `detect` before `ingest`"
        raise UnreadableRecordError(msg)
    try:
        return _decoder.decode(memoryview(data)[1:])
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        msg = f"damaged summary record of {len(data)} bytes, or one of a kind that a later release writes (then upgrade `detect`): {err}"
        raise UnreadableRecordError(msg) from err
