from __future__ import annotations

import json
from threading import Event
from typing import Any

import pytest

from stream_gov.contracts import UnavailableError
from stream_gov.detection import backtest
from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from stream_gov.runtime.replay import ReplayTotals, replay_events, wait_until_detected
from tests.broker.cluster import TestCluster
from tests.broker.test_detect_worker import as_json, hour_of_events, newest
from tests.detection.scenario import monitor, profile_for

pytestmark = pytest.mark.broker

EVENTS = [e for hour in range(6) for e in hour_of_events(hour, shift=2.0 if hour in (2, 3) else 0.0, n=100)]


def replay(cluster: TestCluster, events: list[tuple[int, bytes]] = EVENTS, **options: Any) -> ReplayTotals:
    return replay_events(
        cluster.settings,
        monitor(),
        [(time_ms, json.loads(value)["event_id"], value) for time_ms, value in events],
        from_ms=events[0][0],
        until_ms=events[-1][0],
        **options,
    )


def results_of(found: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {id_: (r["value"], r["verdict"], r["events"], r["late"]) for id_, r in newest(found).items()}


def test_a_replay_gives_the_results_of_a_backtest_to_its_last_window(any_cluster: TestCluster) -> None:
    cluster, profile = any_cluster, profile_for(monitor())
    cluster.publish(monitor(), profiles=[profile])
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    with cluster.running(run_ingest), cluster.running(run_detect):
        totals = replay(cluster)
        assert (totals.events, totals.broken_off, totals.event_time_ms) == (600, False, EVENTS[-1][0])
        assert wait_until_detected(cluster.settings, timeout_s=45)
        expected = as_json(backtest(EVENTS, monitor(), profile))
        assert results_of(metrics()) == results_of([r for r in expected if "verdict" in r])
        assert [a["id"] for a in alerts()] == [a["id"] for a in expected if "alert_id" in a]


def test_a_second_replay_of_the_same_events_overwrites_the_first(cluster: TestCluster) -> None:
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")
    with cluster.running(run_ingest), cluster.running(run_detect):
        replay(cluster)
        wait_until_detected(cluster.settings, timeout_s=45)
        first = results_of(metrics())
        n_first = len(metrics())
        replay(cluster)
        wait_until_detected(cluster.settings, timeout_s=45)
    assert results_of(metrics()) == first, "nothing is counted twice, nothing is late"
    assert len(metrics()) == 2 * n_first


def test_a_replay_may_be_slowed_down_and_broken_off(cluster: TestCluster) -> None:
    cluster.publish(monitor())
    stop = Event()
    seen: list[int] = []

    def progress(totals: ReplayTotals) -> None:
        seen.append(totals.events)
        stop.set()

    totals = replay(cluster, rate=2_000.0, progress=progress, stop=stop)
    assert totals.broken_off
    assert 0 < totals.events < 600
    assert 0 < totals.events_per_second <= 2_200
    assert seen


def test_without_a_broker_a_replay_says_so(cluster: TestCluster) -> None:
    stop = Event()
    stop.set()
    broken = cluster.settings.model_copy(update={"bootstrap": "127.0.0.1:1"})
    with pytest.raises(UnavailableError, match=r"no broker answers at 127\.0\.0\.1:1"):
        replay_events(broken, monitor(), [], from_ms=0, until_ms=0, stop=stop)


@pytest.mark.slow
def test_a_replay_far_larger_than_the_embedded_broker_holds_loses_nothing(cluster: TestCluster) -> None:
    """30 MB through partitions of 5: every writer waits for its readers."""
    padding = "x" * 3_000
    events = []
    for time_ms, value in [e for hour in range(8) for e in hour_of_events(hour, n=1_250)]:
        events.append((time_ms, json.dumps(json.loads(value) | {"metadata": {"padding": padding}}).encode()))
    assert sum(len(value) for _, value in events) > 30_000_000
    profile = profile_for(monitor())
    cluster.publish(monitor(), profiles=[profile])
    metrics = cluster.json_reader("metrics")
    with cluster.running(run_ingest), cluster.running(run_detect):
        replay(cluster, events)
        wait_until_detected(cluster.settings, timeout_s=60)
    by_window = {r["window_end_ms"]: r["events"] for r in metrics() if r["column"] == "x" and r["statistic"] == "psi"}
    assert sorted(by_window.values()) == [1_250] * 8
