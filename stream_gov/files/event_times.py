"""Event times of a file's rows, from the forms that people write them in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stream_gov.contracts import DataError

__all__ = ["EventTimes"]

_FORMS = "RFC 3339 (1996-05-07T00:30:00+10:00), `1996-05-07 00:30:00` (taken as UTC), or epoch seconds or milliseconds"
_MILLISECOND = timedelta(milliseconds=1)
_ZONE = r"(?:[Zz]|[+-]\d\d:?\d\d)$"
# Epoch seconds reach 10**11 in the year 5138, milliseconds were there in 1973; and so on by thousands.
_LEAST = 1e8  # epoch seconds in 1973
_UNITS = (
    (1e11, 1_000.0, "seconds"),
    (1e14, 1.0, "milliseconds"),
    (1e17, 1e-3, "microseconds"),
    (np.inf, 1e-6, "nanoseconds"),
)


class EventTimes:
    """Reads the times of one column, batch by batch.

    Parameters
    ----------
    column
        Its name, for messages.
    source
        The file, for messages.

    Notes
    -----
    The unit of numbers is told by the size of the median of the first batch, and holds for the whole file. Times are cut, not rounded,
    to milliseconds.
    """

    def __init__(self, column: str, *, source: str) -> None:
        self.column = column
        self.source = source
        self.notices: dict[str, None] = {}
        """What was assumed, for the user to see."""
        self._factor: float | None = None

    def read(self, values: pa.Array, first_row: int) -> NDArray[np.int64]:
        """Return epoch milliseconds, shape `(len(values),)`.

        Raises
        ------
        DataError
            A row has no time, or one that cannot be read; the message names the row.
        """
        if values.null_count:
            self._refuse(first_row + pc.index(pc.is_null(values), True).as_py(), "is empty")
        kind = values.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            if pa.types.is_date(kind) or kind.tz is None:
                self._assume_utc()
            return _milliseconds(pc.cast(values, pa.timestamp("us", getattr(kind, "tz", None)), safe=False))
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return self._from_numbers(pc.cast(values, pa.float64(), safe=False).to_numpy(), first_row)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._from_text(pc.utf8_trim_whitespace(values), first_row)
        msg = f"{self.source}: column {self.column!r} holds {kind}, which is no time; name another column with --timestamp"
        raise DataError(msg)

    def _from_numbers(self, numbers: NDArray[np.float64], first_row: int) -> NDArray[np.int64]:
        wrong = ~np.isfinite(numbers)
        if self._factor is None and not wrong.all():
            size = float(np.median(np.abs(numbers[~wrong])))
            if size < _LEAST:
                self._refuse(first_row, f"is {numbers[0]:g}, like most in it far below any epoch time of this century")
            _, self._factor, unit = next(entry for entry in _UNITS if size < entry[0])
            if unit != "milliseconds":
                self.notices[f"column {self.column!r} is taken as epoch {unit}"] = None
        times = numbers * (self._factor or 1.0)
        wrong |= np.abs(times) >= 2.0**62
        if wrong.any():
            row = int(np.argmax(wrong))
            self._refuse(first_row + row, f"is {numbers[row]}")
        return np.floor(times).astype(np.int64)

    def _from_text(self, text: pa.Array, first_row: int) -> NDArray[np.int64]:
        zoned = pc.match_substring_regex(text, _ZONE)
        n_zoned = pc.sum(zoned).as_py() or 0
        if n_zoned < len(text):
            self._assume_utc()
        if n_zoned in (0, len(text)):
            try:
                return _milliseconds(pc.cast(text, pa.timestamp("us", "UTC" if n_zoned else None)))
            except pa.ArrowInvalid:
                if not n_zoned and self._all_numbers(text):
                    return self._from_numbers(pc.cast(text, pa.float64()).to_numpy(), first_row)
        return np.array([self._one(value, first_row + i) for i, value in enumerate(text.to_pylist())], np.int64)

    @staticmethod
    def _all_numbers(text: pa.Array) -> bool:
        return bool(pc.all(pc.match_substring_regex(text, r"^[+-]?\d+(?:\.\d*)?$")).as_py())

    def _one(self, text: str, row: int) -> int:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._refuse(row, f"is {text!r}")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MILLISECOND

    def _assume_utc(self) -> None:
        self.notices[f"column {self.column!r} has no time zone and is taken as UTC"] = None

    def _refuse(self, row: int, what: str) -> NoReturn:
        msg = f"{self.source}: row {row}: the time in column {self.column!r} {what}; a time is {_FORMS}; mend or remove the row"
        raise DataError(msg)


def _milliseconds(times: pa.Array) -> NDArray[np.int64]:
    microseconds: NDArray[np.int64] = times.cast(pa.int64()).to_numpy()
    return microseconds // 1_000
