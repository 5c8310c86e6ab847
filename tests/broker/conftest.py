from __future__ import annotations

from collections.abc import Iterator

import pytest

from stream_gov.runtime.embedded_broker import EmbeddedBroker
from tests.broker.cluster import TestCluster


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
