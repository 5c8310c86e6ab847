"""Reads the compacted topics of monitors and references in full, then follows them; each worker has one of its own."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event, Thread
from types import TracebackType

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from stream_gov.contracts import StreamGovError, UnavailableError
from stream_gov.reference import split_profile_id
from stream_gov.runtime.catalog import PREVIOUS_REFERENCE, TopicCatalog
from stream_gov.runtime.kafka_clients import BrokerHealth, consumer_config, group_name, make_consumer
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import Settings

__all__ = ["CatalogWatcher"]

_POLL_S = 0.2
_METADATA_TIMEOUT_S = 5.0
_BACKOFF_S = 2.0


class CatalogWatcher:
    """Keeps a :class:`TopicCatalog` in step with its topics, in a thread of its own.

    It belongs to no consumer group: every worker reads all partitions from their beginning. A broker that goes away is waited for.

    Parameters
    ----------
    settings
        Name broker and topics.
    worker
        Whose it is, for the log.
    health
        Shared with the worker's other clients, so that an outage is told once; None: of its own.
    on_change
        Called from the thread after messages changed something once everything was read.
    """

    def __init__(
        self,
        settings: Settings,
        worker: str,
        *,
        health: BrokerHealth | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self.catalog = TopicCatalog()
        self._settings = settings
        self._worker = worker
        self._health = health if health is not None else BrokerHealth(settings.bootstrap, worker)
        self._on_change = on_change
        self._monitors_topic = settings.topics.name("monitors")
        self._references_topic = settings.topics.name("references")
        self._log = get_logger(worker)
        self._stop = Event()
        self._loaded = Event()
        self._unread: set[tuple[str, int]] = set()
        self._thread = Thread(target=self._run, name=f"{worker}-catalog", daemon=True)

    def start(self) -> CatalogWatcher:
        """Start to read."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10.0)

    def __enter__(self) -> CatalogWatcher:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def loaded(self) -> bool:
        """Whether both topics were read to their end once."""
        return self._loaded.is_set()

    def wait_until_loaded(self, timeout_s: float, *, stop: Event | None = None) -> None:
        """Wait until both topics were read to their end.

        Raises
        ------
        UnavailableError
            They were not within the time, or `stop` was set.
        """
        waited = 0.0
        while not self._loaded.wait(_POLL_S):
            waited += _POLL_S
            if waited >= timeout_s or (stop is not None and stop.is_set()):
                topics = f"{self._monitors_topic} and {self._references_topic}"
                msg = f"the topics {topics} were not read within {waited:.0f} s; is the broker at {self._settings.bootstrap} healthy?"
                raise UnavailableError(msg)

    def _run(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                self._follow()
            except (KafkaException, StreamGovError) as err:
                error = translate_kafka_error(err, "read the catalogue") if isinstance(err, KafkaException) else err
                if str(error) != said:
                    said = str(error)
                    self._log.warning("the catalogue cannot be read now; trying again", reason=said)
                self._stop.wait(_BACKOFF_S)

    def _follow(self) -> None:
        config = consumer_config(
            self._settings,
            self._worker,
            group=group_name(self._settings, "catalog"),
            health=self._health,
        )
        consumer = make_consumer(config | {"auto.offset.reset": "earliest", "client.id": f"{self._worker}-catalog"})
        try:
            partitions = self._all_partitions(consumer)
            self._unread = {(p.topic, p.partition) for p in partitions}
            # Monitors first, to their end: the catalogue keeps every revision that one of them names, and only some of the others.
            held_back = [p for p in partitions if p.topic == self._references_topic]
            consumer.assign([p for p in partitions if p not in held_back])
            while not self._stop.is_set():
                messages = consumer.consume(500, _POLL_S)
                if self._health.down:
                    self._look_for_broker(consumer)
                if held_back and not any(topic == self._monitors_topic for topic, _ in self._unread):
                    consumer.incremental_assign(held_back)
                    held_back = []
                if self._take(messages) and self._loaded.is_set() and self._on_change is not None:
                    self._on_change()
        finally:
            consumer.close()

    def _look_for_broker(self, consumer: Consumer) -> None:
        """Nothing may change for days, so that an answer must be asked for."""
        try:
            consumer.list_topics(self._monitors_topic, timeout=_POLL_S)
        except KafkaException:
            self._stop.wait(_POLL_S)
        else:
            self._health.answered()

    def _all_partitions(self, consumer: Consumer) -> list[TopicPartition]:
        found = []
        for name in (self._monitors_topic, self._references_topic):
            topic = consumer.list_topics(name, timeout=_METADATA_TIMEOUT_S).topics[name]
            if topic.error is not None or not topic.partitions:
                msg = f"topic {name} is not there yet ({topic.error}); the workers create it, or create it by hand with cleanup.policy=compact"
                raise UnavailableError(msg)
            found += [TopicPartition(name, p, OFFSET_BEGINNING) for p in sorted(topic.partitions)]
        return found

    def _take(self, messages: Sequence[Message]) -> bool:
        changed = False
        for message in messages:
            error = message.error()
            topic = message.topic() or ""
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    self._unread.discard((topic, message.partition() or 0))
                    continue
                raise KafkaException(error)
            kind, timestamp_ms = message.timestamp()
            key, value = _as_bytes(message.key()), _as_bytes(message.value())
            if topic == self._monitors_topic:
                time_ms = 0 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms
                changed |= self.catalog.apply_monitor(key, value, time_ms, previous=_previous_reference(message))
            else:
                changed |= self.catalog.apply_reference(key, value)
        if not self._unread and not self._loaded.is_set():
            self._loaded.set()
            self._log.info(
                "catalogue read", monitors=len(self.catalog.monitors()), references=len(self.catalog.references())
            )
        return changed


def _previous_reference(message: Message) -> str | None:
    found = dict(message.headers() or ()).get(PREVIOUS_REFERENCE)
    text = found.decode("utf-8", "replace") if isinstance(found, bytes) else found
    try:
        revision = None if text is None else split_profile_id(text)[1]
    except ValueError:  # of a later release, perhaps: it serves a worker that starts, and is not needed
        return None
    return text if revision is not None else None


def _as_bytes(data: bytes | str | None) -> bytes | None:
    return data.encode() if isinstance(data, str) else data
