"""What `doctor` finds at a broker, on the embedded one without workers."""

from __future__ import annotations

import json

import pytest

from stream_gov.cli.doctor_broker_checks import check_broker, check_catalog, check_topics, versions_in_events
from stream_gov.cli.doctor_checks import Level
from stream_gov.cli.local_stack import publish_state
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.embedded_broker import EmbeddedBroker
from stream_gov.runtime.kafka_clients import Cluster, make_producer, producer_config
from stream_gov.runtime.topics import ensure_topics
from stream_gov.settings import Settings, load_settings
from tests.cli.stream_files import MONITOR, write_monitor, write_stream

pytestmark = pytest.mark.broker


@pytest.fixture
def broker():
    with EmbeddedBroker() as broker:
        yield load_settings(bootstrap=broker.bootstrap)


@pytest.fixture
def state(run, tmp_path):
    run(
        "reference",
        "build",
        write_stream(tmp_path),
        "-m",
        write_monitor(tmp_path),
        "--rows",
        "0:2400",
        "--model-version",
        "7",
    )
    run("monitor", "apply", "monitor.yaml")
    return StateDirectory(".stream-gov")


def cluster_of(settings: Settings) -> Cluster:
    cluster, found = check_broker(settings)
    assert cluster is not None
    assert [f.level for f in found] == [Level.OK]
    return cluster


def test_no_broker_is_a_problem_with_a_remedy():
    cluster, (found,) = check_broker(load_settings(bootstrap="127.0.0.1:1"))
    assert cluster is None
    assert found.level is Level.PROBLEM
    assert "127.0.0.1:1" in found.text
    assert "start it" in found.remedy


def test_missing_topics_are_named_with_what_creates_them(broker):
    (found,) = check_topics(broker, cluster_of(broker))
    assert found.level is Level.PROBLEM
    assert "drift-alerts" in found.text
    assert "stream-gov ingest" in found.remedy


def test_topics_in_order_are_listed(broker):
    ensure_topics(broker)
    (found,) = check_topics(broker, cluster_of(broker))
    assert found.level is Level.OK
    assert "inference-events (4 partitions)" in found.text


def test_doctor_goes_on_where_topics_are_missing(run, broker):
    result = run("doctor", "--json", "--bootstrap", broker.bootstrap)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [f["check"] for f in found if f["level"] == "problem"] == ["topics"]
    assert found[-1]["check"] == "ports"


def test_a_monitor_that_was_not_published_is_a_warning(broker, state):
    ensure_topics(broker)
    (found,) = check_catalog(broker, state)
    assert found.level is Level.WARNING
    assert found.remedy == f"stream-gov monitor apply {state.monitor_path('shop')}"


def test_a_monitor_that_was_changed_since_is_a_warning(broker, state):
    ensure_topics(broker)
    publish_state(broker, state)
    state.monitor_path("shop").write_text(MONITOR.replace("0.1", "0.2"))
    levels = {f.text: f.level for f in check_catalog(broker, state)}
    assert levels["the monitor shop differs from the one that is published"] is Level.WARNING


def test_a_reference_for_another_version_than_the_events_is_a_problem(broker, state):
    ensure_topics(broker)
    publish_state(broker, state)
    producer = make_producer(producer_config(broker, "test"))
    for i in range(20):
        event = {"event_id": str(i), "model": "shop", "version": "8", "timestamp": 0, "features": {}}
        producer.produce("inference-events", key=str(i), value=json.dumps(event))
    producer.produce("inference-events", value=b"no event")
    producer.flush()
    assert versions_in_events(broker) == {"shop": {"8": 20}}
    (problem,) = (f for f in check_catalog(broker, state) if f.level is Level.PROBLEM)
    assert "shop-base@1 was made for version 7" in problem.text
    assert "--model-version 8" in problem.remedy


def test_what_cannot_be_read_is_not_published_and_told(broker, state, capsys):
    ensure_topics(broker)
    state.monitor_path("broken").write_text("monitor: [")
    assert publish_state(broker, state) == ["reference shop-base@1", "monitor shop"]
    assert "not published" in capsys.readouterr().err
