"""Durations as people write them (`15m`, `1h30m`, `7d`) and as the code keeps them (whole milliseconds)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

__all__ = ["Duration", "format_duration", "parse_duration"]

_UNITS_MS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|w|d|h|m|s)")


def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as ``"15m"``, ``"1h30m"``, ``"1.5h"`` or ``"7d"``.

    Raises
    ------
    ValueError
        The text is no duration, or not a whole number of milliseconds.

    Examples
    --------
    >>> parse_duration("1h30m")
    5400000
    >>> parse_duration("1.5h")
    5400000
    """
    compact = text.replace(" ", "")
    parts = list(_PART.finditer(compact))
    if not parts or "".join(p.group(0) for p in parts) != compact:
        msg = f"{text!r} is no duration; write a number and a unit (ms, s, m, h, d, w), such as 15m, 1h30m or 7d"
        raise ValueError(msg)
    total = sum(Decimal(p.group(1)) * _UNITS_MS[p.group(2)] for p in parts)
    if total != int(total):
        msg = f"{text!r} is not a whole number of milliseconds"
        raise ValueError(msg)
    return int(total)


def format_duration(duration_ms: int) -> str:
    """Shortest text that :func:`parse_duration` reads back.

    Examples
    --------
    >>> format_duration(5_400_000)
    '1h30m'
    >>> format_duration(604_800_000)
    '7d'
    """
    if duration_ms == 0:
        return "0s"
    text, rest = "", duration_ms
    for unit, size in _UNITS_MS.items():
        if unit == "w":  # "7d" is what people write
            continue
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def _to_ms(value: Any) -> int:
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, int) and not isinstance(value, bool) and value == 0:
        return 0
    msg = f"{value!r} is no duration; give it a unit, such as {value}s or {value}m"
    raise ValueError(msg)


Duration = Annotated[
    int,
    BeforeValidator(_to_ms),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|w|d|h|m|s))+$", "examples": ["15m", "1h30m", "7d"]}
    ),
]
"""A pydantic field: text with units in a file, whole milliseconds in the code."""
