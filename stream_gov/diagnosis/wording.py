"""Numbers and shares as people write them, for the sentences of an alert."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

__all__ = ["category_words", "list_words", "number_words", "share_words", "signed_words", "time_words"]

_LONGEST_CATEGORY = 40
_PLAIN_BELOW = 1e15


def number_words(value: float | None, *, digits: int = 4) -> str:
    """Write so many significant digits, without an exponent where the number is neither huge nor tiny.

    Examples
    --------
    >>> number_words(12.5), number_words(12500.0), number_words(-0.00123456), number_words(1.5e20), number_words(None)
    ('12.5', '12,500', '-0.001235', '1.5e+20', 'undefined')
    """
    if value is None or math.isnan(value):
        return "undefined"
    size = abs(value)
    if not 1_000 <= size < _PLAIN_BELOW:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - len(str(int(size))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").removesuffix(".") if decimals else text


def signed_words(value: float | None) -> str:
    """Write a difference with its sign.

    Examples
    --------
    >>> signed_words(12.5), signed_words(-0.25)
    ('+12.5', '-0.25')
    """
    words = number_words(value)
    return words if value is None or math.isnan(value) or value < 0 else f"+{words}"


def share_words(share: float | None) -> str:
    """Write a share in per cent; what is next to nothing, or next to all, is never rounded to it.

    Examples
    --------
    >>> [share_words(s) for s in (0.0, 0.0002, 0.012, 0.4, 0.9999, 1.0)]
    ['0 %', '<0.1 %', '1.2 %', '40 %', '>99.9 %', '100 %']
    """
    if share is None or math.isnan(share):
        return "undefined"
    percent = 100 * share
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:.3g} %"


def category_words(name: str) -> str:
    """Quote a category's name, cut where it is long; line breaks and their kin are written as escapes."""
    short = name if len(name) <= _LONGEST_CATEGORY else f"{name[: _LONGEST_CATEGORY - 3]}..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in short) + "'"


def list_words(names: Sequence[str], *, most: int) -> str:
    """Join names, the first `most` of them by name and the others by their number.

    Examples
    --------
    >>> list_words(["a", "b", "c"], most=2), list_words(["a"], most=2)
    ('a, b and 1 more', 'a')
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def time_words(time_ms: int) -> str:
    """Write a time in UTC, to the minute.

    Examples
    --------
    >>> time_words(1_767_225_600_000)
    '2026-01-01 00:00Z'
    """
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms):%Y-%m-%d %H:%M}Z"
