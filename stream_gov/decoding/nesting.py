"""How deep a JSON text nests, found without recursion and in time linear in its length."""

from __future__ import annotations

import numpy as np

__all__ = ["MAX_DEPTH", "is_deeper_than", "nesting_depth"]

MAX_DEPTH = 100
"""Deepest nesting accepted. JSON parsers recurse and give up at depths that depend on the caller's stack; a fixed bound far below
them makes the fate of an event depend on the event alone."""

_STEP = np.zeros(256, np.int8)
_STEP[[ord("["), ord("{")]] = 1
_STEP[[ord("]"), ord("}")]] = -1


def nesting_depth(data: bytes) -> int:
    """Largest number of brackets and braces open at once, those within strings left out; 0 for a scalar.

    Defined for any bytes: where the JSON is malformed, by the brackets up to each place.

    Examples
    --------
    >>> nesting_depth(b'{"a": [1, {"b": "]]["}]}')
    3
    """
    # Outside strings a backslash is malformed anyway; within them, what it escapes is no end of the string.
    plain = data.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in data else data
    codes = np.frombuffer(plain, np.uint8)
    steps = _STEP[codes]
    within = np.cumsum(codes == ord('"')) & 1
    steps[within.astype(bool)] = 0
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def is_deeper_than(data: bytes, depth: int) -> bool:
    """Tell whether a JSON text nests deeper than `depth`; cheap where it has few brackets."""
    return data.count(b"{") + data.count(b"[") > depth and nesting_depth(data) > depth
