"""A Kafka in this process: librdkafka's mock cluster, good enough for consumer groups and commits."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import Consumer, Message, Producer, TopicPartition


class MockCluster:
    """Brokers that live as long as this object; topics come into being when something is sent to them.

    A context manager.
    """

    def __init__(self) -> None:
        self._producer = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
        (broker,) = self._producer.list_topics(timeout=10).brokers.values()
        self.bootstrap = f"{broker.host}:{broker.port}"

    def send(self, topic: str, *values: bytes, key: bytes | None = None, partition: int = 0) -> None:
        """Append messages to a partition, and wait until the broker has them."""
        for value in values:
            self._producer.produce(topic, value=value, key=key, partition=partition)
        waiting = self._producer.flush(10)
        assert waiting == 0

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """Offset a group has committed; negative if none."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "log_level": 0})
        try:
            (found,) = consumer.committed([TopicPartition(topic, partition)], timeout=10)
            return int(found.offset)
        finally:
            consumer.close()

    def read(self, topic: str, n: int) -> list[Message]:
        """The first messages of a topic, of whatever partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader", "log_level": 0})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([TopicPartition(topic, p, 0) for p in partitions])
            found: list[Message] = []
            for _ in range(100):
                found += consumer.consume(n - len(found), timeout=0.1)
                if len(found) == n:
                    break
            return found
        finally:
            consumer.close()

    def __enter__(self) -> MockCluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._producer.flush(1)
        del self._producer
