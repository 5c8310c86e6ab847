"""What a test needs of a broker: topics of its own, producing, reading everything, workers in threads, waiting for conditions."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream_gov.contracts import Monitor, SummaryRecord, decode_record
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.catalog_publisher import CatalogPublisher
from stream_gov.runtime.cut_ledger import Intent
from stream_gov.runtime.kafka_clients import wait_for_broker
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings, TopicSettings

DEADLINE_S = 45.0
_QUICK = {"session.timeout.ms": "3000", "heartbeat.interval.ms": "200"}
"""A group of the embedded broker waits for every member that has left without a word; a Kafka allows no less than six seconds."""
_numbers = itertools.count()
T = TypeVar("T")


def wait_until(condition: Callable[[], T], what: str, *, deadline_s: float = DEADLINE_S) -> T:
    """Return what the condition gives as soon as it is true."""
    deadline = time.monotonic() + deadline_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            msg = f"{what}: not within {deadline_s:g} s; last seen: {found!r}"
            raise AssertionError(msg)
        time.sleep(0.05)
    return found


def _end_of(consumer: Consumer, topic: str, partition: int) -> int:
    """Offset after the last message; asked again while a broker that stalled takes up the lead of its partitions."""
    deadline = time.monotonic() + 20
    while True:
        try:
            end: int = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
        except KafkaException as err:
            if err.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return end


class TestCluster:
    """One test's corner of a broker."""

    __test__ = False

    def __init__(self, bootstrap: str, *, n_partitions: int = 4, **settings: Any) -> None:
        # The time too: a Kafka that stands for long may know the number of this process from another run.
        embedded = wait_for_broker(Settings(bootstrap=bootstrap), "test", give_up_after_s=10).embedded
        self.n_partitions = n_partitions
        name = f"t{os.getpid()}-{time.time_ns() % 10**9}-{next(_numbers)}"
        self.settings = Settings(
            bootstrap=bootstrap,
            group=name,
            topics=TopicSettings(prefix=f"{name}.", partitions=n_partitions),
            cut_interval="200ms",
            metrics_port=0,
            **{"kafka": _QUICK if embedded else {}} | settings,
        )
        self.producer = Producer(
            {"bootstrap.servers": bootstrap, "linger.ms": 1, "log_level": 0, "partitioner": "murmur2_random"}
        )
        self._readers: list[Consumer] = []
        self._workers: list[tuple[threading.Event, threading.Thread]] = []
        self.errors: list[BaseException] = []

    def __enter__(self) -> TestCluster:
        ensure_topics(self.settings, wait_for_broker(self.settings, "test", give_up_after_s=10))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stop, _ in self._workers:
            stop.set()
        for _, thread in self._workers:
            thread.join(timeout=20)
        for reader in self._readers:
            reader.close()
        if kind is None:
            assert not self.errors, self.errors

    def topic(self, role: str) -> str:
        return self.settings.topics.name(role)

    # --- in ------------------------------------------------------------------------------------------------------------------------

    def publish(self, *monitors: Monitor, profiles: Iterable[ReferenceProfile] = ()) -> None:
        with CatalogPublisher(self.settings) as publisher:
            for profile in profiles:
                publisher.publish_reference(profile)
            for monitor in monitors:
                publisher.publish_monitor(monitor)

    def send(
        self,
        values: Iterable[bytes],
        *,
        partition: int = -1,
        key: str | None = None,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> int:
        n = 0
        for n, value in enumerate(values, start=1):
            self.producer.produce(
                self.topic("events"), value=value, partition=partition, key=key or f"k{n}", headers=headers
            )
            if n % 1000 == 0:
                self.producer.flush(10)
        assert self.producer.flush(20) == 0
        return n

    # --- out -----------------------------------------------------------------------------------------------------------------------

    def reader(self, role: str) -> Callable[[], list[Message]]:
        """Return a function that gives all messages a topic holds at the time of the call."""
        topic = self.topic(role)
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.bootstrap,
                "group.id": f"{self.settings.group}.reader",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "log_level": 0,
            }
        )
        self._readers.append(consumer)
        partitions = sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
        seen: list[Message] = []
        position = dict.fromkeys(partitions, 0)

        def read() -> list[Message]:
            ends = {p: _end_of(consumer, topic, p) for p in partitions}
            deadline = time.monotonic() + 20
            while any(position[p] < end for p, end in ends.items()):
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end: {position} of {ends}"
                for message in consumer.consume(1000, 0.05):
                    assert message.error() is None, message.error()
                    seen.append(message)
                    position[message.partition() or 0] = (message.offset() or 0) + 1
            return seen

        return read

    def json_reader(self, role: str) -> Callable[[], list[dict[str, Any]]]:
        read = self.reader(role)
        return lambda: [json.loads(m.value() or b"") for m in read()]

    def record_reader(self) -> Callable[[], list[tuple[int, SummaryRecord]]]:
        read = self.reader("summaries")
        return lambda: [(m.partition() or 0, decode_record(_bytes(m))) for m in read()]

    def committed(self, worker: str, role: str) -> list[tuple[int, str]]:
        """Offset of each partition, and the metadata if a cut is announced in it."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.bootstrap,
                "group.id": f"{self.settings.group}.{worker}",
                "log_level": 0,
            }
        )
        try:
            partitions = consumer.list_topics(self.topic(role), timeout=10).topics[self.topic(role)].partitions
            found = consumer.committed([TopicPartition(self.topic(role), p) for p in partitions], timeout=10)
            return [
                (p.offset, (p.metadata or "") if Intent.from_metadata(p.metadata) else "")
                for p in sorted(found, key=lambda p: p.partition)
            ]
        finally:
            consumer.close()

    def ends(self, role: str) -> list[int]:
        """Offset after the last message of each partition."""
        consumer = Consumer({"bootstrap.servers": self.settings.bootstrap, "group.id": "ends", "log_level": 0})
        try:
            partitions = consumer.list_topics(self.topic(role), timeout=10).topics[self.topic(role)].partitions
            return [_end_of(consumer, self.topic(role), p) for p in sorted(partitions)]
        finally:
            consumer.close()

    def environment(self, **more: str) -> dict[str, str]:
        """Environment in which a worker process works on this test's topics."""
        ours = {
            "STREAM_GOV_BOOTSTRAP": self.settings.bootstrap,
            "STREAM_GOV_GROUP": self.settings.group,
            "STREAM_GOV_TOPICS__PREFIX": self.settings.topics.prefix,
            "STREAM_GOV_TOPICS__PARTITIONS": str(self.n_partitions),
            "STREAM_GOV_CUT_INTERVAL": "200ms",
            "STREAM_GOV_METRICS_PORT": "0",
            "STREAM_GOV_KAFKA": json.dumps(self.settings.kafka),
            "PYTHONUNBUFFERED": "1",
        }
        return os.environ | ours | more

    # --- workers -------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def running(
        self, run: Callable[[Settings, threading.Event], None], settings: Settings | None = None
    ) -> Iterator[threading.Event]:
        """Run a worker in a thread; stop it cleanly at the end."""
        stop = threading.Event()

        def body() -> None:
            try:
                run(settings or self.settings, stop)
            except BaseException as err:
                self.errors.append(err)
                raise

        thread = threading.Thread(target=body, daemon=True)
        self._workers.append((stop, thread))
        thread.start()
        try:
            yield stop
        finally:
            stop.set()
            thread.join(timeout=20)
            assert not thread.is_alive(), "the worker did not stop within 20 s"


def _bytes(message: Message) -> bytes:
    value: Any = message.value()
    return bytes(value)


def events_of(messages: Sequence[dict[str, Any]], **wanted: Any) -> list[dict[str, Any]]:
    """Messages whose fields are as wanted."""
    return [m for m in messages if all(m.get(k) == v for k, v in wanted.items())]
