"""Reads results and alerts from their topics, for a person: all there are, or going on as they come; it joins no consumer group."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Literal

import msgspec
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from stream_gov.cli.output import warning
from stream_gov.contracts import Alert, Result, UnavailableError
from stream_gov.runtime.kafka_clients import consumer_config, group_name, make_consumer
from stream_gov.runtime.kafka_errors import Remedy, remedy_for, translate_kafka_error
from stream_gov.settings import Settings

__all__ = ["read_records"]

_POLL_S = 0.2
_ANSWER_S = 5.0
_BATCH = 1_000
_Decoders = dict[str, msgspec.json.Decoder[Result | Alert]]
_KINDS: dict[str, type[Result] | type[Alert]] = {"metrics": Result, "alerts": Alert}


def read_records(
    settings: Settings,
    roles: Sequence[Literal["metrics", "alerts"]],
    *,
    follow: bool = False,
    stop: Event | None = None,
    caught_up: Event | None = None,
) -> Iterator[list[Result | Alert]]:
    """Yield results and alerts from the first one the topics still hold.

    Parameters
    ----------
    settings
        `bootstrap` must be filled in.
    roles
        Which topics.
    follow
        Go on when all was read; otherwise end there.
    stop
        Ends it.
    caught_up
        Set before the batch with which all that was there at the beginning was read.

    Yields
    ------
    What arrived at once; an empty list now and then while nothing comes, so that the caller may do something else.

    Raises
    ------
    UnavailableError
        The broker does not answer, or a topic is not there; after the first answer outages are waited for.
    """
    config = consumer_config(settings, "reader", group=group_name(settings, "reader"))
    consumer = make_consumer(config | {"auto.offset.reset": "earliest"})
    decoders: _Decoders = {settings.topics.name(role): msgspec.json.Decoder(_KINDS[role]) for role in roles}
    try:
        unread = {(name, p) for name in decoders for p in _partitions(consumer, name, settings)}
        consumer.assign([TopicPartition(name, p, OFFSET_BEGINNING) for name, p in sorted(unread)])
        while (follow or unread) and not (stop is not None and stop.is_set()):
            records: list[Result | Alert] = []
            for message in consumer.consume(_BATCH, _POLL_S):
                trouble = message.error()
                if trouble is None:
                    records += _decode(decoders, message)
                elif trouble.code() == KafkaError._PARTITION_EOF:
                    unread.discard((message.topic() or "", message.partition() or 0))
                elif remedy_for(trouble.code()) is Remedy.MEND or (not follow and unread):
                    raise translate_kafka_error(trouble, f"read from {settings.bootstrap}")
            if caught_up is not None and not unread:
                caught_up.set()
            yield records
    finally:
        consumer.close()


def _partitions(consumer: Consumer, name: str, settings: Settings) -> list[int]:
    try:
        topic = consumer.list_topics(name, timeout=_ANSWER_S).topics[name]
    except KafkaException as err:
        msg = f"no broker answers at {settings.bootstrap} ({err.args[0].str()}); start it, or mend `bootstrap`"
        raise UnavailableError(msg) from err
    if topic.error is not None or not topic.partitions:
        msg = f"the topic {name} is not there at {settings.bootstrap}; start `stream-gov detect` or `stream-gov up`, which create it"
        raise UnavailableError(msg)
    return list(topic.partitions)


def _decode(decoders: _Decoders, message: Message) -> list[Result | Alert]:
    topic, offset = message.topic() or "", message.offset()
    try:
        return [decoders[topic].decode(message.value() or b"")]
    except (msgspec.DecodeError, UnicodeDecodeError) as err:
        warning(f"{topic} offset {offset}: this is no message of ours and is skipped: {err}")
        return []
