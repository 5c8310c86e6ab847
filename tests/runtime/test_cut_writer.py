from __future__ import annotations

from collections.abc import Callable
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.runtime import cut_writer
from stream_gov.runtime.cut_ledger import Commit, SourcePartition
from stream_gov.runtime.cut_messages import OutgoingMessage
from stream_gov.runtime.cut_writer import CutWriter
from stream_gov.runtime.kafka_clients import BrokerHealth
from stream_gov.runtime.kafka_errors import AccessDeniedError, TakenOverError
from stream_gov.runtime.worker_metrics import IngestMetrics
from stream_gov.settings import Settings

SETTINGS = Settings(bootstrap="127.0.0.1:1")
PANE = OutgoingMessage("summaries", b"m", b"pane")
WATERMARK = OutgoingMessage("summaries", None, b"mark", everywhere=True)
LETTER = OutgoingMessage("dead_letters", b"k", b"payload", (("reason", b"x"),))


class FakeProducer:
    """Delivers at `flush`; `error_of` decides about each message."""

    made: list[FakeProducer]

    def __init__(self, error_of: Callable[[FakeProducer, str, bytes | None], int | None]) -> None:
        self.error_of = error_of
        self.queue: list[tuple[str, bytes | None, dict[str, Any]]] = []
        self.delivered: list[tuple[str, bytes | None, int]] = []
        self.headers: list[list[tuple[str, bytes]]] = []
        self.purged = False

    def produce(self, topic: str, **message: Any) -> None:
        self.queue.append((topic, message["value"], message))

    def flush(self, timeout: float) -> int:
        for topic, value, message in self.queue:
            code = self.error_of(self, topic, value)
            if code is None:
                self.delivered.append((topic, value, message["partition"]))
                self.headers.append(message["headers"])
            report = SimpleNamespace(partition=lambda: 0, offset=lambda: 0, value=lambda value=value: value)
            message["on_delivery"](None if code is None else KafkaError(code), report)
        self.queue = []
        return 0

    def poll(self, timeout: float) -> int:
        return 0

    def purge(self) -> None:
        self.purged = True

    def list_topics(self, topic: str, timeout: float) -> SimpleNamespace:
        return SimpleNamespace(topics={topic: SimpleNamespace(error=None, partitions={0: 0, 1: 0, 2: 0})})


class Scene:
    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        error_of: Callable[[FakeProducer, str, bytes | None], int | None] = lambda *_: None,
        consumer: Any = None,
    ) -> None:
        self.producers: list[FakeProducer] = []
        self.now = 0.0
        self.stop = Event()
        self.metrics = IngestMetrics()

        def make(_: Any) -> FakeProducer:
            self.producers.append(FakeProducer(error_of))
            return self.producers[-1]

        monkeypatch.setattr(cut_writer, "make_producer", make)
        monkeypatch.setattr(cut_writer, "_FIRST_BACKOFF_S", 0.0)
        self.writer = CutWriter(
            SETTINGS,
            consumer,
            self.metrics,
            stop=self.stop,
            health=BrokerHealth("b", "ingest"),
            monotonic_s=self.clock,
        )

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def delivered(self) -> list[tuple[str, bytes | None, int]]:
        return [message for producer in self.producers for message in producer.delivered]


def test_a_watermark_goes_to_every_partition_and_a_pane_to_that_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch)
    scene.writer.send([PANE, WATERMARK, LETTER])
    assert scene.delivered() == [
        ("stream-gov.summaries", b"pane", -1),
        ("stream-gov.summaries", b"mark", 0),
        ("stream-gov.summaries", b"mark", 1),
        ("stream-gov.summaries", b"mark", 2),
        ("inference-events.dlq", b"payload", -1),
    ]


def test_after_a_failed_delivery_everything_is_sent_again_by_a_new_producer(monkeypatch: pytest.MonkeyPatch) -> None:
    def error_of(producer: FakeProducer, _: str, value: bytes | None) -> int | None:
        first = producer is scene.producers[0]
        return KafkaError._MSG_TIMED_OUT if first and value == b"mark" else None

    scene = Scene(monkeypatch, error_of)
    with capture_logs() as lines:
        scene.writer.send([PANE, WATERMARK])
    old, new = scene.producers
    assert old.purged, "or it could deliver later"
    assert [value for _, value, _ in new.delivered] == [b"pane", b"mark", b"mark", b"mark"]
    assert [line["event"] for line in lines] == [
        "a cut cannot be delivered now; trying again",
        "the cut was delivered",
    ]


def test_it_gives_up_before_the_group_does(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, lambda *_: KafkaError._MSG_TIMED_OUT)
    monkeypatch.setattr(cut_writer, "_GIVE_UP_S", 3.0)
    with pytest.raises(TakenOverError, match="the next owner of the partitions sends the cut"):
        scene.writer.send([PANE])


def test_a_worker_that_is_told_to_stop_gives_up_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, lambda *_: KafkaError._MSG_TIMED_OUT)
    scene.stop.set()
    with pytest.raises(TakenOverError):
        scene.writer.send([PANE])
    assert scene.now < 40


def test_what_no_retry_mends_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, lambda *_: KafkaError.POLICY_VIOLATION)
    with pytest.raises(ConfigurationError, match="policy does not allow"):
        scene.writer.send([PANE])


def test_rights_that_are_missing_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([KafkaError.TOPIC_AUTHORIZATION_FAILED] * 3)
    scene = Scene(monkeypatch, lambda *_: next(tries, None))
    with capture_logs() as lines:
        scene.writer.send([PANE])
    (warning,) = [line for line in lines if line["log_level"] == "warning"]
    assert "right to read and write the topics" in warning["reason"]
    assert scene.producers[-1].delivered


def test_a_dead_letter_too_large_for_its_topic_goes_without_its_payload(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, lambda _, __, value: KafkaError.MSG_SIZE_TOO_LARGE if value == b"payload" else None)
    scene.writer.send([LETTER])
    (producer,) = scene.producers
    assert producer.delivered == [("inference-events.dlq", None, -1)]
    assert producer.headers == [[("reason", b"x"), ("payload_left_out_bytes", b"7")]]


def test_a_summary_too_large_for_its_topic_is_dropped_counted_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, lambda _, __, value: KafkaError.MSG_SIZE_TOO_LARGE if value == b"pane" else None)
    with capture_logs() as lines:
        scene.writer.send([PANE, LETTER])
    assert [value for _, value, _ in scene.delivered()] == [b"payload", b"payload"], (
        "what is good goes out again with it"
    )
    assert scene.metrics.registry.get_sample_value("stream_gov_bound_hits_total", {"bound": "record_bytes"}) == 1
    assert any(line["log_level"] == "error" and line["key"] == "m" for line in lines)


class FakeConsumer:
    def __init__(self, error: int | None = None, partition_error: int | None = None) -> None:
        self.error, self.partition_error = error, partition_error
        self.commits: list[Any] = []

    def commit(self, *, offsets: list[Any], asynchronous: bool) -> list[Any]:
        assert not asynchronous
        if self.error is not None:
            raise KafkaException(KafkaError(self.error))
        self.commits += offsets
        failed = None if self.partition_error is None else KafkaError(self.partition_error)
        return [SimpleNamespace(partition=p.partition, error=failed) for p in offsets]


COMMIT = Commit(SourcePartition("e", 2), 7, '{"cut":9,"now":1}')


def test_commits_carry_offset_and_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = FakeConsumer()
    Scene(monkeypatch, consumer=consumer).writer.commit([COMMIT])
    (made,) = consumer.commits
    assert (made.topic, made.partition, made.offset, made.metadata) == ("e", 2, 7, '{"cut":9,"now":1}')


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (KafkaError.REBALANCE_IN_PROGRESS, UnavailableError),
        (KafkaError.UNKNOWN_MEMBER_ID, TakenOverError),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, AccessDeniedError),
    ],
)
def test_a_refused_commit_says_whether_to_try_again(
    monkeypatch: pytest.MonkeyPatch, code: int, expected: type[Exception]
) -> None:
    for consumer in (FakeConsumer(error=code), FakeConsumer(partition_error=code)):
        with pytest.raises(expected) as caught:
            Scene(monkeypatch, consumer=consumer).writer.commit([COMMIT])
        assert type(caught.value) is expected
