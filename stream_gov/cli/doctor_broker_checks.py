"""What `stream-gov doctor` asks the broker: does it answer, are the topics right, is what the workers read the same as what is here."""

# ruff: noqa: SLF001  # the names of librdkafka's own error codes begin with an underscore

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import msgspec
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from stream_gov.cli.doctor_checks import Finding, Level, check_versions_seen
from stream_gov.contracts import DataError, StreamGovError, UnavailableError
from stream_gov.files.state_directory import StateDirectory
from stream_gov.runtime.catalog import TopicCatalog
from stream_gov.runtime.catalog_watcher import CatalogWatcher
from stream_gov.runtime.kafka_clients import Cluster, consumer_config, group_name, make_consumer, wait_for_broker
from stream_gov.runtime.topics import inspect_topics
from stream_gov.settings import Settings

__all__ = ["check_broker", "check_catalog", "check_topics", "versions_in_events"]

_ANSWER_S = 5.0
_POLL_S = 0.2
_LOOKED_AT = 1_000
"""Newest events of each partition whose versions are looked at."""


class _EventHead(msgspec.Struct):
    model: str
    version: str


def check_broker(settings: Settings) -> tuple[Cluster | None, list[Finding]]:
    """Ask the broker who it is."""
    try:
        cluster = wait_for_broker(settings, "doctor", give_up_after_s=_ANSWER_S)
    except StreamGovError as err:
        problem, _, remedy = str(err).rpartition("; ")
        return None, [Finding("broker", Level.PROBLEM, problem or str(err), remedy)]
    kind = (
        "the embedded broker"
        if cluster.embedded
        else f"Kafka, cluster {cluster.id}, {_count(cluster.n_brokers, 'broker')}"
    )
    found = [Finding("broker", Level.OK, f"{settings.bootstrap} answers: {kind}")]
    if not cluster.embedded and cluster.n_brokers < settings.topics.replication:
        found.append(
            Finding(
                "broker",
                Level.PROBLEM,
                f"topics.replication is {settings.topics.replication}, and there is {_count(cluster.n_brokers, 'broker')}",
                "start more brokers, or lower topics.replication",
            )
        )
    return cluster, found


def check_topics(settings: Settings, cluster: Cluster) -> Iterator[Finding]:
    """Compare the topics with what stream-gov would create."""
    try:
        findings = inspect_topics(settings, cluster, worker="doctor")
    except StreamGovError as err:
        yield Finding(
            "topics", Level.PROBLEM, str(err), "see that the broker is healthy and that this user may look at topics"
        )
        return
    missing = [f.spec.name for f in findings if f.state == "missing"]
    if missing:
        what = (
            f"the topic {missing[0]} is missing" if len(missing) == 1 else f"topics are missing: {', '.join(missing)}"
        )
        yield Finding(
            "topics",
            Level.PROBLEM,
            what,
            "start `stream-gov ingest` and `stream-gov detect`, which create them; or mend the names in the setting `topics`",
        )
    for finding in findings:
        for difference in finding.differences:
            problem, _, remedy = difference.rpartition("; ")
            yield Finding("topics", Level.WARNING, f"the topic {finding.spec.name}: {problem or difference}", remedy)
    good = [f for f in findings if f.state != "missing" and not f.differences]
    if good:
        yield Finding(
            "topics", Level.OK, ", ".join(f"{f.spec.name} ({_count(f.partitions, 'partition')})" for f in good)
        )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def check_catalog(settings: Settings, state: StateDirectory) -> Iterator[Finding]:
    """Compare what the workers read from the topics with what is in the state directory, and references with the events' versions."""
    try:
        with CatalogWatcher(settings, "doctor") as watcher:
            watcher.wait_until_loaded(_ANSWER_S)
            catalog = watcher.catalog
    except UnavailableError as err:
        yield Finding("monitors", Level.PROBLEM, str(err), "start the workers, which create the topics")
        return
    published = {m.name: m for m in catalog.monitors()}
    if catalog.n_unreadable:
        yield Finding(
            "monitors",
            Level.PROBLEM,
            f"{catalog.n_unreadable} messages on the topics of monitors and references cannot be read",
            "upgrade the workers, or apply the monitors again",
        )
    for name in state.monitor_names():
        with suppress(StreamGovError):  # one that cannot be read was found before
            kept = state.load_monitor(name)
            if published.get(name) != kept:
                what = "is not published" if name not in published else "differs from the one that is published"
                path = state.monitor_path(name)
                yield Finding(
                    "monitors", Level.WARNING, f"the monitor {name} {what}", f"stream-gov monitor apply {path}"
                )
    seen = versions_in_events(settings)
    for monitor in published.values():
        yield from _published_reference(catalog, monitor.model, seen.get(monitor.model, Counter()))


def _published_reference(catalog: TopicCatalog, model: str, seen: Counter[str]) -> Iterator[Finding]:
    monitor = catalog.monitor(model)
    if monitor is None or monitor.reference is None:
        return
    profile = catalog.newest_profile(model)
    if profile is None:
        yield Finding(
            "references",
            Level.PROBLEM,
            f"the monitor {monitor.name} is published, and its reference {monitor.reference} is not",
            "apply the monitor again where the reference is: `stream-gov monitor apply FILE`",
        )
        return
    yield Finding("monitors", Level.OK, f"the monitor {monitor.name} is published, with the reference {profile.id}")
    yield from check_versions_seen(monitor, profile, seen, where="the newest events")


def versions_in_events(settings: Settings) -> dict[str, Counter[str]]:
    """Count the versions among the newest events of each partition, by model; nothing where the topic cannot be read."""
    seen: dict[str, Counter[str]] = {}
    config = consumer_config(settings, "doctor", group=group_name(settings, "doctor"))
    consumer = make_consumer(config | {"auto.offset.reset": "earliest"})
    decoder = msgspec.json.Decoder(_EventHead)
    try:
        name = settings.topics.name("events")
        partitions = []
        for number in consumer.list_topics(name, timeout=_ANSWER_S).topics[name].partitions:
            first, end = consumer.get_watermark_offsets(TopicPartition(name, number), timeout=_ANSWER_S)
            if end > first:
                partitions.append(TopicPartition(name, number, max(first, end - _LOOKED_AT)))
        consumer.assign(partitions)
        unread = {p.partition for p in partitions}
        give_up_s = time.monotonic() + _ANSWER_S
        while unread and time.monotonic() < give_up_s:
            for message in consumer.consume(1_000, _POLL_S):
                trouble = message.error()
                if trouble is not None:
                    if trouble.code() == KafkaError._PARTITION_EOF:
                        unread.discard(message.partition() or 0)
                    continue
                with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, DataError):
                    head = decoder.decode(message.value() or b"")
                    seen.setdefault(head.model, Counter())[head.version] += 1
    except KafkaException:
        return seen
    finally:
        consumer.close()
    return seen
