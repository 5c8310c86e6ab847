"""Clients of Kafka, configured alike: who connects, how errors and librdkafka's own log reach an operator, waiting for the broker."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient

from stream_gov.contracts import ConfigurationError, UnavailableError
from stream_gov.runtime.embedded_broker import is_embedded_cluster
from stream_gov.runtime.kafka_errors import Remedy, remedy_for, translate_kafka_error
from stream_gov.runtime.structured_logging import get_logger
from stream_gov.settings import Settings

__all__ = [
    "BrokerHealth",
    "Cluster",
    "client_config",
    "consumer_config",
    "group_name",
    "make_consumer",
    "make_producer",
    "producer_config",
    "wait_for_broker",
]

MAX_MESSAGE_BYTES = 10_000_000
"""Of one message that a worker sends: a profile, or a pane of 500 sketched columns. The topic's own limit may be lower."""

_METADATA_TIMEOUT_S = 2.0
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.5, 10.0
_REMIND_EVERY_S = 60.0

_RESERVED = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "partition.assignment.strategy",
        "partitioner",
    }
)

_CHATTER = (
    "FAIL",
    "brokers are down",
    "Disconnected",
    "BROKERDOWN",
    "REQTMOUT",
    "METADATAUPDATE",
    "GETPID",
    "SESSTMOUT",
    "MAXPOLL",
    "OFFSET",
    "CONFWARN",
)
"""Facilities of librdkafka's log."""

_THREAD = re.compile(r"^(GroupCoordinator: \S+: |\S+/(bootstrap|\d+): )")
_STATE = re.compile(r" \(after \d+ms in state \w+.*\)$")


@dataclass(frozen=True)
class Cluster:
    """What a broker says of itself."""

    id: str
    n_brokers: int

    @property
    def embedded(self) -> bool:
        """Whether it is the embedded broker, with its limits."""
        return is_embedded_cluster(self.id)


class BrokerHealth:
    """Turns librdkafka's stream of connection errors into one line when the broker goes away and one when it is back.

    Clients call it from their own threads.
    """

    def __init__(self, bootstrap: str, worker: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap = bootstrap
        self._log = get_logger(worker)
        self._monotonic = monotonic
        self._lock = Lock()
        self._down_since: float | None = None
        self.last_error = ""
        """The newest reason a connection failed, for messages."""

    @property
    def down(self) -> bool:
        """Whether no broker answered since the last sign of life."""
        return self._down_since is not None

    def on_error(self, error: KafkaError) -> None:
        """Take an error of a client (its `error_cb`)."""
        code = error.code()
        if code == KafkaError._ALL_BROKERS_DOWN:
            with self._lock:
                if self._down_since is not None:
                    return
                self._down_since = self._monotonic()
            self._log.warning(
                "no broker answers; trying until one does",
                bootstrap=self._bootstrap,
                reason=self.last_error or "silence",
            )
        elif remedy_for(code) in (Remedy.DENIED, Remedy.MEND):
            if self.last_error != plain_reason(error):
                self._log.error(str(translate_kafka_error(error, f"talk to the broker at {self._bootstrap}")))
            self.last_error = plain_reason(error)
        else:
            self.last_error = plain_reason(error)

    def answered(self) -> None:
        """Note a sign of life of the broker."""
        if self._down_since is None:
            return
        with self._lock:
            since, self._down_since = self._down_since, None
        if since is not None:
            self._log.info("the broker answers again", after_seconds=round(self._monotonic() - since, 1))


def group_name(settings: Settings, worker: str) -> str:
    """Name of a worker's consumer group: `<group>.<worker>`."""
    return f"{settings.group}.{worker}"


def client_config(settings: Settings, worker: str, health: BrokerHealth | None = None) -> dict[str, Any]:
    """Options of every client.

    Raises
    ------
    ConfigurationError
        The settings name no broker.
    """
    if not settings.bootstrap:
        msg = "no broker is named: give `--bootstrap HOST:PORT` (or the setting `bootstrap`), or start `stream-gov up`, which brings one of its own"
        raise ConfigurationError(msg)
    reserved = sorted(_RESERVED & settings.kafka.keys())
    if reserved:
        msg = f"the setting `kafka` holds {', '.join(reserved)}, which the workers choose themselves to lose nothing; take it away"
        raise ConfigurationError(msg)
    return {
        "bootstrap.servers": settings.bootstrap,
        "client.id": f"stream-gov-{worker}",
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2_000,
        "socket.keepalive.enable": True,
        "log.connection.close": False,
        "logger": _library_logger(),
        "error_cb": health.on_error if health is not None else _ignore,
        **settings.kafka,
    }


def consumer_config(
    settings: Settings, worker: str, *, group: str, health: BrokerHealth | None = None
) -> dict[str, Any]:
    """Options of a consumer that commits by itself and never skips data: a lost position is an error, not a silent reset."""
    config = {
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "enable.partition.eof": True,
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 100,
        "topic.metadata.refresh.interval.ms": 10_000,  # how soon partitions that were added are read
        "queued.max.messages.kbytes": 65_536,
        "fetch.message.max.bytes": 2_000_000,
        "message.max.bytes": MAX_MESSAGE_BYTES,
    }
    if settings.kafka.get("group.protocol", "classic") == "classic":
        config |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 2_000,
        }
    return config | client_config(settings, worker, health)


def producer_config(settings: Settings, worker: str, *, health: BrokerHealth | None = None) -> dict[str, Any]:
    """Options of a producer: idempotent, so in order and without repetitions by the client; keys are placed as Java clients do."""
    return {
        "enable.idempotence": True,
        "acks": "all",
        "linger.ms": 5,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "delivery.timeout.ms": 30_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 262_144,
    } | client_config(settings, worker, health)


def make_consumer(config: dict[str, Any]) -> Consumer:
    """Make a consumer; a mistake in the setting `kafka` becomes a ConfigurationError."""
    consumer: Consumer = _make(Consumer, config)
    return consumer


def make_producer(config: dict[str, Any]) -> Producer:
    """Make a producer; a mistake in the setting `kafka` becomes a ConfigurationError."""
    producer: Producer = _make(Producer, config)
    return producer


def _make(kind: Any, config: dict[str, Any]) -> Any:
    try:
        return kind(config)
    except (KafkaException, TypeError, ValueError) as err:
        cause = err.args[0].str() if err.args and isinstance(err.args[0], KafkaError) else err
        msg = f"librdkafka refuses the configuration of a {kind.__name__.lower()}: {cause}; check the setting `kafka`"
        raise ConfigurationError(msg) from err


def wait_for_broker(
    settings: Settings,
    worker: str,
    *,
    stop: Event | None = None,
    give_up_after_s: float | None = None,
) -> Cluster:
    """Wait until the broker answers: one line when it does not, a reminder each minute, one line when it does.

    Parameters
    ----------
    settings
        Name the broker.
    worker
        Who waits, for the log.
    stop
        Ends the waiting.
    give_up_after_s
        Longest wait in seconds; None: until it answers or `stop` is set.

    Raises
    ------
    UnavailableError
        It did not answer in time, or `stop` was set.
    """
    log = get_logger(worker)
    reasons = _LastReason()
    admin: AdminClient = _make(AdminClient, client_config(settings, worker) | {"error_cb": reasons.on_error})
    started, reminded, backoff = time.monotonic(), 0.0, _FIRST_BACKOFF_S
    stop = stop if stop is not None else Event()
    while True:
        left = None if give_up_after_s is None else give_up_after_s - (time.monotonic() - started)
        try:
            metadata = admin.list_topics(timeout=min(_METADATA_TIMEOUT_S, max(0.1, left or _METADATA_TIMEOUT_S)))
        except KafkaException as err:
            admin.poll(0)  # serves the callback that tells the reason
            reason = reasons.text or err.args[0].str()
            denied = reasons.denied
            if remedy_for(err.args[0].code()) is Remedy.MEND:
                raise translate_kafka_error(err, f"talk to the broker at {settings.bootstrap}") from err
        else:
            if reminded:
                log.info("the broker answers", after_seconds=round(time.monotonic() - started, 1))
            return Cluster(metadata.cluster_id or "", len(metadata.brokers))
        waited = time.monotonic() - started
        if stop.is_set() or (give_up_after_s is not None and waited >= give_up_after_s):
            if denied is not None:
                raise translate_kafka_error(denied, f"log in at {settings.bootstrap}")
            msg = f"no broker answers at {settings.bootstrap} (waited {waited:.1f} s; {reason}); start it, or mend `bootstrap`"
            raise UnavailableError(msg)
        if not reminded or waited - reminded >= _REMIND_EVERY_S:
            reminded = max(waited, 0.001)
            if denied is not None:
                error = translate_kafka_error(denied, f"log in at {settings.bootstrap}")
                log.error(f"{error}; trying until the broker lets this worker in", waited_seconds=round(waited, 1))
                stop.wait(backoff)
                continue
            log.warning(
                "no broker answers; trying until one does",
                bootstrap=settings.bootstrap,
                reason=reason,
                waited_seconds=round(waited, 1),
                remedy="start it, or mend `bootstrap`",
            )
        stop.wait(backoff if left is None else max(0.0, min(backoff, left)))
        backoff = min(2 * backoff, _LAST_BACKOFF_S)


def topic_id_of(admin: AdminClient, topic: str) -> str:
    """Return the id that the broker gave a topic when it was made; empty where it tells none (before Kafka 2.8, or for want of rights)."""
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=_METADATA_TIMEOUT_S)[topic].result()
    except KafkaException:
        return ""
    return str(described.topic_id)


class _LastReason:
    """Why the newest connection failed."""

    def __init__(self) -> None:
        self.text = ""
        self.denied: KafkaError | None = None
        """The newest error, if it was that the broker does not let this client in."""

    def on_error(self, error: KafkaError) -> None:
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.text = plain_reason(error)
            self.denied = error if remedy_for(error.code()) is Remedy.DENIED else None


def plain_reason(error: KafkaError) -> str:
    """What went wrong with a connection, without librdkafka's names of its threads and states."""
    return _STATE.sub("", _THREAD.sub("", error.str()))


def _ignore(_: KafkaError) -> None:
    return None


def _library_logger() -> logging.Logger:
    logger = logging.getLogger("stream_gov.librdkafka")
    if not logger.filters:
        logger.addFilter(_worth_a_line)
    return logger


def _worth_a_line(record: logging.LogRecord) -> bool:
    """Drop what is said once and in words elsewhere: by `BrokerHealth`, and by the workers when a group takes partitions away."""
    return not any(word in record.getMessage() for word in _CHATTER)
