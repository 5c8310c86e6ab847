"""What pieces of a detector's state are found by."""

from __future__ import annotations

import json

__all__ = ["PaneKey", "SeriesKey", "table_key"]

SeriesKey = tuple[str, str, str]
"""Model, version, segment."""
PaneKey = tuple[int, int, str]
"""Start, length (both in milliseconds), profile."""


def table_key(*parts: str | int) -> str:
    """Key of one piece of state.

    Examples
    --------
    >>> table_key("model", "a|b")
    '["model","a|b"]'
    """
    return json.dumps(parts, separators=(",", ":"), ensure_ascii=False)
