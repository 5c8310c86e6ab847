"""Where the cuts of an ingest worker go: commits through its consumer, messages through an idempotent producer."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream_gov.contracts import ConfigurationError
from stream_gov.runtime.cut_ledger import Commit
from stream_gov.runtime.cut_messages import OutgoingMessage
from stream_gov.runtime.kafka_clients import BrokerHealth, make_producer, producer_config
from stream_gov.runtime.kafka_errors import TakenOverError, translate_kafka_error
from stream_gov.runtime.reader_pace import ReaderPace
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.runtime.worker_metrics import IngestMetrics
from stream_gov.settings import Settings

__all__ = ["CutWriter"]

_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.2, 5.0
_GIVE_UP_S = 240.0
"""Shorter than the group's patience (`max.poll.interval.ms`, 300 s by default)."""
_STOP_GRACE_S = 8.0
_PACE_EVERY_BYTES = 512 * 1024
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE, KafkaError.RECORD_LIST_TOO_LARGE})


class CutWriter:
    """The `CutPort` of a worker.

    A broker that goes away during a cut is waited for: the messages are sent again, and readers know a repetition. After four
    minutes, or when the worker is told to stop, it gives up and the partitions are begun anew from what was committed.

    Parameters
    ----------
    settings
        Name broker and topics.
    consumer
        The member of the group that commits.
    metrics
        Counts messages that are too large.
    stop
        Tells the worker to stop.
    pace
        Holds the writer back on the embedded broker; None on a Kafka.
    on_left_out
        Told the key and the size of each summary that no topic takes.
    """

    def __init__(
        self,
        settings: Settings,
        consumer: Consumer,
        metrics: IngestMetrics,
        *,
        stop: Event,
        health: BrokerHealth,
        pace: ReaderPace | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        on_left_out: Callable[[str, int], None] = lambda _key, _bytes: None,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._metrics = metrics
        self._on_left_out = on_left_out
        self._stop = stop
        self._health = health
        self._pace = pace
        self._monotonic_s = monotonic_s
        self._log = get_logger("ingest")
        self._topics = {role: settings.topics.name(role) for role in ("summaries", "dead_letters")}
        self._producer: Producer | None = None
        self._n_partitions = 0
        self._failed: list[tuple[int, KafkaError]] = []

    # --- commits -------------------------------------------------------------------------------------------------------------------

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commit for the group.

        Raises
        ------
        UnavailableError
            Not now; the same commit may be tried again.
        TakenOverError
            The worker is no member of the group any more.
        """
        offsets = [TopicPartition(c.source.topic, c.source.partition, c.offset, c.metadata) for c in commits]
        doing = f"commit offsets of group {self._settings.group}.ingest"
        try:
            done = self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as err:
            raise translate_kafka_error(err, doing) from err
        for partition in done or ():
            if partition.error is not None:
                raise translate_kafka_error(partition.error, f"{doing} for partition {partition.partition}")
        self._health.answered()

    # --- messages ------------------------------------------------------------------------------------------------------------------

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Deliver in order; return when all were acknowledged.

        Raises
        ------
        TakenOverError
            They could not be delivered; some may have been.
        ConfigurationError
            The broker refuses them.
        """
        left = list(messages)
        started, backoff = self._monotonic_s(), _FIRST_BACKOFF_S
        said = False
        while True:
            error = self._try(left)
            if error is None:
                if said:
                    self._log.info("the cut was delivered", after_seconds=round(self._monotonic_s() - started, 1))
                self._health.answered()
                return
            if error.code() in _TOO_LARGE:
                left = self._without_the_too_large(left)
                continue
            translated = translate_kafka_error(error, "deliver a cut")
            if isinstance(translated, ConfigurationError):
                raise translated
            self._drop_producer()
            waited = self._monotonic_s() - started
            if waited > (_STOP_GRACE_S if self._stop.is_set() else _GIVE_UP_S):
                msg = f"{translated}; given up after {waited:.0f} s, the next owner of the partitions sends the cut"
                raise TakenOverError(msg)
            if not said:
                said = True
                self._log.warning("a cut cannot be delivered now; trying again", reason=str(translated))
            self._stop.wait(backoff) if not self._stop.is_set() else time.sleep(_FIRST_BACKOFF_S)
            backoff = min(2 * backoff, _LAST_BACKOFF_S)

    def _try(self, messages: Sequence[OutgoingMessage]) -> KafkaError | None:
        """Produce and flush once; return the first error."""
        self._failed = []
        unpaced = 0
        try:
            producer = self._connected()
            for i, message in enumerate(messages):
                for partition in self._partitions_for(producer, message):
                    self._produce(producer, i, message, partition)
                unpaced += len(message.value or b"")
                if self._pace is not None and unpaced > _PACE_EVERY_BYTES:
                    unpaced = 0
                    self._flush(producer)
                    self._pace.wait(self._stop)
            self._flush(producer)
        except KafkaException as err:
            cause = err.args[0]
            return cause if isinstance(cause, KafkaError) else KafkaError(KafkaError._FAIL)
        if self._pace is not None and unpaced:
            self._pace.wait(self._stop)
        return self._failed[0][1] if self._failed else None

    def _flush(self, producer: Producer) -> None:
        """Wait for every delivery report; `delivery.timeout.ms` bounds it, and the wish to stop does."""
        deadline: float | None = None
        while producer.flush(0.5):
            if self._stop.is_set():
                deadline = self._monotonic_s() + _STOP_GRACE_S if deadline is None else deadline
                if self._monotonic_s() > deadline:
                    raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))

    def _produce(self, producer: Producer, i: int, message: OutgoingMessage, partition: int) -> None:
        while True:
            try:
                producer.produce(
                    self._topics[message.role],
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    partition=partition,
                    on_delivery=partial(self._on_delivery, i, message.role),
                )
            except BufferError:  # the queue is full: let deliveries happen
                producer.poll(0.1)
            except KafkaException as err:
                self._failed.append((i, err.args[0]))
                return
            else:
                producer.poll(0)
                return

    def _on_delivery(self, i: int, role: str, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed.append((i, error))
        elif self._pace is not None and role == "summaries":
            self._pace.sent(message.partition() or 0, message.offset() or 0, len(message.value() or b""))

    def _partitions_for(self, producer: Producer, message: OutgoingMessage) -> range | tuple[int]:
        if not message.everywhere:
            return (-1,)  # by the key
        if not self._n_partitions:
            self._n_partitions = self._look_up_partitions(producer)
        return range(self._n_partitions)

    def _look_up_partitions(self, producer: Producer) -> int:
        name = self._topics["summaries"]
        topic = producer.list_topics(name, timeout=5.0).topics[name]
        if topic.error is not None:
            raise KafkaException(topic.error)
        return len(topic.partitions)

    def refresh(self) -> None:
        """Look up the partitions of the topic of summaries anew before the next watermark: somebody may have added some."""
        self._n_partitions = 0

    def _without_the_too_large(self, messages: Sequence[OutgoingMessage]) -> list[OutgoingMessage]:
        """Dead letters go without their payload; a summary that no topic takes is dropped, since nothing else would ever come through."""
        refused = {i for i, error in self._failed if error.code() in _TOO_LARGE}
        left = []
        for i, message in enumerate(messages):
            if i not in refused:
                left.append(message)
            elif message.role == "dead_letters" and message.value is not None:
                size = str(len(message.value)).encode()
                left.append(message._replace(value=None, headers=(*message.headers, ("payload_left_out_bytes", size))))
            else:
                key, size_bytes = (message.key or b"").decode("utf-8", "replace"), len(message.value or b"")
                self._metrics.bound_hits.labels("record_bytes").inc()
                self._on_left_out(key, size_bytes)
                self._log.error(
                    "a message is too large for its topic and is dropped",
                    topic=self._topics[message.role],
                    bytes=size_bytes,
                    key=key,
                    remedy="raise `max.message.bytes` of the topic, or watch fewer columns",
                )
        return left

    # --- the producer --------------------------------------------------------------------------------------------------------------

    def _connected(self) -> Producer:
        if self._producer is None:
            self._producer = make_producer(producer_config(self._settings, "ingest", health=self._health))
        return self._producer

    def _drop_producer(self) -> None:
        """Begin with a new producer: one that failed may still hold messages, and must not send them later."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
        self._producer = None
        self._n_partitions = 0

    def close(self) -> None:
        """Let the producer go; whatever was not delivered is dropped."""
        self._drop_producer()
