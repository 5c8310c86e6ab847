"""Decodes blocks of messages into typed events, grouped by model.

There are three ways, each slower and more patient than the one before:

1. strict: a struct of the model's plan that takes nothing unexpected, so that no further check is needed;
2. lenient: a struct that takes any value of a known column and skips what it does not know;
3. careful: plain JSON, field by field; it alone says what is wrong with a message.

A message goes to the next way only when one fails, each at most once, so that a flood of bad messages costs a fixed multiple of their
bytes. What strict accepts lenient reads alike, so that the outcome depends on the message alone and not on its company.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec
import numpy as np

from stream_gov.contracts import MAX_EVENT_BYTES, RejectReason
from stream_gov.decoding.careful_reader import CarefulEvent, RefusedMessage, read_message, unknown_model_detail
from stream_gov.decoding.counting_plan import CountingPlan
from stream_gov.decoding.event_types import EventTypes, open_event_type
from stream_gov.decoding.nesting import MAX_DEPTH, is_deeper_than
from stream_gov.decoding.timestamps import TimeBounds, read_timestamps

__all__ = ["NEW_COLUMN_SAMPLE", "DecodedBlock", "EventDecoder", "EventGroup", "ModelDecoder"]

NEW_COLUMN_SAMPLE = 16
"""New columns are counted in one event of so many, chosen by its id."""

_RETRY_AFTER = 100
"""Blocks for which a way that often failed is not tried again."""
_OFTEN = 1 / 8
_FEW = 8
_TIMESTAMP_TYPES = frozenset({int, float, str})
_LEARN = -1
"""The level at which a model's events are decoded leniently, to see what they are like."""

# What msgspec raises for bytes it cannot decode.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _ModelOnly(msgspec.Struct, gc=False):
    model: str
    timestamp: Any = None


class _NamesOnly(msgspec.Struct):
    features: dict[str, msgspec.Raw]


_decode_model = msgspec.json.Decoder(_ModelOnly).decode
_decode_names = msgspec.json.Decoder(_NamesOnly).decode


@dataclass(slots=True)
class EventGroup:
    """Events of one model in a block, in the order of the block."""

    decoder: ModelDecoder
    positions: Sequence[int] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    new_columns: dict[int, list[str]] = field(default_factory=dict)
    """New names by position in the block, for events of the sample."""
    doubtful: Sequence[int] = ()
    """Places in `events` of those that did not come the strict way, rising."""
    version: str | None = None
    """The version of all events, where that is known."""

    def keep(self, places: Sequence[int]) -> None:
        """Keep only the events in some places, rising."""
        doubtful = set(self.doubtful)
        self.doubtful = [new for new, old in enumerate(places) if old in doubtful]
        self.positions = [self.positions[i] for i in places]
        self.events = [self.events[i] for i in places]


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


class ModelDecoder:
    """Decodes events of one model, and remembers which way is worth trying.

    Parameters
    ----------
    plan
        The model's plan.
    """

    def __init__(self, plan: CountingPlan) -> None:
        self.plan = plan
        self.types = EventTypes(plan) if plan.layouts else None
        """None for a model without a reference: its events keep their features as a dict."""
        self._open_type = open_event_type(plan.model)
        self._lenient = (
            msgspec.json.Decoder(self._open_type).decode if self.types is None else self.types.lenient_decoder
        )
        self._strict: list[Callable[[bytes], Any]] = []
        """Decoders for what the last events were like: known version and categories; any version and categories."""
        self._shape: tuple[str, bool] | None = None
        """Version of the last events, and whether they had metadata."""
        self._level = _LEARN
        self._blocks_left = 0

    def decode(self, messages: Sequence[bytes], positions: Sequence[int]) -> tuple[EventGroup, list[int]]:
        """Decode messages; return the events, and the positions of the messages that need care.

        Parameters
        ----------
        messages
            At least one.
        positions
            Of the messages in their block, rising.
        """
        if self._level > 0:
            self._blocks_left -= 1
            if self._blocks_left < 0:
                self._level = _LEARN
        if 0 <= self._level < len(self._strict):
            events, odd = self._decode_strictly(messages)
            if not odd:
                return EventGroup(self, positions, events, version=self._only_version()), []
            if len(odd) > max(_FEW, len(messages) * _OFTEN):
                self._level, self._blocks_left = self._level + 1, _RETRY_AFTER
        else:
            events, odd = [None] * len(messages), list(range(len(messages)))
        news = self._decode_leniently(messages, odd, events)
        new_columns = {positions[i]: names for i, names in news.items()}
        failed = [positions[i] for i in odd if events[i] is None]
        group = EventGroup(self, positions, events, new_columns, odd)
        if failed:
            group.keep([i for i, event in enumerate(events) if event is not None])
        if self._level == _LEARN and group.events:
            self._learn(group.events[-1])
        return group, failed

    def _only_version(self) -> str | None:
        return self._shape[0] if self._shape is not None and self._level == 0 else None

    def _learn(self, event: Any) -> None:
        """Expect events like this one."""
        if self.types is None or not self.types.is_struct:
            self._level, self._blocks_left = 1, _RETRY_AFTER
            return
        shape = (event.version, bool(bytes(event.metadata)))
        if shape != self._shape:
            self._shape = shape
            versions = (event.version, None)
            self._strict = [self.types.strict_decoder(version=v, has_metadata=shape[1]) for v in versions]
        self._level = 0

    def _decode_strictly(self, messages: Sequence[bytes]) -> tuple[list[Any], list[int]]:
        events, odd = _decode_all(self._strict[self._level], messages)
        if self._shape is not None and self._shape[1]:
            unsafe = [i for i in _unsafe(messages) if events[i] is not None]
            for i in unsafe:
                events[i] = None
            odd = sorted([*odd, *unsafe]) if unsafe else odd
        return events, odd

    def _decode_leniently(
        self, messages: Sequence[bytes], odd: Sequence[int], events: list[Any]
    ) -> dict[int, list[str]]:
        """Put lenient events in the places `odd`, None where that fails; return the new columns of the sample."""
        chosen = [messages[i] for i in odd]
        decoded, _ = _decode_all(self._lenient, chosen)
        for i in _unsafe(chosen):
            decoded[i] = None
        good = [event for event in decoded if event is not None]
        for place, event in zip(odd, decoded, strict=True):
            events[place] = event
        if self.types is None or not good:
            return {}
        self.types.settle(good)
        news = {}
        for place, message, event in zip(odd, chosen, decoded, strict=True):
            if event is not None and _is_sampled(event.event_id):
                names = self._new_columns(_decode_names(message).features)
                if names:
                    news[place] = names
        return news

    def add_careful(self, group: EventGroup, chosen: Sequence[tuple[int, CarefulEvent]]) -> None:
        """Add events that were read by hand, with their positions, to a group."""
        pairs = list(zip(group.positions, group.events, strict=True))
        loose = {group.positions[i] for i in group.doubtful}.union(position for position, _ in chosen)
        for position, read in chosen:
            if self.types is None:
                fields = (read.event_id, read.model, read.version, read.timestamp, read.features)
                pairs.append((position, self._open_type(*fields, read.prediction, read.scores)))
                continue
            event = self.types.from_careful(read)
            self.types.settle([event])
            pairs.append((position, event))
            names = self._new_columns(read.features) if _is_sampled(read.event_id) else []
            if names:
                group.new_columns[position] = names
        pairs.sort(key=itemgetter(0))
        group.positions, group.events = [position for position, _ in pairs], [event for _, event in pairs]
        group.doubtful = [i for i, position in enumerate(group.positions) if position in loose]
        group.version = None

    def _new_columns(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name not in self.plan.known_columns]


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
        events, odd = _decode_all(_decode_model, [messages[position] for position in positions])
        doubtful = [positions[i] for i in odd]
        by_model: dict[str, list[int]] = {}
        for i, event in enumerate(events):
            if event is not None:
                by_model.setdefault(event.model, []).append(i)
        for model, places in by_model.items():
            chosen = [positions[i] for i in places]
            decoder = self._decoder_of(model)
            if decoder is None:
                unsafe = {chosen[i] for i in _unsafe([messages[position] for position in chosen])}
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


def _decode_all(decode: Callable[[bytes], Any], messages: Sequence[bytes]) -> tuple[list[Any], list[int]]:
    """Decode each message, None where that fails; the positions of the failures."""
    events: list[Any] = []
    odd: list[int] = []
    rest = iter(messages)
    while True:
        try:
            events.extend(map(decode, rest))  # keeps what it had when one fails; `rest` goes on after that one
        except _UNDECODABLE:
            odd.append(len(events))
            events.append(None)
        else:
            return events, odd


def _model_of(message: bytes) -> str | None:
    try:
        return _decode_model(message).model
    except _UNDECODABLE:
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


def _is_sampled(event_id: str) -> bool:
    return zlib.crc32(event_id.encode()) % NEW_COLUMN_SAMPLE == 0


def _unsafe(messages: Sequence[bytes]) -> list[int]:
    """Positions of messages that a decoder that skips what it does not know may pass though they are bad: no UTF-8, or too deep."""
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
