"""Writes monitors and references to their compacted topics."""

from __future__ import annotations

from types import TracebackType

from confluent_kafka import KafkaError, KafkaException, Message

from stream_gov.contracts import ConfigurationError, Monitor, UnavailableError
from stream_gov.reference import ReferenceProfile
from stream_gov.runtime.catalog import PREVIOUS_REFERENCE
from stream_gov.runtime.kafka_clients import (
    MAX_MESSAGE_BYTES,
    BrokerHealth,
    make_producer,
    producer_config,
)
from stream_gov.runtime.kafka_errors import translate_kafka_error
from stream_gov.settings import Settings

__all__ = ["CatalogPublisher"]


class CatalogPublisher:
    """Publishes and deletes monitors and references; nothing is certain before :meth:`flush` returns.

    Examples
    --------
    ::

        with CatalogPublisher(settings) as publisher:
            publisher.publish_reference(profile)
            publisher.publish_monitor(monitor)
    """

    def __init__(self, settings: Settings, worker: str = "catalog", *, timeout_s: float = 30.0) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        self._monitors_topic = settings.topics.name("monitors")
        self._references_topic = settings.topics.name("references")
        self._errors: list[KafkaError] = []
        self._health = BrokerHealth(settings.bootstrap, worker)
        self._producer = make_producer(producer_config(settings, worker, health=self._health))

    def publish_monitor(self, monitor: Monitor, *, previous: str | None = None) -> None:
        """Put a monitor into force; it replaces the one of the same name.

        Parameters
        ----------
        monitor
            The monitor.
        previous
            The revision, `name@revision`, that it was compared with until now, where this changes that: a worker that starts in the middle
            of the change goes on counting on it, too.
        """
        headers: list[tuple[str, str | bytes | None]] | None = None
        if previous is not None:
            headers = [(PREVIOUS_REFERENCE, previous.encode())]
        self._produce(self._monitors_topic, monitor.name, monitor.to_json_bytes(), headers)

    def delete_monitor(self, name: str) -> None:
        """Take a monitor out of force."""
        self._produce(self._monitors_topic, name, None)

    def publish_reference(self, profile: ReferenceProfile | tuple[str, bytes]) -> None:
        """Publish a profile, or the id and the bytes of one."""
        profile_id, data = (profile.id, profile.to_bytes()) if isinstance(profile, ReferenceProfile) else profile
        self._produce(self._references_topic, profile_id, data)

    def delete_reference(self, profile_id: str) -> None:
        """Delete a profile, `name@revision`, from the topic; windows counted on it become `insufficient`."""
        self._produce(self._references_topic, profile_id, None)

    def flush(self) -> None:
        """Wait until everything was delivered.

        Raises
        ------
        UnavailableError
            The broker did not take everything in time.
        ConfigurationError
            It refuses to.
        """
        left = self._producer.flush(self._timeout_s)
        if self._errors:
            raise translate_kafka_error(self._errors[0], "publish to the catalogue")
        if left:
            reason = f" ({self._health.last_error})" if self._health.last_error else ""
            msg = f"{left} messages for the catalogue were not delivered within {self._timeout_s:g} s{reason}; is the broker at {self._settings.bootstrap} healthy?"
            raise UnavailableError(msg)

    def __enter__(self) -> CatalogPublisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        else:
            self._producer.purge()

    def _produce(
        self, topic: str, key: str, value: bytes | None, headers: list[tuple[str, str | bytes | None]] | None = None
    ) -> None:
        if value is not None and len(value) > MAX_MESSAGE_BYTES - 1_000:
            msg = f"{key} has {len(value)} bytes, more than the {MAX_MESSAGE_BYTES} a message may have; watch fewer columns or segments"
            raise ConfigurationError(msg)
        try:
            self._producer.produce(topic, key=key.encode(), value=value, headers=headers, on_delivery=self._on_delivery)
        except KafkaException as err:
            raise translate_kafka_error(err, f"publish {key}") from err

    def _on_delivery(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._errors.append(error)
