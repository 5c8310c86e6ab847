"""No process of stream-gov turns to an address that it was not told: no telemetry, no look for a newer version, no name looked up."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import hour_of_events
from tests.broker.worker_process import Worker
from tests.conftest import Influx
from tests.detection.scenario import monitor, profile_for
from tests.servers.finder import free_port

pytestmark = [pytest.mark.broker, pytest.mark.kafka, pytest.mark.influxdb]

HOOK = Path(__file__).parent / "connection_log"
WORKERS = ("ingest", "detect", "sink influx", "sink store", "sink prometheus")


class Watcher(threading.Thread):
    """Looks at the sockets of processes all the time: what C libraries connect to is not seen by Python."""

    def __init__(self, pids: Iterable[int]) -> None:
        super().__init__(daemon=True)
        self._pids = list(pids)
        self._over = threading.Event()
        self.peers: set[str] = set()

    def run(self) -> None:
        while not self._over.wait(0.02):
            for pid in self._pids:
                self.peers |= peers_of(pid)

    def stop(self) -> None:
        self._over.set()
        self.join()


def peers_of(pid: int) -> set[str]:
    """`host:port` that sockets of a process are connected to, or on their way to."""
    try:
        sockets = {
            target[8:-1]
            for fd in os.listdir(f"/proc/{pid}/fd")
            if (target := os.readlink(f"/proc/{pid}/fd/{fd}")).startswith("socket:[")
        }
        lines = [
            line.split()
            for table in ("tcp", "tcp6", "udp", "udp6")
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
        ]
    except OSError:  # it has just closed one, or ended
        return set()
    return {address_of(fields[2]) for fields in lines if fields[9] in sockets and not fields[2].endswith(":0000")}


def address_of(hexadecimal: str) -> str:
    host, _, port = hexadecimal.partition(":")
    # words of four bytes in the order of the machine; an IPv4 address stands in the last
    parts = bytes.fromhex(host)[-4:][::-1]
    return f"{'.'.join(map(str, parts))}:{int(port, 16)}"


def test_no_connection_is_made_but_to_what_was_configured(
    kafka_cluster: TestCluster, influx: Influx, tmp_path: Path
) -> None:
    cluster = kafka_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")
    log = tmp_path / "connections.log"
    environment = {
        "PYTHONPATH": str(HOOK),
        "CONNECTION_LOG": str(log),
        "STREAM_GOV_INFLUX__URL": influx.url,
        "STREAM_GOV_INFLUX__TOKEN": influx.token,
        "STREAM_GOV_INFLUX__ORG": influx.org,
        "STREAM_GOV_INFLUX__BUCKET": influx.bucket,
        "STREAM_GOV_STORE_URL": f"sqlite:///{tmp_path}/store.sqlite",
    }
    own_port = free_port()
    running: list[Worker] = []
    try:
        for name in WORKERS:
            folder = tmp_path / name.replace(" ", "-")
            folder.mkdir()
            ours = environment | {"STREAM_GOV_METRICS_PORT": str(own_port) if name == "sink prometheus" else "0"}
            running.append(Worker(cluster, *name.split(), folder=folder, **ours))
        watcher = Watcher(worker.process.pid for worker in running)
        watcher.start()
        for hour in (0, 1, 2):
            cluster.send([value for _, value in hour_of_events(hour)])
        wait_until(metrics, "a window closes")
        for worker in running:
            code, _ = worker.stop()
            assert code == 0, worker.lines()
        watcher.stop()
    finally:
        for worker in running:
            worker.__exit__(None, None, None)

    configured = {cluster.settings.bootstrap, influx.url.removeprefix("http://")}
    assert watcher.peers <= configured
    assert watcher.peers == configured, "each of them was seen, so that others would have been"
    # Python's own word on it; the address of the server of a process itself is among them
    turned_to = {f"{host}:{port}" for host, port in re.findall(r"\(b?'([^']+)', b?'?(\d+)", log.read_text())}
    assert len(log.read_text().splitlines()) == len(re.findall(r"\(b?'[^']+', b?'?\d+", log.read_text())), (
        log.read_text()
    )
    assert configured <= turned_to <= configured | {f"127.0.0.1:{own_port}"}, log.read_text()
