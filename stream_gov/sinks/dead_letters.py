"""Where records go that a sink will never take: a topic, with the reason, so that nothing is lost and nothing waits for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream_gov.contracts import UnavailableError
from stream_gov.settings import Settings

__all__ = ["DeadLetter", "DeadLetterTopic"]

_FLUSH_S = 15.0
_MAX_HEADER_CHARS = 1_000


class DeadLetter(NamedTuple):
    """A message that a sink has refused."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str


class DeadLetterTopic:
    """Sends dead letters to `topics.refused`; connects when there is the first.

    Parameters
    ----------
    settings
        Name broker and topic.
    sink
        Name of the sink, which stands in the headers.
    """

    def __init__(self, settings: Settings, sink: str) -> None:
        self._settings = settings
        self._sink = sink
        self._topic = settings.topics.name("refused")
        self._producer: Any = None
        self._failed: list[KafkaError] = []

    def send(self, letters: Sequence[DeadLetter]) -> None:
        """Deliver; return when all were acknowledged.

        Raises
        ------
        UnavailableError
            They were not; they may be sent again.
        """
        self._failed = []
        try:
            producer = self._connected()
            for letter in letters:
                headers = {
                    "reason": letter.reason[:_MAX_HEADER_CHARS],
                    "sink": self._sink,
                    "topic": letter.topic,
                    "partition": str(letter.partition),
                    "offset": str(letter.offset),
                }
                producer.produce(
                    self._topic,
                    key=letter.key,
                    value=letter.value,
                    headers=[(name, text.encode("utf-8", "replace")) for name, text in headers.items()],
                    on_delivery=self._on_delivery,
                )
                producer.poll(0)
            left = producer.flush(_FLUSH_S)
        except (KafkaException, BufferError) as err:
            raise self._trouble(str(err)) from err
        if self._failed or left:
            self.close()
            raise self._trouble(self._failed[0].str() if self._failed else f"no answer within {_FLUSH_S:g} s")

    def close(self) -> None:
        """Let the connection go, and what was not delivered with it."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
        self._producer = None

    def _trouble(self, reason: str) -> UnavailableError:
        return UnavailableError(
            f"records that sink {self._sink} has refused cannot be put on the topic {self._topic} ({reason}); stream-gov detect creates it; "
            "this user needs the right to write to it"
        )

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed.append(error)

    def _connected(self) -> Any:
        if self._producer is None:
            quiet = logging.getLogger("stream_gov.sinks.librdkafka")
            quiet.setLevel(logging.CRITICAL)
            config = {
                "enable.idempotence": True,
                "message.timeout.ms": 10_000,
                **self._settings.kafka,
                "bootstrap.servers": self._settings.bootstrap,
                "client.id": f"stream-gov-sink-{self._sink}",
            }
            self._producer = Producer(config, logger=quiet)
        return self._producer
