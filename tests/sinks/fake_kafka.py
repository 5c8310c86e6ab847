"""A consumer, a clock and a sink that live in the test: nothing waits, and every call is noted in one journal."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream_gov.sinks import Record

Partition = tuple[str, int]


class FakeClock:
    """Moves only when the consumer is asked for messages it does not have."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass(frozen=True)
class FakeMessage:
    place: Partition
    at: int | None
    payload: bytes | None = None
    problem: KafkaError | None = None

    def topic(self) -> str:
        return self.place[0]

    def partition(self) -> int:
        return self.place[1]

    def offset(self) -> int | None:
        return self.at

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes | None:
        return self.payload

    def error(self) -> KafkaError | None:
        return self.problem


class FakeConsumer:
    """One member of a group, with the broker's logs inside.

    Sets `stop` when it was asked `patience` times in a row and had nothing, so that a loop ends.
    """

    def __init__(self, clock: FakeClock, *, patience: int = 3, report_end: bool = False) -> None:
        self.clock = clock
        self.stop = threading.Event()
        self.journal: list[tuple[str, Any]] = []
        self.logs: dict[Partition, dict[int, bytes | None]] = defaultdict(dict)
        self.offsets: dict[Partition, int] = {}
        """What the group has committed."""
        self.paused: set[Partition] = set()
        self.leaks_when_paused = False
        """Give out messages of paused partitions, as librdkafka may while it is told to pause."""
        self.at_time: list[tuple[float, Callable[[], None]]] = []
        """What happens once the clock has come to a time."""
        self.errors: deque[FakeMessage | KafkaException] = deque()
        self.commit_failures: deque[KafkaError] = deque()
        self.closed = 0
        self._assigned: list[Partition] = []
        self._positions: dict[Partition, int] = {}
        self._first: dict[Partition, int] = {}
        self._told_end: set[Partition] = set()
        self._on_revoke: Callable[[Any, list[TopicPartition]], None] | None = None
        self._patience = patience
        self._idle = 0
        self._report_end = report_end

    # --- the broker ---

    def append(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        log = self.logs[topic, partition]
        start = max(log, default=self._first.get((topic, partition), 0) - 1) + 1
        log.update(enumerate(values, start))
        if (topic, partition) not in self._assigned:
            self._assigned.append((topic, partition))

    def delete_before(self, partition: Partition, offset: int) -> None:
        """Let retention delete messages."""
        self._first[partition] = offset
        self.logs[partition] = {o: v for o, v in self.logs[partition].items() if o >= offset}

    def revoke(self, *partitions: Partition) -> None:
        assert self._on_revoke is not None
        self._assigned = [p for p in self._assigned if p not in partitions]
        for partition in partitions:
            self._positions.pop(partition, None)
            self.paused.discard(partition)
        self._on_revoke(self, [TopicPartition(*p) for p in partitions])

    # --- what the loop calls ---

    def subscribe(self, topics: list[str], *, on_revoke: Callable[[Any, list[TopicPartition]], None]) -> None:
        self.journal.append(("subscribe", topics))
        self._on_revoke = on_revoke

    def consume(self, num_messages: int, timeout: float) -> list[FakeMessage]:
        self.journal.append(("consume", num_messages))
        assert len(self.journal) < 50_000, "the loop does not end"
        if self.errors:
            error = self.errors.popleft()
            if isinstance(error, KafkaException):
                raise error
            return [error]
        found: list[FakeMessage] = []
        for place in self._assigned:
            if place in self.paused and not self.leaks_when_paused:
                continue
            first = self._first.get(place, 0)
            position = self._positions.get(place, self.offsets.get(place, first))
            for offset in sorted(o for o in self.logs[place] if o >= position)[: num_messages - len(found)]:
                found.append(FakeMessage(place, offset, self.logs[place][offset]))
                position = offset + 1
            self._positions[place] = position
            at_end = position > max(self.logs[place], default=-1)
            if self._report_end and at_end and place not in self._told_end and len(found) < num_messages:
                self._told_end.add(place)
                found.append(FakeMessage(place, position, problem=KafkaError(KafkaError._PARTITION_EOF)))
        if found:
            self._idle = 0
            return found
        self.clock.now_s += timeout
        due = [action for time, action in self.at_time if time <= self.clock.now_s]
        self.at_time = [(time, action) for time, action in self.at_time if time > self.clock.now_s]
        for action in due:
            action()
        self._idle += 0 if self.paused or due or self.at_time else 1
        if self._idle >= self._patience:
            self.stop.set()
        return []

    def assignment(self) -> list[TopicPartition]:
        return [TopicPartition(*p) for p in self._assigned]

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused |= {(p.topic, p.partition) for p in partitions}

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.paused -= {(p.topic, p.partition) for p in partitions}
        self.journal.append(("resume", len(partitions)))

    def seek(self, partition: TopicPartition) -> None:
        place = (partition.topic, partition.partition)
        if place not in self._assigned:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._positions[place] = partition.offset
        self.journal.append(("seek", (*place, partition.offset)))

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert asynchronous is False
        if self.commit_failures:
            raise KafkaException(self.commit_failures.popleft())
        new = {(o.topic, o.partition): o.offset for o in offsets}
        self.offsets |= new
        self.journal.append(("commit", new))
        return offsets

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(p.topic, p.partition, self.offsets.get((p.topic, p.partition), -1001)) for p in partitions
        ]

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0.0, cached: bool = False
    ) -> tuple[int, int]:
        place = (partition.topic, partition.partition)
        return self._first.get(place, 0), max(self.logs[place], default=-1) + 1

    def close(self) -> None:
        self.closed += 1


@dataclass
class FakeSink:
    """Keeps what it accepts; fails as it is told."""

    journal: list[tuple[str, Any]]
    name: str = "fake"
    accepted: list[Record] = field(default_factory=list)
    deliveries: list[int] = field(default_factory=list)
    """Sizes of the deliveries, refused ones included."""
    failures: deque[Exception | None] = field(default_factory=deque)
    """What the next flushes raise; None: nothing."""
    setup_failures: deque[Exception] = field(default_factory=deque)
    refuse: Callable[[list[Record]], Exception | None] = lambda records: None
    closed: int = 0
    most_held: int = 0
    _buffer: list[Record] = field(default_factory=list)

    def setup(self) -> None:
        self.journal.append(("setup", None))
        if self.setup_failures:
            raise self.setup_failures.popleft()

    def add(self, record: Record) -> None:
        self._buffer.append(record)
        self.most_held = max(self.most_held, len(self._buffer))

    def flush(self) -> None:
        records, self._buffer = self._buffer, []
        self.deliveries.append(len(records))
        failure = self.failures.popleft() if self.failures else None
        failure = failure or self.refuse(records)
        if failure is not None:
            self.journal.append(("fail", len(records)))
            raise failure
        self.accepted += records
        self.journal.append(("flush", [r.id for r in records]))

    def close(self) -> None:
        self.closed += 1
