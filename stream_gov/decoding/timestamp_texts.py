"""Reads many RFC 3339 texts at once; what it is not sure about it leaves to `read_timestamp`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_texts"]

_SECONDS_END = 19
"""Length of `2024-05-31T23:59:59`."""
_SHORTEST, _LONGEST = _SECONDS_END + 1, 40
_OFFSET = 6
"""Length of `+10:00`."""
_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]
_WEIGHTS = np.zeros((14, 6))
_WEIGHTS[range(14), [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]] = [1000, 100, 10, 1] + [10, 1] * 5
_PUNCTUATION = [4, 7, 13, 16]
_MARKS = np.frombuffer(b"--::", np.uint8)
_ZERO = ord("0")


def read_texts(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Epoch milliseconds of RFC 3339 texts, shape `(n,)`, and where they could be read.

    Where they could not the text may still be a time of a rare form, such as one with a leap second.

    Examples
    --------
    >>> times, is_read = read_texts(["2023-11-15T09:13:20.1239+11:00", "2023-11-14T22:13:20Z", "yesterday"])
    >>> times.tolist(), is_read.tolist()
    ([1700000000123, 1700000000000, 0], [True, True, False])
    """
    times, is_read = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.bool_)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    for length in np.unique(lengths).tolist():
        if not _SHORTEST <= length <= _LONGEST:
            continue
        rows = np.flatnonzero(lengths == length)
        chosen = texts if rows.size == len(texts) else [texts[i] for i in rows.tolist()]
        # What is no ASCII becomes a question mark, which stands nowhere in a time.
        chars = np.frombuffer("".join(chosen).encode("ascii", "replace"), np.uint8).reshape(-1, length)
        is_utc = (chars[:, -1] | 0x20) == ord("z")
        for rows_of_zone, zone in ((np.flatnonzero(is_utc), 1), (np.flatnonzero(~is_utc), _OFFSET)):
            if rows_of_zone.size and length >= _SECONDS_END + zone:
                part = chars if rows_of_zone.size == len(chars) else chars[rows_of_zone]
                times[rows[rows_of_zone]], is_read[rows[rows_of_zone]] = _read(part, zone)
    times[~is_read] = 0
    return times, is_read


def _read(chars: NDArray[np.uint8], zone: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read texts of one length whose zone has `zone` characters; shape `(m, length)`."""
    digits = chars - _ZERO  # wraps round, so that what is no digit is more than 9
    moment_digits = digits[:, _DIGITS]
    letter = chars[:, 10]
    good = (moment_digits <= 9).all(axis=1) & (chars[:, _PUNCTUATION] == _MARKS).all(axis=1)
    good &= ((letter | 0x20) == ord("t")) | (letter == ord(" "))
    fields = (moment_digits @ _WEIGHTS).astype(np.int64)
    year, month, day, hour, minute, second = fields.T
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (hour <= 23) & (minute <= 59) & (second <= 59)
    months = year * 12 + month - (1970 * 12 + 1)
    first_days = np.array([months, months + 1]).astype("M8[M]").astype("M8[D]").astype(np.int64)
    good &= (day >= 1) & (day <= first_days[1] - first_days[0])
    times = (((first_days[0] + day - 1) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000
    end = chars.shape[1] - zone
    if end > _SECONDS_END:
        fraction = digits[:, _SECONDS_END + 1 : end]
        good &= (chars[:, _SECONDS_END] == ord(".")) & (fraction <= 9).all(axis=1) & (end > _SECONDS_END + 1)
        for place, weight in zip(range(fraction.shape[1]), (100, 10, 1), strict=False):
            times += fraction[:, place].astype(np.int64) * weight
    if zone == _OFFSET:
        sign, colon = chars[:, -6], chars[:, -3]
        places = digits[:, [-5, -4, -2, -1]]
        hours, minutes = places[:, :2] @ np.array([10, 1]), places[:, 2:] @ np.array([10, 1])
        good &= (places <= 9).all(axis=1) & (hours <= 23) & (minutes <= 59) & (colon == ord(":"))
        good &= (sign == ord("+")) | (sign == ord("-"))
        offsets = (hours * 60 + minutes) * 60_000
        times -= np.where(sign == ord("-"), -offsets, offsets)
    return times, good
