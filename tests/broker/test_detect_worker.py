from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from stream_gov.contracts import Check
from stream_gov.detection import backtest
from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from tests.broker.cluster import TestCluster, events_of, wait_until
from tests.detection.scenario import HOUR, T0, monitor, profile_for

pytestmark = pytest.mark.broker


def hour_of_events(hour: int, *, shift: float = 0.0, n: int = 300, seed: int = 0) -> list[tuple[int, bytes]]:
    """Events of one hour, in the order of their times."""
    rng = np.random.default_rng([seed, hour])
    events = []
    for i, x in enumerate(rng.normal(shift, 1, n)):
        time_ms = T0 + hour * HOUR + i * HOUR // n
        content = {
            "event_id": f"{hour}-{i}",
            "model": "shop",
            "version": "1",
            "timestamp": time_ms,
            "features": {"x": float(x), "color": ["red", "blue", "red", "red"][i % 4]},
        }
        events.append((time_ms, json.dumps(content).encode()))
    return events


def newest(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        if result["id"] not in found or result["revision"] >= found[result["id"]]["revision"]:
            found[result["id"]] = result
    return found


def as_json(items: Iterator[Any]) -> list[dict[str, Any]]:
    return [json.loads(msgspec.json.encode(item)) for item in items]


def test_live_results_and_alerts_equal_those_of_a_backtest(any_cluster: TestCluster) -> None:
    cluster = any_cluster
    profile = profile_for(monitor())
    cluster.publish(monitor(), profiles=[profile])
    events = [e for hour in range(4) for e in hour_of_events(hour, shift=2.0 if hour in (1, 2) else 0.0)]
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    cluster.send(value for _, value in events)
    cluster.send([value for _, value in hour_of_events(5, n=40)])
    with cluster.running(run_ingest), cluster.running(run_detect):
        wait_until(lambda: len({r["window_end_ms"] for r in metrics()}) >= 4, "four windows")
        wait_until(lambda: len(alerts()) >= 2, "the alert opens and resolves")

    expected = as_json(backtest(events, monitor(), profile))
    live, past = newest(metrics()), newest([r for r in expected if "verdict" in r])
    of_four = {id_: r for id_, r in live.items() if r["window_end_ms"] <= T0 + 4 * HOUR}
    assert {id_: (r["value"], r["verdict"], r["events"]) for id_, r in of_four.items()} == {
        id_: (r["value"], r["verdict"], r["events"]) for id_, r in past.items() if r["window_end_ms"] <= T0 + 4 * HOUR
    }
    assert {a["id"] for a in alerts()} >= {a["id"] for a in expected if "alert_id" in a}
    assert [(a["change"], a["window_end_ms"]) for a in alerts()] == [
        ("opened", T0 + 2 * HOUR),
        ("resolved", T0 + 4 * HOUR),
    ]
    assert alerts()[0]["columns"] == ["x"]


def test_the_state_survives_a_restart_of_the_worker(any_cluster: TestCluster) -> None:
    cluster = any_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")
    first, second = hour_of_events(0)[:150], hour_of_events(0)[150:]
    with cluster.running(run_ingest):
        cluster.send([value for _, value in first])
        with cluster.running(run_detect):

            def taken_in() -> bool:
                committed = cluster.committed("detect", "summaries")
                return all(c == e for (c, _), e in zip(committed, cluster.ends("summaries"), strict=True) if e)

            wait_until(lambda: sum(cluster.ends("summaries")) > 0 and taken_in(), "half an hour taken in")
        assert not metrics()
        cluster.send([value for _, value in second])
        cluster.send([value for _, value in hour_of_events(1, n=40)])
        with cluster.running(run_detect):
            of_x = wait_until(lambda: events_of(metrics(), column="x", statistic="psi"), "the window closes")
    assert of_x[0]["events"] == 300, "the half before the restart is in it"
    assert of_x[0]["window_end_ms"] == T0 + HOUR


def test_a_monitor_that_changes_takes_effect_without_a_restart(cluster: TestCluster) -> None:
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    with cluster.running(run_ingest), cluster.running(run_detect):
        cluster.send([value for _, value in hour_of_events(0, shift=0.6)])
        cluster.send([value for _, value in hour_of_events(1, n=40)])
        first = wait_until(lambda: events_of(metrics(), column="x", statistic="psi"), "the first window")[0]
        assert first["threshold"] == 0.2
        checks = (Check(statistic="psi", threshold=1000), Check(statistic="ks", threshold=0.001))
        cluster.publish(monitor().model_copy(update={"checks": checks}))
        wait_until(lambda: _after_change(cluster, metrics), "a window judged by the new monitor", deadline_s=60)
    assert {a["monitor"] for a in alerts()} == {"shop"}


def _after_change(cluster: TestCluster, metrics: Any) -> bool:
    """Send another hour until one is judged by the new monitor."""
    hours = {r["window_end_ms"] for r in metrics()}
    hour = (max(hours) - T0) // HOUR
    sent = getattr(cluster, "sent_hours", set())
    if hour not in sent:
        cluster.sent_hours = sent | {hour}  # type: ignore[attr-defined]
        cluster.send([value for _, value in hour_of_events(hour)])
        cluster.send([value for _, value in hour_of_events(hour + 1, n=40)])
    return bool(events_of(metrics(), column="x", statistic="ks", threshold=0.001))


def test_a_replaced_reference_takes_effect_without_a_restart_and_each_window_names_its_own(
    cluster: TestCluster,
) -> None:
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")

    def window(hour: int) -> dict[str, Any] | None:
        found = [
            r for r in events_of(metrics(), column="x", statistic="psi") if r["window_end_ms"] == T0 + (hour + 1) * HOUR
        ]
        return found[-1] if found else None

    with cluster.running(run_ingest), cluster.running(run_detect):
        half = hour_of_events(0, shift=2.0)[:150]
        cluster.send([value for _, value in half])
        wait_until(lambda: sum(cluster.ends("summaries")) > 8, "half an hour is counted")
        cluster.publish(profiles=[profile_for(monitor(), revision=2, shift=2.0)])
        cluster.send([value for _, value in hour_of_events(0, shift=2.0)[150:]])
        for hour in range(1, 5):
            cluster.send([value for _, value in hour_of_events(hour, shift=2.0)])
            wait_until(lambda hour=hour: window(hour - 1), f"window {hour - 1}")  # type: ignore[misc]
    spanning, later = window(0), window(3)
    assert spanning is not None
    assert later is not None
    assert spanning["events"] == 300
    assert (spanning["reference"], spanning["verdict"]) == ("base@1", "drift")
    assert (later["reference"], later["verdict"], later["events"]) == ("base@2", "stable", 300)


def test_a_record_that_cannot_be_read_is_skipped(cluster: TestCluster) -> None:
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics = cluster.json_reader("metrics")
    for partition in range(4):
        for garbage in (b"", b"\x07later", b"\x01damaged"):
            cluster.producer.produce(cluster.topic("summaries"), value=garbage, partition=partition)
    cluster.producer.flush()
    cluster.send([value for _, value in hour_of_events(0)])
    cluster.send([value for _, value in hour_of_events(1, n=40)])
    with cluster.running(run_ingest), cluster.running(run_detect):
        found = wait_until(lambda: events_of(metrics(), column="x", statistic="psi"), "the window closes")
    assert found[0]["events"] == 300
