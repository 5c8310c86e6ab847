"""A Kafka broker inside a process: librdkafka's mock cluster. For a demo, a first look and tests; not for production."""

from __future__ import annotations

import logging
from types import TracebackType

from confluent_kafka import KafkaException, Producer

from stream_gov.contracts import UnavailableError

__all__ = ["EMBEDDED_PARTITIONS", "EMBEDDED_PARTITION_BYTES", "EmbeddedBroker", "is_embedded_cluster"]

EMBEDDED_PARTITIONS = 4
"""Partitions of every topic; librdkafka fixes it."""

EMBEDDED_PARTITION_BYTES = 5 * 1024 * 1024
"""About what is kept of a partition; the oldest messages go first, whoever has not read them yet."""

_CLUSTER_ID_PREFIX = "mockCluster"
_ANSWER_TIMEOUT_S = 10.0


def is_embedded_cluster(cluster_id: str | None) -> bool:
    """Tell the embedded broker from an Apache Kafka by the id it gives in its metadata.

    Examples
    --------
    >>> is_embedded_cluster("mockCluster15633bc08bec"), is_embedded_cluster("MkU3OEVBNTcwNTJENDM2Qk")
    (True, False)
    """
    return cluster_id is not None and cluster_id.startswith(_CLUSTER_ID_PREFIX)


class EmbeddedBroker:
    """Broker that lives as long as this object; other processes connect to :attr:`bootstrap`.

    It speaks enough of the protocol for every worker of stream-gov: groups, commits with metadata, idempotent producers. What it
    does not do:

    - topics have 4 partitions, come into being when first asked for, and cannot be created, configured or deleted;
    - about 5 MB are kept of each partition, compacted topics included, so a reader that lags further loses data (`replay` and the
      workers pace themselves by what their readers have committed);
    - nothing is on disk: what it held is gone when the process ends;
    - transactions are accepted but not isolated; there is no authentication; it listens on 127.0.0.1 only.

    Examples
    --------
    >>> with EmbeddedBroker() as broker:
    ...     broker.bootstrap.startswith("127.0.0.1:")
    True
    """

    def __init__(self) -> None:
        self._client: Producer | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """Address, `127.0.0.1:port`; empty while it does not run."""
        return self._bootstrap

    def start(self) -> EmbeddedBroker:
        """Start it; the address is known afterwards.

        Raises
        ------
        UnavailableError
            It did not come up, for instance because no local port is free.
        """
        if self._client is not None:
            return self
        # The logger keeps librdkafka's greeting ("Mock cluster enabled") and every disconnect of a client off the terminal.
        client = Producer({"test.mock.num.brokers": 1, "client.id": "stream-gov-broker", "logger": _silent_logger()})
        try:
            brokers = client.list_topics(timeout=_ANSWER_TIMEOUT_S).brokers.values()
        except KafkaException as err:
            msg = f"the embedded broker did not start within {_ANSWER_TIMEOUT_S:g} s: {err.args[0].str()}; try again, or give `bootstrap` of a Kafka"
            raise UnavailableError(msg) from err
        self._client = client
        self._bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def stop(self) -> None:
        """End it; everything it held is gone."""
        self._client = None  # the cluster's threads end with the client
        self._bootstrap = ""

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _silent_logger() -> logging.Logger:
    logger = logging.getLogger("stream_gov.embedded_broker")
    logger.setLevel(logging.CRITICAL)
    logger.propagate = False
    return logger
