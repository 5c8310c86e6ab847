"""How far event time has come, from the watermarks of the source partitions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stream_gov.contracts import NO_WATERMARK, WatermarkRecord

__all__ = ["Source", "SourceWatermarks"]

_FOREVER = 2**62


@dataclass(slots=True)
class Source:
    """One source partition."""

    watermark_ms: int = NO_WATERMARK
    done: int = 0
    """Offsets below it were received in full: a record of an earlier cut is a repetition."""
    idle: bool = False
    reset: str = ""
    """Id of the newest reset of its offsets."""


@dataclass(slots=True)
class SourceWatermarks:
    """Watermarks of every source partition; event time has come as far as the least of them that is not idle.

    Invariants: watermarks, `done` and event time never go back; before each partition of a topic was heard of, event time has not begun.
    """

    n_partitions: dict[str, int] = field(default_factory=dict)
    sources: dict[tuple[str, int], Source] = field(default_factory=dict)

    def is_repetition(self, topic: str, partition: int, to_offset: int) -> bool:
        """Tell whether a record of a cut that ends at `to_offset` was received before."""
        source = self.sources.get((topic, partition))
        return source is not None and to_offset <= source.done

    def update(self, record: WatermarkRecord) -> None:
        """Take in the end of a cut, or a sign of life of a quiet partition."""
        before = self.event_time()
        known = self.n_partitions.get(record.topic, 0)
        self.n_partitions[record.topic] = max(record.n_partitions, known)
        if before != NO_WATERMARK:
            # Event time waits for partitions that were added, but does not go back to where it had not begun.
            for added in range(known, record.n_partitions):
                source = self.sources.setdefault((record.topic, added), Source())
                source.watermark_ms = max(source.watermark_ms, before)
        source = self.sources.setdefault((record.topic, record.partition), Source())
        if record.to_offset < source.done:
            return  # from a worker that lost the partition meanwhile
        source.done = record.to_offset
        source.watermark_ms = max(source.watermark_ms, record.watermark_ms)
        if source.idle and not record.idle:
            # Without it event time went on: its windows are closed, and what it brings of them is late.
            source.watermark_ms = max(source.watermark_ms, before)
        source.idle = record.idle

    def is_another(self, topic: str, partition: int, reset_id: str) -> bool:
        """Tell whether records of a source partition were received whose offsets are not those of `reset_id`."""
        source = self.sources.get((topic, partition))
        return source is not None and source.done > 0 and source.reset != reset_id

    def reset(self, topic: str, partition: int, reset_id: str) -> bool:
        """Begin anew with the offsets of a source partition, its watermark kept; False if these are known already."""
        known = self.sources.get((topic, partition))
        if known is not None and known.reset == reset_id:
            return False
        source = self.sources.setdefault((topic, partition), Source())
        source.done, source.reset = 0, reset_id
        return True

    def event_time(self) -> int:
        """How far event time has come, in epoch milliseconds; `NO_WATERMARK` while a partition is still unheard of."""
        if not self.n_partitions:
            return NO_WATERMARK
        active: list[int] = []
        idle: list[int] = []
        for topic, n_partitions in self.n_partitions.items():
            for partition in range(n_partitions):
                source = self.sources.get((topic, partition))
                if source is None:
                    return NO_WATERMARK
                (idle if source.idle else active).append(source.watermark_ms)
        # All idle: time stands where the furthest of them left it.
        return min(active) if active else max(idle)

    def replay_time(self, replayed_to: dict[tuple[str, int], int]) -> int:
        """How far a replay has come that has reached `replayed_to` in each source partition."""
        topics = {topic for topic, _ in replayed_to}
        return min(
            (replayed_to.get((t, p), NO_WATERMARK) for t in topics for p in range(self.n_partitions.get(t, 0))),
            default=NO_WATERMARK,
        )

    def has_ended(self, ended: set[tuple[str, int]]) -> bool:
        """Tell whether a replay that is over in these source partitions is over in all of its topic."""
        topics = {topic for topic, _ in ended}
        return bool(topics) and all((t, p) in ended for t in topics for p in range(self.n_partitions.get(t, 1)))

    def to_state(self) -> list[Any]:
        """Plain data, for packing."""
        return [
            sorted(self.n_partitions.items()),
            [
                [t, p, s.watermark_ms, s.done, s.idle, *([s.reset] if s.reset else [])]
                for (t, p), s in sorted(self.sources.items())
            ],
        ]

    @classmethod
    def from_state(cls, state: list[Any]) -> SourceWatermarks:
        """Read what :meth:`to_state` gave."""
        n_partitions, sources = state
        return cls(dict(n_partitions), {(t, p): Source(*of_source) for t, p, *of_source in sources})
