from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.broker.cluster import TestCluster
from tests.servers.finder import KAFKA, Server, server_or_skip

OWN_KAFKA = replace(KAFKA, script_arguments=("group.min.session.timeout.ms=1000",))


@pytest.fixture(scope="session")
def chaos_kafka() -> Iterator[Server]:
    """A Kafka that only these tests use: it is killed and started again."""
    folder = Path(tempfile.mkdtemp(prefix="stream-gov-chaos-kafka-"))
    try:
        server = server_or_skip(OWN_KAFKA, folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def chaos_cluster(chaos_kafka: Server) -> Iterator[TestCluster]:
    with TestCluster(chaos_kafka.address, n_partitions=12) as cluster:
        yield cluster


def amount(name: str, default: int) -> int:
    """How much of something a long run does: `CHAOS_EVENTS=200000 make chaos`."""
    return int(os.environ.get(f"CHAOS_{name}", default))
