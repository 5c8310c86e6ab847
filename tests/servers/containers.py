"""Servers in containers, by testcontainers."""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

INFLUX_OPTIONS = {"token": "stream-gov-test-token", "org": "stream-gov-test", "bucket": "stream-gov-test"}

KAFKA_IMAGE = "confluentinc/cp-kafka:7.8.0"  # Apache Kafka 3.8; testcontainers knows how to start this one
INFLUXDB_IMAGE = "influxdb:2.7"
POSTGRES_IMAGE = "postgres:15"


@dataclass(frozen=True)
class Container:
    """A server in a container."""

    address: str
    stop: Callable[[], None]


@cache
def why_no_docker() -> str:
    """Why no container can be started; empty if Docker answers."""
    # asked by hand: the Docker library leaves a socket open when nobody is there
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    address = urlsplit(host)
    try:
        if address.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as daemon:
                daemon.settimeout(5)
                daemon.connect(address.path)
                daemon.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                if b" 200 " not in daemon.recv(64):
                    return f"what answers at {host} is no Docker daemon"
        else:
            socket.create_connection((address.hostname or "", address.port or 2375), timeout=5).close()
    except OSError as err:
        return f"no Docker daemon answers at {host} ({err.strerror or err})"
    return ""


def kafka() -> Container:
    """Apache Kafka, KRaft."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # testcontainers deprecates parts of itself
        from testcontainers.kafka import KafkaContainer

        container = KafkaContainer(KAFKA_IMAGE).with_kraft()
        container.start()
    return Container(container.get_bootstrap_server(), container.stop)


def influxdb() -> Container:
    """InfluxDB 2, set up with INFLUX_OPTIONS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.influxdb2 import InfluxDb2Container

        container = InfluxDb2Container(
            INFLUXDB_IMAGE,
            init_mode="setup",
            username="admin",
            password="password1",
            org_name=INFLUX_OPTIONS["org"],
            bucket=INFLUX_OPTIONS["bucket"],
            admin_token=INFLUX_OPTIONS["token"],
        )
        container.start()
    return Container(container.get_url(), container.stop)


def postgres() -> Container:
    """PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from testcontainers.postgres import PostgresContainer

        container = PostgresContainer(POSTGRES_IMAGE, driver=None)
        container.start()
    return Container(container.get_connection_url(), container.stop)
