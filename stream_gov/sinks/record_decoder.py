"""From the bytes of a message to a result or an alert that every sink can hold."""

from __future__ import annotations

import msgspec

from stream_gov.contracts import Alert, DataError, Result
from stream_gov.sinks.sink import Record

__all__ = ["RecordDecoder"]

_LARGEST = 2**63 - 1
"""JSON has integers of any length; Avro, InfluxDB and databases have 64 bits."""


class RecordDecoder:
    """Reads the messages of one topic.

    Parameters
    ----------
    kind
        What the topic carries.
    """

    def __init__(self, kind: type[Result] | type[Alert]) -> None:
        self._decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(kind)
        self._integers = tuple(f.name for f in msgspec.structs.fields(kind) if f.type in (int, int | None))

    def decode(self, value: bytes) -> Record:
        """Return the record of a message.

        Raises
        ------
        DataError
            The message is none; the text says where in it.
        """
        try:
            record = self._decoder.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as err:
            raise DataError(str(err)) from err
        for name in self._integers:
            if not -_LARGEST <= (getattr(record, name) or 0) <= _LARGEST:
                msg = f"Integer does not fit 64 bits - at `$.{name}`"
                raise DataError(msg)
        return record
