"""Workers are killed, frozen, stopped, the broker is restarted, and nothing is lost and nothing counted twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.broker.cluster import TestCluster
from tests.chaos.conftest import amount
from tests.chaos.deployment import Deployment, FaultSchedule, Sender
from tests.chaos.outcome import Outcome
from tests.chaos.traffic import Traffic
from tests.conftest import Influx
from tests.servers.finder import Server

pytestmark = [pytest.mark.kafka, pytest.mark.influxdb, pytest.mark.slow]


def environment(influx: Influx, store_url: str) -> dict[str, str]:
    return {
        "STREAM_GOV_CUT_INTERVAL": "500ms",
        "STREAM_GOV_STORE_URL": store_url,
        "STREAM_GOV_INFLUX__URL": influx.url,
        "STREAM_GOV_INFLUX__TOKEN": influx.token,
        "STREAM_GOV_INFLUX__ORG": influx.org,
        "STREAM_GOV_INFLUX__BUCKET": influx.bucket,
        # A partition may stand still for as long as its reader is dead: that must not pass for the end of its events.
        "STREAM_GOV_IDLE_TIMEOUT": "10m",
        "STREAM_GOV_KAFKA": json.dumps({"session.timeout.ms": "6000"}),
    }


def assert_nothing_lost_and_nothing_twice(
    outcome: Outcome, influx: Influx, store_url: str, *, deadline_s: float
) -> None:
    outcome.wait_for_the_last_window(deadline_s=deadline_s)
    outcome.assert_every_window_is_exact()
    outcome.assert_events_counted_late_and_refused_are_those_sent()
    outcome.assert_results_and_alerts_are_those_of_a_backtest()
    outcome.wait_for_store(store_url, deadline_s=60)
    outcome.wait_for_influx(influx, deadline_s=60)


def test_a_minute_of_faults_changes_no_count_no_alert_and_no_point(
    chaos_kafka: Server, chaos_cluster: TestCluster, influx: Influx, tmp_path: Path
) -> None:
    """Two kills of each kind of worker, a zombie, a rolling stop and a restart of the broker, in one run."""
    traffic = Traffic(40_000, hours=12)
    store_url = f"sqlite:///{tmp_path}/store.sqlite"
    chaos_cluster.publish(*traffic.monitors, profiles=traffic.profiles)
    workers = {"ingest": 2, "detect": 2, "sink store": 1, "sink influx": 1}
    with Deployment(chaos_cluster, tmp_path / "workers", workers, environment(influx, store_url)) as deployment:
        schedule = FaultSchedule(deployment, seed=amount("SEED", 1), every_s=(1.0, 3.0))
        script = [
            lambda: deployment.kill(schedule.victim("ingest")),
            lambda: deployment.kill(schedule.victim("detect")),
            lambda: deployment.stop_in_mid_work(schedule.victim("ingest", "detect")),
            lambda: deployment.kill("sink influx-1"),
            lambda: deployment.restart_broker(chaos_kafka, schedule.signal()),
            lambda: deployment.kill(schedule.victim("ingest")),
            lambda: deployment.freeze(schedule.victim("ingest", "detect"), 8.0),
            lambda: deployment.kill("sink store-1"),
            lambda: deployment.kill(schedule.victim("detect")),
        ]

        def fault() -> None:
            if script and schedule.is_due():
                script.pop(0)()

        sender = Sender(chaos_cluster, rate=1_000)
        sender.send(traffic.messages(), fault)
        assert not script, f"{len(script)} faults did not come to pass"
        deployment.wait_for_the_frozen()
        sender.send(traffic.last_messages())
        assert sender.sent == traffic.n_events + len(traffic.last_messages())
        assert_nothing_lost_and_nothing_twice(Outcome(chaos_cluster, traffic), influx, store_url, deadline_s=120)
        deployment.assert_all_run()
