"""Real servers, one of each kind for a whole run; see `tests/servers/finder.py` for where they come from."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy
from influxdb_client.client.influxdb_client import InfluxDBClient

from tests.servers.finder import INFLUXDB, KAFKA, KINDS, POSTGRES, Kind, Server, server_or_skip


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep tests of one server in one process, so that each server is started once; needs `--dist loadgroup`."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        servers = [
            kind.name for kind in KINDS if item.get_closest_marker(kind.name) or f"{kind.name}_server" in fixtures
        ]
        if servers:
            item.add_marker(pytest.mark.xdist_group("+".join(servers)))


def _serve(kind: Kind) -> Iterator[Server]:
    # Not in pytest's own folders: those of older runs are deleted while newer ones are made, and a server may run as another user.
    folder = Path(tempfile.mkdtemp(prefix=f"stream-gov-{kind.name}-"))
    folder.chmod(0o755)
    try:
        server = server_or_skip(kind, folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Server]:
    yield from _serve(KAFKA)


@pytest.fixture(scope="session")
def influxdb_server() -> Iterator[Server]:
    yield from _serve(INFLUXDB)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    yield from _serve(POSTGRES)


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_server: Server) -> str:
    """`host:port` of a real Apache Kafka."""
    return kafka_server.address


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Gives names that no other test uses, for topics, groups and buckets: `unique_name("orders")`."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:10]}"


@dataclass(frozen=True)
class Influx:
    """A real InfluxDB 2, and a bucket that only this test uses."""

    url: str
    token: str
    org: str
    bucket: str
    client: InfluxDBClient
    make_bucket: Callable[..., str]
    """Makes another bucket and returns its name; `seconds` is how long it keeps points."""


@pytest.fixture
def influx(influxdb_server: Server, unique_name: Callable[[str], str]) -> Iterator[Influx]:
    options = influxdb_server.options
    with InfluxDBClient(
        url=influxdb_server.address, token=options["token"], org=options["org"], timeout=30_000
    ) as client:
        buckets = client.buckets_api()
        made = []

        def make_bucket(*, seconds: int = 0) -> str:
            rules = [{"type": "expire", "everySeconds": seconds}]
            made.append(
                buckets.create_bucket(bucket_name=unique_name("test"), org=options["org"], retention_rules=rules)
            )
            return str(made[-1].name)

        yield Influx(influxdb_server.address, options["token"], options["org"], make_bucket(), client, make_bucket)
        for bucket in made:
            buckets.delete_bucket(bucket)


@pytest.fixture
def postgres_url(postgres_server: Server, unique_name: Callable[[str], str]) -> Iterator[str]:
    """URL of an empty PostgreSQL database that only this test uses."""
    address = sqlalchemy.make_url(postgres_server.address).set(drivername="postgresql+psycopg")
    name = unique_name("test")
    engine = sqlalchemy.create_engine(address, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f'CREATE DATABASE "{name}"'))
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f'DROP DATABASE "{name}" WITH (FORCE)'))
