"""The workers as users run them: processes that are stopped, killed, and started before their broker."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from stream_gov.detection import backtest
from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from stream_gov.runtime.replay import replay_events
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import as_json, hour_of_events
from tests.broker.test_replay import results_of
from tests.broker.worker_process import Worker
from tests.detection.scenario import monitor, profile_for
from tests.servers.finder import Server, free_port
from tests.servers.gate import Gate

pytestmark = pytest.mark.broker


def send_hours(cluster: TestCluster, *hours: int) -> int:
    return sum(cluster.send([value for _, value in hour_of_events(hour)]) for hour in hours)


def test_sigterm_ends_both_workers_in_seconds_with_everything_committed(
    any_cluster: TestCluster, tmp_path: Path
) -> None:
    cluster = any_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")
    (tmp_path / "i").mkdir()
    (tmp_path / "d").mkdir()
    with (
        Worker(cluster, "ingest", folder=tmp_path / "i") as ingest,
        Worker(cluster, "detect", folder=tmp_path / "d") as detect,
    ):
        send_hours(cluster, 0, 1)
        wait_until(metrics, "a window closes")
        for worker in (ingest, detect):
            code, seconds = worker.stop()
            assert code == 0, worker.lines()
            assert seconds < 10
            assert "Traceback" not in worker.lines()
        assert "has stopped" in ingest.lines()
    assert cluster.committed("ingest", "events") == [(end, "") for end in cluster.ends("events")]
    committed = cluster.committed("detect", "summaries")
    assert [offset for offset, _ in committed] == cluster.ends("summaries")


def test_a_worker_that_waits_for_its_broker_is_stopped_as_quickly(cluster: TestCluster, tmp_path: Path) -> None:
    for name in ("ingest", "detect"):
        (tmp_path / name).mkdir()
        nowhere = f"127.0.0.1:{free_port()}"
        with Worker(cluster, name, folder=tmp_path / name, STREAM_GOV_BOOTSTRAP=nowhere) as worker:
            worker.wait_for("no broker answers; trying until one does")
            code, seconds = worker.stop()
            assert code == 0, worker.lines()
            assert seconds < 5
            assert worker.lines().count("no broker answers") == 1
            assert "Traceback" not in worker.lines()


@pytest.mark.parametrize("name", ["ingest", "detect"])
def test_a_broker_that_comes_up_later_is_found(cluster: TestCluster, tmp_path: Path, name: str) -> None:
    cluster.publish(monitor())
    host, _, port = cluster.settings.bootstrap.partition(":")
    gate = Gate(host, int(port))
    gate.open()
    gate.shut()
    with Worker(cluster, name, folder=tmp_path, STREAM_GOV_BOOTSTRAP=gate.address) as worker:
        worker.wait_for("no broker answers; trying until one does")
        gate.open()
        worker.wait_for("the broker answers")
        worker.wait_for(f"{name} is running")
        code, _ = worker.stop()
        assert code == 0, worker.lines()
    gate.shut()


def test_a_setting_that_no_retry_mends_ends_the_worker_with_one_line(cluster: TestCluster, tmp_path: Path) -> None:
    for name in ("ingest", "detect"):
        (tmp_path / name).mkdir()
        wrong = json.dumps({"sesion.timeout.ms": "1"})
        with Worker(cluster, name, folder=tmp_path / name, STREAM_GOV_KAFKA=wrong) as worker:
            assert worker.process.wait(30) == 2
            assert 'No such configuration property: "sesion.timeout.ms"' in worker.lines()
            assert "Traceback" not in worker.lines()


def test_events_that_were_deleted_unread_are_told_and_the_rest_is_counted(cluster: TestCluster, tmp_path: Path) -> None:
    """The embedded broker keeps 5 MB of a partition, as retention would keep some days."""
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    big = {"padding": "x" * 10_000}
    with Worker(cluster, "ingest", folder=tmp_path) as ingest:
        cluster.send([hour_of_events(0)[0][1]], partition=0)
        wait_until(lambda: cluster.committed("ingest", "events")[0] == (1, ""), "the first event")
        ingest.process.send_signal(signal.SIGSTOP)
        values = [json.dumps(json.loads(value) | {"metadata": big}).encode() for _, value in hour_of_events(1, n=900)]
        cluster.send(values, partition=0)
        ingest.process.send_signal(signal.SIGCONT)
        ingest.wait_for("data loss")
        wait_until(lambda: cluster.committed("ingest", "events")[0] == (901, ""), "the rest", deadline_s=60)
        assert ingest.stop()[0] == 0
    counted = sum(getattr(record, "n_events", 0) for _, record in cluster.record_reader()())
    assert 0 < counted < 901


HOURS = 16
EVENTS = [e for hour in range(HOURS) for e in hour_of_events(hour, shift=2.0 if hour in (5, 6) else 0.0, n=200)]


def slow_replay(cluster: TestCluster) -> threading.Thread:
    """Send EVENTS in about 16 seconds."""

    def send() -> None:
        replay_events(
            cluster.settings,
            monitor(),
            [(time_ms, json.loads(value)["event_id"], value) for time_ms, value in EVENTS],
            from_ms=EVENTS[0][0],
            until_ms=EVENTS[-1][0],
            rate=200.0,
        )

    return threading.Thread(target=send)


@pytest.mark.slow
def test_workers_killed_at_random_change_no_result(any_cluster: TestCluster, tmp_path: Path) -> None:
    cluster, profile, rng = any_cluster, profile_for(monitor()), random.Random(1)
    cluster.publish(monitor(), profiles=[profile])
    workers: dict[str, Worker] = {}

    def start(name: str) -> None:
        folder = tmp_path / f"{name}-{time.monotonic_ns()}"
        folder.mkdir()
        workers[name] = Worker(cluster, name, folder=folder)

    sender = slow_replay(cluster)
    try:
        for name in ("ingest", "detect"):
            start(name)
        sender.start()
        kills = 0
        while sender.is_alive():
            sender.join(rng.uniform(2.0, 5.0))
            if sender.is_alive():
                name = rng.choice(sorted(workers))
                workers[name].process.kill()
                workers[name].__exit__(None, None, None)
                start(name)
                kills += 1
        assert kills >= 2
        assert_results_of_a_backtest(cluster)
    finally:
        sender.join(60)
        for worker in workers.values():
            worker.__exit__(None, None, None)


def assert_results_of_a_backtest(cluster: TestCluster) -> None:
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    expected = as_json(backtest(EVENTS, monitor(), profile_for(monitor())))
    results = results_of([r for r in expected if "verdict" in r])
    wait_until(lambda: len(results_of(metrics())) >= len(results), "the last window", deadline_s=90)
    assert results_of(metrics()) == results
    assert {a["id"] for a in alerts()} == {a["id"] for a in expected if "alert_id" in a}


@pytest.mark.slow
@pytest.mark.kafka
def test_a_broker_that_stalls_for_longer_than_the_sessions_last_changes_no_result(
    kafka_server: Server, kafka_cluster: TestCluster
) -> None:
    """It accepts nothing and answers nothing, in the middle of cuts, of writes of state, and of commits."""
    if kafka_server.pid is None:
        pytest.skip("this Kafka was not started by a script, so it has no process here to stop")
    cluster = kafka_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    sender = slow_replay(cluster)
    with cluster.running(run_ingest), cluster.running(run_detect):
        sender.start()
        wait_until(cluster.json_reader("metrics"), "the flow flows")
        os.kill(kafka_server.pid, signal.SIGSTOP)
        try:
            sender.join(13.0)
        finally:
            os.kill(kafka_server.pid, signal.SIGCONT)
        sender.join(60)
        assert not sender.is_alive()
        assert_results_of_a_backtest(cluster)


@pytest.mark.parametrize("name", ["ingest", "detect", "sink store", "sink prometheus"])
def test_a_worker_is_alive_while_it_waits_for_its_broker_and_ready_when_it_works(
    cluster: TestCluster, tmp_path: Path, name: str
) -> None:
    host, _, broker_port = cluster.settings.bootstrap.partition(":")
    gate, port = Gate(host, int(broker_port)), free_port()
    gate.open()
    gate.shut()
    environment = {"STREAM_GOV_BOOTSTRAP": gate.address, "STREAM_GOV_METRICS_PORT": str(port)}
    with Worker(cluster, *name.split(), folder=tmp_path, **environment) as worker:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answer(f"{url}/livez")[0] == 200, "it lives")
        code, text = answer(f"{url}/readyz")
        if not name.startswith("sink"):  # a sink has its consumer at once, and reads when the broker is there
            assert code == 503, text
        gate.open()
        wait_until(lambda: answer(f"{url}/readyz")[0] == 200, "it is ready")
        assert answer(f"{url}/livez")[0] == 200
        assert worker.stop()[0] == 0
    gate.shut()


def answer(url: str) -> tuple[int, str]:
    """Status and body; 0 while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as found:
            return found.status, found.read().decode()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read().decode()
    except OSError:
        return 0, ""
