"""A stretch of production as the rows of a reference: events of one model, from all partitions, in the order of their times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from stream_gov.contracts import DataError
from stream_gov.decoding import format_time
from stream_gov.reference import RowBatch
from stream_gov.reference.event_rows import EventRows
from stream_gov.reference.time_order import in_time_order
from stream_gov.runtime.kafka_clients import Cluster
from stream_gov.runtime.range_reader import OffsetRange, RangeReader, reading_consumer
from stream_gov.runtime.replay_mark import is_control
from stream_gov.runtime.topic_ranges import FoundRange, find_ranges
from stream_gov.settings import Settings

__all__ = ["Stretch", "TopicRows"]

_LOOKED_AT = 500
"""Messages at each end of a partition that are looked at to tell what times a topic holds."""


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Which events are wanted."""

    model: str
    from_ms: int | None
    """Least event time, epoch milliseconds; None: no bound."""
    until_ms: int | None
    """Event times end before it."""
    lateness_ms: int | None
    """Events sent so long after `until_ms`, or later, are not looked for; None: the topic is read to its end."""
    version: str | None = None
    """Of the model; None: all."""

    @property
    def text(self) -> str:
        """Say the time in words."""
        parts = [_short(self.from_ms) if self.from_ms is not None else "the beginning"]
        parts.append(_short(self.until_ms) if self.until_ms is not None else "the end")
        return " to ".join(parts)


def _short(time_ms: int) -> str:
    text = format_time(time_ms).replace(".000Z", "Z")
    return text.removesuffix(":00Z") + "Z" if text.endswith(":00Z") else text


@dataclass(slots=True)
class _Pass:
    """What one pass over the ranges has seen."""

    rows: EventRows
    first_sent_ms: dict[int, int] = field(default_factory=dict)
    """By partition the time of its first message."""

    def totals(self) -> tuple[int, int, int]:
        return self.rows.n_messages, self.rows.n_rows, sum(self.rows.rejected.values())


class TopicRows:
    """Reads the same offsets each time it is asked, and gives the rows that a profile builder takes.

    The offsets are fixed when this is made: from the first message sent at `from_ms` (less the skew that a producer's clock may have) to the
    last one sent before `until_ms` and `lateness_ms`. Among them the events' own times decide. Nothing is committed, and no group joined.

    Parameters
    ----------
    settings
        Name the broker; `max_future_skew` holds as in ingest.
    cluster
        What the broker said of itself.
    topic
        The topic of events.
    stretch
        Which events.
    now_ms
        The clock: epoch milliseconds.
    on_progress
        Called with the number of the pass, from 1 on, and the offsets read in it; what it raises ends the reading.

    Raises
    ------
    ConfigurationError
        There is no such topic.
    UnavailableError
        The broker does not answer.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        topic: str,
        stretch: Stretch,
        *,
        now_ms: int,
        on_progress: Callable[[int, int], None] = lambda _pass, _n: None,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._stretch = stretch
        self._now_ms = now_ms
        self._on_progress = on_progress
        self._passes: list[_Pass] = []
        self._sent_from_ms, self._sent_until_ms = self._sent_bounds()
        consumer = reading_consumer(settings)
        try:
            self.found: list[FoundRange] = find_ranges(
                consumer,
                topic,
                sent_from_ms=self._sent_from_ms,
                sent_until_ms=self._sent_until_ms,
                by_time=not cluster.embedded,
            )
        finally:
            consumer.close()

    def _sent_bounds(self) -> tuple[int | None, int | None]:
        stretch = self._stretch
        start = None if stretch.from_ms is None else stretch.from_ms - self._settings.max_future_skew
        if stretch.until_ms is None or stretch.lateness_ms is None:
            return start, None
        return start, stretch.until_ms + stretch.lateness_ms

    @property
    def source(self) -> str:
        """Where the rows are from, for people."""
        return f"topic {self._topic} {self._stretch.text}"

    @property
    def n_offsets(self) -> int:
        """Offsets read in each pass."""
        return sum(f.range.n_offsets for f in self.found)

    def batches(self) -> Iterator[RowBatch]:
        """Yield the rows in the order of their event times; each call is a pass over the same offsets.

        Raises
        ------
        DataError
            There are no rows, the broker deleted some meanwhile, or another pass saw others.
        UnavailableError
            The broker does not answer any more.
        """
        number = len(self._passes) + 1
        mine = self._new_pass()
        self._passes.append(mine)
        ranges = [f.range for f in self.found]
        with RangeReader(self._settings, self._topic, ranges, on_progress=partial(self._on_progress, number)) as reader:
            yield from in_time_order([partial(_rows_of, reader, r.partition, mine) for r in ranges])
        if not mine.rows.n_rows:
            raise DataError(self._why_nothing(mine))
        if mine.totals() != self._passes[0].totals():
            before, now = self._passes[0].totals(), mine.totals()
            msg = (
                f"the topic {self._topic} changed while it was read: {before[0]} messages and {before[1]} rows in the first pass, {now[0]} and "
                f"{now[1]} in pass {number}; build the reference again"
            )
            raise DataError(msg)

    def _new_pass(self) -> _Pass:
        stretch = self._stretch
        return _Pass(
            EventRows(
                stretch.model,
                now_ms=self._now_ms,
                max_future_skew_ms=self._settings.max_future_skew,
                from_ms=stretch.from_ms,
                until_ms=stretch.until_ms,
                version=stretch.version,
            )
        )

    def notices(self) -> list[str]:
        """What the user should know of the rows read: what was rejected, deleted, or of other versions."""
        if not self._passes:
            return []
        first = self._passes[0]
        said = self._deletions(first)
        if first.rows.rejected:
            reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(first.rows.rejected.items()))
            said.append(f"messages rejected, as ingest rejects them: {reasons}")
        return said

    def _deletions(self, seen: _Pass) -> list[str]:
        wanted = self._stretch.from_ms
        if wanted is None:
            return []
        deleted = [f for f in self.found if f.begins_at_the_first]
        firsts = {**self._first_sent([f for f in deleted if not f.range.n_offsets]), **seen.first_sent_ms}
        late = {
            f.range.partition: firsts[f.range.partition] for f in deleted if firsts.get(f.range.partition, -1) > wanted
        }
        emptied = [f.range.partition for f in deleted if f.low == f.high]
        if not late:
            return self._emptied(emptied, wanted)
        partitions = ", ".join(map(str, sorted(late)))
        return [
            f"the broker has deleted the oldest messages (retention): the first still there of partition{'s' * (len(late) > 1)} {partitions} was sent "
            f"at {_short(max(late.values()))}, so events from {_short(wanted)} until then may be missing; begin later, or raise the retention",
            *self._emptied(emptied, wanted),
        ]

    def _emptied(self, partitions: Sequence[int], wanted: int) -> list[str]:
        if not partitions:
            return []
        return [
            f"the broker has deleted every message of partition{'s' * (len(partitions) > 1)} {', '.join(map(str, partitions))} (retention), so events from "
            f"{_short(wanted)} on may be missing; raise the retention"
        ]

    def _first_sent(self, found: Sequence[FoundRange]) -> dict[int, int]:
        """When the first message that is still there was sent, by partition, though it lies behind the range."""
        seen = self._new_pass()
        ranges = [OffsetRange(f.range.partition, f.low, f.low + 1) for f in found if f.low < f.high]
        if ranges:
            with RangeReader(self._settings, self._topic, ranges) as reader:
                for r in ranges:
                    for _ in _rows_of(reader, r.partition, seen):
                        pass
        return seen.first_sent_ms

    # --- nothing found -------------------------------------------------------------------------------------------------------------

    def _why_nothing(self, seen: _Pass) -> str:
        stretch, rows = self._stretch, seen.rows
        what = f"no event of the model {stretch.model!r}" + (
            f", version {stretch.version!r}," if stretch.version else ""
        )
        head = f"{what} from {stretch.text} on the topic {self._topic}"
        if rows.first_ms is not None and rows.last_ms is not None:
            return f"{head}: {self._why_not_these(rows, rows.first_ms, rows.last_ms)}"
        ends = self._look_at_ends()
        held = ends.rows
        models = {**dict(held.other_models.most_common()), **dict(rows.other_models.most_common())}
        named = ", ".join(f"{name!r}" for name in sorted(models)[:10])
        if held.first_ms is not None and held.last_ms is not None:
            sent = ""
            if self._sent_until_ms is not None:
                sent = (
                    f", sent from {_short(self._sent_from_ms or 0)} to {_short(self._sent_until_ms)}; events sent later than that (as by a replay) "
                    "need a larger `--lateness`, or `--lateness all`"
                )
            gone = "; ".join(self._deletions(ends))
            return (
                f"{head}{sent}: events of this model that it holds are from {_short(held.first_ms)} to {_short(held.last_ms)}"
                + (f"; {gone}" if gone else "; choose another --from or --until")
            )
        if named:
            return f"{head}: it holds events of {named}; mend `model` in the monitor, or name another topic"
        if held.n_messages:
            return f"{head}: none of its messages is an event; name another topic"
        return f"{head}: it is empty"

    def _why_not_these(self, rows: EventRows, first_ms: int, last_ms: int) -> str:
        version = self._stretch.version
        if version is not None and version not in rows.versions.counts:
            found = ", ".join(f"{name!r}" for name, _ in rows.versions.most_common()[:10])
            return f"those read are of the versions {found}; give another --model-version, or none for all"
        return f"those read are from {_short(first_ms)} to {_short(last_ms)}; choose another --from or --until"

    def _look_at_ends(self) -> _Pass:
        """Read some messages at both ends of each partition, of all times."""
        seen = _Pass(
            EventRows(self._stretch.model, now_ms=self._now_ms, max_future_skew_ms=self._settings.max_future_skew)
        )
        for ranges in (
            [OffsetRange(f.range.partition, f.low, min(f.low + _LOOKED_AT, f.high)) for f in self.found],
            [OffsetRange(f.range.partition, max(f.low, f.high - _LOOKED_AT), f.high) for f in self.found],
        ):
            with RangeReader(self._settings, self._topic, ranges) as reader:
                for r in ranges:
                    for _ in _rows_of(reader, r.partition, seen):
                        pass
        return seen


def _rows_of(reader: RangeReader, partition: int, seen: _Pass) -> Iterator[RowBatch]:
    for messages in reader.messages(partition):
        if partition not in seen.first_sent_ms:
            kind, sent_ms = messages[0].timestamp()
            if kind != TIMESTAMP_NOT_AVAILABLE:
                seen.first_sent_ms[partition] = sent_ms
        batch = seen.rows.read(_values(messages))
        if batch is not None:
            yield batch


def _values(messages: Sequence[Message]) -> list[bytes | None]:
    """Values of the messages that are not for the workers themselves."""
    values: list[bytes | None] = []
    for message in messages:
        headers: Any = message.headers()
        if headers and is_control(headers):
            continue
        value = message.value()
        values.append(value.encode() if isinstance(value, str) else value)
    return values
