"""A million events under a hundred faults: `make chaos` runs these, `make test` the short ones.

`CHAOS_EVENTS`, `CHAOS_FAULTS` and `CHAOS_SEED` change the size of a run and its course.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions  # type: ignore[attr-defined]

from tests.broker.cluster import TestCluster
from tests.chaos.conftest import amount
from tests.chaos.deployment import Deployment, FaultSchedule, Sender
from tests.chaos.outcome import Outcome
from tests.chaos.test_faults import assert_nothing_lost_and_nothing_twice, environment
from tests.chaos.traffic import Traffic
from tests.conftest import Influx
from tests.servers.finder import Server

pytestmark = [pytest.mark.kafka, pytest.mark.influxdb, pytest.mark.chaos]

N_EVENTS = amount("EVENTS", 1_000_000)
N_FAULTS = amount("FAULTS", 100)
WORKERS = {"ingest": 3, "detect": 2, "sink store": 1, "sink influx": 1}
Fault = Callable[[Deployment, FaultSchedule, Server], None]


def run(
    cluster: TestCluster,
    kafka: Server,
    influx: Influx,
    folder: Path,
    fault: Fault,
    *,
    traffic: Traffic,
    n_faults: int,
    every_s: tuple[float, float],
    workers: dict[str, int] = WORKERS,
    at_half: Callable[[Deployment], None] = lambda _: None,
) -> None:
    """Send the traffic while the faults happen, then hold what is found against what must be."""
    store_url = f"sqlite:///{folder}/store.sqlite"
    cluster.publish(*traffic.monitors, profiles=traffic.profiles)
    with Deployment(cluster, folder / "workers", workers, environment(influx, store_url)) as deployment:
        schedule = FaultSchedule(deployment, seed=amount("SEED", 1), every_s=every_s)
        rate = max(500.0, traffic.n_events / max(n_faults * sum(every_s) / 2, 60.0))
        print(f"{traffic.n_events} events at {rate:.0f} a second, {n_faults} faults")
        n = 0

        def between() -> None:
            nonlocal n
            if n < n_faults and schedule.is_due():
                fault(deployment, schedule, kafka)
                n += 1

        sender = Sender(cluster, rate=rate)
        began = time.monotonic()
        half = traffic.n_events // 2
        messages = traffic.messages()
        sender.send((m for _, m in zip(range(half), messages, strict=False)), between)
        at_half(deployment)
        sender.send(messages, between)
        while n < n_faults:
            between()
            time.sleep(0.1)
        deployment.wait_for_the_frozen()
        sender.send(traffic.last_messages())
        assert sender.sent == traffic.n_events + len(traffic.last_messages())
        outcome = Outcome(cluster, traffic)
        assert_nothing_lost_and_nothing_twice(outcome, influx, store_url, deadline_s=600)
        deployment.assert_all_run()
        memory = ", ".join(f"{name} {mb:.0f} MB" for name, mb in deployment.resident_mb().items())
        print(
            f"faults: {dict(deployment.faults)}; {time.monotonic() - began:.0f} s; {len(outcome.results())} results and "
            f"{len(outcome.expected.alerts)} alert messages as expected, {outcome.repeated_alerts()} repeated on the topic; {memory}"
        )


def kill(deployment: Deployment, schedule: FaultSchedule, kafka: Server) -> None:
    if kafka.start_again is not None and deployment.faults.total() % 25 == 12:
        deployment.restart_broker(kafka, schedule.signal())
    deployment.kill(schedule.victim())


def freeze(deployment: Deployment, schedule: FaultSchedule, _kafka: Server) -> None:
    deployment.freeze(schedule.victim(), 20.0)


def test_kills_of_every_worker_and_restarts_of_the_broker(
    chaos_kafka: Server, chaos_cluster: TestCluster, influx: Influx, tmp_path: Path
) -> None:
    traffic = Traffic(N_EVENTS)
    run(
        chaos_cluster, chaos_kafka, influx, tmp_path, kill, traffic=traffic, n_faults=N_FAULTS, every_s=(2.0, 5.0)
    )  # fmt: skip


def test_zombies_that_wake_up_after_others_have_taken_over(
    chaos_kafka: Server, chaos_cluster: TestCluster, influx: Influx, tmp_path: Path
) -> None:
    traffic = Traffic(N_EVENTS, seed=2)
    n_faults = max(N_FAULTS // 3, 5)
    run(
        chaos_cluster, chaos_kafka, influx, tmp_path, freeze, traffic=traffic, n_faults=n_faults, every_s=(8.0, 16.0)
    )  # fmt: skip


def test_workers_and_partitions_are_added_and_taken_away(chaos_kafka: Server, influx: Influx, tmp_path: Path) -> None:
    """1 -> 4 -> 2 workers of each kind, and 4 -> 12 partitions of the events, in one run."""
    traffic = Traffic(N_EVENTS // 4, seed=3, first_partitions=4)
    sizes = [4, 2, 3, 1, 4, 2]

    def rescale(deployment: Deployment, _schedule: FaultSchedule, _kafka: Server) -> None:
        n = sizes.pop(0)
        deployment.scale("ingest", n)
        deployment.scale("detect", n)
        deployment.faults[f"scaled to {n}"] += 1

    with TestCluster(chaos_kafka.address, n_partitions=4) as cluster:

        def add_partitions(deployment: Deployment) -> None:
            admin = AdminClient({"bootstrap.servers": cluster.settings.bootstrap})
            topic = cluster.topic("events")
            admin.create_partitions([NewPartitions(topic, 12)])[topic].result()
            # Workers learn of them within ten seconds; until then the new ones are not waited for, and what they bring may come late.
            time.sleep(25)

        run(
            cluster,
            chaos_kafka,
            influx,
            tmp_path,
            rescale,
            traffic=traffic,
            n_faults=len(sizes),
            every_s=(10.0, 15.0),
            workers={"ingest": 1, "detect": 1, "sink store": 1, "sink influx": 1},
            at_half=add_partitions,
        )
