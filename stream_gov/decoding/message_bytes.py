"""Decoding many messages, each on its own, and finding those that a decoder that skips things would pass though they are bad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

from stream_gov.decoding.nesting import MAX_DEPTH, is_deeper_than

__all__ = ["UNDECODABLE", "decode_all", "unsafe_messages"]

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes it cannot decode."""

_FEW = 8
_SLICE = 200
"""Messages looked at together: with more the scratch arrays come as fresh memory, whose page faults cost more than the looking."""


def decode_all(decode: Callable[[bytes], Any], messages: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """Decode each message, None where that fails; the positions of the failures."""
    events: list[Any] = []
    odd: list[int] = []
    rest = iter(messages)
    while True:
        try:
            events.extend(map(decode, rest))  # keeps what it had when one fails; `rest` goes on after that one
        except UNDECODABLE:
            odd.append(len(events))
            events.append(None)
        else:
            return events, odd


def unsafe_messages(messages: Sequence[bytes]) -> list[int]:
    """Positions of messages that a decoder that skips what it does not know may pass though they are bad: no UTF-8, or too deep."""
    unsafe: list[int] = []
    for start in range(0, len(messages), _SLICE):
        part = messages[start : start + _SLICE]
        unsafe.extend(start + i for i in _unsafe(part))
    return unsafe


def _unsafe(messages: Sequence[bytes]) -> list[int]:
    if len(messages) < _FEW:
        return [i for i, message in enumerate(messages) if not _is_utf8(message) or is_deeper_than(message, MAX_DEPTH)]
    joined = b"\n".join(messages)
    unsafe = [] if joined.isascii() else [i for i, message in enumerate(messages) if not _is_utf8(message)]
    # "[" and "{" are one bit apart
    openers = np.flatnonzero((np.frombuffer(joined, np.uint8) & 0xDF) == ord("["))
    ends = np.cumsum(np.fromiter(map(len, messages), np.int64, len(messages)) + 1)
    counts = np.diff(np.searchsorted(openers, ends), prepend=0)
    unsafe.extend(i for i in np.flatnonzero(counts > MAX_DEPTH).tolist() if is_deeper_than(messages[i], MAX_DEPTH))
    return unsafe


def _is_utf8(message: bytes) -> bool:
    if message.isascii():
        return True
    try:
        message.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
