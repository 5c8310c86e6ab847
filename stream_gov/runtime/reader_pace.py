"""Keeps a writer from running away from its readers on the embedded broker, which keeps only 5 MB of a partition."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Lock

from confluent_kafka import Consumer, KafkaException, TopicPartition

from stream_gov.runtime.kafka_clients import client_config, make_consumer
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import Settings

__all__ = ["PACE_BYTES", "ReaderPace", "UnreadBytes"]

PACE_BYTES = 3 * 1024 * 1024
"""Bytes of a partition that a writer may be ahead of its readers' commits; the embedded broker keeps about 5 MB."""

_OVERHEAD = 100
"""Bytes a message takes beside its key and value, at most about."""
_LOOK_EVERY_S = 0.05
_FIRST_COMMIT_S = 30.0
_NO_PROGRESS_S = 60.0
_TIMEOUT_S = 5.0


class UnreadBytes:
    """Bytes sent to each partition that lie at or behind an offset. Safe to be used from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sent: dict[int, deque[tuple[int, int]]] = {}
        self._bytes: dict[int, int] = {}

    def sent(self, partition: int, offset: int, size: int) -> None:
        """Note a delivered message."""
        with self._lock:
            self._sent.setdefault(partition, deque()).append((offset, size + _OVERHEAD))
            self._bytes[partition] = self._bytes.get(partition, 0) + size + _OVERHEAD

    def read(self, partition: int, offset: int) -> None:
        """Note that everything below the offset was read."""
        with self._lock:
            sent = self._sent.get(partition)
            while sent and sent[0][0] < offset:
                self._bytes[partition] -= sent.popleft()[1]

    def over(self, limit: int) -> list[int]:
        """Partitions with more unread bytes than `limit`."""
        with self._lock:
            return [p for p, n in self._bytes.items() if n > limit]


class ReaderPace:
    """Waits while a reader lags too far behind what was written to a topic.

    A group counts as a reader once it has committed for the topic. While none has, the writer waits half a minute for the first;
    a group that makes no progress for a minute is waited for no longer, until it moves again: a broken reader must not stop the flow.

    Parameters
    ----------
    settings
        Name the broker.
    worker
        Who writes, for the log.
    topic
        What is written.
    groups
        Consumer groups that read it.
    limit_bytes
        Unread bytes allowed per partition.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        topic: str,
        groups: Sequence[str],
        *,
        limit_bytes: int = PACE_BYTES,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._limit = limit_bytes
        self._monotonic_s = monotonic_s
        self._log = get_logger(worker)
        config = client_config(settings, f"{worker}-pace")
        self._clients: dict[str, Consumer] = {g: make_consumer(config | {"group.id": g}) for g in groups}
        self._unread = {group: UnreadBytes() for group in groups}
        self._active: set[str] = set()
        self._given_up: dict[str, dict[int, int]] = {}
        self._without_reader = False

    def sent(self, partition: int, offset: int, size: int) -> None:
        """Note a delivered message."""
        for unread in self._unread.values():
            unread.sent(partition, offset, size)

    @property
    def near(self) -> bool:
        """Whether no reader is too far behind; asks nobody."""
        return not any(unread.over(self._limit) for unread in self._unread.values())

    def wait(self, stop: Event | None = None) -> None:
        """Return when every reader is near enough; at once if it is, without asking the broker."""
        started = self._monotonic_s()
        progress: dict[str, tuple[float, dict[int, int]]] = {}
        while behind := {g: p for g, unread in self._unread.items() if (p := unread.over(self._limit))}:
            for group, partitions in behind.items():
                committed = self._committed(group, partitions)
                if any(offset >= 0 for offset in committed.values()):
                    self._active.add(group)
                for partition, offset in committed.items():
                    self._unread[group].read(partition, offset)
                if progress.get(group, (0.0, {}))[1] != committed:
                    progress[group] = (self._monotonic_s(), committed)
                if self._given_up.get(group, committed) != committed:
                    del self._given_up[group]
            now = self._monotonic_s()
            for group in behind.keys() & self._active - self._given_up.keys():
                if now - progress[group][0] > _NO_PROGRESS_S:
                    self._given_up[group] = progress[group][1]
                    self._log.warning(
                        "a reader makes no progress and is waited for no longer; on the embedded broker it will miss messages",
                        group=group,
                        topic=self._topic,
                    )
            if self._may_go_on(now - started) or (stop is not None and stop.is_set()):
                return
            (stop or Event()).wait(_LOOK_EVERY_S)

    def _may_go_on(self, waited_s: float) -> bool:
        waited_for = {g for g in self._unread if g in self._active and g not in self._given_up}
        if waited_for:
            return not any(self._unread[g].over(self._limit) for g in waited_for)
        if self._active or self._without_reader:
            return True
        if waited_s > _FIRST_COMMIT_S:
            self._without_reader = True
            self._log.warning(
                "nobody reads this topic; the embedded broker keeps only the newest 5 MB of a partition",
                topic=self._topic,
            )
        return self._without_reader

    def _committed(self, group: str, partitions: Sequence[int]) -> dict[int, int]:
        wanted = [TopicPartition(self._topic, p) for p in partitions]
        try:
            return {p.partition: p.offset for p in self._clients[group].committed(wanted, timeout=_TIMEOUT_S)}
        except KafkaException:
            return dict.fromkeys(partitions, -1)

    def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            client.close()
