"""Fixtures of the sinks' tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stream_gov.sinks import Store
from tests.conftest import Influx
from tests.servers.gate import Gate


@pytest.fixture
def gate(influx: Influx) -> Iterator[Gate]:
    """A way to the real InfluxDB that can be shut."""
    address = urlsplit(influx.url)
    with Gate(address.hostname or "", address.port or 80) as gate:
        yield gate


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'deep' / 'store.sqlite'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url)
    store.create()
    yield store
    store.close()
