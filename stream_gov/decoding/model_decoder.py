"""Decodes messages of one model the quickest way that its last events allow."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import msgspec

from stream_gov.decoding.careful_reader import CarefulEvent
from stream_gov.decoding.counting_plan import CountingPlan
from stream_gov.decoding.event_types import EventTypes, open_event_type
from stream_gov.decoding.message_bytes import decode_all, unsafe_messages

__all__ = ["NEW_COLUMN_SAMPLE", "RETRY_AFTER", "EventGroup", "ModelDecoder"]

NEW_COLUMN_SAMPLE = 16
"""New columns are counted in one event of so many, chosen by its id."""

RETRY_AFTER = 100
"""Blocks for which a way that often failed is not tried again."""
_OFTEN = 1 / 8
_FEW = 8
_LEARN = -1
"""The level at which a model's events are decoded leniently, to see what they are like."""


class _NamesOnly(msgspec.Struct):
    features: dict[str, msgspec.Raw]


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
                self._level, self._blocks_left = self._level + 1, RETRY_AFTER
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
            self._level, self._blocks_left = 1, RETRY_AFTER
            return
        shape = (event.version, bool(bytes(event.metadata)))
        if shape != self._shape:
            self._shape = shape
            versions = (event.version, None)
            self._strict = [self.types.strict_decoder(version=v, has_metadata=shape[1]) for v in versions]
        self._level = 0

    def _decode_strictly(self, messages: Sequence[bytes]) -> tuple[list[Any], list[int]]:
        events, odd = decode_all(self._strict[self._level], messages)
        if self._shape is not None and self._shape[1]:
            # The whole message, not the metadata alone: they may stand in it twice, and only the last are kept.
            unsafe = [i for i in unsafe_messages(messages) if events[i] is not None]
            for i in unsafe:
                events[i] = None
            odd = sorted([*odd, *unsafe]) if unsafe else odd
        return events, odd

    def _decode_leniently(
        self, messages: Sequence[bytes], odd: Sequence[int], events: list[Any]
    ) -> dict[int, list[str]]:
        """Put lenient events in the places `odd`, None where that fails; return the new columns of the sample."""
        chosen = [messages[i] for i in odd]
        decoded, _ = decode_all(self._lenient, chosen)
        for i in unsafe_messages(chosen):
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


def _is_sampled(event_id: str) -> bool:
    return zlib.crc32(event_id.encode()) % NEW_COLUMN_SAMPLE == 0
