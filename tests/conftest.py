"""Real servers, one of each kind for a whole run; see `tests/servers/finder.py` for where they come from."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
        servers = [kind.name for kind in KINDS if item.get_closest_marker(kind.name)]
        if servers:
            item.add_marker(pytest.mark.xdist_group("+".join(servers)))


def _serve(kind: Kind, factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = server_or_skip(kind, factory.mktemp("servers"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve(KAFKA, tmp_path_factory)


@pytest.fixture(scope="session")
def influxdb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    yield from _serve(INFLUXDB, tmp_path_factory)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    # runs as another user, who may not look into pytest's own directories
    folder = tmp_path_factory.mktemp("servers")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    server = server_or_skip(POSTGRES, folder)
    yield server
    server.stop()


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
