"""Every server goes away, becomes slow, or refuses what it is sent, and comes back: nothing is lost, and everything goes on by itself."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy

from tests.broker.cluster import TestCluster
from tests.chaos.conftest import amount
from tests.chaos.deployment import Deployment, Sender
from tests.chaos.outcome import Outcome
from tests.chaos.test_faults import assert_nothing_lost_and_nothing_twice, environment
from tests.chaos.traffic import Traffic
from tests.conftest import Influx
from tests.servers.finder import Server
from tests.servers.toxiproxy import Proxy, make_proxy, start_proxied_kafka
from tests.sinks.influx_bench import token_with

pytestmark = [pytest.mark.kafka, pytest.mark.influxdb, pytest.mark.postgres]

MEMORY_BOUND_MB = 500
"""Of each worker, at its highest."""


@pytest.fixture(scope="module")
def proxied_kafka() -> Iterator[tuple[Server, Proxy]]:
    folder = Path(tempfile.mkdtemp(prefix="stream-gov-proxied-kafka-"))
    try:
        server, proxy = start_proxied_kafka(folder)
        yield server, proxy
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Outage:
    """One of them, and for what part of a minute it lasts in a long run."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None]
    seconds: float


class Timeline:
    """Lets outages happen one after the other, with a moment between them."""

    def __init__(self, outages: list[Outage], *, pause_s: float) -> None:
        self._todo = list(outages)
        self._running: Outage | None = None
        self._next = time.monotonic() + pause_s
        self._pause_s = pause_s
        self.happened: list[str] = []

    @property
    def is_over(self) -> bool:
        return not self._todo and self._running is None

    def step(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        if self._running is not None:
            self._running.end()
            self.happened.append(f"{self._running.name} {self._running.seconds:g} s")
            self._running = None
            self._next = now + self._pause_s
        elif self._todo:
            self._running = self._todo.pop(0)
            self._running.begin()
            self._next = now + self._running.seconds


def outages_of_everything(
    kafka: Proxy, influxdb: Proxy, postgres: Proxy, set_token: Callable[[str], None], minute_s: float
) -> list[Outage]:
    def of(name: str, proxy: Proxy, begin: Callable[[], None], minutes: float) -> Outage:
        return Outage(name, begin, proxy.heal, minutes * minute_s)

    return [
        of("InfluxDB down", influxdb, influxdb.cut, 2),
        of("InfluxDB slow", influxdb, lambda: influxdb.delay(1_500, jitter_ms=500), 0.5),
        Outage("InfluxDB refuses the token", lambda: set_token("inactive"), lambda: set_token("active"), 0.5 * minute_s),
        of("Postgres down", postgres, postgres.cut, 2),
        of("broker cut off", kafka, kafka.cut, 0.5),
        of("broker's connections broken again and again", kafka, lambda: kafka.reset(800), 0.25),
        of("broker throttled", kafka, lambda: kafka.throttle(100), 0.5),
        of("broker delayed", kafka, lambda: kafka.delay(150, jitter_ms=100), 0.5),
    ]  # fmt: skip


def run(
    proxied_kafka: tuple[Server, Proxy],
    influx: Influx,
    postgres_url: str,
    folder: Path,
    *,
    traffic: Traffic,
    minute_s: float,
    pause_s: float,
) -> None:
    server, kafka = proxied_kafka
    toxiproxy = Server(server.options["toxiproxy"])
    influxdb = make_proxy(toxiproxy, influx.url.removeprefix("http://"))
    address = sqlalchemy.make_url(postgres_url)
    postgres = make_proxy(toxiproxy, f"{address.host}:{address.port}")
    host, _, port = postgres.address.rpartition(":")
    store_url = address.set(host=host, port=int(port)).render_as_string(hide_password=False)
    authorization = token_with(influx, action="write", bucket=influx.bucket)

    def set_token(status: str) -> None:
        authorization.status = status
        influx.client.authorizations_api().update_authorization(authorization)

    workers = {"ingest": 2, "detect": 2, "sink store": 1, "sink influx": 1}
    with TestCluster(server.address, n_partitions=12) as cluster:
        cluster.publish(*traffic.monitors, profiles=traffic.profiles)
        through_proxies = environment(influx, store_url) | {
            "STREAM_GOV_BOOTSTRAP": kafka.address,
            "STREAM_GOV_INFLUX__URL": f"http://{influxdb.address}",
            "STREAM_GOV_INFLUX__TOKEN": authorization.token,
        }
        with Deployment(cluster, folder / "workers", workers, through_proxies) as deployment:
            outages = outages_of_everything(kafka, influxdb, postgres, set_token, minute_s)
            timeline = Timeline(outages, pause_s=pause_s)
            seconds = sum(o.seconds + pause_s for o in outages)
            sender = Sender(cluster, rate=traffic.n_events / seconds)
            try:
                sender.send(traffic.messages(), timeline.step)
                while not timeline.is_over:
                    timeline.step()
                    time.sleep(0.1)
            finally:
                for proxy in (kafka, influxdb, postgres):
                    with suppress(OSError):
                        proxy.heal()
            sender.send(traffic.last_messages())
            outcome = Outcome(cluster, traffic)
            assert_nothing_lost_and_nothing_twice(outcome, influx, postgres_url, deadline_s=180)
            deployment.assert_all_run()
            peaks = deployment.peak_mb()
            print(
                f"{', '.join(timeline.happened)}; {traffic.n_events} events, {len(outcome.results())} results and "
                f"{len(outcome.expected.alerts)} alert messages as expected, {outcome.repeated_alerts()} repeated on the topic; at most "
                + ", ".join(f"{name} {mb:.0f} MB" for name, mb in peaks.items())
            )
            assert max(peaks.values()) < MEMORY_BOUND_MB
            logs = {name: deployment.lines(name) for name in peaks}
            assert "works again" in logs["sink influx-1"]
            assert "refuses the token" in logs["sink influx-1"]
            assert "works again" in logs["sink store-1"]
            assert authorization.token not in "".join(logs.values())


@pytest.mark.slow
def test_short_outages_lose_nothing(
    proxied_kafka: tuple[Server, Proxy], influx: Influx, postgres_url: str, tmp_path: Path
) -> None:
    run(
        proxied_kafka, influx, postgres_url, tmp_path, traffic=Traffic(20_000, hours=12, seed=5), minute_s=4, pause_s=1.5
    )  # fmt: skip


@pytest.mark.chaos
def test_outages_of_minutes_lose_nothing(
    proxied_kafka: tuple[Server, Proxy], influx: Influx, postgres_url: str, tmp_path: Path
) -> None:
    traffic = Traffic(amount("EVENTS", 1_000_000), seed=6)
    run(proxied_kafka, influx, postgres_url, tmp_path, traffic=traffic, minute_s=60, pause_s=10)
