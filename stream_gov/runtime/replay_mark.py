"""Control messages on the topic of events: how far a replay has come in one partition."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stream_gov.contracts import DataError, ReplayRecord

__all__ = ["CONTROL_HEADER", "REPLAY_MARK", "ReplayMark", "is_control", "read_mark"]

CONTROL_HEADER = "stream-gov-control"
"""A message on the topic of events that carries this header is not an event."""

REPLAY_MARK = b"replay-mark"
"""Value of the header: the message's value is a :class:`ReplayMark` as JSON."""

Headers = Sequence[tuple[str, bytes | str | None]]


class ReplayMark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sent to every partition: first with `started`, then every now and then, at last with `ended`."""

    model: str
    replay: str
    """Id of the replay, new for each."""
    watermark_ms: int
    """No event of the replay older than this comes after it in this partition."""
    from_ms: int
    """Least event time of the replay."""
    until_ms: int
    """Largest event time of the replay."""
    started: bool = False
    ended: bool = False

    def to_bytes(self) -> bytes:
        """Write as JSON."""
        return msgspec.json.encode(self)

    def to_record(self, topic: str, partition: int, from_offset: int, to_offset: int) -> ReplayRecord:
        """Tell the detector."""
        return ReplayRecord(
            model=self.model,
            topic=topic,
            partition=partition,
            from_offset=from_offset,
            to_offset=to_offset,
            watermark_ms=self.watermark_ms,
            replay=self.replay,
            ended=self.ended,
            from_ms=self.from_ms,
            until_ms=self.until_ms,
        )


_decoder = msgspec.json.Decoder(ReplayMark)


def is_control(headers: Headers | None) -> bool:
    """Tell whether a message is not an event but for the ingest workers themselves."""
    return bool(headers) and any(name == CONTROL_HEADER for name, _ in headers or ())


def read_mark(headers: Headers, value: bytes) -> ReplayMark:
    """Read a control message.

    Raises
    ------
    DataError
        It is of a kind this release does not know, or damaged.
    """
    kind = dict(headers).get(CONTROL_HEADER)
    if kind not in (REPLAY_MARK, REPLAY_MARK.decode()):
        msg = f"control message of the unknown kind {kind!r}; upgrade `ingest`"
        raise DataError(msg)
    try:
        return _decoder.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError) as err:
        msg = f"damaged replay mark: {err}"
        raise DataError(msg) from err
