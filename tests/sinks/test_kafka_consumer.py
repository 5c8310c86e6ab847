from __future__ import annotations

import re
import threading
from collections import deque
from typing import Any

import msgspec
import pytest
from confluent_kafka import KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from structlog.testing import capture_logs

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.settings import Settings, TopicSettings
from stream_gov.sinks import LoopOptions, run_loop
from stream_gov.sinks.kafka_consumer import KafkaTroubles, make_consumer
from tests.contracts.messages import a_result, an_alert
from tests.servers.finder import free_port
from tests.servers.mock_cluster import MockCluster
from tests.sinks.fake_kafka import FakeClock, FakeSink
from tests.sinks.worker import MOCK_CLUSTER_OPTIONS, Worker

PREFIX = "test."
METRICS, ALERTS = "test.drift-metrics", "test.drift-alerts"
GROUP = "test-group.sink.fake"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (KafkaError._TRANSPORT, "does not answer; start it, or set bootstrap"),
        (KafkaError._RESOLVE, "does not answer; start it, or set bootstrap"),
        (KafkaError.SASL_AUTHENTICATION_FAILED, "refuses the log-in .* mend security.protocol"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "forbids reading .* grant READ"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "forbids reading .* grant READ"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, "a topic is missing .* stream-gov detect creates it"),
        (KafkaError._MAX_POLL_EXCEEDED, "longer than max.poll.interval.ms"),
        (KafkaError.INVALID_MSG, "Kafka reports INVALID_MSG"),
    ],
)
def test_errors_of_kafka_come_with_a_remedy(code: int, remedy: str) -> None:
    assert re.search(remedy, KafkaTroubles("broker:9092").describe(KafkaError(code, "reason")))


def test_the_same_trouble_is_said_again_only_after_a_while_or_after_it_was_over() -> None:
    clock = FakeClock()
    troubles = KafkaTroubles("broker:9092", clock=clock)
    with capture_logs() as logs:
        for seconds in (0, 10, 10, 11, 1):
            clock.now_s += seconds
            troubles.report(KafkaError(KafkaError._TRANSPORT))
        assert len(logs) == 2
        troubles.over()
        troubles.over()
        troubles.report(KafkaError(KafkaError._TRANSPORT))
    assert [entry["log_level"] for entry in logs] == ["warning", "warning", "info", "warning"]


def test_an_option_librdkafka_does_not_know_is_named() -> None:
    settings = Settings(bootstrap="localhost:1", kafka={"secruity.protocol": "SSL"})
    with pytest.raises(ConfigurationError, match=r"secruity\.protocol.*mend the setting kafka"):
        make_consumer(settings, group="g", client="c", troubles=KafkaTroubles(""))


def settings_of(bootstrap: str) -> Settings:
    """Of a mock cluster."""
    return Settings(
        bootstrap=bootstrap,
        group="test-group",
        topics=TopicSettings(prefix=PREFIX),
        kafka={
            # must have no effect: a sink commits when it has written
            "enable.auto.commit": "true",
            "auto.commit.interval.ms": "10",
            **MOCK_CLUSTER_OPTIONS,
        },
    )


class FakeSinkWorker(Worker):
    """A fake sink on a real consumer."""

    def __init__(self, settings: Settings, **sink: Any) -> None:
        self.sink = FakeSink([], **sink)
        options = LoopOptions(batch_size=50)
        super().__init__(lambda stop, counts: run_loop(settings, self.sink, stop, options=options, counts=counts))


def metrics(n: int, stem: str = "r") -> list[bytes]:
    return [msgspec.json.encode(a_result(id=f"{stem}{i}")) for i in range(n)]


@pytest.mark.broker
def test_on_a_broker_offsets_are_committed_only_after_the_write_whatever_the_options_say() -> None:
    with MockCluster() as cluster:
        cluster.send(METRICS, *metrics(120))
        cluster.send(ALERTS, msgspec.json.encode(an_alert(id="a")))
        down = UnavailableError("the store does not answer; start it")
        # a worker that never gets through to its store, and is stopped
        with FakeSinkWorker(settings_of(cluster.bootstrap), refuse=lambda records: down) as first:
            first.until(lambda: first.counts.failures >= 3)
            assert first.counts.trouble == str(down)
            assert first.counts.lag >= 70
            assert first.sink.most_held <= 50
        assert first.sink.accepted == []
        assert cluster.committed(GROUP, METRICS) < 0
        # one that gets through after a while
        with FakeSinkWorker(settings_of(cluster.bootstrap), failures=deque([down, down])) as second:
            second.until(lambda: second.counts.written >= 121)
            second.until(lambda: cluster.committed(GROUP, METRICS) == 120)
            assert cluster.committed(GROUP, ALERTS) == 1
            assert second.counts.failures == 2
        assert {r.id for r in second.sink.accepted} == {*(f"r{i}" for i in range(120)), "a"}
        # one that finds all done, and only what is new to do
        cluster.send(METRICS, *metrics(5, "new"))
        with FakeSinkWorker(settings_of(cluster.bootstrap)) as third:
            third.until(lambda: third.counts.written >= 5)
        assert {r.id for r in third.sink.accepted} == {f"new{i}" for i in range(5)}


@pytest.mark.broker
def test_two_workers_divide_the_partitions_and_one_takes_over_from_the_other() -> None:
    with MockCluster() as cluster:
        for partition in range(4):
            cluster.send(METRICS, *metrics(10, f"p{partition}-"), partition=partition)
        with FakeSinkWorker(settings_of(cluster.bootstrap)) as first:
            first.until(lambda: first.counts.written == 40)
            with FakeSinkWorker(settings_of(cluster.bootstrap)) as second:
                second.until(lambda: len(second.logs) > 0)
                for round_ in range(100):
                    for partition in range(4):
                        cluster.send(METRICS, *metrics(1, f"r{round_}-p{partition}-"), partition=partition)
                    if second.counts.written:
                        break
                    threading.Event().wait(0.2)
                assert second.counts.written
            total = 40 + 4 * (round_ + 1)
            first.until(lambda: sum(cluster.committed(GROUP, METRICS, p) for p in range(4)) == total)
        written = {r.id for r in first.sink.accepted} | {r.id for r in second.sink.accepted}
        assert len(written) == total


@pytest.mark.broker
def test_without_a_broker_it_says_so_and_a_stop_still_ends_it() -> None:
    port = free_port()
    with FakeSinkWorker(settings_of(f"127.0.0.1:{port}")) as worker:
        worker.until(lambda: any("does not answer" in entry["event"] for entry in worker.logs))
    (said,) = {entry["event"] for entry in worker.logs if entry["log_level"] == "warning"}
    assert said.startswith(f"Kafka at 127.0.0.1:{port} does not answer; start it, or set bootstrap")


@pytest.fixture
def kafka_settings(kafka_bootstrap: str, unique_name: Any) -> Settings:
    """Topics and a group of this test's own on a real Apache Kafka."""
    return Settings(
        bootstrap=kafka_bootstrap,
        group=unique_name("group"),
        topics=TopicSettings(prefix=unique_name("sinks") + "."),
    )


class Kafka:
    """What a test does to a real broker."""

    def __init__(self, settings: Settings) -> None:
        address = {"bootstrap.servers": settings.bootstrap, "log_level": 0}
        self.topic = settings.topics.name("metrics")
        self.admin = AdminClient(address)
        self._producer = Producer(address)

    def create(self, partitions: int) -> None:
        self.admin.create_topics([NewTopic(self.topic, partitions, 1)])[self.topic].result(30)

    def send(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(self.topic, value)
        assert self._producer.flush(30) == 0

    def delete_before(self, offset: int) -> None:
        """Do what retention does."""
        place = TopicPartition(self.topic, 0, offset)
        (done,) = self.admin.delete_records([place]).values()
        done.result(30)


@pytest.mark.kafka
def test_on_kafka_a_topic_that_is_missing_is_named_and_read_once_it_is_there(kafka_settings: Settings) -> None:
    kafka = Kafka(kafka_settings)
    with FakeSinkWorker(kafka_settings) as worker:
        worker.until(lambda: any("a topic is missing" in entry["event"] for entry in worker.logs))
        kafka.create(2)
        kafka.send(*metrics(20))
        worker.until(lambda: worker.counts.written >= 20)
    assert worker.counts.lost == 0


@pytest.mark.kafka
def test_on_kafka_what_was_deleted_while_the_sink_was_away_is_counted(kafka_settings: Settings) -> None:
    kafka = Kafka(kafka_settings)
    kafka.create(1)
    kafka.send(*metrics(30))
    kafka.delete_before(10)  # before the group came into being: no loss of its own
    with FakeSinkWorker(kafka_settings) as first:
        first.until(lambda: first.counts.written >= 20)
    assert first.counts.lost == 0
    kafka.send(*metrics(30, "more"))
    kafka.delete_before(45)
    with FakeSinkWorker(kafka_settings) as second:
        second.until(lambda: second.counts.written >= 15)
    assert {r.id for r in second.sink.accepted} == {f"more{i}" for i in range(15, 30)}
    assert second.counts.lost == 15
    assert any("15 messages from offset 30 were deleted" in entry["event"] for entry in second.logs)
