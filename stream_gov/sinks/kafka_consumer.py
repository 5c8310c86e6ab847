"""The consumer a sink reads from: its configuration, and Kafka's errors in words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream_gov.contracts import ConfigurationError
from stream_gov.settings import Settings

__all__ = ["KafkaTroubles", "RecordConsumer", "make_consumer"]

_REPEAT_AFTER_S = 30.0
"""The same trouble is not reported again sooner than this."""

_NOT_THERE = {
    KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's own codes begin with an underscore; they are public
    KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
    KafkaError._RESOLVE,  # noqa: SLF001
    KafkaError._TIMED_OUT,  # noqa: SLF001
    KafkaError._WAIT_COORD,  # noqa: SLF001
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NETWORK_EXCEPTION,
}
_NO_LOGIN = {
    KafkaError._AUTHENTICATION,  # noqa: SLF001
    KafkaError._SSL,  # noqa: SLF001
    KafkaError.SASL_AUTHENTICATION_FAILED,
}
_NOT_ALLOWED = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
_NO_TOPIC = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
}


class RecordConsumer(Protocol):
    """What the loop needs of a Kafka consumer."""

    def subscribe(
        self,
        topics: list[str],
        *,
        on_revoke: Callable[[Any, list[TopicPartition]], None],
    ) -> None:
        """Join the group; `on_revoke` runs inside `consume` when partitions go to another member."""
        ...

    def consume(self, num_messages: int, timeout: float) -> list[Message]:
        """Up to `num_messages`, waiting at most `timeout` seconds for all of them."""
        ...

    def assignment(self) -> list[TopicPartition]:
        """Partitions this member has."""
        ...

    def pause(self, partitions: list[TopicPartition]) -> None:
        """Stop fetching; the member stays in the group."""
        ...

    def resume(self, partitions: list[TopicPartition]) -> None:
        """Fetch again."""
        ...

    def seek(self, partition: TopicPartition) -> None:
        """Go to another offset."""
        ...

    def commit(self, *, offsets: list[TopicPartition], asynchronous: Literal[False]) -> list[TopicPartition]:
        """Commit offsets, waiting for the answer."""
        ...

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Return committed offsets, negative where there is none."""
        ...

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = ..., cached: bool = ...
    ) -> tuple[int, int] | None:
        """First offset the log still has, and the one after its last."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class KafkaTroubles:
    """Puts Kafka's errors into words, once, and again only after a while.

    Parameters
    ----------
    bootstrap
        Address of the brokers, named in the messages.
    clock
        Seconds that never run backwards.
    """

    def __init__(self, bootstrap: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._bootstrap = bootstrap
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._log = structlog.get_logger(__name__)

    def report(self, error: KafkaError) -> None:
        """Log an error, unless the same has just been logged."""
        text = self.describe(error)
        now = self._clock()
        said_at = self._said_at.get(text)
        if said_at is not None and now - said_at < _REPEAT_AFTER_S:
            return
        self._said_at[text] = now
        self._log.warning(text, kafka_error=error.name())

    def over(self) -> None:
        """Forget what was said, since messages arrive."""
        if self._said_at:
            self._log.info(f"Kafka at {self._bootstrap} answers")
            self._said_at.clear()

    def describe(self, error: KafkaError) -> str:
        """Say what is wrong and what to do, in one line."""
        code = error.code()
        if code in _NOT_THERE:
            return (
                f"Kafka at {self._bootstrap} does not answer; start it, or set bootstrap (STREAM_GOV_BOOTSTRAP); "
                "trying again until it does"
            )
        if code in _NO_LOGIN:
            return (
                f"Kafka at {self._bootstrap} refuses the log-in ({error.str()}); "
                "mend security.protocol, sasl.* or ssl.* under the setting kafka"
            )
        if code in _NOT_ALLOWED:
            return (
                f"Kafka at {self._bootstrap} forbids reading ({error.str()}); "
                "grant READ on the topics of metrics and alerts and on the consumer group"
            )
        if code in _NO_TOPIC:
            return (
                f"a topic is missing ({error.str()}); stream-gov detect creates it, "
                "or mend topics.metrics and topics.alerts; trying again until it is there"
            )
        if code == KafkaError._MAX_POLL_EXCEEDED:  # noqa: SLF001
            return (
                "one write took longer than max.poll.interval.ms, so the group gave the partitions away; they are read again "
                "from the last commit; if this repeats, lower the batch size"
            )
        return f"Kafka reports {error.name()}: {error.str()}"


def make_consumer(
    settings: Settings, *, group: str, client: str, troubles: KafkaTroubles, report_end: bool = False
) -> Consumer:
    """Make a consumer that commits nothing by itself and begins at the first message.

    Parameters
    ----------
    settings
        `bootstrap` must be filled in; options under `kafka` win over those chosen here.
    group
        Full name of the consumer group.
    client
        Name the broker's logs show.
    troubles
        Where connection errors are reported.
    report_end
        Give an event each time the end of a partition is reached.

    Raises
    ------
    ConfigurationError
        There is no address, or librdkafka refuses an option.
    """
    if not settings.bootstrap:
        msg = (
            "no address of Kafka: set bootstrap (--bootstrap, STREAM_GOV_BOOTSTRAP), such as localhost:9092, "
            "or start the embedded broker with stream-gov up"
        )
        raise ConfigurationError(msg)
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": client,
        "session.timeout.ms": 10_000,  # a worker that was killed gives its partitions back after this
        "topic.metadata.refresh.interval.ms": 5_000,  # how soon a topic that was missing is noticed
        "reconnect.backoff.max.ms": 5_000,
        "queued.max.messages.kbytes": 16_384,
        "allow.auto.create.topics": False,
        "log.connection.close": False,
        **settings.kafka,
        "group.id": group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": report_end,
        "error_cb": troubles.report,
    }
    quiet = logging.getLogger("stream_gov.sinks.librdkafka")
    quiet.setLevel(logging.CRITICAL)  # everything it says also comes as an error, which is put into words
    try:
        return Consumer(config, logger=quiet)
    except (KafkaException, ValueError, TypeError) as err:
        reason = err.args[0].str() if err.args and isinstance(err.args[0], KafkaError) else str(err)
        msg = f"librdkafka refuses an option: {reason}; mend the setting kafka, which now is {sorted(settings.kafka)}"
        raise ConfigurationError(msg) from err
