from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_gov.runtime.embedded_broker import EmbeddedBroker
from tests.broker.cluster import TestCluster
from tests.detection.scenario import monitor, profile_for
from tests.servers.secured_kafka import PASSWORD, SecuredKafka, start_secured_kafka

collect_ignore = ["connection_log"]  # for the processes under test, not for this one

EMBEDDED_AND_KAFKA = [
    pytest.param("embedded", id="embedded"),
    pytest.param("kafka", id="kafka", marks=pytest.mark.kafka),
]


@pytest.fixture(scope="session")
def embedded_bootstrap() -> Iterator[str]:
    """One embedded broker for all tests; each has topics and groups of its own."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap


@pytest.fixture
def cluster(embedded_bootstrap: str) -> Iterator[TestCluster]:
    """Topics and groups of one test on the embedded broker."""
    with TestCluster(embedded_bootstrap) as cluster:
        yield cluster


@pytest.fixture
def kafka_cluster(kafka_bootstrap: str) -> Iterator[TestCluster]:
    """Topics and groups of one test on an Apache Kafka."""
    with TestCluster(kafka_bootstrap, n_partitions=3) as cluster:
        yield cluster


@pytest.fixture(params=EMBEDDED_AND_KAFKA)
def any_cluster(request: pytest.FixtureRequest) -> TestCluster:
    """The same on the embedded broker and on an Apache Kafka."""
    cluster: TestCluster = request.getfixturevalue("cluster" if request.param == "embedded" else "kafka_cluster")
    return cluster


@pytest.fixture(scope="session")
def secured() -> Iterator[SecuredKafka]:
    """A Kafka that asks who one is."""
    folder = Path(tempfile.mkdtemp(prefix="stream-gov-secured-kafka-"))
    try:
        kafka = start_secured_kafka(folder)
        kafka.set_password(PASSWORD)
        yield kafka
        kafka.server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def secured_cluster(secured: SecuredKafka) -> Iterator[TestCluster]:
    """Topics made and read by the port that asks nothing; the workers come by another."""
    with TestCluster(secured.server.address, n_partitions=2) as cluster:
        cluster.publish(monitor(), profiles=[profile_for(monitor())])
        yield cluster
