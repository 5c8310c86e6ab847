"""The time of an event: RFC 3339 with an offset, or epoch milliseconds, as whole milliseconds."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from stream_gov.contracts import RejectedEventError, RejectReason
from stream_gov.decoding.timestamp_texts import read_texts

__all__ = ["LARGEST_TIME_MS", "LEAST_NUMBER_MS", "TimeBounds", "format_time", "read_timestamp", "read_timestamps"]

LEAST_NUMBER_MS = 100_000_000_000
"""Numbers below this (March 1973 in milliseconds, the year 5138 in seconds) are taken for seconds, and refused."""

LARGEST_TIME_MS = 253_402_300_799_999
"""End of the year 9999. Beyond it a number is microseconds or nanoseconds, whatever the clock says."""

_RFC_3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])([01]\d|2[0-3]):([0-5]\d))?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """Times that an event may have, both ends included."""

    earliest_ms: int
    latest_ms: int

    def contain(self, time_ms: int) -> bool:
        """Tell whether a time is within the bounds."""
        return self.earliest_ms <= time_ms <= self.latest_ms


def format_time(time_ms: int) -> str:
    """RFC 3339 text of a time in UTC, or the number where the calendar ends.

    Examples
    --------
    >>> format_time(1_700_000_000_123)
    '2023-11-14T22:13:20.123Z'
    """
    try:
        moment = _EPOCH + timedelta(milliseconds=time_ms)
    except OverflowError:
        return f"{time_ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_timestamp(value: str | float, bounds: TimeBounds) -> int:
    """Epoch milliseconds of a timestamp; fractions of a millisecond are cut off.

    Parameters
    ----------
    value
        RFC 3339 text with its offset from UTC, or a number of milliseconds since 1970.
    bounds
        Times allowed.

    Raises
    ------
    RejectedEventError
        The text is no RFC 3339 or has no offset, the number looks like seconds, or the time is out of bounds.

    Examples
    --------
    >>> anytime = TimeBounds(0, LARGEST_TIME_MS)
    >>> read_timestamp("2023-11-15T09:13:20.1239+11:00", anytime)
    1700000000123
    >>> read_timestamp(1_700_000_000_123, anytime)
    1700000000123
    """
    time_ms = _read_text(value) if isinstance(value, str) else _read_number(value)
    if time_ms > min(bounds.latest_ms, LARGEST_TIME_MS):
        detail = f"$.timestamp: {_quote(value)} is {format_time(time_ms)}, later than {format_time(bounds.latest_ms)}"
        if time_ms > LARGEST_TIME_MS:
            detail = f"$.timestamp: {_quote(value)} milliseconds is beyond the year 9999; micro- or nanoseconds? Send milliseconds"
        raise RejectedEventError(RejectReason.TIMESTAMP_IN_FUTURE, detail)
    if time_ms < bounds.earliest_ms:
        detail = (
            f"$.timestamp: {_quote(value)} is {format_time(time_ms)}, earlier than {format_time(bounds.earliest_ms)}"
        )
        raise RejectedEventError(RejectReason.TIMESTAMP_TOO_OLD, detail)
    return time_ms


def read_timestamps(
    values: Sequence[str | float], bounds: TimeBounds
) -> tuple[NDArray[np.int64], dict[int, RejectedEventError]]:
    """Read many timestamps at once.

    Returns
    -------
    times
        Epoch milliseconds, shape `(n,)`; 0 where a timestamp was refused.
    refused
        Why, by position.
    """
    refused: dict[int, RejectedEventError] = {}
    times = _times_of_integers(values)
    if times is not None:
        earliest = max(bounds.earliest_ms, LEAST_NUMBER_MS)
        is_read = None
    else:
        earliest = bounds.earliest_ms
        times, is_read = _times_of_texts(values)
    latest = min(bounds.latest_ms, LARGEST_TIME_MS)
    if (is_read is None or is_read.all()) and earliest <= times.min() and times.max() <= latest:
        return times, refused
    doubtful = (times < earliest) | (times > latest)
    if is_read is not None:
        doubtful |= ~is_read
    times = times.copy()
    for i in np.flatnonzero(doubtful).tolist():
        try:
            times[i] = read_timestamp(values[i], bounds)
        except RejectedEventError as err:
            times[i] = 0
            refused[i] = err
    return times, refused


def _times_of_integers(values: Sequence[str | float]) -> NDArray[np.int64] | None:
    try:
        return np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64)
    except struct.error:  # not all are integers, or not of 64 bits
        return None


def _times_of_texts(values: Sequence[str | float]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    try:
        return read_texts(values)  # type: ignore[arg-type]
    except TypeError:  # numbers among them
        return read_texts([value if isinstance(value, str) else "" for value in values])


def _read_number(value: float) -> int:
    try:
        is_finite = math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits, which other readers of JSON take for infinite
        is_finite = False
    if not is_finite:
        raise RejectedEventError(
            RejectReason.BAD_TIMESTAMP, "$.timestamp: no finite number of milliseconds; send epoch milliseconds"
        )
    if value < LEAST_NUMBER_MS:
        detail = (
            f"$.timestamp: {_quote(value)} milliseconds is {format_time(math.floor(value))}; "
            "if these are seconds, send them times 1000"
        )
        raise RejectedEventError(RejectReason.TIMESTAMP_IN_SECONDS, detail)
    return math.floor(value)


def _read_text(text: str) -> int:
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise RejectedEventError(
            RejectReason.BAD_TIMESTAMP,
            f"$.timestamp: {_quote(text)} is no RFC 3339 time; write it like 2024-05-31T23:59:59.123+10:00",
        )
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = match.groups()
    if utc is None and sign is None:
        raise RejectedEventError(
            RejectReason.BAD_TIMESTAMP,
            f"$.timestamp: {_quote(text)} has no offset from UTC; end it with Z or an offset such as +10:00",
        )
    leap = second == "60"  # RFC 3339 has leap seconds, epoch time does not: it counts as the second after
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), 59 if leap else int(second), tzinfo=UTC
        )
    except ValueError as err:
        raise RejectedEventError(
            RejectReason.BAD_TIMESTAMP, f"$.timestamp: {_quote(text)} is no day and time of the calendar: {err}"
        ) from err
    time_ms = (moment - _EPOCH) // timedelta(milliseconds=1) + 1_000 * leap
    if fraction is not None:
        time_ms += int(f"{fraction[:3]:0<3}")
    if sign is not None:
        offset_ms = (int(hours) * 60 + int(minutes)) * 60_000
        time_ms += offset_ms if sign == "-" else -offset_ms
    return time_ms


def _quote(value: str | float) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
