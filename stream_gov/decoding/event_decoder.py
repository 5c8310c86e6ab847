"""Decodes blocks of messages into typed events, grouped by model.

There are three ways, each slower and more patient than the one before:

1. strict: a struct of the model's plan that takes nothing unexpected, so that no further check is needed;
2. lenient: a struct that takes any value of a known column and skips what it does not know;
3. careful: plain JSON, field by field; it alone says what is wrong with a message.

A message goes to the next way only when one fails, each at most once, so that a flood of bad messages costs a fixed multiple of their
bytes. What strict accepts lenient reads alike, so that the outcome depends on the message alone and not on its company.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stream_gov.contracts import MAX_EVENT_BYTES, RejectReason
from stream_gov.decoding.careful_reader import CarefulEvent, RefusedMessage, read_message, unknown_model_detail
from stream_gov.decoding.message_bytes import UNDECODABLE, decode_all, unsafe_messages
from stream_gov.decoding.model_decoder import EventGroup, ModelDecoder
from stream_gov.decoding.timestamps import TimeBounds, read_timestamps

__all__ = ["DecodedBlock", "EventDecoder"]

_TIMESTAMP_TYPES = frozenset({int, float, str})


class _ModelOnly(msgspec.Struct, gc=False):
    model: str
    timestamp: Any = None


_decode_model = msgspec.json.Decoder(_ModelOnly).decode


@dataclass(slots=True)
class DecodedBlock:
    """What a block of messages holds."""

    groups: list[EventGroup] = field(default_factory=list)
    """One for each model that has events."""
    refused: list[tuple[int, RefusedMessage]] = field(default_factory=list)
    """By position in the block, in no order."""
    n_longest: int = 0
    """Bytes of the longest message that is not refused for its size."""
    is_mixed: bool = False
    """Whether there are several models."""


class EventDecoder:
    """Decodes blocks of messages of any models.

    Parameters
    ----------
    decoder_of
        Gives the decoder of a model, None for a model that no monitor watches.
    """

    def __init__(self, decoder_of: Callable[[str], ModelDecoder | None]) -> None:
        self._decoder_of = decoder_of

    def decode(self, messages: Sequence[bytes | None], bounds: TimeBounds, *, is_mixed: bool) -> DecodedBlock:
        """Decode a block.

        Parameters
        ----------
        messages
            At least one. None is a message without a value.
        bounds
            Times an event may have. They are checked here only for messages that are refused for another reason as well.
        is_mixed
            Whether to expect several models. To be wrong costs time only.
        """
        try:
            block = self._decode(messages, messages, bounds, is_mixed=is_mixed)  # type: ignore[arg-type]
            # Asked last: by now the messages are in the processor's cache.
            block.n_longest = max(map(len, messages))  # type: ignore[arg-type]
            if block.n_longest <= MAX_EVENT_BYTES:
                return block
        except TypeError:  # one is None
            pass
        sound = [message if message and len(message) <= MAX_EVENT_BYTES else b"" for message in messages]
        block = self._decode(sound, messages, bounds, is_mixed=is_mixed)
        block.n_longest = max(map(len, sound))
        return block

    def _decode(
        self, sound: Sequence[bytes], messages: Sequence[bytes | None], bounds: TimeBounds, *, is_mixed: bool
    ) -> DecodedBlock:
        block = DecodedBlock()
        groups: dict[str, EventGroup] = {}
        doubtful: list[int] = []
        only = None if is_mixed else self._only_model(sound)
        if only is None:
            astray: Sequence[int] = range(len(sound))
        else:
            groups[only[0]], astray = only[1].decode(sound, range(len(sound)))
        if astray:
            doubtful.extend(self._decode_by_model(sound, astray, bounds, groups, block))
        if doubtful:
            self._read_with_care(messages, sorted(set(doubtful)), bounds, groups, block)
        block.groups = [group for group in groups.values() if group.events]
        block.is_mixed = len(block.groups) > 1
        return block

    def _decode_by_model(
        self,
        messages: Sequence[bytes],
        positions: Sequence[int],
        bounds: TimeBounds,
        groups: dict[str, EventGroup],
        block: DecodedBlock,
    ) -> list[int]:
        """Decode messages, each by its own model; return the positions of those that need care."""
        events, odd = decode_all(_decode_model, [messages[position] for position in positions])
        doubtful = [positions[i] for i in odd]
        by_model: dict[str, list[int]] = {}
        for i, event in enumerate(events):
            if event is not None:
                by_model.setdefault(event.model, []).append(i)
        for model, places in by_model.items():
            chosen = [positions[i] for i in places]
            decoder = self._decoder_of(model)
            if decoder is None:
                unsafe = {chosen[i] for i in unsafe_messages([messages[position] for position in chosen])}
                doubtful.extend(unsafe)
                known = [(position, events[i].timestamp) for i, position in zip(places, chosen, strict=True)]
                block.refused.extend(_refuse_unknown(model, [pair for pair in known if pair[0] not in unsafe], bounds))
            elif model in groups:  # it failed before
                doubtful.extend(chosen)
            else:
                groups[model], failed = decoder.decode([messages[position] for position in chosen], chosen)
                doubtful.extend(failed)
        return doubtful

    def _read_with_care(
        self,
        messages: Sequence[bytes | None],
        positions: Sequence[int],
        bounds: TimeBounds,
        groups: dict[str, EventGroup],
        block: DecodedBlock,
    ) -> None:
        careful: dict[str, list[tuple[int, CarefulEvent]]] = {}
        for position in positions:
            read = read_message(messages[position], self._is_monitored, bounds)
            if isinstance(read, RefusedMessage):
                block.refused.append((position, read))
            else:
                careful.setdefault(read.model, []).append((position, read))
        for model, chosen in careful.items():
            decoder = self._decoder_of(model)
            if decoder is not None:
                decoder.add_careful(groups.setdefault(model, EventGroup(decoder)), chosen)

    def _is_monitored(self, model: str) -> bool:
        return self._decoder_of(model) is not None

    def _only_model(self, messages: Sequence[bytes]) -> tuple[str, ModelDecoder] | None:
        """Guess that all messages are of one model where the first and the last are."""
        first, last = _model_of(messages[0]), _model_of(messages[-1])
        decoder = self._decoder_of(first) if first is not None and first == last else None
        return (first, decoder) if first is not None and decoder is not None else None


def _model_of(message: bytes) -> str | None:
    try:
        return _decode_model(message).model
    except UNDECODABLE:
        return None


def _refuse_unknown(
    model: str, events: Sequence[tuple[int, Any]], bounds: TimeBounds
) -> Iterable[tuple[int, RefusedMessage]]:
    """Refuse events, given as positions and timestamps, of a model that no monitor watches."""
    detail = unknown_model_detail(model)
    timestamps = [timestamp if type(timestamp) in _TIMESTAMP_TYPES else "" for _, timestamp in events]
    times, untimely = read_timestamps(timestamps, bounds) if timestamps else ((), {})
    for i, (position, _) in enumerate(events):
        time_ms = None if i in untimely else int(times[i])
        yield position, RefusedMessage(RejectReason.UNKNOWN_MODEL, detail, model, "", time_ms)
