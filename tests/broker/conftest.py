from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream_gov.runtime.embedded_broker import EmbeddedBroker
from tests.broker.cluster import TestCluster

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
