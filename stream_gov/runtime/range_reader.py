"""Reads fixed ranges of offsets of a topic, each partition as fast as its rows are wanted; joins no consumer group and commits nothing."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from stream_gov.contracts import DataError, UnavailableError
from stream_gov.runtime.kafka_clients import consumer_config, group_name, make_consumer
from stream_gov.runtime.kafka_errors import Remedy, remedy_for, translate_kafka_error
from stream_gov.settings import Settings

__all__ = ["OffsetRange", "RangeReader", "reading_consumer"]

_BATCH = 2_000
_POLL_S = 0.2
_PATIENCE_S = 30.0
_QUEUED_MESSAGES = 65_536
"""Messages held of all partitions together while another one is waited for."""


@dataclass(frozen=True)
class OffsetRange:
    """Messages of one partition: from `start` on, before `end`."""

    partition: int
    start: int
    end: int

    @property
    def n_offsets(self) -> int:
        """Offsets in the range; some may be no messages (marks of transactions)."""
        return max(self.end - self.start, 0)


def reading_consumer(settings: Settings) -> Consumer:
    """Make a consumer for a look at a topic: it must only be assigned partitions, never subscribe, and commits nothing.

    Raises
    ------
    ConfigurationError
        The settings name no broker, or the setting `kafka` is wrong.
    """
    return make_consumer(consumer_config(settings, "reader", group=group_name(settings, "reader")))


class RangeReader:
    """One pass over some ranges of a topic.

    Each partition is read only as far as it is asked for; the others wait when they are far ahead, so that memory is bounded whatever the
    partitions hold.

    Parameters
    ----------
    settings
        Name the broker.
    topic
        The topic.
    ranges
        At most one for each partition.
    on_progress
        Called with the number of offsets read so far, at least every 0.2 s; what it raises ends the reading.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str,
        ranges: Sequence[OffsetRange],
        *,
        on_progress: Callable[[int], None] = lambda _n: None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._ranges = {r.partition: r for r in ranges if r.n_offsets}
        self._on_progress = on_progress
        self._monotonic_s = monotonic_s
        self._next = {p: r.start for p, r in self._ranges.items()}
        self._queues: dict[int, deque[Message]] = {p: deque() for p in self._ranges}
        self._limit = max(_QUEUED_MESSAGES // max(len(self._ranges), 1), _BATCH)
        self._unread = set(self._ranges)
        self._paused: set[int] = set()
        self._consumer: Consumer | None = None
        self._heard_s = 0.0

    def __enter__(self) -> RangeReader:
        self._consumer = reading_consumer(self._settings)
        self._consumer.assign([TopicPartition(self._topic, p, r.start) for p, r in self._ranges.items()])
        self._heard_s = self._monotonic_s()
        return self

    def __exit__(self, *_: object) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None

    def messages(self, partition: int) -> Iterator[list[Message]]:
        """Yield all messages of a partition's range in their order, some at a time; nothing for a partition without a range.

        Raises
        ------
        DataError
            The broker deleted a part of the range in the meantime.
        UnavailableError
            The broker does not answer.
        """
        queue = self._queues.get(partition)
        if queue is None:
            return
        while queue or partition in self._unread:
            if not queue:
                self._read(partition)
            else:
                taken = [queue.popleft() for _ in range(min(len(queue), _BATCH))]
                yield taken

    def _read(self, wanted: int) -> None:
        """Wait for messages of one partition, and take what comes of the others."""
        consumer = self._consumer
        if consumer is None:
            msg = "read in a `with` statement"
            raise RuntimeError(msg)
        if wanted in self._paused:
            self._paused.discard(wanted)
            consumer.resume([TopicPartition(self._topic, wanted)])
        messages = consumer.consume(_BATCH, _POLL_S)
        now = self._monotonic_s()
        if messages:
            self._heard_s = now
        for message in messages:
            partition = message.partition()
            if partition is None or partition not in self._unread:
                continue
            trouble = message.error()
            if trouble is None:
                self._take(partition, message)
            else:
                self._on_error(partition, message, trouble)
        finished = [p for p in self._ranges if p not in self._unread and p not in self._paused]
        ahead = [p for p in self._unread - self._paused - {wanted} if len(self._queues[p]) >= self._limit]
        if finished or ahead:
            consumer.pause([TopicPartition(self._topic, p) for p in (*finished, *ahead)])
            self._paused |= {*finished, *ahead}
        self._on_progress(sum(self._next[p] - r.start for p, r in self._ranges.items()))
        if now - self._heard_s > _PATIENCE_S:
            msg = f"nothing came from partition {wanted} of {self._topic} for {_PATIENCE_S:g} s; is the broker at {self._settings.bootstrap} healthy?"
            raise UnavailableError(msg)

    def _take(self, partition: int, message: Message) -> None:
        offset = message.offset()
        if offset is None or offset < self._next[partition]:
            return
        end = self._ranges[partition].end
        if offset < end:
            self._queues[partition].append(message)
        self._advance(partition, offset + 1)

    def _advance(self, partition: int, offset: int) -> None:
        end = self._ranges[partition].end
        self._next[partition] = min(offset, end)
        if offset >= end:
            self._unread.discard(partition)

    def _on_error(self, partition: int, message: Message, trouble: KafkaError) -> None:
        code = trouble.code()
        if code == KafkaError._PARTITION_EOF:
            self._advance(partition, max(message.offset() or 0, self._next[partition]))
        elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            msg = (
                f"the broker has deleted messages of partition {partition} of {self._topic} from offset {self._next[partition]} on while they "
                "were read; begin later (`--from`), or raise the retention of the topic"
            )
            raise DataError(msg)
        elif remedy_for(code) is Remedy.MEND:
            raise translate_kafka_error(trouble, f"read {self._topic}")
