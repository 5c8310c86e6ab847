"""Sends what people say of an alert to the detector, which alone writes to the topic of alerts."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, Message

from stream_gov.contracts import AlertCommandRecord, UnavailableError
from stream_gov.runtime.cut_messages import summary_message
from stream_gov.runtime.group_progress import GroupProgress
from stream_gov.runtime.kafka_clients import group_name, make_producer, producer_config
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.settings import Settings

__all__ = ["detector_lag", "send_alert_command"]

_WORKER = "alert-command"
_FLUSH_S = 30.0


def send_alert_command(settings: Settings, command: AlertCommandRecord) -> tuple[int, int]:
    """Send a command to the partition of its model on the topic of summaries; return when the broker has it.

    Returns
    -------
    Partition and offset of the record.

    Raises
    ------
    UnavailableError
        The broker did not take it.
    ConfigurationError
        The broker refuses it.
    """
    topic = settings.topics.name("summaries")
    message = summary_message(command)  # as ingest addresses the records of the model
    delivered: list[tuple[int, int]] = []
    failed: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, sent: Message) -> None:
        if error is not None:
            failed.append(error)
        else:
            delivered.append((sent.partition() or 0, sent.offset() or 0))

    producer = make_producer(producer_config(settings, _WORKER))
    doing = f"send the command to {topic}"
    try:
        producer.produce(topic, key=message.key, value=message.value, on_delivery=on_delivery)
        producer.flush(_FLUSH_S)
    except KafkaException as err:
        raise translate_kafka_error(err, doing) from err
    if failed:
        raise translate_kafka_error(failed[0], doing)
    if not delivered:
        producer.purge()
        msg = f"the broker at {settings.bootstrap} did not take the command within {_FLUSH_S:g} s; is it reachable, and has topic {topic} a leader?"
        raise UnavailableError(msg)
    return delivered[0]


def detector_lag(settings: Settings, partition: int, offset: int) -> int:
    """Return how many records up to and with this one the detector has still to take in; 0: it is done with it.

    Raises
    ------
    UnavailableError
        The broker does not answer.
    """
    topic = settings.topics.name("summaries")
    try:
        with GroupProgress(settings, group_name(settings, "detect"), topic) as progress:
            committed = progress.committed([partition])[partition]
    except KafkaException as err:
        raise translate_kafka_error(err, "look up how far the detector has come") from err
    return max(0, offset + 1 - max(committed, 0))
