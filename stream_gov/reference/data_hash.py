"""A fingerprint of the rows a reference was built from."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import msgspec
import numpy as np

from stream_gov.reference.rows import ColumnValues, RowBatch

__all__ = ["DataHash"]

_NUMBER = np.dtype([("tag", "S1"), ("value", "<f8")])
_MISSING = np.array([(b"n", np.nan)], _NUMBER).tobytes()
_TIMES = b"\x00times"


class DataHash:
    """BLAKE2b over the values of every column in the order of the rows: equal for equal values, whatever the file format.

    A column's values are hashed one after another: a number as `n` and its 8 bytes (float64, little-endian, minus zero as zero, a
    missing value as NaN), text as `s`, its length in bytes (4, little-endian) and its UTF-8, true and false as `t` and `f`, anything
    else as `o`, length and JSON. The hash of the rows is that of the columns' names (sorted by UTF-8) and hashes, then of the event
    times as a column of int64, if there are any. Where batches end makes no difference.
    """

    def __init__(self) -> None:
        self.n_rows = 0
        self._columns: dict[str, hashlib.blake2b] = {}
        self._times: hashlib.blake2b | None = None

    def update(self, batch: RowBatch) -> None:
        """Add rows."""
        for name, values in batch.columns.items():
            column = self._columns.get(name)
            if column is None:  # missing in all rows before
                column = self._columns[name] = hashlib.blake2b(_MISSING * self.n_rows, digest_size=16)
            column.update(_canonical(values))
        for name in self._columns.keys() - batch.columns.keys():
            self._columns[name].update(_MISSING * batch.n_rows)
        if batch.times_ms is not None:
            self._times = self._times or hashlib.blake2b(digest_size=16)
            self._times.update(batch.times_ms.astype("<i8").tobytes())
        self.n_rows += batch.n_rows

    def hexdigest(self) -> str:
        """Hash of all rows so far, 32 hexadecimal digits."""
        total = hashlib.blake2b(digest_size=16)
        for name, column in sorted((name.encode("utf-8", "surrogatepass"), c) for name, c in self._columns.items()):
            total.update(struct.pack("<I", len(name)) + name + column.digest())
        if self._times is not None:
            total.update(_TIMES + self._times.digest())
        return total.hexdigest()


def _canonical(values: ColumnValues) -> bytes:
    if isinstance(values, np.ndarray):
        numbers = np.empty(values.size, _NUMBER)
        numbers["tag"] = b"n"
        numbers["value"] = np.where(np.isnan(values), np.nan, values + 0.0)
        return numbers.tobytes()
    return b"".join(map(_canonical_value, values))


def _canonical_value(value: Any) -> bytes:
    if type(value) is str:
        text = value.encode("utf-8", "surrogatepass")
        return b"s" + struct.pack("<I", len(text)) + text
    if value is None:
        return _MISSING
    if type(value) is bool:
        return b"t" if value else b"f"
    if type(value) in (int, float):
        try:
            number = float(value) + 0.0
        except OverflowError:
            number = float("inf")
        return b"n" + struct.pack("<d", number) if number == number else _MISSING
    other = msgspec.json.encode(value, order="deterministic")
    return b"o" + struct.pack("<I", len(other)) + other
