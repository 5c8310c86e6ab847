"""What a broker does to events that were not read yet: it deletes them, or the topic with them. It must be an alert, and the rest exact."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from stream_gov.contracts import MONITOR_ITSELF
from stream_gov.runtime.detect_worker import run_detect
from stream_gov.runtime.ingest_worker import run_ingest
from tests.broker.cluster import TestCluster, wait_until
from tests.broker.test_detect_worker import hour_of_events, newest
from tests.detection.scenario import HOUR, T0, monitor, profile_for

pytestmark = [pytest.mark.kafka]


def told(alerts: list[dict[str, Any]]) -> list[tuple[str, str, list[str], float]]:
    return [
        (a["segment"], a["change"], a["columns"], sum(c["value"] for c in a["causes"]))
        for a in alerts
        if a["model"] == MONITOR_ITSELF
    ]


def counted(results: list[dict[str, Any]], hour: int) -> int:
    return sum(
        r["events"]
        for r in newest(results).values()
        if r["statistic"] == "events" and r["window_start_ms"] == T0 + hour * HOUR
    )


def test_events_that_retention_took_unread_are_an_alert(kafka_cluster: TestCluster) -> None:
    cluster = kafka_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    cluster.send((value for _, value in hour_of_events(0)), partition=0)
    with cluster.running(run_ingest):
        wait_until(lambda: cluster.committed("ingest", "events")[0] == (300, ""), "the first hour")
    cluster.send((value for _, value in hour_of_events(1)), partition=0)
    admin = AdminClient({"bootstrap.servers": cluster.settings.bootstrap})
    topic = cluster.topic("events")
    for future in admin.delete_records([TopicPartition(topic, 0, 450)]).values():
        future.result()
    for hour in (2, 4):
        for partition in range(3):
            cluster.send((value for _, value in hour_of_events(hour, n=60)), partition=partition)
    with cluster.running(run_ingest), cluster.running(run_detect):
        wait_until(lambda: counted(metrics(), 2) == 180, "the hour after")
        wait_until(lambda: told(alerts()), "the alert")
    assert told(alerts()) == [("data_loss", "opened", [f"{topic}/0"], 150.0)]
    assert "deleted 150 events of partition 0 (offsets 300 to 449)" in alerts()[0]["message"]
    assert (counted(metrics(), 0), counted(metrics(), 1)) == (300, 150)


@pytest.mark.slow
@pytest.mark.parametrize("n_after", [60, 400], ids=["shorter than the old one", "longer than the old one"])
def test_a_topic_that_was_made_anew_is_an_alert_and_is_counted_from_its_beginning(
    kafka_cluster: TestCluster, n_after: int
) -> None:
    """The new log may hold more than was read of the old one: then offsets alone do not show that it is another."""
    cluster = kafka_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    for partition in range(3):
        cluster.send((value for _, value in hour_of_events(0, n=200)), partition=partition)
    with cluster.running(run_ingest), cluster.running(run_detect):
        wait_until(lambda: cluster.committed("ingest", "events") == [(200, "")] * 3, "the first hour")
        wait_until(lambda: all(c == e for (c, _), e in zip(cluster.committed("detect", "summaries"), cluster.ends("summaries"), strict=True)), "taken in")  # fmt: skip
    make_anew(cluster)
    for partition in range(3):
        cluster.send((value for _, value in hour_of_events(1, n=n_after)), partition=partition)
        cluster.send((value for _, value in hour_of_events(3, n=30)), partition=partition)
    with cluster.running(run_ingest), cluster.running(run_detect):
        wait_until(lambda: counted(metrics(), 1) == 3 * n_after, "the hour after")
        wait_until(lambda: [t for t in told(alerts()) if len(t[2]) == 3], "the alert names all partitions")
    assert {t[0] for t in told(alerts())} == {"topic_recreated"}
    assert counted(metrics(), 0) == 600


@pytest.mark.slow
def test_a_topic_that_is_made_anew_while_the_worker_runs_is_noticed(kafka_cluster: TestCluster) -> None:
    cluster = kafka_cluster
    cluster.publish(monitor(), profiles=[profile_for(monitor())])
    metrics, alerts = cluster.json_reader("metrics"), cluster.json_reader("alerts")
    for partition in range(3):
        cluster.send((value for _, value in hour_of_events(0, n=200)), partition=partition)
    with cluster.running(run_ingest), cluster.running(run_detect):
        wait_until(lambda: cluster.committed("ingest", "events") == [(200, "")] * 3, "the first hour")
        make_anew(cluster)
        for partition in range(3):
            cluster.send((value for _, value in hour_of_events(1, n=300)), partition=partition)
            cluster.send((value for _, value in hour_of_events(3, n=30)), partition=partition)
        wait_until(lambda: counted(metrics(), 1) == 900, "the hour after", deadline_s=90)
        wait_until(lambda: [t for t in told(alerts()) if len(t[2]) == 3], "the alert names all partitions")
    assert counted(metrics(), 0) == 600


def make_anew(cluster: TestCluster) -> None:
    """Delete the topic of events and create it again."""
    admin = AdminClient({"bootstrap.servers": cluster.settings.bootstrap})
    topic = cluster.topic("events")
    admin.delete_topics([topic])[topic].result()
    deadline = time.monotonic() + 20
    while True:
        time.sleep(0.5)
        try:
            admin.create_topics([NewTopic(topic, 3, 1)])[topic].result()
        except Exception:
            assert time.monotonic() < deadline
        else:
            return
