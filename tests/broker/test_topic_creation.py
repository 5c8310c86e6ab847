from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from stream_gov.contracts import ConfigurationError
from stream_gov.runtime.kafka_clients import Cluster, wait_for_broker
from stream_gov.runtime.topics import TopicFinding, ensure_topics, inspect_topics
from stream_gov.settings import Settings, TopicSettings

pytestmark = pytest.mark.broker


def by_role(findings: list[TopicFinding]) -> dict[str, TopicFinding]:
    return {finding.spec.role: finding for finding in findings}


def on(bootstrap: str, name: str, **topics: object) -> tuple[Settings, Cluster]:
    settings = Settings(bootstrap=bootstrap, group=name, topics=TopicSettings(prefix=f"{name}.", **topics))  # type: ignore[arg-type]
    return settings, wait_for_broker(settings, "test", give_up_after_s=10)


def test_the_embedded_broker_is_recognised_and_brings_topics_into_being(embedded_bootstrap: str, unique_name) -> None:  # type: ignore[no-untyped-def]
    settings, cluster = on(embedded_bootstrap, unique_name("topics"))
    assert cluster.embedded
    assert {f.state for f in inspect_topics(settings, cluster)} == {"missing"}
    for _ in range(2):
        found = ensure_topics(settings, cluster)
        assert {(f.state, f.partitions, f.differences) for f in found} == {("automatic", 4, ())}


@pytest.mark.kafka
def test_missing_topics_are_created_as_wanted(kafka_bootstrap: str, unique_name) -> None:  # type: ignore[no-untyped-def]
    settings, cluster = on(kafka_bootstrap, unique_name("topics"), partitions=5)
    assert not cluster.embedded
    created = by_role(ensure_topics(settings, cluster))
    assert {f.state for f in created.values()} == {"created"}
    found = by_role(ensure_topics(settings, cluster))
    assert {(f.state, f.differences) for f in found.values()} == {("exists", ())}
    assert {role: f.partitions for role, f in found.items()} == {
        "events": 5,
        "ground_truth": 5,
        "summaries": 5,
        "metrics": 5,
        "alerts": 5,
        "dead_letters": 5,
        "refused": 5,
        "references": 1,
        "monitors": 1,
        "detect_changelog": 5,
    }


@pytest.mark.kafka
def test_existing_topics_are_left_alone_and_what_differs_is_told(kafka_bootstrap: str, unique_name) -> None:  # type: ignore[no-untyped-def]
    settings, cluster = on(kafka_bootstrap, unique_name("topics"), partitions=5)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    mine = [
        NewTopic(settings.topics.name("summaries"), 7, 1, config={"retention.ms": "60000"}),
        NewTopic(settings.topics.name("monitors"), 1, 1),
    ]
    for future in admin.create_topics(mine).values():
        future.result()
    found = by_role(ensure_topics(settings, cluster))
    assert (found["summaries"].state, found["summaries"].partitions) == ("exists", 7)
    assert any("retention.ms is 1m, less than 7d" in line for line in found["summaries"].differences)
    assert any("max.message.bytes" in line for line in found["summaries"].differences)
    assert any("lacks `compact`" in line for line in found["monitors"].differences)
    assert found["detect_changelog"].partitions == 7, "as many as the summaries have"


@pytest.mark.kafka
def test_what_the_broker_refuses_is_told_with_what_to_do(kafka_bootstrap: str, unique_name) -> None:  # type: ignore[no-untyped-def]
    settings, cluster = on(kafka_bootstrap, unique_name("topics"), replication=9)
    with pytest.raises(ConfigurationError, match=r"INVALID_REPLICATION_FACTOR.*create it by hand with 12 partitions"):
        ensure_topics(settings, cluster)
